# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test sanity --test pylint`` over a copy of the work tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import ansible_test
from setup import Setup

pytestmark = pytest.mark.thorough


@pytest.mark.each_core
def test_ansible_test_pylint(tree: Path, setup: Setup, environment: Path, venv: Path) -> None:
    """With each later ansible-core over what Ansible loads, and its unit tests: the rest does not depend on it."""
    targets = () if environment == venv else ("plugins/", "tests/unit/")
    output = ansible_test(setup, environment, tree, "sanity", "--test", "pylint", *targets)
    assert 'Running sanity test "pylint"' in output and "Skipping" not in output
