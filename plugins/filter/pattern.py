# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.pattern``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import split_host_pattern
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: pattern
short_description: Refuse a pattern that would match all machines because it is empty
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Ansible takes an empty pattern for C(all). So a variable that is empty by mistake would make each machine of the
    inventory a host or a guest.
  - In the C(hosts) of a play, the filter also saves time. Ansible then loads the filters of this collection once, and
    not again for each task of each machine.
options:
  _input:
    description: A pattern for the C(hosts) of a play, or a list of patterns.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Ask the guests
  hosts: "{{ zeroinstall_guests | default('zeroinstall_guests') | zeroinstall.virtualbox.pattern }}"
  tasks:
    - name: Ask
      ansible.builtin.ping:
"""

RETURN = r"""
_value:
  description: The pattern.
  type: str
"""


def pattern(value: t.Any) -> str:
    """The pattern, which is not empty."""
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, (list, tuple)) or not patterns or not all(_is_right(one) for one in patterns):
        raise AnsibleFilterError(
            f"zeroinstall_hosts or zeroinstall_guests is {value!r}, which is no pattern of machines. Write the name of"
            " a group, or leave the variable out."
        )
    return patterns[0] if len(patterns) == 1 else ",".join(split_host_pattern(patterns))


def _is_right(value: object) -> bool:
    return isinstance(value, str) and value.strip(" ,:") != ""


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"pattern": harmless(pattern)}
