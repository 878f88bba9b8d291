# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.patterns``."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.filter.pattern import pattern
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
  sharing:
    description: Whether the run sets up what hosts share.
    type: bool
    default: true
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


def patterns(hosts: t.Any, guests: t.Any, sharing: bool = True) -> str:
    """Both patterns."""
    said = {"hosts": pattern(hosts), "guests": pattern(guests), "sharing": bool(sharing)}
    return json.dumps({name: str.__str__(value) if isinstance(value, str) else value for name, value in said.items()})


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"patterns": harmless(patterns)}
