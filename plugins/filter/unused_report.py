# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.unused_report``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _unused, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._words import sentence

DOCUMENTATION = r"""
name: unused_report
short_description: Say in a text what came of what no program needs any more
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Words what M(zeroinstall.virtualbox.unused_implementations) answered.
options:
  _input:
    description: The answer.
    type: dict
    required: true
  kept:
    description: More lines, of what the module was not asked to remove.
    type: list
    elements: str
    default: []
  check_mode:
    description: Whether nothing was removed because of check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what was removed, and what stays
  ansible.builtin.debug:
    msg: "{{ (removed | zeroinstall.virtualbox.unused_report).lines }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:lines), what was removed and what stays; RV(ignore:problem), what is wrong, or empty.
  type: dict
"""

MOST = 100
"""Implementations that are named."""


def unused_report(
    answer: t.Mapping[str, t.Any], kept: t.Sequence[str] = (), check_mode: bool = False
) -> dict[str, t.Any]:
    """What is to be said of an answer."""
    done = "would be" if check_mode else "was"
    try:
        removed = [f"{_unused.sized(one)} {done} removed." for one in _unused.entries(answer, "removed")]
        used = [
            f"{_unused.name(one)} stays, for this host uses it: {_unused.by(one)}."
            for one in _unused.entries(answer, "used")
        ]
        left = [
            f"{_unused.name(one)} stays: {sentence(_answers.word(one['reason'], 'reason'))}"
            for one in _unused.entries(answer, "left")
        ]
    except (_answers.Odd, KeyError) as error:
        return {"lines": [], "problem": f"The answer is none that the module gives (see {error})."}
    return {"lines": _words.first([*removed, *used, *kept], MOST), "problem": " ".join(_words.first(left, MOST))}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"unused_report": harmless(unused_report)}
