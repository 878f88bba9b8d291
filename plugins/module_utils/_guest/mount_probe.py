# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proving that a writable folder keeps all that the digest of a package depends on, by trying it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from typing import Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests

PREFIX = ".zeroinstall.virtualbox-proof-"
TARGETS = ("plain", "../up/and over", "back\\slash", "Straße/ünïcode")
"""Targets of symbolic links: Guest Additions 5.0.0 wrote backslashes, 4.0.4 and later ones failed."""
TIMES = (10**9, 1_000_000_007 * 10**9, 1_000_000_008 * 10**9 + 999_999_999, 2_000_000_001 * 10**9 + 500)
"""Nanoseconds, as packages have them: odd and even seconds, and fractions that must not round up."""
EARLY_TIMES = (0, 999_999_999, -3 * 10**9 // 2)
"""Nanoseconds. vboxsf leaves a time in the first second of 1970 unset, and rounds down where a digest truncates."""
ROOM = 1 << 16
"""Bytes that a proof needs, and more."""
NAMES = ("Ünïcode ☃", "A\u030a", "with space", "-dash", "quote'")


class Finding(NamedTuple):
    """What was tried: where, a code of the documented set, whether it was kept, and if not, what is wrong.

    ``required``: a mount that does not keep it is not fit for packages.
    """

    path: str
    check: str
    kept: bool
    required: bool
    detail: str | None


class Broken(Exception):
    """What is wrong, for people."""


def _links(folder: str) -> None:
    for number, target in enumerate(TARGETS):
        path = os.path.join(folder, f"link{number}")
        try:
            os.symlink(target, path)
            found = os.readlink(path)
        except OSError as error:
            raise Broken(_why_no_link(error)) from error
        if found != target or not stat.S_ISLNK(os.lstat(path).st_mode):
            raise Broken(
                f"A symbolic link to '{target}' became one to '{found}'. Install Guest Additions of the host's version."
            )


def _why_no_link(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return (
            "The host refuses symbolic links. Allow them for this share (symlinks: true and symlink_policy: relative"
            " of the module shares), and start the machine anew."
        )
    if error.errno == errno.EPROTO:
        return "Symbolic links fail with 'Protocol error', as with Guest Additions 5.0.0 to 5.0.4. Install later ones."
    return f"Symbolic links fail: {error.strerror}."


def _executable(folder: str) -> None:
    path = os.path.join(folder, "program")
    with open(path, "wb"):
        pass
    for mode in (0o755, 0o644, 0o555, 0o444):
        os.chmod(path, mode)
        found = os.stat(path).st_mode
        if bool(found & 0o111) != bool(mode & 0o111):
            raise Broken(
                f"A file set to mode {mode:04o} has mode {stat.S_IMODE(found):04o}, and whether it is executable is"
                " part of a digest. Mount without fmode and dmode, and with masks that keep the x bit."
            )
    os.chmod(path, 0o600)


def _times(folder: str) -> None:
    lost = _lost_time(folder, TIMES)
    if lost:
        raise Broken(f"{lost}. Keep the store on a file system with times of a second or finer.")


def _early_times(folder: str) -> None:
    lost = _lost_time(folder, EARLY_TIMES)
    if lost:
        raise Broken(
            f"{lost}. Shared folders are known not to keep a time in the first second of 1970, nor fractions before it."
            " Zero Install refuses a package that has one as corrupted where it unpacks it on this mount."
        )


def _lost_time(folder: str, times: tuple[int, ...]) -> str | None:
    """The first of these times, in nanoseconds, of which a digest would not get the same whole seconds."""
    path = os.path.join(folder, "time")
    with open(path, "wb"):
        pass
    for time in times:
        os.utime(path, ns=(time, time))
        found = os.stat(path).st_mtime_ns
        if manifests.seconds(found) != manifests.seconds(time):
            return f"The time {_in_seconds(time)} s became {_in_seconds(found)} s"
    return None


def _in_seconds(nanoseconds: int) -> str:
    whole, rest = divmod(abs(nanoseconds), 10**9)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{whole}.{rest:09d}"


def _rename(folder: str) -> None:
    source, target = os.path.join(folder, "tmp-1"), os.path.join(folder, "done")
    os.mkdir(source)
    with open(os.path.join(source, "file"), "wb") as file:
        file.write(b"content")
    os.rename(source, target)
    with open(os.path.join(target, "file"), "rb") as file:
        if file.read() != b"content" or os.path.exists(source):
            raise Broken("A folder that was renamed is not in its new place whole.")


def _names(folder: str) -> None:
    inner = os.path.join(folder, "names")
    os.mkdir(inner)
    for name in NAMES:
        with open(os.path.join(inner, name), "wb"):
            pass
    found = set(os.listdir(inner))
    if found != set(NAMES):
        lost = sorted(set(NAMES) - found)
        raise Broken("Names do not stay as they are: {}. Mount with iocharset=utf8 (nls=utf8).".format(", ".join(lost)))


CHECKS: dict[str, Callable[[str], None]] = {
    "symlinks": _links,
    "executable": _executable,
    "times": _times,
    "early_times": _early_times,
    "rename": _rename,
    "names": _names,
}
LIMITS = ("early_times",)
"""What no share was seen to keep: told, and no fault of this one."""


def prove(path: str) -> list[Finding]:
    """Try everything in a new folder below a path, and remove it.

    OSError: nothing can be written there, or what was written cannot be removed.
    """
    room = os.statvfs(path)
    if room.f_bavail * room.f_frsize < ROOM:
        # With the driver of Linux 6.1, whoever writes to a shared folder on a full disk waits until he is killed.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=path)
    try:
        return [
            Finding(path, check, detail is None, check not in LIMITS, detail)
            for check, detail in ((check, _try(function, folder)) for check, function in CHECKS.items())
        ]
    finally:
        shutil.rmtree(folder)


def _try(function: Callable[[str], None], folder: str) -> str | None:
    """What is wrong, or None."""
    try:
        function(folder)
    except Broken as broken:
        return str(broken)
    except OSError as error:
        return f"{os.path.relpath(error.filename or folder, folder)} failed: {error.strerror}."
    return None
