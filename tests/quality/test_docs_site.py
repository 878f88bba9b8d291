# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site of a copy of the work tree: its pages and its links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import docs_site
import pytest
from environments import copy_tree
from setup import REPOSITORY, Setup

PLUGINS = {"modules": "module", "filter": "filter"}


def pages() -> set[str]:
    """Where each guide, module, filter and role has its page."""
    guides = {f"docs/{guide.stem}.html" for guide in (REPOSITORY / "docs").glob("*.md")}
    plugins = {
        f"reference/{file.stem}_{kind}.html"
        for folder, kind in PLUGINS.items()
        for file in (REPOSITORY / "plugins" / folder).glob("[!_]*.py")
    }
    roles = {f"reference/{role.name}_role.html" for role in (REPOSITORY / "roles").iterdir()}
    return guides | plugins | roles


def test_the_site_has_a_page_for_all(setup: Setup, tmp_path: Path) -> None:
    site = tmp_path / "site"
    docs_site.build(Path(setup.tools["docs"]), copy_tree(tmp_path), site)
    assert pages() - {str(page.relative_to(site)) for page in site.rglob("*.html")} == set()


def test_a_link_to_nowhere_is_an_error(setup: Setup, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = copy_tree(tmp_path)
    with (tree / "docs" / "guests.md").open("a", encoding="utf-8") as guide:
        guide.write("\n[1](nowhere.md) [2](modes.md#nowhere) [3](#nowhere) [4](../tests/nowhere) [5](../tests/lab)\n")
    with pytest.raises(subprocess.CalledProcessError):
        docs_site.build(Path(setup.tools["docs"]), tree, tmp_path / "site")
    told = re.findall(r"guests\.md:.*WARNING: .*'(.*)'", capfd.readouterr().err)
    assert told == ["nowhere.md", "nowhere", "nowhere", "../tests/nowhere"]
