# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.vagrantfile``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _roles, _vagrant
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: vagrantfile
short_description: Write the Zero Install part of a Vagrantfile
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of the role C(vagrantfile) into Ruby for a Vagrantfile. Names and paths become literals, so
    Ruby never runs anything in them.
  - Fails and names the variable, if one of them is wrong or they do not fit together.
options:
  _input:
    description: >-
      The role's variables without their common beginning: C(placement), C(generation), C(machines), C(store),
      C(share), C(mount), C(guest_path), C(cache), C(cache_share), C(cache_guest_path), C(symlink_policy).
    type: dict
    required: true
  version:
    description: The output of C(VBoxManage --version) on the host. Empty if it is not known.
    type: str
    default: ""
  hostvars:
    description:
      - The variables of all hosts, C(hostvars). With them and O(name), the filter warns of variables in the inventory
        whose names look like misspelt variables of a role.
    type: dict
  name:
    description: Inventory name of the machine.
    type: str
    default: ""
  explain:
    description: Whether to return an error as RV(ignore:problem), instead of failing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See what the role would write
  ansible.builtin.debug:
    msg: "{{ settings | zeroinstall.virtualbox.vagrantfile }}"
  vars:
    settings:
      placement: file
      generation: "2"
      machines: []
      store: /var/cache/0install.net/implementations
      share: ZeroInstall
      mount: vagrant
      guest_path: /var/cache/0install.net/implementations
      cache: ""
      cache_share: ZeroInstallGuests
      cache_guest_path: /home/vagrant/.cache/0install.net/implementations
      symlink_policy: auto
"""

RETURN = r"""
_value:
  description: The text. With O(explain=true), an error is a dictionary with RV(ignore:problem).
  type: raw
"""


def vagrantfile(settings: t.Mapping[str, t.Any], version: str = "", hostvars: t.Any = None, name: str = "") -> str:
    """The Ruby text for these settings."""
    if hostvars is not None:
        _roles.warn_of_misspelt(Inventory(hostvars), name)
    try:
        return _vagrant.render(_vagrant.Settings.of(settings), version)
    except (Failure, KeyError, TypeError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"vagrantfile": explained(vagrantfile)}
