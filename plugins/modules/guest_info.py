#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_info
short_description: Read what a VirtualBox guest has of Guest Additions, shared folders and Zero Install
version_added: 0.1.0
description:
  - Reads everything about shared folders and Zero Install's stores in one run, from files in C(/proc), C(/sys),
    C(/etc) and C(/lib/modules).
  - A part that cannot be read is null, and RV(guest.errors) says why. The other parts are there all the same.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  minimum_version:
    description: Guest Additions that are older are a problem, see RV(guest.additions.problem).
    type: str
    default: 4.2.0
  bad_versions:
    description: More versions that are a problem, or ranges of them such as V(6.1.0-6.1.8), both ends included.
    type: list
    elements: str
    default: []
  tools:
    description:
      - Whether to ask the programs of the Guest Additions for their version, if they are installed, C(modinfo) for that
        of their driver's file, and C(sudo) whether users may run what C(0store-secure-add-helper) runs.
      - This is the only thing for which the module starts programs.
    type: bool
    default: true
  fstab:
    description: The file with the mounts that are made at every boot.
    type: path
    default: /etc/fstab
  sudoers:
    description: The sudoers drop-in that lets the users of the guest share a store.
    type: path
    default: /etc/sudoers.d/zeroinstall
  paths:
    description: Paths to look at, too, so that they can be compared with what ought to be there.
    type: list
    elements: str
    default: []
notes:
  - A share that its host made read-only does not show as such in the guest. Only an attempt to write shows it.
  - Whether a mount answers is found by listing its folder, and a store is listed to see whether it is empty. Where
    systemd waits for the first access to a mount, this is one.
seealso:
  - module: zeroinstall.virtualbox.mounts
"""

EXAMPLES = r"""
- name: Read the guest
  zeroinstall.virtualbox.guest_info:
  register: result

- name: Refuse Guest Additions that break packages
  ansible.builtin.assert:
    that: not result.guest.additions.problem
    fail_msg: "{{ result.guest.additions.problem }}"
"""

RETURN = r"""
guest:
  description: What was found.
  returned: success
  type: dict
  contains:
    virtualbox:
      description: Whether this is a VirtualBox guest.
      type: dict
      contains:
        guest:
          description: Whether the machine calls itself VirtualBox, or has VirtualBox's guest device.
          type: bool
        product:
          description: What the machine calls itself, or null if that cannot be read.
          type: str
          sample: VirtualBox
    additions:
      description: The Guest Additions.
      type: dict
      contains:
        version:
          description:
            - Their version. Null if nothing tells it.
            - That of the driver. The Linux kernel's own has none that says anything, so with it, it is that of the
              programs of the Guest Additions, if there are any.
          type: str
          sample: 7.2.22
        full:
          description: The version as it was found, with suffixes and revision.
          type: str
          sample: 7.2.22_Debianr175245
        revision:
          description: The revision in RV(guest.additions.full).
          type: int
          sample: 175245
        origin:
          description: >-
            Whose drivers these are: V(oracle), V(distribution) (Oracle's sources as a distribution builds them),
            V(mainline) (the Linux kernel's own), or null if there are none.
          type: str
          sample: mainline
        tools:
          description: Version of the programs, as they print it. Null if there are none or with O(tools=false).
          type: str
          sample: 7.2.22_Debianr175245
        installed:
          description:
            - Version of the driver that the running kernel would load now, by its file. Null if it is the kernel's own,
              if there is none, or with O(tools=false).
          type: str
          sample: 7.2.22 r175245
        oracle:
          description: Version of Oracle's Guest Additions by what their installer wrote down, or null.
          type: str
          sample: 7.2.22
        restart:
          description:
            - That another driver is loaded than is installed, as after an upgrade, and what to do; or null. The module
              warns of it, too.
          type: str
          sample:
        problem:
          description: What is wrong with the Guest Additions and what to do about it, or null.
          type: str
          sample:
    driver:
      description: The driver for shared folders, C(vboxsf).
      type: dict
      contains:
        loaded:
          description: Whether the kernel has it now.
          type: bool
        loadable:
          description: Whether it is loaded, or there is a module of it for the running kernel.
          type: bool
        at_boot:
          description: The files by which it is loaded at every boot.
          type: list
          elements: str
          sample: [/etc/modules-load.d/zeroinstall.virtualbox.conf]
    mounts:
      description: The shared folders that are mounted.
      type: list
      elements: dict
      sample:
        - share: ZeroInstall
          path: /var/cache/0install.net/implementations
          writable: false
          options: [nodev, nosuid, relatime, ro]
          answers: true
          error:
      contains:
        share:
          description: Name of the share.
          type: str
        path:
          description: Mount point.
          type: str
        writable:
          description: Whether it is mounted writable. The host may refuse writing all the same.
          type: bool
        options:
          description: Mount options that the kernel shows.
          type: list
          elements: str
        answers:
          description: Whether the folder can be listed. A share that its host took away cannot.
          type: bool
        error:
          description: Why it does not answer, or null.
          type: str
    fstab:
      description: Shared folders in O(fstab).
      type: dict
      contains:
        entries:
          description: The entries of type C(vboxsf).
          type: list
          elements: dict
          contains:
            line:
              description: Line number, from 1.
              type: int
            share:
              description: Name of the share.
              type: str
            path:
              description: Mount point.
              type: str
            options:
              description: Mount options.
              type: list
              elements: str
            ours:
              description: Whether the line bears the mark of M(zeroinstall.virtualbox.mounts).
              type: bool
            mounted:
              description: Whether the share is mounted there.
              type: bool
            error:
              description: What an access ended with where systemd waits for one to mount the share, or null.
              type: str
              sample: No such device
        malformed:
          description: Numbers of the lines that are no fstab lines.
          type: list
          elements: int
    stores:
      description: Zero Install's stores for the user who ran the module, in Zero Install's order.
      type: list
      elements: dict
      contains:
        path:
          description: The folder.
          type: str
        kind:
          description: V(user), V(system), or V(implementation-dirs).
          type: str
        exists:
          description: Whether it is there.
          type: bool
        link:
          description: Whether the path is a symbolic link.
          type: bool
        owner:
          description: Name of its owner.
          type: str
        mode:
          description: Its mode.
          type: str
          sample: "0755"
        empty:
          description: Whether nothing is in it.
          type: bool
        error:
          description: Why it could not be read, or null.
          type: str
    implementation_dirs:
      description: The lines of C(/etc/xdg/0install.net/injector/implementation-dirs).
      type: list
      elements: str
    sharing:
      description: Whether the users of the guest share a store of the guest's own.
      type: dict
      contains:
        sudo:
          description: Whether there is C(visudo), by which a sudoers drop-in is checked.
          type: bool
        user:
          description: Whether there is a user C(zeroinst).
          type: bool
        helper:
          description: Path of C(0store-secure-add-helper), or null.
          type: str
        ours:
          description: Whether the helper or O(sudoers) bears the mark of this collection.
          type: bool
        sudoers:
          description: Whether O(sudoers) is there.
          type: bool
        store:
          description: Whether C(/var/cache/0install.net/implementations) belongs to C(zeroinst) and has mode C(0755).
          type: bool
        problem:
          description:
            - Why sudo does not let users run what the helper runs, and what to do; or null.
            - It is asked if helper and O(sudoers) are there, unless O(tools=false).
          type: str
        ready:
          description: Whether all of it is there, and sudo lets users run it.
          type: bool
    paths:
      description: What is at each path in O(paths), as M(zeroinstall.virtualbox.paths_info) tells it.
      type: dict
    zero_install:
      description: >-
        Paths of C(0install) and C(0store), or null; and the name of the C(package) that the guest's distribution has of
        them, or null.
      type: dict
      sample: {"0install": /usr/bin/0install, "0store": /usr/bin/0store, "package": 0install-core}
    init:
      description: 'The init system: V(systemd), V(openrc), V(sysvinit) or V(other).'
      type: str
    system:
      description: The distribution, by C(/etc/os-release), and the running kernel.
      type: dict
      contains:
        id:
          description: C(ID) of the distribution.
          type: str
          sample: debian
        like:
          description: The distributions that it is like, C(ID_LIKE).
          type: list
          elements: str
          sample: []
        version:
          description: C(VERSION_ID), or null.
          type: str
          sample: "12"
        kernel:
          description: Release of the running kernel.
          type: str
          sample: 6.1.0-50-amd64
        headers:
          description: Whether the headers of the running kernel are there, so that modules can be built for it.
          type: bool
    errors:
      description: The parts that could not be read, and why.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_versions, reading
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "minimum_version": {"type": "str", "default": additions_versions.MINIMUM},
            "bad_versions": {"type": "list", "elements": "str", "default": []},
            "tools": {"type": "bool", "default": True},
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "sudoers": {"type": "path", "default": "/etc/sudoers.d/zeroinstall"},
            "paths": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    answer(module, reading.run)


if __name__ == "__main__":
    main()
