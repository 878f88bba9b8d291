# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``revoke``, by the real Ansible: what came from a guest goes to the quarantine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import linking
from hosts import Host, digest, named, pack
from labkit.waiting import HANG


def playbook(host: Host, *options: str, revoke: object) -> tuple[int, str]:
    """The playbook's exit status, and what it printed."""
    metal = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable,
             "cache_host_path": str(host.store)}  # fmt: skip
    inventory = {
        "zeroinstall_hosts": {"hosts": {"metal": metal}},
        "zeroinstall_guests": {"hosts": {"good": {"cache_guest_host": "metal", "cache_guest_machine": "vm"}}},
    }
    path = host.folder / "inventory.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    done = subprocess.run(
        ["ansible-playbook", "-i", path, "zeroinstall.virtualbox.revoke", "-e",
         json.dumps({"cache_import_revoke": revoke}), *options],
        capture_output=True, text=True, timeout=HANG, cwd=host.folder, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def quarantine(store: Path) -> set[str]:
    """What is in a store's quarantine."""
    folder = store.with_name("implementations.quarantine")
    return {name for name in os.listdir(folder) if not name.startswith(".")} if folder.exists() else set()


def test_what_came_from_a_guest_goes_to_the_quarantine(host: Host, folder: Path) -> None:
    """Out of the store and the linked stores; what others sent stays. A second run has nothing to do."""
    mine, both, others = (digest(named(number), folder) for number in range(3))
    host.put("good", mine, pack(named(0)))
    host.put("good", both, pack(named(1)))
    host.put("other", others, pack(named(2)))
    host.run()
    host.put("other", both, pack(named(1)))
    assert [answer.status for answer in host.run()] == ["present"]
    stores = [{"name": "vm1", "implementations": [mine, others], "exact": False, "coming": []}]
    linking.run(Asked({"store": str(host.store), "stores": stores, "absent": []}))
    linked = host.store.parent / "linked/vm1/0install.net/implementations"
    before = host.check()

    status, said = playbook(host, "--check", revoke=["good"])
    assert status == 0, said
    assert f"{host.store}/{mine} would be moved to {host.store}.quarantine/{mine}." in said
    assert host.check() == before and quarantine(host.store) == set()

    with subprocess.Popen(["sleep", str(HANG)], cwd=host.store / both) as user:
        try:
            status, said = playbook(host, revoke=["good"])
        finally:
            user.kill()
    assert status == 0, said
    assert f"Used by: process {user.pid} (sleep)" in said and said.count("came from guest 'good' on 20") == 2
    assert host.check() == {others} and quarantine(host.store) == {mine, both}
    assert set(os.listdir(linked)) == {others} and quarantine(linked) == {mine}

    status, said = playbook(host, revoke="good,other-one")
    assert status == 0 and "changed=0" in said, said
    for name in ("good", "other-one"):
        assert f"No store of metal has a package from guest '{name}'." in said
    assert host.check() == {others}


def test_names_that_are_none_and_an_empty_list_touch_nothing(host: Host, folder: Path) -> None:
    name = digest(named(0), folder)
    host.put("good", name, pack(named(0)))
    host.run()
    status, said = playbook(host, revoke=["good", "../good"])
    assert status != 0 and "neither a name of the inventory nor the name of a box" in said
    status, said = playbook(host, revoke=[])
    assert status == 0 and "names no guest, so nothing is revoked" in said
    status, said = playbook(host, "--limit", "good", revoke=["good"])
    assert status != 0 and "Nothing was revoked: --limit leaves none of the hosts" in " ".join(said.split())
    # What is not known is no reason to say that nothing came.
    host.staging.chmod(0o755)
    status, said = playbook(host, revoke=["good"])
    assert status != 0 and "is no folder that only user" in said
    assert os.listdir(host.store) == [name] and quarantine(host.store) == set()
