#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: paths
short_description: Put several files and directories in place, or remove them, in one run
version_added: 0.1.0
description:
  - Makes files and directories as you describe them, all in one run of one module.
  - The module looks at everything first. If something is in the way, an owner is missing or a path cannot be written,
    it changes nothing. It writes and validates new files beside the old ones. Then it puts each in place by one rename.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  present:
    description: The files and directories that you want. List a missing folder before its files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. The module does not follow a symbolic link there.
        type: str
        required: true
      state:
        description: V(file) with O(present[].content), or V(directory).
        type: str
        choices: [file, directory]
        default: file
      content:
        description: The text of the file. V(file) needs it.
        type: str
      base64:
        description: Whether O(present[].content) is the content of the file in base64, as for an archive.
        type: bool
        default: false
      owner:
        description: Name or number of the owner. By default the owner stays.
        type: str
      group:
        description: Name or number of the group. By default the group stays.
        type: str
      mode:
        description:
          - Octal digits, as in V("0644").
          - By default the mode stays. New files get V("0644"), new directories V("0755").
        type: str
      validate:
        description:
          - A program and its arguments. It gets the path of the new file as its last argument.
          - If its exit status is not 0, the module does not put the file in place. Check mode does not run the program.
        type: list
        elements: str
        default: []
      mark:
        description:
          - A text that marks a file as yours.
          - If the old file does not contain it, the file is somebody else's. Then the module keeps a copy of it beside
            the new one.
        type: str
        default: ""
  absent:
    description:
      - Absolute paths to remove. The module removes files, links (not what they lead to), and directories that are
        empty by then.
      - List a folder after its files.
    type: list
    elements: str
    default: []
  sudo:
    description:
      - A program that sudo lets every user run as another user, without a password.
      - When everything is in place, the module asks sudo whether it lets ordinary users run the program. If not, the
        module fails and says why.
    type: dict
    suboptions:
      program:
        description: Path of the program.
        type: str
        required: true
      user:
        description: The user that runs the program.
        type: str
        required: true
      file:
        description: The drop-in with the rule.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    details: Check mode accepts a missing user or group, because an earlier task may create it.
  diff_mode:
    support: full
    details: For a file above 4 KiB, and for one that is no text, the diff shows only the size and the digest.
  idempotent:
    support: full
seealso:
  - module: zeroinstall.virtualbox.paths_info
  - module: ansible.builtin.copy
  - module: ansible.builtin.file
"""

EXAMPLES = r"""
- name: Install a program and let every user run it as another
  zeroinstall.virtualbox.paths:
    present:
      - path: /usr/local/lib/example
        state: directory
        owner: root
        mode: "0755"
      - path: /usr/local/lib/example/program
        content: "{{ lookup('ansible.builtin.file', 'program', rstrip=false) }}"
        owner: root
        mode: "0755"
      - path: /etc/sudoers.d/example
        content: "ALL ALL=(somebody) NOPASSWD: /usr/local/lib/example/program\n"
        owner: root
        mode: "0440"
        validate: [/usr/sbin/visudo, -cf]

- name: Remove both, and the folder if nothing else is in it
  zeroinstall.virtualbox.paths:
    absent:
      - /etc/sudoers.d/example
      - /usr/local/lib/example/program
      - /usr/local/lib/example
"""

RETURN = r"""
changes:
  description:
    - What the module changed, for each path that it changed.
    - C(created), C(removed), or some of C(content), C(owner), C(group) and C(mode).
  returned: success
  type: dict
  sample:
    /usr/local/lib/example/program: [content, mode]
missing_users:
  description: Owners that do not exist. Outside check mode, the module refuses them.
  returned: success
  type: list
  elements: str
  sample: [somebody]
kept:
  description: Copies of files of somebody else that the module replaced.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/program.1234.2026-01-31@12:00:00~]
"""

import functools

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import paths_run
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer

PRESENT = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["file", "directory"], "default": "file"},
    "content": {"type": "str"},
    "base64": {"type": "bool", "default": False},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "validate": {"type": "list", "elements": "str", "default": []},
    "mark": {"type": "str", "default": ""},
}
SUDO = {
    "program": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "file": {"type": "str", "required": True},
}


def main():
    module = AnsibleModule(
        argument_spec={
            "present": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": PRESENT,
                "required_if": [("state", "file", ["content"])],
            },
            "absent": {"type": "list", "elements": "str", "default": []},
            "sudo": {"type": "dict", "options": SUDO},
        },
        supports_check_mode=True,
    )
    answer(
        module,
        functools.partial(
            paths_run.run,
            run_command=module.run_command,
            backup=module.backup_local,
            label=module.set_default_selinux_context,
        ),
    )


if __name__ == "__main__":
    main()
