# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verifying the digests of the implementations of stores, with several processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from typing import Any, Callable, Iterable, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.progress import Progress
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    access_rights,
    forked_questions,
    judging,
    manifests,
    same_files,
    sparse_files,
    verified_before,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.judging import Judge, Open, Task, Verdict
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.verified_before import Known, Record


def verify_one(path: str, name: str, most: int = 10) -> Verdict:
    """The verdict on one implementation of a store, by this process alone.

    Failure: there is no such store.
    """
    store = judging.open_store(path)
    try:
        return Judge(most).verdict(store, name)
    finally:
        os.close(store.fd)


IN_FULL = 1000
"""Problems of which changed lines are kept."""
STATUSES = ("ok", "corrupt", "exposed", "error")


def first_by_weight(name: str) -> tuple[bool, bytes]:
    """Sorts problems by what they can do: first those that Zero Install would run, which have exactly its names."""
    return not manifests.is_name(name), os.fsencode(name)


class Options(NamedTuple):
    """How to verify.

    ``names`` are the only implementations to look at, None for all. ``workers`` is their number, 0 for one for each
    processor that this process may use. ``records`` is the folder of the records of what was verified before, empty
    to hash everything; they are written only if ``keep``. At most ``most`` changed lines are told of each problem,
    and none beyond the first ``IN_FULL`` problems. At most so many bytes of ``holes`` are read.
    """

    names: list[str] | None = None
    workers: int = 0
    records: str = ""
    keep: bool = True
    most: int = 10
    progress: Callable[[Progress], None] = lambda progress: None
    holes: int = sparse_files.READ


class Report(NamedTuple):
    """What was found: ``problems`` are pairs of a store's path and name with the verdict, in byte order of the name.

    ``listed``: the names in each store, by its path. ``names``: all of them. ``by_store``: numbers as in ``summary``,
    by the path of each store.
    """

    listed: dict[str, list[str]]
    names: list[str]
    skipped: list[tuple[str, str, str]]
    problems: list[tuple[str, str, Verdict]]
    summary: dict[str, Any]
    by_store: dict[str, dict[str, int]]
    warnings: list[str]

    @property
    def names_digest(self) -> str:
        """SHA-256 of the implementations' names, each with a newline, in byte order."""
        return hashlib.sha256("".join(name + "\n" for name in self.names).encode()).hexdigest()


def verify(paths: Iterable[str], options: Options) -> Report:
    """Verify stores.

    Failure: a path is no store, or a name no name; nothing was verified.
    """
    with contextlib.ExitStack() as stack:
        stores = []
        for path in dict.fromkeys(paths):
            stores.append(judging.open_store(path))
            stack.callback(os.close, stores[-1].fd)
        return _Run(stores, options).report()


class _Run:
    """One run over open stores."""

    def __init__(self, stores: list[Open], options: Options) -> None:
        self._stores = stores
        self._options = options
        self._started = time.monotonic()
        self._told = 0.0
        self._count = options.workers or len(os.sched_getaffinity(0))
        self._verdicts: dict[Task, Verdict] = {}
        self._warnings: list[str] = []
        self._records: list[Record | None] = []
        self._known_before: list[dict[str, Known]] = []
        self._total = 0
        self._hashing: Any = None
        self._told_in_full: list[Task] = []

    def report(self) -> Report:
        """Verify all."""
        self._warn_of_open_stores()
        listed, skipped = self._list()
        tasks = self._choose(listed)
        known = self._known(tasks) if self._options.records else {}
        self._total = len(tasks)
        misnamed = Verdict.of(judging.misnamed(), "")
        self._verdicts.update((task, misnamed) for task in tasks if not manifests.is_name(task.name))
        self._look(known)
        first = self._first(tasks)
        before = self._looks({*first, *first.values()})
        twins = {task: one for task, one in first.items() if same_files.are_same(before[one], before[task])}
        self._hash([task for task in tasks if task not in self._verdicts and task not in twins])
        self._judge(twins, before)
        self._record(listed)
        self._tell(finished=True)
        by_store = {
            store.path: sorted(name for name in names if manifests.is_name(name))
            for store, names in zip(self._stores, listed)
        }
        return Report(
            listed=by_store,
            names=sorted({name for names in by_store.values() for name in names}),
            skipped=skipped,
            problems=sorted(
                (
                    (self._stores[task.store].path, task.name, verdict)
                    for task, verdict in self._verdicts.items()
                    if verdict.status != "ok"
                ),
                key=lambda problem: (os.fsencode(problem[1]), problem[0]),
            ),
            summary=self._summary(len(skipped)),
            by_store={store.path: _counts(verdicts) for store, verdicts in zip(self._stores, self._by_store())},
            warnings=self._warnings,
        )

    def _warn_of_open_stores(self) -> None:
        for store in self._stores:
            mode = stat.S_IMODE(os.fstat(store.fd).st_mode)
            if mode & stat.S_IWOTH and access_rights.access_of(store.fd):
                self._warnings.append(
                    f"everybody may put anything into the store {store.path} (mode {mode:04o}). Take that right away"
                    " (chmod o-w)."
                )

    def _list(self) -> tuple[list[list[str]], list[tuple[str, str, str]]]:
        listed, skipped = [], []
        for store in self._stores:
            names, others = judging.sort_names(store.fd)
            listed.append(names)
            skipped += [(store.path, name, why) for name, why in others]
        return listed, skipped

    def _choose(self, listed: list[list[str]]) -> list[Task]:
        if self._options.names is None:
            return [Task(store, name) for store, names in enumerate(listed) for name in names]
        there = [set(names) for names in listed]
        tasks = []
        for name in sorted(set(self._options.names)):
            if not manifests.is_name(name):
                raise Failure(
                    f"names: '{judging.shown(name)}' is not the name of an implementation, such as sha256new_ with 52"
                    " letters and digits."
                )
            found = [Task(store, name) for store, names in enumerate(there) if name in names]
            tasks += found or [Task(0, name)]
        return tasks

    def _known(self, tasks: list[Task]) -> dict[Task, Known]:
        """What the records tell of these implementations."""
        for store in self._stores:
            kind = verified_before.file_system(store.fd)
            if kind in verified_before.FILE_SYSTEMS:
                access = access_rights.access_of(store.fd)
                record = Record(self._options.records, store.path, store.fd, access.fingerprint() if access else "")
                self._records.append(record)
                self._known_before.append(record.read())
                self._warnings += filter(None, [record.warning])
            else:
                self._records.append(None)
                self._known_before.append({})
                self._warnings.append(
                    f"{store.path} is on a file system ({kind or 'of unknown type'}) whose times do not prove that"
                    " nothing changed: all of it is verified."
                )
        known = [(task, self._known_before[task.store].get(task.name)) for task in tasks]
        return {task: entry for task, entry in known if entry}

    def _look(self, known: dict[Task, Known]) -> None:
        """Look at what is known to be sound; what is doubtful has no verdict afterwards."""

        def unchanged(task: Task) -> bool:
            return judging.unchanged(self._stores[task.store], task.name, known[task])

        ordered = sorted(known, key=lambda task: -known[task].files)
        for task, answer in forked_questions.answers(ordered, unchanged, self._count, self._tell):
            if answer:
                self._verdicts[task] = Verdict(
                    files=known[task].files, bytes=known[task].bytes, stamp=known[task].stamp, unchanged=True
                )

    def _first(self, tasks: list[Task]) -> dict[Task, Task]:
        """The tasks without a verdict whose name another store before has, too, each with the first of that name."""
        first: dict[str, Task] = {}
        pairs = [(task, first.setdefault(task.name, task)) for task in tasks]
        return {task: one for task, one in pairs if one is not task and task not in self._verdicts}

    def _looks(self, tasks: Iterable[Task]) -> dict[Task, same_files.Look | None]:
        return {task: same_files.look(task.name, self._stores[task.store].fd) for task in tasks}

    def _judge(self, twins: dict[Task, Task], before: dict[Task, same_files.Look | None]) -> None:
        """What is sound is so in each store that has its files, unless something changed. All else is hashed."""
        after = self._looks({*twins, *twins.values()})
        for task, one in twins.items():
            unchanged = after[task] == before[task] and after[one] == before[one]
            if unchanged and self._verdicts[one].status == "ok":
                self._verdicts[task] = self._verdicts[one]._replace(stamp=None, unchanged=False, files=0, bytes=0)
        self._hash([task for task in twins if task not in self._verdicts])

    def _hash(self, tasks: list[Task]) -> None:
        if not tasks:
            return
        # Loading it takes as long as looking at thousands of files: not where nothing is to be hashed.
        from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.hashing import Hashing

        self._write_back()
        self._hashing = Hashing(
            self._stores, tasks, self._count, self._options.most, any(self._records), self._options.holes
        )
        for task, verdict in self._hashing.verdicts(self._tell):
            self._verdicts[task] = verdict
            self._keep_short(task, verdict)

    def _keep_short(self, task: Task, verdict: Verdict) -> None:
        """Changed lines are kept of the first problems only: whoever writes the store makes as many as it likes."""
        if not verdict.changes:
            return
        self._told_in_full.append(task)
        if len(self._told_in_full) < 2 * IN_FULL:
            return
        self._told_in_full.sort(key=lambda task: first_by_weight(task.name))
        for other in self._told_in_full[IN_FULL:]:
            old = self._verdicts[other]
            self._verdicts[other] = old._replace(changes=(), changes_left_out=old.changes_left_out + len(old.changes))
        del self._told_in_full[IN_FULL:]

    def _write_back(self) -> None:
        for at, record in enumerate(self._records):
            if record and not verified_before.write_back(self._stores[at].fd):
                self._records[at] = None
                self._warnings.append(
                    f"nothing is recorded of {self._stores[at].path}: its file system cannot be synchronised."
                )

    def _record(self, listed: list[list[str]]) -> None:
        """Keep what is known now. That it cannot be kept is a warning: the verdicts stand."""
        for at, record in enumerate(self._records if self._options.keep else []):
            if not record:
                continue
            verdicts = {task.name: verdict for task, verdict in self._verdicts.items() if task.store == at}
            known = {
                name: Known(verdict.stamp, verdict.files, verdict.bytes)
                for name, verdict in verdicts.items()
                if verdict.stamp and not verdict.unchanged
            }
            gone = {
                name
                for name in self._known_before[at]
                if name not in listed[at] or (name in verdicts and not verdicts[name].stamp)
            }
            if known or gone:
                try:
                    record.write(known, gone)
                except Failure as error:
                    self._warnings.append(f"what was verified is not recorded: {error}")

    def _tell(self, finished: bool = False) -> None:
        now = time.monotonic()
        if not finished and now < self._told + 1.0:
            return
        self._told = now
        unchanged = sum(verdict.bytes for verdict in self._verdicts.values() if verdict.unchanged)
        hashed, to_hash = (self._hashing.bytes, self._hashing.bytes_total) if self._hashing else (0, 0)
        total = unchanged + to_hash
        self._options.progress(
            Progress(
                len(self._verdicts),
                self._total,
                total if finished else min(total, unchanged + hashed),
                total,
                round(now - self._started, 3),
                finished,
            )
        )

    def _by_store(self) -> list[list[Verdict]]:
        """The verdicts of each store."""
        found: list[list[Verdict]] = [[] for _store in self._stores]
        for task, verdict in self._verdicts.items():
            found[task.store].append(verdict)
        return found

    def _summary(self, skipped: int) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._started, 3)
        return {**_counts(list(self._verdicts.values())), "skipped": skipped, "seconds": seconds}


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Numbers of verdicts."""
    statuses = [verdict.status for verdict in verdicts]
    return {
        "implementations": len(statuses),
        **{status: statuses.count(status) for status in STATUSES},
        "problems": len(statuses) - statuses.count("ok"),
        "unchanged": sum(verdict.unchanged for verdict in verdicts),
        "files": sum(verdict.files for verdict in verdicts),
        "bytes": sum(verdict.bytes for verdict in verdicts),
    }
