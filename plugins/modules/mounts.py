#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mounts
short_description: Mount VirtualBox shares in a guest, now and at every boot
version_added: 0.1.0
description:
  - Makes all mounts as you describe them, in one run. The module compares what is really mounted (share, access,
    options, and whether it answers), not only whether something is mounted.
  - Writes the line in C(/etc/fstab), loads the driver now and at every boot, creates the mount point, and mounts.
  - The line works with the driver of the Linux kernel and with the one of Oracle's Guest Additions. No boot waits for
    the mount or fails because of it.
  - With systemd, an automount unit in C(/etc/systemd/system) mounts the share at its first access after a boot. While
    the share is gone, every access fails. When the share has come back, the next access mounts it. If the kernel has no
    autofs, the boot mounts the share, and does not fail without it.
  - The module looks at everything before it changes anything. If a step fails, it undoes the steps before it, and the
    message says so.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  mounts:
    description: The mounts that you want, and those that you want removed.
    type: list
    elements: dict
    default: []
    suboptions:
      share:
        description:
          - Name of the share. It is required to mount a share.
          - With O(mounts[].state=absent), the module unmounts a share that somebody else mounted at O(mounts[].path)
            only if it has this name.
        type: str
      path:
        description:
          - Mount point, an absolute path without symbolic links. The module creates it if it is missing.
          - The module refuses a folder that is not empty, and one where another file system is mounted.
        type: str
        required: true
      writable:
        description: Whether to mount it writable. A share that the host made read-only stays read-only.
        type: bool
        default: false
      options:
        description:
          - More options of C(vboxsf), such as V(uid=1000). Without V(suid), setuid programs have no effect.
          - The module refuses options that one of the drivers refuses. It also refuses options that give every file the
            same mode, and masks that take away the right to read or execute, because the right to execute is part of
            a Zero Install digest. With O(mounts[].store=true), it refuses V(noexec), too.
          - With O(mounts[].store=false), a mask may keep users other than the owner from reading.
        type: list
        elements: str
        default: []
      owner:
        description:
          - User of the guest who owns everything in the mount, together with the user's primary group. This sets the
            options C(uid) and C(gid), so you need not know the numbers.
          - If the user does not exist yet, check mode leaves these options out, with a warning.
        type: str
      store:
        description:
          - Whether this is a store of Zero Install. Then the module adds its path to
            C(/etc/xdg/0install.net/injector/implementation-dirs), unless Zero Install looks there anyway.
        type: bool
        default: false
      state:
        description:
          - V(present) mounts the share.
          - V(absent) unmounts it and removes its fstab line. It also removes the mount point, if this module created it
            and it is empty.
        type: str
        choices: [present, absent]
        default: present
  exclusive:
    description: Whether to remove mounts that this module made and that are not in O(mounts).
    type: bool
    default: false
  driver:
    description:
      - Whether to load the driver, now and at every boot. For the boots, the module writes
        C(/etc/modules-load.d/zeroinstall.virtualbox.conf).
      - The module removes that file with its last mount.
    type: bool
    default: true
  fstab:
    description:
      - The file that lists the mounts of every boot.
      - If this is a symbolic link, root has to own the link and the file to which it leads. The module then changes
        that file. It refuses all other links.
    type: path
    default: /etc/fstab
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The diff of O(fstab) shows only the lines of type C(vboxsf). The others do not change.
  idempotent:
    support: full
notes:
  - C(comment=zeroinstall.virtualbox) in an fstab line marks it as this module's. Other lines stay as they are, byte
    for byte. But the module takes over a line of type C(vboxsf) for a wanted mount point even without the mark.
  - The driver of the Linux kernel does not show C(dmask) and C(fmask) of a mount. For that driver, the module compares
    them with the fstab line.
  - systemd makes a mount unit from the fstab line. If somebody masked that unit, the module removes the mask. It
    refuses a unit file of somebody else for a wanted mount point.
  - If systemd mounts a wanted share at the first access, the module makes that access, also in check mode.
seealso:
  - module: zeroinstall.virtualbox.guest_info
  - module: zeroinstall.virtualbox.shares
"""

EXAMPLES = r"""
- name: Mount the host's Zero Install store, and nothing else
  zeroinstall.virtualbox.mounts:
    mounts:
      - share: ZeroInstall
        path: /var/cache/0install.net/implementations
    exclusive: true

- name: Mount it beside a store of the guest's own
  zeroinstall.virtualbox.mounts:
    mounts:
      - share: ZeroInstall
        path: /var/cache/0install.net/host-implementations
        store: true

- name: Remove all mounts that this module made
  zeroinstall.virtualbox.mounts:
    exclusive: true
"""

RETURN = r"""
mounts:
  description: The mounts that this run was about.
  returned: success
  type: list
  elements: dict
  sample:
    - share: ZeroInstall
      path: /var/cache/0install.net/implementations
      state: present
      changes: [fstab line added, folder created, mounted]
      reasons: [it is not mounted]
  contains:
    share:
      description: Name of the share, or null if it is not known.
      type: str
    path:
      description: Mount point.
      type: str
    state:
      description: V(present) or V(absent).
      type: str
    changes:
      description: What the module changed, or would change in check mode.
      type: list
      elements: str
    reasons:
      description: The differences that the module found between this mount and what you want.
      type: list
      elements: str
commands:
  description: The programs that the module ran, or would run in check mode, with their arguments.
  returned: always, unless nothing was looked at
  type: list
  elements: list
  sample: [[mount, -t, vboxsf, -o, "ro,nodev,nosuid", --, ZeroInstall, /var/cache/0install.net/implementations]]
"""

import functools

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import mounting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer

MOUNT = {
    "share": {"type": "str"},
    "path": {"type": "str", "required": True},
    "writable": {"type": "bool", "default": False},
    "options": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str"},
    "store": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main():
    module = AnsibleModule(
        argument_spec={
            "mounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": MOUNT,
                "required_if": [("state", "present", ["share"])],
            },
            "exclusive": {"type": "bool", "default": False},
            "driver": {"type": "bool", "default": True},
            "fstab": {"type": "path", "default": "/etc/fstab"},
        },
        supports_check_mode=True,
    )
    answer(module, functools.partial(mounting.run, label=module.set_default_selinux_context))


if __name__ == "__main__":
    main()
