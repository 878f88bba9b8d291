# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in a folder that its owner alone can read or write, wherever the folder's path leads."""

from __future__ import annotations

import errno
import os
import stat
from typing import Collection

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting


def open_folder(path: str, owners: Collection[int]) -> int:
    """A file descriptor of the folder, in which alone files are to be opened from then on.

    ValueError: it belongs to none of these users, or others can read or write it. OSError: it cannot be opened.
    """
    folder = -1
    try:
        folder = os.open(path, inspecting.DIRECTORY)
        status = os.fstat(folder)
        if status.st_uid in owners and not status.st_mode & 0o077:
            return folder
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
    if folder >= 0:
        os.close(folder)
    raise ValueError(f"{path} is no folder that only user {_listed(owners)} can read or write")


def read(folder: int, name: str, owners: Collection[int], most: int) -> str:
    """The text of a file in an open folder. ValueError: it is none of these users' alone, or has more bytes than that.

    OSError: it cannot be read.
    """
    return read_bytes(folder, name, owners, most).decode("utf-8")


def read_bytes(folder: int, name: str, owners: Collection[int], most: int) -> bytes:
    """The same of a file that need not be text."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        if status.st_uid not in owners or status.st_mode & 0o077:
            raise ValueError(f"others than user {_listed(owners)} can read or write it")
        if status.st_size > most:
            raise ValueError("it is too large")
        return file.read(most)


def _listed(owners: Collection[int]) -> str:
    return " or ".join(map(str, sorted(owners)))
