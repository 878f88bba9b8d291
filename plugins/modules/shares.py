#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: shares
short_description: Manage the shared folders of many VirtualBox machines
version_added: 0.1.0
description:
  - Makes the shared folders of any number of machines as described, in one call.
  - A share that differs in any field is corrected. What is right already is only read.
  - Machines belong to the user who registered them with VirtualBox. Use C(become_user) to manage another user's.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.vboxmanage
  - zeroinstall.virtualbox.folders
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  machines:
    description:
      - The machines and their shares. Nothing is changed on any machine if one of the entries is wrong in itself, or
        names no machine.
    type: list
    elements: dict
    required: true
    suboptions:
      machine:
        description:
          - Name or UUID of the machine. A name that several machines have is refused.
        type: str
        required: true
      shares:
        description:
          - Shares of the machine.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - Name of the share, under which the guest mounts it. No white space, at most 255 bytes.
            type: str
            required: true
          path:
            description:
              - Folder on the host. It must exist, and not be reached through a symlink. Required for a present share.
            type: str
          writable:
            description:
              - Whether the guest may write. The host enforces it, whatever the guest's root does.
            type: bool
            default: false
          automount:
            description:
              - Whether the Guest Additions mount it by themselves.
            type: bool
            default: false
          mount_point:
            description:
              - Where the Guest Additions mount it, if O(machines[].shares[].automount=true).
            type: str
            default: ""
          symlinks:
            description:
              - Whether the guest may create symlinks. Takes effect when the machine is started the next time.
            type: bool
            default: false
          symlink_policy:
            description:
              - Which symlinks the guest may create, in VirtualBox's terms, if O(machines[].shares[].symlinks=true).
              - Ignored on VirtualBox before 7.1, which knows no policies.
            type: str
            choices: [none, forbidden, subtree, relative, any]
            default: none
          state:
            description:
              - Whether the share should be there. V(absent) removes a share of that name, whoever made it.
            type: str
            choices: [present, absent]
            default: present
  exclusive:
    description:
      - Whether shares that this module once added or corrected, and that are not listed as present, are removed from
        the machines that are listed. Shares that others made are left alone.
      - They are known by a mark in the machine's extradata. A snapshot that is restored brings shares back, and not
        their marks. So a writable share is known by its name and its path, too, as the collection's roles choose them;
        see O(folders).
    type: bool
    default: false
  whole_host:
    description:
      - Whether O(exclusive=true) is about all machines of the user, and not only about those that are listed.
    type: bool
    default: false
  when_inaccessible:
    description:
      - What to do where VirtualBox cannot read the settings of a machine that is listed, or with O(whole_host=true)
        those of any machine.
      - V(fail) does what is wanted of the other machines, and fails. V(report) does the same, and names it in
        RV(inaccessible) instead. V(refuse) changes nothing on any machine, and fails.
    type: str
    choices: [fail, report, refuse]
    default: fail
  when_busy:
    description:
      - What to do where a share of a machine cannot be changed for good now, because the machine is saved, is locked
        for longer than O(lock_timeout), or runs and VirtualBox's Python API does not work with this module's Python.
        With the API the shares of a running machine are changed at once and for good.
      - V(later) leaves the change for a later run and says so in RV(pending).
      - V(transient) does the same, and gives a running machine a share that lasts until it is powered off.
      - V(fail) changes nothing on any machine and fails, by the machines' states. That another VirtualBox client has
        locked a machine shows only when it is to be changed. Then that machine fails, and the others are done.
    type: str
    choices: [later, transient, fail]
    default: later
  when_shared_otherwise:
    description:
      - What to do where another share of a machine that is listed gives its guest what only those listed should give
        it, so that the guest could write there. Such shares are never removed.
      - V(warn) goes on. V(fail) changes nothing on that machine, does what is wanted of the others, and fails.
        V(report) does the same, and names it in RV(refused) instead. V(refuse) changes nothing on any machine, and
        fails.
      - Where the guest has the right to write there by its own shares, or cannot write, it is only told. All are in
        RV(others).
    type: str
    choices: [warn, fail, report, refuse]
    default: warn
  lock_timeout:
    description:
      - Seconds to go on trying where another VirtualBox client has locked a machine, or another run of this module is
        under way for the same user.
    type: int
    default: 30
notes:
  - A guest that has a share mounted loses it when the share of its running machine is corrected or removed. Every
    access ends with V(Protocol error) until the guest unmounts it and mounts it anew.
  - VirtualBox (seen with 7.2.22) may lose such a corrected share when the guest unmounts the old one. It is back when
    the machine is started the next time.
seealso:
  - module: zeroinstall.virtualbox.machine_info
"""

EXAMPLES = r"""
- name: Give two machines the host's packages, read-only
  zeroinstall.virtualbox.shares:
    machines:
      - machine: web1
        shares: &store
          - name: ZeroInstall
            path: /var/cache/0install.net/implementations
      - machine: 7f1f6fd0-7b52-4ad3-8d5e-3a6f0f1f2a52
        shares: *store

- name: Take back all that this collection shared with any machine
  zeroinstall.virtualbox.shares:
    exclusive: true
    whole_host: true
    machines: []

- name: Take back all that this collection shared with a machine
  zeroinstall.virtualbox.shares:
    exclusive: true
    machines:
      - machine: web1
"""

RETURN = r"""
machines:
  description: The machines that were changed, or have changes pending.
  returned: always
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID of the machine.
      type: str
    name:
      description: Name of the machine.
      type: str
    state:
      description: State of the machine in VirtualBox's words.
      type: str
    changes:
      description: What was done, or would be in check mode.
      type: list
      elements: dict
      contains:
        share:
          description: Name of the share.
          type: str
        action:
          description: V(add), V(correct), V(remove), or V(forget) for leftover settings of a share that is gone.
          type: str
        fields:
          description: The fields that a correction changed.
          type: list
          elements: str
        transient:
          description: Whether it is about a transient share.
          type: bool
pending:
  description: What takes effect only later, by machine and share, with the reason.
  returned: always
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID of the machine.
      type: str
    name:
      description: Name of the machine.
      type: str
    share:
      description: Name of the share.
      type: str
    action:
      description: What remains to be done. V(restart) if all is done and the machine has only to be started anew.
      type: str
    reason:
      description: Why it takes effect only later.
      type: str
inaccessible:
  description: A message for each listed machine whose settings VirtualBox cannot read.
  returned: always
  type: list
  elements: str
others:
  description:
    - Shares of these machines that give a guest a folder that the host shares, and that this collection did not set up.
    - Writable ones and ones with the right to create symlinks; and read-only ones of just such a folder, as the role
      C(vagrantfile) has them.
  returned: always
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID of the machine.
      type: str
    name:
      description: Name of the machine.
      type: str
    share:
      description: Name of the share.
      type: str
    kind:
      description: V(machine), V(global) or V(transient).
      type: str
    path:
      description: Its path on the host.
      type: str
    writable:
      description: Whether the guest may write.
      type: bool
    folder:
      description: The folder that is at its path, in it or above it.
      type: str
    refused:
      description: Whether the machine was left alone because of it.
      type: bool
refused:
  description: A message for each share for which a machine was left alone; see O(when_shared_otherwise).
  returned: always
  type: list
  elements: str
missing_paths:
  description: Folders of shares that do not exist. Without check mode, the module fails instead.
  returned: always
  type: list
  elements: str
commands:
  description: The commands that were run to change something, in their order.
  returned: always
  type: list
  elements: list
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning, recognizing, sharing

SHARE_SPEC = {
    "name": {"type": "str", "required": True},
    "path": {"type": "str"},
    "writable": {"type": "bool", "default": False},
    "automount": {"type": "bool", "default": False},
    "mount_point": {"type": "str", "default": ""},
    "symlinks": {"type": "bool", "default": False},
    "symlink_policy": {"type": "str", "choices": list(planning.POLICIES), "default": "none"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main():
    module = AnsibleModule(
        argument_spec={
            "machines": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "machine": {"type": "str", "required": True},
                    "shares": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "options": SHARE_SPEC,
                        "required_if": [("state", "present", ["path"])],
                    },
                },
            },
            "exclusive": {"type": "bool", "default": False},
            "whole_host": {"type": "bool", "default": False},
            "when_inaccessible": {"type": "str", "choices": ["fail", "report", "refuse"], "default": "fail"},
            "when_shared_otherwise": {
                "type": "str",
                "choices": ["warn", "fail", "report", "refuse"],
                "default": "warn",
            },
            "folders": recognizing.OPTION,
            "when_busy": {"type": "str", "choices": ["later", "transient", "fail"], "default": "later"},
            "lock_timeout": {"type": "int", "default": 30},
            "vboxmanage": {"type": "str", "default": "VBoxManage"},
        },
        supports_check_mode=True,
    )
    answer(module, sharing.run)


if __name__ == "__main__":
    main()
