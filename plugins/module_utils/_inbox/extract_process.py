# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpacking and judging a request in a process of its own, which may take only so much memory and time."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterable

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import (
    archives,
    extracting,
    free_room,
    guest_boxes,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.free_room import Room
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.guest_boxes import Request
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import trees
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import Algorithm

MEMORY = 256 << 20
"""Bytes that a process which unpacks may take, beside what it has at its start."""
BATCH_SECONDS = 60.0
"""Seconds after which no more requests of a batch are begun with."""
_COPIED = 1 << 20
_SORTED_NAMES = 1 << 18
"""Names of a package that are sorted in memory, so that no temporary file takes room nobody has asked for."""


def trouble(error: BaseException) -> str:
    """Why a request is refused whose handling failed in a way that nobody foresaw, without control characters."""
    return f"The host cannot handle it: {type(error).__name__}: {str(error)[:300]!a}."


class Unpacking:
    """A request that is unpacked into the folder ``name`` beside the store; ``refused`` says why it is not.

    ``begun``: that was begun with.
    """

    def __init__(
        self,
        request: Request,
        algorithm: Algorithm,
        archive: int,
        name: str,
        staging: int,
        limits: Limits,
        room: Room,
    ) -> None:
        self.begun = False
        self.request = request
        self.archive = archive
        self.size = os.fstat(archive).st_size
        self.name = name
        self.refused = ""
        self._algorithm = algorithm
        self._staging = staging
        self._limits = limits
        self._room = room
        self._parent = 0
        self._pid = 0
        self._pipe = -1
        self._end = 0.0

    def start(self) -> int:
        """Do it in a process of its own; a file descriptor that can be read when it has ended."""
        self._parent = os.getpid()
        self._pipe, writing = os.pipe()
        self._end = time.monotonic() + self._limits.max_seconds
        try:
            self._pid = os.fork()
        except BaseException:
            os.close(self._pipe)
            os.close(writing)
            raise
        if not self._pid:
            self._child(writing)
        os.close(writing)
        return self._pipe

    @property
    def seconds_left(self) -> float:
        """How long it may go on."""
        return self._end - time.monotonic()

    def finish(self) -> None:
        """Take its result, or end it if its time is over."""
        late = not _readable([self._pipe], 0)
        if late:
            os.kill(self._pid, signal.SIGKILL)
        with os.fdopen(self._pipe, "rb") as pipe:
            text = pipe.read(1 << 16)
        _pid, status = os.waitpid(self._pid, 0)
        if late:
            self.refused = f"It took longer than {self._limits.max_seconds} s."
        elif status or not text:
            self.refused = f"The process that unpacked it ended (status {status})."
        else:
            self.refused = text[1:].decode("utf-8", "replace")

    def _child(self, writing: int) -> None:
        try:
            self._limit()
            reason = self._judge()
            os.write(writing, b"=" + reason.encode("utf-8", "replace")[:4000])
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def _limit(self) -> None:
        with open("/proc/self/statm", "rb") as file:
            memory = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
        seconds, size = self._limits.max_seconds, self._limits.max_size
        limits = ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, size))
        for what, limit in limits:
            hard = resource.getrlimit(what)[1]
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(what, (limit, limit))
        trees.SORTED_NAMES = _SORTED_NAMES

    def _judge(self) -> str:
        """Copy, unpack, make the manifest. Why it is refused, or nothing."""
        try:
            with os.fdopen(self._copy(), "rb", buffering=archives.PIECE) as file:
                os.mkdir(self.name, 0o700, dir_fd=self._staging)
                root = os.open(self.name, trees.DIRECTORY, dir_fd=self._staging)
                extracting.unpack(file, root, self._limits, self._step)
            actual = extracting.make_manifest(root, self._algorithm, self._step)
            os.fchmod(root, 0o755)
        except Refused as refusal:
            return str(refusal)
        except trees.Problem as problem:
            return problem.detail
        except MemoryError:
            return "It needs too much memory."
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return free_room.NO_ROOM
            return f"It cannot be unpacked: {error.strerror or error}."
        if actual != self.request.digest:
            return f"Its contents do not match its name: they are {actual}."
        return ""

    def _alive(self) -> None:
        """End if the pass was killed: nobody waits for this, and the next pass removes it."""
        if os.getppid() != self._parent:
            os._exit(1)

    def _step(self) -> None:
        """Before something is written: end if the pass was killed. ``Refused``: there is no room for it."""
        self._alive()
        self._room.step()

    def _copy(self) -> int:
        """A copy of the archive that nobody else can open."""
        self._step()
        name = self.name + ".tar"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        copy = os.open(name, flags, 0o600, dir_fd=self._staging)
        os.unlink(name, dir_fd=self._staging)
        done = 0
        while done < self.size:
            self._step()
            piece = min(_COPIED, self.size - done)
            guest_boxes.check_holes(self.archive, done, done + piece)
            count = os.sendfile(copy, self.archive, done, piece)
            if not count:
                raise Refused("Its archive was cut short while it was copied.")
            done += count
        os.lseek(copy, 0, os.SEEK_SET)
        return copy


def unpack_all(unpackings: list[Unpacking], workers: int) -> None:
    """Unpack, so many at once. Of each it is known then why it is refused, or that it was not begun with."""
    waiting = unpackings[::-1]
    running: dict[int, Unpacking] = {}
    end = time.monotonic() + BATCH_SECONDS
    while waiting or running:
        while waiting and len(running) < workers:
            unpacking = waiting.pop()
            unpacking.begun = True
            try:
                running[unpacking.start()] = unpacking
            except Exception as error:
                unpacking.refused = trouble(error)
        if running:
            _finish_some(running)
        if time.monotonic() >= end:
            waiting.clear()


def _readable(pipes: Iterable[int], seconds: float) -> list[int]:
    """Those of these pipes that can be read within so many seconds, whatever their numbers: select ends at 1023."""
    waiting = select.poll()
    for pipe in pipes:
        waiting.register(pipe, select.POLLIN)
    return [pipe for pipe, _event in waiting.poll(1000 * seconds)]


def _finish_some(running: dict[int, Unpacking]) -> None:
    """Wait for the next that ends, or whose time is over."""
    patience = max(0.0, min(unpacking.seconds_left for unpacking in running.values()))
    ready = _readable(running, patience)
    ready = ready or [pipe for pipe, unpacking in running.items() if unpacking.seconds_left <= 0]
    for pipe in ready:
        unpacking = running.pop(pipe)
        try:
            unpacking.finish()
        except Exception as error:
            unpacking.refused = trouble(error)
