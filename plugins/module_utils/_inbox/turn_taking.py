# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose request comes next: guests take turns, also from one pass to the next.

A turn is one request. One that is large costs its sender so many more turns as it has pieces of the size ``TURN``,
and others come first meanwhile. Of those who owe as much, whoever was served last comes last. Nobody who waits alone
is kept waiting, and nobody saves up turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import Any, Iterable, NamedTuple

TURN = 4 << 20
"""Bytes of an archive that cost about as much time as what every request costs, whatever its size."""
STATE = "turns"
"""Name of the file in which they are kept."""
LARGEST = 1 << 20
"""Bytes beyond which that file is not read."""
_NEW = STATE + ".new"


class Place(NamedTuple):
    """When a box comes next: the turn at which it does, and the number of all boxes' requests when it was served."""

    turn: int = 0
    served: int = 0


class Turns:
    """The turns of boxes, by their names. ``most`` is what one request can cost."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0
        self._served = 0
        self._places: dict[str, Place] = {}

    @classmethod
    def for_size(cls, largest: int) -> Turns:
        """Turns of boxes whose requests have at most so many bytes."""
        return cls(cost(largest))

    def first(self, names: Iterable[str]) -> str:
        """Which of these boxes comes next."""
        name = min(names, key=lambda name: (self._place(name), name))
        self._now = self._place(name).turn
        return name

    def charge(self, name: str, size: int) -> Place:
        """Have a box pay for a request of so many bytes; what ``give_back`` takes."""
        before = self._place(name)
        self._served += 1
        self._places[name] = Place(before.turn + min(cost(size), self._most), self._served)
        return before

    def give_back(self, name: str, before: Place) -> None:
        """Let a box be where it was before a request was charged, which was not served."""
        self._places[name] = before

    def _place(self, name: str) -> Place:
        found = self._places.get(name, Place())
        return found if found.turn >= self._now else found._replace(turn=self._now)

    def owed(self) -> list[tuple[str, int]]:
        """All boxes that were served, whoever was served last at the end, and how many turns each one owes."""
        order = sorted(self._places, key=lambda name: self._places[name].served)
        return [(name, self._place(name).turn - self._now) for name in order]

    def load(self, folder: int) -> None:
        """Take over what an earlier pass left in a folder. What is missing or damaged counts as no turn of anybody."""
        with contextlib.suppress(Exception):
            for name, turns in _checked(json.loads(_read(folder).decode("ascii"))):
                self._served += 1
                self._places[name] = Place(min(turns, self._most), self._served)

    def save(self, folder: int, names: Iterable[str]) -> None:
        """Leave the turns of these boxes in a folder for the next pass, by a rename; as they were if that fails."""
        kept = set(names)
        text = json.dumps([entry for entry in self.owed() if entry[0] in kept])
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_NEW, dir_fd=folder)
            with os.fdopen(os.open(_NEW, flags, 0o600, dir_fd=folder), "wb") as file:
                file.write(text.encode("ascii"))
            os.rename(_NEW, STATE, src_dir_fd=folder, dst_dir_fd=folder)


def cost(size: int) -> int:
    """How many turns a request of so many bytes costs."""
    return max(1, -(-size // TURN))


def is_kept(name: str, folder: int) -> bool:
    """Whether something in a folder is the file in which turns are kept."""
    if name != STATE:
        return False
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _read(folder: int) -> bytes:
    fd = os.open(STATE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(fd, "rb") as file:
        text: bytes = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("it is too large")
    return text


def _checked(found: Any) -> list[tuple[str, int]]:
    """The boxes and turns of a file's contents; ValueError: they are none."""
    if not isinstance(found, list):
        raise ValueError("it is no list")
    entries = []
    for entry in found:
        if not isinstance(entry, list) or [type(part) for part in entry] != [str, int] or entry[1] < 0:
            raise ValueError("it has something that is no box with its turns")
        entries.append((entry[0], entry[1]))
    return entries
