# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's connection to a guest of the lab."""

from __future__ import annotations

DOCUMENTATION = """
name: labserial
short_description: The serial agent of a guest of the lab
description:
  - Runs commands in a lab guest's userland. Only their names go over its serial port; the commands themselves, input,
    output and files go through the lab's writable share.
author: zeroinstall.virtualbox contributors (@zeroinstall)
options:
  guest:
    description: The lab's folder of the guest, as this machine sees it.
    required: true
    type: path
    vars:
      - name: lab_guest
"""

import shlex
import shutil
import sys
import time
import uuid
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

sys.path.append(str(Path(__file__).resolve().parents[1]))

from labkit import agent

ROOT, SHARE = agent.ROOT, agent.SHARE
ENVIRONMENT = " ".join("%s=%s" % item for item in agent.LOGIN.items())
display = Display()


class Connection(ConnectionBase):
    """One command at a time in a guest of the lab."""

    transport = "labserial"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def _ask(self, command):
        try:
            return agent.ask(self._guest, command)
        except agent.AgentError as error:
            raise AnsibleConnectionFailure(str(error)) from error

    @property
    def _guest(self):
        return Path(self.get_option("guest"))

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a command; exit status, stdout and stderr."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        name = "call-" + uuid.uuid4().hex
        place = self._guest / "work" / name
        place.mkdir()
        try:
            (place / "command").write_text("unset OLDPWD; export %s; cd\n%s\n" % (ENVIRONMENT, cmd))
            (place / "input").write_bytes(in_data or b"")
            began = time.monotonic()
            status, output = self._ask(
                "cd %s%s/%s && chroot %s /bin/sh %s/%s/command <input >output 2>errors"
                % (ROOT, SHARE, name, ROOT, SHARE, name)
            )
            display.vvv(
                "labserial: %.2f s, exit status %d: %s" % (time.monotonic() - began, status, cmd[:300]),
                host=self._guest.name,
            )
            if not (place / "errors").exists():
                raise AnsibleConnectionFailure("%s: the command did not start: %s" % (self._guest.name, output))
            return status, (place / "output").read_bytes(), (place / "errors").read_bytes()
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def put_file(self, in_path, out_path):
        """Copy a file into the guest."""
        super().put_file(in_path, out_path)
        self._transfer(lambda file: shutil.copyfile(in_path, file), "cp %(file)s %(path)s", out_path)

    def fetch_file(self, in_path, out_path):
        """Copy a file out of the guest."""
        super().fetch_file(in_path, out_path)
        self._transfer(lambda file: None, "cp %(path)s %(file)s", in_path, lambda file: shutil.copyfile(file, out_path))

    def _transfer(self, before, command, path, after=lambda file: None):
        name = "file-" + uuid.uuid4().hex
        file = self._guest / "work" / name
        try:
            before(file)
            status, output = self._ask(
                "chroot %s %s" % (ROOT, command % {"file": SHARE + "/" + name, "path": shlex.quote(path)})
            )
            if status:
                raise AnsibleConnectionFailure("%s: %s: %s" % (self._guest.name, path, output.strip()))
            after(file)
        finally:
            file.unlink(missing_ok=True)

    def close(self):
        """Nothing is kept open."""
        self._connected = False
