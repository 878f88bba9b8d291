# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a tree that somebody may change meanwhile.

No link is followed: everything is opened by its name in a directory that is open already. Nothing that blocks is
opened. Memory does not grow with the tree: names are sorted on disk where they are many, files are read piece by
piece, and only the lowest directories of a path are kept open.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import stat
from typing import Any, Callable, Generator, Iterator, NamedTuple, Optional, Tuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import Algorithm, readable

DIRECTORY = inspecting.DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOT_WHAT_IT_WAS = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV, errno.EINVAL)
"""Errors of opening a file, directory or link that was one when its directory was read."""
MANIFEST = b".manifest"
SORTED_NAMES = 50_000
"""So many names of a directory are sorted in memory; more are sorted on disk."""
OPEN_DIRECTORIES = 32
PIECE = 1 << 16
"""Bytes of a file that are read at once, few enough to stay in the processor's cache until they are hashed."""
TOLD = 1 << 20
"""Bytes after which a reader tells how far it is."""
LONGEST_PATH = 1 << 18
"""Bytes of a path beyond which a directory is not entered: Zero Install itself reads 4096. A path costs its length."""
SHOWN_START, SHOWN_END = 100, 200
"""Bytes of a longer path that a message has."""


class Problem(Exception):
    """Why a tree is no sound implementation: ``status`` is ``corrupt`` or ``error``, ``detail`` names the place."""

    def __init__(self, status: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


def place(path: bytes) -> str:
    """A path in an implementation for people, cut in its middle where it is very long."""
    if len(path) > SHOWN_START + SHOWN_END:
        return f"{readable(path[:SHOWN_START])}…{readable(path[-SHOWN_END:])}"
    return readable(path) or "/"


def changed(path: bytes) -> Problem:
    """The problem of what changed while it was read."""
    return Problem("error", "changed", f"{place(path)} changed while it was read. Verify again.")


def unreadable(path: bytes, error: OSError) -> Problem:
    """The problem of what cannot be read: that it changed, where the error says that it is not what it was."""
    if error.errno in _NOT_WHAT_IT_WAS:
        return changed(path)
    return Problem("error", "unreadable", f"{place(path)} cannot be read: {error.strerror}.")


def _check_bits(path: bytes, mode: int) -> None:
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise Problem("corrupt", "mode_bits", f"{place(path)} has a setuid or setgid bit.")


Item = Tuple[bytes, int, bytes, bytes, Optional[os.stat_result]]
"""Something in a tree: a directory that was just entered, or a file or link in the directory entered last.

Its kind (``d``, ``f`` or ``l``); a file descriptor of the directory; the path of the directory from the root (empty or
``/a/b``); the leaf; the state of the directory, None for files and links.
"""


def _encoded(fd: int, path: bytes, one_pass: bool) -> Iterator[bytes]:
    """A directory's entries, each so encoded that they sort as a manifest has them: group, name, NUL, kind."""
    group = b"0" if one_pass else b"1"
    with os.scandir(fd) as entries:
        for entry in entries:
            text = entry.name
            if text.isascii() and "\n" not in text:
                name = text.encode()
            else:
                name = os.fsencode(text)
                _check_name(path, name)
            if entry.is_file(follow_symlinks=False):
                yield b"0" + name + b"\0f"
            elif entry.is_dir(follow_symlinks=False):
                yield group + name + b"\0d"
            elif entry.is_symlink():
                yield b"0" + name + b"\0l"
            else:
                raise Problem(
                    "corrupt", "file_type", "{} is no file, directory or link.".format(place(path + b"/" + name))
                )


def _check_name(path: bytes, name: bytes) -> None:
    try:
        name.decode()
        if b"\n" not in name:
            return
        what = "has a newline in its name"
    except UnicodeDecodeError:
        what = "has a name that is not UTF-8"
    raise Problem("corrupt", "file_name", "{} {}.".format(place(path + b"/" + name), what))


def _sorted(names: Iterator[bytes]) -> tuple[Iterator[bytes], int]:
    """The names, which have no newline, in order, and how many of them are in memory."""
    chunk = sorted(itertools.islice(names, SORTED_NAMES))
    if len(chunk) < SORTED_NAMES:
        return iter(chunk), len(chunk)
    return _sorted_on_disk(chunk, names), 0


def _sorted_on_disk(chunk: list[bytes], names: Iterator[bytes]) -> Iterator[bytes]:
    with contextlib.ExitStack() as stack:
        files = []
        while chunk:
            files.append(stack.enter_context(_temporary_file()))
            files[-1].writelines(name + b"\n" for name in chunk)
            files[-1].seek(0)
            chunk = sorted(itertools.islice(names, SORTED_NAMES))
        yield from (line[:-1] for line in heapq.merge(*files))


class _Level(NamedTuple):
    fd: int
    leaf: bytes
    stat: os.stat_result
    names: Iterator[bytes]
    held: int


def same_state(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether nothing was written between the two."""
    return (
        one.st_ctime_ns == other.st_ctime_ns and one.st_mtime_ns == other.st_mtime_ns and one.st_size == other.st_size
    )


def _temporary_file() -> Any:
    import tempfile  # where it is needed: it is slow to load

    return tempfile.TemporaryFile()


class _Walk:
    """The directories from the root to the current one, of which only the last few are open.

    Where their names are too many for memory, those of all but the current one wait in a file, the root's first.
    """

    def __init__(self, one_pass: bool) -> None:
        self._one_pass = one_pass
        self._levels: list[_Level] = []
        self._held = 0
        self._file: Any = None
        self.path = b""
        """The current directory, from the root."""

    def _push(self, fd: int, leaf: bytes) -> None:
        status = os.fstat(fd)
        self._levels.append(_Level(fd, leaf, status, iter(()), 0))
        if leaf:
            self.path += b"/" + leaf
        if len(self.path) > LONGEST_PATH:
            raise Problem(
                "corrupt",
                "path_length",
                f"{place(self.path)} has a path of more than {LONGEST_PATH} bytes, and nothing below was read.",
            )
        _check_bits(self.path, status.st_mode)
        names, held = _sorted(_encoded(fd, self.path, self._one_pass))
        if self._held + held > SORTED_NAMES:
            self._put_away()
        self._held += held
        self._levels[-1] = _Level(fd, leaf, status, names, held)
        if len(self._levels) > OPEN_DIRECTORIES + 1:
            far = self._levels[-OPEN_DIRECTORIES]
            if far.fd >= 0:
                os.close(far.fd)
                self._levels[-OPEN_DIRECTORIES] = far._replace(fd=-1)

    def _put_away(self) -> None:
        self._file = self._file or _temporary_file()
        for number, level in enumerate(self._levels[:-1]):
            if level.held:
                at = self._file.seek(0, os.SEEK_END)
                self._file.writelines(name + b"\n" for name in level.names)
                self._levels[number] = level._replace(names=self._taken_back(at), held=0)
        self._held = 0

    def _taken_back(self, at: int) -> Iterator[bytes]:
        """The names of the current directory, the last ones in the file."""
        self._file.seek(at)
        names = self._file.read().split(b"\n")[:-1]
        self._file.truncate(at)
        self._held += len(names)
        self._levels[-1] = self._levels[-1]._replace(held=len(names))
        yield from names

    def _pop(self) -> None:
        level = self._levels[-1]
        if not same_state(level.stat, os.fstat(level.fd)):
            raise changed(self.path)
        if len(self._levels) > 1:
            above = self._levels[-2]
            if above.fd < 0:
                fd = os.open("..", DIRECTORY, dir_fd=level.fd)
                self._levels[-2] = above._replace(fd=fd)
                if not os.path.samestat(os.fstat(fd), above.stat):
                    raise changed(self.path)
            os.close(level.fd)
            self.path = self.path[: -len(level.leaf) - 1]
        self._held -= level.held
        self._levels.pop()

    def close(self) -> None:
        """Closes all but the root."""
        if self._file:
            self._file.close()
        for level in self._levels[1:]:
            if level.fd >= 0:
                os.close(level.fd)

    def items(self, root: int) -> Iterator[Item]:
        """What is in them."""
        levels = self._levels
        self._push(root, b"")
        yield b"d", levels[0].fd, b"", b"", levels[0].stat
        while levels:
            fd, names, path = levels[-1].fd, levels[-1].names, self.path
            for name in names:
                kind, leaf = name[-1:], name[1:-2]
                if leaf == MANIFEST and not path:
                    if kind != b"f":
                        raise Problem("corrupt", "manifest_type", "/.manifest is no regular file.")
                    continue
                if kind == b"d":
                    self._push(self._open(fd, leaf, path), leaf)
                    del path
                    yield b"d", levels[-1].fd, self.path, leaf, levels[-1].stat
                    break
                yield kind, fd, path, leaf, None
            else:
                self._pop()

    @staticmethod
    def _open(fd: int, leaf: bytes, path: bytes) -> int:
        try:
            return os.open(leaf, DIRECTORY, dir_fd=fd)
        except OSError as error:
            raise unreadable(path + b"/" + leaf, error) from error


def walk(root: int, one_pass: bool) -> Generator[Item, None, None]:
    """Everything in an open directory in the order of a manifest, itself first. ``.manifest`` at its root is left
    out.

    ``Problem``: something is in it that no implementation may have, it cannot be read, or it changes meanwhile.
    """
    directories = _Walk(one_pass)
    try:
        yield from directories.items(root)
    except OSError as error:
        raise unreadable(directories.path, error) from error
    finally:
        directories.close()


Look = Callable[[int, os.stat_result, bytes, bytes], None]
"""Looks at a file or directory that is open, before it is read: its state, the path of its directory, and its leaf.

``Problem``: it is not to be read.
"""


class Reader:
    """Reads files, with one buffer for all of them. ``tick`` is called with the bytes since the last time, often.

    ``look`` is called for each file, and by ``lines`` for each directory.
    """

    def __init__(self, tick: Callable[[int], None] = lambda count: None, look: Look | None = None) -> None:
        self.look = look
        self._buffer = memoryview(bytearray(PIECE))
        self._buffers = [self._buffer]
        self._tick = tick
        self._untold = 0

    def digest(self, fd: int, leaf: bytes, path: bytes, new: Callable[..., Any]) -> tuple[os.stat_result, bytes]:
        """State and hash of the regular file ``leaf`` in the directory ``fd``, whose path is for messages.

        ``Problem``: it is no regular file, has forbidden bits, cannot be read or changes meanwhile.
        """
        try:
            file = os.open(leaf, _FILE, dir_fd=fd)
        except OSError as error:
            raise unreadable(path + b"/" + leaf, error) from error
        try:
            before = os.fstat(file)
            mode = before.st_mode
            if not stat.S_ISREG(mode):
                raise changed(path + b"/" + leaf)
            if mode & 0o6000:
                _check_bits(path + b"/" + leaf, mode)
            if self.look:
                self.look(file, before, path, leaf)
            size = count = os.readv(file, self._buffers)
            hash_ = new(self._buffer[:count])
            self._told(count)
            while count and size < before.st_size:
                count = os.readv(file, self._buffers)
                hash_.update(self._buffer[:count])
                size += count
                self._told(count)
            if size != before.st_size or not same_state(before, os.fstat(file)):
                raise changed(path + b"/" + leaf)
            return before, hash_.digest()
        except OSError as error:
            raise unreadable(path + b"/" + leaf, error) from error
        finally:
            os.close(file)

    def _told(self, count: int) -> None:
        self._untold += count
        if self._untold >= TOLD:
            self._tick(self._untold)
            self._untold = 0


def read_link(fd: int, leaf: bytes, path: bytes) -> bytes:
    """The target of a link.

    ``Problem``: it is none, any more, or cannot be read.
    """
    try:
        return os.readlink(leaf, dir_fd=fd)
    except OSError as error:
        raise unreadable(path + b"/" + leaf, error) from error


class Totals:
    """What was read: files, and bytes in them."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0


def lines(
    root: int,
    algorithm: Algorithm,
    reader: Reader,
    totals: Totals,
    seen: Callable[[os.stat_result], None] | None = None,
) -> Iterator[bytes]:
    """The lines of the manifest of the tree in an open directory. ``seen`` gets the state of everything.

    ``Problem``: as ``walk``.
    """
    for kind, fd, path, leaf, status in walk(root, algorithm.one_pass):
        if status and reader.look:
            reader.look(fd, status, path, b"")
        if kind == b"f":
            status, digest = reader.digest(fd, leaf, path, algorithm.hash)
            totals.files += 1
            totals.bytes += status.st_size
            yield manifests.file_line(digest, status.st_mode, status.st_mtime_ns, status.st_size, leaf)
        elif kind == b"l":
            target = read_link(fd, leaf, path)
            if seen:
                status = os.stat(leaf, dir_fd=fd, follow_symlinks=False)
            yield manifests.link_line(algorithm, target, leaf)
        elif path and status:
            yield manifests.directory_line(algorithm, path, status.st_mtime_ns)
        if seen and status:
            seen(status)


def digest(path: str, algorithm: Algorithm) -> str:
    """The implementation's name for the tree at a path.

    OSError: it is no directory; ``Problem``: as ``walk``.
    """
    root = os.open(path, DIRECTORY)
    try:
        hash_ = algorithm.hash()
        for line in lines(root, algorithm, Reader(), Totals()):
            hash_.update(line)
        return algorithm.implementation(hash_.digest())
    finally:
        os.close(root)
