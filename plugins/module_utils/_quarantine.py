# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moving implementations out of a store and back, each by one rename, so that nothing is ever half moved or lost.

Whoever can write the store may change it meanwhile: everything goes through open folders, and no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _files, _manifest, _names, _store, _tree
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

SUFFIX = ".quarantine"
"""What the default folder's name has after that of the store."""
LOCK = ".lock"
"""File in the folder. It is no name of an implementation."""
_COPY = re.compile(r"(?s)(.*)\.(0|[1-9][0-9]*)\Z")


class Request(NamedTuple):
    """What is wanted: these names of a store be in the folder, or with ``restore`` back in the store."""

    store: str
    names: Sequence[str]
    folder: str
    restore: bool = False


class Move(NamedTuple):
    """One implementation: its entry in the store and its entry in the folder."""

    inside: str
    aside: str


def default_folder(store: str) -> str:
    """The folder beside a store."""
    return store + SUFFIX


def entry(name: str, number: int) -> str:
    """What a name's copy is called in the folder: the first as the name, unless that looks like a numbered copy."""
    return name if number == 0 and not _COPY.match(name) else f"{name}.{number}"


def copies(name: str, listing: Sequence[str]) -> list[int]:
    """The numbers of a name's copies among a folder's entries, in ascending order."""
    numbers = [0] if entry(name, 0) in listing else []
    for other in listing:
        match = _COPY.match(other)
        if match and match.group(1) == name and match.group(2) != "0":
            numbers.append(int(match.group(2)))
    return sorted(numbers)


def check(request: Request) -> None:
    """Failure unless the paths and names are such as may be worked on. Nothing is looked at."""
    _names.check_store_path(request.store, "path")
    if not request.folder.startswith("/"):
        raise Failure(f"'{request.folder}' is not an absolute path. Correct folder.")
    for name in request.names:
        if "/" in name or "\0" in name or not _manifest.claims_to_be_name(name):
            raise Failure(
                f"{name!r} is not the name of an implementation: it must begin with sha1=, sha1new=, sha256= or"
                " sha256new_ and have no '/' in it. Correct names."
            )
    inner, outer = os.path.realpath(request.folder), os.path.realpath(request.store)
    if (inner + "/").startswith(outer + "/"):
        raise Failure(
            f"The folder {request.folder} lies in the store {request.store}, where it would be shared with the store."
            " Choose one outside of it."
        )


def run(request: Request, moved: list[dict[str, str]], dry: bool = False) -> None:
    """Move what is not yet where it is wanted, or with ``dry`` only see what that is, and add it to ``moved``.

    Failure: what is in ``moved`` was moved, and nothing else.
    """
    check(request)
    with contextlib.ExitStack() as stack:
        store = _store.open_store(request.store).fd
        stack.callback(os.close, store)
        entries = os.listdir(store)  # before the folder is opened: what another run moves away meanwhile is in it
        aside = _open_folder(request.folder, store)
        if aside is not None:
            stack.callback(os.close, aside)
        if aside is None or dry:
            planned = plan(request, entries, [] if aside is None else os.listdir(aside))
            if dry or not planned:
                moved += [_report(request, move) for move in planned]
                return
            aside = _make_folder(request.folder, store)
            stack.callback(os.close, aside)
        stack.enter_context(_files.locked(f"{request.folder}/{LOCK}"))
        stack.callback(_to_disk, store, aside)
        for move in plan(request, os.listdir(store), os.listdir(aside)):
            _carry_out(request, move, store, aside)
            moved.append(_report(request, move))


def plan(request: Request, entries: Sequence[str], aside: Sequence[str]) -> list[Move]:
    """The moves that are to be made, given what is in the store and in the folder. Pure.

    Failure: they cannot all be made.
    """
    inside = [name for name in entries if _manifest.claims_to_be_name(name)]
    moves, missing, twice = [], [], []
    for given in dict.fromkeys(request.names):
        name = _real_name(given, inside, aside)
        numbers = copies(name, aside)
        if request.restore:
            if name in inside and numbers:
                twice.append(given)
            elif numbers:
                moves.append(Move(name, entry(name, numbers[-1])))
        elif name in inside:
            moves.append(Move(name, entry(name, numbers[-1] + 1 if numbers else 0)))
        if name not in inside and not numbers:
            missing.append(given)
    if missing:
        raise Failure(
            f"Neither the store {request.store} nor {request.folder} has {_listed(missing)}. Nothing was moved."
            " Correct names."
        )
    if twice:
        raise Failure(
            f"The store {request.store} already has {_listed(twice)}, so what is in {request.folder} cannot go back"
            " there. Nothing was moved. Leave these names out, or first quarantine what the store has."
        )
    return moves


def _real_name(given: str, inside: Sequence[str], aside: Sequence[str]) -> str:
    """The name itself where a report's readable form of it was given."""
    if given in inside or copies(given, aside):
        return given
    stems = [*inside, *aside, *(match.group(1) for match in map(_COPY.match, aside) if match)]
    found = {name for name in stems if _store.shown(name) == given}
    return found.pop() if len(found) == 1 else given


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(_store.shown, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _report(request: Request, move: Move) -> dict[str, str]:
    inside, aside = f"{request.store}/{_store.shown(move.inside)}", f"{request.folder}/{_store.shown(move.aside)}"
    source, target = (aside, inside) if request.restore else (inside, aside)
    return {"name": _store.shown(move.inside), "from": source, "to": target}


def _open_folder(path: str, store: int) -> int | None:
    """A file descriptor of the folder, None if it is not there.

    Failure: it is not one that this user alone can change, or it is on another file system than the store.
    """
    parent, name = os.path.split(path.rstrip("/"))
    try:
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(f"{parent}, which is to hold the folder {name}: {error.strerror}. Correct folder.") from error
    try:
        descriptor = os.open(name, _tree.DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        _check_file_system(path, above, store)
        return None
    except OSError as error:
        raise Failure(_why_not_opened(path, error)) from error
    finally:
        os.close(above)
    try:
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
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_folder(path: str, store: int) -> int:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path.rstrip("/"), 0o700)
    except OSError as error:
        raise Failure(
            f"The folder {path} cannot be made: {error.strerror}. Run as root, or as the store's owner."
        ) from error
    descriptor = _open_folder(path, store)
    if descriptor is None:
        raise Failure(f"The folder {path} was removed by somebody else while it was made. Run again.")
    return descriptor


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


def _carry_out(request: Request, move: Move, store: int, aside: int) -> None:
    source, target = ((move.aside, aside), (move.inside, store))
    if not request.restore:
        source, target = ((move.inside, store), (move.aside, aside))
    try:
        with _movable(*source):
            _files.rename_new(*source, *target)
    except OSError as error:
        raise Failure(
            f"{_store.shown(move.inside)} of the store {request.store} could not be moved:"
            f" {error.strerror or error}. It is where it was."
        ) from error


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
