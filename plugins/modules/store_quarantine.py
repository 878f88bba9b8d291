#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: store_quarantine
short_description: Move implementations of a Zero Install store aside, or back
version_added: 0.1.0
description:
  - Moves implementations that M(zeroinstall.virtualbox.store_verify) found to be corrupt out of a store. Then nobody
    runs them, and Zero Install fetches them anew. The module deletes nothing.
  - It moves each implementation by a single rename. So the implementation is in one place or in the other, even if the
    module is killed.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  path:
    description:
      - The store, an absolute path that ends in C(/0install.net/implementations). It must be no symbolic link.
    type: path
    required: true
  names:
    description:
      - Names of implementations, as RV(zeroinstall.virtualbox.store_verify#module:corrupt) has them. Each must begin
        as the name of an implementation does, but need not be a valid one.
      - In that form, different names in a store stay different. So you always name exactly one implementation.
      - If the module cannot move one of them, it moves the others, lists this one in RV(not_moved), and fails.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(quarantined) moves them from the store to O(folder). If O(folder) already has a copy of that name, the new one
        gets C(.1), C(.2) and so on after its name. If such a name is too long for a file system, the copy goes to a
        folder C(.1), C(.2) and so on in O(folder), under its own name.
      - V(restored) moves the latest copy of each back to the store. If the store has that implementation again in the
        meantime, the module does not move it.
    type: str
    choices: [quarantined, restored]
    default: quarantined
  folder:
    description:
      - Folder for the moved implementations, on the same file system as the store but not in it. It must be no symbolic
        link, belong to root or to the user of the module, and be writable by nobody else. The module creates it with
        the mode 0700.
      - It is a plain absolute path, which ends in a name and contains no C(.), C(..) or C(//).
      - The default is C(implementations.quarantine) beside the store.
    type: path
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - If several copies of a name were moved aside, the module refuses to restore it a second time, because the store
        then has that name.
seealso:
  - module: zeroinstall.virtualbox.store_verify
"""

EXAMPLES = r"""
- name: Verify a store
  zeroinstall.virtualbox.store_verify:
    path: [/var/cache/0install.net/implementations]
    fail_on_problem: false
  register: verified

- name: Move what is corrupt aside
  zeroinstall.virtualbox.store_quarantine:
    path: /var/cache/0install.net/implementations
    names: "{{ verified.corrupt['/var/cache/0install.net/implementations'] | default([]) }}"

- name: Move one back
  zeroinstall.virtualbox.store_quarantine:
    path: /var/cache/0install.net/implementations
    names: [sha1=3c58d58c2fe7a841157fc93d007fc04e39e61366]
    state: restored
"""

RETURN = r"""
moved:
  description:
    - What the module moved, or would move in check mode. The list has at most the first 10000, and at most two
      megabytes as JSON.
  returned: always
  type: list
  elements: dict
  sample:
    - name: sha1=3c58d58c2fe7a841157fc93d007fc04e39e61366
      from: /var/cache/0install.net/implementations/sha1=3c58d58c2fe7a841157fc93d007fc04e39e61366
      to: /var/cache/0install.net/implementations.quarantine/sha1=3c58d58c2fe7a841157fc93d007fc04e39e61366
  contains:
    name:
      description: Name of the implementation.
      type: str
    from:
      description: Path where it was.
      type: str
    to:
      description: Path where it is now.
      type: str
moved_left_out:
  description: The number of moved implementations that RV(moved) leaves out.
  returned: always
  type: int
  sample: 0
not_moved:
  description:
    - What the module could not move. The list has at most the first 10000, and at most one megabyte as JSON.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    name:
      description: Name of the implementation.
      type: str
    reason:
      description: Why the module could not move it, for people.
      type: str
not_moved_left_out:
  description: The number of implementations that RV(not_moved) leaves out.
  returned: always
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import quarantine_report


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["quarantined", "restored"], "default": "quarantined"},
            "folder": {"type": "path"},
        },
        supports_check_mode=True,
    )
    answer(module, quarantine_report.run)


if __name__ == "__main__":
    main()
