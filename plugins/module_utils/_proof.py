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

PREFIX = ".zeroinstall.virtualbox-proof-"
TARGETS = ("plain", "../up/and over", "back\\slash", "Straße/ünïcode")
"""Targets of symbolic links: Guest Additions 5.0.0 wrote backslashes, 4.0.4 and later ones failed."""
TIMES = (999_999_999, 1_000_000_007 * 10**9, 1_000_000_008 * 10**9 + 999_999_999, 2_000_000_001 * 10**9 + 500)
"""Nanoseconds. Of an mtime, a digest has the whole seconds, truncated. 0 is not among them: vboxsf leaves it unset."""
NAMES = ("Ünïcode ☃", "A\u030a", "with space", "-dash", "quote'")


class Finding(NamedTuple):
    """What was tried: a code of the documented set, whether it was kept, and what is wrong and what to do, if not."""

    check: str
    kept: bool
    detail: str | None


class Broken(Exception):
    """What is wrong, for people."""


def _links(folder: str) -> None:
    for number, target in enumerate(TARGETS):
        path = os.path.join(folder, "link%d" % number)
        try:
            os.symlink(target, path)
            found = os.readlink(path)
        except OSError as error:
            raise Broken(_why_no_link(error)) from error
        if found != target or not stat.S_ISLNK(os.lstat(path).st_mode):
            raise Broken(
                "A symbolic link to '%s' became one to '%s'. Install Guest Additions of the host's version."
                % (target, found)
            )


def _why_no_link(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return (
            "The host refuses symbolic links. Allow them for this share (symlinks: true and symlink_policy: relative"
            " of the module shares), and start the machine anew."
        )
    if error.errno == errno.EPROTO:
        return "Symbolic links fail with 'Protocol error', as with Guest Additions 5.0.0 to 5.0.4. Install later ones."
    return "Symbolic links fail: %s." % error.strerror


def _executable(folder: str) -> None:
    path = os.path.join(folder, "program")
    with open(path, "wb"):
        pass
    for mode in (0o755, 0o644, 0o555, 0o444):
        os.chmod(path, mode)
        found = os.stat(path).st_mode
        if bool(found & 0o111) != bool(mode & 0o111):
            raise Broken(
                "A file set to mode %04o has mode %04o, and whether it is executable is part of a digest."
                " Mount without fmode and dmode, and with masks that keep the x bit." % (mode, stat.S_IMODE(found))
            )
    os.chmod(path, 0o600)


def _times(folder: str) -> None:
    path = os.path.join(folder, "time")
    with open(path, "wb"):
        pass
    for time in TIMES:
        os.utime(path, ns=(time, time))
        found = os.stat(path).st_mtime_ns
        if found // 10**9 != time // 10**9:
            raise Broken(
                "The time %d.%09d s became %d.%09d s. Keep the store on a file system with times of a second or finer."
                % (*divmod(time, 10**9), *divmod(found, 10**9))
            )


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
        raise Broken("Names do not stay as they are: %s. Mount with iocharset=utf8 (nls=utf8)." % ", ".join(lost))


CHECKS: dict[str, Callable[[str], None]] = {
    "symlinks": _links,
    "executable": _executable,
    "times": _times,
    "rename": _rename,
    "names": _names,
}


def prove(path: str) -> list[Finding]:
    """Try everything in a new folder below a path, and remove it.

    OSError: nothing can be written there, or what was written cannot be removed.
    """
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=path)
    try:
        return [_try(check, function, folder) for check, function in CHECKS.items()]
    finally:
        shutil.rmtree(folder)


def _try(check: str, function: Callable[[str], None], folder: str) -> Finding:
    try:
        function(folder)
    except Broken as broken:
        return Finding(check, False, str(broken))
    except OSError as error:
        return Finding(check, False, "%s failed: %s." % (os.path.relpath(error.filename or "", folder), error.strerror))
    return Finding(check, True, None)
