#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: group_stores
short_description: Manage the stores that groups of VirtualBox guests share
version_added: 0.1.0
description:
  - Makes a store for each group of guests. Its path is C(GROUP/0install.net/implementations) in O(path). With
    O(exclusive=true), the module also removes the empty stores of other groups. It never removes a store with anything
    in it or beside it.
  - Everything belongs to the user who runs the module, because VirtualBox writes as this user. Nobody else can enter
    O(path).
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: Folder of the groups. The module makes it with the first group, and removes it with the last one.
    type: path
    default: ~/.local/share/zeroinstall.virtualbox/groups
  names:
    description: The groups that get a store.
    type: list
    elements: str
    default: []
  exclusive:
    description: Whether to remove empty stores of groups that are not in O(names).
    type: bool
    default: false
seealso:
  - module: zeroinstall.virtualbox.shares
"""

EXAMPLES = r"""
- name: Make the stores of two groups
  zeroinstall.virtualbox.group_stores:
    names: [web, build]
"""

RETURN = r"""
path:
  description: Folder of the groups.
  returned: success
  type: str
  sample: /home/vm/.local/share/zeroinstall.virtualbox/groups
stores:
  description: The stores that existed before this run.
  returned: success
  type: list
  elements: dict
  sample:
    - group: default
      path: /home/vm/.local/share/zeroinstall.virtualbox/groups/default/0install.net/implementations
      empty: false
  contains:
    group:
      description: Name of the group.
      type: str
    path:
      description: The store.
      type: str
    empty:
      description: Whether there is nothing in the store and nothing beside it.
      type: bool
user_group:
  description: Name of the primary group of the user who ran the module.
  returned: success
  type: str
  sample: vm
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import group_stores


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "~/.local/share/zeroinstall.virtualbox/groups"},
            "names": {"type": "list", "elements": "str", "default": []},
            "exclusive": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    answer(module, group_stores.run)


if __name__ == "__main__":
    main()
