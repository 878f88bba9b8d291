#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: launchers
short_description: Let the users of a guest run programs from its store
version_added: 0.2.0
description:
  - Writes for each program a document of selections into O(documents), and a launcher into O(path). The launcher runs
    the program with what the document says, without a network and without asking.
  - Removes the launchers and documents of programs that are not in O(programs). It removes no launcher that somebody
    else wrote.
  - The store has to be mounted in the guest. The role P(zeroinstall.virtualbox.cache_guest#role) does that.
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
  programs:
    description: The programs of this guest, as M(zeroinstall.virtualbox.programs) returns them for its system.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the program, and of its launcher.
        type: str
        required: true
      document:
        description: The document of selections.
        type: str
        required: true
      packages:
        description: What the program needs of the distribution.
        type: list
        elements: dict
        default: []
        suboptions:
          interface:
            description: Address of the feed that leaves it to the distribution.
            type: str
            required: true
          commands:
            description: Which of its commands the program runs.
            type: list
            elements: str
            default: []
          versions:
            description: Which versions will do. All of these have to hold.
            type: list
            elements: str
            default: []
          feed:
            description: A feed that names the packages.
            type: str
            required: true
  path:
    description: Folder of the launchers.
    type: path
    default: /usr/local/bin
  documents:
    description: Folder of the documents. The module makes it, and removes it with the last document.
    type: path
    default: /var/lib/zeroinstall.virtualbox/programs
  zero_install:
    description: Zero Install's command C(0install), as a path or as a name.
    type: str
    default: 0install
notes:
  - Run it as root.
  - If a package of the distribution is missing, the program gets no launcher, and the answer says which package it is.
    A launcher that the program had stays.
seealso:
  - module: zeroinstall.virtualbox.programs
"""

EXAMPLES = r"""
- name: Let all users run what the host downloaded
  zeroinstall.virtualbox.launchers:
    programs: "{{ hostvars['metal1'].downloaded.programs | selectattr('system', 'eq', 'Linux-x86_64') }}"
  become: true
"""

RETURN = r"""
lacking:
  description: The programs that cannot run here.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the program.
      type: str
    packages:
      description: The packages of this distribution that the feeds of the program name.
      type: list
      elements: str
    problem:
      description: What C(0install) said.
      type: str
removed:
  description: The programs whose launchers and documents were, or would be, removed.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import launching


def main():
    module = AnsibleModule(
        argument_spec={
            "programs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "document": {"type": "str", "required": True},
                    "packages": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "options": {
                            "interface": {"type": "str", "required": True},
                            "commands": {"type": "list", "elements": "str", "default": []},
                            "versions": {"type": "list", "elements": "str", "default": []},
                            "feed": {"type": "str", "required": True},
                        },
                    },
                },
            },
            "path": {"type": "path", "default": "/usr/local/bin"},
            "documents": {"type": "path", "default": "/var/lib/zeroinstall.virtualbox/programs"},
            "zero_install": {"type": "str", "default": "0install"},
        },
        supports_check_mode=True,
    )
    answer(module, lambda asked: launching.run(asked, module.run_command, module.backup_local))


if __name__ == "__main__":
    main()
