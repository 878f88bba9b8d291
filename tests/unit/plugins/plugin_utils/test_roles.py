# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of roles, and names that are nearly theirs."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _inventory, _roles


def test_every_default_is_an_option_that_is_documented():
    for role in _roles._names():
        undocumented = _roles.defaults(role).keys() - _roles._variables(role)
        assert undocumented == set(), role


def test_a_default():
    assert _roles.default("cache_guest_timeout") == 600
    assert _roles.defaults("cache_guest")["cache_guest_mode"] == "readonly"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("cache_guest_mod", "cache_guest_mode"),
        ("cache_guest_hots", "cache_guest_host"),
        ("cache_host_stor", "cache_host_store"),
        ("cache_host_all_or_none", "cache_host_all_or_nothing"),
        ("cache_import_max_entry", "cache_import_max_entries"),
        ("guest_additions_minimal_version", "guest_additions_minimum_version"),
        ("vagrantfile_machine", "vagrantfile_machines"),
        ("cache_hosts_arrangement", "cache_host_arrangement"),
        ("cache_guestmode", "cache_guest_mode"),
        ("cach_host_user", "cache_host_user"),
        ("zeroinstall_host", "zeroinstall_hosts"),
        ("discover_too", "discover_to"),
    ],
)
def test_a_name_that_is_nearly_one_is_told_with_it(variable, meant):
    assert _roles.misspelt([variable, meant], surely=True, of_playbooks=True) == {}
    (message,) = list(_roles.misspelt([variable, "site_mod", meant], of_playbooks=True).values())
    assert f" has no variable {variable}," in message and message.endswith(f"Is {meant} meant?")


@pytest.mark.parametrize(
    "variable",
    [
        *("cache_guest_mode", "cache_guest", "cache_guest_extra_path", "sharing_service_user", "cachemode", "mode"),
        *("zeroinstall_guests", "zeroinstall_version", "discover_to"),
    ],
)
def test_a_variable_of_a_role_or_of_somebody_else_is_not_told(variable):
    assert _roles.misspelt([variable], of_playbooks=True) == {}


@pytest.fixture
def warnings(monkeypatch):
    """What is warned of names, beside what Ansible says of inventories."""
    said = []

    def warn(_self, message):
        said.extend([message] if message.startswith("The role ") else [])

    monkeypatch.setattr(_roles.Display, "warning", warn)
    return said


def test_only_what_the_inventory_sets_is_looked_at(inventory_of, warnings):
    hosts = {"g": {"cache_guest_mod": "guests"}, "other": {"cache_guest_grup": "x"}}
    tasks = {"g": {"cache_guest_pat": "/", "cache_import_look": {}}}
    hostvars = inventory_of(hosts, {"g": {"cache_guest_shar": "a fact"}}, tasks)
    _roles.warn_of_misspelt(_inventory.Inventory(hostvars), "g")
    assert len(warnings) == 1 and "no variable cache_guest_mod," in warnings[0]


def test_a_machine_that_is_not_in_the_inventory_is_none(inventory_of, warnings):
    _roles.warn_of_misspelt(_inventory.Inventory(inventory_of({})), "g")
    assert warnings == []
