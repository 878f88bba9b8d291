# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Vagrant, as Debian packages it, on projects that tests make."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet import TESTS, Fleet
from labkit.waiting import until
from programs import check

MANAGE = "/usr/lib/virtualbox/VBoxManage"
SCRIPTS = TESTS / "vagrant"
STORE = "/var/cache/0install.net/implementations"
SHARED = "/home/vagrant/.cache/0install.net/implementations"


class Vagrant:
    """Vagrant with a home folder of its own below FOLDER, where its projects are, too."""

    def __init__(self, folder: Path, fleet: Fleet | None = None) -> None:
        self.folder = folder
        self.calls_file = folder / "calls"
        self.environment = {
            "VAGRANT_HOME": str(folder / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_TEST_CALLS": str(self.calls_file),
            "PATH": f"{SCRIPTS}/bin:{os.environ['PATH']}",
        }
        if fleet:
            self.environment["VAGRANT_TEST_HOST"] = str(fleet.folder)

    def ruby(self, script: str, *arguments: str | Path) -> str:
        """What one of the scripts beside this project's tests of Vagrant prints."""
        command = ["ruby", SCRIPTS / script, *arguments]
        return check(command, cwd=self.folder, environment=self.environment)

    def read(self, *folders: Path) -> dict[str, Any]:
        """What Vagrant reads in projects: folder to machine to what it has."""
        command = ["ruby", str(SCRIPTS / "dump.rb"), *map(str, folders)]
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def boot(self, project: Path, machine: str, uuid: str, *boot: str | Path) -> str:
        """Boot a machine as Vagrant does, see boot.rb."""
        data = project / ".vagrant" / "machines" / machine / "virtualbox"
        data.mkdir(parents=True, exist_ok=True)
        (data / "id").write_text(uuid, encoding="utf-8")
        return self.ruby("boot.rb", project, machine, *boot)

    def calls(self) -> list[list[str]]:
        """All calls of VBoxManage since the last time that this was asked."""
        if not self.calls_file.exists():
            return []
        lines = self.calls_file.read_text(encoding="utf-8").split("\n")[:-1]
        self.calls_file.unlink()
        return [line.split("\x1f")[:-1] for line in lines]


def servers(fleet: Fleet) -> list[Path]:
    """VirtualBox's servers that run in the host's root, as folders of /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "exe").readlink().name == "VBoxSVC" and (folder / "root").samefile(fleet.root):
                found.append(folder)
    return found


@contextlib.contextmanager
def service(fleet: Fleet) -> Iterator[None]:
    """VirtualBox's server of the host's root for the block, which stays.

    One that a client starts leaves after seconds without clients. Who meets it just leaving is refused, as are two
    clients that start it at once; Vagrant does not try again. No machine of the root may run, which would keep another
    server.
    """
    until(lambda: not servers(fleet), "VirtualBox's server does not leave", pause=0.5)
    command = [str(fleet.folder / "enter"), str(fleet.root), "/usr/lib/virtualbox/VBoxSVC"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            until(
                lambda: fleet.host(MANAGE, "list", "vms", check=False).returncode == 0,
                "VBoxSVC does not answer",
                pause=0.5,
            )
            assert process.poll() is None, "another server answers"
            yield
        finally:
            process.terminate()


def project(folder: Path, *parts: str, machines: Sequence[str] = (), extra: str = "") -> Path:
    """A project with a Vagrantfile; ``parts`` come after the user's own."""
    folder.mkdir(parents=True, exist_ok=True)
    defines = "".join(f"  config.vm.define {json.dumps(name)}\n" for name in machines)
    own = f"Vagrant.configure('2') do |config|\n  config.vm.box = 'debian'\n{defines}{extra}end\n"
    (folder / "Vagrantfile").write_text("".join([own, *parts]), encoding="utf-8")
    return folder


def uuid_of(fleet: Fleet, name: str) -> str:
    """The UUID of a machine."""
    lines = fleet.vbox("showvminfo", name, "--machinereadable").splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("UUID="))


def shared(fleet: Fleet, name: str) -> dict[str, tuple[str, bool]]:
    """What the host shares with a machine: path, and whether it is writable, by the share's name."""
    return {share: (one["path"], one["writable"]) for share, one in shares(fleet, name).items()}


@contextlib.contextmanager
def machines_without_guests(name: str) -> Iterator[Fleet]:
    """A host of this run with a package in its store and the machines g1 and g2, which have no disks."""
    with Fleet(name, ()).running(quiet=True) as made:
        for machine in ("g1", "g2"):
            made.vbox("createvm", "--name", machine, "--register")
        made.add_package("hello")
        yield made


def machines(fleet: Fleet) -> Mapping[str, dict[str, Any]]:
    """The machines of a host by their names, as the module machine_info tells them."""
    play = fleet.play(str(SCRIPTS / "machines.yml"))
    assert play.status == 0, play.output
    (result,) = play.results("vbox", "zeroinstall.virtualbox.machine_info")
    return {machine["name"]: machine for machine in result["machines"]}


def shares(fleet: Fleet, name: str) -> Mapping[str, dict[str, Any]]:
    """The shares of a machine, as the module machine_info tells them."""
    machine = machines(fleet)[name]
    return {share["name"]: share for share in machine["shares"]}
