# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which run of a machine this is: by the time at which VirtualBox opened its log, which it does at each start."""

from __future__ import annotations

import contextlib
import os
import re
import stat

_FOLDER, _LOG = "Logs", "VBox.log"
_HEAD = 4096
"""Bytes of the log that are read. Its head comes from VirtualBox alone, what follows in part from the guest."""
_OPENED = re.compile(rb"Log (?:opened|continuation - Log started) (\d{4}-[0-9T:.-]{1,40}Z)\s")
"""VirtualBox begins a log with its name and this, and goes on with the second form where a long log was put aside."""


def run_of(settings_file: str) -> str:
    """The run that a machine is in, or was in last; empty where that cannot be told. No link is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.ExitStack() as stack:
        try:
            path: int | None = None
            for name in (os.path.dirname(settings_file), _FOLDER, _LOG):
                folder = os.O_DIRECTORY if name != _LOG else 0
                links = flags if path is not None else flags & ~os.O_NOFOLLOW
                path = os.open(name, links | folder, dir_fd=path)
                stack.callback(os.close, path)
            if path is None or not stat.S_ISREG(os.fstat(path).st_mode):
                return ""
            head = os.read(path, _HEAD)
        except OSError:
            return ""
    found = _OPENED.search(b"\n".join(head.split(b"\n")[:2]) + b"\n")
    return found[1].decode("ascii") if found else ""
