# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host shares, and which shares of its machines give that to a guest: ours without their mark, and others.

A mark is extradata, which a snapshot does not bring back, and which any tool can clear. So a share is known by its name
and by what it shares, too. Paths are compared where they lead: links are followed, and of mounts it is told what is
mounted, so that a store is found under any path.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share

DEFAULT_NAME = "ZeroInstall"
DEFAULT_BOXES = "/var/lib/zeroinstall.virtualbox/boxes"
MOUNTS = "/proc/self/mountinfo"
OPTION = {
    "type": "dict",
    "apply_defaults": True,
    "options": {
        "names": {"type": "list", "elements": "str", "default": [DEFAULT_NAME]},
        "store": {"type": "str", "default": ""},
        "groups": {"type": "str", "default": ""},
        "boxes": {"type": "str", "default": ""},
        "arrangement": {"type": "str", "default": _names.DEFAULT_ARRANGEMENT},
    },
}
"""The option ``folders`` of modules."""


class Form(NamedTuple):
    """One way to read a share's name: the name that the user chose, the kind of share, and the group of guests."""

    base: str
    kind: str
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Folders:
    """What a host shares: its ``store``, the folders ``groups`` and ``boxes``; and the names that users chose.

    ``arrangement`` is the one whose shares are ours. Those of others on the same host are not.
    """

    names: tuple[str, ...] = (DEFAULT_NAME,)
    store: str = ""
    groups: str = ""
    boxes: str = ""
    arrangement: str = _names.DEFAULT_ARRANGEMENT

    @property
    def linked(self) -> str:
        """The folder of the store's linked stores."""
        return _names.linked_folder(self.store) if self.store else ""


def folders_of(option: Mapping[str, Any]) -> Folders:
    """The Folders of the option ``folders``. Failure: the name of the arrangement is none."""
    _names.check_arrangement(option["arrangement"], "folders.arrangement")
    paths = {key: at_home(option[key]) for key in ("store", "groups", "boxes")}
    return Folders(**{**option, **paths, "names": tuple(option["names"])})


def at_home(path: str) -> str:
    """A path, whose ``~/`` at the beginning is the home of the user who runs this."""
    return os.path.expanduser(path) if path.startswith("~/") else path


@dataclasses.dataclass(frozen=True)
class Other:
    """A share that gives its guest ``folder``, which the host shares, and that nobody asked this collection for.

    ``how``: ``at``, ``above`` or ``in`` the folder. ``refused``: the guest could write where it must not.
    """

    share: Share
    folder: str
    how: str
    refused: bool = False

    @property
    def text(self) -> str:
        """It in words."""
        share = self.share
        rights = (
            "writable"
            if share.writable
            else "read-only, with the right to create symlinks"
            if share.symlinks
            else "read-only"
        )
        where = {"at": "is '%s'", "above": "has '%s' in it", "in": "is in '%s'"}[self.how] % self.folder
        return "share '{}' ({}, {}), which {}, {}".format(
            share.name,
            f"path '{share.path}'" if share.kind == "machine" else f"{share.kind}, path '{share.path}'",
            rights,
            f"the arrangement '{share.arrangement}' set up" if share.arrangement else "this collection did not set up",
            where,
        )


# --- names --------------------------------------------------------------------------------------------------------


def forms(name: str) -> list[Form]:
    """All ways to read a share's name."""
    found = [Form(name, "plain")]
    for end, kind in ((_names.TRUSTED, "trusted"), (_names.BOX, "box")):
        if name.endswith(end):
            found.append(Form(name[: -len(end)], kind))
    for match in re.finditer(f"(?={re.escape(_names.GUESTS)})", name):
        found.append(Form(name[: match.start()], "guests", name[match.start() + len(_names.GUESTS) :]))
    return [form for form in found if form.base]


def bases(folders: Folders, machine: Machine, present: Iterable[Share] = ()) -> frozenset[str]:
    """The names that users chose, as far as is known: told, wanted of this machine, or in a mark of ours of it."""
    marked = [name for name, arrangement in machine.marks.items() if arrangement == folders.arrangement]
    names = [*(share.name for share in present), *marked]
    return frozenset({*folders.names, *(form.base for name in names for form in forms(name))})


def is_within(path: str, folder: str) -> bool:
    """Whether a path is that of a folder, or of something in it."""
    return folder != "" and (path == folder or path.startswith(folder.rstrip("/") + "/"))


def within(path: str, folders: Iterable[str]) -> list[str]:
    """A path as it is below these folders, for each that it is in, whatever links lead there."""
    found = []
    for folder in folders:
        for here, there in ((os.path.normpath(path), folder), (os.path.realpath(path), os.path.realpath(folder))):
            if folder and is_within(here, there):
                found.append(os.path.normpath(f"{folder}/{os.path.relpath(here, there)}"))
                break
    return found


def is_ours(share: Share, folders: Folders, machine: Machine, present: Iterable[Share] = ()) -> bool:
    """Whether a machine's share has our mark, or none, and the name of one of ours, and shares what that one does.

    A read-only one without a mark is not: that of a Vagrantfile has none and may have any name. Of a machine that only
    has marks of other arrangements, only a box of ours is. What has no mark is the default arrangement's, but a box.
    """
    if share.kind == "global":
        return False
    if share.arrangement:
        return share.arrangement == folders.arrangement
    if not share.writable:
        return False
    path, known = os.path.normpath(share.path), bases(folders, machine, present)
    of_others = bool(machine.marks) and folders.arrangement not in machine.marks.values()
    return any(
        _fits(form, path, folders, form.base in known) and _may_be_ours(form, path, folders, of_others)
        for form in forms(share.name)
    )


def _may_be_ours(form: Form, path: str, folders: Folders, of_others: bool) -> bool:
    """Whether a share that looks like one of this collection may be one of our arrangement. A box says whose it is."""
    if form.kind != "box":
        return not of_others and folders.arrangement == _names.DEFAULT_ARRANGEMENT
    boxes = folders.boxes if is_within(path, folders.boxes) else DEFAULT_BOXES
    box = os.path.relpath(path, boxes).partition("/")[0]
    return _names.arrangement_of(box) == folders.arrangement


def _fits(form: Form, path: str, folders: Folders, known: bool) -> bool:
    if form.kind == "guests":
        return path.endswith("/" + form.group + _names.STORE) and (known or is_within(path, folders.groups))
    if form.kind == "box":
        return is_within(path, folders.boxes) or (known and is_within(path, DEFAULT_BOXES))
    if form.kind == "trusted":
        return is_within(path, folders.store) or (known and _names.is_store_path(path))
    return known and (is_within(path, folders.store) or _names.is_store_path(path))


# --- places -------------------------------------------------------------------------------------------------------


def read_mounts() -> list[live_mounts.Live]:
    """What is mounted on this host where a path leads to it; nothing where that is not told."""
    try:
        return live_mounts.visible(live_mounts.parse_mountinfo(replacing.read(MOUNTS) or ""))
    except OSError:
        return []


def places(path: str, mounts: Sequence[live_mounts.Live]) -> list[tuple[str, str]]:
    """Where a folder is, and what is mounted in it: file systems, each with its path there."""
    device, root, point = "", "/", "/"
    for mount in mounts:
        if is_within(path, mount.path) and len(mount.path) >= len(point):
            device, root, point = mount.device, mount.root, mount.path
    inside = os.path.normpath(f"{root}/{os.path.relpath(path, point)}")
    below = [(mount.device, mount.root) for mount in mounts if mount.path != path and is_within(mount.path, path)]
    return [(device, "/" + inside.lstrip("/")), *below]


def _is_inside(place: tuple[str, str], other: tuple[str, str]) -> bool:
    return place[0] == other[0] and is_within(place[1], other[1])


def _overlap(some: Iterable[tuple[str, str]], others: Sequence[tuple[str, str]]) -> bool:
    return any(_is_inside(one, other) or _is_inside(other, one) for one in some for other in others)


def relation(path: str, folder: str, mounts: Sequence[live_mounts.Live]) -> str:
    """Whether a path leads ``at``, ``above`` or ``in`` a folder, or empty if it leads elsewhere."""
    here, *mounted = places(os.path.realpath(path), mounts)
    there, *parts = places(os.path.realpath(folder), mounts)
    if here == there:
        return "at"
    if _is_inside(there, here) or _overlap(mounted, [there, *parts]):
        return "above"
    if _is_inside(here, there) or _overlap([here], parts):
        return "in"
    return ""


def shared(folders: Folders, paths: Iterable[str] = ()) -> list[str]:
    """The folders that no other share should give a guest, with the stores among these paths, which are to be shared.

    Those of groups and boxes count where they are, or where something in them is to be shared and they will be.
    """
    wanted = list(paths)
    there = [
        folder
        for folder in (folders.groups, folders.boxes, folders.linked)
        if folder and (os.path.isdir(folder) or any(is_within(path, folder) for path in wanted))
    ]
    stores = [path for path in wanted if _names.is_store_path(path) and not is_within(path, folders.linked)]
    return list(dict.fromkeys([*([folders.store] if folders.store else []), *there, *stores]))


def others(
    shares: Iterable[Share], own: Iterable[str], targets: Iterable[str], mounts: Sequence[live_mounts.Live]
) -> list[Other]:
    """Those of these shares that give a guest one of the target folders, each with the worst that it gives.

    ``own``: the folders that this guest may write.
    """
    found, own, targets = [], list(own), list(targets)
    for share in shares:
        candidates = []
        for target in targets:
            how = relation(share.path, target, mounts)
            if not how or not (share.writable or share.symlinks or how == "at"):
                continue
            meant = any(
                relation(share.path, folder, mounts) in ("at", "in") or relation(target, folder, mounts) in ("at", "in")
                for folder in own
            )
            candidates.append(Other(share, target, how, share.writable and not meant))
        if candidates:
            found.append(max(candidates, key=lambda other: other.refused))
    return found
