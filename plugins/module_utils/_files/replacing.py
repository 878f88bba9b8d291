# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that matter: replaced whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from typing import Iterator, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

NO_REPLACE = 1
"""RENAME_NOREPLACE of renameat2(2)."""


def read(path: str) -> str | None:
    """A file's text, or None where there is none. Bytes that are no UTF-8 survive until ``Replacement`` writes them."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


class Link(NamedTuple):
    """A symbolic link, as what is at a path."""

    target: str


def content(path: str) -> str | Link | None:
    """What is at a path: a file's text, the link itself, or None where there is nothing. Failure: something else."""
    if os.path.islink(path):
        return Link(os.readlink(path))
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise Failure(f"{path} is no regular file. Move it away.")
    return read(path)


def real(path: str) -> str:
    """The file to replace for a path. A symbolic link is followed where root, or this user, owns it and its target.

    Failure: a link of somebody else's, a dangling link, or something that is no file.
    """
    trusted = (0, os.geteuid())
    if os.path.islink(path):
        if os.lstat(path).st_uid not in trusted:
            raise Failure(
                f"{path} is a symbolic link that belongs to user {os.lstat(path).st_uid}: it is not followed. "
                "Put the file itself there."
            )
        target = os.path.realpath(path)
        if not os.path.exists(target):
            raise Failure(f"{path} is a symbolic link to {target}, which does not exist.")
        if os.stat(target).st_uid not in trusted:
            raise Failure(
                f"{path} is a symbolic link to {target}, which belongs to user {os.stat(target).st_uid}: "
                "it is not followed."
            )
        path = target
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise Failure(f"{path} is no regular file. Move it away and put a file there.")
    return path


def check_writable(path: str) -> None:
    """Failure unless a file or a link can be replaced: file system read-only, file immutable, or no right to."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Failure(f"{path} cannot be written: there is no folder {folder}.")
    for name in (folder,) if os.path.islink(path) else (folder, path):
        if os.path.lexists(name) and not os.access(name, os.W_OK):
            if os.statvfs(name).f_flag & os.ST_RDONLY:
                reason = "the file system is read-only. Mount it writable"
            elif os.geteuid() != 0:
                reason = f"user {os.geteuid()} has no right to. Run as root (become: true)"
            else:
                reason = "the kernel refuses it even to root. See whether it is immutable (lsattr)"
            raise Failure(f"{path} cannot be written: {name}: {reason}.")


class Replacement:
    """New text for a file, or a link: made beside it first, then put in its place by one rename.

    Owner, mode and extended attributes of a file stay, ``mode`` being that of a new one; with an ``owner`` (numbers
    of user and group, -1 as it is), both are set. A ``Replacement`` that was made has changed nothing yet, and what
    would make it fail has failed: ``commit`` puts it in place, ``discard`` drops it. Until then it is at
    ``temporary``.
    """

    def __init__(self, path: str, text: str | Link, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
        import tempfile  # where it is needed: it is slow to load

        self.path = path
        self.temporary = ""
        folder, name = os.path.split(path)
        try:
            descriptor, self.temporary = tempfile.mkstemp(prefix="." + name + ".", dir=folder or ".")
            if isinstance(text, Link):
                os.close(descriptor)
                os.unlink(self.temporary)
                os.symlink(text.target, self.temporary)
                return
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(text)
                file.flush()
                self._like_the_old(file.fileno(), mode)
                if owner:
                    os.fchown(file.fileno(), *owner)
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        except OSError as error:
            self.discard()
            raise Failure(f"{path} cannot be written: {error.strerror or error}.") from error
        except BaseException:
            self.discard()
            raise

    def _like_the_old(self, descriptor: int, mode: int) -> None:
        if os.path.islink(self.path) or not os.path.exists(self.path):
            os.fchmod(descriptor, mode)
            return
        old = os.stat(self.path)
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        with contextlib.suppress(OSError):
            for attribute in os.listxattr(self.path):
                with contextlib.suppress(OSError):
                    os.setxattr(descriptor, attribute, os.getxattr(self.path, attribute))

    def commit(self) -> None:
        """Put the new text in place. Failure: nothing was changed."""
        try:
            os.replace(self.temporary, self.path)
        except OSError as error:
            self.discard()
            raise Failure(f"{self.path} cannot be replaced: {error.strerror or error}.") from error
        with contextlib.suppress(OSError):
            folder = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Drop the new text. After ``commit`` it does nothing."""
        if self.temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.temporary)


def replace(path: str, text: str | Link, mode: int = 0o644) -> None:
    """Replace a file or a link at once and whole, ``mode`` being that of a new file. Failure: nothing was changed."""
    Replacement(path, text, mode).commit()


def replace_within(folder: int, path: str, text: str, mode: int) -> None:
    """Replace a file of this user's in an open folder at once and whole; its path is for messages, and for its name.

    Failure: nothing was changed.
    """
    name = os.path.basename(path)
    temporary = f".{name}.{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        with contextlib.suppress(OSError):
            os.fsync(folder)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}.") from error


@contextlib.contextmanager
def locked(
    path: str,
    patience: float = 60.0,
    what: str = "The lock file",
    folder: bool = False,
    unopened: str = "Run as root (become: true); it must be no link.",
    held: str = "Wait until it ends, and run again.",
    within: int | None = None,
) -> Iterator[None]:
    """Hold a lock (flock), so that two runs side by side take turns. ``patience``: seconds to wait for the other.

    The lock is a file, made if it is missing, or a ``folder`` that is there. ``what`` names it in messages;
    ``unopened`` and ``held`` say what to do where it cannot be opened, and where another run goes on holding it.
    ``within``: the open folder in which the file is made, wherever the path leads by now.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        name = path if within is None else os.path.basename(path)
        descriptor = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=within)
    except OSError as error:
        raise Failure(f"{what} {path} cannot be opened: {error.strerror}. {unopened}") from error
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Failure(f"{what} {path} has been held by another run for {patience:.0f} s. {held}") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def rename_new(name: str, folder: int, new_name: str, new_folder: int) -> None:
    """Rename from one open folder to another, replacing nothing, where C library, kernel and file system can.

    OSError: nothing was renamed; FileExistsError where the new name is taken.
    """
    with contextlib.suppress(ImportError, AttributeError):
        import ctypes  # where it is needed: it is slow to load, and may be missing

        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        if renameat2(folder, os.fsencode(name), new_folder, os.fsencode(new_name), ctypes.c_uint(NO_REPLACE)) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number))
    os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)
