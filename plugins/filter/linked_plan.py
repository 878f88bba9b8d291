# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.linked_plan``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _guest_programs, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: linked_plan
short_description: Decide what guests see that see their programs alone
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads what the role C(cache_programs) did on the host in this run. With O(after=true), also reads what its guests
    said that they still use.
options:
  _input:
    description: Inventory name of the host.
    type: str
    required: true
  after:
    description: Whether the guests have their launchers, so that they need nothing else any more.
    type: bool
    default: false
  explain:
    description: Whether to return a message as RV(ignore:problem) instead of failing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what guests see
  ansible.builtin.debug:
    msg: "{{ (inventory_hostname | zeroinstall.virtualbox.linked_plan(hostvars=hostvars)).stores }}"
"""

RETURN = r"""
_value:
  description: >-
    RV(ignore:stores), the option O(zeroinstall.virtualbox.linked_stores#module:stores) of
    M(zeroinstall.virtualbox.linked_stores); RV(ignore:kept), in lines, what guests see that they do not need.
  type: dict
"""

MOST = 100
"""Lines."""


def linked_plan(host: str, hostvars: t.Any, after: bool = False) -> dict[str, t.Any]:
    """What the guests of ``host`` see."""
    inventory = Inventory(hostvars)
    try:
        if not after:
            return {"stores": _guest_programs.linked(host, inventory), "kept": []}
        stores, kept = _guest_programs.no_more(host, inventory)
        return {"stores": stores, "kept": _words.first(kept, MOST)}
    except (_answers.Odd, KeyError) as error:
        raise AnsibleFilterError(f"The answer of host {host} is none that its modules give (see {error}).") from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"linked_plan": explained(linked_plan)}
