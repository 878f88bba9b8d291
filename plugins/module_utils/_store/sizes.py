# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What implementations take of the disk, as ``du`` counts it. Nothing is read, and no link is followed."""

from __future__ import annotations

import os
from typing import Iterable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import trees

BLOCK = 512
"""Bytes of the blocks in which the kernel counts."""
DEEPEST = 200
"""Directories in each other beyond which nothing is counted."""


class Sizes(NamedTuple):
    """``each``: the bytes of each implementation. ``total``: those of all, in which a file with several names counts
    once. ``left_out``: how many names could not be counted to the end.
    """

    each: dict[str, int]
    total: int
    left_out: int


class Budget:
    """The entries that may still be looked at."""

    def __init__(self, entries: int) -> None:
        self.left = entries


class _Stop(Exception):
    """Not all of a tree is counted."""


def measure(folder: int, names: Iterable[str], budget: Budget) -> Sizes:
    """The sizes of these directories in an open one, as far as the budget goes."""
    each: dict[str, int] = {}
    total, left_out = _blocks(os.fstat(folder)), 0
    seen: set[tuple[int, int]] = set()
    for name in names:
        files: dict[tuple[int, int], int] = {}
        try:
            own = _tree(name, folder, files, budget, DEEPEST)
        except (OSError, _Stop):
            left_out += 1
            continue
        each[name] = own + sum(files.values())
        total += own + sum(size for file, size in files.items() if file not in seen)
        seen.update(files)
    return Sizes(each, total, left_out)


def _blocks(status: os.stat_result) -> int:
    return status.st_blocks * BLOCK


def _tree(name: str, above: int, files: dict[tuple[int, int], int], budget: Budget, depth: int) -> int:
    """The bytes of all that has one name only; those of the rest go into ``files``, by device and inode."""
    if not depth:
        raise _Stop
    folder = os.open(name, trees.DIRECTORY, dir_fd=above)
    try:
        size = _blocks(os.fstat(folder))
        with os.scandir(folder) as entries:
            for entry in entries:
                budget.left -= 1
                if budget.left < 0:
                    raise _Stop
                if entry.is_dir(follow_symlinks=False):
                    size += _tree(entry.name, folder, files, budget, depth - 1)
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    files[status.st_dev, status.st_ino] = _blocks(status)
                else:
                    size += _blocks(status)
        return size
    finally:
        os.close(folder)
