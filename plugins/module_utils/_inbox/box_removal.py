# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finding the boxes that no guest needs any more, and removing those that may go.

A box gets another name before anything in it is removed, which no machine's share leads to. If the run is killed, the
next one knows it by that name, and goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import stat
from typing import Any, Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, removing, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import guest_boxes
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, trees

LOOKED_AT = 100_000
"""Names in a box among which requests are counted."""
BUDGET = 10_000_000
"""Entries of a box that a run removes; the next run goes on with those beyond."""
MOUNTS = "/proc/self/mountinfo"
BOX, LEAVING, OTHER = "box", "leaving", "other"
"""What is found: a box, a box whose removal was begun, or something else that has the name of a box."""
_NOT_SET = "Nothing was to be removed: remove is false."


class Count(NamedTuple):
    """How many requests wait in a box. ``all``: all names in it were looked at."""

    waiting: int = 0
    all: bool = True


class Found(NamedTuple):
    """What is at a box's place."""

    name: str
    kind: str
    owner: str = ""
    requests: Count = Count()

    @property
    def box(self) -> str:
        """The name of the box, also while it is being removed."""
        return self.name[len(_names.LEAVING) :] if self.kind == LEAVING else self.name


class Wish(NamedTuple):
    """What may be removed: the module's options."""

    path: str
    keep: Sequence[str] = ()
    exclusive: bool = False
    absent: Sequence[str] = ()
    arrangement: str = _names.DEFAULT_ARRANGEMENT
    remove: bool = False
    force: bool = False


def check(wish: Wish) -> None:
    """Failure unless the options are such as can be worked with. Nothing is looked at."""
    problem = _names.folder_problem(wish.path)
    if problem:
        raise Failure(f"path '{wish.path}' {problem}.")
    if not _names.is_box(f"{wish.arrangement}@x") or "@" in wish.arrangement:
        raise Failure(
            f"arrangement '{wish.arrangement}' cannot be before the names of boxes: choose at most 32 letters, digits,"
            " '.', '_' and '-', the first of which is no '.'."
        )
    for option, names in (("keep", wish.keep), ("absent", wish.absent)):
        for name in names:
            if not _names.is_box(name):
                raise Failure(f"{option} has {name!r}, which is no name of a box. Correct it.")
    for name in wish.absent:
        if name in wish.keep:
            raise Failure(f"box '{name}' is in keep and in absent: take it out of one of them.")
        if _names.arrangement_of(name) != wish.arrangement:
            raise Failure(
                f"absent has '{name}', a box of the arrangement '{_names.arrangement_of(name)}', and this is"
                f" '{wish.arrangement}', which removes only its own. Take it out of absent."
            )


def is_left_over(found: Found, wish: Wish) -> bool:
    """Whether nobody needs it, as far as the options say. Pure."""
    if _names.arrangement_of(found.box) != wish.arrangement:
        return False
    if found.kind == LEAVING:
        return True
    return found.name not in wish.keep and (wish.exclusive or found.name in wish.absent)


def why_kept(found: Found, wish: Wish, mounted: Sequence[str] = ()) -> str:
    """Why something that is left over is not removed; empty if it is. Pure. ``mounted``: what is mounted where."""
    inside = [path for path in mounted if f"{path}/".startswith(f"{wish.path}/{found.name}/")]
    if not wish.remove:
        return _NOT_SET
    if inside:
        return f"Something is mounted at {judging.shown(inside[0])}: unmount it, and run again."
    if wish.force:
        return ""
    if found.kind == OTHER:
        return "It is no folder, so it is no box. Move it away, or remove it with force."
    return _why_not_empty(found.requests)


def _why_not_empty(count: Count) -> str:
    if count.waiting:
        return f"{count.waiting} {'request waits' if count.waiting == 1 else 'requests wait'} in it."
    return "" if count.all else f"It has more than {LOOKED_AT} names, so requests may wait in it."


def survey(folder: int, most: int) -> list[Found]:
    """The boxes in an open folder, and what else has the name of one, by name. Anything else there is passed over.

    ``most``: names in a box among which requests are counted. Failure: a box cannot be opened. OSError: the folder.
    """
    found = (_look(name, folder, most) for name in os.listdir(folder))
    return sorted(one for one in found if one)


def _look(name: str, folder: int, most: int) -> Found | None:
    kind = LEAVING if name.startswith(_names.LEAVING) else BOX
    one = Found(name, kind)
    if not _names.is_box(one.box):
        return None
    try:
        with _opened(name, folder) as fd:
            return Found(name, kind, _owner(os.fstat(fd).st_uid), count_requests(fd, most))
    except FileNotFoundError:
        return None
    except OSError as error:
        if _is_directory(name, folder):
            raise Failure(f"The box {name} cannot be opened: {error.strerror}. Run as root (become: true).") from error
        return Found(name, kind if kind == LEAVING else OTHER)


def _is_directory(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    fd = os.open(name, trees.DIRECTORY, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _owner(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def count_requests(fd: int, most: int) -> Count:
    """How many requests wait in an open box, among so many names."""
    with os.scandir(fd) as entries:
        waiting = sum(entry.name.endswith(guest_boxes.REQUEST) for entry in itertools.islice(entries, most))
        return Count(waiting, next(entries, None) is None)


def _last_look(name: str, folder: int) -> str:
    """Why a box that no share leads to any more is not removed after all; empty if it is."""
    try:
        with _opened(name, folder) as fd:
            return _why_not_empty(count_requests(fd, LOOKED_AT))
    except OSError as error:
        return f"It is no folder that can be looked into: {error.strerror}. Move it away."


def leaving_name(box: str) -> str:
    """The name that a box has while it is being removed, which no box of a guest has."""
    return (_names.LEAVING + box)[: _names.LIMIT]


def take(found: Found, folder: int, force: bool) -> str:
    """Remove something from an open folder; why it could not be removed, or empty.

    What is left of a box then has its other name, but for one in which a request came in at the last moment.
    """
    try:
        if found.kind == OTHER:
            os.unlink(found.name, dir_fd=folder)
            return ""
        name = found.name
        if found.kind == BOX:
            name = leaving_name(name)
            replacing.rename_new(found.name, folder, name, folder)
        reason = "" if force else _last_look(name, folder)
        if reason:
            if found.kind == BOX:
                replacing.rename_new(name, folder, found.name, folder)
            return reason
        removing.remove(name, folder, removing.Budget(BUDGET))
    except FileNotFoundError:
        return ""  # another run removes it
    except FileExistsError:
        return f"What an earlier run left of a box of this name is still there, as {leaving_name(found.name)}."
    except OSError as error:
        return f"It cannot be removed: {error.strerror or error}. Correct that, and run again, which goes on with it."
    return ""


def run(asked: Asked) -> dict[str, Any]:
    """Look, decide, and unless in check mode remove. Failure: nothing was removed."""
    wish = Wish(**{name: asked.params[name] for name in Wish._fields})
    check(wish)
    try:
        folder = os.open(wish.path, trees.DIRECTORY)
    except FileNotFoundError:
        return {**_result(wish, [], [], {}, False), "gone": True}
    except OSError as error:
        raise Failure(f"The boxes' folder {wish.path} cannot be opened: {error.strerror}. Correct path.") from error
    try:
        found = survey(folder, LOOKED_AT)
        left_over = [one for one in found if is_left_over(one, wish)]
        mounted = _mounted(wish.path)
        kept = {one.name: why_kept(one, wish, mounted) for one in left_over}
        begun = False
        for one in sorted(left_over, key=lambda one: one.kind != LEAVING):  # first what is in the way of others
            if not asked.check_mode and not kept[one.name]:
                kept[one.name] = take(one, folder, wish.force)
                begun = begun or not kept[one.name] or not _is_there(one.name, folder)
        removed = [name for name, reason in kept.items() if not reason]
        last = wish.remove and not wish.keep and _goes(wish.path, folder, removed, mounted, asked.check_mode)
        return {**_result(wish, found, left_over, kept, last), "changed": begun or last or bool(removed)}
    except OSError as error:
        raise Failure(f"The boxes' folder {wish.path} cannot be read: {error.strerror}. Run again.") from error
    finally:
        os.close(folder)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _mounted(path: str) -> list[str]:
    """Where something is mounted in a folder, or on it, by paths from the one that was given."""
    real = os.path.realpath(path)
    mounts = {mount.path for mount in live_mounts.parse_mountinfo(replacing.read(MOUNTS) or "")}
    return sorted(path + place[len(real) :] for place in mounts if f"{place}/".startswith(f"{real}/"))


def _goes(path: str, folder: int, removed: Sequence[str], mounted: Sequence[str], dry: bool) -> bool:
    """Remove the folder if nothing is in it any more, or with ``dry`` only foresee that; whether it goes."""
    if path in mounted or set(os.listdir(folder)) - set(removed if dry else ()):
        return False
    if not dry:
        try:
            os.rmdir(path)
        except OSError:  # somebody puts something there
            return False
    return True


def _result(
    wish: Wish, found: Sequence[Found], left_over: Sequence[Found], kept: dict[str, str], last: bool
) -> dict[str, Any]:
    removed = [one.name for one in left_over if not kept[one.name]]
    paths = [f"{wish.path}/{name}" for name in removed]
    if last:
        paths.append(wish.path)
    return {
        "changed": False,
        "gone": last,
        "boxes": [
            {
                "name": one.name,
                "owner": one.owner,
                "waiting": one.requests.waiting,
                "left_over": one in left_over,
            }
            for one in found
            if one.kind != OTHER
        ],
        "removed": removed,
        "kept": [{"name": one.name, "reason": kept[one.name]} for one in left_over if kept[one.name]],
        "diff": {
            "before": "".join(f"{path}\n" for path in sorted(paths)),
            "after": "",
            "before_header": "boxes",
            "after_header": "boxes",
        },
    }
