# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests whose Vagrantfiles the role vagrantfile wrote, booted by Vagrant's own code as far as it concerns shares.

Vagrant itself cleans and makes the shares, and mounts them in the guests. For its SSH stand the guests' serial ports,
and for its start of a machine that of the lab, which also puts the lab's own shares back, for Vagrant removes all.
"""

from __future__ import annotations

import concurrent.futures
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import collection
import pytest
import vagrants
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _vagrant
from fleet import LAB, Fleet, Play
from labkit import guests
from labkit.waiting import until
from setup import REPOSITORY
from vagrants import SHARED, STORE, Vagrant, project

assert collection.FINDER, "it makes ansible_collections importable"

pytestmark = pytest.mark.thorough

MANAGE = "/usr/lib/virtualbox/VBoxManage"
GUESTS = ("g1", "g2")
MOUNT = {"g1": "vagrant", "g2": "cache_guest"}
"""Who mounts the host's store."""
EXAMPLE = REPOSITORY / "docs" / "examples" / "vagrant" / "guest.yml"
TREE = (
    "mkdir -p /tmp/t/bin /tmp/t/lib && cd /tmp/t && printf '#!/bin/sh\\necho this is shared\\n' >lib/run &&"
    " chmod 755 lib/run && ln -s ../lib/run bin/run && ln -s run lib/again"
)


class Machines:
    """A fleet whose guests are Vagrant's machines, each of a project of its own."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.vagrant = Vagrant(folder, fleet)
        self.cache = folder / "guests" / "0install.net" / "implementations"
        self.cache.mkdir(parents=True)
        fleet.host("mkdir", "-p", str(self.cache))
        self.projects = {name: self._project(name) for name in GUESTS}

    def _project(self, name: str) -> Path:
        settings = _vagrant.Settings(
            placement="block", generation="2", machines=[name], store=STORE, share="ZeroInstall", mount=MOUNT[name],
            guest_path=STORE, cache=str(self.cache), cache_share="ZeroInstallGuests", cache_guest_path=SHARED,
            symlink_policy="auto",
        )  # fmt: skip
        extra = (
            "  config.vm.synced_folder '.', '/vagrant', disabled: true\n"
            "  config.vm.communicator = 'stand_in'\n  config.vm.guest = :debian\n"
        )
        part = _vagrant.render(settings, self.fleet.vbox("--version"))
        return project(self.vagrant.folder / name, part, machines=(name,), extra=extra)

    def play(self, *options: str) -> Play:
        """Run the example in g2 as Vagrant's provisioner does: its inventory has machines, no host, nothing of ours."""
        path = self.vagrant.folder / "inventory.json"
        lab = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))["all"]["children"]["zeroinstall_guests"]
        common = {name: value for name, value in lab["vars"].items() if name != "cache_guest_host"}
        hosts = {name: {"lab_guest": said["lab_guest"]} for name, said in lab["hosts"].items()}
        path.write_text(json.dumps({"all": {"vars": common, "hosts": hosts}}), encoding="utf-8")
        return self.fleet.play(str(EXAMPLE), "--limit", "g2", *options, inventory=path)

    def _script(self, name: str, *commands: list[str]) -> Path:
        path = self.vagrant.folder / name
        lines = "".join(shlex.join(command) + " || exit\n" for command in commands[:-1])
        path.write_text(f'#!/bin/sh\n{lines}exec {shlex.join(commands[-1])} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    def boot(self, name: str) -> str:
        """What Vagrant does and says at an "up" of a machine that is off."""
        fleet = self.fleet
        lab = [sys.executable, str(LAB), "--run", fleet.name]
        manage = [str(fleet.folder / "enter"), str(fleet.root), "/usr/lib/virtualbox/VBoxManage", "-q"]
        own = [
            [*manage, "sharedfolder", "add", name, "--name", share, "--hostpath", str(path)]
            + ([] if writable else ["--readonly"])
            for share, (path, writable) in guests.own_shares(name).items()
        ]
        start = self._script(f"start-{name}", *own, [*lab, "start", name])
        shell = self._script(f"shell-{name}", [*lab, "guest", name])
        said = self.vagrant.boot(self.projects[name], name, vagrants.uuid_of(fleet, name), shell, start)
        (machine,) = self.vagrant.read(self.projects[name])[str(self.projects[name])].values()
        for _kind, line in machine["provisioners"]:
            fleet.guest(name, line)
        return said


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Both machines, booted by Vagrant, with a package in the host's store; in g2 the role cache_guest has run."""
    with Fleet("vagrant", GUESTS).running(quiet=True) as fleet:
        fleet.add_package("hello")
        made = Machines(fleet, tmp_path_factory.mktemp("vagrant"))
        for name in GUESTS:
            fleet.lab("stop", name)
        with vagrants.service(fleet):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                assert all("Mounting shared folders" in said for said in pool.map(made.boot, GUESTS))
            play = made.play()
            assert play.status == 0, play.messages("g2") or play.output
            yield made


def test_the_hosts_store_is_read_only_on_the_hosts_side(machines: Machines) -> None:
    for name in GUESTS:
        found = vagrants.shares(machines.fleet, name)
        store, shared = found["ZeroInstall"], found["ZeroInstallGuests"]
        assert (store["path"], store["writable"], store["symlinks"]) == (STORE, False, False)
        assert store["kind"] == {"vagrant": "machine", "cache_guest": "transient"}[MOUNT[name]]
        assert (shared["writable"], shared["symlinks"], shared["symlink_policy"]) == (True, True, "relative")


@pytest.mark.parametrize("name", GUESTS)
def test_the_guest_has_the_store_where_zero_install_looks(machines: Machines, name: str) -> None:
    shown = machines.fleet.guest(name, "cat /proc/self/mounts; cat /etc/fstab")[1]
    assert f"ZeroInstall {STORE} vboxsf ro,nosuid,nodev" in shown, shown
    assert shown.count(f" {STORE} vboxsf ") == 2, "mounted once, and once in fstab: " + shown
    assert f"ZeroInstallGuests {SHARED} vboxsf rw,nosuid,nodev" in shown, shown
    printed = machines.fleet.guest(name, f"cd {STORE} && 0install store find $(ls | grep sha256) && */hello")[1]
    assert printed.splitlines()[0].startswith(f"{STORE}/sha256new_") and "this is hello" in printed


@pytest.mark.parametrize("name", GUESTS)
def test_root_of_the_guest_cannot_write_whatever_it_mounts(machines: Machines, name: str) -> None:
    """A write, a link and a removal are refused by the host; so they are after "mount -o remount,rw"."""
    attempts = "touch x; ln -s x y; mkdir z; rm -r sha256new_*; mv sha256new_* gone; chmod 777 sha256new_*"
    line = (
        f"mount -o remount,rw {STORE} && grep ' {STORE} vboxsf rw' /proc/self/mounts && cd {STORE} && {attempts};"
        f" cd /; mkdir -p /tmp/w && mount -t vboxsf -o rw ZeroInstall /tmp/w && cd /tmp/w && {attempts};"
        f" cd /; umount /tmp/w; mount -o remount,ro {STORE}"
    )
    before = machines.fleet.host("ls", "-lR", "--time-style=full-iso", STORE).stdout
    printed = machines.fleet.guest(name, line, check=False)[1]
    assert printed.count("Read-only file system") >= 8, printed
    assert machines.fleet.host("ls", "-lR", "--time-style=full-iso", STORE).stdout == before


def test_a_package_with_links_goes_from_one_guest_to_the_other(machines: Machines) -> None:
    fleet = machines.fleet
    fleet.guest("g1", TREE)
    digest = fleet.guest("g1", "0install digest --algorithm=sha256new /tmp/t")[1].strip().splitlines()[-1]
    as_user = "runuser -u vagrant -- env HOME=/home/vagrant"
    fleet.guest("g1", f"chown -R vagrant /tmp/t && {as_user} 0store add {digest} /tmp/t")
    kept = fleet.root / str(machines.cache)[1:] / digest
    assert (kept / "bin/run").readlink() == Path("../lib/run") and (kept / "lib/run").is_file()
    line = f"d=$(0install store find {digest}) && echo $d && $d/bin/run && $d/lib/again && 0store verify $d"
    printed = fleet.guest("g2", f"{as_user} sh -c {shlex.quote(line)}")[1]
    assert printed.splitlines()[0] == f"{SHARED}/{digest}"
    assert printed.count("this is shared") == 2 and "OK" in printed
    assert digest not in fleet.host("ls", STORE).stdout


def test_links_out_of_the_second_store_are_refused(machines: Machines) -> None:
    status, printed = machines.fleet.guest("g2", f"ln -s /etc/passwd {SHARED}/out", check=False)
    assert status and "Operation not permitted" in printed


def test_the_folders_above_the_second_store_are_the_users(machines: Machines) -> None:
    """Zero Install keeps its feeds beside the store."""
    line = "cd /home/vagrant && stat -c %U .cache .cache/0install.net .cache/0install.net/implementations"
    for name in GUESTS:
        assert machines.fleet.guest(name, line)[1].split() == ["vagrant"] * 3


def test_the_next_boot_makes_the_same(machines: Machines) -> None:
    """Of the machine with Vagrant's permanent shares: they are there already then."""
    before = vagrants.shares(machines.fleet, "g1")
    machines.fleet.lab("stop", "g1")
    machines.vagrant.calls()
    machines.boot("g1")
    calls = machines.vagrant.calls()
    assert any(call[:2] == ["sharedfolder", "remove"] and call[-1] == "ZeroInstall" for call in calls), calls
    assert vagrants.shares(machines.fleet, "g1") == before
    assert "Read-only" in machines.fleet.guest("g1", f"mount -o remount,rw {STORE}; touch {STORE}/x", check=False)[1]


def test_a_machine_that_was_suspended_has_its_shares_again(machines: Machines) -> None:
    """As by "vagrant suspend" and "resume", which run VBoxManage alone. Of the machine with a transient share."""
    fleet = machines.fleet
    before = vagrants.shares(fleet, "g2")
    fleet.vbox("controlvm", "g2", "savestate")
    show = (MANAGE, "showvminfo", "g2", "--machinereadable")
    until(lambda: 'VMState="saved"' in fleet.host(*show, check=False).stdout, "g2 is not saved", pause=0.2)
    fleet.lab("start", "g2")
    assert vagrants.shares(fleet, "g2") == before
    assert "this is hello" in fleet.guest("g2", f"{STORE}/*/hello")[1]
    assert "Read-only" in fleet.guest("g2", f"mount -o remount,rw {STORE}; touch {STORE}/x", check=False)[1]
    fleet.guest("g2", f"mount -o remount,ro {STORE}")


def test_the_second_run_of_the_guests_role_changes_nothing(machines: Machines) -> None:
    again = machines.play("-e", json.dumps({"cache_guest_sharing": False}))
    assert (again.status, again.changed) == (0, 0), again.output
