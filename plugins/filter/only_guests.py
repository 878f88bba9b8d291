# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.only_guests``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: only_guests
short_description: List the guests to which a run with --limit confines a host
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - A run with C(--limit) may have some guests of a host in it, and not the others. What the run takes away from that
    host is then about these guests alone.
options:
  _input:
    description: The inventory names of the host's guests.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Stop sharing with the guests of this run
  ansible.builtin.include_role:
    name: zeroinstall.virtualbox.cache_host
    tasks_from: absent.yml
  vars:
    cache_host_only_guests: "{{ guests_of_this_host | zeroinstall.virtualbox.only_guests(hostvars=hostvars) }}"
"""

RETURN = r"""
_value:
  description: The guests in this run, if some others are not. Else the list is empty, and the whole host is meant.
  type: list
  elements: str
"""


def only_guests(guests: t.Sequence[str], hostvars: t.Any) -> list[str]:
    """The guests of this run, if not all or none of them are in it."""
    run = set(Inventory(hostvars).members("all", limited=True))
    there = [name for name in guests if name in run]
    return there if len(there) < len(guests) else []


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"only_guests": harmless(only_guests)}
