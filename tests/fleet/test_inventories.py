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
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labkit.waiting import HANG
from setup import with_ansible

SHARE, UNSHARE, VERIFY, DISCOVER = (
    f"zeroinstall.virtualbox.{name}" for name in ("share", "unshare", "verify", "discover")
)
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


GROUPS_WRONG: dict[str, tuple[Callable[[Inventory], None], list[str]]] = {
    "the group of hosts is missing": (hosts_group_missing, ["zeroinstall_hosts is 'zeroinstall_hosts'", "matches no"]),
    "the group of hosts is empty": (hosts_group_empty, ["zeroinstall_hosts is 'zeroinstall_hosts'", "matches none"]),
    "the group of guests is missing": (guests_group_missing, ["host 'metal' has no guest", "'copper' has no guest"]),
    "the group of guests is empty": (guests_group_empty, ["host 'metal' has no guest", "may_be_empty: true"]),
    "a host is renamed": (
        host_renamed,
        ["2 guests ('web1', 'web2'): cache_guest_host is 'metal'", "'iron' has no guest"],
    ),
    "the last guest of a host is removed": (guest_removed, ["host 'copper' has no guest", "may_be_empty"]),
}


@pytest.mark.parametrize(("change", "words"), GROUPS_WRONG.values(), ids=GROUPS_WRONG)
def test_wrong_groups_are_refused_before_any_machine_is_asked(
    inventory: Inventory, change: Callable[[Inventory], None], words: list[str]
) -> None:
    change(inventory)
    said = refused(inventory, SHARE)
    assert all(word in said for word in words), said


WRONG: dict[str, tuple[dict[str, dict[str, Any]], list[str]]] = {
    "a guest names no host": ({"web1": {"cache_guest_host": None}}, ["guest 'web1': cache_guest_host is not set"]),
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
}  # fmt: skip


def numbered(value: Any, number: int) -> Any:
    """A case with a host and guests of its own."""
    return json.loads(re.sub("met[ae]l|web[12]", rf"\g<0>-{number:02}", json.dumps(value)))


@pytest.fixture(scope="module")
def all_at_once(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> list[str]:
    """What a run says, and then one in check mode, of an inventory with all that is wrong."""
    inventory = Inventory(tmp_path_factory.mktemp("wrong"), environment)
    inventory.groups = {name: {"hosts": {}} for name in GROUPS}
    for number, (changes, _words) in enumerate(WRONG.values()):
        for name, group in GROUPS.items():
            machines = {
                machine: said for machine, said in group["hosts"].items() if machine in ("metal", "web1", "web2")
            }
            inventory.groups[name]["hosts"].update(numbered(machines, number))
        for machine, variables in numbered(changes, number).items():
            inventory.set(machine, **variables)
    return [refused(inventory, SHARE), refused(inventory, SHARE, "--check")]


def test_all_mistakes_are_told_at_once_before_any_machine_is_asked(all_at_once: list[str]) -> None:
    for said in all_at_once:
        assert f"The inventory has {len(WRONG)} mistakes. Nothing was changed." in said


@pytest.mark.parametrize(("number", "words"), [(n, case[1]) for n, case in enumerate(WRONG.values())], ids=WRONG)
def test_a_mistake_is_told_with_its_remedy_also_in_check_mode(
    all_at_once: list[str], number: int, words: list[str]
) -> None:
    for said in all_at_once:
        told = re.split(r" \(\d+\) ", said)
        assert any(all(word in one for word in numbered(words, number)) for one in told), said


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


@pytest.mark.parametrize("said", [{"cache_host_arrangment": "b"}, {"cache_host_arrangement": ".x"}])
def test_nothing_is_undone_where_it_is_not_clear_what_is_ours(inventory: Inventory, said: dict[str, str]) -> None:
    """Else a misspelt arrangement would be the default one, which may be another inventory's."""
    inventory.set("metal", **said)
    assert "cache_host_arrangement" in refused(inventory, UNSHARE)
    _status, output, asked = inventory.run(UNSHARE, "--limit", "copper")
    assert asked, output


@pytest.mark.parametrize("limit", ["metal,wbe1", "metal:", "metal,copper,wbe1", "metal,web1,wbe2"])
def test_nothing_is_undone_where_a_part_of_the_limit_matches_nothing(inventory: Inventory, limit: str) -> None:
    output = refused(inventory, UNSHARE, "--limit", limit)
    assert "which matches nothing in the inventory. Correct --limit. Nothing was taken back." in output


@pytest.mark.parametrize("limit", ["metal,!web1", "metal,build", "metal:web1:!web*"])
def test_nothing_is_undone_where_the_limit_leaves_a_host_without_its_guests(inventory: Inventory, limit: str) -> None:
    output = refused(inventory, UNSHARE, "--limit", limit)
    assert "and leaves no guest of 'metal'. Correct" in output and "limit the run to hosts alone" in output


@pytest.mark.parametrize("playbook", [SHARE, UNSHARE, VERIFY])
def test_a_host_that_the_inventory_has_not_is_refused(inventory: Inventory, playbook: str) -> None:
    """Ansible would add it, but to no play for all machines."""
    output = refused(inventory, playbook, "-e", "zeroinstall_hosts=localhost")
    assert "'localhost', which zeroinstall_hosts names, is not in the inventory" in output


def test_a_run_that_verifies_no_host_fails(inventory: Inventory) -> None:
    assert "No host was verified" in refused(inventory, VERIFY, "--limit", "web1")


@pytest.mark.parametrize(
    ("playbook", "words"),
    [(SHARE, "hosts: 0 done, 1 not: metal"), (UNSHARE, "On metal"), (VERIFY, "metal: Not reached: ")],
)
def test_a_run_that_reaches_nobody_names_everybody(inventory: Inventory, playbook: str, words: str) -> None:
    """A play of which all machines are unreachable would be the last."""
    for name in ("metal", "web1", "web2"):
        inventory.set(name, ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    status, output, _asked = inventory.run(playbook, "--limit", "metal,web1", "-e", "cache_verify_guests=true")
    assert status == 2 and words in output, output
    end = output.rpartition("PLAY [")[2]
    assert all(f"fatal: [{name}]: FAILED!" in end and "Not reached: " in end for name in ("metal", "web1")), output


@pytest.mark.parametrize("playbook", [SHARE, UNSHARE, VERIFY, DISCOVER])
def test_an_empty_inventory_is_refused(inventory: Inventory, playbook: str) -> None:
    """Ansible alone would end as if all was well."""
    inventory.groups = {}
    assert "The inventory is empty" in refused(inventory, playbook)


def test_share_names_all_who_failed_also_where_that_is_everybody(inventory: Inventory) -> None:
    """A play of which all machines have failed would be the last."""
    status, output, _asked = inventory.run(SHARE)
    assert status and "hosts: 0 done, 2 not: metal, copper" in output, output
    assert "guests of mode readonly: 0 done, 3 not: web1, web2, build" in output, output
    end = output.partition("PLAY [Name the hosts and guests where something was not done]")[2]
    assert all(f"fatal: [{name}]: FAILED!" in end for name in ("metal", "copper", "web1", "web2", "build")), output


@pytest.mark.parametrize("pattern", ["all", "nobody"])
def test_no_fact_of_the_first_machine_chooses_the_hosts_of_verify(inventory: Inventory, pattern: str) -> None:
    inventory.groups = dict(reversed(inventory.groups.items()))
    answer = json.dumps({"changed": False, "ping": "pong", "ansible_facts": {"zeroinstall_guests": pattern}})
    inventory.python.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    asked = {"hosts": "web1", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}
    playbook = inventory.folder / "site.yml"
    playbook.write_text(json.dumps([asked, {"import_playbook": VERIFY}]), encoding="utf-8")
    status, output, _asked = inventory.run(str(playbook))
    assert status and "2 hosts: nothing was verified; 0 guests; 2 with problems" in output, output


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
        {"zeroinstall_purpose": "verify"},
        {"zeroinstall_patterns": {"hosts": "nowhere", "guests": "web1", "purpose": "verify"}},
        {"ansible_play_name": '{"hosts": "nowhere", "guests": "web1", "purpose": "verify"}'},
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


PARTS = {
    SHARE: ("Share the host's stores", "Read the guest, and see what it needs"),
    UNSHARE: ("Undo the host's part", "Undo the guest's part"),
}


@pytest.mark.parametrize("playbook", PARTS)
@pytest.mark.parametrize("part", [0, 1], ids=["zeroinstall_hosts", "zeroinstall_guests"])
def test_a_tag_chooses_the_hosts_or_the_guests(inventory: Inventory, playbook: str, part: int) -> None:
    """Also of the tasks that roles include. The machines of that part fail: they are stand-ins that answer nothing."""
    done, left_out = PARTS[playbook][part], PARTS[playbook][1 - part]
    _status, output, asked = inventory.run(playbook, "--tags", ("zeroinstall_hosts", "zeroinstall_guests")[part])
    assert asked and "TASK [Look at all hosts and guests of the inventory]" in output
    assert done in output and left_out not in output


@pytest.mark.parametrize("tag", ["zeroinstall_hosts", "zeroinstall_guests"])
def test_a_wrong_inventory_is_refused_whatever_the_tag(inventory: Inventory, tag: str) -> None:
    inventory.set("web1", cache_guest_mode="verfied")
    assert "unknown mode 'verfied'" in refused(inventory, SHARE, "--tags", tag)


@pytest.mark.parametrize("playbook", [SHARE, UNSHARE])
def test_a_host_is_not_asked_where_the_check_was_left_out(inventory: Inventory, playbook: str) -> None:
    """It has the tags of both parts, so that it comes before each of them."""
    output = refused(inventory, playbook, "--skip-tags", "zeroinstall_guests")
    assert "Choose the hosts' part with --tags zeroinstall_hosts instead" in output


def test_a_guest_is_not_asked_where_the_check_was_left_out(inventory: Inventory) -> None:
    output = refused(inventory, SHARE, "--skip-tags", "zeroinstall_hosts")
    assert "Choose the guests' part with --tags zeroinstall_guests instead" in output


def test_an_empty_inventory_may_be_looked_at(inventory: Inventory) -> None:
    inventory.groups = {}
    for option in ("--syntax-check", "--list-tasks"):
        status, output, _asked = inventory.run(SHARE, option)
        assert status == 0, output


def test_a_variable_of_the_users_own_may_look_like_ours(inventory: Inventory) -> None:
    """It names what is ours, or stands beside it."""
    inventory.set("web1", cache_guest_machine="{{ zeroinstall_host }}-1", zeroinstall_host="metal")
    inventory.set("metal", cache_host_user="vm")
    own = {"zeroinstall_hosts": "{{ zeroinstall_hosts_group }}"}
    playbook = inventory.folder / "site.yml"
    playbook.write_text(json.dumps([{"import_playbook": SHARE, "vars": own}]), encoding="utf-8")
    options = ("-e", "zeroinstall_hosts_group=zeroinstall_hosts", "-e", "cache_host_users=vm")
    _status, output, asked = inventory.run(playbook, *options)
    assert asked, output


def test_verify_is_one_part(inventory: Inventory) -> None:
    """What a guest sees is compared with what its host answered in the same run."""
    for tag in ("zeroinstall_hosts", "zeroinstall_guests"):
        _status, output, asked = inventory.run(VERIFY, "--tags", tag)
        assert asked and "PLAY [Verify the hosts' stores]" in output and "PLAY [Sum up]" in output


def test_with_a_tag_of_somebody_else_nothing_runs(inventory: Inventory) -> None:
    inventory.set("web1", cache_guest_mode="verfied")
    status, output, asked = inventory.run(SHARE, "--tags", "web_servers")
    assert (status, asked) == (0, False) and "TASK" not in output, output


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("cache_guest_timeout", "soon", "cache_guest_timeout is 'soon' for web1: set it to a whole number."),
        ("cache_guest_zero_install", "maybe", "value of cache_guest_zero_install must be one of: present, ignored"),
        ("cache_guest_sharing", "maybe", "argument 'cache_guest_sharing' is of type"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_before_the_guest_is_asked(
    inventory: Inventory, variable: str, value: str, words: str
) -> None:
    """By the role, for that guest alone. Ansible's own check would print the description of all variables, too."""
    inventory.set("web1", **{variable: value})
    output = refused(inventory, SHARE, "--limit", "web1")
    assert words in output and "argument_spec_data" not in output
