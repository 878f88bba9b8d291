# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test units`` over a copy of the work tree."""

from __future__ import annotations

from pathlib import Path

from programs import ansible_test_environment, check
from setup import Setup


def supported_pythons(environment: Path) -> set[str]:
    """The versions of Python that the environment's ansible-test knows as targets."""
    code = (
        "from ansible_test._util.target.common import constants as c;"
        "print(*c.REMOTE_ONLY_PYTHON_VERSIONS, *c.CONTROLLER_PYTHON_VERSIONS)"
    )
    return set(check([environment / "bin" / "python", "-c", code], cwd=environment).split())


def as_numbers(version: str) -> tuple[int, ...]:
    """A version for comparison."""
    return tuple(map(int, version.split(".")))


def test_ansible_test_units(tree: Path, setup: Setup, environment: Path) -> None:
    """In all target Pythons with the oldest ansible-core; with the newest, in the oldest and newest that it knows."""
    known = supported_pythons(environment)
    targets = {version: path for version, path in setup.targets.items() if version in known}
    if str(environment) != setup.environments["oldest"]:
        ends = (min(targets, key=as_numbers), max(targets, key=as_numbers))
        targets = {version: targets[version] for version in ends}
    chosen = [word for version, path in targets.items() for word in ("--target-python", f"{version}@{path}/bin/python")]
    output = check(
        [environment / "bin" / "ansible-test", "units", "--requirements", "--color", "no", *chosen],
        cwd=tree,
        environment=ansible_test_environment(setup, environment),
        timeout=1200,
    )
    for version in targets:
        assert f"with Python {version}\n" in output
    assert not [line for line in output.splitlines() if line.startswith(("SKIPPED", "XFAIL"))]
