# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of fleets still runs: each part of it with as few hosts and guests as it takes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from labkit.waiting import HANG
from setup import REPOSITORY

pytestmark = pytest.mark.thorough

ROWS = {
    "guests": (["--guests", "1,2"], ["share.yml, 1 guests", "naive role, 2 guests"]),
    "host": (
        ["--host", "1:1,2", "--host", "2:2"],
        ["1 guests on 1 hosts", "2 guests on 1 hosts", "2 guests on 2 hosts"],
    ),
    "portions": (
        ["--portions", "2"],
        ["all", "the same with strategy: free", "the same for a slice of half the guests"],
    ),
    "machines": (
        ["--machines", "1,2", "--hosts", "1"],
        ["machine_info, 2 machines, running", "shares, 1 machines, off"],
    ),
    "thousand": (["--thousand", "2", "--thousand-hosts", "2"], ["share", "verify", "unshare"]),
}


@pytest.mark.parametrize("part", ROWS)
def test_a_part_prints_its_table(part: str) -> None:
    options, rows = ROWS[part]
    program = [sys.executable, REPOSITORY / "tests/benchmarks/fleet.py", part, "--rounds", "1", *options]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    for row in rows:
        (figures,) = re.findall(rf"^\| {re.escape(row)} \|(.*)\|$", done.stdout, re.MULTILINE)
        costs = [float(figure) for figure in figures.split("|")]
        assert costs[0] > 0, figures
