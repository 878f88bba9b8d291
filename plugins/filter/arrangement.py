# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.arrangement``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: arrangement
short_description: Derive a guest's mounts and its helper from its variables
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Turns the variables of a guest, as its own play has them, into the option
    O(zeroinstall.virtualbox.mounts#module:mounts) of M(zeroinstall.virtualbox.mounts), and says how its users share
    what they install.
  - Fails, naming the guest, if its variables do not fit together, or do not fit its host's, or if they differ from the
    inventory, which its host uses.
  - Warns of variables in the inventory whose names look like misspelt variables of a role.
options:
  _input:
    description: Inventory name of the guest.
    type: str
    required: true
  host:
    description: The guest's variable C(cache_guest_host).
    type: str
    required: true
  machine:
    description: Its variable C(cache_guest_machine).
    type: str
    default: ''
  mode:
    description: Its variable C(cache_guest_mode).
    type: str
    default: readonly
  share:
    description: Its variable C(cache_guest_share).
    type: str
    default: ZeroInstall
  group:
    description: Its variable C(cache_guest_group).
    type: str
    default: default
  path:
    description: Its variable C(cache_guest_path).
    type: str
    default: ''
  sees:
    description: Its variable C(cache_guest_sees).
    type: str
    default: store
  sharing:
    description: Whether its users share what they install. Only the mode V(readonly) looks at this.
    type: bool
    default: false
  options:
    description: More mount options for stores.
    type: list
    elements: str
    default: []
  explain:
    description: Whether to return what is wrong as RV(ignore:problem), instead of failing.
    type: bool
    default: false
seealso:
  - plugin: zeroinstall.virtualbox.host_arrangement
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what a guest mounts
  ansible.builtin.debug:
    msg: >-
      {{ ('web1' | zeroinstall.virtualbox.arrangement(hostvars=hostvars, host='metal1', machine='web1',
      mode='guests')).mounts }}
"""

RETURN = r"""
_value:
  description:
    - With O(explain=true), RV(ignore:problem) alone where something is wrong.
    - RV(ignore:host), its host's inventory name; RV(ignore:path), where it has its host's store; and RV(ignore:mounts).
    - RV(ignore:helper) is C(none), C(own) if the guest's users add packages to a store that the guest can write, or
      C(box) if they send them to the host.
  type: dict
"""


def arrangement(
    name: str,
    hostvars: t.Any,
    host: str,
    machine: str = "",
    mode: str = "readonly",
    share: str = "ZeroInstall",
    group: str = "default",
    path: str = "",
    sees: str = _modes.STORE,
    sharing: bool = False,
    options: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    """What a guest has of its mode."""
    guest = dict(zip((_modes.HOST, *_modes.VARIABLES), (host, machine, mode, share, group, path, sees)))
    inventory = Inventory(hostvars)
    _roles.warn_of_misspelt(inventory, name)
    try:
        host = _modes.host_of(name, guest, inventory, _roles.defaults("cache_guest"))
        if inventory.has(host):
            kind = _modes.kind_of(host, inventory)
            _modes.check_kind(name, guest, _modes.mode_of(name, guest), kind, host)
        return {"host": host, **_modes.arrangement(name, guest, sharing, options)}
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"arrangement": explained(arrangement)}
