# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that keeps a variable what the admin said."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: without_facts
short_description: A variable as the admin set it, whatever facts say
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Facts are what a machine says about itself, and Ansible prefers them to the variables of the inventory. If facts
    decide about a variable, the filter returns the inventory's value, or the default. Otherwise it returns the value
    as it is.
positional: _input, variable
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
options:
  _input:
    description: The variable's value.
    type: raw
    required: true
  variable:
    description: The variable's name.
    type: str
    required: true
  name:
    description: Inventory name of the machine.
    type: str
    required: true
  default:
    description:
      - The value if the inventory has none.
      - By default, a variable of a role of this collection has the role's default. For others, this option is needed.
    type: raw
  plus:
    description: A number that is added to the value.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Wait no longer than the admin wants
  ansible.builtin.ping:
  timeout: "{{ site_timeout | zeroinstall.virtualbox.without_facts('site_timeout', hostvars=hostvars,
    name=inventory_hostname, default=60) }}"
"""

RETURN = r"""
_value:
  description: The value.
  type: raw
"""


def without_facts(
    value: t.Any, variable: str, hostvars: t.Any, name: str, default: t.Any = None, plus: int = 0
) -> t.Any:
    """The value of a variable, unless facts have a say in it; then that of the inventory, or the default."""
    said = Inventory(hostvars).said(name, [variable])
    if variable in said.refused:
        own = _roles.default(variable) if default is None else default
        value = said.values.get(variable, own)
    if _roles.kind(variable) == "int" and not re.fullmatch(r"\s*\d+\s*", str(value)):
        raise AnsibleFilterError(f"{variable} is {str(value)!r} for {name}: set it to a whole number.")
    return int(value) + plus if plus else value


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"without_facts": harmless(without_facts)}
