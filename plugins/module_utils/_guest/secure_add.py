# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hand the package in the current directory to this guest's host, which verifies it and adds it to its store.

    secure-add DIGEST

The part of Zero Install's 0store-secure-add in a guest whose packages the host verifies. The helper runs it by sudo as
the user who owns the drop box. Exit status 0: the host has added the package, and this guest sees it. Otherwise the
reason is on standard error, and Zero Install keeps the package in the user's own store.

It is installed in guests as a program by itself, so it imports nothing of this collection.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import signal
import stat
import sys
import tarfile
import time
import types
from typing import BinaryIO, Iterator

BOX = "/var/lib/zeroinstall.virtualbox/box"
STORE = "/var/cache/0install.net/implementations"
DIRECTORIES = "/etc/xdg/0install.net/injector/implementation-dirs"
"""Zero Install's list of further stores, one of which may be the host's."""
TIMEOUT = 600.0
SEEN = 30.0
"""Seconds in which a package must be seen that the host has added, though the time-out is over."""

NAME = re.compile(r"(?:sha1new=[0-9a-f]{40}|sha256=[0-9a-f]{64}|sha256new_[A-Z2-7]{51}[AQ])\Z")
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
HEADERS = 4096
"""Bytes that the archive has for each entry at most, besides names and contents."""


class Failure(Exception):
    """Why the package was not added."""


def seconds(nanoseconds: int) -> int:
    """Whole seconds, as Zero Install's manifests have them."""
    whole, rest = divmod(nanoseconds, 10**9)
    return whole if whole >= 0 else int(whole + rest / 1e9)


def listing(folder: int) -> list[str]:
    """The names in an open directory, the first one last."""
    with os.scandir(folder) as scan:
        return sorted((entry.name for entry in scan), reverse=True)


def descend(folder: int, name: str) -> None:
    """Open a directory in another one in its place, by its number."""
    below = os.open(name, DIRECTORY, dir_fd=folder)
    os.dup2(below, folder, inheritable=False)
    os.close(below)


def entries(root: int) -> Iterator[tuple[int, str, os.stat_result]]:
    """Everything below an open directory: a file descriptor of its directory, its path from the root, and its state.

    One directory is open at a time, and none calls for the next, so they may lie in each other as deep as they like.
    """
    folder = os.dup(root)
    try:
        levels = [("", os.fstat(folder), listing(folder))]
        while levels:
            path, itself, names = levels[-1]
            if not os.path.samestat(os.fstat(folder), itself):
                raise Failure("%s changed while it was read." % (path or "/"))
            if not names:
                levels.pop()
                if levels:
                    descend(folder, "..")
                continue
            name = names.pop()
            if not path and name == ".manifest":
                continue
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            yield folder, path + name, status
            if stat.S_ISDIR(status.st_mode):
                descend(folder, name)
                levels.append((path + name + "/", os.fstat(folder), listing(folder)))
    finally:
        os.close(folder)


def check_room(tree: int, box: int) -> None:
    """Failure if the archive does not fit: on a share, a write to a full disk never returns."""
    size = tarfile.RECORDSIZE
    for _folder, path, status in entries(tree):
        size += HEADERS + 2 * len(path) + (status.st_size if stat.S_ISREG(status.st_mode) else 0)
    room = os.fstatvfs(box)
    if room.f_bavail * room.f_frsize < size:
        raise Failure(f"the host's disk has no room for an archive of {size} bytes.")


def described(folder: int, path: str, status: os.stat_result) -> tarfile.TarInfo:
    """A tar header for an entry, without owner."""
    leaf = path.rpartition("/")[2]
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Failure(f"{path!r} is not UTF-8, which the host refuses.") from None
    info = tarfile.TarInfo(path)
    info.mtime = seconds(status.st_mtime_ns)
    if stat.S_ISDIR(status.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, os.readlink(leaf, dir_fd=folder)
    elif stat.S_ISREG(status.st_mode):
        info.mode = 0o555 if status.st_mode & 0o111 else 0o444
    else:
        raise Failure(f"{path} is no file, directory or link.")
    return info


def pack(tree: int, output: BinaryIO) -> None:
    """Write the archive of an open directory."""
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for folder, path, status in entries(tree):
            info = described(folder, path, status)
            if info.type != tarfile.REGTYPE:
                archive.addfile(info)
            else:
                descriptor = os.open(path.rpartition("/")[2], FILE, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as file:
                    found = os.fstat(descriptor)
                    if not stat.S_ISREG(found.st_mode):
                        raise Failure(f"{path} changed while it was read.")
                    info.size = found.st_size
                    archive.addfile(info, file)
            archive.members.clear()  # type: ignore[attr-defined]  # it keeps all of them, for a list that nobody asks for


def send(tree: int, box: int, part: str, name: str) -> None:
    """Put the archive into the box, under its name only when it is whole."""
    descriptor = os.open(part, NEW, 0o644, dir_fd=box)
    with os.fdopen(descriptor, "wb", buffering=1 << 20) as output:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o644)  # whatever the umask: the host reads it as another user
        pack(tree, output)
    os.rename(part, name, src_dir_fd=box, dst_dir_fd=box)


def pauses() -> Iterator[float]:
    """Growing seconds to sleep between two looks."""
    pause = 0.05
    while True:
        yield pause
        pause = min(1.0, pause * 1.5)


def read_answer(box: int, name: str) -> tuple[str, str] | None:
    """The host's answer, or None if there is none yet."""
    try:
        descriptor = os.open(name, FILE, dir_fd=box)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        try:
            answer = json.loads(file.read(1 << 16).decode())
            return answer["status"], answer.get("reason", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Failure("the host's answer cannot be understood: are both set up by the same version?") from None


def stores(store: str) -> list[str]:
    """Where the host's store may be mounted."""
    found = [store]
    with contextlib.suppress(OSError, UnicodeDecodeError), open(DIRECTORIES, encoding="utf-8") as file:
        found += [line for line in file.read().split("\n") if line.startswith("/")]
    return found


def await_answer(box: int, name: str, end: float) -> None:
    """Wait for the host; Failure if it refuses, or does not answer."""
    for pause in pauses():
        answer = read_answer(box, name)
        if answer:
            status, reason = answer
            if status in ("added", "present"):
                return
            raise Failure(f"the host refused it: {reason}")
        if time.monotonic() > end:
            raise Failure("the host has not answered in time: see whether its import service is running.")
        time.sleep(pause)


def await_sight(store: str, digest: str, end: float) -> None:
    """Wait until the package can be seen in the host's store."""
    for pause in pauses():
        if any(os.path.isdir(os.path.join(folder, digest)) for folder in stores(store)):
            return
        if time.monotonic() > end:
            raise Failure(f"the host has added it, but it is not to be seen in {store}: is the host's store mounted?")
        time.sleep(pause)


def add(digest: str, box_path: str, store: str, timeout: float) -> None:
    """Hand over the tree in the current directory."""
    end = time.monotonic() + timeout
    identity = os.urandom(16).hex()
    part, name, answer = identity + ".part", f"{identity}.{digest}.tar", identity + ".answer"
    tree = os.open(".", DIRECTORY)
    try:
        box = os.open(box_path, DIRECTORY)
    except OSError as error:
        raise Failure(f"{box_path} cannot be opened: {error.strerror}. Is it mounted?") from error
    try:
        check_room(tree, box)
        send(tree, box, part, name)
        await_answer(box, answer, end)
        await_sight(store, digest, max(end, time.monotonic() + SEEN))
    finally:
        for own in (part, name, answer):
            with contextlib.suppress(OSError):
                os.unlink(own, dir_fd=box)


def ended(number: int, _frame: types.FrameType | None) -> None:
    """Clean up where a signal ends this."""
    raise Failure(f"ended by signal {number}.")


def main() -> int:
    """Carry out the command; its exit status."""
    parser = argparse.ArgumentParser(prog="secure-add", description=__doc__.split("\n", 1)[0])
    parser.add_argument("digest", metavar="DIGEST", help="the name that the package is to have in the store")
    parser.add_argument("--box", default=BOX, help="the folder where this guest's drop box is mounted")
    parser.add_argument("--store", default=STORE, help="the folder where the host's store is mounted")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds to wait for the host's answer")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, ended)
    try:
        if "SUDO_UID" in os.environ and (arguments.box, arguments.store, arguments.timeout) != (BOX, STORE, TIMEOUT):
            raise Failure("by sudo, it takes no options: any user may run it.")
        if arguments.digest.startswith("sha1="):
            raise Failure("digests of the algorithm sha1 are refused.")
        if not NAME.match(arguments.digest):
            raise Failure(f"{arguments.digest!r} is not the name of an implementation.")
        add(arguments.digest, arguments.box, arguments.store, arguments.timeout)
    except (Failure, OSError) as error:
        sys.stderr.write(f"{arguments.digest} was not added to the host's store: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
