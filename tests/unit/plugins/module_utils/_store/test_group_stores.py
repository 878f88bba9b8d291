# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stores of groups of guests, in real folders."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import group_stores

STORE = "0install.net/implementations"


@pytest.fixture
def top(tmp_path):
    return tmp_path / "share/zeroinstall.virtualbox/groups"


def bring(top, *names, exclusive=True):
    """What a run finds and does; the next one finds nothing to do."""
    plan = group_stores.survey(str(top), names, exclusive)
    group_stores.carry_out(plan)
    after = group_stores.survey(str(top), names, exclusive)
    assert (after.make, after.remove) == ([], [])
    return plan


def modes(top):
    """All folders, with their modes."""
    return {
        os.path.relpath(folder, top): f"{stat.S_IMODE(os.stat(folder).st_mode):o}"
        for folder, _folders, _files in os.walk(top)
    }


def test_a_store_for_each_group_in_a_folder_that_nobody_else_can_enter(top):
    before = os.umask(0o077)
    try:
        bring(top, "a", "b")
    finally:
        os.umask(before)
    assert modes(top) == {
        ".": "700",
        **{path: "755" for group in "ab" for path in (group, f"{group}/0install.net", f"{group}/{STORE}")},
    }
    assert modes(top.parent.parent)["."] == "755"


def test_others_that_are_empty_go_and_those_with_packages_stay(top):
    bring(top, "a", "b", "c")
    (top / "b" / STORE / "sha256=1").mkdir()
    plan = bring(top, "c")
    assert [(store.group, store.empty) for store in plan.stores] == [("a", True), ("b", False), ("c", True)]
    assert sorted(os.listdir(top)) == ["b", "c"]
    bring(top)
    assert sorted(os.listdir(top)) == ["b"]


def test_what_lies_beside_a_store_keeps_it(top):
    bring(top, "a")
    (top / "a/0install.net/implementations.quarantine").mkdir()
    bring(top)
    assert (top / "a" / STORE).is_dir()


def test_the_last_one_takes_the_folders_of_this_collection_with_it(top):
    bring(top, "a")
    bring(top)
    assert top.parent.parent.is_dir() and not top.parent.exists()
    bring(top, "a")
    (top.parent / "other").mkdir()
    bring(top)
    assert os.listdir(top.parent) == ["other"]


def test_a_folder_of_another_name_around_it_stays(tmp_path):
    top = tmp_path / "mine/groups"
    bring(top, "a")
    bring(top)
    assert os.listdir(tmp_path / "mine") == []


def test_without_exclusive_nothing_goes(top):
    bring(top, "a")
    assert bring(top, "b", exclusive=False).remove == []
    assert sorted(os.listdir(top)) == ["a", "b"]


def test_a_store_into_which_a_guest_writes_meanwhile_stays(top):
    bring(top, "a")
    plan = group_stores.survey(str(top), [], True)
    (top / "a" / STORE / "late").mkdir()
    group_stores.carry_out(plan)
    assert (top / "a" / STORE / "late").is_dir()


def test_links_and_files_in_the_way_are_refused_and_nothing_is_made(top, tmp_path):
    bring(top, "a")
    (top / "b").symlink_to(tmp_path)
    (top / "c").touch()
    for name in "bc":
        with pytest.raises(Failure, match=f"{top}/{name} is no folder. Move it away"):
            group_stores.survey(str(top), [name], False)
    (top / "d").mkdir()
    (top / "d/0install.net").symlink_to(top / "a/0install.net")
    assert [store.group for store in group_stores.survey(str(top), [], True).stores] == ["a"]


def test_a_folder_that_others_can_write_is_refused(top):
    bring(top, "a")
    top.chmod(0o770)
    with pytest.raises(Failure, match="can be written by others"):
        group_stores.survey(str(top), ["a"], False)


def test_a_folder_of_somebody_else_is_refused(top, monkeypatch):
    bring(top, "a")
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    with pytest.raises(Failure, match="belongs to user"):
        group_stores.survey(str(top), ["a"], False)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0"])
def test_a_name_that_is_no_folder_is_refused(top, name):
    with pytest.raises(Failure, match="cannot name a folder"):
        group_stores.survey(str(top), [name], False)


def test_what_was_made_goes_again_where_the_rest_cannot_be_made(top, monkeypatch):
    make = os.mkdir

    def mkdir(path, mode):
        if path.endswith("implementations"):
            raise OSError(28, "No space left on device", path)
        make(path, mode)

    plan = group_stores.survey(str(top), ["a"], False)
    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(Failure, match="implementations cannot be made: No space left"):
        group_stores.carry_out(plan)
    assert not top.parent.parent.exists()
