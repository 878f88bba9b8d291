# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drop boxes of guests: flat folders in which a guest may do anything at any time.

    ID.part          a request that the guest is writing
    ID.DIGEST.tar    a request: an archive of the implementation DIGEST
    ID.answer        the host's answer, a JSON object of status and reason

ID are 32 hexadecimal digits of the guest's choice. Nothing in a box is trusted, and nothing outside it is reached: no
link is followed, nothing that blocks is opened, and no name in it is longer than its folder's.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import time
from typing import NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import extracting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, manifests, trees

REQUEST = ".tar"
ANSWER = ".answer"
JUNK = ".junk"
OLD = 3600
"""Seconds after which what is no request is removed."""
MOST_NAMES = 1000
"""Names in a box beyond which whatever comes next is removed."""
BUDGET = 10_000
"""Entries of folders that a guest has made in its box that a pass removes; those beyond wait for the next ones."""
_REQUEST = re.compile(r"([0-9a-f]{32})\.(.*)\.tar\Z", re.DOTALL)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Box(NamedTuple):
    """A box: its folder's name, and a file descriptor of it."""

    name: str
    fd: int


class Request(NamedTuple):
    """A request in a box: its file's name, its ID (empty if that is none), and the digest that it claims to have."""

    box: Box
    name: str
    id: str
    digest: str

    @classmethod
    def of(cls, box: Box, name: str) -> Request:
        """The request with this file name."""
        match = _REQUEST.match(name)
        return cls(box, name, match.group(1), match.group(2)) if match else cls(box, name, "", name[: -len(REQUEST)])

    @property
    def algorithm(self) -> manifests.Algorithm:
        """How to digest it.

        ``Refused``: it is not named by a digest that is taken.
        """
        if not self.id:
            raise Refused("Its name is none of a request: 32 hexadecimal digits, the digest, and .tar.")
        algorithm = manifests.algorithm_of(self.digest)
        if algorithm is None:
            raise Refused(f"'{judging.shown(self.digest[:100])}' is not the name of an implementation.")
        if algorithm.name == "sha1":
            raise Refused("Digests of the algorithm sha1 are refused, as Zero Install does.")
        return algorithm


def open_boxes(path: str, warnings: list[str]) -> list[Box]:
    """The boxes in a folder, open. Those that are not right are left out, with a warning.

    Failure: the folder cannot be read.
    """
    try:
        folder = os.open(path, trees.DIRECTORY)
    except OSError as error:
        raise Failure(
            f"The boxes' folder {path} cannot be opened: {error.strerror}. Correct boxes, or set the host up."
        ) from error
    boxes = []
    try:
        for name in sorted(os.listdir(folder)):
            if name.startswith(_names.LEAVING):
                continue
            try:
                boxes.append(Box(name, _open_box(name, folder)))
            except OSError as error:
                warnings.append(
                    f"{path}/{judging.shown(name)} is passed over, for it is no box: {error.strerror or error}."
                )
    finally:
        os.close(folder)
    return boxes


def _open_box(name: str, folder: int) -> int:
    fd = os.open(name, trees.DIRECTORY, dir_fd=folder)
    owner = os.fstat(fd).st_uid
    if owner != os.geteuid():
        os.close(fd)
        raise OSError(0, f"it belongs to user {owner}, not to user {os.geteuid()}")
    return fd


class Sweep(NamedTuple):
    """What is in a box: the names of requests, and of what does not belong there any more; whether more is there."""

    requests: list[str]
    old: list[str]
    more: bool = False


def sweep(box: Box) -> Sweep:
    """Look through a box."""
    requests: list[str] = []
    old: list[str] = []
    more = False
    before = time.time() - OLD
    with os.scandir(box.fd) as entries:
        for count, entry in enumerate(entries):
            more = count >= 2 * MOST_NAMES
            if more:
                break
            if count >= MOST_NAMES:
                old.append(entry.name)
            elif entry.name.endswith(REQUEST):
                requests.append(entry.name)
            else:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_ctime < before:
                        old.append(entry.name)
    return Sweep(sorted(requests), old, more)


def open_request(request: Request, limits: extracting.Limits) -> int:
    """A file descriptor of the archive of a request.

    ``Refused``: it is not a file of the guest's, too large, or has holes. OSError: it is gone, or cannot be opened.
    """
    fd = os.open(request.name, _FILE, dir_fd=request.box.fd)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("It is no regular file.")
        if status.st_nlink != 1:
            raise Refused("It has other names than this one: hard links are refused.")
        if status.st_uid == os.geteuid() != 0:
            raise Refused("It belongs to the host's own user, so it is not from a guest.")
        if status.st_size > limits.max_size:
            raise Refused(f"Its archive has {status.st_size} bytes, more than the {limits.max_size} that are allowed.")
        check_holes(fd, 0, status.st_size)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_holes(fd: int, start: int, end: int) -> None:
    """``Refused`` where a part of an open file has a hole, which costs its sender nothing, and the host real room.

    It is not read for that. What a file system saves by compression is no hole, but for ZFS, which stores long runs
    of zeros as holes.
    """
    if start >= end:
        return
    try:
        hole = os.lseek(fd, start, os.SEEK_HOLE)
    except OSError:  # the file is shorter by now, or the file system does not tell
        return
    if hole < end:
        raise Refused(
            "Its archive has holes: sparse files are refused. If its sender made none, the boxes are on a file system"
            " that makes them, such as ZFS with compression: the host has to put them on another."
        )


def answer(request: Request, status: str, reason: str) -> None:
    """Put an answer into the box, where the guest has left that possible."""
    if not request.id:
        return
    text = json.dumps({"status": status, "reason": reason}) + "\n"
    temporary = f".{secrets.token_hex(16)}{ANSWER}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        fd = os.open(temporary, flags, 0o600, dir_fd=request.box.fd)
        try:
            try:
                extracting.write(fd, text.encode())
                os.fchmod(fd, 0o644)
            finally:
                os.close(fd)
            os.rename(temporary, request.id + ANSWER, src_dir_fd=request.box.fd, dst_dir_fd=request.box.fd)
        except BaseException:
            os.unlink(temporary, dir_fd=request.box.fd)
            raise


def discard(box: Box, name: str, budget: removing.Budget) -> bool:
    """Remove something from a box; whether it was. What cannot be removed gets a name that is none of a request.

    A folder costs as much of the budget as is in it.
    """
    try:
        try:
            os.unlink(name, dir_fd=box.fd)
        except IsADirectoryError:
            removing.remove(name, box.fd, budget)
        return True
    except FileNotFoundError:
        return False
    except Exception:
        with contextlib.suppress(OSError):
            if not name.endswith(JUNK):
                os.rename(name, secrets.token_hex(16) + JUNK, src_dir_fd=box.fd, dst_dir_fd=box.fd)
        return False
