#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: store_import
short_description: Add packages from untrusted guests' boxes to a Zero Install store
version_added: 0.1.0
description:
  - A box (drop box) is a folder on the host into which one guest writes its packages. A request is an archive of one
    implementation in a box. The module answers the requests in the boxes of a host's guests, until no request waits, or
    for ten minutes.
  - The module copies a request to a place that no guest reaches, unpacks it within limits, and makes its manifest. If
    that has the digest that the request names, the module adds the implementation to the store. Otherwise it refuses
    the request.
  - The role P(zeroinstall.virtualbox.cache_import#role) sets up the boxes, and a service that does this whenever a
    request comes. Use the module on a host without systemd. One run of the module answers the requests that wait, and
    then ends.
  - If the module is killed, the store still has only whole implementations, and the next run goes on.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  store:
    description:
      - The store, an absolute path that ends in C(/0install.net/implementations). It must be no symbolic link.
      - The module unpacks archives in a folder beside it, whose name ends in C(.staging). It creates that folder with
        the mode 0700.
    type: path
    required: true
  boxes:
    description:
      - The folder of the boxes. Each folder in it is a box, and belongs to the owner of the store.
    type: path
    default: /var/lib/zeroinstall.virtualbox/boxes
  max_size:
    description: Largest size of an archive in bytes. Files are not compressed in it.
    type: int
    default: 4294967296
  max_entries:
    description: Largest number of files, directories and links in an implementation.
    type: int
    default: 250000
  max_depth:
    description: Largest number of directories inside each other in an implementation, at most V(200).
    type: int
    default: 100
  max_seconds:
    description:
      - Within how many seconds, and how many seconds of processor time, the module has to unpack and verify one
        implementation.
    type: int
    default: 1800
  max_waiting:
    description: Largest number of requests that may wait in a box. The module refuses requests beyond it.
    type: int
    default: 64
  keep_free:
    description:
      - Bytes that the module keeps free on the store's file system, even while it unpacks implementations. It refuses
        implementations that do not fit.
    type: int
    default: 1073741824
  keep_free_inodes:
    description:
      - Inodes that the module keeps free on the store's file system, if that has a number of them. It refuses
        implementations that do not fit.
    type: int
    default: 4096
  workers:
    description: Number of processes that unpack at once. V(0) means one for each processor that the module may use.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    details:
      - Check mode unpacks nothing. So it does not know whether a request will be added. Such a request has the status
        V(waiting), and counts as a change.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Run it as root or as the store's owner. As root, the module handles everything from guests with the rights of the
    store's owner alone.
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
    - The answers in their order. The list has the first 1000, and at most two megabytes as JSON.
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
      description: Name of the implementation, as the request claims.
      type: str
      sample: sha256new_XSMDG7IUBT6LRSFS3LH5HXEA3W6HXR6MV5FX4G4FUJGRIQJVVDAA
    status:
      description:
        - V(added) - the module added it to the store.
        - V(present) - the store had it already.
        - V(refused) - the module refused it, for the given reason.
        - V(waiting) - in check mode, the module would unpack and verify it.
      type: str
      sample: added
    reason:
      description: Why it was refused, or what has to be verified. At most 300 characters, and otherwise empty.
      type: str
      sample: ""
answers_left_out:
  description: The number of answers that RV(answers) leaves out.
  returned: always
  type: int
  sample: 0
removed:
  description:
    - How many other things the module removed from boxes, such as half a request that is more than an hour old.
    - If the module cannot remove something, such as a folder that is not empty, it renames that to a name that ends in
      C(.junk). It does not count this.
  returned: when the run came to its end
  type: int
  sample: 0
left:
  description:
    - How many requests are left, because they could not be removed, guests sent too many, or ten minutes were over.
      A box with more names than the module looks at counts as one. If there are any, run the module again.
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
