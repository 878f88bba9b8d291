#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: boxes
short_description: Find the boxes of guests that are left over on a host, and remove them
version_added: 0.2.0
description:
  - A box (drop box) is a folder on the host into which one guest writes its packages. A request is an archive of one
    package in a box.
  - Tells which boxes there are, how many requests wait in each, and which boxes are left over. With O(remove=true), the
    module removes those that are left over and in which no request waits.
  - The module makes no boxes. The role P(zeroinstall.virtualbox.cache_import#role) makes them.
  - Whatever a guest has put into its box, the module follows no link, and enters nothing that is mounted there.
  - Before the module removes a box, it gives it a name that begins with C(.leaving-). If somebody kills the module, its
    next run with O(remove=true) goes on with that box.
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
    description: Folder of the boxes. It must be no symbolic link.
    type: path
    required: true
  keep:
    description: Names of boxes that are never left over.
    type: list
    elements: str
    default: []
  exclusive:
    description: Whether every box of O(arrangement) that is not in O(keep) is left over.
    type: bool
    default: false
  absent:
    description: Names of boxes of O(arrangement) that are left over.
    type: list
    elements: str
    default: []
  arrangement:
    description:
      - Which boxes belong to this inventory. Those of the arrangement V(ARR) have names that begin with C(ARR@). Those
        of V(default) have names without an C(@).
      - A box of another arrangement is never left over.
    type: str
    default: default
  remove:
    description:
      - Whether to remove what is left over. Otherwise the module only tells.
      - If O(keep) is empty, the module also removes O(path) once nothing is in it any more.
    type: bool
    default: false
  force:
    description:
      - Whether O(remove) also removes boxes in which requests wait, and links and files that have the name of a box.
    type: bool
    default: false
notes:
  - Run it as root.
  - If something is mounted at a box or in it, the module leaves this box as it is.
  - The module passes over everything in O(path) whose name no box can have, such as C(lost+found).
seealso:
  - module: zeroinstall.virtualbox.store_import
"""

EXAMPLES = r"""
- name: See which boxes are left over
  zeroinstall.virtualbox.boxes:
    path: /var/lib/zeroinstall.virtualbox/boxes
    keep: [web1, web2]
    exclusive: true

- name: Remove the box of a guest that is gone, with the packages that wait in it
  zeroinstall.virtualbox.boxes:
    path: /var/lib/zeroinstall.virtualbox/boxes
    absent: [web3]
    remove: true
    force: true
"""

RETURN = r"""
boxes:
  description: The boxes that existed before this run, of all arrangements.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the box. It begins with C(.leaving-) if an earlier run began to remove the box.
      type: str
      sample: web1.example.com
    owner:
      description: Name of the user who owns it, or the user's number.
      type: str
      sample: zeroinst
    waiting:
      description: How many requests wait in it, among the first 100000 names.
      type: int
      sample: 0
    left_over:
      description: Whether it is left over.
      type: bool
      sample: false
gone:
  description: Whether O(path) is not there any more, or in check mode would not be.
  returned: success
  type: bool
  sample: false
removed:
  description: Names of what was removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [web3]
kept:
  description: What is left over and was not removed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the box.
      type: str
      sample: web4
    reason:
      description: Why it was not removed.
      type: str
      sample: 2 requests wait in it.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "keep": {"type": "list", "elements": "str", "default": []},
            "exclusive": {"type": "bool", "default": False},
            "absent": {"type": "list", "elements": "str", "default": []},
            "arrangement": {"type": "str", "default": "default"},
            "remove": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    answer(module, box_removal.run)


if __name__ == "__main__":
    main()
