# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to do beside sharing."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.filter.host_plan import host_plan

STORES = [
    {"group": "a", "path": "/g/a", "empty": True},
    {"group": "b", "path": "/g/b", "empty": False},
    {"group": "c", "path": "/g/c", "empty": True},
]
ARRANGEMENT = {
    "groups": ["c", "d"], "boxes": ["w"], "refused": {}, "kept_boxes": [], "possible_boxes": ["w", "x"], "machines": [],
}  # fmt: skip
QUIET = {"inaccessible": [], "refused": [], "machines": []}


def test_groups_that_are_missing_and_those_that_nobody_is_in():
    plan = host_plan(ARRANGEMENT, STORES, QUIET)
    assert plan == {
        "group_stores": ["/g/a", "/g/b", "/g/c"], "missing_groups": ["d"], "stale_groups": ["a"], "kept_boxes": [],
        "has_boxes": True, "not_served": "",
    }  # fmt: skip


def test_of_guests_that_were_refused_nothing_is_known():
    arrangement = {**ARRANGEMENT, "boxes": [], "refused": {"v": "guest 'v': a fact."}, "kept_boxes": ["v"]}
    plan = host_plan(arrangement, STORES, QUIET)
    assert (plan["stale_groups"], plan["kept_boxes"], plan["has_boxes"]) == ([], ["v"], True)
    assert plan["not_served"] == "guest 'v': a fact."
    assert not host_plan({**ARRANGEMENT, "boxes": []}, STORES, QUIET)["has_boxes"]


def test_nor_of_machines_that_were_left_alone():
    plan = host_plan(ARRANGEMENT, STORES, {**QUIET, "inaccessible": ["w cannot be read."]})
    assert (plan["stale_groups"], plan["kept_boxes"]) == ([], ["w", "x"])
    assert plan["not_served"] == "w cannot be read."


def test_what_was_said_last_is_told():
    refused = {**QUIET, "refused": ["w shares otherwise."]}
    hint = "Where such a share is meant, set cache_host_other_shares: warn (it is 'refuse')."
    assert host_plan(ARRANGEMENT, STORES, QUIET, refused)["not_served"] == f"w shares otherwise. {hint}"
    assert host_plan(ARRANGEMENT, STORES, refused, QUIET)["not_served"] == ""
    assert host_plan(ARRANGEMENT, STORES, refused, {"skipped": True})["not_served"] == f"w shares otherwise. {hint}"


def test_where_nothing_is_shared_any_more_all_empty_groups_go():
    plan = host_plan({}, STORES)
    assert (plan["stale_groups"], plan["missing_groups"], plan["has_boxes"]) == (["a", "c"], [], False)
    assert host_plan({}, STORES, {"inaccessible": ["x."], "refused": []})["not_served"] == "x."
