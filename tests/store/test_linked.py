# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linked stores of a store that the real 0store has filled: what 0store says of them, and how they are verified."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import zero
from aging import age
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    hashing,
    linking,
    manifests,
    quarantine,
    verified_before,
    verifying,
)
from damages import BASE
from labkit.waiting import HANG

RECENT = 200_000_000
"""Nanoseconds in place of the seconds that the library waits for file systems with coarse times; ext4 has fine ones."""


@pytest.fixture(autouse=True)
def recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less."""
    monkeypatch.setattr(verified_before, "RECENT", RECENT)


@pytest.fixture
def place(disk: Path, request: pytest.FixtureRequest) -> Path:
    """A folder on a disk of ext4."""
    path = disk / request.function.__name__
    path.mkdir()
    return path


@pytest.fixture
def store(place: Path) -> Path:
    """A store with an implementation for each algorithm."""
    zero.build(os.fsencode(place / "base"), BASE)
    store = zero.store_under(place / "home")
    for algorithm in zero.ALGORITHMS:
        zero.add(store, place / "base", algorithm)
    return store


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the implementations that were read."""
    read: list[str] = []
    make = hashing.Hashing.__init__

    def noting(self: hashing.Hashing, stores: list, tasks: list, *arguments: object) -> None:  # type: ignore[type-arg]
        read.extend(task.name for task in tasks)
        make(self, stores, tasks, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hashing.Hashing, "__init__", noting)
    return read


def link(store: Path, *guests: str) -> list[Path]:
    """Let guests see all of a store; their linked stores."""
    wanted = [
        {"name": guest, "implementations": sorted(os.listdir(store)), "exact": True, "coming": []} for guest in guests
    ]
    done = linking.run(Asked({"store": str(store), "stores": wanted, "absent": []}))
    assert "msg" not in done
    age()
    return [Path(one["path"]) for one in done["found"]]


def look(*stores: Path, records: str = "") -> verifying.Report:
    """Verify stores."""
    return verifying.verify(map(str, stores), verifying.Options(workers=1, records=records))


def spoil(store: Path, name: str) -> None:
    """Change a file of an implementation."""
    path = next(path for path in sorted((store / name).rglob("*")) if path.is_file() and path.name != ".manifest")
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes() + b"spoilt")


def used(folder: Path) -> int:
    """KB of a folder, in which each file counts once."""
    done = subprocess.run(["du", "-sk", folder], check=True, capture_output=True, text=True, timeout=HANG)
    return int(done.stdout.split()[0])


def test_a_linked_store_is_clean_and_its_files_take_no_room(store: Path) -> None:
    before, names = used(store.parent), sorted(os.listdir(store))
    (linked,) = link(store, "web1")
    audit = zero.run(["0store", "audit", linked])
    assert audit.returncode == 0, audit.stderr
    for name in names:
        assert zero.verify(linked / name).returncode == 0
        assert zero.verify(store / name).returncode == 0
    folders = sum(path.is_dir() for path in [linked.parent.parent.parent, *linked.parent.parent.parent.rglob("*")])
    assert used(store.parent) - before <= 4 * folders, "only directories take room"


def test_what_has_the_very_same_files_is_read_once(store: Path, hashed: list[str]) -> None:
    names = sorted(os.listdir(store))
    report = look(store, *link(store, "web1", "web2", "web3"))
    assert (report.summary["ok"], report.summary["problems"]) == (16, 0)
    assert sorted(hashed) == names
    assert report.names == names
    alone = look(store).summary
    assert [report.summary[key] for key in ("files", "bytes")] == [alone[key] for key in ("files", "bytes")]


def test_what_is_corrupt_is_so_in_each_store_and_is_moved_out_of_each(store: Path) -> None:
    bad = sorted(os.listdir(store))[0]
    stores = [store, *link(store, "web1", "web2")]
    spoil(store, bad)
    report = look(*stores)
    assert sorted((path, name) for path, name, _verdict in report.problems) == sorted((str(one), bad) for one in stores)
    for one in stores:
        assert quarantine.run(quarantine.Request(str(one), [bad], f"{one}.quarantine"), []) == []
    assert look(*stores).summary["problems"] == 0
    assert all(bad not in os.listdir(one) for one in stores)


def test_a_copy_that_is_not_the_stores_own_is_read(store: Path, hashed: list[str]) -> None:
    (linked,) = link(store, "web1")
    bad = sorted(os.listdir(store))[0]
    os.chmod(linked / bad, 0o755)
    manifest = linked / bad / ".manifest"
    text = manifest.read_bytes()
    manifest.unlink()
    manifest.write_bytes(text + b"F 0 0 0 more\n")
    report = look(store, linked)
    assert [(path, name) for path, name, _verdict in report.problems] == [(str(linked), bad)]
    assert hashed.count(bad) == 2


def test_a_copy_that_takes_the_place_of_another_meanwhile_judges_none(
    store: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write the store, and not the linked one, exchanges what is read of the store."""
    bad = sorted(os.listdir(store))[0]
    subprocess.run(["cp", "-a", store / bad, place / "good"], check=True, timeout=HANG)
    (linked,) = link(store, "web1")
    spoil(store, bad)
    age()
    hash_all = verifying._Run._hash
    turns = []

    def exchanged(run: verifying._Run, tasks: list[verifying.Task]) -> None:
        if not turns:
            os.rename(store / bad, place / "bad")
            os.rename(place / "good", store / bad)
        turns.append(tasks)
        hash_all(run, tasks)

    monkeypatch.setattr(verifying._Run, "_hash", exchanged)
    report = look(store, linked)
    assert [(path, name) for path, name, _verdict in report.problems] == [(str(linked), bad)]


def test_linked_stores_may_be_written_by_those_who_may_write_the_store(store: Path, hashed: list[str]) -> None:
    subprocess.run(["chown", "-R", "12345:12345", store], check=True, timeout=HANG)
    (linked,) = link(store, "web1")
    assert look(store, linked).summary["ok"] == 8
    assert len(hashed) == 4
    assert look(linked).summary["ok"] == 4, "it is judged alone as the store is"


def test_a_directory_of_another_owner_is_looked_at(store: Path) -> None:
    (linked,) = link(store, "web1")
    bad = sorted(os.listdir(store))[0]
    os.chown(linked / bad, 12345, 12345)
    age()
    report = look(store, linked)
    assert [(path, verdict.status) for path, _name, verdict in report.problems] == [(str(linked), "exposed")]


def test_a_directory_that_others_may_write_is_looked_at(store: Path) -> None:
    (linked,) = link(store, "web1")
    bad = sorted(os.listdir(store))[0]
    os.chmod(linked / bad, 0o777)
    report = look(store, linked)
    assert [(path, verdict.status) for path, _name, verdict in report.problems] == [(str(linked), "exposed")]


def test_a_link_has_its_files_read_once_more_where_only_what_changed_is_read(
    store: Path, place: Path, hashed: list[str]
) -> None:
    """A link sets the ctime of a file, also when it goes. It is not told from another change."""
    records = str(place / "records")
    age()
    look(store, records=records)
    assert look(store, records=records).summary["unchanged"] == len(hashed) == 4
    hashed.clear()
    first = sorted(os.listdir(store))[0]
    wanted = [{"name": "web1", "implementations": [first], "exact": True, "coming": []}]
    linking.run(Asked({"store": str(store), "stores": wanted, "absent": []}))
    linked = store.parent / "linked" / "web1" / "0install.net" / "implementations"
    age()
    report = look(store, linked, records=records)
    assert (hashed, report.summary["unchanged"], report.summary["ok"]) == ([first], 3, 5)
    report = look(store, linked, records=records)
    assert (hashed, report.summary["unchanged"], report.summary["ok"]) == ([first], 4, 5)
    assert manifests.is_name(first)
