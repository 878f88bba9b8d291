# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.machines_off``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet, _report_guests, _report_hosts
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import Odd
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: machines_off
short_description: Name the guests whose machines do not run
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads what the hosts answered in this run when the role C(cache_report) read them. A host only counts for its own
    guests.
options:
  _input:
    description: A pattern that matches the hosts.
    type: str
    required: true
  guests:
    description: A pattern that matches the guests.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Name them
  ansible.builtin.debug:
    msg: >-
      {{ 'zeroinstall_hosts' | zeroinstall.virtualbox.machines_off(guests='zeroinstall_guests', hostvars=hostvars) }}
"""

RETURN = r"""
_value:
  description: Inventory names of guests.
  type: list
  elements: str
"""


def machines_off(hosts: str, guests: str, hostvars: t.Any) -> list[str]:
    """Their names."""
    inventory = Inventory(hostvars)
    found = []
    for host, names in _fleet.Fleet(inventory, hosts, guests).by_host().items():
        answers = inventory.set_by_tasks(host, [_report_hosts.OUTLOOK]) if inventory.has(host) else {}
        outlook = answers.get(_report_hosts.OUTLOOK)
        try:
            machines = _report_hosts.machines(outlook, names) if isinstance(outlook, t.Mapping) else []
        except Odd:
            continue
        off = {one["guest"] for one in machines if one["state"] in _report_guests.OFF}
        found += [name for name in names if name in off]
    return found


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"machines_off": harmless(machines_off)}
