# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzing of the readers of manifests and records, for some seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from programs import check
from setup import REPOSITORY


def test_fuzzing_for_some_seconds_finds_nothing(tmp_path: Path) -> None:
    program = REPOSITORY / "tests" / "fuzz" / "fuzz_manifest.py"
    output = check([sys.executable, program, "--minutes", "0.1"], cwd=tmp_path, timeout=120)
    assert ", no crash (" in output
    for what in ("lines read", "names", "records read"):
        assert f" {what}" in output
