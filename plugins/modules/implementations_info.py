#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: implementations_info
short_description: Look who uses implementations on a machine
version_added: 0.2.0
description:
  - Looks for the digests of implementations in what runs, and in what the C(0install) of each user knows. So it finds a
    process that runs a program, and a user who has a program of their own.
  - It also finds a process or file that names a digest for another reason. So it may say that something uses an
    implementation which nothing uses, and not the other way round.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  names:
    description: Names of implementations.
    type: list
    elements: str
    required: true
  documents:
    description:
      - More folders with documents of selections.
      - In check mode, the module does not look there. Documents that the run would have removed are still there then.
    type: list
    elements: path
    default: [/var/lib/zeroinstall.virtualbox/programs]
notes:
  - Run it as root. Others do not see all processes.
  - A program that has read all its files, and was not started by C(0install), is not found.
seealso:
  - module: zeroinstall.virtualbox.unused_implementations
"""

EXAMPLES = r"""
- name: Look whether a guest still uses what its host may remove
  zeroinstall.virtualbox.implementations_info:
    names: "{{ downloaded.unused | map(attribute='name') | list }}"
  become: true
  register: found
"""

RETURN = r"""
used:
  description: The implementations that something uses.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the implementation.
      type: str
    by:
      description: Who uses it, for people. At most five are named.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import uses


def main():
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "documents": {
                "type": "list",
                "elements": "path",
                "default": ["/var/lib/zeroinstall.virtualbox/programs"],
            },
        },
        supports_check_mode=True,
    )
    answer(module, uses.run)


if __name__ == "__main__":
    main()
