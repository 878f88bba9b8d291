#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: store_import
short_description: Add to a Zero Install store what untrusted guests have put into their drop boxes
version_added: 0.1.0
description:
  - Answers all requests in the drop boxes of a host's guests until none is waiting, or for ten minutes. Each is an
    archive of one implementation. It is copied to where no guest reaches it, unpacked within limits, and added to the
    store if the manifest that the host makes of it has the digest that was asked for. Otherwise it is refused.
  - The role P(zeroinstall.virtualbox.cache_import#role) sets up the boxes, and a service that does this whenever
    a request comes. The module does it once, where there is no systemd.
  - Killed at any moment, it leaves whole implementations in the store, and the next run goes on.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  store:
    description:
      - The store, an absolute path that ends in C(/0install.net/implementations). It must be no symbolic link.
      - Beside it, archives are unpacked in a folder whose name ends in C(.staging). It is created with the mode 0700.
    type: path
    required: true
  boxes:
    description:
      - The folder of the drop boxes. Each folder in it is a box, and belongs to the owner of the store.
    type: path
    default: /var/lib/zeroinstall.virtualbox/boxes
  max_size:
    description: An archive may have so many bytes. Files are not compressed in it.
    type: int
    default: 4294967296
  max_entries:
    description: An implementation may have so many files, directories and links.
    type: int
    default: 250000
  max_depth:
    description: An implementation may have so many directories in each other, V(200) at most.
    type: int
    default: 100
  max_seconds:
    description: Unpacking and verifying one implementation may take so many seconds.
    type: int
    default: 1800
  max_waiting:
    description: So many requests may wait in a box. Those beyond are refused.
    type: int
    default: 64
  keep_free:
    description:
      - So many bytes are kept free on the store's file system, also while implementations are unpacked. What does not
        fit is refused.
    type: int
    default: 1073741824
  keep_free_inodes:
    description:
      - So many inodes are kept free on the store's file system, if it has a number of them. What does not fit is
        refused.
    type: int
    default: 4096
  workers:
    description: Number of processes that unpack, V(0) for one for each processor that the module may use.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    details:
      - Nothing is unpacked, so of a request that will be verified it is not known whether it will be added. Its status
        is V(waiting), and it counts as a change.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Run as root or as the store's owner. As root, all that has to do with guests is done with the rights of the store's
    owner alone.
seealso:
  - module: zeroinstall.virtualbox.store_verify
"""

EXAMPLES = r"""
- name: Add what guests have sent
  zeroinstall.virtualbox.store_import:
    store: /var/cache/0install.net/implementations
  register: imported

- name: Show what was refused
  ansible.builtin.debug:
    msg: "{{ imported.answers | selectattr('status', 'eq', 'refused') }}"
"""

RETURN = r"""
answers:
  description:
    - What was answered, in this order, the first 1000, and at most two megabytes as JSON.
    - Bytes that cannot be printed appear as backslash escapes.
  returned: always
  type: list
  elements: dict
  contains:
    box:
      description: Name of the box.
      type: str
      sample: web1.example.com
    digest:
      description: Name of the implementation that the request claims to be.
      type: str
      sample: sha256new_XSMDG7IUBT6LRSFS3LH5HXEA3W6HXR6MV5FX4G4FUJGRIQJVVDAA
    status:
      description:
        - V(added) to the store.
        - V(present) - the store had it already.
        - V(refused), for the reason that is told.
        - V(waiting), in check mode - it would be unpacked and verified.
      type: str
      sample: added
    reason:
      description: Why it was refused, or what has to be verified, 300 characters at most; otherwise empty.
      type: str
      sample: ""
answers_left_out:
  description: How many answers were given beside those in RV(answers).
  returned: always
  type: int
  sample: 0
removed:
  description:
    - How many other things were removed from boxes, such as half a request that is more than an hour old.
    - What cannot be removed, such as a folder of a guest's with something in it, gets a name that ends in C(.junk), and
      is not counted.
  returned: when the run came to its end
  type: int
  sample: 0
left:
  description:
    - How many requests are left, because they could not be removed, guests sent too many, or ten minutes were over.
      A box with more names than are looked at counts as one. Run again.
  returned: when the run came to its end
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass, pass_report
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "boxes": {"type": "path", "default": one_pass.BOXES},
            **{name: {"type": "int", "default": value} for name, value in Limits()._asdict().items()},
            "workers": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    answer(module, pass_report.run)


if __name__ == "__main__":
    main()
