# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether implementations of several stores are made of the very same files, so that reading them once is enough."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Iterator, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    access_rights,
    trees,
    verified_before,
)

MOST = 200_000
"""Entries of an implementation beyond which it is read like any other."""
DEEPEST = 200


class Look(NamedTuple):
    """What tells implementations with the same files, and what tells whether one of them has changed since."""

    identity: str
    stamp: str


def look(name: str, store: int) -> Look | None:
    """Look at an implementation of an open store.

    Its identity has the inodes of files and links, and owner, group, mode and attributes of directories. None: it
    cannot be told, it changed a moment ago, or others than its owners may write its directories.
    """
    try:
        fd = os.open(name, trees.DIRECTORY, dir_fd=store)
    except (OSError, ValueError):
        return None
    try:
        lines = sorted(_lines(fd, b"", removing.Budget(MOST), DEEPEST))
        stamp = verified_before.stamp_of(fd)
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)
    return Look(hashlib.sha256(b"\0".join(lines)).hexdigest(), stamp) if stamp else None


def are_same(one: Look | None, other: Look | None) -> bool:
    """Whether two implementations have the same files, as far as that is known."""
    return one is not None and other is not None and one.identity == other.identity


def _lines(fd: int, path: bytes, budget: removing.Budget, levels: int) -> Iterator[bytes]:
    """A line for each entry. OSError, ValueError: there is none that tells enough."""
    status = os.fstat(fd)
    if status.st_mode & inspecting.OTHERS_WRITE or not levels:
        raise ValueError(path)
    attributes = ",".join(sorted(access_rights.attributes_of(fd))).encode()
    yield b"%s/ %o %d %d %s" % (path, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, attributes)
    with os.scandir(fd) as entries:
        for entry in entries:
            budget.spend()
            below = path + b"/" + os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                folder = os.open(entry.name, trees.DIRECTORY, dir_fd=fd)
                try:
                    yield from _lines(folder, below, budget, levels - 1)
                finally:
                    os.close(folder)
            else:
                state = entry.stat(follow_symlinks=False)
                yield b"%s %d %d" % (below, state.st_dev, state.st_ino)
