# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation prints: its pages, their fenced blocks, headings and links."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from parts import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
"""What users read."""
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in this language."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(text) for _indent, name, text in found if name == language]


def block(page: Path, language: str, beginning: str = "") -> str:
    """The one fenced block of a page in this language that begins so."""
    (found,) = (text for text in blocks(page, language) if text.startswith(beginning))
    return found


def anchors(page: Path) -> set[str]:
    """The names by which a link reaches the headings of a page, as forges make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """The links of a page that lead to no file of this repository, or to no heading of a page."""
    for path, anchor in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{page.relative_to(REPOSITORY)}: {path}#{anchor}"
