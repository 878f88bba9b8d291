# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts below a folder."""

from __future__ import annotations

import re
from pathlib import Path

from .console import LabError, run


def mount(*args: object) -> None:
    """mount(8) with these arguments."""
    run("mount", *args)


def mounted_below(folder: Path) -> list[str]:
    """Mount points at or below a folder, the last mounted first.

    From /proc/self/mountinfo (proc(5)): field 5 is the mount point, with \\ooo for blanks and backslashes.
    """
    prefix = str(folder)
    points = [
        re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), line.split(" ")[4])
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [point for point in reversed(points) if point == prefix or point.startswith(prefix + "/")]


def unmount_below(folder: Path) -> None:
    """Unmount all at or below a folder; LabError if something stays."""
    for point in mounted_below(folder):
        if run("umount", point, check=False).returncode:
            run("umount", "--lazy", point, check=False)
    left = mounted_below(folder)
    if left:
        raise LabError("still mounted: %s; end what uses it and unmount it by hand" % ", ".join(left))
