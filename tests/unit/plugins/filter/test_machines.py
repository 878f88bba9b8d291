# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From guests' variables to a host's shares."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.machines import machines

STORE = "/var/cache/0install.net/implementations"
DEFAULTS = {"cache_guest_mode": "readonly", "cache_guest_share": "ZeroInstall", "cache_guest_path": ""}


def derived(hostvars, store=STORE, **options):
    """The machines of host metal, for all names in hostvars."""
    return machines(list(hostvars), hostvars, "metal", store, DEFAULTS, **options)


def test_a_guest_names_its_host_and_machine_and_nothing_else():
    assert derived({"web1": {"cache_guest_host": "metal", "cache_guest_machine": "Web 'eins'"}}) == [
        {"machine": "Web 'eins'", "shares": [{"name": "ZeroInstall", "path": STORE}]}
    ]


def test_guests_of_other_hosts_and_of_none_are_passed_over():
    assert derived({
        "other": {"cache_guest_host": "copper", "cache_guest_machine": "x"},
        "none": {"cache_guest_machine": "y"},
    }) == []


def test_a_guest_may_choose_its_share_name():
    found = derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w", "cache_guest_share": "zi"}})
    assert [share["name"] for share in found[0]["shares"]] == ["zi"]


def test_no_share_is_writable_or_has_symlinks():
    found = derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w"}})
    assert not any(share.get("writable") or share.get("symlinks") for share in found[0]["shares"])


def test_unwanted_machines_are_listed_without_shares():
    found = derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w"}}, wanted=False)
    assert found == [{"machine": "w", "shares": []}]


@pytest.mark.parametrize("variables, words", [
    ({}, "guest 'w' does not name its machine: set cache_guest_machine"),
    ({"cache_guest_machine": ""}, "guest 'w' does not name its machine"),
    ({"cache_guest_machine": ["w"]}, "guest 'w' does not name its machine"),
    ({"cache_guest_machine": "w", "cache_guest_mode": "open"}, "guest 'w' has the unknown mode 'open'"),
])
def test_a_guest_with_wrong_variables_is_named(variables, words):
    with pytest.raises(AnsibleFilterError, match=words):
        derived({"w": dict(variables, cache_guest_host="metal")})


def test_two_guests_with_one_machine_are_refused():
    with pytest.raises(AnsibleFilterError, match="guests 'a' and 'b' name the same machine 'w'"):
        derived({name: {"cache_guest_host": "metal", "cache_guest_machine": "w"} for name in "ab"})


@pytest.mark.parametrize("path", [
    "/var/cache/0install.net", "/var/cache/0install.net/", "/", "",
    "0install.net/implementations", "/srv/implementations", "/var/cache/x0install.net/implementations",
    "/var/cache/0install.net/implementations/..", "/var/cache/0install.net/implementations/",
])
def test_only_a_store_of_implementations_may_be_shared(path):
    with pytest.raises(AnsibleFilterError, match="is not a store of implementations"):
        derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w"}}, store=path)
