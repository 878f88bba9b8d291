# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moving implementations out of a store and back, each by one rename, so that nothing is ever half moved or lost.

Whoever can write the store may change it meanwhile: everything goes through open folders, and no link is followed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from typing import Dict, Iterable, Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, manifests, trees

SUFFIX = ".quarantine"
"""What the default folder's name has after that of the store."""
LOCK = ".lock"
"""File in the folder. It is no name of an implementation."""
LONGEST = 255
"""Bytes of a name, where the file system does not tell."""
_COPY = re.compile(r"(?s)(.*)\.(0|[1-9][0-9]{0,8})\Z")
_SHELF = re.compile(r"\.(0|[1-9][0-9]{0,8})\Z")


class Request(NamedTuple):
    """What is wanted: these names of a store be in the folder, or with ``restore`` back in the store."""

    store: str
    names: Sequence[str]
    folder: str
    restore: bool = False


class Move(NamedTuple):
    """One implementation: its entry in the store, and its entry in the folder or in one of the folder's shelves."""

    inside: str
    aside: str


class Left(NamedTuple):
    """A name that is not moved, as it was asked for, and why."""

    name: str
    reason: str


class Plan(NamedTuple):
    """What is to be moved, and what cannot be."""

    moves: list[Move]
    left: list[Left]


Copies = Dict[str, Dict[int, str]]
"""For each name its copies in the folder: number and entry."""


def default_folder(store: str) -> str:
    """The folder beside a store."""
    return store + SUFFIX


def entry(name: str, number: int, longest: int = LONGEST) -> str:
    """Where a name's copy is in the folder: the first under the name, the others with their number after it.

    A name that looks like a numbered copy has its number from the first on. Where name and number together are too long
    for a file system, the copy has the name itself, on the shelf of that number.
    """
    short = name if number == 0 and not _COPY.match(name) else f"{name}.{number}"
    return short if len(os.fsencode(short)) <= longest else f".{number}/{name}"


def copies(listing: Iterable[str]) -> Copies:
    """The copies among the folder's entries, those of its shelves with the shelf before them."""
    found: Copies = {}
    for each in listing:
        shelf, on_shelf, name = each.partition("/")
        number = int(shelf[1:]) if on_shelf else 0
        match = None if on_shelf else _COPY.match(each)
        if not on_shelf:
            name = each
        if match and (match.group(2) != "0" or _COPY.match(match.group(1))):
            name, number = match.group(1), int(match.group(2))
        if manifests.claims_to_be_name(name):
            found.setdefault(name, {})[number] = each
    return found


@contextlib.contextmanager
def opened(store: str) -> Iterator[tuple[int, Copies]]:
    """The default folder of a store, and the copies in it. OSError: it cannot be read, or is not there."""
    aside = os.open(default_folder(store), trees.DIRECTORY)
    try:
        yield aside, copies(listing(aside))
    finally:
        os.close(aside)


def waiting(store: str) -> int:
    """How many implementations wait in the default folder of a store. OSError: it cannot be read."""
    try:
        with opened(store) as (_aside, found):
            return sum(map(len, found.values()))
    except FileNotFoundError:
        return 0


def check(request: Request) -> None:
    """Failure unless the paths and names are such as may be worked on. Nothing is looked at."""
    _names.check_store_path(request.store, "path")
    problem = _names.folder_problem(request.folder.rstrip("/") or "/")
    if problem and request.folder != default_folder(request.store):
        raise Failure(f"folder '{request.folder}' {problem}.")
    for name in request.names:
        if "/" in name or "\0" in name or not manifests.claims_to_be_name(name):
            raise Failure(
                f"{name!r} is not the name of an implementation: it must begin with sha1=, sha1new=, sha256= or"
                " sha256new_ and have no '/' in it. Correct names."
            )
    inner, outer = os.path.realpath(request.folder), os.path.realpath(request.store)
    if (inner + "/").startswith(outer + "/"):
        raise _in_the_store(request.folder)


def _in_the_store(folder: str) -> Failure:
    return Failure(
        f"The folder {folder} lies in the store, where it would be shared with the store. Choose one outside of it."
    )


def run(request: Request, moved: list[dict[str, str]], dry: bool = False) -> list[Left]:
    """Move what is not yet where it is wanted, or with ``dry`` only see what that is, and add it to ``moved``.

    Each name is moved or not by itself; those that could not be are returned. Failure: nothing can be moved.
    """
    check(request)
    with contextlib.ExitStack() as stack:
        store = judging.open_store(request.store).fd
        stack.callback(os.close, store)
        entries = os.listdir(store)  # before the folder is opened: what another run moves away meanwhile is in it
        aside = _open_folder(request.folder, store)
        if aside is not None:
            stack.callback(os.close, aside)
        if aside is None or dry:
            planned = plan(request, entries, {} if aside is None else copies(listing(aside)), _longest(store))
            if dry or not planned.moves:
                moved += [_report(request, move) for move in planned.moves]
                return planned.left
            aside = _open_folder(request.folder, store, make=True)
            if aside is None:
                raise Failure(f"The folder {request.folder} was removed by somebody else while it was made. Run again.")
            stack.callback(os.close, aside)
        stack.enter_context(replacing.locked(f"{request.folder}/{LOCK}", within=aside))
        stack.callback(_to_disk, store, aside)
        return _carry_out(request, store, aside, moved)


def _carry_out(request: Request, store: int, aside: int, moved: list[dict[str, str]]) -> list[Left]:
    planned = plan(request, os.listdir(store), copies(listing(aside)), _longest(aside))
    left = list(planned.left)
    for move in planned.moves:
        try:
            _move(move, store, aside, request.restore)
        except OSError as error:
            left.append(Left(judging.shown(move.inside), f"{error.strerror or error}. It is where it was."))
        else:
            moved.append(_report(request, move))
    return left


def plan(request: Request, entries: Sequence[str], aside: Copies, longest: int = LONGEST) -> Plan:
    """What is to be moved and what cannot be, given what is in the store and in the folder. Pure."""
    inside = {name for name in entries if manifests.claims_to_be_name(name)}
    names = _by_shown(itertools.chain(inside, aside))
    moves: dict[str, Move] = {}
    left: list[Left] = []
    for given in dict.fromkeys(request.names):
        name = names.get(given, given)
        numbers = aside.get(name, {})
        if name not in inside and not numbers:
            left.append(Left(_plain(given), f"Neither the store {request.store} nor {request.folder} has it."))
        elif not request.restore and name in inside:
            moves[name] = Move(name, entry(name, max(numbers) + 1 if numbers else 0, longest))
        elif request.restore and numbers and name in inside:
            left.append(
                Left(
                    _plain(given),
                    f"The store {request.store} already has it, so what is in {request.folder} cannot go back there."
                    " Leave it out, or first quarantine what the store has.",
                )
            )
        elif request.restore and numbers:
            moves[name] = Move(name, numbers[max(numbers)])
    return Plan(list(moves.values()), left)


def _by_shown(names: Iterable[str]) -> dict[str, str]:
    """Names by their readable form, as reports have it: each has one of its own."""
    return {judging.shown(name): name for name in names}


def _plain(given: str) -> str:
    """A name as it was given, for people."""
    return given if given.isprintable() else judging.shown(given)


def listing(aside: int) -> Iterator[str]:
    """The entries of the folder and of its shelves."""
    for name in os.listdir(aside):
        if not _SHELF.match(name):
            yield name
            continue
        with contextlib.suppress(OSError), _shelf(aside, name, make=False) as shelf:
            yield from [f"{name}/{each}" for each in os.listdir(shelf)]


@contextlib.contextmanager
def _shelf(aside: int, name: str, make: bool) -> Iterator[int]:
    """A shelf of the folder, open; the folder itself where there is no name."""
    if not name:
        yield aside
        return
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=aside)
    shelf = os.open(name, trees.DIRECTORY, dir_fd=aside)
    try:
        yield shelf
    finally:
        os.close(shelf)


def _longest(folder: int) -> int:
    """Bytes that a name in a folder may have."""
    try:
        return min(LONGEST, os.fstatvfs(folder).f_namemax or LONGEST)
    except OSError:
        return LONGEST


def _report(request: Request, move: Move) -> dict[str, str]:
    inside, aside = f"{request.store}/{judging.shown(move.inside)}", f"{request.folder}/{judging.shown(move.aside)}"
    source, target = (aside, inside) if request.restore else (inside, aside)
    return {"name": judging.shown(move.inside), "from": source, "to": target}


def _open_folder(path: str, store: int, make: bool = False) -> int | None:
    """A file descriptor of the folder, None if it is not there and not to be made.

    Failure: it is not one that this user alone can change, it is in the store, or on another file system.
    """
    parent, name = os.path.split(path.rstrip("/"))
    try:
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(f"{parent}, which is to hold the folder {name}: {error.strerror}. Correct folder.") from error
    try:
        _check_file_system(path, above, store)
        _check_place(path, above, store)
        if make:
            _make_folder(path, name, above)
        descriptor = os.open(name, trees.DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(_why_not_opened(path, error)) from error
    finally:
        os.close(above)
    try:
        _check_folder(path, descriptor, store)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_folder(path: str, name: str, above: int) -> None:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
    except OSError as error:
        raise Failure(
            f"The folder {path} cannot be made: {error.strerror}. Run as root, or as the store's owner."
        ) from error


def _check_folder(path: str, descriptor: int, store: int) -> None:
    found = os.fstat(descriptor)
    if found.st_uid not in (0, os.geteuid()):
        raise Failure(
            f"The folder {path} belongs to user {found.st_uid}, who could change what is in it."
            " Move it away, or choose another folder."
        )
    if found.st_mode & 0o022:
        raise Failure(
            f"The folder {path} has the mode {stat.S_IMODE(found.st_mode):04o}: others could change what is in it."
            " Set it to 0700."
        )
    _check_file_system(path, descriptor, store)


def _check_place(path: str, above: int, store: int) -> None:
    """Failure if this open directory is the store, or in it, wherever its path leads by now."""
    wanted = os.fstat(store)
    at = os.dup(above)
    try:
        found = os.fstat(at)
        while not os.path.samestat(found, wanted):
            higher = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at, below = higher, found
            found = os.fstat(at)
            if os.path.samestat(found, below):
                return
        raise _in_the_store(path)
    except PermissionError:
        return  # a folder above that this user may not search
    finally:
        os.close(at)


def _check_file_system(path: str, descriptor: int, store: int) -> None:
    if os.fstat(descriptor).st_dev != os.fstat(store).st_dev:
        raise Failure(
            f"The folder {path} is on another file system than the store, so nothing can be moved there at once and"
            " whole. Nothing was moved. Choose a folder on the store's file system."
        )


def _why_not_opened(path: str, error: OSError) -> str:
    if os.path.islink(path):
        return f"The folder {path} is a symbolic link, which is not followed. Put a folder there, or choose another."
    if os.path.lexists(path) and not os.path.isdir(path):
        return f"{path} is no folder. Move it away, or choose another folder."
    return f"The folder {path} cannot be used: {error.strerror}. Run as root, or as the store's owner."


def _to_disk(*folders: int) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            os.fsync(folder)


def _move(move: Move, store: int, aside: int, restore: bool) -> None:
    """Make one move. OSError: it was not made."""
    shelf, _on_shelf, name = move.aside.rpartition("/")
    with _shelf(aside, shelf, make=not restore) as folder:
        source, target = (move.inside, store), (name, folder)
        if restore:
            source, target = target, source
        with _movable(*source):
            replacing.rename_new(*source, *target)
        if shelf:
            _to_disk(folder)
    if shelf and restore:
        with contextlib.suppress(OSError):
            os.rmdir(shelf, dir_fd=aside)


@contextlib.contextmanager
def _movable(name: str, folder: int) -> Iterator[None]:
    """Without root, a directory can go to another folder only while its owner may write it."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError:
        yield
        return
    try:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        if os.geteuid() == 0 or found.st_uid != os.geteuid() or mode & stat.S_IWUSR:
            yield
            return
        itself = f"/proc/self/fd/{descriptor}"
        os.chmod(itself, mode | stat.S_IWUSR)
        try:
            yield
        finally:
            os.chmod(itself, mode)
    finally:
        os.close(descriptor)
