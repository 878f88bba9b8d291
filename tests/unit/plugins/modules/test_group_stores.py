# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``group_stores``: what it does and returns."""

from __future__ import annotations

import grp
import os

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.modules import group_stores


@pytest.fixture
def call(run_module):
    """Run the module with options; its answer."""
    return lambda **options: run_module(group_stores.main, **options)[1]


def test_check_mode_tells_and_makes_nothing(call, tmp_path):
    path = str(tmp_path / "groups")
    check = call(path=path, names=["a"], _ansible_check_mode=True)
    assert not os.path.exists(path)
    real = call(path=path, names=["a"])
    assert check == real
    store = path + "/a/0install.net/implementations"
    assert (real["changed"], real["stores"], real["diff"]["after"].split()[-1]) == (True, [], store)
    again = call(path=path, names=["a"])
    assert (again["changed"], again["diff"]["after"]) == (False, "")
    assert again["stores"] == [{"group": "a", "path": store, "empty": True}]
    gone = call(path=path, exclusive=True)
    assert (gone["changed"], gone["diff"]["before"].split()[-1]) == (True, store)
    assert not os.path.exists(path)


def test_a_home_is_found_and_the_users_group_told(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    answer = call()
    assert answer["path"] == str(tmp_path / ".local/share/zeroinstall.virtualbox/groups")
    assert answer["user_group"] == grp.getgrgid(os.getegid()).gr_name
    monkeypatch.setattr(os, "getegid", lambda: 12345678)
    assert call()["user_group"] == "12345678"


@pytest.mark.parametrize("path", ["groups", "/srv/../x", "/"])
def test_a_path_that_is_not_plain_is_refused(call, path):
    assert call(path=path)["msg"].startswith(f"path '{path}' is no")


def test_a_failure_is_told(call, tmp_path):
    (tmp_path / "groups").touch()
    assert "is no folder" in call(path=str(tmp_path / "groups"), names=["a"])["msg"]


def test_documentation_and_options_are_the_same():
    documented = yaml.safe_load(group_stores.DOCUMENTATION)["options"]
    assert documented["path"]["default"] == "~/.local/share/zeroinstall.virtualbox/groups"
    assert set(documented) == {"path", "names", "exclusive"}
