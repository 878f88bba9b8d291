# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenarios, as a user of molecule runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet import alone_with
from programs import check
from setup import REPOSITORY, run_name

pytestmark = pytest.mark.thorough


def test_the_scenario_of_the_lab(tmp_path: Path) -> None:
    """create, converge, idempotence, verify and destroy, each of which molecule names; nothing is left of a failure."""
    name = run_name("molecule-lab")
    environment = {
        "LAB_RUN": name,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
    }
    with alone_with(name):
        try:
            command = ["molecule", "test", "--scenario-name", "lab"]
            output = check(command, cwd=REPOSITORY, environment=environment)
        finally:
            check(["molecule", "destroy", "--scenario-name", "lab"], cwd=REPOSITORY, environment=environment)
    for action in ("create", "converge", "idempotence", "verify", "destroy"):
        assert f"lab > {action}" in output, output
