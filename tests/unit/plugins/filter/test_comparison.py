# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's view of its host's store is compared with."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.comparison import comparison
from ansible_collections.zeroinstall.virtualbox.plugins.filter.corrupt_stores import corrupt_stores
from ansible_collections.zeroinstall.virtualbox.plugins.filter.moved import moved

RESULT = {
    "names": ["a", "b", "c", "d"], "names_left_out": 0, "problems": [{"name": "b"}],
    "corrupt": {"/s": ["c"]},
}  # fmt: skip

DIGEST = hashlib.sha256(b"a\nb\nc\nd\n").hexdigest()


@pytest.fixture
def compared(inventory_of):
    """The comparison with a host that registered this."""

    def compare(result="right", inventory=(), facts=(), more=(), **options):
        registered = {"cache_verify_result": RESULT if result == "right" else result}
        tasks = {"h": {**(registered if result else {}), **dict(more)}}
        return comparison("h", inventory_of({"h": dict(inventory)}, {"h": dict(facts)}, tasks), **options)

    return compare


def test_the_sample_is_of_what_is_sound(compared):
    assert compared(sample=9) in [
        {"problem": "", "names": names, "names_digest": DIGEST, "moved": False} for names in (["a", "d"], ["d", "a"])
    ]
    assert {compared()["names"][0] for _turn in range(50)} == {"a", "d"}
    assert compared(every=True)["names"] == ["a", "d"]


def test_what_was_moved_aside_is_not_looked_for_but_in_check_mode(compared):
    more = {"cache_verify_moved": [{"name": "d"}]}
    assert compared(more=more, every=True) == {"problem": "", "names": ["a"], "names_digest": DIGEST, "moved": True}
    assert compared(more=more, every=True, check_mode=True)["names"] == ["a", "d"]


def test_what_differs(compared):
    assert compared(seen=["a", "x", "c", "d"]) == {"problem": "", "missing": ["b"], "more": ["x"]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"result": None}, "Its host h was not verified in this run"),
        ({"result": {"failed": True}}, "Its host h was not verified in this run"),
        ({"result": None, "facts": {"cache_verify_result": RESULT}}, "was not verified in this run"),
        ({"inventory": {"cache_verify_stores": ["/x"]}}, "names other stores than the one that is shared"),
        ({"result": {**RESULT, "names_left_out": 1}}, "has more implementations than are named"),
        ({"more": {"cache_verify_moved_more": 1}}, "has more implementations than are named"),
        ({"result": {**RESULT, "problems": ["b"]}}, "is none that store_verify gives"),
        ({"result": {**RESULT, "problems": [{"name": ["b"]}]}}, "is none that store_verify gives (see problems.name)"),
        ({"result": {**RESULT, "corrupt": {"/s": [["c"]]}}}, "is none that store_verify gives (see corrupt)"),
        ({"result": {**RESULT, "names": [["c"]]}}, "is none that store_verify gives (see names)"),
        ({"result": {**RESULT, "names_by_store": [["c"]]}}, "is none that store_verify gives (see names_by_store)"),
        ({"result": {**RESULT, "names_by_store": {"/s": "c"}}}, "is none that store_verify gives (see names_by_store)"),
        ({"more": {"cache_verify_moved": [{"name": {}}]}}, "is none that store_verify gives (see moved.name)"),
    ],
)
def test_why_there_is_nothing_to_compare_with(compared, given, words):
    plan = compared(**given)
    assert list(plan) == ["problem"] and words in plan["problem"]


@pytest.fixture
def seen(inventory_of):
    """What of the host's stores counts for a guest."""

    def compare(guest, arrangement="default", moved=(), **variables):
        by_store = {
            "/c/0install.net/implementations": ["a", "b", "c", "d"],
            "/c/0install.net/linked/w/0install.net/implementations": ["a", "b"],
            "/c/0install.net/linked/other@w/0install.net/implementations": ["c", "e"],
        }
        result = {**RESULT, "names": ["a", "b", "c", "d", "e"], "names_by_store": by_store}
        hosts = {"h": {"cache_host_arrangement": arrangement}, guest: variables}
        hostvars = inventory_of(hosts, tasks={"h": {"cache_verify_result": result, "cache_verify_moved": moved}})
        return comparison("h", hostvars, guest=guest, every=True, seen=None)

    return compare


def test_what_a_guest_is_to_see(seen):
    assert seen("w") == {"problem": "", "names": ["a", "d"], "names_digest": DIGEST, "moved": False}
    found = seen("w", cache_guest_sees="programs")
    assert (found["names"], found["names_digest"]) == (["a"], hashlib.sha256(b"a\nb\n").hexdigest())
    assert seen("w", "other", cache_guest_sees="programs")["names"] == ["e"]
    moved = [{"name": "a", "from": "/c/0install.net/linked/w/0install.net/implementations/a"}]
    assert (seen("w", moved=moved)["moved"], seen("w", moved=moved, cache_guest_sees="programs")["names"]) == (
        False,
        [],
    )
    assert "Its host h has no linked store for it" in seen("v", cache_guest_sees="programs")["problem"]


def test_a_host_that_is_not_in_the_inventory(inventory_of):
    assert "Its host h was not verified" in comparison("h", inventory_of({}))["problem"]


def test_corrupt_stores():
    assert corrupt_stores({}) == []
    assert corrupt_stores({"corrupt": {"/s": ["c"]}}, "u", {"corrupt": {"/g": ["d", "e"]}}, "v") == [
        {"path": "/s", "names": ["c"], "user": "u"},
        {"path": "/g", "names": ["d", "e"], "user": "v"},
    ]


def test_moved():
    assert moved([{"moved": [1]}, {"failed": True}, {"moved": [2, 3], "moved_left_out": 4}]) == {
        "named": [1, 2, 3],
        "more": 4,
    }
