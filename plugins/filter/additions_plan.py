# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.additions_plan``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _packages, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: additions_plan
short_description: Decide where a guest's Guest Additions come from
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Decides whether a guest needs an installation, and which packages of its distribution that takes.
options:
  _input:
    description: The guest, as RV(zeroinstall.virtualbox.guest_info#module:guest) has it.
    type: dict
    required: true
  source:
    description:
      - V(auto) takes the driver that is there. If there is none, it takes the distribution's packages if they have one.
      - V(mainline) takes the driver of the Linux kernel. V(distribution) takes that and the distribution's programs.
      - V(iso) takes Oracle's image.
    type: str
    choices: [auto, mainline, distribution, iso]
    required: true
  hostvars:
    description:
      - The variables of all hosts, C(hostvars). With them and O(name), the filter warns of variables in the inventory
        whose names look like misspelt variables of a role.
    type: dict
  name:
    description: Inventory name of the guest.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: See what would be done
  ansible.builtin.debug:
    msg: "{{ result.guest | zeroinstall.virtualbox.additions_plan(source='auto') }}"
"""

RETURN = r"""
_value:
  description:
    - C(source) is V(none), V(distribution) or V(iso). C(packages) are the packages that it needs, and C(named) is a
      text of their names. C(where) is the repository that has them. C(by_apt) says whether apt installs them. C(hint)
      says what to do if they cannot be installed.
    - C(problem) says why an installation is impossible and what to do, or is null.
  type: dict
"""


def additions_plan(
    guest: t.Mapping[str, t.Any], source: str, hostvars: t.Any = None, name: str = ""
) -> dict[str, t.Any]:
    """What is to be done in a guest."""
    if hostvars is not None:
        _roles.warn_of_misspelt(Inventory(hostvars), name)
    try:
        return _packages.plan(guest, source)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"additions_plan": harmless(additions_plan)}
