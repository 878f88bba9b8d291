# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.yml on a real VirtualBox host with real guests: its figures are those of the real tools, and what somebody
breaks is at its top, with a remedy that works.

The tests of this file go on with what those before them have left.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fleet import Fleet, Play
from setup import REPOSITORY

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
REPORT, SHARE, UNSHARE, VERIFY = (f"zeroinstall.virtualbox.{name}" for name in ("report", "share", "unshare", "verify"))
SCHEMA = json.loads((REPOSITORY / "docs" / "report.schema.json").read_text(encoding="utf-8"))
COMMAND = re.compile(
    r"ansible-playbook -i INVENTORY (zeroinstall\.virtualbox\.\w+) (.*?)(?:\.$|\. | to move| with all)"
)
"""A playbook that a remedy names, and its options."""


class Reporter:
    """A fleet, and the folder of its reports."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.paths = {kind: folder / f"report.{kind}" for kind in ("json", "html", "metrics")}

    def play(self, *options: str, inventory: Path | None = None) -> Play:
        """Run the playbook."""
        files = [word for kind, path in self.paths.items() for word in ("-e", f"cache_report_{kind}={path}")]
        return self.fleet.play(REPORT, *files, *options, inventory=inventory)

    def report(self, *options: str, inventory: Path | None = None) -> dict[str, Any]:
        """The report of a run that has to succeed, and cost what it may."""
        play = self.play(*options, inventory=inventory)
        assert play.status == 0, play.output
        assert play.module_runs["vbox"] <= 2, play.module_runs
        assert all(play.module_runs[name] <= 1 for name in self.fleet.guests), play.module_runs
        found = json.loads(self.paths["json"].read_text(encoding="utf-8"))
        jsonschema.validate(found, SCHEMA)
        return found

    def needs(self, **options: Any) -> list[dict[str, str]]:
        """What needs attention."""
        return self.report(**options)["attention"]

    def first(self, kind: str, **options: Any) -> dict[str, str]:
        """What comes first, which has to be of this kind."""
        found = self.needs(**options)
        assert found and found[0]["kind"] == kind, found
        return found[0]

    def follow(self, remedy: str, *options: str, inventory: Path | None = None) -> Play:
        """Do what a remedy says."""
        playbook, words = COMMAND.search(remedy).groups()
        return self.fleet.play(playbook, *shlex.split(words), *options, inventory=inventory)


@pytest.fixture(scope="module")
def reporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reporter]:
    """A host with two guests and a package, shared and verified."""
    with Fleet("report", ("g1", "g2")).running(quiet=True) as fleet:
        fleet.add_package("first")
        for playbook in (SHARE, VERIFY):
            play = fleet.play(playbook)
            assert play.status == 0, play.output
        yield Reporter(fleet, tmp_path_factory.mktemp("report"))


def inventory_with(fleet: Fleet, path: Path, guest: str, variables: dict[str, str] | None) -> Path:
    """An inventory in which a guest has these variables more, or in which it is missing."""
    inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
    guests = inventory["all"]["children"]["zeroinstall_guests"]["hosts"]
    if variables is None:
        del guests[guest]
    else:
        guests[guest] = {**(guests[guest] or {}), **variables}
    path.write_text(json.dumps(inventory), encoding="utf-8")
    return path


def test_what_it_says_is_true(reporter: Reporter) -> None:
    fleet = reporter.fleet
    report = reporter.report()
    assert report["attention"] == [], "all is right"
    (host,) = report["hosts"]
    assert fleet.vbox("--version").startswith(host["virtualbox"]) and host["virtualbox"]
    listed = dict(re.findall(r'"(.*)" \{(.*)\}', fleet.vbox("list", "vms")))
    assert {one["name"]: one["uuid"] for one in host["machines"]} == listed
    running = set(re.findall(r'"(.*)" \{', fleet.vbox("list", "runningvms")))
    assert {one["name"] for one in host["machines"] if one["state"] == "running"} == running
    (store,) = host["stores"]
    there = fleet.host("ls", STORE).stdout.split()
    assert [one["digest"] for one in store["packages"]] == there
    assert store["bytes"] == 512 * int(fleet.host("du", "-s", "-B512", STORE).stdout.split()[0])
    assert fleet.host("0store", "audit", STORE).returncode == 0
    verified = store["verified"]
    assert (verified["ok"], verified["corrupt"], verified["mode"]) == (len(there), 0, "full")
    for guest in report["guests"]:
        assert (guest["state"], guest["read"], guest["mode"]) == ("right", True, "readonly")
        (mount,) = [one for one in guest["mounts"] if one["wanted"]]
        status, output = fleet.guest(guest["name"], f"awk '$2 == \"{STORE}\" {{print $1, $3, $4}}' /proc/self/mounts")
        share, kind, options = output.split()
        assert (status, mount["share"], kind) == (0, share, "vboxsf")
        assert mount["writable"] == ("ro" not in options.split(","))
        version = fleet.guest(guest["name"], "0install --version")[1]
        assert f"0install (zero-install) {guest['zero_install']}\n" in version and guest["zero_install"]
        assert guest["system"].endswith(fleet.guest(guest["name"], "uname -r")[1].strip())
    numbers = report["numbers"]
    assert numbers["bytes_saved"] == store["bytes"], "two guests have what is there once"
    assert (numbers["machines"], numbers["guests"], numbers["states"]["right"]) == (len(listed), 2, 2)


def test_it_changes_nothing_and_its_files_are_the_admins(reporter: Reporter) -> None:
    before = {kind: path.read_text(encoding="utf-8") for kind, path in reporter.paths.items()}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in reporter.paths.values())
    assert reporter.play("--check").changed == 0
    assert {kind: path.read_text(encoding="utf-8") for kind, path in reporter.paths.items()} == before
    assert reporter.play().changed == 0, "only the time is another"
    share = reporter.fleet.play(SHARE, "--check")
    assert (share.status, share.changed) == (0, 0)


def test_shares_that_somebody_took_back(reporter: Reporter) -> None:
    """While the machines run: the guests still have what does not answer any more."""
    assert reporter.fleet.play(UNSHARE, "--limit", "vbox").status == 0
    found = reporter.first("share")
    assert (found["guest"], found["subject"], found["severity"]) == ("g1", "ZeroInstall", "problem")
    assert reporter.play("-e", "cache_report_fail_on=problems").status != 0
    assert reporter.follow(found["remedy"]).status == 0
    found = reporter.first("mount")  # the host has shared with all guests again
    assert (found["guest"], found["subject"]) == ("g2", STORE)
    assert reporter.follow(found["remedy"]).status == 0
    assert reporter.needs() == []


def test_a_mount_that_somebody_made_writable(reporter: Reporter) -> None:
    reporter.fleet.guest("g2", f"umount {STORE} && mount -t vboxsf -o rw ZeroInstall {STORE}")
    found = reporter.first("mount")
    assert (found["guest"], "writable" in found["text"]) == ("g2", True)
    assert reporter.follow(found["remedy"]).status == 0
    assert reporter.needs() == []


def test_a_package_that_is_corrupt_and_then_in_the_quarantine(reporter: Reporter) -> None:
    digest = reporter.fleet.add_package("second")
    reporter.fleet.host("sh", "-euc", f"chmod u+w {STORE}/{digest}/* && echo spoilt >> {STORE}/{digest}/second")
    assert reporter.fleet.play(VERIFY).status != 0
    found = reporter.first("unsound")
    assert found["subject"] == digest
    reporter.follow(found["remedy"])  # it fails, so that nobody overlooks what it moved
    found = reporter.first("quarantined")
    assert (found["severity"], digest in found["text"]) == ("notice", True)
    reporter.fleet.host("rm", "-r", f"{STORE}.quarantine")
    assert reporter.needs() == []


def test_a_stray(reporter: Reporter, tmp_path: Path) -> None:
    inventory = inventory_with(reporter.fleet, tmp_path / "inventory.json", "g2", None)
    found = reporter.first("stray", inventory=inventory)
    assert found["subject"] == "g2"
    # Else VirtualBox may lose the share that comes back later, as the notes of the module shares say.
    reporter.fleet.guest("g2", f"umount {STORE}")
    remedy = "Run " + found["remedy"].partition("run ")[2]
    assert reporter.follow(remedy, inventory=inventory).status == 0
    assert reporter.needs(inventory=inventory) == []
    assert {one["kind"] for one in reporter.needs()} == {"share", "mount"}
    assert reporter.fleet.play(SHARE).status == 0
    assert reporter.needs() == []


def test_guest_additions_that_break_packages(reporter: Reporter) -> None:
    """A stand-in tells the driver's version, as Oracle's driver does: that of the lab's kernel tells none."""
    driver = "/sys/module/vboxguest"
    reporter.fleet.guest("g1", f"mount -t tmpfs standin {driver} && echo 4.0.4 > {driver}/version")
    found = reporter.first("additions")
    assert (found["guest"], "4.0.4" in found["text"]) == ("g1", True)
    reporter.fleet.guest("g1", f"umount {driver}")
    assert reporter.needs() == []


def test_a_hostile_guest_is_shown_as_text(reporter: Reporter) -> None:
    hostile = "<script>window.hacked=1</script>"
    line = f'ID="{hostile}\\033[2J"'
    reporter.fleet.guest(
        "g1", f"cp -L /etc/os-release /kept; rm /etc/os-release; printf {shlex.quote(line)} > /etc/os-release"
    )
    play = reporter.play()
    reporter.fleet.guest("g1", "cp /kept /etc/os-release")
    assert play.status == 0 and "\x1b" not in play.output
    report = json.loads(reporter.paths["json"].read_text(encoding="utf-8"))
    assert report["guests"][0]["system"].startswith(hostile), "it is what the guest said"
    page = reporter.paths["html"].read_text(encoding="utf-8")
    assert hostile not in page and "&lt;script&gt;window.hacked" in page and "\x1b" not in page


def test_a_right_that_waits_for_a_start_and_what_is_left_of_a_mode(reporter: Reporter, tmp_path: Path) -> None:
    fleet = reporter.fleet
    inventory = inventory_with(fleet, tmp_path / "inventory.json", "g2", {"cache_guest_mode": "guests"})
    play = fleet.play(SHARE, inventory=inventory)
    assert play.status == 0, play.messages("g2") or play.output
    report = reporter.report(inventory=inventory)
    (found,) = report["attention"]
    assert (found["kind"], found["severity"], found["guest"]) == ("restart", "pending", "g2")
    assert report["numbers"]["states"]["pending"] == 1
    assert reporter.play("-e", "cache_report_fail_on=pending", inventory=inventory).status != 0
    assert found["remedy"] == "Switch the machine g2 off, and start it again."
    fleet.lab("stop", "g2")
    fleet.lab("start", "g2")
    # A guest of the lab forgets its files when it is switched off.
    assert "restart" not in {one["kind"] for one in reporter.needs(inventory=inventory)}
    assert fleet.play(SHARE).status == 0
    found = reporter.first("left_over")
    assert (found["severity"], "no guest of this host is in the group default" in found["text"]) == ("notice", True)
    assert reporter.follow("Run " + found["remedy"].partition("run ")[2]).status == 0
    assert reporter.needs() == []


def test_a_guest_that_is_off(reporter: Reporter) -> None:
    reporter.fleet.vbox("controlvm", "g2", "poweroff")
    report = reporter.report()
    (found,) = report["attention"]
    assert (found["kind"], found["guest"], found["severity"]) == ("guest_off", "g2", "notice")
    assert report["numbers"]["states"]["off"] == 1
