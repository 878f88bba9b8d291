#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: paths_info
short_description: Read owner, mode and checksum of several paths at once
version_added: 0.1.0
description:
  - Tells what is at each of several paths, in one run. So a role can skip everything that is right already.
  - The module does not follow symbolic links.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  paths:
    description: Absolute paths.
    type: list
    elements: str
    required: true
seealso:
  - module: ansible.builtin.stat
"""

EXAMPLES = r"""
- name: Look at the helper and the store
  zeroinstall.virtualbox.paths_info:
    paths:
      - /usr/local/bin/0store-secure-add-helper
      - /var/cache/0install.net/implementations
  register: found

- name: Create the store
  ansible.builtin.file:
    path: /var/cache/0install.net/implementations
    state: directory
    owner: zeroinst
    mode: "0755"
  when: not found.paths['/var/cache/0install.net/implementations']
"""

RETURN = r"""
paths:
  description: What is at each path, or null if there is nothing.
  returned: success
  type: dict
  sample:
    /etc/sudoers.d/zeroinstall:
      kind: file
      owner: root
      group: root
      mode: "0440"
      sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    /var/cache/0install.net/implementations:
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    answer(module, inspecting.run)


if __name__ == "__main__":
    main()
