# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hashing implementations with several processes: most as a whole, largest first, very large ones file by file."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterator

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    judging,
    manifests,
    sparse_files,
    split_hashing,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.judging import Judge, Open, Task, Verdict
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.split_hashing import Batch, Shared
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.trees import Problem
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.workers import Died, Tick, Workers

WEIGHED = 1 << 24
"""Bytes of a recorded manifest that are read to estimate the work; of a longer one, the work is not known."""
COST_OF_A_FILE = 1 << 15
"""Opening a file costs about as much as hashing so many bytes."""
SHARED_OUT = 1 << 26
"""An implementation that costs at least so much may be shared out among workers."""


class Hashing:
    """The implementations ``tasks`` of open stores, hashed by ``count`` processes.

    At most ``most`` changed lines are told of each; ``stamped``: verdicts have stamps; ``holes``: bytes of holes that
    are read. ``bytes_total`` is an estimate.
    """

    def __init__(
        self,
        stores: list[Open],
        tasks: list[Task],
        count: int,
        most: int,
        stamped: bool,
        holes: int = sparse_files.READ,
    ) -> None:
        self._budget = sparse_files.Budget(holes, count)
        self._judge = Judge()
        self._stores = stores
        self._count = count
        self._most = most
        self._stamped = stamped
        self._shared: dict[Task, Shared] = {}
        self._settled: list[tuple[Task, Verdict]] = []
        weights = {task: _weigh(stores[task.store], task.name) for task in tasks}
        self.bytes_total = sum(found[1] for found in weights.values() if found)
        cost = {task: found[1] + found[0] * COST_OF_A_FILE if found else None for task, found in weights.items()}
        share = max(SHARED_OUT, sum(filter(None, cost.values())) // (2 * count))
        is_large = {task: count > 1 and (cost[task] is None or (cost[task] or 0) > share) for task in tasks}
        ordered = sorted(tasks, key=lambda task: cost[task] or 0)
        self._large = [task for task in ordered if is_large[task]]
        self._whole = [task for task in ordered if not is_large[task]]

    @property
    def bytes(self) -> int:
        """Bytes that were hashed."""
        return self._workers.bytes

    def verdicts(self, idle: Callable[[], None]) -> Iterator[tuple[Task, Verdict]]:
        """Each implementation with its verdict as it comes. ``idle`` is called at least once a second."""
        with Workers(self._count, self._worker) as self._workers:
            for task, result in self._workers.results(self._next, idle):
                if isinstance(task, Batch):
                    shared = self._shared.get(Task(task.store, task.name))
                    if shared:
                        shared.take(task, result)
                elif isinstance(result, Died):
                    yield task, Verdict("error", "worker", f"Not verified: {result.reason}.", task.name)
                else:
                    yield task, result
                self._settle()
                while self._settled:
                    yield self._settled.pop()
            yield from self._settled

    def _worker(self, tick: Tick, number: int) -> Callable[[Any], Any]:
        judge = Judge(self._most, self._stamped, tick, lambda count: self._budget.take(number, count))

        def work(task: Any) -> Any:
            if isinstance(task, Batch):
                try:
                    return list(split_hashing.hash_batch(self._stores, task, judge))
                except Problem:
                    return None
            return judge.verdict(self._stores[task.store], task.name)

        return work

    def _next(self, busy: bool) -> Task | Batch | None:
        batch = self._next_batch()
        if batch or busy or not self._whole:
            return batch
        return self._whole.pop()

    def _next_batch(self) -> Batch | None:
        while True:
            for shared in self._shared.values():
                batch = shared.next()
                if batch:
                    return batch
            self._settle()
            if not self._large or any(not shared.walked for shared in self._shared.values()):
                return None
            task = self._large.pop()
            try:
                store = self._stores[task.store]
                self._shared[task] = Shared(
                    task.store, store, task.name, self._stamped, 4 * self._count, self._judge.access(store)
                )
            except Problem:
                self._whole.append(task)

    def _settle(self) -> None:
        """Take in those that were shared out and are done; what was not found sound goes to a single worker."""
        for task, shared in list(self._shared.items()):
            if shared.done:
                del self._shared[task]
                verdict = shared.verdict()
                shared.close()
                if verdict:
                    self._settled.append((task, verdict))
                else:
                    self._whole.append(task)


def _weigh(store: Open, name: str) -> tuple[int, int] | None:
    """Files and bytes of an implementation by its recorded manifest, whoever wrote that; None if it does not tell."""
    try:
        root = judging.open_implementation(store, name)
    except Problem:
        return 0, 0
    try:
        with judging.recorded_manifest(root) as recorded:
            text = recorded.read(WEIGHED + 1)
    except (Problem, OSError):
        return None
    finally:
        os.close(root)
    return None if len(text) > WEIGHED else manifests.weight(text)
