# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine, and which of them the tests use."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

OLDEST_TARGET = (3, 8)  # the oldest target Python of ansible-core 2.19
OLDEST_CONTROLLER = (3, 11)  # the oldest controller Python of ansible-core 2.19
NEWEST_FOR_OLDEST = (3, 13)  # the newest one that ansible-core 2.19 knows
NEWER_CORE_FROM = (3, 12)  # ansible-core 2.20 and later do not run on an older Python
Version = tuple[int, int]


def choose(found: Iterable[Version]) -> tuple[Version | None, Version | None]:
    """The Python for the oldest and for the newest ansible-core, or None, out of the versions found."""
    oldest = min((one for one in found if OLDEST_CONTROLLER <= one <= NEWEST_FOR_OLDEST), default=None)
    newest = max((one for one in found if one >= NEWER_CORE_FROM), default=None)
    return oldest, newest


def ends(found: Iterable[Version]) -> tuple[Version, Version]:
    """The oldest and the newest version of those found that the oldest ansible-core knows."""
    known = [one for one in found if one <= NEWEST_FOR_OLDEST]
    return min(known), max(known)


def probe(candidate: str) -> tuple[Version, str] | None:
    """Version and path of an interpreter, or None for what does not run or cannot make virtual environments.

    A version manager's shim leads to the interpreter behind it, or to nothing where that version is switched off.
    """
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2], sys._base_executable)"
    try:
        done = subprocess.run(
            [candidate, "-I", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    words = done.stdout.strip().split(" ", 2)
    if done.returncode or len(words) != 3:
        return None
    return (int(words[0]), int(words[1])), words[2]


def find_pythons(environment: Mapping[str, str]) -> dict[Version, str]:
    """The interpreters of this machine that targets or controllers may have: the first that works of each version."""
    folders = [*environment.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    folders += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin")))
    found: dict[Version, str] = {}
    for folder in dict.fromkeys(folders):
        for candidate in sorted(glob.glob(os.path.join(glob.escape(folder), "python3.*"))):
            match = re.fullmatch(r"python3\.(\d+)", os.path.basename(candidate))
            if not match or (3, int(match[1])) < OLDEST_TARGET or (3, int(match[1])) in found:
                continue
            result = probe(candidate)
            if result:
                found.setdefault(*result)
    return dict(sorted(found.items()))


def known_pythons(environment: Path) -> set[str]:
    """The versions of Python that an environment's ansible-test knows as targets."""
    code = (
        "from ansible_test._util.target.common import constants as c;"
        "print(*c.REMOTE_ONLY_PYTHON_VERSIONS, *c.CONTROLLER_PYTHON_VERSIONS)"
    )
    command = [environment / "bin" / "python", "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
