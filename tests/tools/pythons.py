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

Version = tuple[int, int]

OLDEST_TARGET = (3, 8)  # the oldest Python of hosts and guests
OLDEST_FOR_TESTS = (3, 11)  # the oldest Python that runs these tools
CORES: Mapping[str, tuple[Version, Version]] = {
    "2.16": ((3, 10), (3, 12)),
    "2.18": ((3, 11), (3, 13)),
    "2.19": ((3, 11), (3, 13)),
    "newest": ((3, 12), (3, 99)),
}
"""Each ansible-core that is tested, with the oldest and the newest Python of a controller that it knows."""

TOO_OLD: tuple[Version, Version] = ((3, 9), (3, 11))
"""The same for ansible-core 2.15, which the collection refuses."""


def choose(found: Iterable[Version]) -> dict[str, Version]:
    """The Python for each ansible-core for which one was found: the newest one for the newest, else the oldest one."""
    usable = sorted(one for one in found if one >= OLDEST_FOR_TESTS)
    right = {core: [one for one in usable if first <= one <= last] for core, (first, last) in CORES.items()}
    return {core: ones[-1 if core == "newest" else 0] for core, ones in right.items() if ones}


def ends(found: Iterable[Version], core: str) -> tuple[Version, Version]:
    """The oldest and the newest version of those found that this ansible-core knows."""
    known = [one for one in found if one <= CORES[core][1]]
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
