# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.programs_removal``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _unused
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: programs_removal
short_description: Decide what a host may remove of what no program needs any more
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads what the role C(cache_programs) did on the host, and what its guests said in this run that they still use.
  - Nothing may be removed if a guest of the host was not asked, or did not answer.
options:
  _input:
    description: Inventory name of the host.
    type: str
    required: true
  doubts:
    description: Why the inventory may have guests of the host that are not known. With one, nothing may be removed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what the host may remove
  ansible.builtin.debug:
    msg: "{{ (inventory_hostname | zeroinstall.virtualbox.programs_removal(hostvars=hostvars)).names }}"
"""

RETURN = r"""
_value:
  description: >-
    RV(ignore:names), what may be removed; RV(ignore:kept), in lines, what stays because a guest uses it;
    RV(ignore:problem), why nothing may be removed, or empty.
  type: dict
"""


def programs_removal(name: str, hostvars: t.Any, doubts: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """What the host may remove."""
    return _unused.removal(name, Inventory(hostvars), doubts)._asdict()


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"programs_removal": harmless(programs_removal)}
