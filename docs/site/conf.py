# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the documentation site, which tests/tools/docs_site.py builds of a copy of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((HERE / "galaxy.yml").read_text(encoding="utf-8"))
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)[^)\s]*\)")
"""A link of Markdown, as [text](path#heading)."""

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
version = release = GALAXY["version"]
html_title = f"{project} {version}"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False

extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinxcontrib.mermaid"]
root_doc = "index"
include_patterns = [
    *("index.md", "[A-Z]*.md", "docs/*.md", "reference/**"),
    *("tests/README.md", "tests/*/README.md", "tests/benchmarks/*.md"),
]
highlight_language = "yaml+jinja"
default_role = "any"
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4

nitpicky = True
# Ansible's own documentation is elsewhere, and nothing is fetched to build this.
nitpick_ignore_regex = [
    ("std:ref", r"ansible_collections\.ansible\..*|action_plugins|common_return_values|ansible_configuration_settings")
]


def point_to_the_repository(app: Sphinx, name: str, text: list[str]) -> None:
    """Have links to what is no page lead to the repository; without a public home they become plain text.

    A link to what is not there is left, so that Sphinx tells of it.
    """
    folder = (Path(app.srcdir) / name).parent
    home = GALAXY.get("repository")

    def replaced(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if not target.exists() or app.env.path2doc(str(target)) in app.env.found_docs:
            return link[0]
        place = target.relative_to(app.srcdir).as_posix()
        return f"[{link[1]}]({home}/blob/main/{place})" if home else link[1]

    if (folder / f"{Path(name).name}.md").exists():
        text[0] = LINK.sub(replaced, text[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", point_to_the_repository)
