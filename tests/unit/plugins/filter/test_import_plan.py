# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the import service is made of, and what is to be done on its host."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.import_files import import_files
from ansible_collections.zeroinstall.virtualbox.plugins.filter.import_plan import import_plan
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs

OURS = "/usr/local/lib/zeroinstall.virtualbox"
SETTINGS = {
    "store": "/var/cache/0install.net/implementations", "user": "zeroinst", "group": "vm",
    "boxes_path": "/var/lib/zeroinstall.virtualbox/boxes", "boxes": ["b%20c", "a", "a"], "kept_boxes": ["k"],
    "program": OURS + "/import", "python": "/usr/bin/python3", "service": "zi",
}  # fmt: skip
THERE = {"kind": "directory"}
UNITS = ["/etc/systemd/system/zi.path", "/etc/systemd/system/zi.service"]


def test_names_and_paths():
    plan = import_plan(SETTINGS)
    assert plan["problem"] == "" and plan["archive"] == f"{OURS}/import/{plan['archive_name']}"
    assert plan["watched"] == [f"{SETTINGS['boxes_path']}/{name}/*.tar" for name in ("a", "b%%20c")]
    assert [unit["path"] for unit in plan["units"]] == UNITS
    assert [unit.get("enabled") for unit in plan["units"]] == [False, None]
    assert (plan["staging"], plan["store_parent"]) == (SETTINGS["store"] + ".staging", "/var/cache/0install.net")
    assert plan["removed"] == [*UNITS, SETTINGS["program"], plan["staging"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"store": "/srv/store"},
        {"store": "/home/x/0install.net/implementations"},
        {"store": "/a b/0install.net/implementations"},
        {"boxes_path": "/run/boxes"},
        {"boxes_path": "relative"},
        {"boxes_path": SETTINGS["store"] + "/boxes"},
        {"program": "/a\nb"},
        {"python": "python3"},
        {"user": "Root"},
        {"service": "a.b"},
        {"boxes": []},
        {"boxes": ["../x"]},
        {"boxes": [".hidden"]},
    ],
)
def test_what_cannot_be_used_is_refused(wrong):
    assert "Correct the variables cache_import_*" in import_plan({**SETTINGS, **wrong})["problem"]


def test_what_was_seen():
    seen = {"/run/systemd/system": THERE, OURS: THERE, UNITS[1]: {"kind": "file"}, UNITS[0]: None}
    plan = import_plan(SETTINGS, seen)
    assert plan["systemd"] and [unit["name"] for unit in plan["units_there"]] == ["zi.service"]
    assert plan["parents"] == [OURS]
    assert not import_plan(SETTINGS)["systemd"]
    assert set(seen) <= set(plan["looked_at"])


def test_boxes_that_are_not_wanted():
    found = [{"path": f"/b/{name}"} for name in ("a", "k", "old", "b%20c")]
    assert import_plan(SETTINGS, boxes_found=found)["stale_boxes"] == ["old"]


def test_a_unit_that_changes_is_started_anew():
    plan = import_plan(SETTINGS, changes={UNITS[1]: ["content"]})
    assert (plan["units_change"], plan["state"]) == (True, "restarted")
    plan = import_plan(SETTINGS, changes={SETTINGS["program"]: ["mode"]})
    assert (plan["units_change"], plan["state"]) == (False, "started")


def test_folders_in_which_nothing_is_left():
    beside = "/var/lib/zeroinstall.virtualbox"
    seen = {OURS: THERE, beside: THERE}
    files = [{"path": SETTINGS["program"]}, {"path": SETTINGS["boxes_path"]}]
    assert import_plan(SETTINGS, seen, left={"files": files, "skipped_paths": {}})["empty_parents"] == [OURS, beside]
    files.append({"path": f"{OURS}/secure-add"})
    assert import_plan(SETTINGS, seen, left={"files": files})["empty_parents"] == [beside]
    assert import_plan(SETTINGS, seen, left={"files": [], "skipped_paths": {OURS: "x"}})["empty_parents"] == [beside]
    assert import_plan({**SETTINGS, "program": "/opt/import", "boxes_path": "/srv/b"}, seen)["parents"] == []


def test_the_files():
    units = {"path": "p", "service": "s"}
    plan = import_plan(SETTINGS, {"/run/systemd/system": THERE})
    files = {item["path"]: item for item in import_files(SETTINGS, plan, units)}
    assert base64.b64decode(files[plan["archive"]]["content"]) == _programs.service()
    assert files[f"{SETTINGS['boxes_path']}/a"] == {
        "path": f"{SETTINGS['boxes_path']}/a", "state": "directory", "owner": "zeroinst", "group": "vm", "mode": "0770",
    }  # fmt: skip
    assert [files[path]["content"] for path in UNITS] == ["p", "s"]
    without = {item["path"] for item in import_files(SETTINGS, import_plan(SETTINGS), units)}
    assert without == files.keys() - set(UNITS)
