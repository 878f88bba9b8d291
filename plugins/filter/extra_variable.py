# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.extra_variable``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: extra_variable
short_description: Read a variable that was set on the command line
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads an extra variable, C(-e), and no variable or fact of a machine that has the same name.
options:
  _input:
    description: The variable's name.
    type: str
    required: true
  default:
    description: What to return if it is not set.
    type: raw
    default: ""
"""

EXAMPLES = r"""
- name: Show where the inventory is written
  ansible.builtin.debug:
    msg: "{{ 'discover_to' | zeroinstall.virtualbox.extra_variable(hostvars=hostvars) }}"
"""

RETURN = r"""
_value:
  description: The variable's value.
  type: raw
"""


def extra_variable(name: str, hostvars: t.Any, default: t.Any = "") -> t.Any:
    """The value."""
    return Inventory(hostvars).extra(name, default)


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"extra_variable": harmless(extra_variable)}
