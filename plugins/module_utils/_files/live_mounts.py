# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live mounts, by proc_pid_mountinfo(5): what is mounted where, and which of it a path leads to. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple, Sequence

_ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")


class Live(NamedTuple):
    """A mount as the kernel has it: at ``path``, the folder ``root`` of the file system that is on ``device``.

    ``flags`` are those of the mount, ``details`` those of the file system.
    """

    id: int
    parent: int
    path: str
    flags: tuple[str, ...]
    type: str
    source: str
    details: tuple[str, ...]
    device: str
    root: str

    @property
    def readonly(self) -> bool:
        """Whether the guest asked for a read-only mount. A share that its host made read-only does not show here."""
        return "ro" in self.flags or "ro" in self.details


def unescape(text: str) -> str:
    """The reverse of ``escape``, for every octal escape of three digits, as in ``/proc/self/mountinfo``."""
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    plain = _ESCAPED.sub(lambda found: bytes((int(found.group(1), 8),)), raw)
    return plain.decode("utf-8", "surrogateescape")


def parse_mountinfo(text: str) -> list[Live]:
    """The mounts of ``/proc/self/mountinfo``, in its order. A line that is no such line is left out."""
    mounts = []
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        first, last = before.split(" "), after.split(" ")
        if separator and len(first) >= 6 and len(last) >= 3:
            mounts.append(
                Live(
                    int(first[0]),
                    int(first[1]),
                    unescape(first[4]),
                    tuple(first[5].split(",")),
                    last[0],
                    unescape(last[1]),
                    tuple(unescape(last[2]).split(",")),
                    first[2],
                    unescape(first[3]),
                )
            )
    return mounts


def _covers(outer: str, inner: str) -> bool:
    return outer in (inner, "/") or inner.startswith(outer + "/")


def stack(mounts: Sequence[Live], path: str) -> list[Live]:
    """The mounts at exactly a path, the visible one last; those that another mount further up hides are left out.

    A walk from the root, from mount to child mount, as the kernel resolves a path.
    """
    ids = {mount.id for mount in mounts}
    below = [mount for mount in mounts if mount.parent == mount.id or mount.parent not in ids]
    way: list[Live] = []
    while True:
        below = [mount for mount in below if _covers(mount.path, path) and mount not in way]
        if not below:
            return [mount for mount in way if mount.path == path]
        way.append(min(below, key=lambda mount: len(mount.path)))
        below = [mount for mount in mounts if mount.parent == way[-1].id]


def visible(mounts: Sequence[Live]) -> list[Live]:
    """The mounts that a path leads to, one at each mount point, in their order."""
    tops = {path: stack(mounts, path)[-1:] for path in {mount.path for mount in mounts}}
    return [mount for mount in mounts if tops[mount.path] == [mount]]


def above(mounts: Sequence[Live], path: str) -> Live | None:
    """The visible mount that a path is in, other than that of the root folder."""
    while path != "/":
        top = stack(mounts, path)[-1:]
        if top:
            return top[0]
        path = posixpath.dirname(path)
    return None
