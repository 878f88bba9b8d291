# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's connection to a container of these tests: one ``podman exec`` for a module run, where others take seven."""

from __future__ import annotations

DOCUMENTATION = """
name: container
short_description: A container of the tests
description:
  - Runs commands in a container by C(podman exec), with the podman of the tests.
author: zeroinstall.virtualbox contributors (@zeroinstall)
options:
  name:
    description: The container.
    required: true
    type: str
    vars:
      - name: ansible_host
"""

import shlex
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

PODMAN = Path(__file__).resolve().parents[1] / "podman"
display = Display()


class Connection(ConnectionBase):
    """A podman process for each command."""

    transport = "container"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def _run(self, *command, **streams):
        name = self.get_option("name")
        display.vvv("EXEC %s" % shlex.join(command), host=name)
        return subprocess.run([PODMAN, "exec", "--interactive", name, *command], **streams, check=False)

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a command; exit status, stdout and stderr."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._run(*shlex.split(cmd), input=in_data or b"", capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        """Copy a file into the container."""
        super().put_file(in_path, out_path)
        with open(in_path, "rb") as file:
            self._copy("/bin/sh", "-c", 'cat >"$0"', out_path, stdin=file)

    def fetch_file(self, in_path, out_path):
        """Copy a file out of the container."""
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as file:
            self._copy("/bin/cat", in_path, stdin=subprocess.DEVNULL, stdout=file)

    def _copy(self, *command, **streams):
        done = self._run(*command, stderr=subprocess.PIPE, **streams)
        if done.returncode:
            raise AnsibleConnectionFailure("%s: %s" % (command[-1], done.stderr.decode(errors="replace").strip()))

    def close(self):
        """Nothing is kept open."""
        self._connected = False
