# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns in the name of a play, and variables of the command line: no machine has a part in either."""

from __future__ import annotations

import pytest
from ansible import context
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.extra_variable import extra_variable
from ansible_collections.zeroinstall.virtualbox.plugins.filter.patterns import patterns
from ansible_collections.zeroinstall.virtualbox.plugins.filter.patterns_of import patterns_of


@pytest.mark.parametrize("hosts", ["metal", "a:&b", 'odd "{name}"', ["a", "b"]])
def test_the_name_of_a_play_carries_both_patterns(hosts):
    name = f"Check the inventory {patterns(hosts, guests='web', purpose='verify')}"
    expected = hosts if isinstance(hosts, str) else "a,b"
    assert patterns_of(name) == {"hosts": expected, "guests": "web", "purpose": "verify"}


def test_an_empty_pattern_is_refused():
    with pytest.raises(AnsibleFilterError, match="no pattern of machines"):
        patterns("metal", guests="")


def test_an_empty_inventory_is_refused(monkeypatch):
    assert patterns("metal", guests="web", inventory=["metal"])
    with pytest.raises(AnsibleFilterError, match="The inventory is empty"):
        patterns("metal", guests="web", inventory=[])
    monkeypatch.setattr(context, "CLIARGS", {"syntax": True})
    assert patterns("metal", guests="web", inventory=[])


def test_only_the_command_line_sets_an_extra_variable(inventory_of):
    hostvars = inventory_of({"a": {"discover_to": "/inventory"}}, {"a": {"discover_to": "/fact"}})
    assert extra_variable("discover_to", hostvars) == ""
    hostvars._variable_manager._extra_vars = {"discover_to": "/mine"}
    assert extra_variable("discover_to", hostvars) == "/mine"
