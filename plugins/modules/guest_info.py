#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_info
short_description: Read the Guest Additions, shared folders and Zero Install of a VirtualBox guest
version_added: 0.1.0
description:
  - Reads everything about shared folders and Zero Install's stores in one run, from files in C(/proc), C(/sys),
    C(/etc) and C(/lib/modules).
  - If the module cannot read a part, that part of the result is null, and RV(guest.errors) says why. The result still
    has the other parts.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  minimum_version:
    description: Guest Additions that are older than this version are a problem, see RV(guest.additions.problem).
    type: str
    default: 4.2.0
  bad_versions:
    description: More versions that are a problem, or ranges such as V(6.1.0-6.1.8), with both ends included.
    type: list
    elements: str
    default: []
  tools:
    description:
      - Whether to ask programs. If they are installed, the programs of the Guest Additions tell their version,
        C(modinfo) tells the version of the driver's file, and C(sudo) tells whether users may run the program of
        C(0store-secure-add-helper).
      - The module starts no other programs.
    type: bool
    default: true
  fstab:
    description: The file that lists the mounts of every boot.
    type: path
    default: /etc/fstab
  sudoers:
    description: The sudoers drop-in that lets the users of the guest share a store.
    type: path
    default: /etc/sudoers.d/zeroinstall
  paths:
    description: More paths to look at, so that you can compare them with what you want there.
    type: list
    elements: str
    default: []
  zero_install_version:
    description: Whether to ask C(0install) for its version, see RV(guest.zero_install).
    type: bool
    default: false
notes:
  - The guest does not show that its host made a share read-only. Only an attempt to write shows it.
  - The module lists the folder of a mount to see whether the mount answers. It lists a store to see whether it is
    empty. If systemd mounts a share at the first access, this counts as an access, and systemd mounts the share.
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
        uuid:
          description:
            - UUID of the machine's hardware by its firmware (DMI). Only root can read it. Empty if it cannot be read,
              or if it is no UUID.
            - The first three fields may have their bytes in reverse order, compared with
              RV(zeroinstall.virtualbox.machine_info#module:machines[].hardware_uuid).
          type: str
          sample: f06c5e24-3d31-ca4f-8046-1ff7e17a1bb7
    additions:
      description: The Guest Additions.
      type: dict
      contains:
        version:
          description:
            - Version of the driver, or null if it is not known.
            - The version of the Linux kernel's own driver tells nothing. With that driver, this is the version of the
              programs of the Guest Additions, if there are any.
          type: str
          sample: 7.2.22
        full:
          description: The version as the guest tells it, with suffixes and revision.
          type: str
          sample: 7.2.22_Debianr175245
        revision:
          description: The revision in RV(guest.additions.full).
          type: int
          sample: 175245
        origin:
          description: >-
            Where the drivers come from. V(oracle) are Oracle's. V(distribution) are Oracle's sources, built by a
            distribution. V(mainline) are the Linux kernel's own. Null if there are no drivers.
          type: str
          sample: mainline
        tools:
          description: Version of the programs, as they print it. Null without programs, or with O(tools=false).
          type: str
          sample: 7.2.22_Debianr175245
        installed:
          description:
            - Version of the driver's file that the running kernel would load now. Null if this is the kernel's own, if
              there is none, or with O(tools=false).
          type: str
          sample: 7.2.22 r175245
        oracle:
          description: Version of Oracle's Guest Additions, as their installer recorded it, or null.
          type: str
          sample: 7.2.22
        restart:
          description:
            - A message if the loaded driver is not the installed one, as after an upgrade. It says what to do. Null if
              they are the same. The module also gives it as a warning.
          type: str
          sample:
        problem:
          description: What is wrong with the Guest Additions, and what to do about it, or null.
          type: str
          sample:
    driver:
      description: The driver for shared folders, C(vboxsf).
      type: dict
      contains:
        loaded:
          description: Whether the kernel has loaded it.
          type: bool
        loadable:
          description: Whether it is loaded, or the running kernel has a module of it.
          type: bool
        at_boot:
          description: The files that make the system load it at every boot.
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
          description: Whether it is mounted writable. The host may still refuse writes.
          type: bool
        options:
          description: Mount options that the kernel shows.
          type: list
          elements: str
        answers:
          description: Whether the folder can be listed. If the host took the share away, it cannot.
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
              description: >-
                The error of an access, if systemd waits for the first access to mount the share. Otherwise null.
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
          description: Whether it exists.
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
          description: Whether there is C(visudo), which checks a sudoers drop-in.
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
            - Why sudo does not let users run the helper's program, and what to do, or null.
            - The module asks sudo if helper and O(sudoers) are there, but not with O(tools=false).
          type: str
        ready:
          description: Whether all parts of the sharing are there, and sudo lets users run the helper's program.
          type: bool
    paths:
      description: What is at each path in O(paths), as M(zeroinstall.virtualbox.paths_info) tells it.
      type: dict
    zero_install:
      description: >-
        Paths of C(0install) and C(0store), or null. C(package) is the name of the package of the guest's distribution
        that contains them, or null. C(version) is the version of C(0install), or null. It is null without
        O(zero_install_version=true).
      type: dict
      sample: {"0install": /usr/bin/0install, "0store": /usr/bin/0store, "package": 0install-core, "version": "2.18"}
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
          description: The distributions that this one is like, C(ID_LIKE).
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
      description: The parts that the module could not read, and why.
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
            "zero_install_version": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    answer(module, reading.run)


if __name__ == "__main__":
    main()
