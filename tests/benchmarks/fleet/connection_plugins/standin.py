# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's connection to guests that are not there: each module gets the answer that one stand-in guest once gave.

In a run that records, the module runs in the mount namespace of that guest, and its answer is kept.
"""

from __future__ import annotations

DOCUMENTATION = """
name: standin
short_description: Guests that answer what another one once answered
description:
  - Answers a module with what is in the folder of answers, without running anything.
  - Needs pipelining, by which a module is one command with its code as input.
author: zeroinstall.virtualbox contributors (@zeroinstall)
options:
  answers:
    description: The folder of answers, a file for each module.
    required: true
    type: str
    vars:
      - name: standin_answers
  process:
    description: A process of the guest whose answers are recorded. Without it, nothing is run.
    type: str
    default: ""
    vars:
      - name: standin_process
"""

import re
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

MODULE = re.compile(rb"ansible_collections\.zeroinstall\.virtualbox\.plugins\.modules\.(\w+)")


class Connection(ConnectionBase):
    """An answer that is read for each command."""

    transport = "standin"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a command; exit status, stdout and stderr."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        found = MODULE.search(in_data or b"")
        if not found:
            raise AnsibleConnectionFailure(f"only modules of the collection have answers, not {cmd}")
        answer = Path(self.get_option("answers")) / found[1].decode()
        process = self.get_option("process")
        if process:
            command = ["nsenter", "--target", process, "--mount", "/bin/sh", "-c", cmd]
            done = subprocess.run(command, input=in_data, capture_output=True, check=False)
            answer.write_bytes(done.stdout)
            return done.returncode, done.stdout, done.stderr
        try:
            return 0, answer.read_bytes(), b""
        except FileNotFoundError:
            raise AnsibleConnectionFailure(f"no answer of {answer.name} was recorded") from None

    def put_file(self, in_path, out_path):
        """No guest of these takes a file."""
        raise AnsibleConnectionFailure(f"{out_path} cannot be written: use pipelining")

    def fetch_file(self, in_path, out_path):
        """No guest of these has a file."""
        raise AnsibleConnectionFailure(f"{in_path} cannot be read")

    def close(self):
        """Nothing is kept open."""
        self._connected = False
