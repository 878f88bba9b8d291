# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that send packages: by their own program, several at once, and while something changes or runs out."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass
from hosts import GUEST, KEPT, PYTHON, SECURE_ADD, SERVICE, TREE, Host, digest, disk_of_24_mb, named, pack
from labkit.waiting import HANG, until
from zero import File, Folder, Link


def wait_for(true: Callable[[], object]) -> None:
    """Return when it is true."""
    until(true, "it did not come true")


def requests(host: Host, box: str = "good") -> list[str]:
    """The names of requests in a box."""
    return [name for name in os.listdir(host.boxes / box) if name.endswith(".tar")]


@pytest.fixture
def tree(folder: Path) -> Path:
    """A package as Zero Install hands it over: unpacked, with a manifest, on the guest's disk."""
    path = folder / "unpacked"
    zero.build(os.fsencode(path), TREE)
    (path / "lib/deep/.manifest").write_text("of its own\n")
    os.utime(path / "lib/deep/.manifest", (5, 5))
    return path


@pytest.mark.parametrize("algorithm", ["sha1new", "sha256", "sha256new"])
def test_a_package_goes_from_a_guest_to_the_host(host: Host, tree: Path, algorithm: str) -> None:
    name = zero.digest(tree, algorithm)
    (tree / ".manifest").write_text("not what the host believes\n")
    with host.send("good", tree, name) as program:
        wait_for(lambda: requests(host))
        assert [(answer.status, answer.digest) for answer in host.run(dry=True)] == [("waiting", name)]
        assert host.check_nothing_done()
        assert [(answer.status, answer.digest) for answer in host.run()] == [("added", name)]
        assert program.wait(HANG) == 0
    assert host.check() == {name}
    said = zero.verify(host.store / name)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, b"OK")
    assert os.listdir(host.boxes / "good") == []
    assert zero.name_of((host.store / name / ".manifest").read_bytes(), algorithm) == name


def test_what_is_odd_but_sound_is_added(host: Host, folder: Path) -> None:
    """Times before 1970 and long after, names and links that need extended headers, an empty tree."""
    second = 10**9
    odd = Folder(
        {
            b"before": File(b"x", -86400 * second),
            b"after": File(b"x", 2**33 * second),
            b"p" * 250: Folder({b"q" * 250: Folder({b"r" * 250: File(b"deep")})}),
            b"link": Link(b"t" * 1000),
            b"up": Folder({b"down": Link(b"../up/./down"), b"here": Link(b".")}),
            b"\xe2\x82\xac": File(b"euro"),
            b"back\\slash ": File(b""),
        }
    )
    for number, content in enumerate((odd, Folder())):
        path = folder / f"odd{number}"
        zero.build(os.fsencode(path), content)
        name = zero.digest(path, "sha256new")
        with host.send("good", path, name) as program:
            wait_for(lambda: requests(host))
            assert [(answer.status, answer.reason) for answer in host.run()] == [("added", "")]
            assert program.wait(HANG) == 0
        assert zero.verify(host.store / name).returncode == 0


def test_directories_as_deep_as_they_like_end_no_program(host: Host, folder: Path) -> None:
    """More than Python calls in each other, and than a process may have open. The host has a limit of its own."""
    (folder / "deep").mkdir()
    fd = os.open(folder / "deep", os.O_RDONLY)
    for level in range(1500):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
        os.mkdir(f"d{level % 2}", dir_fd=fd)
        below = os.open(f"d{level % 2}", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with host.send("good", folder / "deep", zero.name_of(b"any", "sha256")) as program:
        wait_for(lambda: requests(host) or program.poll() is not None)
        answers = host.run()
        assert program.wait(HANG) == 1
        assert program.stderr
        said = program.stderr.read()
    assert [answer.status for answer in answers] == ["refused"], said
    assert answers[0].reason in said and "Traceback" not in said
    assert os.listdir(host.boxes / "good") == []


def test_the_real_program_installs_through_it(host: Host, folder: Path, tree: Path) -> None:
    """0store add, with our program as its helper in PATH, while the service runs: the user's own store stays empty."""
    name = zero.digest(tree, "sha256new")
    home = folder / "home"
    (home / "bin").mkdir(parents=True)
    shutil.copy(SECURE_ADD, home / "secure-add")
    helper = home / "bin/0store-secure-add-helper"
    options = f"--box {host.boxes / 'good'} --store {host.store}"
    helper.write_text(f'#!/bin/sh\nexec {PYTHON} -IS {home}/secure-add "$@" {options}\n')
    helper.chmod(0o755)
    environment = {
        **zero.ENVIRONMENT,
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CACHE_DIRS": str(host.store.parent.parent),
    }
    subprocess.run(["chown", "-R", f"{GUEST}:{GUEST}", home, tree], check=True)
    command = ["0store", "add", name, tree]
    with subprocess.Popen(command, cwd="/", env=environment, user=GUEST, group=GUEST, extra_groups=[]) as program:
        wait_for(lambda: requests(host))
        assert [answer.status for answer in host.run()] == ["added"]
        assert program.wait(HANG) == 0
    assert host.check() == {name}
    own = home / "cache/0install.net/implementations"
    assert not own.exists() or name not in os.listdir(own)


@pytest.mark.parametrize("when", ["writing", "waiting"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_guests_program_cleans_up_when_it_is_ended(host: Host, folder: Path, when: str, number: int) -> None:
    big = folder / "big"
    big.mkdir()
    with (big / "file").open("wb") as file:
        file.truncate(1 << 30 if when == "writing" else 1 << 10)
    with host.send("good", big, "sha256=" + "0" * 64) as program:
        suffix = {"writing": ".part", "waiting": ".tar"}[when]
        wait_for(lambda: any(name.endswith(suffix) for name in os.listdir(host.boxes / "good")))
        program.send_signal(number)
        assert program.wait(HANG) == 1
        assert program.stderr and f"ended by signal {int(number)}" in program.stderr.read()
    assert os.listdir(host.boxes / "good") == []


@pytest.mark.parametrize(
    "name, why",
    [("sha1=" + "0" * 40, "sha1 are refused"), ("sha256=x", "not the name of an"), ("../x", "not the name of an")],
)
def test_the_guests_program_refuses_what_the_host_would(host: Host, tree: Path, name: str, why: str) -> None:
    with host.send("good", tree, name) as program:
        assert program.wait(HANG) == 1
        assert program.stderr and why in program.stderr.read()
    assert os.listdir(host.boxes / "good") == []


def test_a_refusal_reaches_the_guests_user(host: Host, tree: Path) -> None:
    with host.send("good", tree, "sha256=" + "0" * 64) as program:
        wait_for(lambda: requests(host))
        host.run()
        assert program.wait(HANG) == 1
        assert program.stderr and "the host refused it: Its contents do not match its name" in program.stderr.read()
    assert os.listdir(host.boxes / "good") == []


def test_a_host_that_does_not_answer_is_waited_for_only_so_long(host: Host, tree: Path) -> None:
    command = [PYTHON, "-IS", SECURE_ADD, "sha256=" + "0" * 64, "--box", host.boxes / "good", "--timeout", "1"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 1 and "has not answered in time" in done.stderr
    assert os.listdir(host.boxes / "good") == []


def test_by_sudo_it_takes_no_options(host: Host, tree: Path) -> None:
    command = [PYTHON, "-IS", SECURE_ADD, "sha256=" + "0" * 64, "--box", host.boxes / "good"]
    done = subprocess.run(
        command,
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
        env={**os.environ, "SUDO_UID": "1000"},
    )
    assert done.returncode == 1 and "it takes no options" in done.stderr
    assert os.listdir(host.boxes / "good") == []


def test_two_guests_send_the_same_package_at_once(host: Host, tree: Path) -> None:
    name = zero.digest(tree, "sha256new")
    with host.send("good", tree, name) as one, host.send("other", tree, name) as other:
        wait_for(lambda: requests(host, "good") and requests(host, "other"))
        assert sorted(answer.status for answer in host.run()) == ["added", "present"]
        assert (one.wait(HANG), other.wait(HANG)) == (0, 0)
    assert host.check() == {name}


def test_a_package_that_is_there_is_not_unpacked_nor_changed(host: Host, folder: Path) -> None:
    name = digest(TREE, folder)
    host.put("good", name, pack(TREE))
    host.run()
    before = os.stat(host.store / name)
    for archive in (pack(TREE), b"nothing of the kind"):
        identity = host.put("other", name, archive)
        assert [answer.status for answer in host.run()] == ["present"]
        assert host.answer("other", identity) == {"status": "present", "reason": ""}
    after = os.stat(host.store / name)
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)
    assert host.check() == {name}


def test_a_package_that_appears_while_it_is_unpacked_is_present(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a user of the host adds it by 0store: it is not replaced."""
    name = digest(TREE, folder)
    real = one_pass.unpack_all

    def unpack_all(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        (host.store / name).mkdir()

    monkeypatch.setattr(one_pass, "unpack_all", unpack_all)
    host.put("good", name, pack(TREE))
    assert [answer.status for answer in host.run()] == ["present"]
    assert os.listdir(host.store / name) == []
    assert os.listdir(host.store) == [name] and set(os.listdir(host.staging)) <= KEPT


@contextlib.contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """A process of the guest's user does something again and again."""
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(GUEST, GUEST, GUEST)
        os.setresuid(GUEST, GUEST, GUEST)
        while True:
            with contextlib.suppress(OSError):
                do()
    try:
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("how", ["written", "cut", "removed", "exchanged", "grown"])
def test_an_archive_that_changes_while_it_is_read(host: Host, folder: Path, how: str) -> None:
    """It is added if what was copied is what its name says, and refused otherwise; either way the store is sound."""
    content = Folder({**TREE.entries, b"large": File(os.urandom(3 << 20))})
    name, archive = digest(content, folder), pack(content)
    path = host.boxes / "evil" / f"{'0' * 32}.{name}.tar"
    part = path.with_suffix(".part")
    outside = folder / "outside"
    outside.write_bytes(archive)
    os.chown(outside, SERVICE, SERVICE)
    outside.chmod(0o600)

    def change() -> None:
        if not path.exists():
            part.write_bytes(archive)
            part.rename(path)
        if how == "written":
            with path.open("r+b") as file:
                file.seek(2 << 20)
                file.write(b"changed")
                file.seek(2 << 20)
                file.write(archive[2 << 20 : (2 << 20) + 7])
        elif how == "cut":
            os.truncate(path, 1 << 20)
            path.write_bytes(archive)
        elif how == "removed":
            time.sleep(0.005)
            path.unlink()
        elif how == "grown":
            with path.open("ab") as file:
                file.write(b"more")
        else:
            time.sleep(0.002)
            part.unlink(missing_ok=True)
            part.symlink_to(outside)
            part.rename(path)
            time.sleep(0.002)
            path.unlink()

    statuses: set[str] = set()
    passes = itertools.count(1)

    def passed_often() -> bool:
        nonlocal statuses
        statuses |= {answer.status for answer in host.run()}
        assert host.sound() <= {name}
        shutil.rmtree(host.store / name, ignore_errors=True)
        return next(passes) >= 25 and bool(statuses)

    with meanwhile(change):
        until(passed_often, "no pass found an archive", pause=0)
    print(how, statuses)
    assert statuses <= {"added", "refused"}
    for path in (host.boxes / "evil").iterdir():
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    host.is_served("good", 1)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Fail if it hangs."""

    def late(_number: int, _frame: object) -> None:
        raise AssertionError(f"it went on for {HANG:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(HANG))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_pass_ends_though_a_guest_goes_on_sending(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "MOST_ANSWERS", 100)
    box = host.boxes / "evil"

    def send() -> None:
        (box / f"{os.urandom(8).hex()}.tar").touch()

    with meanwhile(send):
        wait_for(functools.partial(os.listdir, box))
        host.put("good", "sha256=" + "0" * 64, pack(TREE))
        with patience():
            answers = host.run()
    # Those that were being unpacked then are answered, too.
    assert 1 <= len([answer for answer in answers if answer.box == "evil"]) <= 100 + one_pass.BATCH
    assert [answer.status for answer in answers if answer.box == "good"] == ["refused"]


def test_what_is_put_back_is_answered_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be got rid of is left to the next pass."""
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import guest_boxes

    monkeypatch.setattr(guest_boxes, "discard", lambda box, name, budget: None)
    host.put("evil", "sha1=0", b"")
    answers: list[one_pass.Answer] = []
    result = one_pass.run(host.options, answers.append)
    assert (len(answers), result.left) == (1, 1)


def test_guests_take_turns(host: Host) -> None:
    """The one request of a guest does not wait for the sixty of another."""
    for number in range(60):
        host.put("evil", f"sha256={number:064x}", pack(named(number)))
    host.put("good", "sha256=" + "f" * 64, pack(TREE))
    boxes = [answer.box for answer in host.run()]
    assert boxes.index("good") < 3


def test_limits_of_time_and_memory_end_only_the_one_request(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the request that has to be late has little time: a busy machine is slow with the others, too."""
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import extract_process, extracting

    late = f"sha256={len(b'time'):064x}"
    start = extract_process.Unpacking.start

    def start_patiently(self: extract_process.Unpacking) -> int:
        if self.request.digest != late:
            self._limits = self._limits._replace(max_seconds=int(HANG))
        return start(self)

    monkeypatch.setattr(extract_process.Unpacking, "start", start_patiently)
    real = extracting.unpack

    def unpack(file: object, root: int, limits: object, tick: Callable[[], None]) -> None:
        real(file, root, limits, tick)  # type: ignore[arg-type]
        if os.path.exists(f"/proc/self/fd/{root}/memory"):
            bytearray(1 << 32)
        if os.path.exists(f"/proc/self/fd/{root}/time"):
            time.sleep(HANG)
        if os.path.exists(f"/proc/self/fd/{root}/crash"):
            os.abort()

    monkeypatch.setattr(extract_process.extracting, "unpack", unpack)
    host.limits = host.limits._replace(max_seconds=2)
    reasons = {b"memory": "needs too much memory", b"time": "took longer than 2 s", b"crash": "ended (status"}
    sent = {host.put("evil", f"sha256={len(kind):064x}", pack(Folder({kind: File()}))): kind for kind in reasons}
    host.put("good", digest(TREE, folder), pack(TREE))
    with patience():
        answers = {answer.id: answer for answer in host.run()}
    for identity, kind in sent.items():
        assert answers[identity].status == "refused" and reasons[kind] in answers[identity].reason
    assert [answer.status for answer in answers.values() if answer.box == "good"] == ["added"]
    host.check()


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of 24 MB."""
    with disk_of_24_mb(folder) as disk:
        yield disk


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """What does not fit is refused, and leaves nothing; what fits is added; nobody else's room is taken."""
    host = Host(small_disk)
    large = Folder({b"large": File(os.urandom(3 << 20))})
    host.limits = host.limits._replace(keep_free=1 << 20)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(16 << 20))
    name = digest(large, tmp_path)
    identity = host.put("good", name, pack(large))
    assert [(answer.status, answer.reason) for answer in host.run()] == [
        ("refused", "The host's disk has no room for it.")
    ]
    assert host.answer("good", identity) is not None
    assert host.check() == set()
    filler.unlink()
    host.put("good", name, pack(large))
    assert [answer.status for answer in host.run()] == ["added"]
    assert host.check() == {name}


def fill(path: Path, left: int) -> None:
    """Make a file that leaves so many bytes of its file system, or somewhat more."""
    with path.open("wb") as file:
        room = os.statvfs(path)
        size = room.f_bavail * room.f_frsize - left
        while size > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
                return
            except OSError:
                size -= 64 << 10


def test_a_disk_that_fills_up_under_way(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the room that was there is taken by somebody else: by unpacking, by the manifest, or by the answer."""
    host = Host(small_disk)
    monkeypatch.setattr(one_pass._Pass, "_room", lambda self, size: True)
    large = Folder({b"large": File(os.urandom(3 << 20)), **{b"%d" % number: File(b"x") for number in range(200)}})
    name = digest(large, tmp_path)
    filler = small_disk / "filler"
    for left in range(0, 8 << 20, 256 << 10):
        host.put("good", name, pack(large))
        fill(filler, left)
        (answer,) = host.run()
        assert answer.status in ("added", "refused")
        assert answer.status == "added" or "no room" in answer.reason or "No space" in answer.reason, answer
        assert host.check() == ({name} if answer.status == "added" else set())
        filler.unlink()
        subprocess.run(["rm", "-rf", "--", host.store / name], check=True, timeout=HANG)
        for path in (host.boxes / "good").iterdir():
            path.unlink()
    host.limits = host.limits._replace(keep_free=0)
    host.is_served("good", 1)


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda host: host.staging.chmod(0o755), "must belong to user 64001, have the mode 0700"),
        (lambda host: (os.chown(host.staging, GUEST, GUEST), host.staging.chmod(0o755)), "must belong to user 64001"),
        (lambda host: (host.staging.rmdir(), host.staging.symlink_to(host.boxes)), "cannot be opened"),
        (lambda host: (host.store.rmdir(), host.store.symlink_to(host.boxes)), "is a symbolic link"),
        (lambda host: host.store.rmdir(), "does not exist"),
        (lambda host: shutil.rmtree(host.boxes), "cannot be opened"),
    ],
)
def test_a_host_that_is_not_set_up_right_says_so(host: Host, spoil: Callable[[Host], object], why: str) -> None:
    host.put("good", "sha256=" + "0" * 64, b"x")
    spoil(host)
    with pytest.raises(Failure, match=why):
        host.run()
    assert not host.boxes.exists() or requests(host)


def test_a_box_of_somebody_else_is_passed_over(host: Host) -> None:
    (host.boxes / "strange").mkdir()
    (host.boxes / "strange" / f"{'0' * 32}.x.tar").touch()
    (host.boxes / "link").symlink_to(host.boxes / "good")
    (host.boxes / "file").touch()
    result = one_pass.run(host.options, lambda answer: None)
    passed_over = [warning.split(" is passed over")[0].rpartition("/")[2] for warning in result.warnings]
    assert passed_over == ["file", "link", "strange"]
    assert requests(host, "strange")
    shutil.rmtree(host.boxes / "strange")
    host.is_served("good", 1)


def test_what_an_earlier_pass_left_is_removed_and_what_others_left_is_not(host: Host) -> None:
    def leave() -> None:
        for folder in (host.staging, host.store):
            (folder / "tmp-import-1" / "d").mkdir(parents=True)
            (folder / "tmp-import-1" / "d").chmod(0o555)
            (folder / "tmp-import-1").chmod(0o555)
        (host.store / "tmp-of-0install").mkdir()

    import children

    children.call(leave, user=SERVICE)
    host.run()
    assert os.listdir(host.staging) == [] and os.listdir(host.store) == ["tmp-of-0install"]


def test_a_second_pass_waits_for_the_first(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(one_pass, "_PATIENCE", 0.3)
    lock = os.open(host.staging, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(Failure, match="has been held by another run"):
            host.run()
    finally:
        os.close(lock)
    host.is_served("good", 1)
