# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left free for others on the file system of the store: bytes and inodes, and its time.

Several processes write there at once. Each looks before each step, and goes on only while there is room for a step of
every one of them. So what they all write after they looked fits, too.
"""

from __future__ import annotations

import os
import sys

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import PIECE, Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits

STEP = PIECE + (1 << 18)
"""Bytes that a process writes at most before it looks again, with what the file system needs for them."""
INODES = 1
"""Inodes that a process takes at most before it looks again."""
RENAME = 1 << 16
"""Bytes that a rename may take: the directory grows."""
NO_ROOM = "The host's disk has no room for it."
NO_INODES = "The host's disk has no inodes left for it."

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_PROCESS = 1
_IDLE = 3 << 13


class Room:
    """The file system of an open folder, on which so many processes write at once."""

    def __init__(self, folder: int, limits: Limits, workers: int) -> None:
        self._folder = folder
        self._limits = limits
        self._workers = workers

    def lack(self, size: int = 0, inodes: int = 0) -> str:
        """Why so many bytes and inodes are not to be taken now, or nothing."""
        found = os.fstatvfs(self._folder)
        if found.f_bavail * found.f_frsize < self._limits.keep_free + size:
            return NO_ROOM
        # File systems without a number of inodes, such as btrfs, tell 0.
        if found.f_files and found.f_favail < self._limits.keep_free_inodes + inodes:
            return NO_INODES
        return ""

    def lack_for(self, size: int) -> str:
        """Why archives of so many bytes are not to be copied and unpacked now, as far as their size tells."""
        return self.lack(2 * size + self._workers * STEP, self._workers * INODES)

    def step(self) -> None:
        """``Refused`` unless every process can write one step more."""
        reason = self.lack(self._workers * STEP, self._workers * INODES)
        if reason:
            raise Refused(reason)


def read_and_write_last() -> bool:
    """Have this process, and those that it starts, read and write only when nobody else does; whether that is so.

    There is no function for it in the standard library but a system call by its number, which is known for some
    processors.
    """
    number = _IOPRIO_SET.get(os.uname().machine) if sys.maxsize > 1 << 32 else None
    try:
        import ctypes  # where it is needed: it is slow to load, and may be missing

        return number is not None and ctypes.CDLL(None).syscall(number, _PROCESS, 0, _IDLE) == 0
    except (ImportError, AttributeError, OSError):
        return False
