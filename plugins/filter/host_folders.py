# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter C(zeroinstall.virtualbox.host_folders)."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes

DOCUMENTATION = r"""
name: host_folders
short_description: Derive the folders that a host needs beside its store from its guests' variables
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Names the groups of guests that share a store, and the boxes of guests whose packages the host verifies.
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
  defaults:
    description: Defaults of the guests' variables, as the role C(cache_guest) has them.
    type: dict
    required: true
seealso:
  - plugin: zeroinstall.virtualbox.machines
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Name the groups of this host's guests
  ansible.builtin.debug:
    msg: >-
      {{ (groups['zeroinstall_guests'] | zeroinstall.virtualbox.host_folders(hostvars=hostvars,
      host=inventory_hostname, defaults={'cache_guest_mode': 'readonly', 'cache_guest_share': 'ZeroInstall',
      'cache_guest_path': '', 'cache_guest_group': 'default'})).groups }}
"""

RETURN = r"""
_value:
  description: RV(ignore:groups) and RV(ignore:boxes), both lists of names of folders.
  type: dict
  sample: {"groups": [default], "boxes": [web1.example.com]}
"""


def host_folders(
    names: list[str],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    host: str,
    defaults: dict[str, t.Any],
) -> dict[str, list[str]]:
    """The groups and boxes of the guests of C(host)."""
    try:
        return _modes.folders(_modes.guests_of(names, hostvars, host, defaults))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"host_folders": host_folders}
