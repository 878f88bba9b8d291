# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.moved``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: moved
short_description: List what was moved aside, of several stores together
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Puts together what M(zeroinstall.virtualbox.store_quarantine) answered in each turn of a loop.
options:
  _input:
    description: The results of the turns, those that failed among them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what was moved
  ansible.builtin.debug:
    msg: "{{ (moves.results | zeroinstall.virtualbox.moved).named }}"
"""

RETURN = r"""
_value:
  description: >-
    RV(ignore:named) is a list of moved implementations. RV(ignore:more) is the number of those that the list leaves
    out.
  type: dict
"""


def moved(results: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """What was moved."""
    return {
        "named": [one for result in results for one in result.get("moved") or ()],
        "more": sum(result.get("moved_left_out") or 0 for result in results),
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"moved": harmless(moved)}
