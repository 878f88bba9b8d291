# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Putting files and directories in place, and taking them away: many in one run, and none where one cannot be."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import pwd
import re
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, replacing

SHOWN = 4096
"""Bytes of a file beyond which a diff shows its digest instead."""

CREATED, REMOVED = "created", "removed"
"""What is told of a path at which nothing was, or will be."""

_MOST_ID = 2**32 - 2
"""The largest number of a user or group. The next one stands for no change."""
_MODE = re.compile("[0-7]{3,4}")
_KINDS = {"file": "a file", "directory": "a directory", "link": "a symbolic link", "other": "something else"}


class Wanted(NamedTuple):
    """What is to be at a path: ``state`` is ``file``, with this ``content``, ``directory`` or ``absent``.

    Bytes of ``content`` that are no UTF-8 are surrogates, as ``replacing.read`` has them.
    ``owner``, ``group`` and ``mode`` (as in "0644") that are None stay as they are. ``validate``: a program with
    arguments, which gets the path of the new file as the last one. A file without this ``mark`` in it is kept when
    it is replaced. ``where`` is its place in the user's lists, with a dot, as messages name it.
    """

    path: str
    state: str
    content: str = ""
    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    validate: tuple[str, ...] = ()
    mark: str = ""
    where: str = ""


class Change(NamedTuple):
    """What is to be changed at a path: ``CREATED``, ``REMOVED``, or which of content, owner, group and mode.

    ``found`` is what ``inspecting.look`` tells. ``owner``: numbers of user and group, -1 where they stay as they are.
    """

    wanted: Wanted
    found: dict[str, Any] | None
    words: list[str]
    owner: tuple[int, int]

    @property
    def mode(self) -> int:
        """The mode to set; of what is there and keeps its mode, that."""
        of_new = "0755" if self.wanted.state == "directory" else "0644"
        return int(self.wanted.mode or (self.found["mode"] if self.found else of_new), 8)

    @property
    def owner_is_missing(self) -> bool:
        """Whether the user to whom it is to belong is not there."""
        return self.wanted.owner is not None and self.owner[0] == -1

    @property
    def foreign(self) -> bool:
        """Whether a file is replaced that somebody else wrote."""
        old = replacing.read(self.wanted.path) if self.wanted.mark and "content" in self.words else None
        return old is not None and self.wanted.mark not in old


def differences(found: dict[str, Any] | None, wanted: Wanted) -> list[str]:
    """The words of a ``Change``; none where all is right. Failure: something else is in the way."""
    if wanted.state == "absent":
        return [REMOVED] if found else []
    if found is None:
        return [CREATED]
    if found["kind"] != wanted.state:
        raise Failure(f"{wanted.path} is {_KINDS[found['kind']]}, where {_KINDS[wanted.state]} is to be. Move it away.")
    words = [name for name in ("owner", "group", "mode") if getattr(wanted, name) not in (None, found[name])]
    content = wanted.content.encode("utf-8", "surrogateescape")
    if wanted.state == "file" and found["sha256"] != hashlib.sha256(content).hexdigest():
        words.insert(0, "content")
    return words


def plan(wanted: Iterable[Wanted], check_mode: bool = False) -> list[Change]:
    """What is to be changed. In check mode users and groups may be missing, for something before may be to create them.

    Failure: a path is not absolute or is wanted twice, something is in the way, a folder, user or group is missing, or
    the path cannot be written. Folders above a directory are created with it. A directory in which something would be
    left is not removed.
    """
    changes: dict[str, Change] = {}
    seen: set[str] = set()
    for item in map(_normal, wanted):
        if item.path in seen:
            raise Failure(f"{item.where}path {item.path} is named twice. Name it once.")
        seen.add(item.path)
        change = _change(item, check_mode)
        if not change.words or _stays(change, changes):
            continue
        missing = _missing_parents(item.path, changes) if item.state == "directory" else []
        changes.update((path, Change(Wanted(path, "directory"), None, [CREATED], (-1, -1))) for path in missing)
        if os.path.dirname(item.path) not in changes:
            replacing.check_writable(missing[0] if missing else item.path)
        changes[item.path] = change
    return list(changes.values())


def _missing_parents(path: str, changes: Mapping[str, Change]) -> list[str]:
    """The folders above a path that are neither there nor created by these changes, the uppermost first."""
    folder = os.path.dirname(path)
    if folder in changes or os.path.lexists(folder):
        return []
    return [*_missing_parents(folder, changes), folder]


def _stays(change: Change, changes: Mapping[str, Change]) -> bool:
    """Whether a directory is not to be removed, for something will be left in it."""
    if change.words != [REMOVED] or change.found is None or change.found["kind"] != "directory":
        return False
    folder = change.wanted.path
    inside = [os.path.join(folder, name) for name in os.listdir(folder)]
    come = [path for path in changes if path.startswith(folder + "/")]
    return any(path not in changes or changes[path].words != [REMOVED] for path in (*inside, *come))


def _normal(item: Wanted) -> Wanted:
    """The same with names for numbers, and four digits for a mode, as ``inspecting.look`` tells them."""
    problem = _names.path_problem(item.path)
    if problem:
        raise Failure(f"{item.where}path {item.path!r} {problem}.")
    if item.mode is not None and not _MODE.fullmatch(item.mode):
        raise Failure(
            f"{item.where}mode {item.mode!r} of {item.path}: write three or four octal digits in quotes, as in '0644'."
        )
    for what, name in (("owner", item.owner), ("group", item.group)):
        if name and (("\0" in name) or (name.isdecimal() and int(name) > _MOST_ID)):
            raise Failure(
                f"{item.where}{what} {name!r} of {item.path} is none: use a name, or a number up to {_MOST_ID}."
            )
    owner = inspecting.user_name(int(item.owner)) if item.owner and item.owner.isdecimal() else item.owner
    group = inspecting.group_name(int(item.group)) if item.group and item.group.isdecimal() else item.group
    return item._replace(owner=owner, group=group, mode=item.mode and item.mode.zfill(4))


def _change(item: Wanted, check_mode: bool) -> Change:
    try:
        found = inspecting.look(item.path)
    except OSError as error:
        raise Failure(f"{item.path} cannot be reached: {error.strerror}.") from error
    words = differences(found, item)
    if item.validate and not os.access(item.validate[0], os.X_OK):
        raise Failure(f"{item.validate[0]} is missing, which is to validate {item.path}. Install it.")
    if item.state == "absent":
        return Change(item, found, words, (-1, -1))
    user = _number(item.owner, lambda name: pwd.getpwnam(name).pw_uid, "user", item.path, check_mode)
    group = _number(item.group, lambda name: grp.getgrnam(name).gr_gid, "group", item.path, check_mode)
    return Change(item, found, words, (user, group))


def _number(name: str | None, look_up: Callable[[str], int], what: str, path: str, check_mode: bool) -> int:
    if name is None:
        return -1
    try:
        return look_up(name)
    except KeyError:
        if name.isdecimal():
            return int(name)
        if check_mode:
            return -1
        raise Failure(f"There is no {what} {name!r}, to whom {path} is to belong. Create the {what} first.") from None


def difference(change: Change) -> dict[str, Any]:
    """A change as Ansible shows it with ``--diff``."""
    before, after = _text_before(change), _text_after(change)
    return {"before_header": change.wanted.path, "after_header": change.wanted.path, "before": before, "after": after}


def _text_before(change: Change) -> str:
    if change.found is None:
        return ""
    names = [name for name in ("owner", "group", "mode") if name in change.words or change.words == [REMOVED]]
    text = "".join(f"{name}: {change.found[name]}\n" for name in names)
    if change.found["kind"] == "file" and ("content" in change.words or change.words == [REMOVED]):
        return text + _shown(replacing.read(change.wanted.path) or "")
    return text or f"{change.found['kind']}\n"


def _text_after(change: Change) -> str:
    wanted = change.wanted
    if wanted.state == "absent":
        return ""
    new = change.words == [CREATED]
    names = [name for name in ("owner", "group", "mode") if name in change.words or (new and getattr(wanted, name))]
    text = "".join(f"{name}: {getattr(wanted, name)}\n" for name in names)
    if wanted.state == "file" and (new or "content" in change.words):
        return text + _shown(wanted.content)
    return text or f"{wanted.state}\n"


def _shown(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > SHOWN or b"\0" in raw:
        return f"({len(raw)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()})\n"
    return raw.decode("utf-8", "replace")


def carry_out(
    changes: Sequence[Change], run: Callable[[list[str]], tuple[int, str, str]], keep: Callable[[str], str]
) -> list[str]:
    """Make the changes; the paths of the copies of others' files.

    ``run`` runs a program: exit status, stdout, stderr. ``keep`` makes a copy of a file beside it. Failure while new
    files are written or validated: nothing was changed.
    """
    with contextlib.ExitStack() as undo:
        new = [change for change in changes if change.wanted.state == "directory" and change.found is None]
        for change in new:
            _make(change, undo)
        replacements = [_written(change, run, undo) for change in changes if change.wanted.state == "file"]
        kept = [keep(change.wanted.path) for change in changes if change.foreign]
        undo.pop_all()
    for replacement in replacements:
        replacement.commit()
    for change in changes:
        if change.wanted.state == "absent":
            _remove(change.wanted.path)
        elif change.wanted.state == "directory" and change not in new:
            _settle(change)
    return kept


def _make(change: Change, undo: contextlib.ExitStack) -> None:
    path = change.wanted.path
    try:
        os.mkdir(path, 0o700)
        undo.callback(os.rmdir, path)
    except FileExistsError:
        pass  # another run has made it meanwhile
    except OSError as error:
        raise Failure(f"folder {path} cannot be created: {error.strerror}.") from error
    _settle(change)


def _settle(change: Change) -> None:
    """Give a directory its owner and mode."""
    path = change.wanted.path
    try:
        descriptor = os.open(path, inspecting.DIRECTORY)
        try:
            os.fchown(descriptor, *change.owner)
            os.fchmod(descriptor, change.mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Failure(f"owner and mode of {path} cannot be set: {error.strerror}.") from error


def _written(
    change: Change, run: Callable[[list[str]], tuple[int, str, str]], undo: contextlib.ExitStack
) -> replacing.Replacement:
    wanted = change.wanted
    replacement = replacing.Replacement(wanted.path, wanted.content, change.mode, change.owner)
    undo.callback(replacement.discard)
    if wanted.validate:
        status, output, errors = run([*wanted.validate, replacement.temporary])
        if status:
            said = " ".join((output + errors).replace(replacement.temporary, wanted.path).split())
            raise Failure(f"{wanted.path} was not written, for {wanted.validate[0]} refuses it: {said}")
    return replacement


def _remove(path: str) -> None:
    """Remove a file, a link, or a directory in which nothing is."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failure(f"{path} cannot be removed: {error.strerror}.") from error
