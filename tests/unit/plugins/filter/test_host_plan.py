# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to do beside sharing."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.host_plan import host_plan

STORES = [
    {"group": "a", "path": "/g/a", "empty": True},
    {"group": "b", "path": "/g/b", "empty": False},
    {"group": "c", "path": "/g/c", "empty": True},
]
ARRANGEMENT = {
    "groups": ["c", "d"], "boxes": ["w"], "refused": {}, "kept_boxes": [], "possible_boxes": ["w", "x"], "machines": [],
}  # fmt: skip
QUIET = {
    "inaccessible": [], "unresolved": [], "unreadable": [], "refused": [], "machines": [], "others": [], "strays": [],
    "pending": [], "in_use": [], "doubt": "",
}  # fmt: skip
STRAY = {"uuid": "00-5", "name": "old", "shares": ["ZeroInstall"], "arrangement": "default", "removed": False}


def test_groups_that_are_missing_and_those_that_nobody_is_in():
    plan = host_plan(ARRANGEMENT, STORES, QUIET, left_over="remove")
    assert plan == {
        "group_stores": ["/g/a", "/g/b", "/g/c"], "missing_groups": ["d"], "stale_groups": ["a"], "kept_boxes": [],
        "kept_groups": ["b", "c", "d"],
        "shared_boxes": [], "boxes_left_over": "remove", "not_served": "", "left_over": [], "taken_back": [],
        "absent_boxes": ["w", "x"], "missing_linked": [], "stale_linked": [],
    }  # fmt: skip


def test_what_is_left_over_is_named_unless_it_is_to_go():
    plan = host_plan(ARRANGEMENT, STORES, {**QUIET, "strays": [STRAY]})
    assert (plan["stale_groups"], plan["kept_groups"], plan["not_served"]) == ([], ["a", "b", "c", "d"], "")
    stray, store = plan["left_over"]
    assert stray.startswith(
        "Machine old (00-5) is the machine of no guest of this host in the arrangement 'default', and"
    )
    for words in ("has 'ZeroInstall' of it", "cache_guest_machine", "cache_host_left_over: remove (it is 'report')"):
        assert words in stray
    assert store.startswith("The store of group 'a', /g/a, is empty, and no guest") and "cache_host_left_over" in store


def test_what_is_to_go_and_stays_is_named_with_the_reason():
    said = {**QUIET, "strays": [STRAY], "unresolved": ["web is not known."], "doubt": "web is not known."}
    plan = host_plan(ARRANGEMENT, STORES, said, left_over="remove")
    assert plan["stale_groups"] == [] and plan["not_served"] == "web is not known."
    assert plan["left_over"][0].endswith("It was not taken back: web is not known.")
    assert plan["left_over"][1].endswith("It stays. A machine of which nothing is known may share it.")
    pending = [{"uuid": "00-5", "reason": "the machine is saved"}]
    plan = host_plan(ARRANGEMENT, [], {**QUIET, "strays": [STRAY], "pending": pending}, left_over="remove")
    assert plan["left_over"][0].endswith("It was not taken back: the machine is saved")
    gone = host_plan(ARRANGEMENT, [], {**QUIET, "strays": [{**STRAY, "removed": True}]}, left_over="remove")
    assert gone["left_over"][0].endswith("has 'ZeroInstall' of it. That is taken back.")


def test_while_a_guest_may_be_meant_nothing_goes():
    arrangement = {**ARRANGEMENT, "doubts": ["The inventory names no host for 'x'."]}
    plan = host_plan(arrangement, STORES, {**QUIET, "strays": [STRAY]}, left_over="remove")
    assert (plan["stale_groups"], plan["boxes_left_over"]) == ([], "report")
    stray, store, boxes = plan["left_over"]
    assert stray.endswith("It was not taken back: The inventory names no host for 'x'.")
    assert store.endswith("It stays. The inventory names no host for 'x'.") and boxes.startswith("No box is removed")


def test_what_a_machine_shares_is_not_removed():
    """Whose machine that is does not matter: it may be one of another arrangement."""
    for path in ("/g/a", "/g/a/0install.net/implementations"):
        plan = host_plan(ARRANGEMENT, STORES, {**QUIET, "in_use": [path, "/b/x"]}, left_over="remove")
        assert (plan["stale_groups"], plan["left_over"], plan["absent_boxes"]) == ([], [], ["w"])
    plan = host_plan(ARRANGEMENT, STORES, {**QUIET, "in_use": ["/g/a"]}, QUIET, left_over="remove")
    assert plan["stale_groups"] == ["a"], "it was shared until now"


def test_a_machine_that_cannot_be_read_may_share_a_store_and_fails_nothing():
    plan = host_plan(ARRANGEMENT, STORES, {**QUIET, "unreadable": ["x cannot be read."]}, left_over="remove")
    assert (plan["stale_groups"], plan["not_served"], plan["kept_boxes"]) == ([], "", [])
    assert plan["left_over"][0] == "x cannot be read. What it has of this host is not known."
    end = host_plan({}, STORES, {**QUIET, "unreadable": ["x cannot be read."]}, left_over="remove")
    assert end["not_served"] == "x cannot be read.", "where everything is taken back, that is a failure"


def test_of_guests_that_were_refused_nothing_is_known():
    arrangement = {**ARRANGEMENT, "boxes": [], "refused": {"v": "guest 'v': a fact."}, "kept_boxes": ["v"]}
    plan = host_plan(arrangement, STORES, QUIET, left_over="remove")
    assert (plan["stale_groups"], plan["kept_boxes"], plan["boxes_left_over"]) == ([], ["v"], "report")
    assert plan["not_served"] == "guest 'v': a fact."


def test_boxes_that_machines_still_share_are_told():
    said = {**QUIET, "in_use": ["/b/w", "/b/old", "/b/deep/er", "/g/a/0install.net/implementations"]}
    assert host_plan(ARRANGEMENT, STORES, said, left_over="remove", boxes="/b")["shared_boxes"] == ["old", "w"]


@pytest.mark.parametrize("key", ["inaccessible", "unresolved", "refused"])
def test_nor_of_machines_that_were_left_alone(key):
    plan = host_plan(ARRANGEMENT, STORES, {**QUIET, key: ["w cannot be read."]}, left_over="remove")
    assert (plan["stale_groups"], plan["kept_boxes"], plan["absent_boxes"]) == ([], ["w", "x"], [])
    assert plan["not_served"] == "w cannot be read."


def test_what_was_said_last_is_told():
    refused = {**QUIET, "refused": ["w shares otherwise."], "others": [{"refused": True}]}
    hint = "Where such a share is meant, set cache_host_other_shares: warn (it is 'refuse')."
    assert host_plan(ARRANGEMENT, STORES, QUIET, refused)["not_served"] == f"w shares otherwise. {hint}"
    assert host_plan(ARRANGEMENT, STORES, refused, QUIET)["not_served"] == ""
    assert host_plan(ARRANGEMENT, STORES, refused, {"skipped": True})["not_served"] == f"w shares otherwise. {hint}"
    another = {**QUIET, "refused": ["w is of another arrangement."]}
    assert host_plan(ARRANGEMENT, STORES, another)["not_served"] == "w is of another arrangement."


def test_where_nothing_is_shared_any_more_all_empty_groups_go_and_what_is_taken_back_is_said():
    change = {"share": "ZeroInstall", "action": "remove"}
    said = {**QUIET, "machines": [{"uuid": "00-1", "name": "one", "changes": [change, {**change, "action": "add"}]}]}
    plan = host_plan({}, STORES, said, left_over="remove")
    assert (plan["stale_groups"], plan["missing_groups"]) == (["a", "c"], [])
    assert plan["taken_back"] == ["machine one (00-1): 'ZeroInstall'"]
    assert host_plan({}, STORES, {"inaccessible": ["x."], "refused": []})["not_served"] == "x."


LINKED = [{"name": name, "path": f"/c/linked/{name}/s"} for name in ("old", "used", "w", "x", "other@w")]
SEEN = {**ARRANGEMENT, "linked": ["new", "w"]}
"""Of these, w is wanted, new is missing, old and x are nobody's, and other@w is of another arrangement."""
SHARED = {**QUIET, "in_use": ["/c/linked/used/s"]}


@pytest.mark.parametrize(
    ("left_over", "more", "stale", "told"),
    [
        ("report", {}, [], {"old": "Set cache_host_left_over: remove (it is 'report')", "x": "to remove it."}),
        ("remove", {}, ["old", "x"], {}),
        ("remove", {"unresolved": ["No machine."]}, [], {"old": "It stays. A machine of which nothing is known"}),
    ],
)
def test_a_linked_store_goes_where_nobody_can_need_it(left_over, more, stale, told):
    plan = host_plan(SEEN, [], {**SHARED, **more}, left_over=left_over, linked=LINKED)
    assert (plan["missing_linked"], plan["stale_linked"]) == ([{"name": "new"}], stale)
    sentences = [one for one in plan["left_over"] if one.startswith("The linked store")]
    assert len(sentences) == len(told)
    for (name, words), sentence in zip(told.items(), sentences):
        assert f"'{name}', /c/linked/{name}/s, is of no guest" in sentence and words in sentence


def test_the_linked_store_of_a_refused_guest_stays():
    arrangement = {**SEEN, "refused": {"old": "No."}, "kept_boxes": ["old"]}
    assert host_plan(arrangement, [], SHARED, left_over="remove", linked=LINKED)["stale_linked"] == []
    told = host_plan(arrangement, [], SHARED, linked=LINKED)["left_over"]
    assert not any("'old'" in one for one in told)


def test_linked_stores_go_with_the_shares():
    assert host_plan({}, [], SHARED, left_over="remove", linked=LINKED, ends=True)["stale_linked"] == ["old", "w", "x"]
    of_others = host_plan({}, [], SHARED, left_over="remove", linked=LINKED, name="other", ends=True)
    assert of_others["stale_linked"] == ["other@w"]
    unreadable = {**SHARED, "unreadable": ["Odd."]}
    assert host_plan({}, [], unreadable, left_over="remove", linked=LINKED, ends=True)["stale_linked"] == []


def test_with_some_guests_go_their_linked_stores_alone():
    nothing = {**ARRANGEMENT, "linked": []}
    assert host_plan(nothing, [], SHARED, linked=LINKED, ends=True)["stale_linked"] == ["w", "x"]
    left_alone = {**SHARED, "inaccessible": ["Odd."]}
    assert host_plan(nothing, [], left_alone, linked=LINKED, ends=True)["stale_linked"] == []
