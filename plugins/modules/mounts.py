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
  - Makes the mounts of shares as they are wanted, all in one run. It compares what is really mounted (share, access,
    options, and whether it answers), not only whether something is mounted.
  - Writes the line in C(/etc/fstab), loads the driver now and at every boot, creates the mount point, and mounts.
  - The line works with the driver of the Linux kernel and with that of Oracle's Guest Additions, and no boot waits
    for it or fails by it.
  - With systemd, an automount unit in C(/etc/systemd/system) mounts the share at its first access after a boot. While
    the share is gone, every access fails; the first one after it came back mounts it.
  - Everything is looked at before anything is changed. If a step fails, the steps before it are undone, and the
    message says so.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  mounts:
    description: The mounts that are wanted, and those that are not.
    type: list
    elements: dict
    default: []
    suboptions:
      share:
        description:
          - Name of the share. Required to mount it.
          - With O(mounts[].state=absent), a share that somebody else mounted at O(mounts[].path) is unmounted only
            if it is this one.
        type: str
      path:
        description:
          - Mount point, an absolute path that is not reached through a symbolic link. It is created if it is missing.
          - A folder with something in it is refused, as is one where another file system is mounted.
        type: str
        required: true
      writable:
        description: Whether to mount it writable. What the host made read-only stays read-only all the same.
        type: bool
        default: false
      options:
        description:
          - More options of C(vboxsf), such as V(uid=1000). Set-user-id programs are off unless V(suid) is here.
          - Options that one of the drivers refuses, and those by which files lose or get the right to be executed,
            are refused. That right is part of a Zero Install digest.
          - A mask may keep other users than the owner from reading if O(mounts[].store=false).
        type: list
        elements: str
        default: []
      owner:
        description:
          - User of the guest to whom everything in it belongs, and to whose primary group; as the options C(uid) and
            C(gid), without their numbers having to be known.
          - In check mode, one who is not there yet is left out, with a warning.
        type: str
      store:
        description:
          - Whether this is a store of Zero Install. Its path is then added to
            C(/etc/xdg/0install.net/injector/implementation-dirs), unless Zero Install looks there anyway.
        type: bool
        default: false
      state:
        description:
          - V(present) mounts the share.
          - V(absent) unmounts it, removes its fstab line, and removes the mount point if this module created it and
            it is empty.
        type: str
        choices: [present, absent]
        default: present
  exclusive:
    description: Whether mounts that this module made and that are not in O(mounts) are removed.
    type: bool
    default: false
  driver:
    description:
      - Whether to load the driver if it is not loaded, and at every boot, by
        C(/etc/modules-load.d/zeroinstall.virtualbox.conf).
      - That file is removed with the last mount of this module.
    type: bool
    default: true
  fstab:
    description:
      - The file with the mounts that are made at every boot.
      - If it is a symbolic link of root's to a file of root's, that file is changed. Other links are refused.
    type: path
    default: /etc/fstab
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of O(fstab) only the lines of type C(vboxsf) are shown. The others do not change.
  idempotent:
    support: full
notes:
  - C(comment=zeroinstall.virtualbox) in an fstab line marks it as this module's. Other lines stay as they are, byte
    for byte. A line of type C(vboxsf) for a wanted mount point is taken over even without the mark.
  - The driver of the Linux kernel does not show C(dmask) and C(fmask) of a mount. There they are compared with the
    fstab line.
  - Where systemd is the init system, a mask of the mount unit that it makes of the fstab line is taken away. A unit
    file of somebody else's for a wanted mount point is refused.
  - Where systemd waits for the first access to a wanted mount, the module makes it, in check mode too.
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
      description: What was changed.
      type: list
      elements: str
    reasons:
      description: What was found to be different, where a share was mounted.
      type: list
      elements: str
commands:
  description: The programs that were run, with their arguments. In check mode those that would be run.
  returned: always, unless nothing was looked at
  type: list
  elements: list
  sample: [[mount, -t, vboxsf, -o, "ro,nodev,nosuid", --, ZeroInstall, /var/cache/0install.net/implementations]]
"""

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
    answer(module, mounting.run)


if __name__ == "__main__":
    main()
