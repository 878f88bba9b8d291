# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose request comes next, and what of it is kept from one pass to the next."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import turn_taking
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.turn_taking import TURN, Turns

MOST = 1000 * TURN


@pytest.fixture
def folder(tmp_path):
    """An open, empty folder."""
    fd = os.open(str(tmp_path), os.O_RDONLY)
    yield fd
    os.close(fd)


def served(turns, waiting, count):
    """The boxes in the order in which they come, of boxes by the sizes of their requests; none ends sending."""
    order = []
    for _turn in range(count):
        name = turns.first(waiting)
        turns.charge(name, waiting[name])
        order.append(name)
    return order


def test_boxes_take_turns():
    assert served(Turns.for_size(MOST), {"a": 1, "b": 1, "c": 1}, 7) == list("abcabca")


def test_whoever_was_served_last_comes_last():
    turns = Turns.for_size(MOST)
    served(turns, {"b": 1}, 1)
    served(turns, {"a": 1}, 1)
    assert served(turns, {"a": 1, "b": 1, "c": 1}, 3) == ["c", "b", "a"]


def test_a_large_request_is_charged_to_its_sender():
    order = served(Turns.for_size(MOST), {"evil": 10 * TURN, "good": TURN, "other": 10 * TURN + 1}, 1000)
    assert order[:12] == ["evil", "good", "other"] + ["good"] * 9
    # Each got as many bytes as the others, but for one request.
    assert 9 < order.count("good") / order.count("evil") < 11 < order.count("good") / order.count("other") * 1.1


def test_who_sends_alone_owes_nothing_to_those_who_come_later_and_they_have_saved_nothing_up():
    turns = Turns.for_size(MOST)
    served(turns, {"early": 5 * TURN}, 100)
    assert served(turns, {"early": 5 * TURN, "late": TURN}, 12) == ["late"] * 5 + ["early"] + ["late"] * 5 + ["early"]


def test_what_was_not_served_is_given_back():
    turns = Turns.for_size(MOST)
    before = turns.charge(turns.first(["a", "b"]), MOST)
    turns.give_back("a", before)
    assert turns.first(["a", "b"]) == "a"


def test_a_later_pass_goes_on_with_them(folder):
    turns = Turns.for_size(MOST)
    served(turns, {"evil": 3 * TURN, "good": TURN, "box gone": 1, "\udcff": 1}, 4)
    turns.save(folder, ["evil", "good", "\udcff"])
    assert os.listdir(folder) == [turn_taking.STATE]
    later = Turns.for_size(MOST)
    later.load(folder)
    assert later.owed() == [("evil", 3), ("good", 1), ("\udcff", 1)]
    waiting = {"evil": 1, "good": TURN, "new": TURN}
    assert served(later, waiting, 7) == ["new", "good", "new", "good", "new", "evil", "good"]


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"\0" * 8, b"{}", b"null", b"[1]", b"[[1, 2]]", b'[["a", -1]]', b'[["a", true]]', b'[["a", 1.5]]',
     b'[["a", 1, 2]]', b"[" * 100_000, b" " * (turn_taking.LARGEST + 1), b'[["a", NaN]]', b'[["a", 1]'],
)  # fmt: skip
def test_what_is_damaged_counts_as_nothing_and_is_replaced(tmp_path, folder, text):
    (tmp_path / "turns").write_bytes(text)
    turns = Turns.for_size(MOST)
    turns.load(folder)
    assert turns.owed() == []
    turns.charge("a", 1)
    turns.save(folder, ["a"])
    assert json.loads((tmp_path / "turns").read_text()) == [["a", 1]]


@pytest.mark.parametrize("make", [
    lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir(), lambda path: os.mkfifo(str(path)),
])  # fmt: skip
def test_what_is_no_file_is_not_read_and_not_kept(tmp_path, folder, make):
    make(tmp_path / "turns")
    turns = Turns.for_size(MOST)
    turns.load(folder)
    assert turns.owed() == []
    assert not turn_taking.is_kept("turns", folder)


def test_only_the_state_is_kept(tmp_path, folder):
    for name in ("turns", "turns.new"):
        (tmp_path / name).touch()
    assert turn_taking.is_kept("turns", folder)
    assert not turn_taking.is_kept("turns.new", folder)


def test_nobody_owes_more_than_one_request_can_cost_by_a_damaged_file(tmp_path, folder):
    (tmp_path / "turns").write_text('[["a", 100000000000000000000]]')
    turns = Turns.for_size(3 * TURN)
    turns.load(folder)
    assert turns.owed() == [("a", 3)]


def test_a_folder_that_cannot_be_written_changes_nothing(tmp_path):
    turns = Turns.for_size(MOST)
    turns.charge("a", 1)
    with open(str(tmp_path / "file"), "wb") as file:
        turns.save(file.fileno(), ["a"])
    assert turns.owed() == [("a", 1)]
