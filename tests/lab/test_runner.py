# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers other than the tests': ansible-runner, as AWX runs it, and each ansible-core with the collection alone.

The host is the lab's, with the real VirtualBox. AWX would run this in a container with an Execution Environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vagrants
import yaml
from fleet import Fleet
from programs import check
from setup import with_ansible

STORE = "/var/cache/0install.net/implementations"


class Controller:
    """A private data directory of ansible-runner, with a guest whose machine is g1 on the lab's host."""

    def __init__(self, folder: Path, fleet: Fleet, tree: Path, environment: Path) -> None:
        self.folder = folder
        self.variables = {"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self._install(tree)
        inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
        guest = {"cache_guest_host": "vbox", "cache_guest_machine": "g1"}
        inventory["all"]["children"]["zeroinstall_guests"] = {"hosts": {"g1": guest}}
        self._write("inventory/hosts.yml", inventory)
        self._write("project/site.yml", [{"import_playbook": "zeroinstall.virtualbox.share"}])

    def _write(self, name: str, content: object) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def _install(self, tree: Path) -> None:
        """Install the collection for the project, as AWX does by the project's collections/requirements.yml."""
        galaxy = ["ansible-galaxy", "collection"]
        check([*galaxy, "build", "--output-path", self.folder], cwd=tree, environment=self.variables)
        (tarball,) = self.folder.glob("*.tar.gz")
        self._write("project/collections/requirements.yml", {"collections": [{"name": str(tarball), "type": "file"}]})
        folder = self.folder / "project" / "collections"
        install = [*galaxy, "install", "--offline", "-r", folder / "requirements.yml", "-p", folder]
        only = {"ANSIBLE_COLLECTIONS_PATH": str(folder)}  # without the work tree
        check(install, cwd=self.folder, environment={**self.variables, **only})
        self._write("env/envvars", only)

    def run(self, ident: str, options: str = "") -> dict[str, Any]:
        """Run the playbook with options of ansible-playbook; its numbers."""
        (self.folder / "env" / "cmdline").write_text(f"--limit vbox {options}", encoding="utf-8")
        command = ["ansible-runner", "run", self.folder, "-p", "site.yml", "--ident", ident]
        check(command, cwd=self.folder, environment=self.variables)
        artifacts = self.folder / "artifacts" / ident
        assert (artifacts / "status").read_text(encoding="utf-8") == "successful"
        events = [json.loads(file.read_bytes()) for file in (artifacts / "job_events").glob("*.json")]
        (numbers,) = (event["event_data"] for event in events if event["event"] == "playbook_on_stats")
        return numbers


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a store and two machines."""
    with vagrants.machines_without_guests("runner") as made:
        yield made


def test_a_controller_shares_the_store(fleet: Fleet, tree: Path, tmp_path: Path, environment: Path) -> None:
    folder = tmp_path / "controller"
    folder.mkdir()
    controller = Controller(folder, fleet, tree, environment)
    for share in vagrants.shared(fleet, "g1"):  # an earlier run's, by another ansible-core
        fleet.vbox("sharedfolder", "remove", "g1", f"--name={share}")
    assert controller.run("check", "--check")["changed"]["vbox"]
    assert vagrants.shared(fleet, "g1") == {}
    assert controller.run("real")["changed"]["vbox"]
    assert vagrants.shared(fleet, "g1") == {"ZeroInstall": (STORE, False)}
    assert controller.run("again")["changed"] == {}


SAID: dict[str, list[object]] = {}
"""What each ansible-core said in check mode."""


@pytest.mark.each_core
def test_each_core_installs_the_collection_alone_and_says_the_same(
    fleet: Fleet, tree: Path, tmp_path: Path, environment: Path
) -> None:
    for share in vagrants.shared(fleet, "g1"):
        fleet.vbox("sharedfolder", "remove", "g1", f"--name={share}")
    ansible = with_ansible(environment)
    check(["ansible-galaxy", "collection", "build", "--output-path", tmp_path], cwd=tree, environment=ansible)
    (tarball,) = tmp_path.glob("*.tar.gz")
    alone = tmp_path / "collections"
    install = ["ansible-galaxy", "collection", "install", "--offline", "-p", alone, tarball]
    check(install, cwd=tmp_path, environment={**ansible, "ANSIBLE_COLLECTIONS_PATH": str(alone)})
    found = {path.name.partition(".")[0] for path in (alone / "ansible_collections").iterdir()}
    assert found == {"zeroinstall"}
    inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
    guest = {"cache_guest_host": "vbox", "cache_guest_machine": "g1"}
    inventory["all"]["children"]["zeroinstall_guests"] = {"hosts": {"g1": guest}}
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    # The second path has the callback by which this test reads the results.
    variables = {**ansible, "ANSIBLE_COLLECTIONS_PATH": f"{alone}{os.pathsep}{ansible['ANSIBLE_COLLECTIONS_PATH']}"}
    options = ("--limit", "vbox", "--check", "--diff")
    play = fleet.play("zeroinstall.virtualbox.share", *options, inventory=path, variables=variables)
    assert play.status == 0 and play.hosts["vbox"]["changed"], play.output
    SAID[environment.name] = [
        (task["task"]["name"], *(result.get(key) for key in ("changed", "skipped", "msg", "diff", "machines")))
        for task in play.tasks
        for result in task["hosts"].values()
    ]
    first, *_others = SAID.values()
    assert SAID[environment.name] == first
