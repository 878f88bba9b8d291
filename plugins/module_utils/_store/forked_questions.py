# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Short questions to many things, asked by several processes, which start a hundred times as fast as workers."""

from __future__ import annotations

import os
import select
import signal
from typing import Any, Callable, Iterator, Sequence

_YES, _NO = b"\1", b"\0"


def answers(
    items: Sequence[Any], ask: Callable[[Any], bool], count: int, idle: Callable[[], None]
) -> Iterator[tuple[Any, bool]]:
    """Each item with the answer of ``ask``, in whatever order, asked by ``count`` processes.

    An item whose process ended before it answered is left out. ``idle`` is called at least once a second.
    """
    children: dict[int, tuple[int, Iterator[Any]]] = {}
    try:
        for at in range(min(count, len(items))):
            share = iter(items[at::count])
            fd, pid = _fork(share, ask)
            children[fd] = (pid, share)
        waiting = {fd: share for fd, (_pid, share) in children.items()}
        while waiting:
            ready = select.select(list(waiting), [], [], 1.0)[0]
            idle()
            for fd in ready:
                said = os.read(fd, 1 << 16)
                for answer, item in zip(said, waiting[fd]):
                    yield item, answer == _YES[0]
                if not said:
                    del waiting[fd]
    finally:
        for fd, (pid, _share) in children.items():
            os.close(fd)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _fork(share: Iterator[Any], ask: Callable[[Any], bool]) -> tuple[int, int]:
    """What to read a child's answers from, a byte for each item of its share, and the child's process id."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return read, pid
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(read)
        for item in share:
            os.write(write, _YES if ask(item) else _NO)  # fails, and so ends the child, once nobody reads
    finally:
        os._exit(0)
