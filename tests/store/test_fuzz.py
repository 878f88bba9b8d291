# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzing of the readers of manifests and records: some rounds, the same each time."""

from __future__ import annotations

import sys
from pathlib import Path

from programs import check
from setup import REPOSITORY


def test_some_rounds_of_fuzzing_find_nothing(tmp_path: Path) -> None:
    program = REPOSITORY / "tests" / "fuzz" / "fuzz_manifest.py"
    output = check([sys.executable, program, "--rounds", "18", "--seed", "1"], cwd=tmp_path)
    assert ", 18 rounds in" in output and ", no crash (" in output
    for what in ("lines read", "names", "records read"):
        assert f" {what}" in output
