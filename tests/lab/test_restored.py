# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""share.yml and unshare.yml on machines that got shares by another way: a restored snapshot, or somebody's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import vagrants
from fleet import Fleet, Play

STORE = "/var/cache/0install.net/implementations"
OWN = "/root/.cache/0install.net/implementations"
SHARE, UNSHARE = "zeroinstall.virtualbox.share", "zeroinstall.virtualbox.unshare"
READ_ONLY = {"ZeroInstall": (STORE, False)}


class Host:
    """A host with the machines g1 and g2, whose guests are not asked."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder

    def play(self, playbook: str, mode: str = "readonly", *options: str, **variables: object) -> Play:
        """The host's part of a playbook."""
        inventory = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))
        children = inventory["all"]["children"]
        children["zeroinstall_hosts"]["hosts"]["vbox"].update(variables)
        guests = {name: {"cache_guest_machine": name} for name in ("g1", "g2")}
        said = {"cache_guest_host": "vbox", "cache_guest_mode": mode}
        children["zeroinstall_guests"] = {"vars": said, "hosts": guests}
        path = self.folder / "inventory.json"
        path.write_text(json.dumps(inventory), encoding="utf-8")
        return self.fleet.play(playbook, "--limit", "vbox", *options, inventory=path)

    def shared(self, name: str) -> dict[str, tuple[str, bool]]:
        """What the host shares with a guest."""
        return vagrants.shared(self.fleet, name)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a store and two machines."""
    with vagrants.machines_without_guests("restored") as made:
        yield made


@pytest.fixture
def host(fleet: Fleet, tmp_path: Path) -> Host:
    return Host(fleet, tmp_path)


def test_what_a_snapshot_brings_back_of_another_mode_goes(host: Host) -> None:
    assert host.play(SHARE, "trusted", cache_host_store="user").status == 0
    assert host.shared("g1") == {"ZeroInstall-trusted": (OWN, True)}
    host.fleet.vbox("snapshot", "g1", "take", "before")
    assert host.play(SHARE).status == 0
    host.fleet.vbox("snapshot", "g1", "restore", "before")
    assert host.shared("g1") == {"ZeroInstall-trusted": (OWN, True)}
    play = host.play(SHARE)
    assert play.status == 0 and host.shared("g1") == host.shared("g2") == READ_ONLY, play.output
    assert host.play(SHARE).hosts["vbox"]["changed"] == 0
    host.fleet.vbox("snapshot", "g1", "restore", "before")
    play = host.play(UNSHARE)
    assert play.hosts["vbox"]["failures"] == 0 and host.shared("g1") == host.shared("g2") == {}, play.output


def test_another_share_of_the_store_is_refused_unless_it_is_meant(host: Host) -> None:
    host.fleet.vbox("sharedfolder", "add", "g1", "--name=cache", "--hostpath=/var/cache")
    host.fleet.vbox("sharedfolder", "add", "g2", "--name=home", "--hostpath=/home")
    play = host.play(SHARE)
    told = play.messages("vbox")
    assert play.status and host.shared("g1") == {"cache": ("/var/cache", True)}, play.output
    assert host.shared("g2") == {**READ_ONLY, "home": ("/home", True)}, play.output
    assert "share 'cache'" in told and "cache_host_other_shares: warn" in told and "'home'" not in play.output, told
    play = host.play(SHARE, cache_host_other_shares="warn")
    assert play.status == 0 and host.shared("g1") == {**READ_ONLY, "cache": ("/var/cache", True)}, play.output
    play = host.play(UNSHARE)
    assert play.hosts["vbox"]["failures"] == 0 and host.shared("g1") == {"cache": ("/var/cache", True)}, play.output
    assert any(
        "share 'cache'" in text
        for result in play.results("vbox", "zeroinstall.virtualbox.shares")
        for text in result.get("warnings", [])
    ), play.output
    for name, share in (("g1", "cache"), ("g2", "home")):
        host.fleet.vbox("sharedfolder", "remove", name, "--name=" + share)


def test_a_first_run_refuses_what_later_runs_do(host: Host) -> None:
    """The folder of the groups, which the share has in it, is made by the run."""
    host.fleet.vbox("sharedfolder", "add", "g1", "--name=home", "--hostpath=/root")
    for option in ("--check", "--diff", "--diff"):
        play = host.play(SHARE, "guests", option)
        told = play.messages("vbox")
        assert play.status and "share 'home'" in told and "cache_host_other_shares: warn" in told, play.output
        assert host.shared("g1") == {"home": ("/root", True)}, play.output
    assert set(host.shared("g2")) == {"ZeroInstall", "ZeroInstall-guests-default"}
    assert play.hosts["vbox"]["changed"] == 0, play.output
    host.fleet.vbox("sharedfolder", "remove", "g1", "--name=home")
    assert host.play(UNSHARE).hosts["vbox"]["failures"] == 0 and host.shared("g2") == {}


def test_a_machine_that_cannot_be_read_keeps_its_box_and_fails_unshare_at_the_end(host: Host) -> None:
    """Nothing is known of what it shares, so nothing that it may share is removed by share.yml."""
    assert host.play(SHARE, "verified").status == 0
    settings = next(host.fleet.root.glob("root/VirtualBox VMs/g1/g1.vbox"))
    text = settings.read_text(encoding="utf-8")
    settings.write_text("", encoding="utf-8")
    play = host.play(SHARE)
    assert play.status and "machine g1" in play.messages("vbox"), play.output
    assert host.shared("g2") == READ_ONLY
    boxes = host.fleet.root / "var/lib/zeroinstall.virtualbox/boxes"
    assert sorted(path.name for path in boxes.iterdir()) == ["g1", "g2"]
    play = host.play(UNSHARE)
    told = play.messages("vbox")
    assert "On vbox something may be left: " in told and "machine g1" in told, play.output
    assert host.shared("g2") == {} and not boxes.exists()
    settings.write_text(text, encoding="utf-8")
    assert host.play(UNSHARE).hosts["vbox"]["failures"] == 0 and host.shared("g1") == {}
