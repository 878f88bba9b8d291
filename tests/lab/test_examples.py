# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/examples has for other people's repositories, as it is printed, on a real host and a real guest.

The inventory is the lab's, with the program of the examples from a server on the loopback. Vagrant's own machine stays
out: tests/vagrant has what of it can run here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import vagrants
import yaml
from feed_server import serving
from fleet import Fleet
from programs import check
from setup import REPOSITORY

pytestmark = pytest.mark.thorough

EXAMPLES = REPOSITORY / "docs" / "examples"
SCENARIO = EXAMPLES / "molecule" / "zeroinstall"
STORE = "/var/cache/0install.net/implementations"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host and a guest, whose inventory wants the program hello."""
    with serving() as server, Fleet("examples", ("g1",)).running(quiet=True) as made:
        run = '<command name="run" path="run"/>'
        hello = server.implementation("hello", "1", {"run": "#!/bin/sh\necho hello from the store\n"}, run)
        wanted = {"name": "hello", "uri": server.feed("hello", hello), "trust": [server.fingerprint]}
        inventory = json.loads(made.inventory.read_text(encoding="utf-8"))
        group = inventory["all"]["children"]["zeroinstall_guests"]
        group["vars"]["cache_programs_list"] = [wanted]
        printed = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text(encoding="utf-8"))
        host = inventory["all"]["children"]["zeroinstall_hosts"]["hosts"]["vbox"]
        host["cache_host_arrangement"] = printed["zeroinstall_hosts"]["vars"]["cache_host_arrangement"]
        made.inventory.write_text(json.dumps(inventory), encoding="utf-8")
        yield made


def environment(fleet: Fleet) -> dict[str, str]:
    """The variables with which Ansible reaches the lab."""
    return {"ANSIBLE_CONFIG": str(fleet.settings), "no_proxy": "127.0.0.1", "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"}


def shared(fleet: Fleet) -> list[str]:
    """The names of what the host shares with the guest, beside the lab's own shares."""
    return [name for name in vagrants.shared(fleet, "g1") if not name.startswith("lab-")]


def test_the_scenario_shares_for_a_role_of_ones_own_and_leaves_no_share(fleet: Fleet, tmp_path: Path) -> None:
    role = tmp_path / "greeter"
    shutil.copytree(EXAMPLES / "molecule", role / "molecule")
    shutil.copytree(EXAMPLES / "site" / "roles" / "app", role, dirs_exist_ok=True)
    scenario = role / "molecule" / "zeroinstall"
    shutil.copy(fleet.inventory, scenario / "inventory" / "hosts.yml")
    (scenario / "requirements.yml").write_text("---\ncollections: []\n", encoding="utf-8")  # it is not on Galaxy yet
    plugins = {"ANSIBLE_CONNECTION_PLUGINS": str(REPOSITORY / "tests" / "lab" / "connection_plugins")}
    variables = {**environment(fleet), **plugins, "ANSIBLE_ROLES_PATH": str(tmp_path)}
    output = check(["molecule", "test", "--scenario-name", "zeroinstall"], cwd=role, environment=variables)
    for action in ("prepare", "converge", "idempotence", "verify", "destroy"):
        assert f"zeroinstall > {action}" in output, output
    assert fleet.guest("g1", "cat /etc/hello")[1].strip() == "hello from the store"
    assert shared(fleet) == []
    assert fleet.guest("g1", "ls /usr/local/bin/hello", check=False)[0] != 0
    assert fleet.host("ls", STORE).stdout.strip(), "the host's store keeps its packages"


def test_the_site_includes_the_collection_between_its_own_roles(fleet: Fleet, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "site", site)
    shutil.rmtree(site / "group_vars")  # the inventory of the lab has these variables
    fleet.guest("g1", "rm -f /etc/hello")
    variables = {**os.environ, **environment(fleet)}
    command = ["ansible-playbook", "-i", str(fleet.inventory), "site.yml"]
    check(command, cwd=site, environment=variables)
    assert fleet.guest("g1", "cat /etc/hello")[1].strip() == "hello from the store"
    assert fleet.guest("g1", "cat /etc/motd")[1].strip() == "Ansible manages this machine."
    again = check(command, cwd=site, environment=variables)
    assert all("changed=0" in line and "failed=0" in line for line in again.splitlines() if "changed=" in line), again
    assert fleet.play("zeroinstall.virtualbox.unshare").status == 0
    assert shared(fleet) == []
