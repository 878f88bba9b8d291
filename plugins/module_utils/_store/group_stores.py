# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stores of groups of guests: a folder for each group, whose store its guests can write and nothing beside it."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked

OURS = "zeroinstall.virtualbox"


class Store(NamedTuple):
    """The store of a group. ``empty``: nothing is in it, nor beside it."""

    group: str
    path: str
    empty: bool


class Plan(NamedTuple):
    """``make``: folders to make, the outermost first, each with its mode. ``remove``: those to remove, innermost
    first."""

    stores: list[Store]
    make: list[tuple[str, int]]
    remove: list[str]


def _mode(path: str) -> int | None:
    """The mode of what is at a path, whose owner is this user. Failure: it is no folder of this user's."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        raise Failure(f"{path} is no folder. Move it away, or choose another place for the stores of groups.")
    if status.st_uid != os.geteuid():
        raise Failure(
            f"{path} belongs to user {status.st_uid}, and the stores of groups are made as user {os.geteuid()}. "
            "Correct its owner, or choose another place for them."
        )
    return stat.S_IMODE(status.st_mode)


def _is_empty(folder: str, but: Sequence[str] = ()) -> bool:
    with os.scandir(folder) as entries:
        return all(entry.name in but for entry in entries)


def _store(path: str, group: str) -> Store | None:
    """The store of a group that is there."""
    folder = f"{path}/{group}"
    parent, store = folder + os.path.dirname(_names.STORE), folder + _names.STORE
    if not all(os.path.isdir(way) and not os.path.islink(way) for way in (folder, parent, store)):
        return None
    beside = _is_empty(folder, (os.path.basename(parent),)) and _is_empty(parent, (os.path.basename(store),))
    return Store(group, store, beside and _is_empty(store))


def there(path: str) -> list[Store]:
    """The stores in a folder of groups, whoever owns it. Failure: it cannot be read."""
    try:
        found = [_store(path, group) for group in sorted(os.listdir(path))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}.") from error
    return [store for store in found if store]


def survey(path: str, names: Sequence[str], exclusive: bool) -> Plan:
    """What is there, and what has to be made and removed. Failure: something is in the way."""
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise Failure(f"group '{name}' cannot name a folder. Choose another name.")
    try:
        return _survey(path, names, exclusive)
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}.") from error


def _survey(path: str, names: Sequence[str], exclusive: bool) -> Plan:
    mode = _mode(path)
    if mode is not None and mode & inspecting.OTHERS_WRITE:
        raise Failure(
            f"{path} can be written by others (mode {mode:04o}), who could then have anything shared with guests. "
            "Take that right away, or choose another place for the stores of groups."
        )
    found = [] if mode is None else [_store(path, group) for group in sorted(os.listdir(path))]
    stores = [store for store in found if store]
    make: list[tuple[str, int]] = []
    for name in names:
        for end in ("", f"/{name}", f"/{name}{os.path.dirname(_names.STORE)}", f"/{name}{_names.STORE}"):
            item = (path + end, 0o755 if end else 0o700)
            if _mode(path + end) is None and item not in make:
                make.append(item)
    gone = [store for store in stores if exclusive and store.empty and store.group not in names]
    remove: list[str] = []
    for store in gone:
        remove += [store.path, os.path.dirname(store.path), f"{path}/{store.group}"]
    if exclusive and mode is not None and not names and _is_empty(path, [store.group for store in gone]):
        remove.append(path)
        parent = os.path.dirname(path)
        if os.path.basename(parent) == OURS and _is_empty(parent, (os.path.basename(path),)):
            remove.append(parent)
    return Plan(stores, make, remove)


def carry_out(plan: Plan) -> None:
    """Failure: a folder cannot be made; those that were made before are removed again."""
    made: list[str] = []
    try:
        for folder, mode in plan.make:
            missing = []
            parent = os.path.dirname(folder)
            while not os.path.isdir(parent):
                missing.append(parent)
                parent = os.path.dirname(parent)
            for way, right in [*((way, 0o755) for way in reversed(missing)), (folder, mode)]:
                os.mkdir(way, 0o700)
                made.append(way)
                os.chmod(way, right)
    except OSError as error:
        for way in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(way)
        raise Failure(f"{error.filename} cannot be made: {error.strerror}. Nothing was changed.") from error
    for folder in plan.remove:
        with contextlib.suppress(OSError):  # a guest has put something there meanwhile
            os.rmdir(folder)


def run(asked: Asked) -> dict[str, Any]:
    """Look, decide, and unless in check mode act. Failure: the path is wrong, or something is in the way."""
    path = asked.params["path"]
    problem = _names.folder_problem(path)
    if problem:
        raise Failure(f"path '{path}' {problem}.")
    plan = survey(path, asked.params["names"], asked.params["exclusive"])
    if not asked.check_mode:
        carry_out(plan)
    return {
        "changed": bool(plan.make or plan.remove),
        "path": path,
        "stores": [store._asdict() for store in plan.stores],
        "user_group": inspecting.group_name(os.getegid()),
        "diff": {
            "before": "".join(f"{folder}\n" for folder in sorted(plan.remove)),
            "after": "".join(f"{folder}\n" for folder, _mode in plan.make),
            "before_header": "folders",
            "after_header": "folders",
        },
    }
