# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mount points: the folders that they need, what is in them, and whose they are."""

from __future__ import annotations

import os
import stat

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

SHOWN_ENTRIES = 3


class OutOfReach(Failure):
    """What is at a path cannot be seen."""

    def __init__(self, path: str, way: str, error: OSError) -> None:
        super().__init__(f"path {path}: {way} cannot be looked at: {error.strerror}.")
        self.way, self.error = way, str(error.strerror)


def missing_folders(path: str, mounted: bool = False) -> list[str]:
    """The folders on the way to a path that do not exist, outermost first. Failure: a link or a file is on the way."""
    parts = path.split("/")[1:]
    ways = ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
    for way in ways[:-1] if mounted else ways:
        try:
            mode = os.lstat(way).st_mode
        except FileNotFoundError:
            return ways[ways.index(way) :]
        except OSError as error:
            raise OutOfReach(path, way, error) from error
        if stat.S_ISLNK(mode):
            raise Failure(
                f"path {path}: {way} is a symbolic link, and none is followed. "
                f"Write the path without it: {os.path.realpath(path)}."
            )
        if not stat.S_ISDIR(mode):
            raise Failure(f"path {path}: {way} is no folder. Move it away, or choose another path.")
    return []


def check_empty(path: str) -> None:
    """Failure where something is in a folder that a mount would hide."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise Failure(f"path {path} cannot be listed: {error.strerror}.") from error
    if names:
        some = ", ".join([*map(repr, names[:SHOWN_ENTRIES]), *(["…"] if names[SHOWN_ENTRIES:] else [])])
        raise Failure(
            f"path {path} is not empty: a mount would hide its {len(names)} entries ({some}). Move them away, or "
            "choose another path. If they are Zero Install packages of the guest's own, they can stay with "
            "cache_guest_mode: readonly and cache_guest_sharing: true, which mounts the host's store beside them."
        )


def owner(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_uid, status.st_gid
