# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``mode: changed`` reads everything that may have changed, whatever happens to its record."""

from __future__ import annotations

import hashlib
import itertools
import json
import mmap
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zero
from aging import age
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    access_rights,
    manifests,
    trees,
    verified_before,
    verifying,
)
from damages import BASE, DAMAGES, TIME, Item
from labkit.waiting import HANG
from zero import File, Folder

RECENT = 200_000_000
"""Nanoseconds in place of the seconds that the library waits for file systems with coarse times; ext4 has fine ones."""
SEED = random.randrange(2**32)


@pytest.fixture(autouse=True)
def recent(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Wait less, but where a test is about that."""
    if not request.node.get_closest_marker("real_pause"):
        monkeypatch.setattr(verified_before, "RECENT", RECENT)


def look(store: Path, records: Path | str, **options: Any) -> verifying.Report:
    """A run with mode: changed."""
    return verifying.verify([str(store)], verifying.Options(records=str(records), **{"workers": 1, **options}))


def problems(report: verifying.Report) -> dict[str, str]:
    """What was found, name to reason."""
    return {name: verdict.reason for _path, name, verdict in report.problems}


@pytest.fixture(scope="module")
def sound(disk: Path) -> Path:
    """A store with an implementation for each algorithm, added by the real 0store."""
    zero.build(os.fsencode(disk / "base"), BASE)
    store = zero.store_under(disk / "sound")
    for algorithm in zero.ALGORITHMS:
        zero.add(store, disk / "base", algorithm)
    return store


@pytest.fixture
def place(disk: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on that disk for one test."""
    path = disk / f"{sum(1 for _entry in disk.iterdir())}-{request.function.__name__}"
    path.mkdir()
    yield path
    subprocess.run(["rm", "-rf", "--", path], check=False, timeout=HANG)


@pytest.fixture
def store(place: Path, sound: Path) -> Path:
    """A copy of that store that is not recent."""
    subprocess.run(["cp", "-a", sound, place / "store"], check=True, timeout=HANG)
    age()
    return place / "store"


@pytest.fixture
def records(place: Path) -> Path:
    """Where the records will be."""
    return place / "records"


@pytest.fixture
def known(store: Path, records: Path) -> Path:
    """The store, after a run that recorded it."""
    report = look(store, records)
    assert (report.summary["ok"], report.summary["unchanged"], report.warnings) == (4, 0, [])
    report = look(store, records)
    assert (report.summary["ok"], report.summary["unchanged"], report.warnings) == (4, 4, [])
    return store


def record_of(records: Path) -> Path:
    """The only record."""
    (path,) = records.glob("*.json")
    return path


def recorded(store: Path, records: Path) -> set[str]:
    """The names in the record."""
    fd = os.open(store, os.O_RDONLY)
    access = access_rights.access_of(fd)
    os.close(fd)
    assert access
    text = record_of(records).read_text(encoding="utf-8")
    return set(verified_before.decode(text, store.stat(), verified_before.boot(), access.fingerprint()))


def test_the_record_is_for_its_owner_only(store: Path, records: Path) -> None:
    before = os.umask(0)
    try:
        look(store, records)
    finally:
        os.umask(before)
    assert stat.S_IMODE(records.stat().st_mode) == 0o700
    for path in records.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_only_what_is_new_is_read(known: Path, records: Path, place: Path) -> None:
    zero.build(os.fsencode(place / "tree"), Folder({b"new": File(b"new")}))
    (place / "tree").rename(known / "new")
    name = trees.digest(str(known / "new"), manifests.ALGORITHMS["sha256"])
    (known / "new").rename(known / name)
    age()
    assert [look(known, records).summary["unchanged"] for _run in range(2)] == [4, 5]
    shutil.rmtree(known / name)
    assert look(known, records).summary["unchanged"] == 4
    assert recorded(known, records) == set(os.listdir(known))


def test_the_rest_stays_known_when_only_some_are_looked_at(known: Path, records: Path) -> None:
    name = min(os.listdir(known))
    assert look(known, records, names=[name]).summary["unchanged"] == 1
    assert look(known, records).summary["unchanged"] == 4


def test_nothing_is_kept_where_that_is_not_wanted(store: Path, records: Path) -> None:
    assert look(store, records, keep=False).summary["ok"] == 4
    assert not records.exists()


def test_a_full_run_reads_everything(known: Path) -> None:
    assert look(known, "").summary["unchanged"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_huge_implementation_is_recorded_whoever_hashed_it(place: Path, records: Path, workers: int) -> None:
    tree = place / "store" / "new"
    tree.mkdir(parents=True)
    with (tree / "file").open("wb") as file:
        file.truncate(120 << 20)
    tree.rename(tree.parent / trees.digest(str(tree), manifests.ALGORITHMS["sha256"]))
    age()
    assert [look(tree.parent, records, workers=workers).summary["unchanged"] for _run in range(2)] == [0, 1]


# Changes


@pytest.fixture(scope="module")
def many(disk: Path, sound: Path) -> Iterator[tuple[Path, Path]]:
    """For each kind of damage a copy of a sound implementation in a store of its own, and the records of all."""
    folder = disk / "many"
    by_algorithm = {name.partition("=")[0].partition("_")[0]: name for name in os.listdir(sound)}
    for number, kind in enumerate(DAMAGES):
        store = zero.store_under(folder / kind)
        name = by_algorithm[zero.ALGORITHMS[number % 4]]
        subprocess.run(["cp", "-a", sound / name, store / name], check=True, timeout=HANG)
    age(RECENT)
    paths = [str(folder / kind / "0install.net" / "implementations") for kind in DAMAGES]
    before = verified_before.RECENT
    verified_before.RECENT = RECENT
    try:
        verifying.verify(paths, verifying.Options(records=str(disk / "many-records")))
        report = verifying.verify(paths, verifying.Options(records=str(disk / "many-records")))
    finally:
        verified_before.RECENT = before
    assert report.summary["unchanged"] == len(DAMAGES)
    yield folder, disk / "many-records"
    subprocess.run(["rm", "-rf", "--", folder], check=False, timeout=HANG)


@pytest.mark.parametrize("kind", [kind for kind, damage in DAMAGES.items() if not damage.as_nobody])
def test_every_kind_of_damage_is_found_in_what_was_known_to_be_sound(many: tuple[Path, Path], kind: str) -> None:
    folder, records = many
    store = folder / kind / "0install.net" / "implementations"
    (name,) = os.listdir(store)
    item = Item(store / name, name.partition("=")[0].partition("_")[0])
    DAMAGES[kind].do(item)
    reason = DAMAGES[kind].reason_for(item.algorithm)
    for _run in range(2):  # and it is not believed afterwards
        found = problems(look(store, records)).get(item.path.name)
        assert found == (None if reason == "missing" else reason)
    if reason == "missing":
        assert problems(look(store, records, names=[item.path.name])) == {item.path.name: "missing"}


def restore(path: Path, before: os.stat_result) -> None:
    """Set a file's times back."""
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def written_in_place(item: Path, _place: Path) -> None:
    """A byte, and the time set back."""
    before = (item / "big").stat()
    with (item / "big").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"!")
    restore(item / "big", before)


def written_through_a_mapping(item: Path, _place: Path) -> None:
    """A byte by mmap, and the time set back."""
    before = (item / "big").stat()
    with (item / "big").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[1_000_000] ^= 1
        memory.flush()
    restore(item / "big", before)


def written_by_another_name(item: Path, place: Path) -> None:
    """By a hard link outside of the store."""
    before = (item / "a").stat()
    os.link(item / "a", place / "alias")
    (place / "alias").write_bytes(b"wrong")
    restore(place / "alias", before)
    (place / "alias").unlink()


def file_replaced(item: Path, place: Path) -> None:
    """By another of the same size, mode and time."""
    shutil.copy2(item / "a", place / "other")
    before = (item / "a").stat()
    (place / "other").write_bytes(b"wrong")
    (place / "other").chmod(before.st_mode)
    restore(place / "other", before)
    above = item.stat()
    (place / "other").rename(item / "a")
    restore(item, above)


def link_replaced(item: Path, _place: Path) -> None:
    """By another with a target of the same length."""
    before, above = (item / "copy").lstat(), item.stat()
    (item / "copy").unlink()
    (item / "copy").symlink_to("b")
    os.utime(item / "copy", ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
    restore(item, above)


def directory_replaced(item: Path, place: Path) -> None:
    """By a copy with another byte."""
    subprocess.run(["cp", "-a", item / "lib", place / "lib"], check=True)
    before = (place / "lib/deep/er/leaf").stat()
    (place / "lib/deep/er/leaf").write_bytes(b"LEAF")
    restore(place / "lib/deep/er/leaf", before)
    (item / "lib").rename(place / "old")
    (place / "lib").rename(item / "lib")


def directory_mounted_over(item: Path, place: Path) -> None:
    """By a copy with another byte, in the same file system."""
    subprocess.run(["cp", "-a", item / "lib", place / "lib"], check=True)
    (place / "lib/deep/er/leaf").write_bytes(b"LEAF")
    subprocess.run(["mount", "--bind", place / "lib", item / "lib"], check=True)


def implementation_replaced(item: Path, place: Path) -> None:
    """By a copy with another byte."""
    subprocess.run(["cp", "-a", item, place / "copy"], check=True)
    written_in_place(place / "copy", place)
    item.rename(place / "old")
    (place / "copy").rename(item)


def store_replaced(item: Path, place: Path) -> None:
    """By a copy with another byte."""
    store = item.parent
    subprocess.run(["cp", "-a", store, place / "new"], check=True)
    written_in_place(place / "new" / item.name, place)
    store.rename(place / "old")
    (place / "new").rename(store)


def store_mounted_over(item: Path, place: Path) -> None:
    """By a copy with another byte, in the same file system."""
    subprocess.run(["cp", "-a", item.parent, place / "new"], check=True)
    written_in_place(place / "new" / item.name, place)
    subprocess.run(["mount", "--bind", place / "new", item.parent], check=True)


CHANGES = [
    *(written_in_place, written_through_a_mapping, written_by_another_name, file_replaced, link_replaced),
    *(directory_replaced, directory_mounted_over, implementation_replaced, store_replaced, store_mounted_over),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_hides_its_time_is_found(
    known: Path, records: Path, place: Path, change: Callable[[Path, Path], None]
) -> None:
    name = next(name for name in sorted(os.listdir(known)) if name.startswith("sha256="))
    change(known / name, place)
    try:
        age()
        for _run in range(2):
            assert problems(look(known, records)) == {name: "contents"}
    finally:
        for mounted in (known / name / "lib", known):
            # os.path.ismount does not know a folder of the same file system that is mounted there.
            subprocess.run(["umount", "--lazy", mounted], check=False, capture_output=True)


def test_two_implementations_that_change_places_are_found(known: Path, records: Path) -> None:
    one, other = sorted(os.listdir(known))[:2]
    (known / one).rename(known / "tmp-1")
    (known / other).rename(known / one)
    (known / "tmp-1").rename(known / other)
    age()
    assert problems(look(known, records)).keys() == {one, other}


def test_a_mapping_that_was_written_before_is_noticed_when_it_is_written_again(known: Path, records: Path) -> None:
    """A page that is dirty already can be written without the kernel noticing: only cleaning it sets the trap anew."""
    name = next(name for name in sorted(os.listdir(known)) if name.startswith("sha256="))
    path = known / name / "big"
    before = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[5] = memory[5]
        restore(path, before)
        age()
        assert [look(known, records).summary["unchanged"] for _run in range(2)] == [3, 4]
        memory[5] ^= 1
        assert problems(look(known, records)) == {name: "contents"}


def test_a_descriptor_opened_before_is_noticed(known: Path, records: Path) -> None:
    name = next(name for name in sorted(os.listdir(known)) if name.startswith("sha1new="))
    path = known / name / "a"
    before = path.stat()
    with path.open("r+b", buffering=0) as file:
        assert look(known, records).summary["unchanged"] == 4
        file.write(b"F")
        restore(path, before)
        assert problems(look(known, records)) == {name: "contents"}


@pytest.mark.real_pause
def test_what_was_just_written_is_not_believed(
    place: Path, sound: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the library's own pause: a write in the same tick of the clock leaves all times as they were.

    The library's clock stands still meanwhile, so that all is recent, however long this takes.
    """
    subprocess.run(["cp", "-a", sound, place / "store"], check=True, timeout=HANG)
    name = next(name for name in sorted(os.listdir(place / "store")) if name.startswith("sha256="))
    path = place / "store" / name / "a"
    before = path.stat()
    now = time.time_ns()
    with monkeypatch.context() as patch:
        patch.setattr(verified_before.time, "time_ns", lambda: now)
        for number in range(20):
            assert problems(look(place / "store", records)) == {}
            path.write_bytes(b"wrong")
            restore(path, before)
            assert problems(look(place / "store", records)) == {name: "contents"}, number
            path.write_bytes(b"first")
            restore(path, before)
        assert look(place / "store", records).summary["unchanged"] == 0
    age()
    assert [look(place / "store", records).summary["unchanged"] for _run in range(2)] == [0, 4]


def test_a_corrupt_implementation_is_never_recorded(known: Path, records: Path, place: Path) -> None:
    name = next(name for name in sorted(os.listdir(known)) if name.startswith("sha256="))
    written_in_place(known / name, place)
    age()
    for _run in range(3):
        report = look(known, records)
        assert problems(report) == {name: "contents"}
        assert report.summary["unchanged"] == 3
    assert recorded(known, records) == set(os.listdir(known)) - {name}


def test_another_boot_means_a_full_run(known: Path, records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_before, "boot", lambda: "another")
    assert look(known, records).summary["unchanged"] == 0


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_a_file_system_whose_times_prove_nothing_is_read_in_full(known: Path, records: Path, kind: str) -> None:
    other = known.parent / kind
    other.mkdir()
    subprocess.run(["mount", "-t", kind, kind, other], check=True)
    try:
        subprocess.run(["cp", "-a", known, other / "store"], check=True, timeout=HANG)
        age()
        for _run in range(2):
            report = look(other / "store", records)
            assert (report.summary["ok"], report.summary["unchanged"]) == (4, 0)
            assert [warning for warning in report.warnings if kind in warning and str(other) in warning]
    finally:
        subprocess.run(["umount", "--lazy", other], check=True)
    for untrusted in ("vboxsf", "nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse", "vfat", "exfat", "overlay", ""):
        assert untrusted not in verified_before.FILE_SYSTEMS


# Records


def signed(body: Any) -> str:
    """A record's text with the right hash."""
    text = body if isinstance(body, str) else json.dumps(body)
    return hashlib.sha256(text.encode()).hexdigest() + "\n" + text + "\n"


def changed_body(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Write a record whose content was changed, and its hash with it."""

    def do(record: Path) -> None:
        body = json.loads(record.read_text(encoding="utf-8").partition("\n")[2])
        replaced = change(body)
        assert replaced is not None
        record.write_text(signed(replaced), encoding="utf-8")

    return do


def flipped(record: Path) -> None:
    """One random bit of the record."""
    text = bytearray(record.read_bytes())
    at = random.Random(SEED).randrange(len(text) * 8)
    text[at // 8] ^= 1 << at % 8
    record.write_bytes(text)


def become(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Something else in the record's place."""

    def do(record: Path) -> None:
        record.unlink()
        make(record)

    return do


def linked(record: Path) -> None:
    """A link to the record itself, elsewhere."""
    record.rename(record.parent.parent / "elsewhere")
    record.symlink_to(record.parent.parent / "elsewhere")


def entries(entry: Any) -> Callable[[Path], None]:
    """The same entry for each implementation."""
    return changed_body(lambda body: {**body, "implementations": dict.fromkeys(body["implementations"], entry)})


def linked_to_a_file_for_all(record: Path) -> None:
    """A link to a file that everybody can read."""
    linked(record)
    record.resolve().chmod(0o644)


RECORDS: dict[str, Callable[[Path], None]] = {
    "bit flipped": flipped,
    "cut": lambda record: os.truncate(record, record.stat().st_size // 2),
    "last byte missing": lambda record: os.truncate(record, record.stat().st_size - 1),
    "byte more": lambda record: record.write_bytes(record.read_bytes() + b" "),
    "empty": lambda record: record.write_bytes(b""),
    "bytes": lambda record: record.write_bytes(bytes(range(256)) * 100),
    "no JSON": lambda record: record.write_text(signed("{"), encoding="utf-8"),
    "nested": lambda record: record.write_text(signed("[" * 100_000), encoding="utf-8"),
    "a list": lambda record: record.write_text(signed([]), encoding="utf-8"),
    "null": lambda record: record.write_text(signed("null"), encoding="utf-8"),
    "a number": lambda record: record.write_text(signed("1" * 5000), encoding="utf-8"),
    "a list of implementations": changed_body(lambda body: {**body, "implementations": []}),
    "no implementations": changed_body(lambda body: {**body, "implementations": None}),
    "strings": entries("x"),
    "numbers": entries([1, 2, 3]),
    "short": entries(["x", 1]),
    "negative": entries(["x", -1, 1]),
    "stamps of nothing": entries(["", 1, 1]),
    "other format": changed_body(lambda body: {**body, "format": body["format"] + 1}),
    "format as text": changed_body(lambda body: {**body, "format": str(body["format"])}),
    "other members": changed_body(lambda body: {**body, "access": [*body["access"][:-1], "0" * 64]}),
    "other boot": changed_body(lambda body: {**body, "boot": "0"}),
    "other inode": changed_body(lambda body: {**body, "inode": body["inode"] + 1}),
    "other device": changed_body(lambda body: {**body, "device": body["device"] + 1}),
    "readable for the group": lambda record: record.chmod(0o640),
    "writable for others": lambda record: record.chmod(0o602),
    "somebody else's": lambda record: os.chown(record, zero.NOBODY, -1),
    "a link": linked,
    "a link to a file for all": linked_to_a_file_for_all,
    "a dangling link": become(lambda record: record.symlink_to("nowhere")),
    "a FIFO": become(os.mkfifo),
    "a device": become(lambda record: os.mknod(record, 0o600 | stat.S_IFCHR, os.makedev(1, 5))),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_not_right_is_not_believed_and_replaced(known: Path, records: Path, kind: str) -> None:
    print("seed", SEED)
    RECORDS[kind](record_of(records))
    report = look(known, records)
    assert (report.summary["ok"], report.summary["unchanged"]) == (4, 0)
    # A wrong hash, type or owner is told; a record of something else or another version is just none.
    silent = ("other ", "format as", "a list", "null", "stamps of nothing", "nothing")
    if not kind.startswith(silent) or kind == "a list of implementations":
        assert len(report.warnings) == 1 and str(record_of(records)) in report.warnings[0], report.warnings
    report = look(known, records)
    assert (report.summary["ok"], report.summary["unchanged"], report.warnings) == (4, 4, [])
    assert stat.S_IMODE(record_of(records).lstat().st_mode) == 0o600
    assert stat.S_ISREG(record_of(records).lstat().st_mode)


def test_a_record_that_is_a_directory_is_left_alone_and_told(known: Path, records: Path) -> None:
    path = record_of(records)
    path.unlink()
    path.mkdir()
    for _run in range(2):
        report = look(known, records)
        assert (report.summary["ok"], report.summary["unchanged"]) == (4, 0)
        assert [warning for warning in report.warnings if str(path) in warning]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.chmod(0o755),
        lambda folder: folder.chmod(0o770),
        lambda folder: os.chown(folder, zero.NOBODY, -1),
        lambda folder: (folder.rename(f"{folder}2"), folder.symlink_to(f"{folder}2")),
        lambda folder: (folder.rename(f"{folder}2"), folder.write_bytes(b"")),
    ],
    ids=["readable", "group", "owner", "link", "file"],
)
def test_a_folder_of_records_that_others_can_use_is_not_used(
    known: Path, records: Path, spoil: Callable[[Path], Any]
) -> None:
    spoil(records)
    for _run in range(2):
        report = look(known, records)
        assert (report.summary["ok"], report.summary["unchanged"]) == (4, 0)
        assert [warning for warning in report.warnings if str(records) in warning]


def test_a_folder_of_records_that_is_swapped_after_its_check_leads_nowhere(
    known: Path, records: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can rename above it puts links in its place; what is read and made is in the folder that was checked."""
    victim, trap = place / "victim", place / "trap"
    victim.write_text("untouched", encoding="utf-8")
    trap.mkdir()
    for name in ("lock", record_of(records).name):
        (trap / name).symlink_to(victim)
    name = min(os.listdir(known))
    os.utime(known / name / "a", ns=(TIME, TIME))  # there is something to record
    age()
    open_folder = verified_before.Record._open_folder
    opened: list[int] = []

    def then_swapped(record: verified_before.Record) -> int:
        opened.append(open_folder(record))
        if len(opened) == 2:  # the first time is for reading
            records.rename(place / "moved")
            trap.rename(records)
        return opened[-1]

    monkeypatch.setattr(verified_before.Record, "_open_folder", then_swapped)
    report = look(known, records)
    assert (report.summary["ok"], report.warnings, len(opened)) == (4, [], 2)
    assert victim.read_text(encoding="utf-8") == "untouched"
    assert all(path.is_symlink() for path in records.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(verified_before, "RECENT", RECENT)
    assert look(known, place / "moved").summary["unchanged"] == 4


def test_a_record_is_of_who_owns_the_store(known: Path, records: Path) -> None:
    """What is sound depends on that."""
    os.chown(known, zero.NOBODY, -1)
    assert look(known, records).summary["unchanged"] == 0
    os.chown(known, 0, -1)
    for path in next(known.glob("sha256=*")).rglob("a"):
        os.chown(path, zero.NOBODY, -1)
    assert list(problems(look(known, records)).values()) == ["owner"]


def test_a_record_is_of_who_may_write_the_store_as_a_member_of_its_group(
    known: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has left the group may own nothing there any more."""
    members = {zero.NOBODY}
    monkeypatch.setattr(access_rights, "_members", lambda group: set(members))
    known.chmod(0o775)
    os.chown(next(known.glob("sha256=*")) / "a", zero.NOBODY, -1)
    age()
    assert [look(known, records).summary[number] for number in ("ok", "unchanged")] == [4, 4]
    members.clear()
    report = look(known, records)
    assert (list(problems(report).values()), report.summary["unchanged"], report.warnings) == (["owner"], 0, [])


def test_the_record_of_another_store_is_not_believed(known: Path, records: Path, place: Path) -> None:
    """Copied there under the right name, with one of its implementations damaged."""
    other = place / "other"
    subprocess.run(["cp", "-a", known, other], check=True, timeout=HANG)
    name = min(os.listdir(other))
    written_in_place(other / name, place)
    good = record_of(records)
    age()
    look(other, records)
    (path,) = set(records.glob("*.json")) - {good}
    path.write_bytes(good.read_bytes())
    report = look(other, records)
    assert problems(report) == {name: "contents"}
    assert report.summary["unchanged"] == 0


def test_a_full_disk_leaves_the_record_as_it_was(known: Path, records: Path, place: Path) -> None:
    """The records are alone on a small file system."""
    text = record_of(records).read_bytes()
    name = record_of(records).name
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", small], check=True)
    try:
        (small / name).write_bytes(text)
        (small / name).chmod(0o600)
        assert look(known, small).summary["unchanged"] == 4
        file = max(known.iterdir()) / "a"
        os.utime(file, ns=(TIME, TIME))  # its ctime changes: there is something to record
        age()
        with pytest.raises(OSError, match="No space"):
            (small / "filler").write_bytes(bytes(1 << 20))
        report = look(known, small)
        assert (report.summary["ok"], report.summary["unchanged"]) == (4, 3)
        assert len(report.warnings) == 1 and "No space left" in report.warnings[0], report.warnings
        assert (small / name).read_bytes() == text
        assert {path.name for path in small.iterdir()} <= {name, "filler", "lock"}
        (small / "filler").unlink()
        assert [look(known, small).summary["unchanged"] for _run in range(2)] == [3, 4]
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def command(collections: Path, store: Path, records: Path) -> list[str | Path]:
    """A run in a process of its own."""
    program = Path(__file__).with_name("run.py")
    return [sys.executable, "-I", "-S", program, collections, store, "2", str(HANG), records]


@pytest.mark.real_pause
def test_a_run_that_is_killed_at_any_moment_leaves_nothing_wrong(
    store: Path, records: Path, collections_path: Path
) -> None:
    name = next(name for name in sorted(os.listdir(store)) if name.startswith("sha256="))
    age()
    chosen = random.Random(SEED)
    print("seed", SEED)
    began = time.monotonic()
    subprocess.run(command(collections_path, store, records), stdout=subprocess.PIPE, check=True)
    whole = time.monotonic() - began
    ended = 0
    for number in itertools.count():
        if number >= 24 and ended > 5:
            break
        damaged = number % 2 == 0
        path = store / name / "a"
        before = path.stat()
        path.write_bytes(b"wrong" if damaged else b"first")
        restore(path, before)
        if number % 8 == 0:
            for record in records.glob("*.json"):
                record.unlink()
        process = subprocess.Popen(command(collections_path, store, records), stdout=subprocess.PIPE)
        moment = chosen.uniform(0.0, whole)
        time.sleep(moment)
        if process.poll() is None:
            ended += 1
        else:  # the machine was slower before
            whole = moment
        process.send_signal(signal.SIGKILL)
        process.communicate()
        report = look(store, records)
        assert problems(report) == ({name: "contents"} if damaged else {}), number
        assert report.warnings == [], number
    left = [path.name for path in records.iterdir() if path.suffix != ".json" and path.name != "lock"]
    assert len(left) <= ended


@pytest.mark.real_pause
def test_two_runs_at_once_lose_nothing(store: Path, records: Path, collections_path: Path) -> None:
    age()
    for _round in range(4):
        for path in records.glob("*"):
            path.unlink()
        processes = [
            subprocess.Popen(command(collections_path, store, records), stdout=subprocess.PIPE) for _number in range(3)
        ]
        for process in processes:
            output, _none = process.communicate(timeout=HANG)
            found = json.loads(output)
            assert (process.returncode, found["summary"]["ok"], found["warnings"]) == (0, 4, [])
        assert recorded(store, records) == set(os.listdir(store))
        assert look(store, records).summary["unchanged"] == 4
