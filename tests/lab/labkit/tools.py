# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has what the lab needs. The tests' set-up installs it (tests/tools/setup.py), never the lab."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .console import LabError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import installing
import parts
import steps


def require(*needs: str) -> None:
    """LabError unless the Debian packages of these needs (parts.NEEDS) are installed, of the lab's own without any."""
    try:
        installing.require(parts.packages(needs or ("host",)))
    except steps.StepError as error:
        raise LabError(str(error)) from error


def check_machine() -> None:
    """LabError unless this is a machine that can build and run the lab."""
    if os.geteuid():
        raise LabError("the lab mounts file systems and changes roots: run it as root")
    if os.uname().machine != "x86_64":
        raise LabError("VirtualBox's interpreter needs an x86_64 machine, this one is " + os.uname().machine)
