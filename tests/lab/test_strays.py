# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory no longer has, on a real VirtualBox host: nothing is lost by omission, and all is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import vagrants
from fleet import Fleet, Play
from labkit.waiting import until

STORE = "/var/cache/0install.net/implementations"
OWN = "/root/.cache/0install.net/implementations"
GROUPS = "root/.local/share/zeroinstall.virtualbox/groups"
SHARE, UNSHARE = "zeroinstall.virtualbox.share", "zeroinstall.virtualbox.unshare"
SHARES, DEBUG = "zeroinstall.virtualbox.shares", "ansible.builtin.debug"
READ_ONLY = {"ZeroInstall": (STORE, False)}
NAMES = ("g1", "g2")
PLAIN = ("--memory=32", "--vram=4", "--nic1=none", "--audio-driver=none", "--vm-execution-engine=interpreter")
"""What a machine needs that is to run without VirtualBox's driver."""

Guests = dict[str, dict[str, str]]
BOTH: Guests = {name: {} for name in NAMES}


class Host:
    """The host's part of playbooks, for an inventory of guests that are not asked. Each has a machine of its name."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder

    def play(self, playbook: str, guests: Guests, *options: str, **variables: object) -> Play:
        """Run a playbook. ``variables`` are the host's."""
        inventory = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))
        children = inventory["all"]["children"]
        children["zeroinstall_hosts"]["hosts"]["vbox"].update(variables)
        said = {name: {"cache_guest_host": "vbox", "cache_guest_machine": name, **own} for name, own in guests.items()}
        children["zeroinstall_guests"] = {"hosts": said}
        path = self.folder / "inventory.json"
        path.write_text(json.dumps(inventory), encoding="utf-8")
        return self.fleet.play(playbook, "--limit", "vbox", *options, inventory=path)

    def right(self, playbook: str, guests: Guests, *options: str, **variables: object) -> Play:
        """A run that does not fail on the host."""
        play = self.play(playbook, guests, *options, **variables)
        assert play.hosts["vbox"]["failures"] == play.hosts["vbox"]["unreachable"] == 0, play.output
        return play

    def shared(self, name: str) -> dict[str, tuple[str, bool]]:
        """What the host shares with a machine, by its settings file."""
        found = self._settings(name).findall(".//{*}SharedFolder")
        return {one.attrib["name"]: (one.attrib["hostPath"], one.get("writable") == "true") for one in found}

    def notes(self, name: str) -> dict[str, str]:
        """The collection's extradata of a machine, by its settings file."""
        found = {one.attrib["name"]: one.attrib["value"] for one in self._settings(name).findall(".//{*}ExtraDataItem")}
        return {key: value for key, value in found.items() if key.startswith("zeroinstall.virtualbox/")}

    def _settings(self, name: str) -> ElementTree.Element:
        return ElementTree.parse(self.fleet.root / f"root/VirtualBox VMs/{name}/{name}.vbox").getroot()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a store and two machines."""
    with vagrants.machines_without_guests("strays") as made:
        yield made


@pytest.fixture
def host(fleet: Fleet, tmp_path: Path) -> Iterator[Host]:
    """The host, whose machines have no share before and after a test."""
    made = Host(fleet, tmp_path)
    yield made
    marks = {mark for name in NAMES for key, mark in made.notes(name).items() if "/share/" in key}
    for mark in sorted(marks):
        made.right(UNSHARE, {}, cache_host_arrangement="default" if mark == "1" else mark)
    assert [made.shared(name) for name in NAMES] == [made.notes(name) for name in NAMES] == [{}, {}]


def said(play: Play) -> str:
    """What tasks say for people, in one text, without the lines that sum a run up."""
    texts = [str(message) for result in play.results("vbox", DEBUG) for message in [*result["msg"]]]
    return "\n".join(text for text in texts if not text.startswith(("hosts: ", "guests of mode ")))


def test_a_guest_that_left_is_named_by_each_run_and_its_share_goes_only_where_that_is_wanted(host: Host) -> None:
    host.right(SHARE, BOTH)
    left: Guests = {"g1": {}}
    for options in (("--check",), ()):
        play = host.right(SHARE, left, *options)
        told = said(play)
        assert "Machine g2 (" in told and "'ZeroInstall'" in told and "cache_host_left_over: remove" in told, (
            play.output
        )
        assert play.hosts["vbox"]["changed"] == 0 and host.shared("g2") == READ_ONLY, play.output
    checked = host.right(SHARE, left, "--check", cache_host_left_over="remove")
    assert checked.hosts["vbox"]["changed"] == 1 and host.shared("g2") == READ_ONLY, checked.output
    play = host.right(SHARE, left, cache_host_left_over="remove")
    assert "That is taken back." in said(play) and host.shared("g2") == {}, play.output
    assert host.shared("g1") == READ_ONLY
    again = host.right(SHARE, left, cache_host_left_over="remove")
    assert again.hosts["vbox"]["changed"] == 0 and said(again) == "", again.output


def test_a_guest_that_moved_to_another_host_is_named_on_this_one(host: Host) -> None:
    host.right(SHARE, BOTH)
    play = host.right(SHARE, {"g1": {}, "g2": {"cache_guest_host": "elsewhere"}})
    assert "Machine g2 (" in said(play) and host.shared("g2") == READ_ONLY, play.output


def test_a_guest_that_was_renamed_keeps_its_share_and_its_machine(host: Host) -> None:
    """The machine is the same, whatever the guest is called."""
    host.right(SHARE, BOTH)
    play = host.right(SHARE, {"g1": {}, "new": {"cache_guest_machine": "g2"}}, cache_host_left_over="remove")
    assert play.hosts["vbox"]["changed"] == 0 and said(play) == "", play.output
    (result,) = play.results("vbox", SHARES)
    assert [(one["guest"], one["name"]) for one in result["listed"]] == [("g1", "g1"), ("new", "g2")]


def test_an_unknown_machine_is_named_with_the_nearest_and_takes_nothing_from_anybody(host: Host) -> None:
    """It may be the machine that is a stray now: somebody renamed it."""
    host.right(SHARE, BOTH)
    renamed = {"g1": {"cache_guest_mode": "readonly", "cache_guest_share": "New"}, "g2": {"cache_guest_machine": "g22"}}
    for left_over in ("report", "remove"):
        play = host.play(SHARE, renamed, cache_host_left_over=left_over)
        told = play.messages("vbox")
        assert play.status and "guest 'g2': machine 'g22' is not registered" in told, play.output
        assert "nearest: 'g2'" in told and "Correct its cache_guest_machine" in told, told
        assert "cache_host_user (now '')" in told, told
        assert "Machine g2 (" in said(play), play.output
        assert host.shared("g1") == {"New": (STORE, False)} and host.shared("g2") == READ_ONLY, play.output
    assert "It was not taken back: guest 'g2': machine 'g22' is not registered" in said(play), play.output
    play = host.play(SHARE, renamed, cache_host_all_or_nothing=True)
    assert play.status and "'g22' is not registered" in play.messages("vbox") and play.hosts["vbox"]["changed"] == 0


def test_a_clone_is_a_stray_and_its_original_keeps_its_share(host: Host) -> None:
    """VBoxManage clonevm copies shares and extradata, and with them the marks."""
    host.right(SHARE, BOTH)
    host.fleet.vbox("clonevm", "g1", "--name=clone", "--register")
    try:
        assert host.shared("clone") == READ_ONLY and host.notes("clone") == host.notes("g1") != {}
        assert "Machine clone (" in said(host.right(SHARE, BOTH))
        both = {**BOTH, "c": {"cache_guest_machine": "clone"}}
        play = host.right(SHARE, both)
        assert play.hosts["vbox"]["changed"] == 0 and said(play) == "", "as a guest's machine it is right as it is"
        uuids = [one["hardware_uuid"] for one in play.results("vbox", SHARES)[0]["listed"]]
        assert uuids == [vagrants.uuid_of(host.fleet, name) for name in ("g1", "g2", "clone")]
        host.right(SHARE, BOTH, cache_host_left_over="remove")
        assert host.shared("clone") == {} and host.notes("clone") == {} and host.shared("g1") == READ_ONLY
    finally:
        host.fleet.vbox("unregistervm", "clone", "--delete")


def test_the_hardware_of_a_machine_may_have_another_uuid(host: Host) -> None:
    other = "01234567-89ab-cdef-0123-456789abcdef"
    own = vagrants.uuid_of(host.fleet, "g1")
    host.fleet.vbox("modifyvm", "g1", "--hardware-uuid=" + other)
    play = host.right(SHARE, {"g1": {}}, "--check")
    assert [(one["uuid"], one["hardware_uuid"]) for one in play.results("vbox", SHARES)[0]["listed"]] == [(own, other)]
    assert f'hardwareuuid="{other}"' in host.fleet.vbox("showvminfo", "g1", "--machinereadable")
    host.fleet.vbox("modifyvm", "g1", "--hardware-uuid=" + own)


def test_two_arrangements_on_one_host_never_touch_each_others(host: Host) -> None:
    one, two = {"g1": {}}, {"g2": {}}
    b = {"cache_host_arrangement": "b", "cache_host_left_over": "remove"}
    host.right(SHARE, one)
    host.right(SHARE, two, **b)
    assert host.shared("g1") == host.shared("g2") == READ_ONLY
    assert [list(host.notes(name).values()) for name in NAMES] == [["1"], ["b"]]
    for play in (host.right(SHARE, one, cache_host_left_over="remove"), host.right(SHARE, two, **b)):
        assert play.hosts["vbox"]["changed"] == 0 and said(play) == "", play.output
    for variables in ({}, {"cache_host_other_shares": "warn"}):
        play = host.play(SHARE, BOTH, **variables)
        told = play.messages("vbox")
        assert play.status and "guest 'g2': machine g2 (" in told, play.output
        assert "share 'ZeroInstall' belongs to the arrangement 'b', and this is the arrangement 'default'" in told, told
        assert "cache_host_other_shares: warn" not in told, "that would not help"
    play = host.play(SHARE, BOTH, cache_host_arrangement="b")
    assert "belongs to the arrangement 'default', and this is the arrangement 'b'" in play.messages("vbox"), play.output
    host.right(UNSHARE, one)
    assert host.shared("g1") == {} and host.shared("g2") == READ_ONLY
    host.right(SHARE, one)
    host.right(UNSHARE, two, **b)
    assert host.shared("g1") == READ_ONLY and host.shared("g2") == {}


def test_an_empty_store_of_a_group_stays_while_a_machine_shares_it(host: Host) -> None:
    """Of a stray or of another arrangement. Then it goes, if that is wanted."""
    store = host.fleet.root / GROUPS / "team"
    member = {"g2": {"cache_guest_mode": "guests", "cache_guest_group": "team"}}
    host.right(SHARE, {"g1": {}, **member}, cache_host_arrangement="b")
    for options in ({}, {"cache_host_left_over": "remove"}):
        host.right(SHARE, {}, cache_host_guests_may_be_empty=True, **options)
        assert store.is_dir(), "it is of another arrangement"
    told = said(host.right(SHARE, {"g1": {}}, cache_host_arrangement="b"))
    assert "Machine g2 (" in told and "group 'team'" not in told and store.is_dir(), told
    host.right(SHARE, {"g1": {}}, cache_host_arrangement="b", cache_host_left_over="remove")
    assert host.shared("g2") == {} and not store.exists()
    host.right(SHARE, {"g1": {}, **member}, cache_host_arrangement="b")
    told = said(host.right(SHARE, BOTH, cache_host_arrangement="b"))
    assert "The store of group 'team'" in told and "cache_host_left_over: remove" in told and store.is_dir(), told


def test_unshare_of_some_guests_leaves_the_others_alone(host: Host) -> None:
    verified = {name: {"cache_guest_mode": "verified"} for name in NAMES}
    boxes = host.fleet.root / "var/lib/zeroinstall.virtualbox/boxes"
    host.right(SHARE, verified)
    before = host.shared("g1")
    broken = {**verified, "g2": {"cache_guest_mode": "no mode of ours"}}
    only = ("-e", json.dumps({"cache_host_only_guests": ["g2"]}))
    for options in (("--check",), ()):
        play = host.right(UNSHARE, broken, *options, *only)
        assert "machine g2 (" in said(play) and "machine g1" not in said(play), play.output
    assert host.shared("g1") == before and host.shared("g2") == {}
    assert [path.name for path in boxes.iterdir()] == ["g1"]
    again = host.right(UNSHARE, broken, *only)
    assert again.hosts["vbox"]["changed"] == 0 and said(again) == "", again.output
    play = host.play(UNSHARE, verified, "-e", json.dumps({"cache_host_only_guests": ["nobody"]}))
    assert "guest 'nobody' is not in the inventory: correct cache_host_only_guests" in play.messages("vbox"), (
        play.output
    )
    assert host.shared("g1") == before
    play = host.right(UNSHARE, {})
    assert "machine g1 (" in said(play) and host.shared("g1") == {} and not boxes.exists(), play.output


def test_all_that_is_wrong_in_the_inventory_is_told_at_once_and_nothing_is_touched(host: Host) -> None:
    guests = {"g1": {"cache_guest_mode": "open"}, "x": {"cache_guest_machine": "g1"}, "y": {"cache_guest_machine": ""}}
    play = host.play(SHARE, guests, cache_host_arrangement="a b")
    told = play.messages("vbox")
    for words in ("unknown mode 'open'", "guests 'g1' and 'x' name the same", "'y' does not name", "arrangement 'a b'"):
        assert words in told, told
    assert play.hosts["vbox"]["changed"] == 0 and host.shared("g1") == {}


def test_the_host_role_works_and_is_undone_in_groups_of_the_users(host: Host, tmp_path: Path) -> None:
    """As docs/roles.md shows it: no group has a name of the collection's."""
    children = json.loads(host.fleet.inventory.read_text(encoding="utf-8"))["all"]["children"]
    guests = {name: {"cache_guest_host": "vbox", "cache_guest_machine": name} for name in NAMES}
    inventory, playbook = tmp_path / "own.json", tmp_path / "own.yml"
    groups = {"virtualbox_hosts": children["zeroinstall_hosts"], "my_guests": {"hosts": guests}}
    inventory.write_text(json.dumps(groups), encoding="utf-8")

    def play(**tasks: str) -> Play:
        role = {"name": "zeroinstall.virtualbox.cache_host", **tasks}
        variables = {"cache_host_guests": "{{ groups['my_guests'] }}"}
        task = {"ansible.builtin.include_role": role, "vars": variables}
        text = json.dumps([{"hosts": "virtualbox_hosts", "gather_facts": False, "tasks": [task]}])
        playbook.write_text(text, encoding="utf-8")
        done = host.fleet.play(str(playbook), inventory=inventory)
        assert done.status == 0, done.output
        return done

    play()
    assert [host.shared(name) for name in NAMES] == [READ_ONLY, READ_ONLY]
    assert play().changed == 0
    play(tasks_from="absent.yml")
    assert [host.shared(name) for name in NAMES] == [{}, {}]
    assert play(tasks_from="absent.yml").changed == 0


# --- what waits for a start ----------------------------------------------------------------------------------------


def start(fleet: Fleet, name: str) -> None:
    """Start a machine that has no disk. VirtualBox may hold a lock on it for a moment after a change."""
    launcher = [str(fleet.folder / "enter"), str(fleet.root), "/srv/lab/launcher/vblaunch"]

    def started() -> bool:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [*launcher, "--startvm", name, "--vrde", "off"],
            stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True,
        )  # fmt: skip
        until(lambda: process.poll() is not None or "running" in state(fleet, name), f"{name} does not run", pause=0.5)
        return process.poll() is None

    until(started, f"{name} cannot be started", pause=1)


def state(fleet: Fleet, name: str) -> str:
    """The state of a machine, as VBoxManage says it."""
    done = fleet.host(vagrants.MANAGE, "showvminfo", name, "--machinereadable", check=False)
    return next((line for line in done.stdout.splitlines() if line.startswith("VMState=")), "")


def power_off(fleet: Fleet, name: str) -> None:
    fleet.vbox("controlvm", name, "poweroff")
    until(lambda: state(fleet, name) == 'VMState="poweroff"', f"{name} is not off", pause=0.5)


def test_what_waits_for_a_start_is_said_by_each_run_until_then(host: Host) -> None:
    """By the state of the machine: no run has to have seen the start."""
    trusted = {"g1": {"cache_guest_mode": "trusted"}}
    host.fleet.vbox("modifyvm", "g1", *PLAIN)

    def pending() -> list[tuple[str, str, str]]:
        play = host.right(SHARE, trusted, cache_host_store="user")
        for result in play.results("vbox", SHARES):
            warned = any("right to create symlinks" in text for text in result.get("warnings", []))
            assert warned == bool(result["pending"]), play.output
        result = play.results("vbox", SHARES)[-1]
        return [(item["guest"], item["share"], item["action"]) for item in result["pending"]]

    waiting = [("g1", "ZeroInstall-trusted", "restart")]
    start(host.fleet, "g1")
    try:
        assert [pending(), pending(), pending()] == [waiting] * 3
        assert host.shared("g1") == {"ZeroInstall-trusted": (OWN, True)}
        host.fleet.vbox("controlvm", "g1", "pause")
        assert pending() == waiting
        power_off(host.fleet, "g1")
        start(host.fleet, "g1")
        assert pending() == []
        assert host.right(SHARE, trusted, cache_host_store="user").hosts["vbox"]["changed"] == 0
    finally:
        power_off(host.fleet, "g1")
