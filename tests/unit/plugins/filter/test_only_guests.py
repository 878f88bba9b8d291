# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines patterns match, and to which guests of a host a run with --limit is confined."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.members import members
from ansible_collections.zeroinstall.virtualbox.plugins.filter.only_guests import only_guests


@pytest.fixture
def limited(inventory_of):
    """The variables of a host and its three guests in a run with --limit."""

    def limit(pattern):
        hostvars = inventory_of({name: {} for name in ("metal", "a", "b", "c")})
        hostvars._inventory.subset(pattern)
        return hostvars

    return limit


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("all", []),
        ("metal", []),
        ("metal,a,b,c", []),
        ("metal,a", ["a"]),
        ("metal,c,a", ["a", "c"]),
        ("all:!b", ["a", "c"]),
    ],
)
def test_some_of_the_guests_confine_the_run_and_all_or_none_do_not(limited, limit, expected):
    assert only_guests(["a", "b", "c"], limited(limit)) == expected


@pytest.mark.parametrize(("pattern", "expected"), [("a,c", ["a", "c"]), ("all:!metal", ["a", "b", "c"]), ("none", [])])
def test_a_pattern_matches_whatever_the_limit_is(limited, pattern, expected):
    assert members(pattern, limited("metal")) == expected
