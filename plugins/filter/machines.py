# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter C(zeroinstall.virtualbox.machines)."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes

DOCUMENTATION = r"""
name: machines
short_description: Derive a host's machines and shares from its guests' variables
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of the guests of one host into the option O(zeroinstall.virtualbox.shares#module:machines) of
    M(zeroinstall.virtualbox.shares). So a share's name and path are written nowhere twice.
  - Fails, naming the guest, if a guest's variables do not fit together.
options:
  _input:
    description: Inventory names of guests. Those of other hosts are passed over.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
  store:
    description: Path of the host's store.
    type: path
    required: true
  defaults:
    description: Defaults of the guests' variables, as the role C(cache_guest) has them.
    type: dict
    required: true
  wanted:
    description: Whether the guests are to have shares at all.
    type: bool
    default: true
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
seealso:
  - plugin: zeroinstall.virtualbox.host_folders
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Share with all guests of this host
  zeroinstall.virtualbox.shares:
    machines: >-
      {{ groups['zeroinstall_guests'] | zeroinstall.virtualbox.machines(hostvars=hostvars, host=inventory_hostname,
      store='/var/cache/0install.net/implementations',
      defaults={'cache_guest_mode': 'readonly', 'cache_guest_share': 'ZeroInstall', 'cache_guest_path': '',
      'cache_guest_group': 'default'}) }}
"""

RETURN = r"""
_value:
  description: Machines with their shares.
  type: list
  elements: dict
"""


def machines(
    names: list[str],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    host: str,
    store: str,
    defaults: dict[str, t.Any],
    wanted: bool = True,
    kind: str = "system",
    groups: str = "",
    boxes: str = "",
    user: str = "",
) -> list[dict[str, t.Any]]:
    """The machines and shares of the guests of C(host)."""
    guests = _modes.guests_of(names, hostvars, host, defaults)
    try:
        return _modes.machines(guests, _modes.Host(store, kind, groups, boxes, user), wanted, host)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"machines": machines}
