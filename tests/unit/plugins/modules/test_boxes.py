# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``boxes``: what it does and returns."""

from __future__ import annotations

import os

import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal
from ansible_collections.zeroinstall.virtualbox.plugins.modules import boxes


def test_it_removes_and_tells(run_module, tmp_path):
    path = tmp_path / "boxes"
    (path / "web1").mkdir(parents=True)
    (path / "web2").mkdir()
    (path / "web2/a.tar").touch()
    options = {"path": str(path), "exclusive": True, "remove": True}
    foreseen = run_module(boxes.main, **options, _ansible_check_mode=True)
    assert sorted(os.listdir(path)) == ["web1", "web2"]
    failed, answer = run_module(boxes.main, **options)
    assert (failed, answer) == foreseen and not failed
    assert (answer["changed"], answer["removed"], os.listdir(path)) == (True, ["web1"], ["web2"])
    assert answer["kept"] == [{"name": "web2", "reason": "1 request waits in it."}]
    owner = box_removal._owner(os.geteuid())
    assert answer["boxes"][1] == {"name": "web2", "owner": owner, "waiting": 1, "left_over": True}


def test_a_failure_is_told(run_module):
    failed, answer = run_module(boxes.main, path="boxes")
    assert failed and answer["msg"].startswith("path 'boxes' is not absolute")


def test_documentation_options_and_returns_are_the_same(run_module, tmp_path):
    documented = yaml.safe_load(boxes.DOCUMENTATION)["options"]
    assert set(documented) == set(box_removal.Wish._fields)
    defaults = {name: option["default"] for name, option in documented.items() if not option.get("required")}
    assert {name: list(value) if isinstance(value, tuple) else value
            for name, value in box_removal.Wish._field_defaults.items()} == defaults  # fmt: skip
    _failed, answer = run_module(boxes.main, path=str(tmp_path / "missing"))
    assert set(answer) - {"changed", "diff"} == set(yaml.safe_load(boxes.RETURN))
