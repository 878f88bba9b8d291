# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of machines."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.pattern import pattern


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web", "web"),
        ("all:!metal", "all:!metal"),
        (["web", "db"], "web,db"),
        (["web*,db*", "a:b"], "web*,db*,a,b"),
        (["all:!x"], "all:!x"),
        ("!x", "!x"),
    ],
)
def test_a_pattern_stays_as_it_is(value, expected):
    assert pattern(value) == expected


@pytest.mark.parametrize("value", ["", " ", ",", ":", [], ["web", ""], None, 7, {"web": 1}])
def test_an_empty_pattern_which_would_match_all_is_refused(value):
    with pytest.raises(AnsibleFilterError, match="no pattern of machines"):
        pattern(value)
