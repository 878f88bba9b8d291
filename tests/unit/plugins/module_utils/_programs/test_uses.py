# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who uses an implementation, by the files of users. tests/programs has real processes."""

from __future__ import annotations

import os
import types

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import uses

OLD, NEW = "sha1new=" + "a" * 40, "sha256new_" + "B" * 51 + "A"
APP = f'<selection id="{OLD}"><manifest-digest sha256new="{NEW[10:]}"/></selection>'


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of the only user of a machine that has nothing else."""
    entry = types.SimpleNamespace(pw_dir=str(tmp_path), pw_name="ann")
    monkeypatch.setattr(uses, "pwd", types.SimpleNamespace(getpwall=lambda: [entry]))
    monkeypatch.setattr(uses, "_OF_THE_SYSTEM", ())
    return tmp_path


def written(path, text):
    """Write a file into new folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "place",
    [
        ".config/0install.net/apps/edit/selections.xml",
        ".config/0install.net/apps/edit/selections-2026-01-01.xml",
        ".cache/0install.net/interfaces/https%3a%2f%2fexample.com",
        ".local/share/0install.net/native_feeds/x",
    ],
)
def test_what_a_users_own_0install_knows_is_used(home, place):
    written(home / place, APP)
    assert uses.look([OLD, NEW]) == {name: ["0install of the user ann"] for name in (OLD, NEW)}
    assert uses.look(["sha1=" + "c" * 40]) == {}


def test_other_files_of_a_user_do_not_count(home):
    written(home / "notes" / "x", APP)
    written(home / "0install.net" / "x", APP)
    assert uses.look([OLD, NEW]) == {}


def test_links_and_pipes_are_not_opened(home):
    folder = home / ".config" / "0install.net"
    written(home / "elsewhere", APP)
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(home / "elsewhere")
    (folder / "loop").symlink_to(folder)
    assert uses.look([OLD]) == {}


def test_who_has_too_much_to_read_may_use_everything(home, monkeypatch):
    monkeypatch.setattr(uses, "MOST_FILES", 2)
    for number in range(3):
        written(home / ".config" / "0install.net" / str(number), "")
    assert uses.look([OLD]) == {OLD: ["0install of the user ann, which has more than can be read"]}
    monkeypatch.setattr(uses, "MOST_FILES", 20)
    assert uses.look([OLD]) == {}
    monkeypatch.setattr(uses, "MOST_BYTES", 100)
    written(home / ".config" / "0install.net" / "x", "x" * 101)
    assert uses.look([OLD]) == {OLD: ["0install of the user ann, which has more than can be read"]}


def test_who_has_what_cannot_be_read_may_use_everything(home, monkeypatch):
    written(home / ".config" / "0install.net" / "x", "x" * 101)
    monkeypatch.setattr(uses, "MOST_READ", 100)
    assert uses.look([OLD]) == {OLD: ["0install of the user ann"]}
    monkeypatch.undo()


def test_two_names_with_one_digest_are_both_used(home):
    names = ["sha1=" + "a" * 40, OLD]
    written(home / ".config" / "0install.net" / "x", APP)
    assert sorted(uses.look(names)) == sorted(names)


def test_only_some_users_are_named(home, monkeypatch):
    entries = [types.SimpleNamespace(pw_dir=str(home / str(each)), pw_name=f"u{each}") for each in range(9)]
    monkeypatch.setattr(uses, "pwd", types.SimpleNamespace(getpwall=lambda: entries))
    for each in range(9):
        written(home / str(each) / ".config" / "0install.net" / "x", APP)
    assert len(uses.look([OLD])[OLD]) == uses.SHOWN


def test_folders_that_are_named_are_read_too(home):
    written(home / "documents" / "edit.xml", APP)
    assert uses.look([NEW], [str(home / "documents")]) == {NEW: ["the system's 0install"]}


@pytest.mark.parametrize("name", ["", "x", "../sha1=" + "a" * 40, OLD + "/x", "sha1new=" + "a" * 39])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(Failure, match="is not the name of an implementation"):
        uses.look([name])
