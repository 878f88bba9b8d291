# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test sanity`` over a copy of the work tree; its pylint, half of its time, is in test_pylint.py."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from programs import ansible_test
from setup import REPOSITORY, Setup


@pytest.mark.each_core
def test_ansible_test_sanity(tree: Path, setup: Setup, environment: Path) -> None:
    output = ansible_test(setup, environment, tree, "sanity", "--skip-test", "pylint")
    assert 'Running sanity test "shellcheck"' in output
    skipped = {line for line in output.splitlines() if "Skipping" in line}
    absent = {line for line in skipped if line.endswith("because it could not be found.") and " on Python 3." in line}
    assert skipped - absent == set()
    if absent:
        warnings.warn("this machine does not have every Python: " + " ".join(sorted(absent)), stacklevel=1)


def test_nothing_is_excepted_from_ansible_test_sanity() -> None:
    assert not list(REPOSITORY.glob("tests/sanity/ignore*"))
