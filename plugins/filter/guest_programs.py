# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.guest_programs``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _guest_programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: guest_programs
short_description: Choose what a guest gets of the programs that its host downloaded
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads what the role C(cache_programs) did on the guest's host in this run. The guest gets the documents of the
    programs that the inventory gives it, for its system.
options:
  _input:
    description: Inventory name of the guest.
    type: str
    required: true
  host:
    description: Inventory name of its host.
    type: str
    required: true
  explain:
    description: Whether to return a message as RV(ignore:problem) instead of failing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show which programs the guest gets
  ansible.builtin.debug:
    msg: >-
      {{ inventory_hostname | zeroinstall.virtualbox.guest_programs(hostvars=hostvars, host=cache_guest_host) }}
"""

RETURN = r"""
_value:
  description: >-
    RV(ignore:programs), the option O(zeroinstall.virtualbox.launchers#module:programs) of
    M(zeroinstall.virtualbox.launchers); RV(ignore:problems), why the host could not download others; and
    RV(ignore:in_question), what the host is to remove, or is not to show this guest any more, unless it uses that.
  type: dict
"""


def guest_programs(name: str, hostvars: t.Any, host: str) -> dict[str, t.Any]:
    """What the guest gets."""
    try:
        return _guest_programs.of_guest(name, host, Inventory(hostvars))
    except _answers.Odd as error:
        raise AnsibleFilterError(f"The answer of its host {host} is none that programs gives (see {error}).") from error
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"guest_programs": explained(guest_programs)}
