# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who writes a store can make its verification cost: no more than what is on disk, but for a bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    judging,
    manifests,
    sparse_files,
    trees,
    verifying,
)
from damages import BASE, TIME, timed
from labkit.waiting import HANG
from zero import File, Folder

HUGE = 15 << 40
NAME = "sha256=" + "0" * 64


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that this process reads of files, one number for each read."""
    counts: list[int] = []
    readv = os.readv

    def counted(*arguments: Any) -> int:
        counts.append(readv(*arguments))
        assert sum(counts) < 64 << 20, "it reads what is not there"
        return counts[-1]

    monkeypatch.setattr(os, "readv", counted)
    return counts


def sparse(path: Path, size: int = HUGE) -> None:
    """A file of nothing but a hole, with the time that all the rest has."""
    with path.open("ab") as file:
        file.truncate(size)
    timed(path)


def added(folder: Path) -> Path:
    """An implementation that the real 0store added."""
    zero.build(os.fsencode(folder / "tree"), BASE)
    store = zero.store_under(folder)
    item = store / zero.add(store, folder / "tree", "sha256new")
    item.chmod(0o755)
    return item


def forged(store: Path, size: int) -> Path:
    """An implementation whose manifest matches its name and its size: only its contents can tell that it is wrong."""
    text = b"F %s 1600000000 %d hole\n" % (b"0" * 64, size)
    item = store / zero.name_of(text, "sha256")
    item.mkdir(parents=True)
    (item / ".manifest").write_bytes(text)
    sparse(item / "hole", size)
    return item


def grown(item: Path) -> None:
    """A file is larger than its manifest says."""
    sparse(item / "nothing")


def grown_with_its_manifest(item: Path) -> None:
    """The manifest says the same, and does not match the name any more."""
    sparse(item / "nothing")
    text = (item / ".manifest").read_bytes()
    (item / ".manifest").write_bytes(text.replace(b" 0 nothing\n", b" %d nothing\n" % HUGE))


def grown_without_manifest(item: Path) -> None:
    """There is no manifest that could tell."""
    sparse(item / "nothing")
    (item / ".manifest").unlink()


def manifest_grown(item: Path) -> None:
    """The manifest itself is a hole."""
    sparse(item / ".manifest")


DAMAGES: dict[Callable[[Path], None], tuple[str, str]] = {
    grown: ("corrupt", "size"),
    grown_with_its_manifest: ("corrupt", "size"),
    grown_without_manifest: ("corrupt", "size"),
    manifest_grown: ("corrupt", "manifest"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_right_by_its_size_is_not_read(
    folder: Path, read: list[int], damage: Callable[[Path], None]
) -> None:
    item = added(folder)
    damage(item)
    verdict = verifying.verify_one(str(item.parent), item.name)
    assert (verdict.status, verdict.reason) == DAMAGES[damage], verdict
    assert sum(read) < 8 << 20


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_it_holds_up_no_other(folder: Path, damage: Callable[[Path], None], workers: int) -> None:
    item = added(folder)
    damage(item)
    report = verifying.verify([str(item.parent)], verifying.Options(workers=workers))
    assert [(verdict.status, verdict.reason) for _path, _name, verdict in report.problems] == [DAMAGES[damage]]


def bytes_read() -> int:
    """The bytes that this process has read so far, in whatever way."""
    found = re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text(encoding="ascii"))
    assert found
    return int(found[1])


@pytest.mark.parametrize("size", [10 << 20, 0], ids=["for its sizes", "for what differs"])
def test_a_manifest_that_is_exchanged_for_a_hole_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is opened twice: for its digest, and then for what it says."""
    item = forged(folder / "store", size)
    sparse(folder / "hole", 256 << 20)
    recorded_digest = judging.recorded_digest

    def then_exchanged(*arguments: Any) -> Any:
        found = recorded_digest(*arguments)
        if (folder / "hole").exists():
            (folder / "hole").rename(item / ".manifest")
        return found

    monkeypatch.setattr(judging, "recorded_digest", then_exchanged)
    before = bytes_read()
    verdict = verifying.verify_one(str(item.parent), item.name)
    assert bytes_read() - before < 64 << 20
    assert (verdict.status, verdict.reason) == ("corrupt", "manifest" if size else "contents"), verdict


def test_no_more_of_a_manifest_is_read_than_it_had_when_it_was_opened(folder: Path) -> None:
    item = forged(folder / "store", 0)
    text = (item / ".manifest").read_bytes()
    root = os.open(item, os.O_RDONLY)
    try:
        for read in (lambda recorded: list(recorded.lines()), lambda recorded: [recorded.read(1 << 20)]):
            with judging.recorded_manifest(root) as recorded:
                with (item / ".manifest").open("ab") as file:
                    file.write(b"more\n" * 100)
                assert read(recorded) == [text]
            (item / ".manifest").write_bytes(text)
    finally:
        os.close(root)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_could_be_right_is_read_up_to_a_bound_over_all(folder: Path, workers: int) -> None:
    for number in range(6):
        forged(folder / "store", (10 << 20) + number)
    forged(folder / "store", HUGE)
    report = verifying.verify([str(folder / "store")], verifying.Options(workers=workers, holes=45 << 20))
    found = [verdict.reason for _path, _name, verdict in report.problems]
    # Two looks at each that is wrong: one at its contents, one for what differs.
    assert len(found) == 7 and found.count("sparse") >= 3 and 1 <= found.count("contents") <= 4, found
    sparse_ones = [verdict for _path, _name, verdict in report.problems if verdict.reason == "sparse"]
    assert {verdict.status for verdict in sparse_ones} == {"error"}
    assert all("cache_verify_max_holes" in (verdict.detail or "") for verdict in sparse_ones)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("manifest", [True, False])
def test_a_sound_sparse_implementation_is_sound(folder: Path, workers: int, manifest: bool) -> None:
    store = zero.store_under(folder)
    (folder / "tree").mkdir()
    sparse(folder / "tree" / "image", 40 << 20)
    item = store / zero.add(store, folder / "tree", "sha256new")
    (item / "image").chmod(0o644)
    os.truncate(item / "image", 0)
    sparse(item / "image", 40 << 20)
    assert (item / "image").stat().st_blocks == 0
    if not manifest:
        item.chmod(0o755)
        (item / ".manifest").unlink()
    assert verifying.verify([str(store)], verifying.Options(workers=workers)).problems == []
    found = verifying.verify([str(store)], verifying.Options(workers=workers, holes=1 << 20)).problems
    assert [verdict.status for _path, _name, verdict in found] == ["error" if manifest else "corrupt"]


def test_many_small_holes_are_bounded_too(folder: Path) -> None:
    item = folder / "store" / NAME
    item.mkdir(parents=True)
    for number in range(200):
        sparse(item / str(number), 1 << 20)
    found = verifying.verify([str(item.parent)], verifying.Options(workers=2, holes=50 << 20)).problems
    assert [verdict.status for _path, _name, verdict in found] == ["error"]


def test_holes_are_what_was_never_written(folder: Path) -> None:
    path = folder / "file"
    with path.open("wb") as file:
        file.write(b"x" * (64 << 10))
        file.seek(1 << 20)
        file.write(b"x" * (64 << 10))
        file.truncate(3 << 20)
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        assert sparse_files.holes(file.fileno(), status) == (3 << 20) - (128 << 10)
        assert file.read(1) == b"x"
    path.write_bytes(bytes(3 << 20))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        assert sparse_files.holes(file.fileno(), os.fstat(file.fileno())) == 0


def test_the_budget_is_one_for_all_processes() -> None:
    budget = sparse_files.Budget(10, 2)
    assert budget.take(0, 6) and not budget.take(1, 5) and budget.take(1, 4) and not budget.take(0, 1)


# Names and depth


def module(collections: Path, store: Path, **options: Any) -> dict[str, Any]:
    """What the module answers, and its length in bytes as ``length``."""
    arguments = {"path": [str(store)], "fail_on_problem": False, "progress": 0, "return_names": True, **options}
    text = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_remote_tmp": "/tmp"}})
    done = subprocess.run(
        [sys.executable, collections / "ansible_collections/zeroinstall/virtualbox/plugins/modules/store_verify.py"],
        input=text,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(collections), *sys.path[1:]])},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "length": len(done.stdout)}


def flood(store: Path, start: str, count: int) -> None:
    """Files with names of 255 bytes, of which as many as can be are shown as four characters each."""
    for number in range(count):
        name = b"%b%07d" % (start.encode(), number)
        os.close(os.open(os.fsencode(store) + b"/" + name + b"\x01" * (255 - len(name)), os.O_CREAT))


def test_forty_thousand_odd_names_make_no_long_answer_and_hide_nothing(folder: Path, collections_path: Path) -> None:
    store = folder / "store"
    bad = store / NAME
    bad.mkdir(parents=True)
    flood(store, "sha256=", 40_000)
    flood(store, "x", 40_000)
    found = module(collections_path, store)
    assert found["length"] < 8 << 20
    assert found["summary"]["corrupt"] == found["summary"]["problems"] == 40_001
    assert found["summary"]["skipped"] == 40_000
    assert len(found["problems"]) <= 1000 and len(found["skipped_names"]) <= 1000
    assert [one for one in found["problems"] if one["name"] == NAME]
    assert found["corrupt"][str(store)][0] == NAME


def test_many_tampered_implementations_are_all_named_for_the_quarantine(folder: Path, collections_path: Path) -> None:
    store = folder / "store"
    store.mkdir()
    names = [f"sha1={number:040x}" for number in range(3000)]
    for name in names:
        (store / name).mkdir()
        (store / name / ".manifest").write_bytes(b"".join(b"F 0 0 0 %s%d\n" % (b"x" * 400, each) for each in range(9)))
    found = module(collections_path, store)
    assert found["corrupt"] == {str(store): names}
    assert found["summary"]["problems"] == 3000 and 100 < len(found["problems"]) <= 1000
    assert found["length"] < 4 << 20


def deep(path: Path, levels: int, leaf: str) -> None:
    """Directories in each other, with a file in the last."""
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir(leaf, dir_fd=fd)
        below = os.open(leaf, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
    os.close(fd)


@pytest.mark.parametrize("leaf", ["d", "d" * 150])
@pytest.mark.parametrize("mode", ["full", "changed"])
def test_deep_directories_end_no_verification(folder: Path, collections_path: Path, leaf: str, mode: str) -> None:
    store = folder / "store"
    store.mkdir()
    deep(store / "new", 1500, leaf)
    (store / "new").rename(store / trees.digest(str(store / "new"), manifests.ALGORITHMS["sha256new"]))
    zero.build(os.fsencode(store / "new"), Folder({b"a": File(b"a", TIME)}))
    (store / "new").rename(store / trees.digest(str(store / "new"), manifests.ALGORITHMS["sha256new"]))
    deep(store / NAME, 1500, leaf)
    for _run in range(2):
        found = module(collections_path, store, mode=mode, record=str(folder / "records"))
        assert (found["summary"]["ok"], found["summary"]["problems"]) == (2, 1)
        assert found["length"] < 1 << 16


def test_what_is_deeper_than_any_program_reads_is_left_there(folder: Path, collections_path: Path) -> None:
    """Each directory costs as much as its path is long."""
    store = folder / "store"
    store.mkdir()
    deep(store / NAME, 2000, "d" * 255)
    found = module(collections_path, store)
    assert [problem["reason"] for problem in found["problems"]] == ["path_length"]
    assert found["length"] < 1 << 14
