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
  - Brings files and directories to what is wanted, all in one run of one module.
  - Everything is looked at first. Where something is in the way, an owner is missing or a path cannot be written,
    nothing is changed. New files are written and validated beside the old ones, then put in place, each by one rename.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  present:
    description: What is to be there. A folder that is missing stands before what is in it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A symbolic link there is not followed.
        type: str
        required: true
      state:
        description: V(file) with O(present[].content), or V(directory).
        type: str
        choices: [file, directory]
        default: file
      content:
        description: The text of a file, which V(file) needs.
        type: str
      base64:
        description: Whether O(present[].content) is the file's bytes in base64, as those of an archive.
        type: bool
        default: false
      owner:
        description: Name or number of the user to whom it belongs. Without it, the owner stays.
        type: str
      group:
        description: Name or number of the group to which it belongs. Without it, the group stays.
        type: str
      mode:
        description:
          - Octal digits, as in V("0644").
          - Without it, the mode stays; new files have V("0644"), directories V("0755").
        type: str
      validate:
        description:
          - A program with its arguments, which gets the path of the new file as the last one.
          - The file is not put in place where the program's exit status is not 0. Check mode does not run it.
        type: list
        elements: str
        default: []
      mark:
        description:
          - A text that is in every file that may be replaced.
          - A file without it is somebody else's. A copy of it is kept beside the new one.
        type: str
        default: ""
  absent:
    description:
      - Absolute paths of what is to be removed, files, links as they are, and directories if nothing is left in them.
      - A folder stands behind what is removed from it.
    type: list
    elements: str
    default: []
  sudo:
    description:
      - A program that every user is to be allowed to run as another one by sudo, without a password.
      - Once everything is in place, the module asks sudo itself, for users that the drop-in is for. If sudo does not
        allow it, the module fails, and says why.
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
        description: The drop-in that says so.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    details: A user or group that is not there is not refused, for a task before may be to create it.
  diff_mode:
    support: full
    details: Files beyond 100 KiB, and those that are no text, are shown by their size and digest.
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
    - What was changed, for each path at which something was.
    - C(created), C(removed), or some of C(content), C(owner), C(group) and C(mode).
  returned: success
  type: dict
  sample:
    /usr/local/lib/example/program: [content, mode]
missing_users:
  description: Users who are to own something and are not there. Outside check mode they are refused.
  returned: success
  type: list
  elements: str
  sample: [somebody]
kept:
  description: Copies of files that somebody else wrote, in whose places others are now.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/program.1234.2026-01-31@12:00:00~]
"""

import base64

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import placing, sudo

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


def content(item):
    """The text of a wanted file."""
    if not item["base64"]:
        return item["content"] or ""
    try:
        return base64.b64decode(item["content"] or "", validate=True).decode("utf-8", "surrogateescape")
    except ValueError as error:
        raise Failure("content of %s is no base64: %s." % (item["path"], error)) from error


def at_path(item):
    """What is to be at a path."""
    given = {name: value for name, value in item.items() if name != "base64"}
    return placing.Wanted(**{**given, "content": content(item), "validate": tuple(item["validate"])})


def wanted(params):
    """What is to be at each path."""
    return [at_path(item) for item in params["present"]] + [placing.Wanted(path, "absent") for path in params["absent"]]


def main():
    """Look at all paths, then change what is to be changed, unless in check mode."""
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
    kept = []
    try:
        changes = placing.plan(wanted(module.params), module.check_mode)
        diff = [placing.difference(change) for change in changes]
        if not module.check_mode:
            kept = placing.carry_out(changes, module.run_command, module.backup_local)
    except Failure as failure:
        module.fail_json(msg=str(failure))
    if module.params["sudo"] and not (changes and module.check_mode):
        problem = sudo.problem(sudo.Rule(**module.params["sudo"]))
        if problem:
            module.fail_json(msg=problem, changed=bool(changes), diff=diff)
    module.exit_json(
        changed=bool(changes),
        changes={change.wanted.path: change.words for change in changes},
        missing_users=sorted({change.wanted.owner for change in changes if change.owner_is_missing}),
        kept=kept,
        diff=diff,
    )


if __name__ == "__main__":
    main()
