# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one program at a time may do on a machine; others wait for their turn, and say so."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from steps import LOCKS, say


@contextlib.contextmanager
def held(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file for the length of the block; WHAT is waited for meanwhile where another program has it.

    The lock ends with the program, and with the programs of its steps, however they end.
    """
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Waiting for {what}")
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not is_file(file, handle.fileno()):
                continue  # who had the lock has removed the file
            LOCKS.add(handle.fileno())
            try:
                yield
            finally:
                LOCKS.discard(handle.fileno())
            return


def is_file(file: Path, descriptor: int) -> bool:
    """Whether this is what is open."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    return False


def alone(cache: Path, what: str) -> contextlib.AbstractContextManager[None]:
    """Be the only one at this for the length of the block, of those who share the cache."""
    return held(cache / "locks" / hashlib.sha256(what.encode()).hexdigest()[:16], f"another run of the {what}")
