# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-core that is too old for the collection. Stand-ins for others are in the unit tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from labkit.waiting import HANG
from setup import Setup

pytestmark = pytest.mark.thorough

GUEST = {"ansible_connection": "local", "cache_guest_host": "host", "cache_guest_machine": "guest"}
REFUSAL = "ERROR! The collection zeroinstall.virtualbox needs ansible-core 2.16 or later, and this is 2.15."


@pytest.mark.optional
@pytest.mark.parametrize("playbook", ["share", "unshare", "verify"])
def test_it_is_told_so_in_a_line(setup: Setup, tmp_path: Path, playbook: str) -> None:
    if "too-old" not in setup.tools:
        pytest.skip("there is no Python for an ansible-core that is too old")
    inventory = tmp_path / "inventory.json"
    groups = {
        "zeroinstall_hosts": {"hosts": {"host": {"ansible_connection": "local"}}},
        "zeroinstall_guests": {"hosts": {"guest": GUEST}},
    }
    inventory.write_text(json.dumps(groups), encoding="utf-8")
    program = f"{setup.tools['too-old']}/bin/ansible-playbook"
    done = subprocess.run(
        [program, "-i", inventory, f"zeroinstall.virtualbox.{playbook}", "--check"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": setup.collections, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert done.returncode, done.stdout
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("ERROR! "))
    assert line.startswith(REFUSAL), done.stderr
    assert "changed: [" not in done.stdout
