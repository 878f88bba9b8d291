# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page ``report.html``: a report for people, in one file that asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import (
    _report_changes,
    _report_figures,
    _report_tables,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_cells import harmless, moment
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

MARK = '<meta name="generator" content="zeroinstall.virtualbox report">'
"""By this, a page is known again. The template has it, too."""
_ENDS = re.compile(r"</(?:style|script)|<!--", re.IGNORECASE)


class Sources(t.NamedTuple):
    """The texts that the page is made of: a template of Jinja, a style sheet and a script."""

    template: str
    style: str
    script: str


def page(report: t.Mapping[str, t.Any], before: t.Mapping[str, t.Any] | None, sources: Sources) -> str:
    """The page of a report, with what has changed since the report before it, if there is one.

    The texts of both may be anything, also of hostile guests: they stay text.

    Raises:
        ValueError: the style or the script would end, or hide, the element that it stands in.
    """
    found = harmless(report)
    style, script = _inlined(sources.style), _inlined(sources.script)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(sources.template).render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        made=moment(found["made"]),
        collection=found["collection"],
        limited=found["limited"],
        covered=_report_figures.covered(found),
        looked_at=_report_figures.looked_at(found),
        attention=_report_figures.attention(found),
        changes=_changes(found, before) if before else None,
        numbers=_report_figures.numbers(found),
        pictures=_report_figures.pictures(found),
        tables=_report_tables.tables(found),
    )


def _changes(report: t.Mapping[str, t.Any], before: t.Mapping[str, t.Any]) -> _report_changes.Changes | None:
    """What has changed since a report before, or None if that is none."""
    try:
        return _report_changes.changes(report, harmless(before))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def policy(style: str, script: str) -> str:
    """The Content Security Policy of a page that has this style and this script, and nothing else that acts."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inlined(text: str) -> str:
    """A style or a script as a browser reads it in a page."""
    if found := _ENDS.search(text):
        raise ValueError(f"a style or a script cannot contain {found[0]!r}")
    return text.replace("\r\n", "\n")
