# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks with wrong inventories, by the real Ansible: all that is wrong is told before any machine is asked.

The machines are stand-ins, reached by the connection "local": a program in the place of their Python remembers that it
was asked, and answers nothing.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from labkit.waiting import HANG
from setup import with_ansible

SHARE, UNSHARE, VERIFY = (f"zeroinstall.virtualbox.{name}" for name in ("share", "unshare", "verify"))
GROUPS: dict[str, Any] = {
    "zeroinstall_hosts": {"hosts": {"metal": {}, "copper": {}}},
    "zeroinstall_guests": {
        "hosts": {
            "web1": {"cache_guest_host": "metal", "cache_guest_machine": "web1"},
            "web2": {"cache_guest_host": "metal", "cache_guest_machine": "web2"},
            "build": {"cache_guest_host": "copper", "cache_guest_machine": "build"},
        }
    },
}


class Inventory:
    """An inventory whose machines remember that they were asked."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder = folder
        self.environment = environment
        self.groups = copy.deepcopy(GROUPS)
        self.python = folder / "python"
        self.python.write_text(f"#!/bin/sh\ntouch {folder}/asked\nexit 1\n", encoding="utf-8")
        self.python.chmod(0o755)

    def set(self, machine: str, **variables: Any) -> None:
        """Give a machine variables; one that is None is taken away."""
        for group in self.groups.values():
            if machine in group["hosts"]:
                group["hosts"][machine].update(variables)
                group["hosts"][machine] = {k: v for k, v in group["hosts"][machine].items() if v is not None}

    def run(self, playbook: str | Path, *options: str) -> tuple[int, str, bool]:
        """Exit status and output of a run, and whether it asked any machine."""
        common = {"ansible_connection": "local", "ansible_python_interpreter": str(self.python)}
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"vars": common}, **self.groups}), encoding="utf-8")
        asked = self.folder / "asked"
        asked.unlink(missing_ok=True)
        done = subprocess.run(
            [self.environment / "bin" / "ansible-playbook", "-i", inventory, playbook, *options],
            env={**os.environ, **with_ansible(self.environment), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "10000"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=HANG,
        )
        return done.returncode, " ".join(done.stdout.split()), asked.exists()


@pytest.fixture
def inventory(tmp_path: Path, environment: Path) -> Inventory:
    """Two hosts with three guests, all right."""
    return Inventory(tmp_path, environment)


def refused(inventory: Inventory, playbook: str, *options: str) -> str:
    """What a run says that has to fail before it asks any machine."""
    status, output, asked = inventory.run(playbook, *options)
    assert status != 0 and not asked, output
    return output


def hosts_group_missing(made: Inventory) -> None:
    made.groups["zeroinstall_host"] = made.groups.pop("zeroinstall_hosts")


def hosts_group_empty(made: Inventory) -> None:
    made.groups["zeroinstall_hosts"] = {"hosts": {}}


def guests_group_missing(made: Inventory) -> None:
    made.groups["zeroinstall_guest"] = made.groups.pop("zeroinstall_guests")


def guests_group_empty(made: Inventory) -> None:
    made.groups["zeroinstall_guests"] = {"hosts": {}}


def host_renamed(made: Inventory) -> None:
    made.groups["zeroinstall_hosts"]["hosts"]["iron"] = made.groups["zeroinstall_hosts"]["hosts"].pop("metal")


def guest_removed(made: Inventory) -> None:
    del made.groups["zeroinstall_guests"]["hosts"]["build"]


WRONG: dict[str, tuple[Any, list[str]]] = {
    "the group of hosts is missing": (hosts_group_missing, ["zeroinstall_hosts is 'zeroinstall_hosts'", "matches no"]),
    "the group of hosts is empty": (hosts_group_empty, ["zeroinstall_hosts is 'zeroinstall_hosts'", "matches none"]),
    "the group of guests is missing": (guests_group_missing, ["host 'metal' has no guest", "'copper' has no guest"]),
    "the group of guests is empty": (guests_group_empty, ["host 'metal' has no guest", "may_be_empty: true"]),
    "a host is renamed": (host_renamed, ["guest 'web1' has cache_guest_host 'metal'", "host 'iron' has no guest"]),
    "the last guest of a host is removed": (guest_removed, ["host 'copper' has no guest", "may_be_empty"]),
    "a guest names no host": ({"web1": {"cache_guest_host": None}}, ["guest 'web1' does not name its host"]),
    "a guest misspells its host": ({"web1": {"cache_guest_host": "metel"}}, ["'metel'", "Is 'metal' meant?"]),
    "a guest names a machine that is no host": ({"web1": {"cache_guest_host": "web2"}}, ["'web2', which is none of"]),
    "a guest names no machine": ({"web1": {"cache_guest_machine": None}}, ["guest 'web1' does not name its machine"]),
    "two guests name one machine": ({"web1": {"cache_guest_machine": "web2"}}, ["'web1' and 'web2' name the same"]),
    "an unknown mode": ({"web1": {"cache_guest_mode": "verfied"}}, ["unknown mode 'verfied'", "cache_guest_mode"]),
    "an unknown group": (
        {"web1": {"cache_guest_mode": "guests", "cache_guest_group": "../a"}}, ["group '../a'", "cache_guest_group"]),
    "a share name": ({"web1": {"cache_guest_share": "a b"}}, ["'a b'", "cache_guest_share"]),
    "a mode that the store does not allow": ({"web1": {"cache_guest_mode": "trusted"}}, ["cache_host_store: user"]),
    "a misspelt variable of a guest": ({"web1": {"cache_guest_mod": "guests"}}, ["cache_guest_mode meant"]),
    "a misspelt variable of a host": ({"metal": {"cache_host_usr": "vm"}}, ["cache_host_usr", "cache_host_user"]),
    "a variable of guests on a host": ({"metal": {"cache_guest_mode": "guests"}}, ["'metal' has cache_guest_mode"]),
    "a variable of hosts on a guest": ({"web1": {"cache_host_user": "vm"}}, ["guest 'web1' has cache_host_user"]),
    "several at once": (
        {"web1": {"cache_guest_mode": "x"}, "build": {"cache_guest_machine": None}},
        ["The inventory has 2 mistakes", "unknown mode 'x'", "guest 'build' does not name its machine"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_inventory_is_refused_before_any_machine_is_asked(
    inventory: Inventory, change: Any, words: Any
) -> None:
    if callable(change):
        change(inventory)
    else:
        for machine, variables in change.items():
            inventory.set(machine, **variables)
    said = refused(inventory, SHARE)
    assert all(word in said for word in words), said
    check = refused(inventory, SHARE, "--check")
    assert all(word in check for word in words), check


@pytest.mark.parametrize("playbook", [UNSHARE, VERIFY])
def test_nothing_is_undone_or_verified_where_no_host_is(inventory: Inventory, playbook: str) -> None:
    hosts_group_missing(inventory)
    assert "No machine of the inventory is a host" in refused(inventory, playbook)


@pytest.mark.parametrize("playbook", [UNSHARE, VERIFY])
def test_a_mistake_about_guests_does_not_keep_a_host_from_undoing_or_verifying(
    inventory: Inventory, playbook: str
) -> None:
    inventory.set("web1", cache_guest_mode="nonsense")
    _status, output, asked = inventory.run(playbook)
    assert asked, output
    guests_group_missing(inventory)
    _status, output, asked = inventory.run(playbook)
    assert asked, output


def test_a_right_inventory_is_not_refused(inventory: Inventory) -> None:
    _status, output, asked = inventory.run(SHARE)
    assert asked and "The inventory has" not in output, output


def test_a_mistake_that_does_not_concern_the_run_is_a_warning(inventory: Inventory) -> None:
    inventory.set("build", cache_guest_mode="nonsense")
    _status, output, asked = inventory.run(SHARE, "--limit", "metal,web1")
    assert asked and "[WARNING]: guest 'build' has the unknown mode 'nonsense'" in output, output
    assert "unknown mode 'nonsense'" in refused(inventory, SHARE, "--limit", "copper")
    assert "unknown mode 'nonsense'" in refused(inventory, SHARE, "--limit", "build")


def test_a_host_may_be_empty_where_the_inventory_says_so(inventory: Inventory) -> None:
    guest_removed(inventory)
    inventory.set("copper", cache_host_guests_may_be_empty=True)
    _status, output, asked = inventory.run(SHARE, "--limit", "copper")
    assert asked, output


def in_own_groups(inventory: Inventory) -> None:
    inventory.groups = {f"my_{name[12:]}": group for name, group in inventory.groups.items()}


def test_the_names_of_the_groups_are_the_users(inventory: Inventory) -> None:
    in_own_groups(inventory)
    own = ("-e", "zeroinstall_hosts=my_hosts", "-e", "zeroinstall_guests=my_guests")
    for playbook in (SHARE, UNSHARE, VERIFY):
        _status, output, asked = inventory.run(playbook, *own)
        assert asked, output
        assert "'no_such_group', which matches none" in refused(
            inventory, playbook, "-e", "zeroinstall_hosts=no_such_group"
        )


@pytest.mark.parametrize("variable", ["zeroinstall_hosts", "zeroinstall_guests"])
def test_an_empty_pattern_which_would_be_everybody_is_refused(inventory: Inventory, variable: str) -> None:
    for playbook in (SHARE, UNSHARE, VERIFY):
        assert "no pattern of machines" in refused(inventory, playbook, "-e", f"{variable}=")


@pytest.mark.parametrize(
    "facts",
    [
        {"zeroinstall_hosts": "nowhere"},
        {"zeroinstall_guests": "web1"},
        {"zeroinstall_sharing": False},
        {"zeroinstall_patterns": {"hosts": "nowhere", "guests": "web1", "sharing": False}},
        {"ansible_play_name": '{"hosts": "nowhere", "guests": "web1", "sharing": false}'},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_no_fact_of_the_first_machine_has_a_part_in_the_check(inventory: Inventory, facts: dict[str, Any]) -> None:
    inventory.groups = dict(reversed(inventory.groups.items()))
    inventory.set("build", cache_guest_mode="nonsense")
    answer = json.dumps({"changed": False, "ping": "pong", "ansible_facts": facts})
    inventory.python.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    asked = {"hosts": "web1", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}
    plays = [asked, {"import_playbook": SHARE}]
    playbook = inventory.folder / "site.yml"
    playbook.write_text(json.dumps(plays), encoding="utf-8")
    said = refused(inventory, str(playbook))
    assert "guest 'build' has the unknown mode 'nonsense'" in said, said
    assert "The inventory has" not in said, said


def test_a_playbook_of_the_users_may_name_the_groups(inventory: Inventory) -> None:
    in_own_groups(inventory)
    own = {"zeroinstall_hosts": "my_hosts", "zeroinstall_guests": "my_guests"}
    playbook = inventory.folder / "site.yml"
    for imported in (SHARE, UNSHARE, VERIFY):
        playbook.write_text(json.dumps([{"import_playbook": imported, "vars": own}]), encoding="utf-8")
        _status, output, asked = inventory.run(playbook)
        assert asked, output
