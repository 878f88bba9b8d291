# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest can cost others: nothing in a box ends a pass, boxes take turns, and what is to be left free stays free.

A figure here that is named is in docs/verified.md, too.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import (
    extract_process,
    extracting,
    guest_boxes,
    one_pass,
    turn_taking,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging
from hosts import GUEST, SERVICE, TREE, Host, digest, disk_of_24_mb, named, pack
from zero import File, Folder

ERRORS = [
    MemoryError("no more"),
    RecursionError("too deep"),
    OSError(5, "Input/output error"),
    UnicodeEncodeError("latin-1", "\u20ac", 0, 1, "not in there"),
    LookupError("unknown encoding: unicode_escape"),
    ValueError("\x1b[2J"),
    AssertionError(),
]
"""Of each class that a request may make Python raise, and of others that nobody foresees."""


def numbered(number: int) -> str:
    """A name that no package has."""
    return f"sha256={number:064x}"


def failing(real: Callable[..., Any], box_of: Callable[..., str], digest_of: Callable[..., str]) -> Callable[..., Any]:
    """A function that fails where it is called for a request of the box ``evil``, in the way of its number."""

    def do(*arguments: Any) -> Any:
        if box_of(*arguments) == "evil":
            raise ERRORS[int(digest_of(*arguments)[-1])]
        return real(*arguments)

    return do


def request_of(*arguments: Any) -> guest_boxes.Request:
    """The request that a function is called for."""
    (request,) = [argument for argument in arguments if isinstance(argument, guest_boxes.Request)]
    return request


def fail_at(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the handling of the requests of ``evil`` fail at a place."""
    unpacking, by_request = (
        extract_process.Unpacking,
        (
            lambda *given: request_of(*given).box.name,
            lambda *given: request_of(*given).digest,
        ),
    )
    own = (lambda it: it.request.box.name, lambda it: it.request.digest)
    if place == "name":
        real = guest_boxes.Request.algorithm.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(guest_boxes.Request, "algorithm", property(failing(real, *by_request)))
    elif place in ("open_request", "answer"):
        monkeypatch.setattr(guest_boxes, place, failing(getattr(guest_boxes, place), *by_request))
    elif place == "discard":
        named_by = (lambda box, *_more: box.name, lambda _box, name, _budget: name.removesuffix(".tar"))
        monkeypatch.setattr(guest_boxes, place, failing(guest_boxes.discard, *named_by))
    elif place == "shown":
        by_text = (lambda text: "evil" if text.startswith("sha256=0") else "", lambda text: text)
        monkeypatch.setattr(judging, place, failing(judging.shown, *by_text))
    elif place == "_move_in":
        by_unpacking = (lambda _pass, it: it.request.box.name, lambda _pass, it: it.request.digest)
        judge = unpacking._judge
        monkeypatch.setattr(unpacking, "_judge", lambda it: "" if it.request.box.name == "evil" else judge(it))
        monkeypatch.setattr(one_pass._Pass, place, failing(one_pass._Pass._move_in, *by_unpacking))
    else:
        monkeypatch.setattr(unpacking, place, failing(getattr(unpacking, place), *own))


PLACES = ["name", "open_request", "start", "_copy", "_judge", "finish", "_move_in", "answer", "discard", "shown"]


@pytest.mark.parametrize("place", PLACES)
def test_a_request_whose_handling_fails_in_whatever_way_is_set_aside_by_itself(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The others of the same pass are served, and the next pass goes on without it."""
    wanted = digest(TREE, folder)
    with monkeypatch.context() as patch:
        fail_at(place, patch)
        sent = {host.put("evil", numbered(number), pack(named(number))) for number in range(len(ERRORS))}
        host.put("good", wanted, pack(TREE))
        answers = host.run()
        evil = [answer for answer in answers if answer.box == "evil"]
        assert {answer.id for answer in evil} == sent and len(evil) == len(sent)
        assert {answer.status for answer in evil} == {"refused"}
        assert all(answer.reason.isprintable() for answer in evil)
        assert [answer.status for answer in answers if answer.box == "good"] == ["added"]
        subprocess.run(["rm", "-rf", "--", host.store / wanted], check=True)
        host.put("good", wanted, pack(TREE))
        again = host.run()
        assert [answer.status for answer in again if answer.box == "good"] == ["added"]
        assert len(again) == 1 or place == "discard"
        subprocess.run(["rm", "-rf", "--", host.store / wanted], check=True)
    host.is_served("good", 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_ends_a_pass_ends_it(host: Host, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def end(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(guest_boxes, "open_request", end)
    host.put("evil", numbered(1), b"x")
    with pytest.raises(Failure, match="ended unexpectedly"):
        host.run()
    assert os.listdir(host.boxes / "evil")


def test_a_box_that_cannot_be_looked_through_keeps_nothing_from_others(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = guest_boxes.sweep

    def sweep(box: guest_boxes.Box) -> guest_boxes.Sweep:
        if box.name == "evil":
            raise MemoryError
        return real(box)

    monkeypatch.setattr(guest_boxes, "sweep", sweep)
    host.put("good", digest(TREE, folder), pack(TREE))
    answers: list[one_pass.Answer] = []
    result = one_pass.run(host.options, answers.append)
    assert [answer.status for answer in answers] == ["added"]
    assert result.warnings == ["The box 'evil' cannot be looked through. The host cannot handle it: MemoryError: ''."]


def test_what_is_told_of_an_answer_is_short_however_long_its_names_are(host: Host) -> None:
    path = b"d/" + "\U0001f600".encode() * 60
    entries = Folder({b"d": Folder({path[2:]: Folder({path[2:]: File()})})})
    host.limits = host.limits._replace(max_depth=1)
    host.put("evil", numbered(1), pack(entries))
    (box,) = [host.boxes / "evil"]
    host.as_guest((box / ("\U0001f600" * 60 + ".tar")).touch)
    for answer in host.run():
        assert answer.status == "refused" and 0 < len(answer.reason) <= one_pass.LONGEST_REASON + 1


def test_folders_in_a_box_cost_a_pass_only_so_much_however_many_there_are(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beyond is moved out of the way, and goes later."""
    monkeypatch.setattr(guest_boxes, "BUDGET", 100)
    box = host.boxes / "evil"

    def make() -> None:
        for number in range(5):
            folder = box / f"{number:032x}.{numbered(number)}.tar"
            folder.mkdir()
            for file in range(60):
                (folder / str(file)).touch()
            folder.chmod(0o777)

    def left() -> int:
        return sum(len(files) for _path, _folders, files in os.walk(box))

    host.as_guest(make)
    host.run()
    assert left() >= 5 * 60 - 100
    host.check()
    for path in box.glob("*.answer"):
        path.unlink()
    monkeypatch.setattr(guest_boxes, "OLD", -1)
    before = left()
    host.run()
    assert before > left() >= before - 100
    host.is_served("good", 1)


def junk(box: Path, number: int) -> None:
    """Folders that the service can neither enter nor remove."""
    for count in range(number):
        (box / f"{count:032x}.junk" / "x").mkdir(parents=True)


def test_names_that_are_not_looked_at_are_left_and_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever starts the service at every request makes a pause."""
    monkeypatch.setattr(guest_boxes, "MOST_NAMES", 10)
    host.as_guest(lambda: junk(host.boxes / "evil", 30))
    for _pass in range(2):
        result = one_pass.run(host.options, lambda _answer: None)
        assert result.left == 1 and "The box 'evil' has more than 20 names" in result.warnings[0], result
    host.is_served("good", 1)


def test_a_host_has_as_many_boxes_as_it_has_guests(host: Host, folder: Path) -> None:
    """Each is open while a pass goes on: more than a process may have open by default, and than select takes."""
    for number in range(1100):
        path = host.boxes / f"guest{number}"
        path.mkdir()
        os.chown(path, SERVICE, GUEST)
        path.chmod(0o770)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        wanted = digest(TREE, folder)
        host.put("guest1099", wanted, pack(TREE))
        assert [(answer.box, answer.status) for answer in host.run()] == [("guest1099", "added")]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def large(number: int) -> Folder:
    """A package of three megabytes."""
    return Folder({b"large": File(os.urandom(3 << 20)), b"number": File(b"%d" % number)})


@pytest.mark.parametrize("sender", ["evil", "zealous"])
def test_who_sends_large_requests_keeps_nobody_waiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sender: str
) -> None:
    """However its name sorts, and though its requests alone are more than what is written to disk together."""
    monkeypatch.setattr(one_pass, "BATCH_SIZE", 1 << 20)
    host = Host(folder, ["good", sender])
    for number in range(6):
        host.put(sender, numbered(number), pack(large(number)))
    for number in range(2):
        host.put("good", numbered(100 + number), pack(named(number)))
    order = [answer.box for answer in host.run()]
    # A large one costs no more than a turn here: it is smaller than what a turn costs by itself.
    assert [number for number, box in enumerate(order) if box == "good"] in ([0, 2], [1, 3])


def test_a_request_is_charged_to_its_sender_by_its_apparent_size(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_taking, "TURN", 1 << 20)
    monkeypatch.setattr(one_pass, "BATCH", 1)
    for number in range(3):
        host.put("evil", numbered(number), pack(large(number)))
    for number in range(8):
        host.put("good", numbered(100 + number), pack(named(number)))
    order = [answer.box for answer in host.run()]
    # Three megabytes and the headers are four turns.
    assert order == ["evil"] + 4 * ["good"] + ["evil"] + 4 * ["good"] + ["evil"]


def test_whoever_was_served_last_comes_last_in_the_next_pass(host: Host) -> None:
    def boxes_of_a_pass(*boxes: str) -> list[str]:
        for box in boxes:
            host.put(box, numbered(ord(box[0])), b"x")
        return [answer.box for answer in host.run()]

    assert boxes_of_a_pass("evil", "good") == ["evil", "good"]
    assert boxes_of_a_pass("evil") == ["evil"]
    assert boxes_of_a_pass("evil", "good", "other") == ["other", "good", "evil"]
    # What says so may be gone, or damaged: then nobody is known to have been served, and nothing else happens.
    (host.staging / turn_taking.STATE).write_bytes(b"\0" * 100)
    assert boxes_of_a_pass("other", "evil") == ["evil", "other"]
    (host.staging / turn_taking.STATE).unlink()
    (host.staging / turn_taking.STATE).mkdir()
    assert boxes_of_a_pass("evil", "good") == ["evil", "good"]
    assert boxes_of_a_pass("evil") == ["evil"]
    assert boxes_of_a_pass("evil", "good") == ["good", "evil"]
    host.check()


def test_a_pass_ends_when_its_time_is_over_and_the_next_one_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a batch begins with no more of its requests; who did not come to its turn comes first in the next one."""
    monkeypatch.setattr(one_pass, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(extract_process, "BATCH_SECONDS", 0.0)
    host.limits = host.limits._replace(max_waiting=10)
    for number in range(3):
        for box in ("evil", "good", "other"):
            host.put(box, numbered(number + ord(box[0]) * 16), b"x")
    options = host.options._replace(workers=1)
    order = []
    for left in range(8, -1, -1):
        answers: list[one_pass.Answer] = []
        assert one_pass.run(options, answers.append).left == left
        order += [answer.box for answer in answers]
    assert order == 3 * ["evil", "good", "other"]


def sparse(path: Path, size: int, *data: tuple[int, bytes]) -> None:
    """Make a file with holes wherever no data are written."""
    with path.open("wb") as file:
        file.truncate(size)
        for at, text in data:
            file.seek(at)
            file.write(text)


HOLES: dict[str, tuple[int, list[tuple[int, bytes]]]] = {
    "all": (1 << 30, []),
    "beginning": (1 << 20, [(1 << 19, b"x" * (1 << 19))]),
    "middle": (1 << 20, [(0, b"x" * (1 << 18)), (1 << 19, b"x" * (1 << 19))]),
    "end": (1 << 20, [(0, b"x" * (1 << 19))]),
}


@pytest.mark.parametrize("where", HOLES)
def test_holes_are_refused_before_they_are_read(host: Host, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def unpack(*_arguments: object) -> None:
        raise AssertionError("it was begun with")

    host.limits = host.limits._replace(max_size=1 << 32)
    monkeypatch.setattr(extract_process.Unpacking, "start", unpack)
    size, data = HOLES[where]
    path = host.boxes / "evil" / f"{'0' * 32}.{numbered(1)}.tar"
    host.as_guest(lambda: sparse(path, size, *data))
    (answer,) = host.run()
    assert answer.status == "refused"
    assert answer.reason.startswith("Its archive has holes: sparse files are refused. ")
    assert "the boxes are on a file system that makes them" in answer.reason and answer.reason.endswith(".")
    assert host.check() == set()


def test_a_hole_that_is_made_when_the_archive_was_looked_at_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = host.boxes / "evil" / f"{'0' * 32}.{numbered(1)}.tar"
    real = extract_process.Unpacking.start

    def start(self: extract_process.Unpacking) -> int:
        os.truncate(self.archive, 0)
        os.truncate(self.archive, self.size)
        return real(self)

    monkeypatch.setattr(extract_process.Unpacking, "start", start)
    monkeypatch.setattr(guest_boxes, "_FILE", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    host.as_guest(lambda: (path.write_bytes(pack(large(1))), path.chmod(0o666)))
    (answer,) = host.run()
    assert "holes" in answer.reason
    assert host.check() == set()


def test_zeros_that_are_written_are_no_holes(host: Host, folder: Path) -> None:
    zeros = Folder({b"zeros": File(bytes(5 << 20))})
    host.put("good", digest(zeros, folder), pack(zeros))
    assert [answer.status for answer in host.run()] == ["added"]


def test_a_pass_reads_and_writes_when_nobody_else_does(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do the processes that unpack."""

    def unpack(*_arguments: object) -> None:
        raise Refused(subprocess.check_output(["ionice", "-p", str(os.getpid())], text=True).strip())

    monkeypatch.setattr(extract_process.extracting, "unpack", unpack)
    host.put("good", numbered(1), pack(TREE))
    assert [answer.reason for answer in host.run()] == ["idle"]


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of 24 MB and 6144 inodes, where each directory takes 4 KiB."""
    with disk_of_24_mb(folder, "-b", "4096", "-N", "6144") as disk:
        yield disk


class Watch:
    """Sees how much is free after each entry that any process unpacks, and after each line of the pass's own code."""

    def __init__(self, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._disk = disk
        self._fd = os.memfd_create("least")
        for module, name in ((extracting, "_make"), (extracting, "make_manifest"), (removing, "remove")):
            monkeypatch.setattr(module, name, self._watched(getattr(module, name)))
        monkeypatch.setattr(one_pass.replacing, "rename_new", self._watched(one_pass.replacing.rename_new))

    def _watched(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            try:
                return do(*arguments)
            finally:
                self.look()

        return watched

    def look(self) -> None:
        """Write down what is free now."""
        found = os.statvfs(self._disk)
        os.write(self._fd, b"%d %d\n" % (found.f_bavail * found.f_frsize, found.f_favail))

    def least(self) -> tuple[int, int]:
        """The fewest bytes and inodes that were free at any time."""
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            seen = [tuple(map(int, line.split())) for line in file]
        assert len(seen) > 1000
        return min(found[0] for found in seen), min(found[1] for found in seen)


def directories(count: int, tag: str) -> Folder:
    """A package of so many empty directories: each takes eight times as much room as in the archive, and an inode."""
    return Folder({b"%s-%d" % (tag.encode(), number): Folder() for number in range(count)})


def files(count: int, tag: str) -> Folder:
    """A package of so many empty files, each of which takes an inode and no block."""
    return Folder({b"%s-%d" % (tag.encode(), number): File() for number in range(count)})


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_what_is_to_be_left_free_is_free_at_any_time(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """By sound packages of three guests, which are unpacked at once; what fits by itself, or afterwards, is added."""
    host = Host(small_disk)
    trees = {box: directories(800, box) if what == "bytes" else files(1500, box) for box in ("evil", "good", "other")}
    names = {box: digest(tree, tmp_path) for box, tree in trees.items()}
    for box, tree in trees.items():
        host.put(box, names[box], pack(tree))
    now = os.statvfs(small_disk)
    free, inodes = now.f_bavail * now.f_frsize, now.f_favail
    # Room for one and a half of them, and for the steps of three processes.
    kept = {"keep_free": free - (9 << 20)} if what == "bytes" else {"keep_free_inodes": inodes - 2250}
    host.limits = host.limits._replace(max_entries=10_000, **kept)
    watch = Watch(small_disk, monkeypatch)
    answers: list[one_pass.Answer] = []
    one_pass.run(host.options._replace(workers=3), answers.append)
    watch.look()
    bytes_left, inodes_left = watch.least()
    print(kept, bytes_left, inodes_left, [(answer.status, answer.reason) for answer in answers])
    assert bytes_left >= host.limits.keep_free and inodes_left >= host.limits.keep_free_inodes
    refused = {answer.reason for answer in answers if answer.status == "refused"}
    why = "The host's disk has no room for it." if what == "bytes" else "The host's disk has no inodes left for it."
    assert refused == {why}
    assert len(host.sound()) == 1
    assert host.sound() == {answer.digest for answer in answers if answer.status == "added"}
    host.is_served("good", 1)


def test_room_that_somebody_else_took_is_seen_before_the_rename(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(small_disk)
    host.limits = host.limits._replace(keep_free=4 << 20)
    filler = small_disk / "filler"
    filler.touch()
    os.chown(filler, SERVICE, SERVICE)
    real = one_pass.unpack_all

    def unpack_all(*arguments: Any) -> None:
        real(*arguments)
        room = os.statvfs(small_disk)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - (3 << 20))

    wanted = digest(TREE, tmp_path)
    host.put("good", wanted, pack(TREE))
    with monkeypatch.context() as patch:
        patch.setattr(one_pass, "unpack_all", unpack_all)
        assert [answer.reason for answer in host.run()] == ["The host's disk has no room for it."]
    assert host.check() == set()
    filler.unlink()
    host.put("good", wanted, pack(TREE))
    assert [answer.status for answer in host.run()] == ["added"]
