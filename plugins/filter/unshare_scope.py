# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.unshare_scope``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: unshare_scope
short_description: Say to what a run with --limit confines the undoing on a host
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Without C(--limit), or if the limit names hosts alone, the host takes everything back.
  - If the limit names other machines, too, the host only takes back what it shared with those of its guests that are
    among them.
options:
  _input:
    description: What P(zeroinstall.virtualbox.fleet#filter) returned.
    type: dict
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what is taken back
  ansible.builtin.debug:
    msg: >-
      {{ zeroinstall_fleet | zeroinstall.virtualbox.unshare_scope(host=inventory_hostname, hostvars=hostvars) }}
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:everything), whether the host takes everything back; RV(ignore:guests), the inventory names of the
      guests from which alone it takes something back.
    - RV(ignore:problem), why it takes nothing back, or empty.
  type: dict
"""


def unshare_scope(fleet: t.Mapping[str, t.Any], host: str, hostvars: t.Any) -> dict[str, t.Any]:
    """Everything, some guests, or nothing."""
    inventory = Inventory(hostvars)
    hosts = fleet["guests"]
    named = [name for name in inventory.members("all", limited=True) if name not in hosts]
    if not inventory.limited or not named:
        return {"everything": True, "guests": [], "problem": ""}
    guests = [name for name in hosts[host] if name in named]
    problem = (
        f"--limit names {len(named)} machines beside hosts, and none of them is a guest of {host} in the inventory. So"
        f" nothing of {host} was taken back. Correct cache_guest_host of the guest or --limit. To take everything back"
        f" that {host} shares, limit the run to {host} alone."
    )
    return {"everything": False, "guests": guests, "problem": "" if guests else problem}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"unshare_scope": harmless(unshare_scope)}
