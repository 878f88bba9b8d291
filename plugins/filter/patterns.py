# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.patterns``."""

from __future__ import annotations

import json
import typing as t

from ansible import context
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.pattern import pattern
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: patterns
short_description: Put the patterns of hosts and guests into the name of a play
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Ansible templates the name of a play without the variables of any machine. So no fact of a machine has a part in
    what this filter returns there. The tasks of the play get it back by P(zeroinstall.virtualbox.patterns_of#filter).
options:
  _input:
    description: A pattern that matches the hosts, or a list of patterns.
    type: raw
    required: true
  guests:
    description: A pattern that matches the guests, or a list of patterns.
    type: raw
    required: true
  purpose:
    description: What the run is for, as P(zeroinstall.virtualbox.fleet#filter) has it.
    type: str
    choices: [share, unshare, verify]
    default: share
  inventory:
    description:
      - The names of all machines of the inventory, C(groups['all']). The filter fails if there are none, unless
        Ansible only checks the syntax, or lists tasks. Ansible itself would only warn, and end as if all was well.
    type: list
    elements: str
seealso:
  - plugin: zeroinstall.virtualbox.patterns_of
    plugin_type: filter
"""

EXAMPLES = r"""
- name: "Check {{ 'zeroinstall_hosts' | zeroinstall.virtualbox.patterns(guests='zeroinstall_guests') }}"
  hosts: all
  tasks:
    - name: Show the patterns
      ansible.builtin.debug:
        msg: "{{ ansible_play_name | zeroinstall.virtualbox.patterns_of }}"
      run_once: true
"""

RETURN = r"""
_value:
  description: Both patterns in JSON.
  type: str
"""


def patterns(hosts: t.Any, guests: t.Any, purpose: str = _fleet.SHARE, inventory: t.Sequence[str] | None = None) -> str:
    """Both patterns. Ansible asks for them in its own process, before it forks off those of tasks."""
    only_shows = any(context.CLIARGS.get(option) for option in ("syntax", "listhosts", "listtasks", "listtags"))
    if inventory is not None and not inventory and not only_shows:
        raise AnsibleFilterError(
            "The inventory is empty, so there is nothing to do. Give ansible-playbook the path of your inventory with"
            " -i, and see its warnings about inventories."
        )
    if purpose not in _fleet.PURPOSES:
        raise AnsibleFilterError(
            f"zeroinstall_purpose is {purpose!r}. The playbooks set it. Leave it out of the command line and of vars."
        )
    _roles.read_all()
    said = {"hosts": pattern(hosts), "guests": pattern(guests), "purpose": purpose}
    return json.dumps({name: str.__str__(value) for name, value in said.items()})


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"patterns": harmless(patterns)}
