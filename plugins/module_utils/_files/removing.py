# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removing whole trees, whoever made them, and whatever they are made of.

No link is followed, nothing is opened but directories, and nothing that is mounted in a tree is entered. A directory
that is too deep comes up to the top of the tree, and is emptied from there. So no path gets long, and neither memory
nor open directories grow, however deep the tree is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from typing import Iterator

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting

LEVELS = 250
"""Directories in each other that are open at once. Those of a package are fewer, so none of a package comes up."""
PATIENCE = 100
"""How often a directory is emptied anew into which somebody goes on writing."""
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
_ANOTHER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors where something is no directory any more that was one a moment ago."""


class Budget:
    """How many entries more may be looked at."""

    def __init__(self, entries: int = sys.maxsize) -> None:
        self._entries = entries

    def spend(self) -> None:
        """Spend one. OSError: none is left."""
        self._entries -= 1
        if self._entries < 0:
            raise OSError(errno.E2BIG, "too much is in it")


def remove(name: str | bytes, folder: int, budget: Budget | None = None) -> None:
    """Remove a file, link or directory with all that is in it, by its name in an open directory.

    OSError: it cannot be removed whole, such as where something is mounted in it, or it is more than the budget
    allows. What is left of it is there still, its directories perhaps in another order.
    """
    budget = budget or Budget()
    patience = PATIENCE
    while not _is_gone(name, folder, budget):
        if not patience:
            raise OSError(errno.ENOTEMPTY, "somebody goes on writing into it")
        with _opened(name, folder) as top:
            came_up = _empty(top, top, LEVELS, budget)
        patience -= not came_up


def _is_gone(name: str | bytes, folder: int, budget: Budget) -> bool:
    """Remove a file, a link or an empty directory; False for a directory that is not empty.

    OSError: it cannot be removed. It is a directory on which something is mounted, among others.
    """
    budget.spend()
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
            return False
    return True


def _try(name: str, folder: int, budget: Budget) -> bool:
    """The same for what somebody else may have removed meanwhile."""
    try:
        return _is_gone(name, folder, budget)
    except FileNotFoundError:
        return True


def _empty(fd: int, top: int, levels: int, budget: Budget) -> int:
    """Empty an open directory, so many levels deep; how many directories came up to the top one."""
    came_up = 0
    for entry in _entries(fd):
        if _try(entry, fd, budget):
            continue
        try:
            with _opened(entry, fd) as below:
                if levels:
                    came_up += _empty(below, top, levels - 1, budget)
                else:
                    os.rename(entry, secrets.token_hex(16), src_dir_fd=fd, dst_dir_fd=top)
                    came_up += 1
            if levels:
                _try(entry, fd, budget)
        except OSError as error:
            if error.errno not in _ANOTHER:
                raise
    return came_up


@contextlib.contextmanager
def _opened(name: str | bytes, folder: int) -> Iterator[int]:
    """A file descriptor of a directory into which only this user can write from now on, where that can be had."""
    fd = os.open(name, inspecting.DIRECTORY, dir_fd=folder)
    try:
        if os.geteuid() == 0:  # to others it is of no use, and systemd ends the import service for asking
            with contextlib.suppress(OSError):
                os.fchown(fd, 0, -1)
        with contextlib.suppress(OSError):
            os.fchmod(fd, 0o700)
        yield fd
    finally:
        os.close(fd)


def _entries(fd: int) -> Iterator[str]:
    """The names in an open directory, read piece by piece."""
    with os.scandir(fd) as entries:
        for entry in entries:
            yield entry.name
