# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test units`` over a copy of the work tree. What it needs was installed by the set-up."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import ansible_test
from pythons import known_pythons
from setup import Setup


def as_numbers(version: str) -> tuple[int, ...]:
    """A version for comparison."""
    return tuple(map(int, version.split(".")))


def targets(setup: Setup, environment: Path) -> list[str]:
    """The versions of Python to run the units in, in ascending order."""
    return sorted(known_pythons(environment) & setup.targets.keys(), key=as_numbers)


def run_units(versions: list[str], tree: Path, setup: Setup, environment: Path, *folders: str) -> None:
    """Run the unit tests of these folders, or all, in these versions of Python."""
    chosen = [
        word for version in versions for word in ("--target-python", f"{version}@{setup.targets[version]}/bin/python")
    ]
    output = ansible_test(setup, environment, tree, "units", *chosen, *folders)
    for version in versions:
        assert f"with Python {version}\n" in output
    assert not [line for line in output.splitlines() if line.startswith(("SKIPPED", "XFAIL"))]


@pytest.mark.each_core
def test_ansible_test_units_in_the_oldest_and_the_newest_python(
    tree: Path, setup: Setup, environment: Path, venv: Path
) -> None:
    """With a later ansible-core in the newest Python only, which the oldest may not know."""
    known = targets(setup, environment)
    ends = [known[0], known[-1]] if environment == venv else known[-1:]
    run_units(list(dict.fromkeys(ends)), tree, setup, environment)


@pytest.mark.thorough
def test_ansible_test_units_in_the_pythons_between(tree: Path, setup: Setup, venv: Path) -> None:
    """What runs on targets, with the oldest ansible-core, which knows all of these Pythons."""
    between = targets(setup, venv)[1:-1]
    assert between or len(setup.targets) <= 2
    if between:
        run_units(between, tree, setup, venv, "tests/unit/plugins/modules/", "tests/unit/plugins/module_utils/")
