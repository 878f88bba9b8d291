# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is at a path, for comparing it with what ought to be there. Links are not followed."""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import stat
from typing import Any

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked

OTHERS_WRITE = 0o022
"""The bits of a mode by which others than the owner may write."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that open a directory, and no link."""


def user_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or the number where there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def contents(path: str, most: int) -> bytes | None:
    """What a regular file has, or None where there is none. Nothing else is opened, and no link is followed.

    OSError: it cannot be read, it is no regular file, or it has more than so many bytes.
    """
    try:
        found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        with open(f"/proc/self/fd/{found}", "rb") as file:
            read = file.read(most + 1)
    finally:
        os.close(found)
    if len(read) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes")
    return read


def look(path: str) -> dict[str, Any] | None:
    """``kind`` (``file``, ``directory``, ``link``, ``other``), ``owner``, ``group``, ``mode`` (as in "0644"), and a
    file's ``sha256``.

    None where nothing is. ``sha256`` is None for what is no file, and for a file that cannot be read. OSError: the
    path cannot be reached.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return {
        "kind": kinds.get(stat.S_IFMT(status.st_mode), "other"),
        "owner": user_name(status.st_uid),
        "group": group_name(status.st_gid),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "sha256": _sha256(path) if stat.S_ISREG(status.st_mode) else None,
    }


def _sha256(path: str) -> str | None:
    digest = hashlib.sha256()
    try:
        # Whatever has taken the file's place meanwhile: no link is followed, and no pipe is waited for.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def run(asked: Asked) -> dict[str, Any]:
    """Look at each path. Failure: one is not absolute, or cannot be reached."""
    return {"changed": False, "paths": {path: _looked_at(path) for path in asked.params["paths"]}}


def _looked_at(path: str) -> dict[str, Any] | None:
    if not _names.is_absolute(path):
        raise Failure(f"path {path!r} is not absolute: write it from '/' on.")
    try:
        return look(path)
    except OSError as error:
        raise Failure(f"{path} cannot be reached: {error.strerror}.") from error
