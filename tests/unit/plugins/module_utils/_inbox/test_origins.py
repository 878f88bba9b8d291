# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is noted of packages that came from guests, and of those that were refused."""

from __future__ import annotations

import errno
import json
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import extracting, origins
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.origins import Origin, Record, Refusal

ME = {os.geteuid()}
A, B, C = ("sha1new=" + digit * 40 for digit in "abc")
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.fixture
def path(tmp_path):
    """The folder beside a store, and the store."""
    for name in ("implementations.staging", "implementations"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path / "implementations.staging"


@pytest.fixture
def folder(path):
    """The same, open."""
    fd = os.open(str(path), os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def compact(path, folder):
    """Make the file smaller if it has to be."""

    def run(fits=lambda size: True):
        store = path.with_suffix("")
        fd = os.open(str(store), os.O_RDONLY)
        try:
            origins.compact(folder, fd, str(store), fits)
        finally:
            os.close(fd)

    return run


def lines(path, name=origins.ORIGINS):
    """What a file says."""
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def refusal(number=0, **more):
    return Refusal(**{"box": "evil", "digest": A, "reason": f"Number {number}.", "at": EARLY, **more})


def no_space(*_arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_last_note_about_a_digest_counts(path, folder):
    origins.note(folder, {A: "one", B: "one"}, EARLY)
    origins.note(folder, {A: "two"}, LATE)
    found = origins.read(str(path), ME)
    assert found == origins.read(folder, ME) == Record({B: Origin("one", EARLY), A: Origin("two", LATE)}, [])
    assert list(found.origins) == [B, A], "the last one is at the end"
    assert (path / origins.ORIGINS).stat().st_mode & 0o777 == 0o600


def test_what_did_not_get_into_the_store_is_taken_back(folder):
    origins.note(folder, {A: "one"}, EARLY)
    origins.note(folder, {A: "two", B: "two"}, LATE)
    origins.take_back(folder, [A, B], LATE)
    assert origins.read(folder, ME).origins == {A: Origin("one", EARLY)}
    origins.take_back(folder, [A, C], LATE)
    assert origins.read(folder, ME).origins == {}


def test_what_a_power_cut_left_of_a_line_says_nothing_and_the_next_is_on_its_own(path, folder):
    origins.note(folder, {A: "one"}, EARLY)
    whole = (path / origins.ORIGINS).read_bytes()
    for end in range(len(whole)):
        (path / origins.ORIGINS).write_bytes(whole + whole[:end])
        assert origins.read(folder, ME) == Record({A: Origin("one", EARLY)}, [])
        origins.note(folder, {B: "two"}, LATE)
        found = origins.read(folder, ME)
        assert found.origins[B] == Origin("two", LATE) and found.origins[A].box == "one"
        assert found.damaged == (0 < end < len(whole) - 1)


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_what_cannot_be_written_leaves_the_file_as_it_was(path, folder, monkeypatch, fails):
    origins.note(folder, {A: "one"}, EARLY)
    before = (path / origins.ORIGINS).read_bytes()

    def half(fd, text):
        os.write(fd, text[: len(text) // 2])
        no_space()

    monkeypatch.setattr(*((extracting, "write", half) if fails == "write" else (os, "fsync", no_space)))
    with pytest.raises(OSError, match="No space left"):
        origins.note(folder, {B: "two"}, LATE)
    assert (path / origins.ORIGINS).read_bytes() == before


def test_it_is_on_disk_before_the_call_ends(path, folder, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    origins.note(folder, {A: "one"}, EARLY)
    assert synced == [(path / origins.ORIGINS).stat().st_ino, path.stat().st_ino]


def test_only_what_store_and_quarantine_have_stays(path, folder, compact, monkeypatch):
    monkeypatch.setattr(origins, "COMPACTED", 100)
    monkeypatch.setattr(origins, "ROOM", 100)
    (path.with_suffix("") / A).mkdir()
    (path.with_suffix(".quarantine") / (B + ".1")).mkdir(parents=True)
    origins.note(folder, {A: "one", B: "one", C: "one"}, EARLY)
    origins.note(folder, {A: "two", C: "two"}, LATE)
    with (path / origins.ORIGINS).open("a") as file:
        file.write("damaged\n")
    before = (path / origins.ORIGINS).read_bytes()
    asked = []
    compact(lambda size: bool(asked.append(size)))
    assert (path / origins.ORIGINS).read_bytes() == before, "there was no room"
    compact()
    assert origins.read(folder, ME) == Record({B: Origin("one", EARLY), A: Origin("two", LATE)}, [])
    assert [one["digest"] for one in lines(path)] == [B, A]
    assert asked == [(path / origins.ORIGINS).stat().st_size] and os.listdir(folder) == [origins.ORIGINS]


def test_it_is_not_made_smaller_before_it_is_much_larger_than_needed(path, folder, compact, monkeypatch):
    origins.note(folder, {A: "one", B: "one", C: "one"}, EARLY)
    before = (path / origins.ORIGINS).read_bytes()
    compact()
    assert (path / origins.ORIGINS).read_bytes() == before
    monkeypatch.setattr(origins, "COMPACTED", 100)
    for name in (A, B):
        (path.with_suffix("") / name).mkdir()
    compact()
    assert (path / origins.ORIGINS).read_bytes() == before, "it is less than twice of what is needed"


def test_if_the_quarantine_cannot_be_seen_the_last_ones_stay(path, folder, compact, monkeypatch):
    for name, value in (("COMPACTED", 100), ("ROOM", 0), ("MOST_ASIDE", 1)):
        monkeypatch.setattr(origins, name, value)
    path.with_suffix(".quarantine").symlink_to("/nowhere")  # as root, a mode hides nothing
    (path.with_suffix("") / A).mkdir()
    origins.note(folder, {A: "one", B: "one", C: "one"}, EARLY)
    compact()
    assert set(origins.read(folder, ME).origins) == {A, C}


def test_a_file_that_is_full_takes_no_more(folder, monkeypatch):
    monkeypatch.setattr(origins, "LARGEST", 300)
    origins.note(folder, {A: "one", B: "one"}, EARLY)
    with pytest.raises(OSError, match="too large"):
        origins.note(folder, {C: "one"}, EARLY)
    assert set(origins.read(folder, ME).origins) == {A, B}


def test_the_last_refusals_stay(path, folder, monkeypatch):
    monkeypatch.setattr(origins, "MOST_REFUSALS", 3)
    monkeypatch.setattr(origins, "REFUSALS_SIZE", 1000)
    for number in range(50):
        origins.note_refusal(folder, refusal(number))
        kept = origins.read(folder, ME).refusals
        assert kept == [refusal(one) for one in range(number + 1)][-3:]
        assert (path / origins.REFUSALS).stat().st_size <= 1200


def test_a_refusal_that_cannot_be_noted_is_lost(folder, monkeypatch):
    monkeypatch.setattr(extracting, "write", no_space)
    origins.note_refusal(folder, refusal())
    assert origins.read(folder, ME).refusals == []


LINE = {"digest": A, "box": "one", "at": EARLY}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\0", b"\xff", b"{", b"[]", b"null", b"1", b"[" * 8000, b" " * 100_000, b"1" * 8000,
        *(json.dumps({**LINE, **wrong}).encode() for wrong in (
            {"digest": "sha1new=x"}, {"digest": A + "\n"}, {"digest": "../" + A}, {"digest": 1}, {"digest": None},
            {"box": ["one"]}, {"box": "\x1b[2J"}, {"box": "\ud800"}, {"box": "a\nb"}, {"box": "x" * 9000},
            {"at": ""}, {"at": "now"}, {"at": EARLY + "\n"}, {"at": "2026-01-01T00:00:00Z2026"}, {"more": "x"},
        )),
        json.dumps({"digest": A, "at": EARLY}).encode(),
        json.dumps(LINE).replace("one", "schön").encode(),
    ],
)  # fmt: skip
def test_a_damaged_line_is_passed_over_and_counted(path, folder, line):
    origins.note(folder, {A: "two"}, EARLY)
    origins.note_refusal(folder, refusal())
    for name in origins.FILES:
        with (path / name).open("ab") as file:
            file.write(line + b"\n")
    origins.note(folder, {B: "three"}, LATE)
    origins.note_refusal(folder, refusal(1))
    found = origins.read(folder, ME)
    assert found == Record({A: Origin("two", EARLY), B: Origin("three", LATE)}, [refusal(), refusal(1)], 2)


@pytest.mark.parametrize("make", [
    lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir(), lambda path: os.mkfifo(str(path)),
    lambda path: (path.touch(), path.chmod(0o622)),
])  # fmt: skip
@pytest.mark.parametrize("name", origins.FILES)
def test_nothing_but_a_file_of_its_user_alone_is_read(path, folder, name, make):
    make(path / name)
    with pytest.raises((OSError, ValueError)):
        origins.read(folder, ME)
    assert origins.is_kept(name, folder) == (not (path / name).is_symlink() and (path / name).is_file())


def test_whose_folder_it_is_and_how_large_files_are_counts(path, folder, monkeypatch):
    assert origins.read(str(path / "missing"), ME) == origins.read(str(path), ME) == Record({}, [])
    origins.note(folder, {A: "one"}, EARLY)
    with pytest.raises(ValueError, match="only user 123"):
        origins.read(str(path), {123})
    with pytest.raises(ValueError, match="others than user 123"):
        origins.read(folder, {123})
    path.chmod(0o750)
    with pytest.raises(ValueError, match="is no folder that only user"):
        origins.read(str(path), ME)
    monkeypatch.setattr(origins, "LARGEST", 10)
    with pytest.raises(ValueError, match="too large"):
        origins.read(folder, ME)


def test_only_the_files_are_kept(path, folder):
    for name in (*origins.FILES, "origins.new", "x"):
        (path / name).touch()
    assert [origins.is_kept(name, folder) for name in (*origins.FILES, "origins.new", "x", "missing")] == [
        True, True, False, False, False,
    ]  # fmt: skip
