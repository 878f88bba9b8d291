# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying while somebody writes the store, in little memory whatever is in it, and while processes are killed.

``ZEROINSTALL_VIRTUALBOX_LONG=1`` takes larger trees: a directory of a million entries, a file of 100 GB.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import children
import pytest
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, trees, verifying
from labkit.waiting import HANG, until
from zero import File, Folder, Link

LONG = os.environ.get("ZEROINSTALL_VIRTUALBOX_LONG") == "1"
MEGABYTES = 100
SECOND = 10**9
AT_FDCWD, RENAME_EXCHANGE = -100, 2
IN_ACCESS, IN_OPEN = 0x1, 0x20
LIBC = ctypes.CDLL(None, use_errno=True)
REASONS = {"", "changed", "contents", "manifest", "file_type", "manifest_type", "symlink", "not_a_directory", "missing"}
TREE = Folder(
    {
        b"a": File(b"first", SECOND),
        b"big": File(bytes(400_000), SECOND),
        b"d": Folder({b"leaf": File(b"leaf", SECOND)}, SECOND),
        b"l": Link(b"a"),
    }
)


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step."""
    if LIBC.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


@contextlib.contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """Do something again and again in another process."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            while True:
                do()
        os._exit(1)
    try:
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the writer ended before the end"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


@contextlib.contextmanager
def untouched(*canaries: Path) -> Iterator[None]:
    """Fail if anybody opens or reads one of these files or directories, by what the kernel's inotify tells."""
    watch = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for canary in canaries:
            assert LIBC.inotify_add_watch(watch, os.fsencode(canary), IN_OPEN | IN_ACCESS) > 0
        yield
        assert not select.select([watch], [], [], 0)[0], "something outside the store was opened"
    finally:
        os.close(watch)


def added(folder: Path, tree: Folder = TREE) -> Path:
    """An implementation in a store of its own, by the real 0store."""
    zero.build(os.fsencode(folder / "tree"), tree)
    store = zero.store_under(folder)
    return store / zero.add(store, folder / "tree", "sha256new")


def test_the_canary_sings(folder: Path) -> None:
    canary = folder / "canary"
    canary.write_bytes(b"x")
    with pytest.raises(AssertionError, match="was opened"), untouched(canary):
        canary.read_bytes()


def linked_outside(item: Path, outside: Path, leaf: str) -> Path:
    """A leaf of an implementation, of which there is a copy outside now, and a link to that in its place to come."""
    copy = shutil.copytree if (item / leaf).is_dir() else shutil.copy2
    copy(item / leaf, outside / "canary")
    (outside / "other").symlink_to(outside / "canary")
    return item / leaf


def a_link(item: Path, outside: Path) -> Path:
    """A file becomes a link to a file outside with the same content."""
    return linked_outside(item, outside, "a")


def a_link_for_a_big_file(item: Path, outside: Path) -> Path:
    """A file read in pieces becomes a link to a file outside with the same content."""
    return linked_outside(item, outside, "big")


def a_link_for_a_directory(item: Path, outside: Path) -> Path:
    """A directory becomes a link to one outside with the same content."""
    return linked_outside(item, outside, "d")


def a_link_for_the_manifest(item: Path, outside: Path) -> Path:
    """The manifest becomes a link to the same one outside."""
    return linked_outside(item, outside, ".manifest")


def a_link_for_the_implementation(item: Path, outside: Path) -> Path:
    """The whole implementation becomes a link to a sound copy."""
    shutil.copytree(item, outside / "canary", symlinks=True)
    (outside / "other").symlink_to(outside / "canary")
    return item


def a_fifo(item: Path, outside: Path) -> Path:
    """A file becomes a FIFO, at which an ordinary open waits for ever."""
    os.mkfifo(outside / "other")
    return item / "a"


def a_fifo_for_a_directory(item: Path, outside: Path) -> Path:
    """A directory becomes a FIFO."""
    os.mkfifo(outside / "other")
    return item / "d"


def a_fifo_for_the_manifest(item: Path, outside: Path) -> Path:
    """The manifest becomes a FIFO."""
    os.mkfifo(outside / "other")
    return item / ".manifest"


def a_fifo_for_the_implementation(item: Path, outside: Path) -> Path:
    """The whole implementation becomes a FIFO."""
    os.mkfifo(outside / "other")
    return item


def a_directory(item: Path, outside: Path) -> Path:
    """A file becomes a directory."""
    (outside / "other").mkdir()
    return item / "a"


def a_file_for_a_directory(item: Path, outside: Path) -> Path:
    """A directory becomes a file."""
    (outside / "other").write_bytes(b"")
    return item / "d"


def a_file_for_a_link(item: Path, outside: Path) -> Path:
    """A link becomes a file."""
    (outside / "other").write_bytes(b"a")
    return item / "l"


@pytest.mark.parametrize(
    "prepare",
    [
        *(a_link, a_link_for_a_big_file, a_link_for_a_directory, a_link_for_the_manifest),
        *(a_link_for_the_implementation, a_fifo, a_fifo_for_a_directory, a_fifo_for_the_manifest),
        *(a_fifo_for_the_implementation, a_directory, a_file_for_a_directory, a_file_for_a_link),
    ],
)
def test_what_is_swapped_meanwhile_is_neither_followed_nor_waited_for(
    folder: Path, prepare: Callable[[Path, Path], Path]
) -> None:
    item = added(folder)
    outside = folder / "outside"
    outside.mkdir()
    swapped = prepare(item, outside)
    canary = outside / "canary"
    # Moving a directory to another one needs to write into it.
    for path in (item, swapped):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)

    def look() -> set[str]:
        reasons: set[str] = set()
        rounds = 0
        # Until both sides of the swap have been seen, and there were a good many chances for what is between.
        while rounds < 300 or len(reasons) < 2:
            rounds += 1
            verdict = verifying.verify_one(str(item.parent), item.name)
            assert (verdict.status == "ok") == (verdict.reason == "")
            reasons.add(verdict.reason)
        for _round in range(3):
            report = verifying.verify([str(item.parent)], verifying.Options(workers=2))
            reasons |= {verdict.reason for _path, _name, verdict in report.problems}
        return reasons

    canaries = [canary, *([canary / "leaf"] if (canary / "leaf").exists() else [])] if canary.exists() else []
    with untouched(*canaries), meanwhile(lambda: exchange(swapped, outside / "other")):
        reasons = children.call(look, apart=True)
    assert len(reasons) > 1
    assert reasons <= REASONS


def turns(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let whoever writes take turns with whoever reads: after every 50th read, a change of this path is waited for."""
    readv = os.readv
    reads = itertools.count()

    def read(*arguments: Any) -> int:
        before = path.stat().st_ctime_ns
        count = readv(*arguments)
        if next(reads) % 50 == 0:
            until(lambda: path.stat().st_ctime_ns != before, f"nobody changes {path}", pause=0.001)
        return count

    monkeypatch.setattr(os, "readv", read)


def writer_appends(path: Path) -> Callable[[], None]:
    """A byte more each time."""

    def do() -> None:
        with path.open("ab", buffering=0) as file:
            file.write(b"\0")

    return do


def writer_cuts(path: Path) -> Callable[[], None]:
    """A byte less each time."""
    return lambda: os.truncate(path, path.stat().st_size - 1)


def writer_sets_back_the_time(path: Path) -> Callable[[], None]:
    """A byte changes in the middle, and the time is set back."""

    def do() -> None:
        with path.open("r+b", buffering=0) as file:
            file.seek(60 << 20)
            file.write(os.urandom(1))
        os.utime(path, (1, 1))

    return do


@pytest.mark.parametrize("writer", [writer_appends, writer_cuts, writer_sets_back_the_time])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_is_written_meanwhile_is_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, writer: Callable[[Path], Callable[[], None]], workers: int
) -> None:
    store = folder / "store"
    tree = store / "new"
    tree.mkdir(parents=True)
    with (tree / "file").open("wb") as file:
        file.truncate(120 << 20)
    os.utime(tree / "file", (1, 1))
    item = tree.rename(store / trees.digest(str(tree), manifests.ALGORITHMS["sha1new"]))
    turns(monkeypatch, item / "file")
    with meanwhile(writer(item / "file")):
        report = verifying.verify([str(store)], verifying.Options(workers=workers))
    assert [(name, verdict.status, verdict.reason) for _path, name, verdict in report.problems] == [
        (item.name, "error", "changed")
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_directory_that_is_written_meanwhile_is_never_called_sound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A file comes and goes: seen or not, the directory is not what it was."""
    entries: dict[bytes, Any] = {b"%05d" % number: File(b"x") for number in range(4000)}
    item = added(folder, Folder(entries))
    item.chmod(0o755)

    def come_and_go() -> None:
        (item / "extra").write_bytes(b"")
        (item / "extra").unlink()

    turns(monkeypatch, item)
    with meanwhile(come_and_go):
        report = verifying.verify([str(item.parent)], verifying.Options(workers=workers))
    ((_path, _name, verdict),) = report.problems
    assert verdict.reason in ("changed", "contents")


def test_a_directory_that_is_moved_away_meanwhile_is_reported(folder: Path) -> None:
    """Deeper than directories are kept open, so that the way back up leads through it."""
    tree: Folder = Folder({b"leaf": File(b"leaf")})
    for _level in range(60):
        tree = Folder({b"d": tree})
    item = added(folder, tree)
    middle = item / "/".join(["d"] * 20)
    other = folder / "other"
    shutil.copytree(middle, other, symlinks=True)
    for path in (middle, middle.parent, other):
        path.chmod(0o755)

    def look() -> set[str]:
        reasons: set[str] = set()
        while len(reasons) < 2:
            reasons.add(verifying.verify_one(str(item.parent), item.name).reason)
        return reasons

    with meanwhile(lambda: exchange(middle, other)):
        assert children.call(look, apart=True) <= {"", "changed", "contents"}


def command(collections: Path, store: Path, workers: int, *more: str | Path) -> list[str | Path]:
    """A run in a process of its own, see run.py."""
    program = Path(__file__).with_name("run.py")
    return [sys.executable, "-I", "-S", program, collections, store, str(workers), str(HANG), *more]


def run(collections: Path, store: Path, workers: int) -> dict[str, Any]:
    """Verify in a process of its own; what it found and took."""
    words = command(collections, store, workers)
    done = subprocess.run(words, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_memory(found: dict[str, Any]) -> None:
    """No process took more than it may."""
    assert found["own_memory"] < MEGABYTES and found["worker_memory"] < MEGABYTES, found


def settle(store: Path, algorithm: str = "sha256") -> str:
    """Give the tree ``new`` in a store the name that it should have."""
    name = children.call(lambda: trees.digest(str(store / "new"), manifests.ALGORITHMS[algorithm]), apart=True)
    (store / "new").rename(store / name)
    assert isinstance(name, str)
    return name


def fill(fd: int, count: int, prefix: str = "") -> None:
    """Put entries into an open directory: links, and every third a file with hard links, which are made fastest."""
    original = ""
    for number in range(count):
        name = f"{prefix}{number * 2654435761 % 2**32:08x}"
        if number % 3:
            os.symlink("x", name, dir_fd=fd)
        elif number % 90_000:
            os.link(original, name, src_dir_fd=fd, dst_dir_fd=fd)
        else:
            original = name
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=fd))


@pytest.fixture
def store(folder: Path) -> Iterator[Path]:
    """A store with an empty tree ``new``, in a file system in memory, where a million entries are made soonest."""
    (folder / "store").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50%,nr_inodes=0", "tmpfs", folder / "store"], check=True)
    try:
        (folder / "store" / "new").mkdir()
        yield folder / "store"
    finally:
        subprocess.run(["umount", "--lazy", folder / "store"], check=True, timeout=HANG)


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_with_a_directory_of_very_many_entries(store: Path, collections_path: Path, workers: int) -> None:
    fd = os.open(store / "new", os.O_RDONLY)
    fill(fd, 1_000_000 if LONG else 300_000, prefix="n" * 240)
    os.close(fd)
    settle(store)
    found = run(collections_path, store, workers)
    assert found["summary"]["ok"] == 1
    check_memory(found)


def test_memory_with_large_directories_in_each_other(store: Path, collections_path: Path) -> None:
    """The names of every directory on the way are waited for at once, and they are as long as can be."""
    fd = os.open(store / "new", os.O_RDONLY)
    for _level in range(20 if LONG else 10):
        fill(fd, 49_000, prefix="n" * 240)
        os.mkdir("zzz", dir_fd=fd)
        below = os.open("zzz", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    settle(store)
    found = run(collections_path, store, 1)
    assert found["summary"]["ok"] == 1
    check_memory(found)


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_and_time_with_a_huge_file(store: Path, collections_path: Path, workers: int) -> None:
    with (store / "new" / "file").open("wb") as file:
        file.truncate((100 if LONG else 3) << 30)
    settle(store, "sha1")
    found = run(collections_path, store, workers)
    assert found["summary"]["ok"] == 1
    assert found["summary"]["bytes"] == (100 if LONG else 3) << 30
    check_memory(found)


@pytest.mark.parametrize(("levels", "length"), [(10_000, 1), (1_000, 255)])
def test_memory_with_a_very_deep_tree(store: Path, collections_path: Path, levels: int, length: int) -> None:
    fd = os.open(store / "new", os.O_RDONLY)
    for _level in range(levels):
        os.close(os.open("file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=fd))
        os.mkdir("d" * length, dir_fd=fd)
        below = os.open("d" * length, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    name = settle(store)
    for workers in (1, 2):
        found = run(collections_path, store, workers)
        assert found["summary"]["ok"] == 1, found
        assert found["summary"]["files"] == levels
        check_memory(found)
    # A manifest that differs makes the verification compare all lines.
    (store / name / ".manifest").write_bytes(b"F 0 0 0 x\n" * 1000)
    found = run(collections_path, store, 1)
    assert found["problems"] == {name: "manifest"}
    check_memory(found)


def test_memory_with_a_manifest_of_very_long_lines(store: Path, collections_path: Path) -> None:
    """3 GB with a number in each MiB, and holes between."""
    name = settle(store)
    with (store / name / ".manifest").open("wb") as file:
        for number in range(3 << 10):
            file.seek(number << 20)
            file.write(b"%d" % number)
    found = run(collections_path, store, 1)
    assert found["problems"] == {name: "manifest"}
    check_memory(found)


def test_memory_with_a_manifest_of_which_every_line_differs(store: Path, collections_path: Path) -> None:
    fd = os.open(store / "new", os.O_RDONLY)
    fill(fd, 190_000, prefix="n" * 100)
    os.close(fd)
    name = settle(store)
    line = b"S " + b"0" * 64 + b" 1 " + b"m" * 100 + b"%d\n"
    (store / name / ".manifest").write_bytes(b"".join(line % number for number in range(190_000)))
    found = run(collections_path, store, 1)
    assert found["problems"] == {name: "manifest"}
    check_memory(found)


def of(process: int) -> list[int]:
    """The children of a process."""
    path = Path(f"/proc/{process}/task/{process}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in path.read_text(encoding="ascii").split()]
    return []


def reads(process: int, file: Path) -> bool:
    """Whether a process has a file open."""
    with contextlib.suppress(OSError):
        return any(os.readlink(entry) == str(file) for entry in Path(f"/proc/{process}/fd").iterdir())
    return False


def alive(process: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def started(words: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, which ends with the block."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def busy(store: Path) -> tuple[Path, Path]:
    """A store with a large file, and 60 small implementations; the store, and that file."""
    with (store / "new" / "file").open("wb") as file:
        file.truncate(64 << 20)
    name = settle(store, "sha1")
    for number in range(60):
        (store / "new").mkdir()
        (store / "new" / "file").write_bytes(b"%d" % number)
        settle(store)
    return store, store / name / "file"


def run_killed(collections: Path, store: Path, workers: int, file: Path) -> dict[str, Any]:
    """Verify in a process of its own, and kill a worker in the middle of reading this file; what was found."""
    mark = store.parent / "mark"
    with started(command(collections, store, workers, "", mark)) as process:
        until(
            lambda: process.poll() is not None or (mark.exists() and mark.read_text(encoding="ascii").endswith("\n")),
            "the file is not read",
        )
        worker = int(mark.read_text(encoding="ascii"))
        assert worker in of(process.pid) and reads(worker, file)
        os.kill(worker, signal.SIGKILL)
        output, errors = process.communicate(timeout=HANG)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(output)
    return found


def test_the_implementation_of_a_killed_worker_is_an_error_and_the_rest_is_verified(
    busy: tuple[Path, Path], collections_path: Path
) -> None:
    store, file = busy
    found = run_killed(collections_path, store, 1, file)
    # What was handed to it besides, it had not begun.
    assert found["problems"].pop(file.parent.name) == "worker"
    assert len(found["problems"]) <= 1 and set(found["problems"].values()) <= {"worker"}
    assert found["summary"]["ok"] == 60 - len(found["problems"])


def test_a_killed_worker_that_shared_the_work_loses_nothing(busy: tuple[Path, Path], collections_path: Path) -> None:
    store, file = busy
    found = run_killed(collections_path, store, 2, file)
    assert set(found["problems"].values()) <= {"worker"}
    assert len(found["problems"]) <= 2
    assert found["summary"]["ok"] + found["summary"]["error"] == 61


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_when_who_started_them_is_killed(
    store: Path, collections_path: Path, ending: signal.Signals
) -> None:
    """While they read what takes longer than anything is waited for."""
    file = (store / "new").rename(store / zero.name_of(b"any", "sha256")) / "file"
    with file.open("wb") as opened:
        opened.truncate(1 << 45)
    with started(command(collections_path, store, 2)) as process:
        until(lambda: any(reads(pid, file) for pid in of(process.pid)), "the file is not read")
        until(lambda: len(of(process.pid)) == 2, "there are not two workers")
        workers = of(process.pid)
        process.send_signal(ending)
        process.wait(timeout=HANG)
        try:
            until(lambda: not any(map(alive, workers)), "workers go on")
        finally:
            for worker in filter(alive, workers):
                os.kill(worker, signal.SIGKILL)
