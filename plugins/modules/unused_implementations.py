#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: unused_implementations
short_description: Remove from a store what no program needs any more
version_added: 0.2.0
description:
  - Removes implementations that M(zeroinstall.virtualbox.programs) downloaded, that no program of its record needs any
    more, and that nothing on this machine uses.
  - Something uses an implementation if a linked store has it, or if M(zeroinstall.virtualbox.implementations_info)
    finds it. A virtual machine of
    VirtualBox has open what its guest has open of the store, so it counts, too.
  - Moves each implementation out of the store first. If something began to use it meanwhile, the module moves it back.
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
    description: Folder of the record that M(zeroinstall.virtualbox.programs) has.
    type: path
    required: true
  store:
    description: The store. Its path ends in C(/0install.net/implementations).
    type: path
    required: true
  names:
    description: What may be removed. Everything else stays.
    type: list
    elements: str
    required: true
  arrangement:
    description:
      - The arrangement whose programs these are. What programs of other arrangements ever needed stays.
    type: str
    default: default
  unsaved:
    description:
      - Whether O(names) comes from M(zeroinstall.virtualbox.programs) in check mode, which saves no record. Then the
        module takes them as they are. This counts in check mode only.
    type: bool
    default: false
  unlinked:
    description:
      - What M(zeroinstall.virtualbox.linked_stores) said in check mode that it would remove from linked stores, as
        RV(zeroinstall.virtualbox.linked_stores#module:stores) has it. This counts in check mode only.
    type: list
    elements: dict
    default: []
  keep:
    description: How many choices of a program count as needed. See O(zeroinstall.virtualbox.programs#module:keep).
    type: int
    default: 10
notes:
  - Run it as root, or for the store of a user as this user.
seealso:
  - module: zeroinstall.virtualbox.programs
  - module: zeroinstall.virtualbox.implementations_info
"""

EXAMPLES = r"""
- name: Remove what no program needs any more
  zeroinstall.virtualbox.unused_implementations:
    path: /var/lib/zeroinst-programs
    store: /var/cache/0install.net/implementations
    names: "{{ downloaded.unused | map(attribute='name') | list }}"
  become: true
"""

RETURN = r"""
removed:
  description: What the module removed, or would remove in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the implementation.
      type: str
    size:
      description: Bytes of its files.
      type: int
used:
  description: What stayed because something uses it.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the implementation.
      type: str
    by:
      description: Who uses it, for people.
      type: list
      elements: str
left:
  description: What the module could not remove.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the implementation.
      type: str
    reason:
      description: Why not, for people.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import removal


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "store": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "arrangement": {"type": "str", "default": "default"},
            "unsaved": {"type": "bool", "default": False},
            "unlinked": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    answer(module, removal.run)


if __name__ == "__main__":
    main()
