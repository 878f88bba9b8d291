# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.patterns_of``."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: patterns_of
short_description: Take the patterns of hosts and guests from the name of a play
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Reads what P(zeroinstall.virtualbox.patterns#filter) put at the end of a play's name.
options:
  _input:
    description: The name of the play, C(ansible_play_name).
    type: str
    required: true
seealso:
  - plugin: zeroinstall.virtualbox.patterns
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the pattern of the hosts
  ansible.builtin.debug:
    msg: "{{ (ansible_play_name | zeroinstall.virtualbox.patterns_of).hosts }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:hosts) and RV(ignore:guests), the patterns, and RV(ignore:purpose).
  type: dict
"""


def patterns_of(name: str) -> dict[str, t.Any]:
    """The patterns."""
    found: dict[str, t.Any] = json.loads("{" + name.partition("{")[2])
    return found


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"patterns_of": harmless(patterns_of)}
