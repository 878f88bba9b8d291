#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: programs
short_description: Download programs of Zero Install into a store on a host
version_added: 0.2.0
description:
  - Chooses the implementations with which programs run, for each system that guests have. Downloads each of them once
    into O(store).
  - The answer has a document of selections for each program and system. A guest that has this document, and the store,
    runs the program without a network (see M(zeroinstall.virtualbox.launchers)).
  - A program keeps its document until you want another O(programs[].version), or O(update=true). If an earlier document
    has the version that you want, the module takes this document again. So you can go back to an older version.
  - If a program cannot be chosen or downloaded, the module goes on with the others. The document that the program had
    stays.
  - Only keys that O(programs[].trust) names may sign the feeds of a program. Zero Install asks nobody about other keys.
  - Where a feed leaves something to the packages of a distribution, the module chooses nothing. The answer says what
    the guest needs.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.progress
attributes:
  check_mode:
    support: full
    details: The module reads feeds from the network, and downloads no program.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(update=true), the feeds may have new versions at each run.
options:
  path:
    description: Folder of the module's record. The module makes it. Nobody but its owner may enter it.
    type: path
    required: true
  store:
    description: The store. Its path ends in C(/0install.net/implementations).
    type: path
    required: true
  programs:
    description: The programs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the program, which its launchers have, too.
        type: str
        required: true
      uri:
        description: Address of the program's feed. It begins with C(https://) or C(http://).
        type: str
        required: true
      version:
        description:
          - Which versions will do, as C(0install) takes them, such as V(2.1) or V(2.1..!3).
          - By default, the newest stable version.
        type: str
      command:
        description: Which of the program's commands the launchers run.
        type: str
        default: run
      trust:
        description: Fingerprints of the keys that may sign the feeds of this program and of what it needs.
        type: list
        elements: str
        default: []
      systems:
        description: The systems for which to download it, such as V(Linux-x86_64).
        type: list
        elements: str
        required: true
  state:
    description:
      - V(absent) forgets what was chosen in this O(arrangement), and downloads nothing. All implementations stay in the
        store.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description:
      - Whether O(programs) are all that this O(arrangement) has. Then no other program of it counts as needed any more.
      - Set it to V(false) if you do not know all of them.
    type: bool
    default: true
  arrangement:
    description:
      - The arrangement whose programs these are. The module keeps apart what it knows of each arrangement, and counts
        the programs of all of them as needed.
    type: str
    default: default
  keep:
    description:
      - How many choices of a program count as needed, from 1 to 10. The newest choice is the one that the guests get.
        A program can go back to the others without a download.
    type: int
    default: 10
  update:
    description: Whether to choose all programs anew.
    type: bool
    default: false
  patience:
    description: Seconds after which the module gives a download up, if no more of it comes.
    type: int
    default: 300
  zero_install:
    description: Zero Install's command C(0install), as a path or as a name.
    type: str
    default: 0install
notes:
  - Run it as an ordinary user who can add to the store, directly or by C(0store-secure-add-helper). It refuses root.
  - C(0install) takes the proxy from the environment variables C(http_proxy), C(https_proxy) and C(no_proxy).
seealso:
  - module: zeroinstall.virtualbox.launchers
"""

EXAMPLES = r"""
- name: Download an editor for guests of two kinds
  zeroinstall.virtualbox.programs:
    path: /var/lib/zeroinstall.virtualbox/programs
    store: /var/cache/0install.net/implementations
    programs:
      - name: edit
        uri: https://apps.example.com/edit.xml
        trust: [0123456789ABCDEF0123456789ABCDEF01234567]
        systems: [Linux-x86_64, Linux-i686]
  become: true
  become_user: zeroinst-programs
  register: downloaded
"""

RETURN = r"""
programs:
  description: The programs that guests can have, each for one system.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the program.
      type: str
    system:
      description: The system, such as C(Linux-x86_64).
      type: str
    version:
      description: The version that is chosen.
      type: str
    before:
      description: The version that was chosen before. It is empty at the first time.
      type: str
    document:
      description: The document of selections.
      type: str
    downloaded:
      description: Names of the implementations that came into the store, or would in check mode.
      type: list
      elements: str
    implementations:
      description: Names of all implementations that the program runs with, as the store has them.
      type: list
      elements: str
    packages:
      description: What a guest needs of its distribution.
      type: list
      elements: dict
      contains:
        interface:
          description: Address of the feed that leaves it to the distribution.
          type: str
        commands:
          description: Which of its commands the program runs.
          type: list
          elements: str
        versions:
          description: Which versions will do. All of these have to hold.
          type: list
          elements: str
        feed:
          description: A feed that names the packages.
          type: str
failed_programs:
  description: The programs that could not be chosen or downloaded.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the program.
      type: str
    system:
      description: The system.
      type: str
    problem:
      description: What is wrong.
      type: str
unused:
  description: What the module once downloaded, and no program of any arrangement needs any more.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the implementation in the store.
      type: str
    size:
      description: Bytes of its files.
      type: int
arrangements:
  description: The arrangements for which the module knows programs.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import downloading


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "store": {"type": "path", "required": True},
            "programs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "uri": {"type": "str", "required": True},
                    "version": {"type": "str"},
                    "command": {"type": "str", "default": "run"},
                    "trust": {"type": "list", "elements": "str", "default": [], "no_log": False},
                    "systems": {"type": "list", "elements": "str", "required": True},
                },
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "exclusive": {"type": "bool", "default": True},
            "arrangement": {"type": "str", "default": "default"},
            "keep": {"type": "int", "default": 10},
            "update": {"type": "bool", "default": False},
            "patience": {"type": "int", "default": 300},
            "progress": {"type": "float", "default": 10},
            "progress_file": {"type": "path"},
            "zero_install": {"type": "str", "default": "0install"},
        },
        supports_check_mode=True,
    )
    answer(module, downloading.run)


if __name__ == "__main__":
    main()
