# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines patterns match, and to what a run with --limit confines the undoing on a host."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.members import members
from ansible_collections.zeroinstall.virtualbox.plugins.filter.unshare_scope import unshare_scope


@pytest.fixture
def limited(inventory_of):
    """The variables of two hosts and their guests in a run with --limit."""

    def limit(pattern):
        hostvars = inventory_of({name: {} for name in ("metal", "copper", "a", "b", "c")})
        hostvars._inventory.subset(pattern)
        return hostvars

    return limit


FLEET = {"guests": {"metal": ["a", "b"], "copper": ["c"]}}


@pytest.mark.parametrize("limit", [None, "metal", "metal,copper"])
def test_without_a_limit_or_with_hosts_alone_everything_is_taken_back(limited, limit):
    assert unshare_scope(FLEET, "metal", limited(limit)) == {"everything": True, "guests": [], "problem": ""}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("metal,a", ["a"]), ("metal,b,c", ["b"]), ("all:!b", ["a"]), ("metal,a,b", ["a", "b"])],
)
def test_a_limit_that_names_guests_is_about_these_alone(limited, limit, expected):
    scope = unshare_scope(FLEET, "metal", limited(limit))
    assert scope == {"everything": False, "guests": expected, "problem": ""}


@pytest.mark.parametrize(
    "fleet",
    [{"guests": {"metal": ["b"], "copper": ["a"]}}, {"guests": {"metal": []}}],
    ids=["moved", "no guest is known"],
)
def test_a_guest_that_is_not_the_hosts_never_stands_for_all(limited, fleet):
    scope = unshare_scope(fleet, "metal", limited("metal,a"))
    assert (scope["everything"], scope["guests"]) == (False, []) and "limit the run to metal alone" in scope["problem"]


@pytest.mark.parametrize(
    ("pattern", "expected"), [("a,c", ["a", "c"]), ("all:!metal", ["copper", "a", "b", "c"]), ("none", [])]
)
def test_a_pattern_matches_whatever_the_limit_is(limited, pattern, expected):
    assert members(pattern, limited("metal")) == expected
