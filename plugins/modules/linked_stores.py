#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: linked_stores
short_description: Keep stores of hard links, of which each has some implementations of another store
version_added: 0.2.0
description:
  - A linked store is for one guest, which sees nothing else of the store. Its files are the very files of the store. So
    they take no room of their own, and whatever changes one changes the other.
  - The linked stores of a store are in the folder C(linked) beside it, because hard links need the same file system.
    They are C(linked/NAME/0install.net/implementations).
  - Each implementation comes into a linked store whole, by one rename. If something is wrong with one linked store, the
    others get theirs, and the module fails at the end.
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
  store:
    description: The store. Its path ends in C(/0install.net/implementations).
    type: path
    required: true
  stores:
    description: The linked stores that you want.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name. It is the guest's name, as the name of a box has it.
        type: str
        required: true
      implementations:
        description:
          - The names of the implementations that it is to have. If the store does not have one of them, the module does
            all the rest, and then fails.
          - If the store has another copy of an implementation than the linked store, the module links that copy. It
            knows that by the file C(.manifest).
        type: list
        elements: str
        default: []
      coming:
        description:
          - Those of them that the store does not have yet, but will have when this is not check mode. This counts in
            check mode only.
        type: list
        elements: str
        default: []
      exact:
        description: Whether the module removes all others from it, if it has all that you want.
        type: bool
        default: false
  absent:
    description: The names of linked stores to remove.
    type: list
    elements: str
    default: []
notes:
  - Run it as root, or for the store of a user as this user. Nobody else may write into the folder of linked stores.
seealso:
  - module: zeroinstall.virtualbox.programs
"""

EXAMPLES = r"""
- name: Let the guest web1 see one implementation
  zeroinstall.virtualbox.linked_stores:
    store: /var/cache/0install.net/implementations
    stores:
      - name: web1
        implementations: [sha256new_VFLKOKC4KC53UDAKZC7UVLE7UCQFCCP5XG5YKVW3T7VXITFHP22Q]
        exact: true
  become: true
"""

RETURN = r"""
stores:
  description: What came of each linked store in O(stores).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    added:
      description: The implementations that the module linked, or would link in check mode.
      type: list
      elements: str
    removed:
      description: Those that it removed, or would remove in check mode.
      type: list
      elements: str
    surplus:
      description: Those that you do not want, and that stay.
      type: list
      elements: str
    missing:
      description: Those that you want, and that neither the store nor the linked store has.
      type: list
      elements: str
    present:
      description: All implementations that are in it afterwards.
      type: list
      elements: str
found:
  description: All linked stores that are there afterwards.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    path:
      description: Its path.
      type: str
paths:
  description: The path of the store, and those of all linked stores.
  returned: always
  type: list
  elements: str
absent:
  description: The linked stores that the module removed, or would remove in check mode.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import linking


def main():
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "stores": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "implementations": {"type": "list", "elements": "str", "default": []},
                    "coming": {"type": "list", "elements": "str", "default": []},
                    "exact": {"type": "bool", "default": False},
                },
            },
            "absent": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    answer(module, linking.run)


if __name__ == "__main__":
    main()
