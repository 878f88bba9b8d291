# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.members``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: members
short_description: List the machines of the whole inventory that a pattern matches
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Lists inventory names, whatever C(--limit) says.
options:
  _input:
    description: A pattern, as the C(hosts) of a play has it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Name all guests
  ansible.builtin.debug:
    msg: "{{ 'zeroinstall_guests:&webservers' | zeroinstall.virtualbox.members(hostvars=hostvars) }}"
"""

RETURN = r"""
_value:
  description: Inventory names, in the order of the inventory. The list is empty if nothing matches.
  type: list
  elements: str
"""


def members(pattern: str, hostvars: t.Any) -> list[str]:
    """The names."""
    return Inventory(hostvars).members(pattern)


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"members": harmless(members)}
