# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trees of implementations that are not in the store yet: unpacking them, and making their manifest.

Everything is made and opened by its name in a directory that is open already, and no link is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Any, Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Archive, Member, Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import trees
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import Algorithm

DEEPEST = 200
"""Directories in each other that may be allowed at most."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNTOLD = 1 << 16
"""Bytes of a manifest after which ``tick`` is called."""


class Limits(NamedTuple):
    """How much one request may take: bytes of its archive, entries, directories in each other, seconds.

    At most ``max_waiting`` requests may wait in a box. So many bytes and inodes are kept free on the store's file
    system.
    """

    max_size: int = 4 << 30
    max_entries: int = 250_000
    max_depth: int = 100
    max_seconds: int = 1800
    max_waiting: int = 64
    keep_free: int = 1 << 30
    keep_free_inodes: int = 4096


def unpack(file: Any, root: int, limits: Limits, tick: Callable[[], None] = lambda: None) -> None:
    """Unpack an archive into an open, empty directory. ``tick`` is called before each entry and piece of a file.

    ``Refused``: it has something that no implementation may have, or too much of it. What was unpacked is there
    still.
    """
    archive = Archive(file)
    with contextlib.closing(_Folders(root)) as folders:
        for count, member in enumerate(archive.members(), 1):
            tick()
            if count > limits.max_entries:
                raise Refused(f"It has more than {limits.max_entries} files, directories and links.")
            if len(member.path) > limits.max_depth:
                raise Refused(f"{member.shown} is more than {limits.max_depth} directories deep.")
            try:
                _make(member, archive, folders, tick)
            except (OSError, OverflowError) as error:
                raise Refused(_why(member, error)) from error
        folders.leave(0)


def _why(member: Member, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EEXIST:
        return f"{member.shown} is in the archive twice."
    if number in _NO_ROOM:
        return "The host's disk has no room for it."
    return "{} cannot be unpacked: {}.".format(member.shown, getattr(error, "strerror", None) or error)


class _Folders:
    """The directories from the root to the current one, all open. One that is left is complete."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._path: list[bytes] = []
        self._fds: list[int] = []

    @property
    def fd(self) -> int:
        """The current directory."""
        return self._fds[-1] if self._fds else self._root

    def go_to(self, path: tuple[bytes, ...]) -> None:
        """Change to a directory that was unpacked before."""
        common = 0
        while common < min(len(path), len(self._path)) and path[common] == self._path[common]:
            common += 1
        self.leave(common)
        for name in path[common:]:
            self.enter(name)

    def enter(self, name: bytes) -> None:
        """Change to a directory in the current one."""
        try:
            fd = os.open(name, trees.DIRECTORY, dir_fd=self.fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise Refused("The archive has something in a directory that does not come before it.") from error
            raise
        self._path.append(name)
        self._fds.append(fd)
        if not os.fstat(fd).st_mode & stat.S_IWUSR:
            raise Refused("The archive has something in a directory that was complete before.")

    def leave(self, depth: int) -> None:
        """Go back until there are so many directories; nothing comes into those that are left, from then on."""
        while len(self._fds) > depth:
            os.fchmod(self.fd, 0o555)
            self._path.pop()
            os.close(self._fds.pop())

    def close(self) -> None:
        """Close what is open."""
        while self._fds:
            os.close(self._fds.pop())


def _make(member: Member, archive: Archive, folders: _Folders, tick: Callable[[], None]) -> None:
    folders.go_to(member.path[:-1])
    leaf = member.path[-1]
    if member.kind == b"d":
        os.mkdir(leaf, 0o700, dir_fd=folders.fd)
        folders.enter(leaf)
        return
    if member.kind == b"l":
        os.symlink(member.target, leaf, dir_fd=folders.fd)
        return
    fd = os.open(leaf, _NEW_FILE, 0o600, dir_fd=folders.fd)
    try:
        for piece in archive.pieces():
            tick()
            write(fd, piece)
        os.utime(fd, ns=(member.mtime * 10**9,) * 2)
        os.fchmod(fd, 0o555 if member.executable else 0o444)
    finally:
        os.close(fd)


def write(fd: int, text: bytes) -> None:
    """Write all of it."""
    view = memoryview(text)
    while view:
        view = view[os.write(fd, view) :]


def make_manifest(root: int, algorithm: Algorithm, tick: Callable[[], None] = lambda: None) -> str:
    """Write the manifest of an unpacked tree into it; the implementation's name. ``tick`` is called often.

    ``Problem``: as in ``_tree.lines``.
    """
    hash_ = algorithm.hash()
    untold = 0
    tick()
    fd = os.open(trees.MANIFEST, _NEW_FILE, 0o600, dir_fd=root)
    with os.fdopen(fd, "wb") as file:
        for line in trees.lines(root, algorithm, trees.Reader(lambda count: tick()), trees.Totals()):
            hash_.update(line)
            file.write(line)
            untold += len(line)
            if untold >= _UNTOLD:
                tick()
                untold = 0
        file.flush()
        os.fchmod(fd, 0o444)
    return algorithm.implementation(hash_.digest())
