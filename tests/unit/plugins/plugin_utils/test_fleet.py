# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with inventories, and which guests a host has. tests/fleet runs the playbooks with such inventories."""

from __future__ import annotations

import pytest
from ansible import context
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
    assert found.counted() == "hosts: 2; guests: 2 (2 readonly); no mistake"
    assert _fleet.Fleet(found.inventory, "metal", "nobody").counted(sharing=False) == (
        "hosts: 1; guests: 0; no mistake about hosts"
    )


@pytest.mark.parametrize(
    ("host", "guest", "words"),
    [
        ({}, {"cache_guest_host": "metel", "cache_guest_machine": "web"}, ["'metel'", "Is 'metal' meant?"]),
        ({}, {"cache_guest_machine": "web"}, ["guest 'a': cache_guest_host is not set", "inventory name of the host"]),
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


def test_a_host_with_another_name_is_one_mistake_however_many_guests_it_has(looked_at):
    """And no guess, where several hosts are as near."""
    hosts = {f"metal{number:02}": {"cache_host_guests_may_be_empty": True} for number in range(2, 6)}
    guests = {f"g{number}": {"cache_guest_host": "metal01", "cache_guest_machine": f"m{number}"} for number in range(9)}
    found = looked_at(hosts, guests)
    (text,) = texts(found)
    assert text.startswith("9 guests ('g0', 'g1', 'g2', 'g3', 'g4', and 4 more): cache_guest_host is 'metal01', which")
    assert text.endswith("Correct it, or add the host.")
    assert found.mistakes[0].machines == set(guests)


@pytest.mark.parametrize(
    "said", [{"cache_host_arrangment": "b"}, {"cache_hosts_arrangement": "b"}, {"cache_host_store": "users"}]
)
def test_without_sharing_mistakes_about_hosts_are_told_all_the_same(inventory_of, said):
    """What unshare takes back hangs on them."""
    found = _fleet.Fleet(Inventory(inventory_of({"metal": said, "a": {"cache_guest_mode": "x"}})), "metal", "a")
    found.look(sharing=False)
    (text,) = texts(found)
    assert "host 'metal'" in text and next(iter(said)) in text


def test_a_hosts_variable_on_its_guests_concerns_the_host_with_and_without_sharing(inventory_of):
    guests = {"a": {**WEB, "cache_host_arrangement": "b"}}
    for sharing in (True, False):
        found = _fleet.Fleet(Inventory(inventory_of({"metal": {}, **guests})), "metal", "a")
        found.look(sharing)
        (mistake,) = found.mistakes
        assert "guest 'a' has cache_host_arrangement" in mistake.text and mistake.machines == {"a", "metal"}


def test_a_variable_of_the_users_own_beside_ours_is_no_mistake_of_the_command_line(inventory_of):
    hostvars = inventory_of({"metal": {"cache_host_user": "vm"}, "a": {**WEB, "zeroinstall_host": "x"}})
    hostvars._variable_manager._extra_vars = {"zeroinstall_host": "metal", "cache_host_users": "vm"}
    found = _fleet.Fleet(Inventory(hostvars), "metal", "a")
    found.look()
    assert texts(found) == []


def test_a_misspelt_variable_of_the_command_line_is_one_mistake(inventory_of):
    hostvars = inventory_of({"metal": {}, "a": WEB})
    hostvars._variable_manager._extra_vars = {"zeroinstall_guest": "web", "cache_guest_mod": "x"}
    inventory = Inventory(hostvars)
    found = _fleet.Fleet(inventory, "metal", "zeroinstall_guests")
    found.names, found.guests = ["a"], {"a": found._guest("a")}
    found.look()
    assert len(found.mistakes) == 2 and not any(mistake.machines for mistake in found.mistakes)


DOUBTFUL = {
    "no guest": ({}, {}, "which matches none"),
    "a misspelt host": ({}, {"a": {**WEB, "cache_guest_host": "metel"}}, "of 'a' is no host"),
    "no host": ({}, {"a": {"cache_guest_machine": "web"}}, "of 'a' is no host"),
    "a host that only a fact gives": ({}, {"a": {**WEB, "cache_guest_host": "{{ named }}"}}, "of 'a' is no host"),
}


@pytest.mark.parametrize(("host", "guests", "words"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_guest_that_the_inventory_misplaces_is_a_doubt(inventory_of, trusted, host, guests, words):
    guests = {name: {key: trusted(value) for key, value in said.items()} for name, said in guests.items()}
    inventory = Inventory(inventory_of({"metal": host, "copper": {}, **guests}, {"a": {"named": "metal"}}))
    (doubt,) = _fleet.Fleet(inventory, "metal", ",".join(guests) or "nobody").doubts()["metal"]
    assert words in doubt


def test_where_no_guest_is_misplaced_there_is_no_doubt(inventory_of):
    inventory = Inventory(inventory_of({"metal": {}, "copper": {}, "a": WEB}))
    assert _fleet.Fleet(inventory, "metal,copper", "a").doubts() == {"metal": [], "copper": []}


@pytest.mark.parametrize(("left_over", "expected"), [("remove", True), ("report", False)])
def test_who_names_a_host_and_is_no_guest_is_a_doubt_where_something_is_removed(inventory_of, left_over, expected):
    """All others of the inventory are read for that, so only then."""
    said = {
        "metal": {"cache_host_left_over": left_over, "cache_guest_host": "metal"},
        "a": WEB,
        "b": {**WEB, "cache_guest_machine": "b"},
        "nas": {"cache_guest_host": "metal"},
    }
    fleet = _fleet.Fleet(Inventory(inventory_of(said)), "metal", "a")
    doubts = fleet.doubts()["metal"]
    assert "'b'" in fleet.doubts(removes=True)["metal"][0]
    assert [("'b': cache_guest_host is 'metal'" in doubt, "zeroinstall_guests" in doubt) for doubt in doubts] == [
        (True, True)
    ] * expected


@pytest.mark.parametrize(
    "left_out",
    [
        {"cache_guest_host": "metal", "cache_guest_machine": "{{ nowhere }}"},
        {"cache_guest_host": "metal", "cache_guest_machine": "{{ named }}"},
        {"cache_guest_host": "Metal", "cache_guest_machine": "b"},
        {"cache_guest_host": "{{ named }}", "cache_guest_machine": "b"},
        {"cache_guest_machine": "b"},
    ],
    ids=["undefined machine", "machine by a fact", "another case", "host by a fact", "no host"],
)
def test_a_machine_that_may_be_a_guest_is_a_doubt_also_if_it_is_a_host(inventory_of, trusted, left_out):
    left_out = {key: trusted(value) for key, value in left_out.items()}
    inventory = Inventory(inventory_of({"metal": {}, "a": WEB, "nested": left_out}, {"nested": {"named": "x"}}))
    for hosts in ("metal", "metal,nested") if "cache_guest_host" in left_out else ("metal",):
        (doubt,) = _fleet.Fleet(inventory, hosts, "a").doubts(removes=True)["metal"]
        assert doubt.startswith("'nested': cache_guest_")


@pytest.mark.parametrize(
    "common", [{"cache_guest_machine": "m"}, {"cache_guest_machine": "m", "cache_guest_host": "metal"}]
)
def test_a_host_is_no_doubt_about_itself(inventory_of, common):
    """Its variables may come from a group that is for its guests, too."""
    inventory = Inventory(inventory_of({"metal": common, "a": WEB}))
    assert _fleet.Fleet(inventory, "metal", "a").doubts(removes=True) == {"metal": []}


def test_a_folder_in_which_no_inventory_is_is_a_doubt(inventory_of, tmp_path):
    hostvars = inventory_of({"metal": {}, "a": WEB})
    hostvars._inventory._sources = [str(tmp_path)]
    (doubt,) = _fleet.Fleet(Inventory(hostvars), "metal", "a").doubts()["metal"]
    assert f"Ansible could not read '{tmp_path}' of the inventory" in doubt


def test_a_source_of_the_inventory_that_cannot_be_read_is_a_doubt(inventory_of, tmp_path):
    """Ansible only warns, and goes on without the guests that are in it."""
    folder, read = tmp_path / "inventory", tmp_path / "inventory" / "read.yml"
    (folder / "group_vars").mkdir(parents=True)
    hostvars = inventory_of({"metal": {}, "a": WEB})
    hostvars._inventory._sources = [str(folder), "metal,a"]
    hostvars._inventory._inventory.processed_sources = [str(read), "metal,a"]
    read.touch()
    assert _fleet.Fleet(Inventory(hostvars), "metal", "a").doubts() == {"metal": []}
    (folder / "broken.yml").touch()
    (doubt,) = _fleet.Fleet(Inventory(hostvars), "metal", "a").doubts()["metal"]
    assert f"Ansible could not read '{folder}/broken.yml'" in doubt


def test_a_guest_that_names_the_machine_of_another_takes_nothing_from_that(inventory_of, monkeypatch):
    """Of a run that is about all guests of the host, or about none, that is no matter."""
    for limit, mistakes in (("metal,a", 1), ("metal,a,b", 0), ("metal", 0), ("copper,c", 0)):
        hostvars = inventory_of(
            {"metal": {}, "copper": {}, "a": WEB, "b": WEB, "c": {**WEB, "cache_guest_host": "copper"}}
        )
        hostvars._inventory.subset(limit)
        monkeypatch.setattr(context, "CLIARGS", {"subset": limit})
        found = _fleet.Fleet(Inventory(hostvars), "metal,copper", "a,b,c")
        found.look(sharing=False)
        found.scope()
        assert len(found.mistakes) == mistakes and all("'a' and 'b' name the same" in text for text in texts(found))


def test_a_machine_that_a_pattern_adds_to_the_inventory_is_a_mistake(inventory_of):
    """No play for all machines has it, so nothing would be told of it."""
    found = _fleet.Fleet(Inventory(inventory_of({"a": {**WEB, "cache_guest_host": "localhost"}})), "localhost", "a")
    found.look(sharing=False)
    (text,) = texts(found)
    assert text.startswith("'localhost', which zeroinstall_hosts names, is not in the inventory.")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"cache_host_guests": ""}, "cache_host_guests '', which is no list"),
        ({"cache_host_guests": "a,b"}, "cache_host_guests 'a,b', which is no list"),
        ({"cache_host_arrangement": None}, "cache_host_arrangement 'None', which is no text"),
        ({"cache_host_arrangement": 7}, "cache_host_arrangement '7', which is no text"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_mistake_of_the_host(looked_at, said, words):
    found = looked_at({"metal": said}, {"a": WEB})
    assert any(f"host 'metal' has {words}" in text for text in texts(found)), texts(found)


def test_what_is_called_by_a_number_is_none_of_ours(looked_at):
    assert texts(looked_at({"metal": {8080: "x"}}, {"a": {**WEB, 8080: "x"}})) == []


@pytest.mark.parametrize(("hosts", "mistakes"), [("metal", 0), ("metal,copper", 1)])
def test_one_host_for_the_guests_of_all_is_a_mistake(inventory_of, hosts, mistakes):
    hostvars = inventory_of({"metal": {}, "copper": {"cache_host_guests_may_be_empty": True}, "a": WEB})
    hostvars._variable_manager._extra_vars = {"cache_guest_host": "metal"}
    found = _fleet.Fleet(Inventory(hostvars), hosts, "a")
    found.look()
    assert sum("is set with -e, and so for the guests of all hosts" in text for text in texts(found)) == mistakes


def test_the_purpose_of_a_run_is_for_its_playbook(inventory_of):
    hostvars = inventory_of({"metal": {}, "a": WEB})
    hostvars._variable_manager._extra_vars = {"zeroinstall_purpose": "verify"}
    found = _fleet.Fleet(Inventory(hostvars), "metal", "a")
    found.look()
    assert texts(found) == ["zeroinstall_purpose is for the playbooks alone. Leave it out of the command line."]


def test_a_host_whose_name_is_a_number_is_itself(looked_at):
    found = looked_at({"1001": {}}, {"a": {**WEB, "cache_guest_host": 1001}})
    assert (texts(found), found.by_host(), found.doubts()) == ([], {"1001": ["a"]}, {"1001": []})


def test_one_uuid_in_two_spellings_is_one_machine(looked_at):
    uuid = "96aaf015-03eb-4991-a08e-fb0a25ca043e"
    guests = {"a": {**WEB, "cache_guest_machine": uuid}, "b": {**WEB, "cache_guest_machine": f"{{{uuid.upper()}}}"}}
    (text,) = texts(looked_at({"metal": {}}, guests))
    assert "'a' and 'b' name the same machine" in text


def test_a_fact_does_not_hide_what_the_inventory_says_from_the_check(looked_at):
    """Else a group that hosts and guests have in common would look like one of hosts alone."""
    common = {"cache_guest_mode": "readonly"}
    assert texts(looked_at({"metal": common}, {"a": {**common, **WEB}}, {"a": common})) == []


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
def test_a_host_without_guests_is_a_mistake_unless_it_is_meant(looked_at, trusted, said):
    said = {key: trusted(value) if isinstance(value, str) else value for key, value in said.items()}
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
