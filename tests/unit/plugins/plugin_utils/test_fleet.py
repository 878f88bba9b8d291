# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with inventories, and which guests a host has. tests/fleet runs the playbooks with such inventories."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

WEB = {"cache_guest_host": "metal", "cache_guest_machine": "web"}


@pytest.fixture
def looked_at(inventory_of):
    """A fleet of hosts and guests (name to variables), whose mistakes are collected."""

    def look(hosts, guests, facts=None):
        inventory = Inventory(inventory_of({**hosts, **guests}, facts))
        found = _fleet.Fleet(inventory, ",".join(hosts) or "nobody", ",".join(guests))
        found.look()
        return found

    return look


def texts(found):
    return [mistake.text for mistake in found.mistakes]


def test_a_right_inventory_has_no_mistake_and_an_index(looked_at):
    found = looked_at({"metal": {}, "copper": {}}, {"a": WEB, "b": {**WEB, "cache_guest_host": "copper"}})
    assert (texts(found), found.by_host()) == ([], {"metal": ["a"], "copper": ["b"]})


@pytest.mark.parametrize(
    ("host", "guest", "words"),
    [
        ({}, {"cache_guest_host": "metel", "cache_guest_machine": "web"}, ["'metel'", "Is 'metal' meant?"]),
        ({}, {"cache_guest_machine": "web"}, ["guest 'a' does not name its host", "cache_guest_host"]),
        ({}, {"cache_guest_host": "metal"}, ["guest 'a' does not name its machine", "cache_guest_machine"]),
        ({}, {**WEB, "cache_guest_machine": 1234}, ["1234, which is no text", "Write it in quotes"]),
        ({"cache_host_arrangement": ".lab"}, WEB, ["host 'metal': cache_host_arrangement '.lab'", "cannot name"]),
        ({"cache_host_store": "users"}, WEB, ["host 'metal' has cache_host_store 'users'", "system, user"]),
        ({}, {**WEB, "cache_guest_mode": "verfied"}, ["unknown mode 'verfied'", "cache_guest_mode"]),
        ({}, {**WEB, "cache_guest_mode": "guests", "cache_guest_group": "../x"}, ["'../x'", "cache_guest_group"]),
        ({}, {**WEB, "cache_guest_share": "a b"}, ["'a b'", "cache_guest_share"]),
        ({}, {**WEB, "cache_guest_mode": "trusted"}, ["'trusted'", "cache_host_store: user", "'metal'"]),
        ({"cache_host_store": "user"}, {**WEB, "cache_guest_mode": "verified"}, ["'verified'", "cache_host_store"]),
        ({}, {**WEB, "cache_guest_mod": "readonly"}, ["guest 'a'", "cache_guest_mod", "cache_guest_mode meant"]),
        ({"cache_host_usr": "vm"}, WEB, ["host 'metal'", "cache_host_usr", "cache_host_user meant"]),
        ({"cache_guest_mode": "verified"}, WEB, ["host 'metal' has cache_guest_mode", "guests"]),
        ({}, {**WEB, "cache_host_store": "user"}, ["guest 'a' has cache_host_store", "hosts"]),
        ({}, {**WEB, "cache_guest_machine": "{{ nowhere }}"}, ["guest 'a'", "cache_guest_machine", "nowhere"]),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0],
)
def test_a_mistake_names_machine_variable_value_and_remedy(looked_at, trusted, host, guest, words):
    guest = {key: trusted(value) if isinstance(value, str) else value for key, value in guest.items()}
    found = looked_at({"metal": host}, {"a": guest, "b": {**WEB, "cache_guest_machine": "other"}})
    assert any(all(word in text for word in words) for text in texts(found)), texts(found)
    assert all("a" in mistake.machines or "metal" in mistake.machines for mistake in found.mistakes)


def test_two_guests_of_one_machine_concern_both_and_their_host(looked_at):
    (mistake,) = looked_at({"metal": {}}, {"a": WEB, "b": WEB}).mistakes
    assert "'a' and 'b' name the same machine 'web'" in mistake.text
    assert mistake.machines == {"a", "b", "metal"}


def test_machines_of_the_same_name_on_two_hosts_are_two(looked_at):
    guests = {"a": WEB, "b": {**WEB, "cache_guest_host": "copper"}}
    assert texts(looked_at({"metal": {}, "copper": {}}, guests)) == []


def test_a_variable_of_a_group_that_has_hosts_and_guests_is_none_of_the_wrong_kind(looked_at):
    common = {"cache_guest_mode": "readonly", "cache_host_user": "vm"}
    assert texts(looked_at({"metal": {**common}}, {"a": {**common, **WEB}})) == []


@pytest.mark.parametrize("variable", ["sharing_stor", "vagrantfile_pat"])
def test_a_variable_that_may_be_of_another_role_is_no_mistake(looked_at, variable):
    assert texts(looked_at({"metal": {}}, {"a": {**WEB, variable: "x"}})) == []


def test_a_users_own_variable_beside_the_one_that_it_looks_like_is_no_mistake(looked_at):
    assert texts(looked_at({"metal": {}}, {"a": {**WEB, "cache_guest_machines": {"a": "web"}}})) == []


def test_no_host_is_one_mistake_that_concerns_every_run(looked_at):
    (mistake,) = looked_at({}, {"a": WEB, "b": {**WEB, "cache_guest_machine": "other"}}).mistakes
    assert "No machine of the inventory is a host" in mistake.text
    assert _fleet.concerning([mistake], []) == ([mistake], [])


@pytest.mark.parametrize(
    "said",
    [{"cache_host_guests_may_be_empty": True}, {"cache_host_guests": ["x"]}, {"cache_host_guests": "{{ hostvars }}"}],
)
def test_a_host_without_guests_is_a_mistake_unless_it_is_meant(looked_at, said):
    (text,) = texts(looked_at({"metal": {}, "copper": {}}, {"a": WEB}))
    assert "host 'copper' has no guest" in text and "cache_host_guests_may_be_empty: true" in text
    assert texts(looked_at({"metal": {}, "copper": said}, {"a": WEB})) == []


@pytest.mark.parametrize(
    "fact", [{"cache_guest_host": "elsewhere"}, {"cache_guest_mode": "nonsense"}, {"cache_guest_mod": "x"}]
)
def test_no_fact_of_a_guest_is_a_mistake_nor_changes_the_index(looked_at, fact):
    found = looked_at({"metal": {}}, {"a": WEB, "b": {**WEB, "cache_guest_machine": "b"}}, {"a": fact})
    assert (texts(found), found.by_host()) == ([], {"metal": ["a", "b"]})


def test_a_variable_that_a_fact_alone_gives_a_value_is_a_mistake_of_the_inventory_only_without_it(looked_at, trusted):
    guests = {"a": {**WEB, "cache_guest_machine": trusted("{{ named }}")}}
    assert "named" in texts(looked_at({"metal": {}}, guests))[0]
    assert texts(looked_at({"metal": {}}, guests, {"a": {"named": "web"}})) == []


def test_mistakes_of_other_machines_are_told_apart(looked_at):
    guests = {"a": {**WEB, "cache_guest_mode": "x"}, "b": {**WEB, "cache_guest_host": "copper"}}
    found = looked_at({"metal": {}, "copper": {}}, guests)
    mine, others = _fleet.concerning(found.mistakes, {"copper", "b"})
    assert (mine, len(others)) == ([], 1)
    mine, others = _fleet.concerning(found.mistakes, {"metal"})
    assert (len(mine), others) == (1, [])


def test_all_mistakes_are_told_at_once_and_bounded():
    one = [_fleet.Mistake("A is wrong.", frozenset())]
    assert _fleet.told([]) == ""
    assert _fleet.told(one * 3) == "A is wrong."
    many = [_fleet.Mistake(f"M{number} is wrong.", frozenset()) for number in range(100)]
    text = _fleet.told(many)
    assert text.startswith("The inventory has 100 mistakes. Nothing was changed. (1) M0 is wrong. (2) M1")
    assert text.count("is wrong") == _fleet.MOST and text.endswith("And 70 more.")
