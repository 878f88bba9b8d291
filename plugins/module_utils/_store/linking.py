# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Linked stores: beside a store, stores of hard links to some of its implementations, each for one guest.

A file in a linked store is the very file of the store, so it takes no room of its own. An implementation is made beside
the linked store, and comes into it whole, by one rename. No link is followed, and nothing is opened but directories.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, removing, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, trees, verified_before

BUDGET = 1_000_000
"""Entries of an implementation beyond which it is not linked."""
TOLD = 5
"""Problems that a message names."""
_HALF_DONE = (".new-", ".gone-")
"""How the name of what is on its way begins. No guest's linked store has such a name."""
_BELOW = _names.STORE.strip("/").split("/")


class Wanted(NamedTuple):
    """A linked store that is to be there, with these implementations. ``exact``: and no others.

    ``coming``: those of them that the store will have when this is no check mode.
    """

    name: str
    implementations: tuple[str, ...]
    exact: bool
    coming: frozenset[str] = frozenset()


class Plan(NamedTuple):
    """What is to be done with a linked store.

    ``make``: it is not there, or not as it should be. ``surplus``: what is there and is not wanted. ``missing``: what
    is wanted, and neither there nor in the store. ``present``: what is there afterwards.
    """

    name: str
    make: bool
    add: list[str]
    remove: list[str]
    surplus: list[str]
    missing: list[str]
    present: list[str]

    @property
    def lines(self) -> tuple[str, str]:
        """What of it is there before, and what after, for a diff."""
        return (
            "".join(f"{self.name}/{one}\n" for one in self.remove),
            ("" if not self.make else f"{self.name}\n") + "".join(f"{self.name}/{one}\n" for one in self.add),
        )


class Places(NamedTuple):
    """The open directories of a linked store: itself, the one that it is in, and the one that has its name."""

    store: int
    beside: int
    folder: int


def run(asked: Asked) -> dict[str, Any]:
    """Make, fill and remove linked stores, or in check mode tell what would be done.

    The result has a ``msg`` where something could not be done. Failure: nothing was changed.
    """
    store, absent = asked.params["store"], asked.params["absent"]
    wanted = [
        Wanted(
            one["name"],
            tuple(one["implementations"]),
            one["exact"],
            frozenset(one["coming"] if asked.check_mode else ()),
        )
        for one in asked.params["stores"]
    ]
    _check(store, wanted, absent)
    folder = _names.linked_folder(store)
    try:
        return _run(asked.check_mode, store, folder, wanted, absent)
    except OSError as error:
        raise Failure(f"{error.filename or folder} cannot be used: {error.strerror}.") from error


def present(store: str) -> dict[str, frozenset[str]]:
    """The implementations in each linked store of a store, by its name. Failure: it cannot be looked at."""
    folder = _names.linked_folder(store)
    try:
        with _opened(folder) as top:
            return {name: frozenset(_listed(name, top)) for name in _there(top)}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Failure(f"{folder} cannot be looked at: {error.strerror}.") from error


def _listed(name: str, top: int) -> list[str]:
    """The implementations in a linked store; none where it is not there."""
    try:
        with _open_places(name, top) as places:
            return sorted(filter(manifests.is_name, os.listdir(places.store)))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _check(store: str, wanted: Sequence[Wanted], absent: Sequence[str]) -> None:
    _names.check_store_path(store, "store")
    names = [one.name for one in wanted]
    for name in [*names, *absent]:
        if not _names.is_box(name):
            raise Failure(f"'{name}' cannot name a linked store. Write the guest's name as the name of a box has it.")
    twice = sorted({name for name in names if names.count(name) > 1 or name in absent})
    if twice:
        raise Failure(f"The linked store '{twice[0]}' is listed twice. List it once, in stores or in absent.")
    for one in wanted:
        for name in one.implementations:
            if not manifests.is_name(name):
                raise Failure(f"{name!r} is not the name of an implementation. Correct implementations.")


def _run(check_mode: bool, store: str, folder: str, wanted: Sequence[Wanted], absent: Sequence[str]) -> dict[str, Any]:
    acts = not check_mode and (bool(wanted) or bool(absent))
    if not os.path.isdir(store) and not acts:  # as in check mode, on a host on which nothing was done yet
        return _answer(store, [_of_nothing(one) for one in wanted], [], [one.name for one in wanted], [])
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_opened(store))
        if wanted:
            _check_mount(store, source)
        top = stack.enter_context(_open_top(folder, make=acts and bool(wanted)))
        if acts and top >= 0:
            _check_folder(folder, top)
            stack.enter_context(replacing.locked(folder, what="The folder of linked stores", folder=True))
            _clear(top)
        there = _there(top)
        plans = [_plan(one, source, top) for one in wanted]
        gone = [name for name in absent if name in there]
        problems = _carry_out(plans, gone, source, top) if acts else []
        plans = [plan._replace(present=_listed(plan.name, top)) for plan in plans] if acts else plans
    left = [name for name in {*there, *(one.name for one in wanted)} if name not in gone]
    if acts and not left:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return _answer(store, plans, gone, left, problems)


def _check_mount(store: str, source: int) -> None:
    """Failure unless hard links can lead from beside a store to what is in it."""
    with _opened(os.path.dirname(store)) as above:
        if _mount_of(above) != _mount_of(source):
            raise Failure(
                f"{store} is a mount of its own, so no hard link beside it can lead into it. Mount the file system at"
                f" {os.path.dirname(store)} instead, or leave cache_guest_sees at store."
            )


def _mount_of(fd: int) -> tuple[int, int | None]:
    """The device of something open, and the number of its mount, as far as the kernel tells it."""
    return os.fstat(fd).st_dev, verified_before.mount_id(fd)


def _check_folder(folder: str, top: int) -> None:
    """Failure unless nobody else may have anything shared with guests by what is in a folder. Its mode is put right."""
    status = os.fstat(top)
    if status.st_uid != os.geteuid() or status.st_mode & inspecting.OTHERS_WRITE:
        raise Failure(
            f"{folder} belongs to user {status.st_uid} and has the mode {stat.S_IMODE(status.st_mode):04o}, but user"
            f" {os.geteuid()} makes linked stores in it, and nobody else may. Correct its owner and its mode."
        )
    os.fchmod(top, 0o755)


def _open_top(folder: str, make: bool) -> contextlib.AbstractContextManager[int]:
    """The folder of linked stores. Where there is none, and none is to be made, something that is empty.

    OSError: it cannot be opened, such as a link.
    """
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o755)
    elif not os.path.lexists(folder):
        return contextlib.nullcontext(-1)
    return _opened(folder)


@contextlib.contextmanager
def _opened(name: str, folder: int | None = None) -> Iterator[int]:
    fd = os.open(name, trees.DIRECTORY, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _open_places(name: str, top: int) -> Iterator[Places]:
    """A linked store. OSError: it is not there, or not what it should be."""
    with contextlib.ExitStack() as stack:
        fds = [top]
        for each in (name, *_BELOW):
            fds.append(stack.enter_context(_opened(each, fds[-1])))
        yield Places(*fds[:0:-1])


def _make(name: str, top: int, source: int) -> None:
    """Make an empty linked store, or give one that is there the owners and modes that it should have.

    OSError: something else has its name.
    """
    half_done = _HALF_DONE[0] + secrets.token_hex(8)
    if not _is_there(name, top):
        os.mkdir(half_done, 0o700, dir_fd=top)
        with _opened(half_done, top) as folder:
            os.mkdir(_BELOW[0], 0o700, dir_fd=folder)
            with _opened(_BELOW[0], folder) as beside:
                os.mkdir(_BELOW[1], 0o700, dir_fd=beside)
        try:
            os.rename(half_done, name, src_dir_fd=top, dst_dir_fd=top)
        except OSError:
            removing.remove(half_done, top)
            raise
    with _open_places(name, top) as places:
        os.fchmod(places.folder, 0o755)
        os.fchmod(places.beside, 0o755)
        _take_over(source, places.store)


def _is_right(places: Places, source: int) -> bool:
    """Whether a linked store's directories have the owners and modes that they should have."""
    wanted, found = os.fstat(source), os.fstat(places.store)
    modes = [stat.S_IMODE(os.fstat(fd).st_mode) for fd in (places.folder, places.beside)]
    return modes == [0o755, 0o755] and _rights(wanted) == _rights(found)


def _rights(status: os.stat_result) -> tuple[int, ...]:
    owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else ()
    return stat.S_IMODE(status.st_mode), *owner


def _there(top: int) -> list[str]:
    """The names of the linked stores in their folder, which is -1 where there is none."""
    return sorted(name for name in os.listdir(top) if _is_there(name, top)) if top >= 0 else []


def _is_there(name: str, top: int) -> bool:
    """Whether this is a linked store. OSError: it cannot be told."""
    if top < 0 or not _names.is_box(name):
        return False
    try:
        with _open_places(name, top):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def _clear(top: int) -> None:
    """Remove what a run that was killed has left half done."""
    _remove_half_done(top)
    for name in _there(top):
        with _open_places(name, top) as places:
            _remove_half_done(places.beside)


def _remove_half_done(folder: int) -> None:
    for name in os.listdir(folder):
        if name.startswith(_HALF_DONE):
            removing.remove(name, folder)


def _of_nothing(one: Wanted) -> Plan:
    """What is planned where there is no store yet."""
    add = [name for name in one.implementations if name in one.coming]
    missing = [name for name in one.implementations if name not in one.coming]
    return Plan(one.name, True, add, [], [], missing, add)


def _plan(one: Wanted, source: int, top: int) -> Plan:
    """What is to be done. OSError: what is at the place of the linked store cannot be looked at."""
    make = True
    before: list[str] = []
    add = [name for name in one.implementations if name in one.coming or _look(name, source)]
    if _is_there(one.name, top):
        with _open_places(one.name, top) as places:
            make = not _is_right(places, source)
            before = [name for name in os.listdir(places.store) if manifests.is_name(name)]
            add = [name for name in add if name not in before or _is_another(name, source, places.store)]
    surplus = sorted({*before} - {*one.implementations})
    missing = [name for name in one.implementations if name not in add and name not in before]
    remove = surplus if one.exact and not missing else []
    present = sorted({*before, *add} - {*remove})
    return Plan(one.name, make, add, remove, [name for name in surplus if name not in remove], missing, present)


def _look(name: str, folder: int) -> tuple[int, int, int] | None:
    """What tells copies of an implementation apart: its manifest, if any, and its mode. None: it is not there."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    try:
        manifest = os.stat(f"{name}/.manifest", dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0, status.st_mode
    return manifest.st_dev, manifest.st_ino, status.st_mode


def _is_another(name: str, source: int, target: int) -> bool:
    """Whether a store has another copy of an implementation than its linked store."""
    wanted = _look(name, source)
    return wanted is not None and wanted != _look(name, target)


def _carry_out(plans: Sequence[Plan], gone: Sequence[str], source: int, top: int) -> list[str]:
    """Bring linked stores to what is planned, and remove others; what could not be done."""
    problems = []
    for plan in plans:
        if plan.make:
            problems += _tried(_make, plan.name, "it could not be made", plan.name, top, source)
        try:
            with _open_places(plan.name, top) as places:
                for name in plan.add:
                    problems += _tried(_link, plan.name, f"{name} could not be linked", name, source, places)
                for name in plan.remove:
                    said = f"{name} could not be removed"
                    problems += _tried(_remove, plan.name, said, name, places.store, places.beside)
        except OSError as error:
            if not plan.make:
                problems.append(_problem(plan.name, "it could not be opened", error))
        problems += [f"linked store '{plan.name}': {name} is not in the store." for name in plan.missing]
    for name in gone:
        problems += _tried(_remove, name, "it could not be removed", name, top, top)
    return problems


def _tried(step: Callable[..., None], store: str, what: str, *arguments: Any) -> list[str]:
    """Do something with a linked store; why it could not be done."""
    try:
        step(*arguments)
    except OSError as error:
        return [_problem(store, what, error)]
    return []


def _problem(store: str, what: str, error: OSError) -> str:
    return f"linked store '{store}': {what}: {error.strerror or error}."


def _link(name: str, source: int, places: Places) -> None:
    """Make an implementation of hard links, and have it in the linked store. OSError: it was not done."""
    half_done = _HALF_DONE[0] + secrets.token_hex(8)
    os.mkdir(half_done, 0o700, dir_fd=places.beside)
    try:
        with _opened(name, source) as whole, _opened(half_done, places.beside) as links:
            _fill(whole, links, removing.Budget(BUDGET), removing.LEVELS)
            old = _take_out(name, places.store, places.beside)
            os.rename(half_done, name, src_dir_fd=places.beside, dst_dir_fd=places.store)
            _take_over(whole, links)
            if old:
                removing.remove(old, places.beside)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            removing.remove(half_done, places.beside)
        raise


def _fill(whole: int, links: int, budget: removing.Budget, levels: int) -> None:
    with os.scandir(whole) as entries:
        for entry in entries:
            budget.spend()
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if not levels:
                    raise OSError(errno.ENAMETOOLONG, "its directories are too deep")
                os.mkdir(name, 0o700, dir_fd=links)
                with _opened(name, whole) as below, _opened(name, links) as links_below:
                    _fill(below, links_below, budget, levels - 1)
                    _take_over(below, links_below)
            elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                os.link(name, name, src_dir_fd=whole, dst_dir_fd=links, follow_symlinks=False)
            else:
                raise OSError(errno.EINVAL, "something in it is no file, link or directory")


def _take_over(whole: int, links: int) -> None:
    """Give a directory of links the owner, the mode and the time of the one whose files it has."""
    status = os.fstat(whole)
    if os.geteuid() == 0:
        os.fchown(links, status.st_uid, status.st_gid)
    os.fchmod(links, stat.S_IMODE(status.st_mode))
    os.utime(links, ns=(status.st_atime_ns, status.st_mtime_ns))


def _remove(name: str, folder: int, beside: int) -> None:
    """Remove something, after it was moved out of its folder. OSError: it could not be done."""
    gone = _take_out(name, folder, beside)
    if gone:
        removing.remove(gone, beside)


def _take_out(name: str, folder: int, beside: int) -> str:
    """Move something out of a folder; its new name, or empty where it was not there. OSError: it could not be done."""
    gone = _HALF_DONE[1] + secrets.token_hex(8)
    try:
        with _opened(name, folder) as fd:  # a directory that its owner may not write cannot go to another one
            os.fchmod(fd, 0o700)
        os.rename(name, gone, src_dir_fd=folder, dst_dir_fd=beside)
    except FileNotFoundError:
        return ""
    return gone


def _answer(
    store: str, plans: Sequence[Plan], gone: Sequence[str], left: Sequence[str], problems: Sequence[str]
) -> dict[str, Any]:
    more = [f"And {len(problems) - TOLD} more."] if len(problems) > TOLD else []
    before, after = zip(*(plan.lines for plan in plans)) if plans else ((), ())
    return {
        "changed": bool(gone) or any(plan.make or plan.add or plan.remove for plan in plans),
        "stores": [
            {
                "name": plan.name,
                "added": plan.add,
                "removed": plan.remove,
                "surplus": plan.surplus,
                "missing": plan.missing,
                "present": plan.present,
            }
            for plan in plans
        ],
        "found": [{"name": name, "path": _names.linked_store(store, name)} for name in sorted(left)],
        "absent": list(gone),
        "paths": [store, *(_names.linked_store(store, name) for name in sorted(left))],
        **({"msg": " ".join([*problems[:TOLD], *more])} if problems else {}),
        "diff": {
            "before": "".join([*before, *(f"{name}\n" for name in gone)]),
            "after": "".join(after),
            "before_header": "linked stores",
            "after_header": "linked stores",
        },
    }
