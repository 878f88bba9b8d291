# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.fleet``."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: fleet
short_description: Check an inventory, and list the guests of each host
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Looks at all hosts and guests of the whole inventory, whatever C(--limit) says, and at nothing else than the
    inventory. A fact is no mistake of the inventory. The filters for hosts and guests refuse it for its guest alone.
  - Returns the mistakes that concern a machine of this run. Warns of those that only concern other machines.
options:
  _input:
    description: A pattern that matches the hosts.
    type: str
    required: true
  guests:
    description: A pattern that matches the guests.
    type: str
    required: true
  sharing:
    description: >-
      Whether the run sets up what hosts share. A run that only takes it away, or verifies it, needs hosts. Other
      mistakes do not stop it.
    type: bool
    default: true
seealso:
  - plugin: zeroinstall.virtualbox.host_arrangement
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what is wrong with the inventory
  ansible.builtin.debug:
    msg: >-
      {{ ('zeroinstall_hosts' | zeroinstall.virtualbox.fleet(guests='zeroinstall_guests', hostvars=hostvars)).problem }}
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), all mistakes in one text, or empty.
    - RV(ignore:guests), the inventory names of the guests of each host, by the host's name.
  type: dict
"""


def fleet(hosts: str, guests: str, hostvars: t.Any, sharing: bool = True) -> dict[str, t.Any]:
    """The guests of each host, and the mistakes of the inventory."""
    inventory = Inventory(hostvars)
    found = _fleet.Fleet(inventory, hosts, guests)
    if sharing:
        found.look()
    else:
        found.look_for_hosts()
    mine, others = _fleet.concerning(found.mistakes, inventory.members("all", limited=True))
    for mistake in others[: _fleet.MOST]:
        Display().warning(mistake.text)
    return {"problem": _fleet.told(mine), "guests": found.by_host()}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"fleet": harmless(fleet)}
