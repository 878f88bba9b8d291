# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One implementation whose files several workers hash."""

from __future__ import annotations

import os
from collections import deque
from typing import Any, Iterator, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, manifests, trees
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.access_rights import Access
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.judging import Judge, Open, Verdict
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import Algorithm
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.trees import Problem
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.verified_before import Stamp

BATCH_BYTES, BATCH_FILES, BATCH_PATHS = 1 << 23, 128, 1 << 15
"""What a batch has at most: bytes to hash, files, and bytes of paths."""
DEEPEST = 64
"""Directories in each other beyond which an implementation is left to a single worker."""


class Batch(NamedTuple):
    """Files of one implementation to hash: for each directory its path and the leaves in it."""

    store: int
    name: str
    files: list[tuple[bytes, list[bytes]]]


def hash_batch(stores: list[Open], batch: Batch, judge: Judge) -> Iterator[tuple[os.stat_result, bytes]]:
    """States and hashes of a batch's files.

    ``Problem``: one of them has one, or others may change it.
    """
    reader, look = judge.part_reader(stores[batch.store])
    algorithm = manifests.required_algorithm(batch.name)
    for path, leaves in batch.files:
        fd = judging.open_implementation(stores[batch.store], batch.name)
        try:
            for part in path.split(b"/")[1:]:
                below = os.open(part, trees.DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            for leaf in leaves:
                yield reader.digest(fd, leaf, path, algorithm.hash)
                if look.exposed:
                    raise Problem("exposed", "", "left to a single worker")
        except OSError as error:
            raise trees.unreadable(path, error) from error
        finally:
            os.close(fd)


class _Part:
    """A stretch of a manifest whose files one worker hashes."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.entries: list[tuple[bytes | None, bytes, Any]] = []
        self.files: list[tuple[bytes, list[bytes]]] = []
        self.hashed: list[tuple[os.stat_result, bytes]] | None = None
        self._directory: tuple[int, bytes] | None = None
        self._bytes = self._count = self._paths = 0

    @property
    def full(self) -> bool:
        """Whether it is enough for one batch."""
        return (
            self._bytes >= BATCH_BYTES
            or self._count >= BATCH_FILES
            or self._paths >= BATCH_PATHS
            or len(self.entries) >= 16 * BATCH_FILES
        )

    def add(self, item: trees.Item, algorithm: Algorithm) -> None:
        """Take in the next item of a tree.

        ``Problem``: it cannot be shared out.
        """
        kind, fd, path, leaf, status = item
        if kind == b"d" and status:
            if path.count(b"/") > DEEPEST:
                raise Problem("error", "deep", "too deep to be shared out")
            line = manifests.directory_line(algorithm, path, status.st_mtime_ns) if path else b""
            self.entries.append((line, leaf, status))
            return
        found = os.stat(leaf, dir_fd=fd, follow_symlinks=False)
        if kind == b"l":
            line = manifests.link_line(algorithm, trees.read_link(fd, leaf, path), leaf)
            self.entries.append((line, leaf, found))
            return
        if self._directory != (fd, path):
            self._directory = (fd, path)
            self.files.append((path, []))
            self._paths += len(path)
        self.files[-1][1].append(leaf)
        self.entries.append((None, leaf, found))
        self._bytes += found.st_size
        self._count += 1
        self._paths += len(leaf)


class Shared:
    """An implementation that several workers hash; it is only ever found sound, or left to a single worker."""

    def __init__(
        self, position: int, store: Open, name: str, stamped: bool, at_once: int, access: Access | None = None
    ) -> None:
        """``at_once`` batches may be under way. ``access``: who may change it."""
        algorithm = manifests.required_algorithm(name)
        self.position = position
        self.name = name
        self._algorithm = algorithm
        self._hash = algorithm.hash()
        self._stamp = Stamp() if stamped else None
        self._at_once = at_once
        self._look = judging.Look(access, lambda count: False)
        self._root = judging.open_implementation(store, name)
        self._items = trees.walk(self._root, algorithm.one_pass)
        self._waiting: deque[_Part] = deque()
        self._totals = trees.Totals()
        self.walked = self.failed = False

    def close(self) -> None:
        """Let go of it."""
        self._items.close()
        os.close(self._root)

    @property
    def done(self) -> bool:
        """Whether nothing is left to hand out or to wait for."""
        return self.failed or (self.walked and not self._waiting)

    def next(self) -> Batch | None:
        """The next files to hash, or None if there are none, or too many are under way."""
        while not self.done and not self.walked and len(self._waiting) < self._at_once:
            part = _Part()
            try:
                for item in self._items:
                    if item[-1]:
                        self._look(item[1], item[-1], item[2], b"")
                    part.add(item, self._algorithm)
                    if part.full:
                        break
                else:
                    self.walked = True
            except (Problem, OSError):
                self.failed = True
                return None
            self._waiting.append(part)
            if part.files:
                part.batch = Batch(self.position, self.name, part.files)
                return part.batch
            part.hashed = []
            self._fold()
        return None

    def take(self, batch: Batch, hashed: Any) -> None:
        """Take in what a worker found."""
        part = next((part for part in self._waiting if part.batch is batch), None)
        if part is None or not isinstance(hashed, list):
            self.failed = True
            return
        part.hashed = hashed
        self._fold()

    def _fold(self) -> None:
        while self._waiting and self._waiting[0].hashed is not None and not self.failed:
            part = self._waiting.popleft()
            hashed = iter(part.hashed or [])
            for line, leaf, status in part.entries:
                if line is None:
                    read, digest = next(hashed)
                    if not (trees.same_state(read, status) and os.path.samestat(read, status)):
                        self.failed = True
                        return
                    line = manifests.file_line(digest, status.st_mode, status.st_mtime_ns, status.st_size, leaf)
                    self._totals.files += 1
                    self._totals.bytes += status.st_size
                self._hash.update(line)
                if self._stamp:
                    self._stamp.add(status)

    def verdict(self) -> Verdict | None:
        """That it is sound, or None if a single worker is to look at it."""
        if self.failed or self._look.exposed or self._algorithm.implementation(self._hash.digest()) != self.name:
            return None
        try:
            reader = trees.Reader(look=self._look)
            recorded = judging.recorded_digest(self._root, self._algorithm, reader, self._stamp)
        except Problem:
            return None
        if self._look.exposed or recorded not in (None, self.name):
            return None
        stamp = self._stamp.value() if self._stamp else None
        return Verdict(
            expected=self.name,
            actual=self.name,
            recorded=recorded,
            files=self._totals.files,
            bytes=self._totals.bytes,
            stamp=stamp,
        )
