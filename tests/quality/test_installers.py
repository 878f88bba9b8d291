# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate: only the set-up installs anything on the machine. What tests do in roots of their own is in a table."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from setup import REPOSITORY

pytestmark = pytest.mark.lint

PROGRAMS = re.compile(
    r"\bapt-get\b|\bapt\b[^.\n]*\binstall\b|\baptitude\b|\bdpkg\b[^\n]*\s-(?:i|-install)\b|\beasy_install\b"
    r"|(?<![\w/.-])pip3?(?![\w/.-])|\bmmdebstrap\b|\bdebootstrap\b|\bgem install\b|\bnpm\b"
    r"|\bansible\.builtin\.(?:apt|pip|package|dnf)\b"
)
COMMENT = re.compile(r"^\s*(?:#|//|- name:)")

PLACE = "It is the place that installs"
ROOT = "It works in a root of its own"
NAMED = "It names the program, and does not run it"
FORGE = "It runs on a machine of the forge, before the tests or without them"
KNOWN = {
    ".github/dependabot.yml": (1, NAMED),
    ".github/workflows/release.yml": (2, FORGE),
    ".github/workflows/tests.yml": (2, FORGE),
    ".github/workflows/weekly.yml": (2, FORGE),
    "tests/benchmarks/fleet/naive/tasks/main.yml": (1, ROOT),
    "tests/tools/installing.py": (3, PLACE),
    "tests/tools/environments.py": (5, PLACE),
    "extensions/molecule/containers/side_effect.yml": (1, ROOT),
    "tests/containers/repository.sh": (1, ROOT),
    "tests/imports/test_service.py": (1, ROOT),
    "tests/lab/boot/fetch-kernel.sh": (1, ROOT),
    "tests/lab/install/fetch.sh": (2, ROOT),
    "tests/lab/labkit/debian.py": (2, ROOT),
    "tests/quality/test_steps.py": (3, ROOT),
    "tests/switches/test_guest_switches.py": (2, ROOT),
    "tests/tools/fresh.py": (3, ROOT),
    "tests/quality/test_forge.py": (1, NAMED),
    "tests/quality/test_fresh.py": (1, NAMED),
    "tests/quality/test_setup.py": (1, NAMED),
    "tests/tools/parts.py": (1, NAMED),
    "tests/tools/unit.py": (1, NAMED),
}
"""Files in which something that installs is named: how often, and why that is right."""


def texts(path: Path) -> list[str]:
    """What is code in a file: the lines without comments, of Python the strings that are no documentation."""
    content = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".py":
        return [line for line in content.splitlines() if not COMMENT.match(line)]
    tree = ast.parse(content)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def found(path: Path) -> list[str]:
    """The texts of a file that name a program which installs something."""
    return [text for text in texts(path) if PROGRAMS.search(text)]


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("one.py", '"""It calls apt-get."""\nrun("apt-get", "update")  # apt-get\n', 1),
        ("one.py", '"a pipe, an adapter, /etc/pip.conf, apt words"\n', 0),
        ("one.py", 'run([python, "-m", "pip", "install", "x"])\n', 1),
        ("one.sh", "# apt-get\nsh -c 'apt -y install gcc'\n  dpkg -i x.deb\n", 2),
        ("one.yml", "- name: Have apt-get\n  ansible.builtin.apt:\n", 1),
    ],
)
def test_such_a_line_is_found(tmp_path: Path, name: str, text: str, number: int) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(found(tmp_path / name)) == number


def test_only_the_set_up_installs_on_the_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard", "tests", "extensions", "Makefile", ".ci", ".github"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    named = {path: found(REPOSITORY / path) for path in listed if path and (REPOSITORY / path).is_file()}
    named.pop("tests/quality/test_installers.py")
    numbers = {path: len(here) for path, here in named.items() if here and not path.endswith(".md")}
    assert numbers == {path: number for path, (number, _why) in KNOWN.items()}, named
