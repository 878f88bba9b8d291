# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was verified before, so that only what may have changed is read again.

An implementation is known by a stamp: a hash over what the kernel tells of each file, link and directory in it. Every
write, and every attempt to hide one by setting times back, sets the ctime, which nobody but root can set at will.
What weakens that is excluded: file systems whose times mean less, times so recent that a later write may leave them
the same, pages that a process could still write through an old mapping, and what happened before the last boot.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import operator
import os
import re
import stat
import struct
import time
from typing import Any, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import (
    live_mounts,
    private_files,
    replacing,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import trees

FORMAT = 2
"""What a record of another format calls sound is looked at anew: 1 knew nothing of who may change it."""
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs")
"""File systems of the local kernel that set the ctime at every write, through mappings too."""
RECENT = 3 * 10**9
"""Nanoseconds for which a time is too young to tell a later write from an earlier one: above the 1 s of ext3."""
STAMPED = 200_000
"""Entries of an implementation beyond which it has no stamp."""
LARGEST = 1 << 28
"""Bytes beyond which a record is not read."""

DEEPEST = 200
"""Directories in each other beyond which an implementation has no stamp."""

_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)
_pack = struct.Struct("=QQIqqq").pack
_state = operator.attrgetter("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")


class Known(NamedTuple):
    """A sound implementation: its stamp in hexadecimal digits, files, and bytes in them."""

    stamp: str
    files: int
    bytes: int


class Stamp:
    """Collects the state of everything in an implementation, in whatever order.

    Names are not collected: renaming sets the times of the directory.
    """

    def __init__(self) -> None:
        self._states: list[tuple[int, ...]] = []
        self._started = time.time_ns()

    def add(self, status: os.stat_result) -> None:
        """Take in an entry's state."""
        if len(self._states) <= STAMPED:
            self._states.append(_state(status))

    def add_below(self, fd: int, depth: int) -> bool:
        """Take in what is in a directory; whether all of it was, and it is not so deep.

        OSError: something cannot be looked at.
        """
        with os.scandir(fd) as scan:
            entries = list(itertools.islice(scan, STAMPED + 1 - len(self._states)))
        self._states += [_state(entry.stat(follow_symlinks=False)) for entry in entries]
        if len(self._states) > STAMPED:
            return False
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, trees.DIRECTORY, dir_fd=fd)
                try:
                    if not depth or not self.add_below(below, depth - 1):
                        return False
                finally:
                    os.close(below)
        return True

    def value(self) -> str | None:
        """The stamp, or None where it would prove nothing: too recent, too large, or over several file systems."""
        states = self._states
        if (
            len(states) > STAMPED
            or len({state[0] for state in states}) != 1
            or max(state[-1] for state in states) > self._started - RECENT
        ):
            return None
        return hashlib.sha256(b"".join(sorted([_pack(*state) for state in states]))).hexdigest()


def stamp_of(root: int) -> str | None:
    """The stamp of the open directory of an implementation, without reading files; None if it has none now."""
    stamp = Stamp()
    stamp.add(os.fstat(root))
    try:
        return stamp.value() if stamp.add_below(root, DEEPEST) else None
    except OSError:
        return None


def file_system(fd: int) -> str:
    """The type of the file system of something open, or an empty string if the kernel does not tell."""
    number = mount_id(fd)
    mounts = live_mounts.parse_mountinfo(replacing.read("/proc/self/mountinfo") or "")
    return next((mount.type for mount in mounts if mount.id == number), "")


def mount_id(fd: int) -> int | None:
    """The number of the mount of something open; None if the kernel does not tell."""
    found = _MOUNT_ID.search(replacing.read(f"/proc/self/fdinfo/{fd}") or "")
    return int(found.group(1)) if found else None


def boot() -> str:
    """What tells this boot of the machine from others; empty if the kernel does not tell."""
    return (replacing.read("/proc/sys/kernel/random/boot_id") or "").strip()


def write_back(fd: int) -> bool:
    """Write a file system's dirty pages to disk, after which a write through any mapping sets the ctime anew."""
    try:
        import ctypes  # where it is needed: it is slow to load, and may be missing

        return bool(ctypes.CDLL(None, use_errno=True).syncfs(fd) == 0)
    except (ImportError, AttributeError, OSError):
        return False


def encode(store: os.stat_result, booted: str, access: str, known: dict[str, Known]) -> str:
    """A record's text: a line with a hash, and what it hashes. ``access``: who may change what is in the store."""
    body = json.dumps(
        {**_header(store, booted, access), "implementations": known},
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(body.encode()).hexdigest() + "\n" + body + "\n"


def _header(store: os.stat_result, booted: str, access: str) -> dict[str, Any]:
    """What a record is of. What is sound depends on who owns the store, and on who may write it: groups change, too."""
    who = [store.st_uid, store.st_gid, stat.S_IMODE(store.st_mode), access]
    return {"format": FORMAT, "device": store.st_dev, "inode": store.st_ino, "boot": booted, "access": who}


def decode(text: str, store: os.stat_result, booted: str, access: str) -> dict[str, Known]:
    """What a record's text tells of this store.

    ValueError: it is damaged. It is empty where the record is of another store, boot or format, or where others may
    change the store now.
    """
    hash_, _newline, body = text.partition("\n")
    if hashlib.sha256(body[:-1].encode("utf-8", "surrogateescape")).hexdigest() != hash_ or body[-1:] != "\n":
        raise ValueError("its hash is wrong")
    try:
        record: Any = json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    wanted = _header(store, booted, access)
    if not isinstance(record, dict) or any(record.get(key) != value for key, value in wanted.items()) or not booted:
        return {}
    known = record.get("implementations")
    if not isinstance(known, dict) or not all(_is_known(entry) for entry in known.values()):
        raise ValueError("it does not list implementations")
    return {name: Known(*entry) for name, entry in known.items()}


def _is_known(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == len(Known._fields)
        and isinstance(entry[0], str)
        and all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in entry[1:])
    )


def name_of(store: str) -> str:
    """How the names begin of the files about a store, by its path."""
    return hashlib.sha256(os.fsencode(store)).hexdigest()[:32]


class Record:
    """The record of one store, a file in a folder that only its owner, root or this user, can read or write."""

    def __init__(self, folder: str, path: str, fd: int, access: str) -> None:
        """``access``: what tells who may change what is in the store."""
        self._access = access
        self._folder = folder
        self._store = os.fstat(fd)
        self._boot = boot()
        self._path = os.path.join(folder, name_of(path) + ".json")
        self.warning = ""

    def read(self) -> dict[str, Known]:
        """What is known of the store; empty, with a ``warning`` where it is not right, if there is no good record."""
        with contextlib.ExitStack() as stack:
            try:
                folder = self._open_folder()
                stack.callback(os.close, folder)
                return self._read(folder)
            except FileNotFoundError:
                return {}
            except (OSError, ValueError) as error:
                reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                self.warning = f"the record {self._path} is not used, and everything is verified: {reason}."
                return {}

    def _read(self, folder: int) -> dict[str, Known]:
        text = private_files.read(folder, os.path.basename(self._path), (os.geteuid(),), LARGEST)
        return decode(text, self._store, self._boot, self._access)

    def _open_folder(self) -> int:
        return private_files.open_folder(self._folder, (os.geteuid(),))

    def write(self, known: dict[str, Known], forgotten: set[str]) -> None:
        """Add to the record what is known now, and drop what is not.

        Failure: it cannot be written, and is as before.
        """
        if not self._boot:
            raise Failure("the kernel does not tell its boot_id")
        with contextlib.ExitStack() as stack:
            try:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                folder = self._open_folder()
            except (OSError, ValueError) as error:
                raise Failure(f"the record {self._path} cannot be written: {error}.") from error
            stack.callback(os.close, folder)
            stack.enter_context(replacing.locked(os.path.join(self._folder, "lock"), within=folder))
            try:
                before = self._read(folder)
            except (OSError, ValueError):
                before = {}
            both = {name: entry for name, entry in before.items() if name not in forgotten}
            both.update(known)
            replacing.replace_within(folder, self._path, encode(self._store, self._boot, self._access, both), 0o600)
