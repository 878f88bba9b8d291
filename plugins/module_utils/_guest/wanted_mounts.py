# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mounts that a user asks for, checked, and the options that they get. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

MARK = "comment=" + _names.MARK
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_COUNT = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)  # the kernel takes 010 for 8, mount.vboxsf for 10
_MOST = 2**31 - 1
_OCTAL = re.compile(r"[0-7]{1,4}")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_BOTH_DRIVERS = {"uid": _COUNT, "gid": _COUNT, "ttl": _COUNT, "nls": _WORD, "dmask": _OCTAL, "fmask": _OCTAL}
_ORACLE_ONLY = {
    "umask": _OCTAL,
    "iocharset": _WORD,
    "convertcp": _WORD,
    "dcachettl": _NUMBER,
    "inodettl": _NUMBER,
    "maxiopages": _NUMBER,
    "dirbuf": _NUMBER,
    "cache": re.compile("default|none|strict|read|readwrite"),
}
_FLAGS = ("exec", "noexec", "nodev", "suid", "nosuid", "relatime")
_FATAL = "mount.vboxsf of Oracle's Guest Additions ends with an error on it"
_FLATTENS = (
    "it gives every file the same mode, and whether a file is executable is part of an implementation's digest. "
    "Use fmask= and dmask=, which only take rights away"
)
_OURS = "the module sets it itself"
_REFUSED = {
    "nofail": _FATAL + "; a boot does not wait for this mount anyway",
    "noatime": _FATAL,
    "user": _FATAL,
    "users": _FATAL,
    "tag": _FATAL,
    "dev": "a shared folder has no devices, and mount.vboxsf of Oracle's Guest Additions mounts with nodev anyway",
    "fmode": _FLATTENS,
    "dmode": _FLATTENS,
    "ro": "say it with 'writable: false'",
    "rw": "say it with 'writable: true'",
    "defaults": _OURS,
    "auto": _OURS,
    "noauto": _OURS,
    "_netdev": _OURS,
    "comment": _OURS,
    "remount": "a remount keeps the old share. The module unmounts and mounts anew where that is needed",
}
_READ_AND_EXECUTE = 0o555
_OF_THE_OWNER = 0o700


class Mount(NamedTuple):
    """A mount as it is wanted: a share's name, an absolute path, further options of vboxsf, whether it is a store.

    ``where`` is its place in the user's list, with a dot, as messages name it.
    """

    share: str
    path: str
    writable: bool = False
    options: tuple[str, ...] = ()
    store: bool = False
    where: str = ""


class Gone(NamedTuple):
    """A mount that is not wanted: its path, its share's name where the user gave it, and its place as in Mount."""

    path: str
    share: str | None = None
    where: str = ""


def check_path(path: str, option: str = "path") -> None:
    """Failure unless a path can be a mount point. Whether it is there, and what is in it, is not looked at."""
    problem = _names.folder_problem(path)
    if _CONTROL.search(path):
        problem = "has newlines or other control characters in it: choose another"
    if problem:
        raise Failure(f"{option} {path!r} {problem}.")


def _takes(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.fullmatch(value) is not None and not (pattern is _COUNT and int(value) > _MOST)


def check_options(mount: Mount, mainline: bool = False) -> None:
    """Failure unless both drivers take its options and the x bit survives; ``mainline``: only that driver counts.

    What is no store may be kept from everybody but its owner.
    """
    seen = set()
    for option in mount.options:
        name, equals, value = option.partition("=")
        known = dict(_BOTH_DRIVERS, **_ORACLE_ONLY)
        reason = _REFUSED.get(name)
        if name.startswith("x-"):
            reason = _OURS
        elif reason is None and name in known and not (equals and _takes(known[name], value)):
            reason = (
                "its value is not one that vboxsf takes (numbers for uid, gid and ttl, up to 2147483647 and without "
                "leading zeros; octal digits for a mask)"
            )
        elif reason is None and name not in known and (equals or name not in _FLAGS):
            reason = "vboxsf does not know it. It knows {}".format(
                ", ".join(sorted(_FLAGS) + sorted(key + "=" for key in known))
            )
        elif name in ("fmask", "dmask", "umask") and int(value, 8) & _READ_AND_EXECUTE & (
            0o777 if mount.store else _OF_THE_OWNER
        ):
            reason = "it takes away the right to read or to execute. Use a mask that only takes away writing, as 022"
        elif name == "noexec" and mount.store:
            reason = "no program of a store could be run"
        elif mainline and name in _ORACLE_ONLY:
            reason = "only Oracle's driver knows it, and this guest has that of the Linux kernel"
        bare = name[2:] if name.startswith("no") and name in _FLAGS else name
        if reason is None and bare in seen:
            reason = "it is there twice, or contradicts another one"
        seen.add(bare)
        if reason:
            raise Failure(f"{mount.where}options: {option!r} is refused: {reason}.")


def check(wanted: Sequence[Mount], gone: Sequence[Gone], mainline: bool = False) -> None:
    """Failure on the first thing that is wrong with what the user asks for."""
    paths: list[str] = []
    for mount in wanted:
        _names.check_share_name(mount.share, mount.where + "share")
        check_path(mount.path, mount.where + "path")
        check_options(mount, mainline)
        paths.append(mount.path)
    for absent in gone:
        check_path(absent.path, absent.where + "path")
        paths.append(absent.path)
    for path in paths:
        if paths.count(path) > 1:
            raise Failure(f"path {path!r} is in the list of mounts more than once.")
    for outer in (mount.path for mount in wanted):
        for inner in (mount.path for mount in wanted):
            if inner.startswith(outer + "/"):
                raise Failure(f"path {inner!r} lies in {outer!r}: one share cannot be mounted in another.")


def mount_options(mount: Mount) -> tuple[str, ...]:
    """The options to mount with: read-only unless wanted otherwise, no devices, no set-user-id programs."""
    options = ["rw" if mount.writable else "ro"]
    options += [flag for flag in ("nodev", "nosuid") if flag not in mount.options and flag[2:] not in mount.options]
    return tuple(options) + mount.options
