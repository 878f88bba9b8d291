# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenario on containers: Debian releases with systemd, and guests without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fleet import alone_with
from programs import check
from setup import REPOSITORY, run_name

pytestmark = pytest.mark.thorough
CONTAINERS = Path(__file__).with_name("containers.py")
ACTIONS = ("create", "prepare", "converge", "idempotence", "verify", "side_effect", "cleanup", "destroy")


def test_the_scenario_on_containers(tmp_path: Path) -> None:
    """Every action, on every guest; nothing is left of a failure."""
    name = run_name("molecule")
    environment = {
        "CONTAINERS_RUN": name,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
    }
    with alone_with(name):
        try:
            command = ["molecule", "test", "--scenario-name", "containers"]
            output = check(command, cwd=REPOSITORY, environment=environment)
        finally:
            check([sys.executable, CONTAINERS, "--run", name, "down"], cwd=REPOSITORY)
    for action in ACTIONS:
        assert f"containers > {action}] Executed: Successful" in output, output
    assert "Missing playbook" not in output  # molecule goes on without it
