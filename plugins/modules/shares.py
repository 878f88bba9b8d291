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
  - Makes the shared folders of any number of machines as you describe them, in one call.
  - The module corrects a share that differs in any field. It only reads a share that is right already.
  - Machines belong to the user who registered them with VirtualBox. To manage the machines of another user, use
    C(become_user).
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
      - The machines and their shares. If an entry is invalid, the module changes nothing on any machine.
      - If an entry names a machine that VirtualBox does not know, or a name that several machines have,
        O(when_inaccessible) says what happens. Such an entry takes nothing away from other machines.
    type: list
    elements: dict
    required: true
    suboptions:
      machine:
        description:
          - Name or UUID of the machine. If several machines have the name, you have to give the UUID.
        type: str
        required: true
      guest:
        description:
          - Name of the machine's guest, for messages and results. In the roles, this is its name in the inventory.
        type: str
        default: ""
      shares:
        description:
          - Shares of the machine.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - Name of the share, by which the guest mounts it. It has no white space, and at most 255 bytes.
            type: str
            required: true
          path:
            description:
              - Folder on the host. It must exist, and have no symlink in its path. It is required for a present share.
              - V(~/) at its beginning is the home of the user who runs the module.
            type: str
          writable:
            description:
              - Whether the guest may write. The host enforces this, whatever the guest's root does.
            type: bool
            default: false
          automount:
            description:
              - Whether the Guest Additions mount the share by themselves.
            type: bool
            default: false
          mount_point:
            description:
              - Where the Guest Additions mount it, if O(machines[].shares[].automount=true).
            type: str
            default: ""
          symlinks:
            description:
              - Whether the guest may create symlinks. A change takes effect at the machine's next start.
            type: bool
            default: false
          symlink_policy:
            description:
              - Which symlinks the guest may create, in VirtualBox's terms, if O(machines[].shares[].symlinks=true).
              - VirtualBox before 7.1 knows no policies, and ignores this.
            type: str
            choices: [none, forbidden, subtree, relative, any]
            default: none
          state:
            description:
              - V(present) makes the share. V(absent) removes a share of that name, whoever made it.
            type: str
            choices: [present, absent]
            default: present
  exclusive:
    description:
      - Whether to remove shares of the listed machines that this module once added or corrected, and that are not
        listed as present. The module leaves shares of others alone.
      - It knows its shares by a mark in the machine's extradata, which are named texts that VirtualBox keeps with a
        machine. A snapshot that is restored brings shares back, but not their marks. So the module also knows a
        writable share by its name and its path, as the collection's roles choose them. See O(folders).
    type: bool
    default: false
  strays:
    description:
      - What to do about strays. A stray is a machine of this VirtualBox user that is not listed, and that has a share
        that O(exclusive=true) would remove, or settings that are left over from one. It needs O(exclusive=true).
      - V(ignore) does not look for strays. V(report) names them in RV(strays), and changes nothing on them. V(remove)
        removes from them what O(exclusive=true) would remove.
      - A stray may be a machine that you listed by a name that it no longer has. So if VirtualBox does not know a
        listed machine, or cannot read one that is listed by its name, V(remove) only names strays, as V(report) does.
        RV(doubt) then says why. With an empty O(machines), this cannot be.
    type: str
    choices: [ignore, report, remove]
    default: ignore
  when_inaccessible:
    description:
      - What to do if VirtualBox cannot read the settings of a listed machine, or does not know a listed machine, or
        knows several machines of its name.
      - V(fail) changes the other machines as you want, and then fails. V(report) changes the others, too, does not
        fail, and names the machine in RV(inaccessible) or RV(unresolved). V(refuse) changes nothing on any machine, and
        fails.
      - Machines that are not listed never keep the module from changing others. With O(strays=remove) and V(fail), the
        module fails at the end if it could not read one of them.
    type: str
    choices: [fail, report, refuse]
    default: fail
  when_busy:
    description:
      - What to do if the module cannot change a share permanently now. There are three such cases. The machine is
        saved, another program locks it for longer than O(lock_timeout), or it runs and VirtualBox's Python API does not
        work with this module's Python. With the API, the module changes the shares of a running machine at once and
        permanently.
      - V(later) leaves the change for a later run, and says so in RV(pending).
      - V(transient) does the same, and gives a running machine a share that lasts until it is powered off, unless the
        share has a symlink policy.
      - V(fail) looks at the machines' states, changes nothing on any machine, and fails. A lock of another VirtualBox
        client shows only when the module changes the machine. Then that machine fails, and the others are changed.
    type: str
    choices: [later, transient, fail]
    default: later
  when_shared_otherwise:
    description:
      - What to do if a listed machine has a share of somebody else, through which its guest can write to a folder that
        only the listed shares should give it. The module never removes such a share.
      - V(warn) warns and goes on. V(fail) changes nothing on that machine, changes the others as you want, and fails.
        V(report) changes the others, too, does not fail, and names the share in RV(refused). V(refuse) changes
        nothing on any machine, and fails.
      - If the guest may write there by its own shares, or cannot write through the share, the module only reports it.
        RV(others) has all such shares.
      - A listed machine may have a share of another arrangement under a name that it needs. See O(folders.arrangement).
        The module leaves this machine alone in the same ways. V(warn) cannot allow this. With V(warn),
        O(when_inaccessible) says what to do.
    type: str
    choices: [warn, fail, report, refuse]
    default: warn
  return_machines:
    description: Whether to return RV(registered) and RV(version).
    type: bool
    default: false
  lock_timeout:
    description:
      - For how many seconds the module tries again if another VirtualBox client has locked a machine, or if this module
        already runs for the same user.
    type: int
    default: 30
notes:
  - If the module corrects or removes a share of a running machine, a guest that has it mounted loses it. Every access
    ends with V(Protocol error) until the guest unmounts the share and mounts it anew.
  - VirtualBox may lose such a corrected share when the guest unmounts the old one, as 7.2.22 did. The share is back
    after the next start of the machine.
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

- name: Take back everything that this collection shared with any machine
  zeroinstall.virtualbox.shares:
    exclusive: true
    strays: remove
    machines: []

- name: Take back everything that this collection shared with one machine
  zeroinstall.virtualbox.shares:
    exclusive: true
    machines:
      - machine: web1
"""

RETURN = r"""
machines:
  description: The machines that the module changed, or that have changes pending.
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
    guest:
      description: Name of its guest, if O(machines[].guest) says so.
      type: str
    state:
      description: State of the machine in VirtualBox's words.
      type: str
    changes:
      description: What the module changed, or would change in check mode.
      type: list
      elements: dict
      contains:
        share:
          description: Name of the share.
          type: str
        action:
          description: V(add), V(correct), V(remove), or V(forget), which removes settings of a share that is gone.
          type: str
        fields:
          description: The fields that a correction changed.
          type: list
          elements: str
        transient:
          description: Whether this is a transient share.
          type: bool
pending:
  description:
    - Changes that take effect only later, by machine and share, with the reason.
    - Each run names them until they have taken effect. A change of the right to create symlinks takes effect when the
      machine starts anew.
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
    guest:
      description: Name of its guest, if O(machines[].guest) says so.
      type: str
    share:
      description: Name of the share.
      type: str
    action:
      description: What remains to be done. V(restart) means that the machine only has to start anew.
      type: str
    reason:
      description: Why the change takes effect only later.
      type: str
inaccessible:
  description: A message for each listed machine whose settings VirtualBox cannot read.
  returned: always
  type: list
  elements: str
unresolved:
  description:
    - A message for each listed machine that VirtualBox does not know, with the nearest names, or whose name several
      machines have.
  returned: always
  type: list
  elements: str
unreadable:
  description:
    - A message for each machine that is not listed and whose settings VirtualBox cannot read. Such a machine may be a
      stray. Empty with O(strays=ignore).
  returned: always
  type: list
  elements: str
listed:
  description: The listed machines that VirtualBox knows and can read.
  returned: always
  type: list
  elements: dict
  contains:
    guest:
      description: Name of its guest, if O(machines[].guest) says so.
      type: str
    machine:
      description: Name or UUID as O(machines[].machine) has it.
      type: str
    name:
      description: Name of the machine.
      type: str
    uuid:
      description: UUID of the machine.
      type: str
    hardware_uuid:
      description: UUID that the guest finds in its hardware. Machines that were cloned may have one in common.
      type: str
strays:
  description: The strays, with what they had of ours before this run. Empty with O(strays=ignore).
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
    shares:
      description: Names of the shares, and of shares from which only settings were left.
      type: list
      elements: str
    arrangement:
      description: The arrangement whose shares these are. See O(folders.arrangement).
      type: str
    removed:
      description: Whether the module removed all this, or would remove it in check mode.
      type: bool
doubt:
  description: Why the module kept O(strays=remove) from removing anything of strays. Empty if it did not.
  returned: always
  type: str
in_use:
  description:
    - The paths in the folders O(folders.groups) and O(folders.boxes), and those of linked stores of O(folders.store),
      that any machine of this user still shares after this run, whoever set up the share.
  returned: always
  type: list
  elements: str
others:
  description:
    - Shares of these machines that somebody else set up, and that give a guest a folder that the host shares.
    - The list has writable shares, and shares with the right to create symlinks. It has read-only shares only if they
      share exactly such a folder, as those of the role C(vagrantfile) do.
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
      description: The shared folder that is at this path, below it or above it.
      type: str
    refused:
      description: Whether the module left the machine alone because of this share.
      type: bool
refused:
  description: A message for each share that made the module leave a machine alone. See O(when_shared_otherwise).
  returned: always
  type: list
  elements: str
version:
  description: Version of VirtualBox on the host.
  returned: with O(return_machines=true)
  type: str
  sample: 7.2.22
registered:
  description: >-
    All machines of this user, as RV(zeroinstall.virtualbox.machine_info#module:machines) has them, before this run.
    RV(zeroinstall.virtualbox.machine_info#module:machines[].shares[].gives) is empty.
  returned: with O(return_machines=true)
  type: list
  elements: dict
missing_paths:
  description: Folders of shares that do not exist. Outside check mode, the module fails instead.
  returned: always
  type: list
  elements: str
commands:
  description: The commands that the module ran to change something, in their order.
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
                    "guest": {"type": "str", "default": ""},
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
            "strays": {"type": "str", "choices": list(sharing.STRAYS), "default": "ignore"},
            "when_inaccessible": {"type": "str", "choices": ["fail", "report", "refuse"], "default": "fail"},
            "when_shared_otherwise": {
                "type": "str",
                "choices": ["warn", "fail", "report", "refuse"],
                "default": "warn",
            },
            "folders": recognizing.OPTION,
            "when_busy": {"type": "str", "choices": ["later", "transient", "fail"], "default": "later"},
            "return_machines": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 30},
            "vboxmanage": {"type": "str", "default": "VBoxManage"},
        },
        supports_check_mode=True,
    )
    answer(module, sharing.run)


if __name__ == "__main__":
    main()
