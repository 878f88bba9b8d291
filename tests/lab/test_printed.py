# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README.md and docs/examples print, run as it is printed on real VirtualBox hosts and guests.

A second inventory says how Ansible reaches the hosts and guests that the printed one names. All else is as printed. The
tests of this file go on with what those before them have left.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vagrants
import yaml
from feed_server import serving
from fleet import Fleet, Play
from pages import block, blocks
from setup import REPOSITORY

README = REPOSITORY / "README.md"
EXAMPLE = REPOSITORY / "docs" / "examples" / "inventory.yml"
ROLES = REPOSITORY / "docs" / "roles.md"
STORE = "/var/cache/0install.net/implementations"
DOMAIN = ".example.com"


def reached(fleet: Fleet, host: str) -> dict[str, Any]:
    """How Ansible reaches a fleet's host, under this name, and its guests, and who registered the machines."""
    groups = json.loads(fleet.inventory.read_text(encoding="utf-8"))["all"]["children"]
    guests = groups["zeroinstall_guests"]
    ways = {**guests["vars"], "cache_guest_host": host, "ansible_become": False}
    names = {name + DOMAIN: {**ways, **guests["hosts"][name]} for name in fleet.guests}
    own = {**groups["zeroinstall_hosts"]["hosts"]["vbox"], "cache_host_user": "root"}
    return {"zeroinstall_hosts": {"hosts": {host: own}}, "zeroinstall_guests": {"hosts": names}}


class Printed:
    """The fleet of the README's quickstart, and its inventories."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.inventory = folder / "inventory.yml"
        self.inventory.write_text(block(README, "yaml", "# inventory.yml"), encoding="utf-8")
        self.ways = folder / "ways.json"
        self.ways.write_text(json.dumps(reached(fleet, "metal1.example.com")), encoding="utf-8")

    def play(self, line: str) -> Play:
        """Run a printed command."""
        program, *words = shlex.split(line)
        assert (program, words[:2]) == ("ansible-playbook", ["-i", "inventory.yml"])
        options = ["-i", str(self.ways), *words[3:]]
        play = self.fleet.play(words[2], *options, inventory=self.inventory, variables={"no_proxy": "127.0.0.1"})
        assert play.status == 0, "\n".join(play.messages(host) for host in play.hosts) or play.output
        return play


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    """Nothing is shared yet."""
    with Fleet("printed", ("web1", "web2")).running(quiet=True) as fleet:
        yield Printed(fleet, tmp_path_factory.mktemp("printed"))


def commands(beginning: str) -> list[str]:
    """The README's commands that begin so."""
    lines = [line for text in blocks(README, "console") for line in text.splitlines()]
    return [line for line in lines if line.startswith(beginning)]


def test_the_quickstart_up_to_the_users_own_proof(printed: Printed) -> None:
    fleet = printed.fleet
    check, share, _programs, _unshare = commands("ansible-playbook ")
    assert printed.play(check).changed > 0
    assert printed.play(share).changed > 0
    fleet.host("sh", "-euc", block(README, "sh", "# on the host"))
    for name in fleet.guests:
        (fleet.work(name) / "proof.sh").write_text(block(README, "sh", "# in a guest"), encoding="utf-8")
        run, *shown = fleet.guest(name, "sh -eu /mnt/lab/proof.sh")[1].splitlines()
        assert run == f"hello from {name}"
        told = [line.split() for line in shown]
        assert [line for line in told if (line[0], line[-1]) == ("ZeroInstall", STORE)], shown
        assert [line for line in told if line[:3] == [STORE, "ZeroInstall", "vboxsf"]], shown


@pytest.mark.thorough
def test_the_users_own_programs(printed: Printed) -> None:
    """The printed list, with the address and the key that a server on the loopback has for the printed ones."""
    text = block(README, "yaml", "# group_vars/zeroinstall_guests.yml")
    (wanted,) = yaml.safe_load(text)["cache_programs_list"]
    path = printed.inventory.parent / "group_vars" / "zeroinstall_guests.yml"
    path.parent.mkdir()
    with serving() as server:
        run = '<command name="run" path="run"/>'
        program = server.implementation(wanted["name"], "1", {"run": "#!/bin/sh\necho edit runs\n"}, run)
        text = text.replace(wanted["uri"], server.feed(wanted["name"], program))
        path.write_text(text.replace(wanted["trust"][0], server.fingerprint), encoding="utf-8")
        _check, _share, programs, _unshare = commands("ansible-playbook ")
        assert printed.play(programs).changed > 0
    for name in printed.fleet.guests:
        assert printed.fleet.guest(name, "edit")[1].strip() == "edit runs"


def test_undo(printed: Printed) -> None:
    fleet = printed.fleet
    assert printed.play(commands("ansible-playbook ")[-1]).changed > 0
    assert all("vboxsf" not in fleet.guest(name, f"grep {STORE} /proc/mounts", check=False)[1] for name in fleet.guests)
    assert fleet.host("ls", STORE).stdout.startswith("sha256new_")


@pytest.mark.thorough
def test_the_example_fleet(tmp_path: Path) -> None:
    """The hosts' part on two real hosts, with these machines and this UUID; then the plays of docs/roles.md."""
    hosts = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["zeroinstall_guests"]["hosts"]
    with contextlib.ExitStack() as stack:
        fleets = {host: stack.enter_context(Fleet(host, ()).running(quiet=True)) for host in ("metal1", "metal2")}
        options = []
        for host, fleet in fleets.items():
            path = tmp_path / f"{host}.json"
            path.write_text(json.dumps(reached(fleet, host + DOMAIN)), encoding="utf-8")
            options += ["-i", str(path)]
        machines = {"web1.example.com": "web1", "web2.example.com": "web2", "build.example.com": "build"}
        for guest, machine in machines.items():
            fleet = fleets[hosts[guest]["cache_guest_host"].removesuffix(DOMAIN)]
            known = hosts[guest]["cache_guest_machine"]
            uuid = [] if known == machine else ["--uuid", known]
            fleet.vbox("createvm", "--name", machine, *uuid, "--register")
        fleet = fleets["metal1"]
        play = fleet.play("zeroinstall.virtualbox.share", "--limit", "zeroinstall_hosts", *options, inventory=EXAMPLE)
        assert play.status == 0, play.output
        for guest, machine in machines.items():
            host = hosts[guest]["cache_guest_host"].removesuffix(DOMAIN)
            share = vagrants.shares(fleets[host], machine)["ZeroInstall"]
            store = STORE if host == "metal1" else "/root/.cache/0install.net/implementations"
            assert (share["path"], share["writable"]) == (store, False)
        site, more = tmp_path / "site.yml", tmp_path / "more.json"
        site.write_text(block(ROLES, "yaml", "- name: Hosts and guests, as part of a site"), encoding="utf-8")
        groups = {"virtualbox_hosts": "metal1.example.com", "my_guests": "web1.example.com"}
        more.write_text(json.dumps({group: {"hosts": {name: {}}} for group, name in groups.items()}), encoding="utf-8")
        options += ["-i", str(more), "--limit", "virtualbox_hosts:zeroinstall_hosts"]
        play = fleet.play(str(site), *options, inventory=EXAMPLE)
        assert (play.status, play.changed) == (0, 0), play.output
        assert len(play.results("metal1.example.com", "zeroinstall.virtualbox.shares")) == 2
