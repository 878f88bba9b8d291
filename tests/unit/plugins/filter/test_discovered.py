# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``discovered``: the machines of guests by the UUIDs of their hardware."""

from __future__ import annotations

import hashlib
import os

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.zeroinstall.virtualbox.plugins.filter.discovered import FilterModule

A, A_SWAPPED = "245e6cf0-313d-4fca-8046-1ff7e17a1bb7", "f06c5e24-3d31-ca4f-8046-1ff7e17a1bb7"
B, C = "96aaf015-03eb-4991-a08e-fb0a25ca043e", "033af8cb-943d-46fa-bef5-a2868d7b681c"
ZEROS = "00000000-0000-0000-0000-000000000000"
OPTIONS = "# With it, give the other playbooks these names of groups, and no other patterns:"


def machine(name, uuid, hardware_uuid=None):
    return {"name": name, "uuid": uuid, "hardware_uuid": uuid if hardware_uuid is None else hardware_uuid}


def host(*machines):
    """What is registered of a host."""
    return {"cache_host_discovered": {"changed": False, "machines": list(machines)}}


def guest(uuid, **more):
    """What is registered of a guest."""
    virtualbox = {"guest": True, "product": "VirtualBox", "uuid": uuid, **more}
    return {"cache_guest_discovered": {"changed": False, "guest": {"virtualbox": virtualbox}}}


METAL = {"metal": host(machine("web", A), machine("db", B))}


@pytest.fixture
def discovered(inventory_of):
    """The filter's result for what tasks registered of machines; C(said) is what the inventory has of them."""

    def discover(answers, said=None, facts=None, **options):
        hostvars = inventory_of({name: (said or {}).get(name, {}) for name in answers}, facts, answers)
        return FilterModule().filters()["discovered"](list(answers), hostvars, **options)

    return discover


def guests_of(result):
    """Guest to host and machine in the inventory that was found, which is the same as YAML."""
    assert yaml.safe_load(result["text"]) == result["inventory"]
    assert result["sha256"] == hashlib.sha256(result["text"].encode()).hexdigest()
    hosts, guests = (result["inventory"][group]["hosts"] for group in ("zeroinstall_hosts", "zeroinstall_guests"))
    assert set(hosts) == {one["cache_guest_host"] for one in guests.values()}
    return {name: (one["cache_guest_host"], one["cache_guest_machine"]) for name, one in guests.items()}


def test_guests_get_the_machines_of_their_hosts_in_either_order_of_bytes(discovered):
    answers = {**METAL, "iron": host(machine("web", C)), "g1": guest(A_SWAPPED), "g2": guest(B.upper()), "g3": guest(C)}
    result = discovered({**answers, "other": {}})
    assert guests_of(result) == {"g1": ("metal", "web"), "g2": ("metal", "db"), "g3": ("iron", "web")}
    assert (result["left_out"], result["problem"], result["path"]) == ([], "", "")


def test_what_ansible_reads_of_it_is_the_same(discovered, tmp_path):
    names = ["web ünï", "1", "yes", "a: b", "# c", "[x]", "- d", "''", "null", "{e", "%f", "@g"]
    uuids = [f"{number:08x}-313d-4fca-8046-1ff7e17a1bb7" for number in range(len(names))]
    guests = {name: guest(uuid) for name, uuid in zip(("a b", "::1", "1.2.3.4", "ü.x", *"4567890b"), uuids)}
    result = discovered({"metal": host(*map(machine, names, uuids)), **guests})
    (tmp_path / "inventory.yml").write_text(result["text"], encoding="utf-8")
    read = InventoryManager(DataLoader(), [str(tmp_path / "inventory.yml")])
    found = [read.get_host(name).get_vars()["cache_guest_machine"] for name in guests]
    assert found == names
    assert [one.name for one in read.get_hosts("zeroinstall_hosts")] == ["metal"]


def unreachable(message):
    return {"cache_guest_discovered": {"unreachable": True, "msg": message}}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (unreachable("no route"), "it was not reached: no route"),
        ({"cache_guest_discovered": {"msg": "no Python", "failed": False}}, "it could not be read: no Python"),
        ({"cache_guest_discovered": {}}, "it could not be read: no reason was given"),
        (guest(""), "only root can read"),
        (guest(ZEROS), f"{ZEROS}, is a placeholder"),
        (guest("x\x1b]0;owned\x07"), "is a placeholder"),
        (guest(C), f"no machine has its hardware UUID {C} on the 1 hosts that answered: metal."),
        (guest(A, guest=False, product="QEMU"), "it is no VirtualBox guest, and calls itself 'QEMU'"),
        ({"cache_guest_discovered": {"guest": {}}}, "its answer has nothing of VirtualBox"),
        ({"cache_guest_discovered": {"guest": "g"}}, "its answer has no guest"),
        ({"cache_guest_discovered": "x"}, "it gave no answer"),
        (guest({"of": "another kind"}), "only root can read"),
    ],
)
def test_a_guest_without_a_machine_is_left_out_with_the_reason(discovered, answers, words):
    result = discovered({**METAL, "g1": answers, "g2": guest(B)})
    assert guests_of(result) == {"g2": ("metal", "db")}
    (line,) = result["left_out"]
    assert line.startswith("g1: ") and words in line and line.isprintable()


def test_machines_with_one_hardware_uuid_are_nobodys(discovered):
    answers = {**METAL, "iron": host(machine("copy", C, A_SWAPPED)), "g1": guest(A), "g2": guest(B)}
    result = discovered(answers)
    assert guests_of(result) == {"g2": ("metal", "db")}
    assert all(f"'{name}'" in result["left_out"][0] for name in ("web", "copy"))
    assert "--hardware-uuid" in result["left_out"][0]


def test_two_guests_that_claim_one_machine_get_neither(discovered):
    """A guest that lies takes nothing from the other's host: it can only have itself and the other left out."""
    result = discovered({**METAL, "g1": guest(A), "liar": guest(A_SWAPPED), "g2": guest(B)})
    assert guests_of(result) == {"g2": ("metal", "db")}
    assert [line.partition(" say")[0] for line in result["left_out"]] == ["g1: it and liar", "liar: it and g1"]


UUID_NAMES = [
    *("twice", "", " web", "a\nb", "a\\u001bb", "a\u202eb", "{{ lookup('pipe', 'x') }}", "{% x %}", B, f"{{{B}}}"),
    "#jinja2:variable_start_string:'[%',variable_end_string:'%]',x:[% lookup('pipe', 'x') %]",
    "x" * 129,
]


@pytest.mark.parametrize("name", UUID_NAMES)
def test_a_machine_that_its_name_does_not_tell_is_named_by_its_uuid(discovered, name):
    result = discovered({"metal": host(machine(name, A), machine("twice", B)), "g1": guest(A)})
    assert guests_of(result) == {"g1": ("metal", A)}


def test_a_host_that_cannot_be_read_is_named(discovered):
    answers = (
        *({"msg": "no VBoxManage"}, {"machines": "x"}, "x", {"machines": ["x"]}),
        *({"machines": [{"name": "a", "uuid": B}]}, {"unreachable": True, "msg": "gone"}),
    )
    odd = [{"cache_host_discovered": answer} for answer in answers]
    result = discovered({**METAL, "g1": guest(A), **{f"h{number}": answer for number, answer in enumerate(odd)}})
    assert guests_of(result) == {"g1": ("metal", "web")}
    words = ["no VBoxManage", "no list of machines", "no answer", "that is none", "without hardware_uuid", "gone"]
    assert [word in line for word, line in zip(words, result["left_out"])] == [True] * 6


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, "web"),
        ({"cache_guest_host": "metal", "cache_guest_machine": "web"}, "web"),
        ({"cache_guest_machine": A.upper()}, A.upper()),
        ({"cache_guest_host": "metal"}, "web"),
        ({"cache_guest_host": "iron", "cache_guest_machine": "web"}, ""),
        ({"cache_guest_machine": "db"}, ""),
        ({"cache_guest_machine": ["web"]}, ""),
    ],
)
def test_what_the_inventory_says_stays(discovered, said, found):
    result = discovered({**METAL, "g1": guest(A), "g2": guest(B)}, {"g1": said})
    assert guests_of(result).get("g1") == (("metal", found) if found else None)
    assert bool(result["left_out"]) == (not found)
    if not found:
        words = (f"it is the machine 'web' ({A}) of metal", "which stays", *map(str, said.values()))
        assert all(word in result["left_out"][0] for word in words)


def test_facts_of_a_guest_are_none_of_its_variables(discovered):
    answers = {**METAL, "g1": guest(A), "g2": guest(B)}
    facts = {"g1": {"cache_guest_machine": "web"}, "g2": {"cache_host_discovered": host(machine("db", B))}}
    result = discovered(answers, facts=facts)
    assert guests_of(result) == {"g2": ("metal", "db")}
    assert "cache_guest_machine is a fact" in result["left_out"][0]


@pytest.mark.parametrize("name", ["g[1:3]", "g:22", "{{ g }}", "g\u202e"])
def test_a_name_that_yaml_would_change_is_left_out(discovered, name):
    result = discovered({**METAL, name: guest(A), "g2": guest(B)})
    assert guests_of(result) == {"g2": ("metal", "db")}
    assert "its inventory name" in result["left_out"][0]


def test_groups_have_the_names_that_are_given(inventory_of):
    answers = {**METAL, "g1": guest(A)}
    hostvars = inventory_of({name: {} for name in answers}, None, answers)
    for group in ("metals", "webs"):
        hostvars._inventory.add_group(group)
    found = FilterModule().filters()["discovered"]
    for hosts, guests, expected, options in (
        ("metals", "webs", ["metals", "webs"], "-e zeroinstall_hosts=metals -e zeroinstall_guests=webs"),
        ("metals", "all:!metals", ["metals", "zeroinstall_guests"], "-e zeroinstall_hosts=metals"),
        ("all", "metal", ["zeroinstall_guests", "zeroinstall_hosts"], ""),
    ):
        result = found(list(answers), hostvars, hosts, guests)
        assert sorted(result["inventory"]) == expected
        comments = [line for line in result["text"].splitlines() if line.startswith("#")]
        assert comments[2:] == ([f"{OPTIONS} {options}"] if options else [])
    assert list(found(list(answers), hostvars, "webs", "webs")["inventory"]["webs"]["hosts"]) == ["metal", "g1"]


def test_nothing_found_is_a_problem(discovered):
    assert "Set zeroinstall_hosts" in discovered({"g1": guest(A)})["problem"]
    result = discovered({**METAL, "g1": guest(C)})
    assert "Set zeroinstall_guests" in result["problem"] and len(result["left_out"]) == 1


def test_a_long_report_is_cut(discovered):
    result = discovered({**METAL, **{f"g{number:03}": unreachable("x" * 9999) for number in range(700)}})
    assert len(result["left_out"]) == 501 and result["left_out"][-1] == "and 200 more"
    assert max(map(len, result["left_out"])) < 400


def test_the_file_is_where_the_run_was_started(discovered):
    assert discovered({**METAL, "g1": guest(A)}, to="x.yml")["path"] == f"{os.getcwd()}/x.yml"
    assert discovered({**METAL, "g1": guest(A)}, to="~/x.yml")["path"] == os.path.expanduser("~/x.yml")
