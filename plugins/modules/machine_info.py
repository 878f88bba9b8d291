#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_info
short_description: Read the machines of a VirtualBox user and their shares
version_added: 0.1.0
description:
  - Reads all machines that the current user has registered with VirtualBox, and their shared folders with all fields.
  - Machines belong to the user who registered them. To read the machines of another user, use C(become_user).
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
  - zeroinstall.virtualbox.vboxmanage
  - zeroinstall.virtualbox.folders
options:
  machines:
    description:
      - Names or UUIDs of the machines to read. By default the module reads all machines.
      - The result leaves out machines that are not registered.
    type: list
    elements: str
seealso:
  - module: zeroinstall.virtualbox.shares
"""

EXAMPLES = r"""
- name: Read all machines of the user vm
  become: true
  become_user: vm
  zeroinstall.virtualbox.machine_info:
  register: virtualbox

- name: Show the shares that a guest can write to
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.shares | selectattr('writable') | map(attribute='name') | join(', ') }}"
  loop: "{{ virtualbox.machines }}"
"""

RETURN = r"""
version:
  description: Version of VirtualBox on the host.
  returned: success
  type: str
  sample: 7.2.22
machines:
  description: The machines, in the order of their registration.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID of the machine.
      type: str
    name:
      description: Name of the machine. For an inaccessible machine, the name of its settings file.
      type: str
    state:
      description:
        - State in VirtualBox's words, such as V(poweroff), V(running), V(paused), V(saved), V(aborted).
        - V(inaccessible) if the machine is not accessible.
      type: str
    accessible:
      description: Whether VirtualBox can read the machine's settings.
      type: bool
    problem:
      description: Why the machine is inaccessible. Empty if it is accessible.
      type: str
    settings_file:
      description: Path of the machine's settings file.
      type: str
    additions_version:
      description:
        - Version of the Guest Additions, as the running guest reports it. Empty if it reports none.
        - The driver in the mainline Linux kernel always reports V(6.0.0).
      type: str
    additions_revision:
      description: Revision of the Guest Additions. Empty if unknown.
      type: str
    hardware_uuid:
      description:
        - The UUID that the machine's guest sees as that of its hardware, see
          RV(zeroinstall.virtualbox.guest_info#module:guest.virtualbox.uuid). It is the machine's own UUID if VirtualBox
          was given no other. Clones of a machine may have the same. Empty for an inaccessible machine.
      type: str
    os_type:
      description: >-
        Which operating system the machine's settings say that its guest has, such as C(Debian_64). Empty for an
        inaccessible machine.
      type: str
    shares:
      description: Shared folders that the machine sees. Global ones are the same for all machines.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the share.
          type: str
        path:
          description: Path of the folder on the host.
          type: str
        kind:
          description: >-
            V(machine) is a permanent share of the machine. V(global) is a share of all machines. V(transient) is a
            share that lasts until the machine is powered off.
          type: str
        writable:
          description: Whether the guest may write.
          type: bool
        automount:
          description: Whether the Guest Additions mount the share by themselves.
          type: bool
        mount_point:
          description: Where the Guest Additions mount it. Empty for their default.
          type: str
        symlink_policy:
          description: Which symlinks the guest may create. V(none) if not set.
          type: str
        symlinks:
          description: Whether the guest may create symlinks at all.
          type: bool
        ours:
          description:
            - Whether this collection set the share up, in the arrangement O(folders.arrangement). The module knows such
              a share by its mark, and a writable one also by its name and path.
          type: bool
        arrangement:
          description: The arrangement that the share's mark names. Empty if it has no mark.
          type: str
        gives:
          description:
            - Only for a share that somebody else set up. The folder that the guest reaches through this share, if that
              is one of O(folders) or the folder of a share of this collection. Otherwise empty.
          type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import machine_report, recognizing


def main():
    module = AnsibleModule(
        argument_spec={
            "machines": {"type": "list", "elements": "str"},
            "folders": recognizing.OPTION,
            "vboxmanage": {"type": "str", "default": "VBoxManage"},
        },
        supports_check_mode=True,
    )
    answer(module, machine_report.run)


if __name__ == "__main__":
    main()
