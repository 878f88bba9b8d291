# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrows in docs/architecture.md are the imports that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from setup import REPOSITORY

pytestmark = pytest.mark.lint

EVERYWHERE = {"_errors", "_names", "_manifest"}
"""What nearly everything imports, which the document leaves out."""
FOLDER = REPOSITORY / "plugins" / "module_utils"


def imports(path: Path) -> set[str]:
    """The modules of the collection that a module imports."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    own = [node for node in nodes if isinstance(node, ast.ImportFrom) and "zeroinstall" in str(node.module)]
    lasts = [(str(node.module).rpartition(".")[2], [name.name for name in node.names]) for node in own]
    return {one for last, names in lasts for one in (names if last == "module_utils" else [last])}


def drawn() -> dict[str, set[str]]:
    """The same as it is drawn. What is far to the right goes on with the line above."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    part = text.partition("\nplugins/module_utils/\n")[2].partition("\n```")[0]
    lines = re.sub(r"\n   \| {20,}", " ", part).split("\n")
    found = [re.fullmatch(r"   \|(?:   \w+:| {10,}) +(_\w+) +(.+?)(?: -> (.*))?", line) for line in lines]
    return {match[1]: set(re.findall(r"\b_\w+", match[3] or "")) for match in found if match}


def test_the_arrows_are_the_imports() -> None:
    wanted = {path.stem: imports(path) - EVERYWHERE for path in FOLDER.glob("_[a-z]*.py")}
    assert drawn() == wanted
