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
  purpose:
    description:
      - What the run is for. If it only takes away what hosts share, or verifies it, only mistakes about hosts stop it.
      - A run of V(unshare) is also stopped by a C(--limit) from which it is not plain what is to be taken back.
    type: str
    choices: [share, unshare, verify]
    default: share
  left_over:
    description:
      - What the variables of the play have hosts do with what is left over. With V(remove), the filter looks at all
        machines of the inventory for RV(ignore:doubts). It does so, too, if the inventory has C(cache_host_left_over)
        V(remove) for a host.
    type: str
    choices: [report, remove]
    default: report
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
    - RV(ignore:counted), how many hosts and guests there are, for a run without mistakes.
    - RV(ignore:guests), the inventory names of the guests of each host, by the host's name.
    - RV(ignore:modes), the mode of each guest, by its name.
    - RV(ignore:scope), what a run of C(unshare) takes back. By the host's name, the guests from which alone it does, or
      V(all) for everything.
    - RV(ignore:compared), the guests of the run that C(verify) compares with their hosts, as their variable
      C(cache_verify_guests) says. A guest that is a host, too, is verified as a host.
    - RV(ignore:doubts), by the host's name, why a machine that no guest names may be a guest's all the same. Only if
      the run sets up what hosts share.
  type: dict
"""


def fleet(
    hosts: str, guests: str, hostvars: t.Any, purpose: str = _fleet.SHARE, left_over: str = "report"
) -> dict[str, t.Any]:
    """The guests of each host, and the mistakes of the inventory."""
    inventory = Inventory(hostvars)
    found = _fleet.Fleet(inventory, hosts, guests)
    sharing = purpose == _fleet.SHARE
    found.look(sharing)
    scope = found.scope() if purpose == _fleet.UNSHARE else {}
    limited = set(inventory.members("all", limited=True))
    mine, others = _fleet.concerning(found.mistakes, limited)
    for mistake in others[: _fleet.MOST]:
        Display().warning(mistake.text)
    doubts = found.doubts(left_over == "remove") if sharing else {}
    by_host = found.by_host()
    verified = [name for name in found.names if name in limited] if purpose == _fleet.VERIFY else []
    return {
        "problem": _fleet.told(mine),
        "counted": found.counted(sharing),
        "guests": by_host,
        "modes": found.modes(),
        "scope": scope,
        "compared": [name for name in verified if name not in by_host and _fleet.is_compared(inventory, name)],
        "doubts": doubts,
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"fleet": harmless(fleet)}
