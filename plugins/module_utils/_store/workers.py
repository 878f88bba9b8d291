# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Worker processes that do what they are handed, and die with whoever started them."""

from __future__ import annotations

import contextlib
import gc
import mmap
import multiprocessing
import multiprocessing.connection
import os
import signal
import struct
from typing import Any, Callable, Iterator, NamedTuple

_COUNTER = struct.Struct("=Q")

Tick = Callable[[int], None]


class Died(NamedTuple):
    """What stands for the result of a task whose worker ended."""

    reason: str


class _Worker:
    def __init__(self, process: Any, connection: Any, tasks: list[Any]) -> None:
        self.process = process
        self.connection = connection
        self.tasks = tasks


class Workers:
    """So many forked processes, each of which calls ``make(tick, number)`` once and then its result with each task.

    ``tick`` takes a number of bytes that were done; ``bytes`` is their sum. A worker that ended is replaced.
    """

    def __init__(self, count: int, make: Callable[[Tick, int], Callable[[Any], Any]]) -> None:
        self._make = make
        self._context = multiprocessing.get_context("fork")
        self._counters = mmap.mmap(-1, _COUNTER.size * count)
        self._workers: list[_Worker] = []
        for number in range(count):
            self._workers.append(self._start(number))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_unused: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()

    @property
    def bytes(self) -> int:
        """What all workers together have done."""
        size = _COUNTER.size
        return sum(_COUNTER.unpack_from(self._counters, size * at)[0] for at in range(len(self._workers)))

    def _start(self, number: int) -> _Worker:
        ours, its = self._context.Pipe()
        others = [worker.connection for worker in self._workers] + [ours]
        process = self._context.Process(target=self._work, args=(number, its, others, os.getpid()), daemon=True)
        process.start()
        its.close()
        return _Worker(process, ours, [])

    def _work(self, number: int, connection: Any, others: list[Any], parent: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()
        gc.disable()
        for other in others:
            other.close()
        at = _COUNTER.size * number
        done = _COUNTER.unpack_from(self._counters, at)[0]

        def tick(count: int) -> None:
            nonlocal done
            if os.getppid() != parent:
                os._exit(1)
            done += count
            _COUNTER.pack_into(self._counters, at, done)

        do = self._make(tick, number)
        with contextlib.suppress(EOFError, OSError):
            while True:
                connection.send(do(connection.recv()))

    def results(self, next_task: Callable[[bool], Any], idle: Callable[[], None]) -> Iterator[tuple[Any, Any]]:
        """Hand out tasks until there are none and nothing is under way; each task with its result as it comes.

        ``next_task`` gives a task, or None if there is none now; it is asked again after every result. Its argument
        says whether the task is for a worker that is busy still, so that it does not wait for its next one. ``idle``
        is called at least once a second.
        """
        while True:
            for busy in (False, True):
                for worker in self._workers:
                    if len(worker.tasks) == busy:
                        task = next_task(busy)
                        if task is None:
                            break
                        self._send(worker, task)
            waited_for = {worker.connection: worker for worker in self._workers if worker.tasks}
            if not waited_for:
                return
            ready = multiprocessing.connection.wait(list(waited_for), timeout=1.0)
            idle()
            for connection in ready:
                yield from self._receive(waited_for[connection])

    @staticmethod
    def _send(worker: _Worker, task: Any) -> None:
        worker.tasks.append(task)
        with contextlib.suppress(OSError):  # a worker that is gone shows when its result is awaited
            worker.connection.send(task)

    def _receive(self, worker: _Worker) -> list[tuple[Any, Any]]:
        try:
            result = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            died = Died(f"the process that did it ended (status {worker.process.exitcode})")
            worker.connection.close()
            at = self._workers.index(worker)
            self._workers[at] = self._start(at)
            return [(task, died) for task in worker.tasks]
        return [(worker.tasks.pop(0), result)]
