# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.host_arrangement``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet, _modes, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: host_arrangement
short_description: Derive what a host shares with its guests from their variables
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Turns the variables of guests into the option O(zeroinstall.virtualbox.shares#module:machines) of
    M(zeroinstall.virtualbox.shares), and names the folders that the host needs for that beside its store.
  - Only what the inventory says of a guest counts. If a variable of a guest is a fact, or depends on a fact, the filter
    leaves that guest out. RV(ignore:refused) names it. The other guests get what is theirs.
  - Fails if the variables that the inventory gives guests are wrong or do not fit the host. The message names each
    guest, and everything that is wrong.
  - Warns of variables in the inventory whose names look like misspelt variables of a role.
options:
  _input:
    description: Inventory names of guests. Those of other hosts are passed over.
    type: list
    elements: str
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
  store:
    description: Path of the host's store.
    type: path
    required: true
  kind:
    description: Whose the store is, as the variable C(cache_host_store) of the role C(cache_host) has it.
    type: str
    choices: [system, user]
    default: system
  groups:
    description: Folder of the stores that groups of guests share. Needed for guests of mode V(guests).
    type: path
    default: ""
  boxes:
    description: Folder of the guests' boxes. Needed for guests of mode V(verified).
    type: path
    default: ""
  user:
    description: Who registered the machines with VirtualBox.
    type: str
    default: ""
  all_or_nothing:
    description: Whether nothing is changed where one machine cannot get what is its guest's.
    type: bool
    default: false
  other_shares:
    description: What to do about other shares, as the variable C(cache_host_other_shares) of the role has it.
    type: str
    choices: [refuse, warn]
    default: refuse
  may_be_empty:
    description: Whether a host without guests is right, as the role's C(cache_host_guests_may_be_empty) has it.
    type: bool
    default: true
  arrangement:
    description: Name of the arrangement, as the variable C(cache_host_arrangement) of the role has it.
    type: str
    default: default
  left_over:
    description: What to do with what is left over, as the variable C(cache_host_left_over) of the role has it.
    type: str
    choices: [report, remove]
    default: report
  doubts:
    description:
      - Why a machine that no guest names may be a guest's all the same. If there is a doubt, such machines are only
        named, whatever O(left_over) is.
    type: list
    elements: str
    default: []
  expected:
    description: The guests that the whole inventory has for this host. One that O(_input) leaves out is a doubt.
    type: list
    elements: str
    default: []
  at_home:
    description: Whether O(store) and O(groups) may begin with V(~/), the home of the user of the machines.
    type: bool
    default: false
  nothing:
    description:
      - Whether the guests are to have nothing any more. Then their machines come without shares, and only the variables
        C(cache_guest_host) and C(cache_guest_machine) of a guest count.
    type: bool
    default: false
  explain:
    description: Whether to return what is wrong as RV(ignore:problem), instead of failing.
    type: bool
    default: false
seealso:
  - plugin: zeroinstall.virtualbox.arrangement
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what this host shares
  ansible.builtin.debug:
    msg: >-
      {{ (groups['zeroinstall_guests'] | zeroinstall.virtualbox.host_arrangement(hostvars=hostvars,
      host=inventory_hostname, store='/var/cache/0install.net/implementations')).machines }}
"""

RETURN = r"""
_value:
  description:
    - With O(explain=true), RV(ignore:problem) alone where something is wrong.
    - RV(ignore:machines), with their guests and shares; the names of RV(ignore:groups), RV(ignore:boxes) and
      RV(ignore:linked) stores, all of folders.
    - RV(ignore:refused), a message for each guest that the filter leaves out, by the guest's name; and
      RV(ignore:kept_boxes), the names of the boxes of these guests.
    - RV(ignore:possible_boxes), the names that the boxes of all other guests have, in whatever mode they are.
    - RV(ignore:when_inaccessible), RV(ignore:strays) and RV(ignore:when_shared_otherwise), options of
      M(zeroinstall.virtualbox.shares). While a guest is refused, a stray may be its machine, and is only named.
    - RV(ignore:doubts), those of O(doubts), one about guests for which the inventory names no host, and one about those
      of O(expected) that are left out.
  type: dict
"""


def host_arrangement(
    names: list[str],
    hostvars: t.Any,
    host: str,
    store: str,
    kind: str = "system",
    groups: str = "",
    boxes: str = "",
    user: str = "",
    all_or_nothing: bool = False,
    other_shares: str = "refuse",
    may_be_empty: bool = True,
    arrangement: str = "default",
    nothing: bool = False,
    left_over: str = "report",
    doubts: t.Sequence[str] = (),
    expected: t.Sequence[str] = (),
    at_home: bool = False,
) -> dict[str, t.Any]:
    """What ``host`` has of its guests' modes."""
    inventory = Inventory(hostvars)
    when_left_alone = "refuse" if all_or_nothing else "report"
    _roles.warn_of_misspelt(inventory, host)
    try:
        guests, refused, homeless = _modes.guests_of(names, inventory, host, _roles.defaults("cache_guest"), nothing)
        if not (guests or refused or may_be_empty):
            raise ValueError(
                f"host '{host}' has no guest: none of the {len(names)} in cache_host_guests has cache_guest_host:"
                f" {host}. Correct the inventory, or set cache_host_guests_may_be_empty: true for this host if that is"
                " meant."
            )
        left_out = [name for name in expected if name not in names]
        all_doubts = [*doubts, *_fleet.homeless_guests(homeless), *_fleet.left_out_guests(left_out, host)]
        found = _modes.Host(store, kind, groups, boxes, user, arrangement, at_home)
        return {
            "machines": _modes.machines(guests, found, host, nothing),
            **({"groups": [], "boxes": [], "linked": []} if nothing else _modes.folders(guests, arrangement)),
            "refused": refused,
            "kept_boxes": _modes.possible_boxes(refused, arrangement),
            "possible_boxes": _modes.possible_boxes(guests, arrangement),
            "when_inaccessible": when_left_alone,
            "strays": "report" if refused or all_doubts else left_over,
            "doubts": all_doubts,
            "when_shared_otherwise": "warn" if other_shares == "warn" else when_left_alone,
        }
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"host_arrangement": explained(host_arrangement)}
