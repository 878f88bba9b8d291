# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that answer what they like, against a real VirtualBox host and the real Ansible.

The hosts' machines are real, and what they share is read from the real VirtualBox. The guests are stand-ins, reached by
the connection "local": a program in the place of a guest's Python gives the same answer to whatever module is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import vagrants
from fleet import Fleet, Play
from setup import with_ansible

STORE = "/var/cache/0install.net/implementations"
SHARE, UNSHARE, VERIFY = (f"zeroinstall.virtualbox.{name}" for name in ("share", "unshare", "verify"))
READ_ONLY = {"ZeroInstall": (STORE, False)}
OWN = "/root/.cache/0install.net/implementations"
GROUPS = "/root/.local/share/zeroinstall.virtualbox/groups"
FOREVER = "import os, time\nwhile os.path.exists({}): time.sleep(1)\n"
"""A program that goes on as long as a path is there."""
ANSWERS = {"changed": False, "paths": {}, "guest": {}}


class Attack:
    """An inventory with the host, the hostile guest g1 and the honest g2, whose machines are there."""

    def __init__(self, fleet: Fleet, folder: Path, environment: Path) -> None:
        self.fleet = fleet
        self.folder = folder
        self.ansible = with_ansible(environment)
        self.python = folder / "python"
        self.host: dict[str, Any] = {}
        self.guests: dict[str, dict[str, Any]] = {"g1": {}, "g2": {}}
        self.groups: dict[str, Any] = {}
        self.answer(ANSWERS)

    def answer(self, answer: object) -> None:
        """What the hostile guest answers from now on."""
        self.run(f"import json\nprint(json.dumps({answer!r}))\n")

    def answer_once(self, answer: object) -> None:
        """What the hostile guest answers to the first module. The next one waits for its answer in vain."""
        asked = str(self.folder / "asked")
        self.run(
            f"import json\n{FOREVER.format(repr(asked))}open({asked!r}, 'w').close()\nprint(json.dumps({answer!r}))\n"
        )

    def run(self, program: str) -> None:
        """What runs in the hostile guest, whatever it is asked."""
        self.python.write_text(f"#!/usr/bin/env -S python3 -I\n{program}", encoding="utf-8")
        self.python.chmod(0o755)

    def play(self, playbook: str, *options: str, before: str = "ansible.builtin.ping", **variables: str) -> Play:
        """Run a playbook after a module that the hostile guest was asked for; without it if ``before`` is empty."""
        inventory = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))
        children = inventory["all"]["children"]
        children["zeroinstall_hosts"]["hosts"]["vbox"].update(self.host)
        guests = {name: {"cache_guest_machine": name, **said} for name, said in self.guests.items()}
        connection = {"ansible_connection": "local", "ansible_python_interpreter": str(self.python)}
        children["zeroinstall_guests"] = {"vars": {"cache_guest_host": "vbox", **connection}, "hosts": guests}
        children.update(self.groups)
        (self.folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
        asked = {"hosts": "g1", "gather_facts": False, "tasks": [{before: {}, "ignore_errors": True}]}
        plays = ([asked] if before else []) + [{"import_playbook": playbook}]
        (self.folder / "attack.yml").write_text(json.dumps(plays), encoding="utf-8")
        return self.fleet.play(
            str(self.folder / "attack.yml"),
            *options,
            inventory=self.folder / "inventory.json",
            variables={**self.ansible, **variables},
        )

    def take_back(self) -> None:
        """Take away what the host shares with the hostile guest."""
        for name in self.shared("g1"):
            self.fleet.vbox("sharedfolder", "remove", "g1", "--name=" + name)

    def shared(self, name: str) -> dict[str, tuple[str, bool]]:
        """What the host shares with a guest."""
        return vagrants.shared(self.fleet, name)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a store and two machines. In between the tests, g1 has nothing, and g2 may have its share."""
    with vagrants.machines_without_guests("hostile") as made:
        yield made


@pytest.fixture
def attack(fleet: Fleet, tmp_path: Path, environment: Path) -> Iterator[Attack]:
    """An attack on the host. What goes on in the hostile guest at its end ends, too."""
    made = Attack(fleet, tmp_path, environment)
    yield made
    for path in (made.python, made.folder / "asked"):
        path.unlink(missing_ok=True)


def cases(table: Mapping[str, Any], often: str) -> list[Any]:
    """The cases of a table, of which one is run often."""
    return [pytest.param(case, id=name, marks=[pytest.mark.thorough] * (name != often)) for name, case in table.items()]


def assert_refused(attack: Attack, play: Play, *words: str) -> None:
    """The hostile guest has nothing and is named, the other has its share, and the run has failed."""
    told = play.messages("vbox")
    assert attack.shared("g1") == {}, play.output
    assert attack.shared("g2") == READ_ONLY, play.output
    assert play.status and all(word in told for word in ("guest 'g1': ", *words)), told or play.output
    assert "guest 'g2'" not in told


FACTS = {
    "the host user's own store": {"cache_guest_mode": "trusted"},
    "another group's store": {"cache_guest_mode": "guests", "cache_guest_group": "others"},
    "another machine": {"cache_guest_machine": "g2"},
    "another name": {"cache_guest_share": "mine"},
    "the same as in the inventory": {"cache_guest_host": "vbox"},
    "another host, to be left out": {"cache_guest_host": "elsewhere"},
}


@pytest.mark.parametrize("facts", cases(FACTS, "the host user's own store"))
def test_a_fact_decides_nothing(attack: Attack, facts: Mapping[str, str]) -> None:
    attack.answer({**ANSWERS, "ansible_facts": facts})
    play = attack.play(SHARE, "--limit", "vbox,g1")
    assert_refused(attack, play, *facts, "inject_facts_as_vars", "--flush-cache")


def test_a_fact_of_an_earlier_run_decides_nothing(attack: Attack) -> None:
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(attack.folder / "cache")}
    attack.answer({**ANSWERS, "ansible_facts": {"cache_guest_mode": "trusted"}})
    attack.play(SHARE, "--limit", "g1", **cache)
    assert "trusted" in "".join(file.read_text() for file in (attack.folder / "cache").rglob("*g1"))
    play = attack.play(SHARE, "--limit", "vbox", before="", **cache)
    assert_refused(attack, play, "cache_guest_mode is a fact")
    attack.guests["g1"] = {"cache_guest_group": "of its own"}
    told = attack.play(SHARE, "--limit", "vbox", before="", ANSIBLE_INJECT_FACT_VARS="False", **cache)
    assert told.status == 0 and attack.shared("g1") == attack.shared("g2") == READ_ONLY, told.output
    attack.take_back()


TEMPLATES = {
    "a fact": "{{ site_mode }}",
    "a fact or a default": "{{ site_mode | default('readonly') }}",
    "the dictionary of facts": "{{ ansible_facts.site_mode | default('readonly') }}",
    "a fact by its name": "{{ lookup('ansible.builtin.vars', 'site_' ~ 'mode', default='readonly') }}",
    "a variable with a fact in it": "{{ indirect }}",
}


@pytest.mark.parametrize("template", cases(TEMPLATES, "a fact or a default"))
def test_a_template_that_reaches_a_fact_decides_nothing(attack: Attack, template: str) -> None:
    attack.guests["g1"] = {"cache_guest_mode": template, "indirect": "{{ site_mode }}"}
    attack.answer({**ANSWERS, "ansible_facts": {"site_mode": "trusted"}})
    assert_refused(attack, attack.play(SHARE, "--limit", "vbox,g1"), "cache_guest_mode follows from facts")


def test_what_an_admin_sets_by_set_fact_counts(attack: Attack) -> None:
    """But not what is kept with the facts."""
    setting = {"cache_guest_share": "Ours"}
    plays = [{"hosts": "g2", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": setting}]}]
    plays.append({"import_playbook": SHARE})
    (attack.folder / "set.yml").write_text(json.dumps(plays), encoding="utf-8")
    play = attack.play(str(attack.folder / "set.yml"), "--limit", "vbox,g2", before="")
    assert attack.shared("g2") == {"Ours": (STORE, False)}, play.output
    assert play.hosts["vbox"]["failures"] == 0
    plays[0]["tasks"] = [{"ansible.builtin.set_fact": {**setting, "cacheable": True}}]
    (attack.folder / "set.yml").write_text(json.dumps(plays), encoding="utf-8")
    play = attack.play(str(attack.folder / "set.yml"), "--limit", "vbox,g2", before="")
    assert "guest 'g2': cache_guest_share is a fact" in play.messages("vbox"), play.output


TRUSTED = {"host_name": "g1", "host_vars": {"cache_guest_mode": "trusted"}, "groups": []}


@pytest.mark.thorough
@pytest.mark.parametrize("answer", [{"add_host": TRUSTED}, {"add_group": "trusting"}], ids=["host", "group"])
def test_an_answer_adds_nothing_to_the_inventory(attack: Attack, answer: dict[str, Any]) -> None:
    attack.groups = {"trusting": {"vars": {"cache_guest_mode": "trusted"}}}
    attack.answer({**ANSWERS, "changed": True, **answer})
    play = attack.play(SHARE, "--limit", "vbox,g1")
    assert play.hosts["vbox"]["failures"] == 0, play.output
    assert attack.shared("g1") == attack.shared("g2") == READ_ONLY, play.output
    attack.take_back()


def test_unshare_takes_away_what_is_ours_whatever_guests_say(attack: Attack) -> None:
    assert attack.play(SHARE, "--limit", "vbox", before="").status == 0
    assert attack.shared("g1") == READ_ONLY
    facts = {"cache_guest_host": "elsewhere", "cache_guest_machine": "none"}
    attack.answer({"failed": True, "msg": "not here", "ansible_facts": facts})
    play = attack.play(UNSHARE, "--limit", "vbox,g1", before="")
    assert play.hosts["vbox"]["failures"] == 0 and "In g1 something may be left: " in play.messages("g1"), play.output
    assert (attack.shared("g1"), attack.shared("g2")) == ({}, READ_ONLY)
    assert attack.play(UNSHARE, "--limit", "vbox", before="").status == 0
    assert attack.shared("g1") == attack.shared("g2") == {}


def test_unshare_waits_for_no_guest(attack: Attack) -> None:
    """One is not reached, one never answers: a play of which all machines have failed would be the last."""
    attack.play(SHARE, "--limit", "vbox", before="")
    unreachable = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    attack.guests = {"g1": {"cache_guest_timeout": 2}, "g2": unreachable}
    attack.run(FOREVER.format("__file__"))
    play = attack.play(UNSHARE, before="")
    assert attack.shared("g1") == attack.shared("g2") == {}, play.output
    assert "Timed out after 2 second" in play.messages("g1") and "may be left: " in play.messages("g2"), play.output
    assert "refused" in play.messages("g2").rpartition("may be left: ")[2], play.output
    assert (play.hosts["vbox"]["failures"], play.status) == (0, 2), play.output


def test_a_guest_that_is_lost_in_the_middle_is_named(attack: Attack) -> None:
    """What was not reached was not undone, though its mounts were let go of."""
    lost = "{{ 'ssh' if cache_guest_unmounted is defined else 'local' }}"
    attack.guests["g1"] = {"ansible_connection": lost, "ansible_host": "127.0.0.1", "ansible_port": 1}
    attack.answer({"changed": False})
    play = attack.play(UNSHARE, "--limit", "vbox,g1", before="")
    assert "refused" in play.messages("g1").rpartition("may be left: ")[2], play.output
    assert play.hosts["vbox"]["failures"] == 0, play.output


def test_a_play_whose_variables_are_not_the_inventorys_is_refused(attack: Attack) -> None:
    """Its host cannot know them."""
    guest = {"role": "zeroinstall.virtualbox.cache_guest", "vars": {"cache_guest_group": "other"}}
    plays = [{"hosts": "g1", "gather_facts": False, "vars": {"cache_guest_mode": "guests"}, "roles": [guest]}]
    (attack.folder / "play.yml").write_text(json.dumps(plays), encoding="utf-8")
    told = attack.play(str(attack.folder / "play.yml"), before="").messages("g1")
    assert "guest 'g1': cache_guest_mode is 'guests' in its play and 'readonly' in the inventory" in told
    assert "cache_guest_group is 'other' in its play and 'default' in the inventory" in told
    assert "Set cache_guest_group in the inventory" in told


SHAPES = {
    "a text": {"summary": "x", "problems": [], "names_digest": "0"},
    "nothing": {},
    "no numbers": {"summary": {"implementations": "many"}, "problems": [], "names_digest": "0"},
    "problems": {"summary": {"implementations": 1}, "problems": {"a": 1}, "names_digest": "0"},
    "other problems": {"summary": {"implementations": 1}, "problems": ["x"], "names_digest": 7},
    "names that are none": {"summary": {}, "problems": [], "names_digest": "0", "names": [*"abc", []]},
    "a million": {"summary": {"implementations": 1}, "problems": ["x"] * 1_000_000, "names_digest": "0"},
}


@pytest.mark.parametrize("shape", cases(SHAPES, "a text"))
def test_a_verification_of_another_shape_is_that_guests_failure(attack: Attack, shape: dict[str, Any]) -> None:
    attack.run(
        f"import json\nprint(json.dumps({shape!r}))\n"
        if len(str(shape)) < 1000
        else 'print(\'{"summary": {}, "problems": [\' + \'"x",\' * 999_999 + \'"x"]}\')\n'
    )
    play = attack.play(VERIFY, "--limit", "vbox,g1", "-e", "cache_verify_guests=true", before="")
    assert "vbox: 1 implementation sound" in play.output, play.output
    assert play.hosts["vbox"]["failures"] == 0 and play.messages("g1"), play.output
    assert "1 host: 1 of 1 implementation sound" in play.output and "1 guest; 1 with problems" in play.output


def test_no_control_character_of_an_answer_reaches_the_terminal(attack: Attack) -> None:
    nasty = "\x1b]0;owned\x07\x9b31m\u202e"
    attack.run(
        f"import json\nprint({nasty!r})\nprint(json.dumps({{'warnings': [{nasty!r}], 'msg': {nasty!r},"
        f" 'deprecations': [{{'msg': {nasty!r}, 'version': '9'}}], 'failed': True}}))\nprint({nasty!r})\n"
    )
    play = attack.play(SHARE, "--limit", "g1", before="")
    assert "owned" in play.output
    assert not set(nasty) & set("\x1b\x07\x9b\u202e") & set(play.output)


GUEST = {
    "virtualbox": {"guest": True, "product": "VirtualBox"},
    "additions": {"problem": None},
    "zero_install": {"0install": "/usr/bin/0install", "0store": None, "package": "0install-core"},
    "fstab": {"entries": []},
    "sharing": {"sudo": True, "ours": False},
    "paths": {"/usr/local/lib/zeroinstall.virtualbox/secure-add": None},
}
"""Enough of what guest_info answers for the role to go on to the next module."""


@pytest.mark.thorough
def test_a_guest_that_says_it_is_another_machine_stops_itself_alone(attack: Attack) -> None:
    """Its host shares with both as the inventory says. Nothing but a read is run in the guest."""
    known = vagrants.machines(attack.fleet)
    theirs = known["g2"]["hardware_uuid"]
    for uuid, words in ((theirs, "g1 is the machine 'g2' (guest g2) by its hardware UUID"), (theirs[::-1], "")):
        virtualbox = {**GUEST["virtualbox"], "uuid": uuid}
        attack.answer_once({"changed": False, "guest": {**GUEST, "virtualbox": virtualbox}})
        attack.guests["g1"] = {} if words else {"cache_guest_timeout": 2}
        play = attack.play(SHARE, "--limit", "vbox,g1", before="")
        assert (play.hosts["vbox"]["failures"], play.hosts["g1"]["failures"]) == (0, 1), play.output
        assert words in play.messages("g1") and ("Timed out" in play.messages("g1")) == (not words), play.output
        assert attack.shared("g1") == attack.shared("g2") == READ_ONLY
        (attack.folder / "asked").unlink(missing_ok=True)
    attack.take_back()


def test_a_host_that_cannot_serve_one_guest_fails_after_the_others_had_their_turn(attack: Attack) -> None:
    """It is the only host, and a play of which all hosts have failed would be the last."""
    attack.answer({"changed": False, "guest": GUEST})
    attack.guests["g1"] = {"cache_guest_machine": "nobody"}
    play = attack.play(SHARE, before="")
    assert play.status and play.hosts["vbox"]["failures"] == 1, play.output
    assert play.hosts["g2"]["failures"] == 0 and play.hosts["g2"]["ok"], play.output
    assert "hosts: 0 done, 1 not: vbox" in play.output and "machine 'nobody' is not registered" in play.messages("vbox")


def told(text: str) -> dict[str, dict[str, Any]]:
    """Answers that have a text wherever one is shown, decided by or handed on."""
    problem = {"path": text, "name": text, "reason": text, "detail": text}
    return {
        "a message": {"failed": True, "msg": text, "warnings": [text], "exception": text, "module_stdout": text},
        "a name of hardware": {"guest": {**GUEST, "virtualbox": {"guest": False, "product": text}}},
        "a problem": {"guest": {**GUEST, "additions": {"problem": text}}},
        "a package": {"guest": {**GUEST, "zero_install": {"0install": None, "package": text}}, "rc": 1},
        "paths": {"paths": {text: {"kind": text, "sha256": text}}, "guest": GUEST},
        "a diff": {"changed": True, "diff": {"before": text, "after": text + text, "before_header": text}},
        "names": {"summary": {"implementations": 1}, "problems": [problem], "names": [text], "names_digest": text},
    }


TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch %s') }}"
LITERAL = "['\\x1b]0;owned\\x07\\u202e', {'a': '%s'}]"
"""What Ansible of before 2.19 makes a list of, with real control characters in it, where it is all of a template."""


def texts(value: object) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize("kind", cases({kind: kind for kind in told("")}, "a message"))
def test_a_text_of_an_answer_is_a_text_and_nothing_else(attack: Attack, kind: str) -> None:
    """No template that runs on the controller, and no value in the syntax of Python."""
    made = attack.folder / "made"
    for form in (TEMPLATE, LITERAL):
        text = form % made
        attack.answer({"changed": False, **told(text)[kind]})
        for playbook in (SHARE, UNSHARE, VERIFY):
            options = ("--limit", "vbox,g1", "--diff", "-e", "cache_verify_guests=true")
            play = attack.play(playbook, *options, before="")
            assert not made.exists(), play.output
            shown = set().union(*texts(play.tasks))
            assert not shown & set("\x1b\x07\u202e"), play.output
            assert play.hosts["vbox"]["failures"] == 0, play.output
            assert not [found for found in texts(play.tasks) if found == str(made)], play.output
    attack.take_back()


def test_what_a_connection_says_in_vain_is_a_text_and_nothing_else(attack: Attack) -> None:
    made = attack.folder / "made"
    ssh = attack.folder / "ssh"
    ssh.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{TEMPLATE % made} \x1b]0;owned\x07\u202e\nEND\nexit 255\n")
    ssh.chmod(0o755)
    attack.guests["g1"] = {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}
    for playbook in (UNSHARE, SHARE):
        play = attack.play(playbook, "--limit", "vbox,g1", before="")
        assert not made.exists(), play.output
        assert not set().union(*texts(play.tasks)) & set("\x1b\x07\u202e"), play.output
        assert "owned" in play.messages("g1"), play.output
    attack.take_back()


def test_a_guest_that_never_answers_ends_at_the_time_out(attack: Attack) -> None:
    attack.guests["g1"] = {"cache_guest_timeout": 2}
    attack.run(FOREVER.format("__file__"))
    told = attack.play(SHARE, "--limit", "g1", before="").messages("g1")
    assert "Timed out after 2 second" in told and "raise cache_guest_timeout (now 2)" in told, told


def test_a_package_manager_that_never_ends_has_a_limit_of_its_own(attack: Attack) -> None:
    """The first module that is run in the guest reads it, the next one is apt."""
    guest = {**GUEST, "zero_install": {"0install": None, "0store": None, "package": "0install-core"}}
    attack.guests["g1"] = {"cache_guest_packages_timeout": 2}
    attack.answer_once({**ANSWERS, "guest": guest})
    told = attack.play(SHARE, "--limit", "g1", before="").messages("g1")
    assert "0install-core cannot be installed on g1: " in told, told
    assert "raise cache_guest_packages_timeout (now 2)" in told, told


def test_no_fact_lengthens_a_time_limit(attack: Attack) -> None:
    """The first answer has the fact, and there is no second one."""
    attack.guests["g1"] = {"cache_guest_timeout": 2}
    attack.answer_once({"changed": False, "ansible_facts": {"cache_guest_timeout": 100_000_000}})
    play = attack.play(UNSHARE, "--limit", "vbox,g1")
    assert "Timed out after 2 second" in play.messages("g1"), play.output
    assert play.hosts["vbox"]["failures"] == 0 and attack.shared("g1") == {}, play.output
