# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""discover.yml finds the machines of real guests, and a guest that is another machine is refused in its own play.

The firmware of a lab's guest tells the UUID of the machine whose memory it adopted. So the lab has each guest read the
UUID of its own machine from a file, in the order of bytes in which a guest that booted there reads it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet import Fleet, Play

pytestmark = pytest.mark.thorough

DISCOVER = "zeroinstall.virtualbox.discover"
SHARE = "zeroinstall.virtualbox.share"
DMI = "/sys/class/dmi/id/product_uuid"
FOUND = {
    "zeroinstall_hosts": {"hosts": {"vbox": {}}},
    "zeroinstall_guests": {
        "hosts": {name: {"cache_guest_host": "vbox", "cache_guest_machine": name} for name in ("g1", "g2")}
    },
}


class Discovery:
    """An inventory that says only how hosts and guests are reached, and the file for the one that is found."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        groups = json.loads(fleet.inventory.read_text(encoding="utf-8"))["all"]["children"]
        hosts, guests = groups["zeroinstall_hosts"], groups["zeroinstall_guests"]
        del guests["vars"]["cache_guest_host"]
        for variables in guests["hosts"].values():
            del variables["cache_guest_machine"]
        gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        self.groups: dict[str, Any] = {"web": guests, "others": {"hosts": {"gone": gone}}, "all": {}}
        self.groups["ungrouped"] = hosts
        self.inventory = folder / "inventory.json"
        self.inventory.write_text(json.dumps(self.groups), encoding="utf-8")
        self.file = folder / "discovered.yml"

    def run(self, *options: str) -> Play:
        """discover.yml for all guests, whatever their groups."""
        names = ("-e", "zeroinstall_hosts=vbox", "-e", "zeroinstall_guests=all:!vbox", "-e", f"discover_to={self.file}")
        return self.fleet.play(DISCOVER, *names, *options, inventory=self.inventory)


@pytest.fixture(scope="module")
def fleet(environment: Path) -> Iterator[Fleet]:
    """A host and two guests with nothing shared."""
    with Fleet("discover", ("g1", "g2"), environment).running(quiet=True) as made:
        made.add_package("first")
        yield made


@pytest.fixture
def discovery(fleet: Fleet, tmp_path: Path) -> Discovery:
    """What a user has before the first run."""
    return Discovery(fleet, tmp_path)


def hardware_uuid(fleet: Fleet, name: str) -> str:
    """The UUID of a machine's hardware, as VirtualBox tells it."""
    found = re.search('^hardwareuuid="(.*)"$', fleet.vbox("showvminfo", name, "--machinereadable"), re.MULTILINE)
    assert found
    return found[1]


def test_the_inventory_that_is_found_is_one_that_share_takes(discovery: Discovery) -> None:
    play = discovery.run()
    assert (play.status, play.changed) == (0, 1), play.output
    assert yaml.safe_load(discovery.file.read_text(encoding="utf-8")) == FOUND
    assert discovery.file.stat().st_mode & 0o777 == 0o644
    (left_out, shown) = play.results("vbox", "ansible.builtin.debug") or play.results("vbox", "debug")
    assert [line.partition(": ")[0] for line in left_out["msg"]] == ["gone"]
    assert "it was not reached: " in left_out["msg"][0] and shown["msg"] == FOUND
    again = discovery.run("-i", str(discovery.file))
    assert (again.status, again.changed) == (0, 0), again.output
    share = discovery.fleet.play(SHARE, "--check", "-i", str(discovery.file), inventory=discovery.inventory)
    assert share.status == 0 and {"vbox", "g1", "g2"} == set(share.hosts), share.output
    assert share.hosts["g1"]["changed"] and share.hosts["g2"]["changed"], share.output


def test_another_inventory_is_replaced_only_if_it_is_meant(discovery: Discovery) -> None:
    one = ("--limit", "vbox,g1")
    discovery.file.write_text("all: {}\n", encoding="utf-8")
    play = discovery.run(*one)
    assert play.status and "discover_force=true" in play.messages("vbox"), play.output
    check = discovery.run(*one, "--check", "-e", "discover_force=true")
    assert (check.status, check.changed) == (0, 1), check.output
    assert discovery.file.read_text(encoding="utf-8") == "all: {}\n"
    assert discovery.run(*one, "-e", "discover_force=true").status == 0
    assert list(yaml.safe_load(discovery.file.read_text(encoding="utf-8"))["zeroinstall_guests"]["hosts"]) == ["g1"]


def test_a_guest_that_lies_about_its_hardware_harms_only_itself(discovery: Discovery) -> None:
    """It is left out where another claims the machine, too, and refused before anything changes in it."""
    fleet = discovery.fleet
    theirs = hardware_uuid(fleet, "g2")
    fleet.guest("g1", f"echo {theirs} >/run/lie; mount --bind /run/lie {DMI}")
    try:
        play = discovery.run()
        assert play.status and not discovery.file.exists(), play.output
        lines = (play.results("vbox", "ansible.builtin.debug") or play.results("vbox", "debug"))[0]["msg"]
        assert [line.partition(" say")[0] for line in lines[:2]] == ["g1: it and g2", "g2: it and g1"]

        listed = [
            {"guest": name, "machine": name, "name": name, "uuid": "", "hardware_uuid": hardware_uuid(fleet, name)}
            for name in fleet.guests
        ]
        told = {"ansible.builtin.set_fact": {"cache_host_outlook": {"listed": listed}}}
        role = {"hosts": "zeroinstall_guests", "gather_facts": False, "roles": ["zeroinstall.virtualbox.cache_guest"]}
        playbook = discovery.inventory.with_name("guests.yml")
        playbook.write_text(json.dumps([{"hosts": "vbox", "gather_facts": False, "tasks": [told]}, role]))
        play = fleet.play(str(playbook), "--check")
        assert "g1 is the machine 'g2' (guest g2)" in play.messages("g1"), play.output
        assert (play.hosts["g1"]["changed"], play.hosts["g1"]["failures"]) == (0, 1)
        assert (play.hosts["g2"]["failures"], play.messages("g2")) == (0, ""), play.output
    finally:
        fleet.guest("g1", f"umount {DMI}")


def test_a_guest_reads_the_uuid_of_its_own_machine(fleet: Fleet) -> None:
    """In the other order of bytes: 0x00112233 of a machine with BIOS is read as 33221100."""
    for name in fleet.guests:
        read = fleet.guest(name, f"cat {DMI}")[1].strip()
        assert uuid.UUID(read).bytes_le == uuid.UUID(hardware_uuid(fleet, name)).bytes
