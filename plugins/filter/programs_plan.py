# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.programs_plan``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _guest_programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: programs_plan
short_description: List the programs that a host has to download for its guests
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Takes C(cache_programs_list) of each guest, or that of the host for a guest that has none.
  - Only what the inventory says of a guest counts. If something is wrong with one guest, RV(ignore:refused) says what.
  - Fails if two guests mean different programs by one name.
options:
  _input:
    description: Inventory names of the host's guests.
    type: list
    elements: str
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
  machines:
    description: The machines of the host, as M(zeroinstall.virtualbox.machine_info) tells them.
    type: list
    elements: dict
    default: []
  arrangement:
    description: Name of the arrangement, as the variable C(cache_host_arrangement) of the role C(cache_host) has it.
    type: str
    default: default
  explain:
    description: Whether to return a message as RV(ignore:problem) instead of failing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what the host has to download
  ansible.builtin.debug:
    msg: "{{ ['web1'] | zeroinstall.virtualbox.programs_plan(hostvars=hostvars, host=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:programs), the option O(zeroinstall.virtualbox.programs#module:programs) of
      M(zeroinstall.virtualbox.programs); RV(ignore:guests), by guest, its C(system), the names of its C(programs),
      and the name of its C(linked) store, if it has one.
    - RV(ignore:refused), by guest, what is wrong with its variables.
  type: dict
"""


def programs_plan(
    names: t.Sequence[str],
    hostvars: t.Any,
    host: str,
    machines: t.Sequence[t.Mapping[str, t.Any]] = (),
    arrangement: str = "default",
) -> dict[str, t.Any]:
    """What ``host`` has to download for these guests."""
    try:
        return _guest_programs.wanted(names, Inventory(hostvars), host, machines, arrangement)._asdict()
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"programs_plan": explained(programs_plan)}
