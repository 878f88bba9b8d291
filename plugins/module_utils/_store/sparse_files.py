# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holes of files: what costs whoever writes a store nothing, and whoever reads it as much as data."""

from __future__ import annotations

import errno
import mmap
import os
import struct

READ = 1 << 32
"""Bytes of holes that a run reads at most, if nothing else was asked for."""
_BLOCK = 512
_COUNTER = struct.Struct("=Q")


def holes(file: int, status: os.stat_result) -> int:
    """Bytes of an open file that take no room on disk because they were never written.

    What a file system saves by compression is none of it, but for ZFS, which stores long runs of zeros as holes.
    """
    missing = status.st_size - status.st_blocks * _BLOCK
    if missing <= 0:
        return 0
    found = at = 0
    while at < status.st_size and found < missing:
        start = _seek(file, at, os.SEEK_HOLE, at)
        if start >= status.st_size:
            break
        end = min(_seek(file, start, os.SEEK_DATA, status.st_size), status.st_size)
        found += end - start
        at = max(end, start + 1)
    os.lseek(file, 0, os.SEEK_SET)
    return min(found, missing)


def _seek(file: int, at: int, whence: int, otherwise: int) -> int:
    try:
        return os.lseek(file, at, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:  # there is nothing but holes from there on
            return otherwise
        raise


class Budget:
    """Bytes of holes that a run may read, which its processes share; each takes by a number of its own."""

    def __init__(self, limit: int = READ, processes: int = 1) -> None:
        self.limit = limit
        self._processes = processes
        self._counters = mmap.mmap(-1, _COUNTER.size * processes)

    def take(self, process: int, count: int) -> bool:
        """Whether there is so much left for this process, which it has then taken."""
        at = _COUNTER.size * process
        (before,) = _COUNTER.unpack_from(self._counters, at)
        _COUNTER.pack_into(self._counters, at, before + count)
        # Two that take at once may both be refused, and never both be granted too much.
        if (
            sum(_COUNTER.unpack_from(self._counters, _COUNTER.size * each)[0] for each in range(self._processes))
            <= self.limit
        ):
            return True
        _COUNTER.pack_into(self._counters, at, before)
        return False
