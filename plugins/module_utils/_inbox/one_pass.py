# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking implementations from guests that may be hostile into a store: one pass over all their boxes.

A request is copied to where no guest reaches it and unpacked there, in a process of its own with limits. The host makes
the manifest of what was unpacked. If that is what the request's name says, it is written to disk, and appears in the
store by one rename. Whenever the pass is killed, the store has whole implementations, and the next pass goes on.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import json
import os
import pwd
import resource
import secrets
import sys
import time
import traceback
from typing import Any, Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing, replacing, utc
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import (
    extracting,
    free_room,
    guest_boxes,
    origins,
    turn_taking,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extract_process import (
    Unpacking,
    trouble,
    unpack_all,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.guest_boxes import Box, Request, Sweep
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, trees, verified_before

BOXES = "/var/lib/zeroinstall.virtualbox/boxes"
TEMPORARY = "tmp-import-"
"""How the names begin that an implementation has in the store before it has its own."""
BATCH = 32
"""Requests that are written to disk together."""
BATCH_SIZE = 1 << 30
"""Bytes of archives that are written to disk together, if they are of more than one request."""
MOST_ANSWERS = 1000
"""Requests of a box after which a pass begins with no more of them, so that it ends whatever a guest does."""
MOST_SECONDS = 600.0
"""Seconds after which a pass begins with no more requests, so that the next one sees which boxes there are."""
LONGEST_REASON = 300
"""Characters of an answer's reason that are told, to the guest and to whoever runs the pass."""
MOST_WARNINGS = 100
"""Warnings of a pass that are told."""
_PATIENCE = 60.0


class Options(NamedTuple):
    """What to do: a store, the folder of the boxes, limits, and so many processes that unpack (0: one a processor)."""

    store: str
    boxes: str
    limits: Limits = Limits()
    workers: int = 0


class Answer(NamedTuple):
    """What was answered. ``status`` is ``added``, ``present`` or ``refused``; in a dry run ``waiting``, too."""

    box: str
    digest: str
    status: str
    reason: str = ""
    id: str = ""


class Result(NamedTuple):
    """What a pass leaves: warnings, how many things that did not belong into a box were removed, what is left."""

    warnings: list[str]
    removed: int = 0
    left: int = 0


def check(options: Options) -> None:
    """Failure unless the options are such as can be worked with. Nothing is looked at."""
    _names.check_store_path(options.store, "store")
    if not _names.is_absolute(options.boxes):
        raise Failure(f"boxes '{options.boxes}' is not absolute: write it from '/' on.")
    if options.workers < 0:
        raise Failure(f"workers is {options.workers}: it cannot be less than 0.")
    for name, value in options.limits._asdict().items():
        least = 0 if name.startswith("keep_free") else 1
        if value < least:
            raise Failure(f"{name} is {value}: it cannot be less than {least}.")
    if options.limits.max_depth > extracting.DEEPEST:
        raise Failure(f"max_depth is {options.limits.max_depth}: it cannot be more than {extracting.DEEPEST}.")


def run(options: Options, tell: Callable[[Answer], None], dry: bool = False) -> Result:
    """Answer all requests until none is waiting, or with ``dry`` only say what is known of those that wait.

    Nothing in a box ends it: a request whose handling fails, in whatever way, is refused, and the others are answered.
    ``tell`` is called with each answer once it is given. As root, the work is done as the store's owner.
    Failure: nothing, or nothing more, was done.
    """
    check(options)
    store = judging.open_store(options.store)
    try:
        owner = os.fstat(store.fd)
        user = os.geteuid()
        if user not in (0, owner.st_uid):
            raise Failure(
                f"The store {options.store} belongs to user {owner.st_uid}, and this is user {user}. Run as root, or as"
                " the store's owner."
            )
        if not dry:
            _make_staging(options.store, owner)
        if user == 0 and owner.st_uid != 0:
            return _as_user(owner, lambda say: _run(options, store, say, dry), tell)
        return _run(options, store, tell, dry)
    finally:
        os.close(store.fd)


def _make_staging(store: str, owner: os.stat_result) -> None:
    """Make the folder beside the store if it is missing. Failure: it cannot be made."""
    path = origins.staging_folder(store)
    if os.path.lexists(path):
        return
    try:
        os.mkdir(path, 0o700)
        if os.geteuid() != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except OSError as error:
        raise Failure(
            f"The folder {path} cannot be made: {error.strerror}. Make it as root, with the owner of the store and the"
            " mode 0700."
        ) from error


def _run(options: Options, store: judging.Open, tell: Callable[[Answer], None], dry: bool) -> Result:
    warnings: list[str] = []
    _allow_many_boxes()
    boxes = guest_boxes.open_boxes(options.boxes, warnings)
    try:
        if dry:
            sweeps = {box: _sweep(box, warnings) for box in boxes}
            for box, found in sweeps.items():
                for name in found.requests:
                    tell(_outlook(Request.of(box, name), store, options.limits))
            return Result(warnings, sum(map(_to_be_removed, sweeps.values())))
        free_room.read_and_write_last()
        path = origins.staging_folder(options.store)
        with contextlib.ExitStack() as stack:
            staging = _open_staging(path, store)
            stack.callback(os.close, staging)
            stack.enter_context(replacing.locked(path, _PATIENCE, "The folder", folder=True))
            return _Pass(options, store, staging, boxes, tell).run(warnings)
    finally:
        for box in boxes:
            os.close(box.fd)


def _allow_many_boxes() -> None:
    """Have as many files open as the system lets this process: each box is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _open_staging(path: str, store: judging.Open) -> int:
    """A file descriptor of the folder beside the store. Failure: it is not one that this user alone can reach."""
    try:
        staging = os.open(path, trees.DIRECTORY)
    except OSError as error:
        raise Failure(
            f"The folder {path} cannot be opened: {error.strerror}. It must be a folder of the store's owner with the"
            " mode 0700. Correct it, or move it away."
        ) from error
    found = os.fstat(staging)
    if found.st_uid == os.geteuid() and not found.st_mode & 0o077 and found.st_dev == os.fstat(store.fd).st_dev:
        return staging
    os.close(staging)
    raise Failure(
        f"The folder {path} must belong to user {os.geteuid()}, have the mode 0700, and be on the file system of the"
        " store. Correct it, or move it away."
    )


def _to_be_removed(found: Sweep) -> int:
    """How many old things a pass will remove, as far as their names tell: an earlier one could not remove junk."""
    return sum(not name.endswith(guest_boxes.JUNK) for name in found.old)


def _sweep(box: Box, warnings: list[str]) -> Sweep:
    """What is in a box; nothing, with a warning, where it cannot be looked through."""
    try:
        return guest_boxes.sweep(box)
    except Exception as error:
        _warn(warnings, f"The box {box.name!a} cannot be looked through. {trouble(error)}")
        return Sweep([], [])


def _warn(warnings: list[str], text: str) -> None:
    if text not in warnings and len(warnings) < MOST_WARNINGS:
        warnings.append(text)


def _outlook(request: Request, store: judging.Open, limits: Limits) -> Answer:
    """What is known of a request without reading it."""
    try:
        algorithm = request.algorithm
        if _has(store, request.digest):
            return _said(request, "present")
        os.close(guest_boxes.open_request(request, limits))
    except Refused as refusal:
        return _said(request, "refused", str(refusal))
    except OSError as error:
        return _said(request, "refused", _unopened(error))
    except Exception as error:
        return _said(request, "refused", trouble(error))
    return _said(request, "waiting", f"It will be added if its {algorithm.name} digest is what its name says.")


def _said(request: Request, status: str, reason: str = "") -> Answer:
    box, digest = request.box.name, request.digest[:100]
    reason = _short(reason)
    try:
        return Answer(judging.shown(box), judging.shown(digest), status, reason, request.id)
    except Exception:
        return Answer(ascii(box)[1:-1], ascii(digest)[1:-1], status, reason, request.id)


def _refusal(said: Answer) -> origins.Refusal:
    """What is noted of an answer that refuses."""
    reason = said.reason if said.reason.isprintable() else ascii(said.reason)[1:-1]
    return origins.Refusal(said.box, said.digest, reason, utc.now())


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[:LONGEST_REASON] + "\u2026"


def _has(store: judging.Open, name: str) -> bool:
    try:
        os.stat(name, dir_fd=store.fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unopened(error: OSError) -> str:
    return f"Its archive cannot be opened: {error.strerror}."


class _Pass:
    """One pass, by the only process that may write the folder beside the store."""

    def __init__(
        self, options: Options, store: judging.Open, staging: int, boxes: list[Box], tell: Callable[[Answer], None]
    ) -> None:
        self._options = options
        self._limits = options.limits
        self._workers = options.workers or len(os.sched_getaffinity(0))
        self._store = store
        self._staging = staging
        self._boxes = {box.name: box for box in boxes}
        self._tell = tell
        self._settled: set[tuple[str, str]] = set()
        self._alone: set[tuple[str, str]] = set()
        self._answers = dict.fromkeys(self._boxes, 0)
        self._removed = 0
        self._budgets = {name: removing.Budget(guest_boxes.BUDGET) for name in self._boxes}
        self._left_room = free_room.Room(staging, options.limits, self._workers)
        self._turns = turn_taking.Turns.for_size(options.limits.max_size)
        self._warnings: list[str] = []

    def run(self, warnings: list[str]) -> Result:
        """Do it."""
        self._warnings = warnings
        end = time.monotonic() + MOST_SECONDS
        self._turns.load(self._staging)
        self._clean()
        self._try(origins.compact, self._staging, self._store.fd, self._options.store, self._fits)
        self._tidy()
        while True:
            waiting = self._waiting()
            if not any(waiting.values()):
                break
            self._refuse_surplus(waiting)
            self._answer(waiting)
            if time.monotonic() >= end:
                break
        if any(self._answers.values()):
            self._save_turns()
        return Result(warnings, self._removed, sum(map(self._left, self._boxes.values())))

    def _left(self, box: Box) -> int:
        """How many requests are left in a box. Names that were not looked at count as one: there may be requests."""
        found = _sweep(box, self._warnings)
        if found.more:
            most = 2 * guest_boxes.MOST_NAMES
            text = f"The box {box.name!a} has more than {most} names, which are all that are looked at. What its guest"
            _warn(self._warnings, f"{text} sends may not be found among them: remove what is in the box, as root.")
        return len(found.requests) + found.more

    def _waiting(self) -> dict[str, list[Request]]:
        """The requests of each box that are to be answered."""
        found = {}
        for name, box in self._boxes.items():
            requests = [Request.of(box, request) for request in _sweep(box, self._warnings).requests]
            found[name] = [request for request in requests if self._has_turn(request)]
        return found

    def _has_turn(self, request: Request) -> bool:
        """Whether a request is to be answered still: one that cannot be removed, or is put back, has been."""
        box = request.box.name
        return self._answers[box] < MOST_ANSWERS and (box, request.name) not in self._settled

    def _clean(self) -> None:
        """Remove what a pass left that was killed."""
        for name in os.listdir(self._staging):
            if not (turn_taking.is_kept(name, self._staging) or origins.is_kept(name, self._staging)):
                self._try(removing.remove, name, self._staging)
        for name in os.listdir(self._store.fd):
            if name.startswith(TEMPORARY):
                self._try(removing.remove, name, self._store.fd)

    def _tidy(self) -> None:
        """Remove what does not belong into boxes any more."""
        for box in self._boxes.values():
            self._removed += sum(self._discard(box, name) for name in _sweep(box, self._warnings).old)

    def _discard(self, box: Box, name: str) -> bool:
        """Remove something from a box, or move it out of the way; whether it was removed."""
        return bool(self._try(guest_boxes.discard, box, name, self._budgets[box.name]))

    def _try(self, do: Callable[..., object], *arguments: Any) -> object:
        """Do something that others do not have to wait for if it fails, in whatever way; what it returned, or None."""
        try:
            return do(*arguments)
        except FileNotFoundError:
            pass
        except Exception as error:
            _warn(self._warnings, trouble(error))
        return None

    def _refuse_surplus(self, waiting: dict[str, list[Request]]) -> None:
        most = self._limits.max_waiting
        for requests in waiting.values():
            for request in requests[most:]:
                if self._has_turn(request):
                    self._settle(request, "refused", f"More than {most} requests are waiting. Try again later.")
            del requests[most:]

    def _settle(self, request: Request, status: str, reason: str = "") -> None:
        """Answer, and only then remove the request: a pass that is killed in between answers it once more."""
        self._settled.add((request.box.name, request.name))
        self._answers[request.box.name] += 1
        self._try(guest_boxes.answer, request, status, _short(reason))
        self._discard(request.box, request.name)
        said = _said(request, status, reason)
        if status == "refused" and self._fits(free_room.RENAME):
            origins.note_refusal(self._staging, _refusal(said))
        self._tell(said)

    def _answer(self, waiting: dict[str, list[Request]]) -> None:
        """Answer the first of these requests, as many as are written to disk together."""
        chosen: list[tuple[Unpacking, turn_taking.Place]] = []
        try:
            self._choose(waiting, chosen)
            self._save_turns()
            self._add([unpacking for unpacking, _place in chosen])
            for unpacking, place in reversed(chosen):
                if not unpacking.begun:
                    self._turns.give_back(unpacking.request.box.name, place)
        finally:
            for unpacking, _place in chosen:
                os.close(unpacking.archive)

    def _fits(self, size: int) -> bool:
        """Whether a file may grow by so many bytes now."""
        return not self._left_room.lack(size, free_room.INODES)

    def _save_turns(self) -> None:
        if self._fits(free_room.STEP):
            self._turns.save(self._staging, self._boxes)

    def _choose(self, waiting: dict[str, list[Request]], chosen: list[tuple[Unpacking, turn_taking.Place]]) -> None:
        """Choose those to be unpacked, as their boxes take turns, and answer others that come before them."""
        digests: set[str] = set()
        queues = {box: iter(requests) for box, requests in waiting.items() if requests}
        size = 0
        while queues and len(chosen) < BATCH:
            box = self._turns.first(queues)
            request = next(queues[box], None)
            if request is None:
                del queues[box]
                continue
            if request.digest in digests or not self._has_turn(request):
                continue  # it will be there in the next batch
            alone = (box, request.name) in self._alone
            if alone and chosen:
                return
            unpacking = self._open(request)
            if unpacking is None:
                self._turns.charge(box, 0)
                continue
            size += unpacking.size
            if chosen and (size > BATCH_SIZE or not self._room(size)):
                os.close(unpacking.archive)
                return
            chosen.append((unpacking, self._turns.charge(box, unpacking.size)))
            digests.add(request.digest)
            if alone:
                return

    def _open(self, request: Request) -> Unpacking | None:
        """A request that has to be unpacked; others are answered."""
        try:
            found = self._looked_at(request)
        except Refused as refusal:
            found = "refused", str(refusal)
        except OSError as error:
            found = "refused", _unopened(error)
        except Exception as error:
            found = "refused", trouble(error)
        if isinstance(found, Unpacking):
            return found
        self._settle(request, *found)
        return None

    def _looked_at(self, request: Request) -> Unpacking | tuple[str, str]:
        """A request that has to be unpacked, or its answer's status and reason."""
        algorithm = request.algorithm
        if _has(self._store, request.digest):
            return "present", ""
        archive = guest_boxes.open_request(request, self._limits)
        try:
            name = secrets.token_hex(8)
            unpacking = Unpacking(request, algorithm, archive, name, self._staging, self._limits, self._left_room)
            if self._room(unpacking.size):
                return unpacking
            reason = self._left_room.lack_for(unpacking.size) or free_room.NO_ROOM
        except BaseException:
            os.close(archive)
            raise
        os.close(archive)
        return "refused", reason

    def _room(self, size: int) -> bool:
        """Whether archives of so many bytes can be copied and unpacked, as far as their size tells."""
        return not self._left_room.lack_for(size)

    def _add(self, chosen: list[Unpacking]) -> None:
        """Unpack these requests, add what is right, and answer those that were begun with."""
        unpack_all(chosen, self._workers)
        chosen = [unpacking for unpacking in chosen if unpacking.begun]
        noted = self._note_origins([unpacking for unpacking in chosen if not unpacking.refused])
        if any(not unpacking.refused for unpacking in chosen) and not verified_before.write_back(self._staging):
            os.sync()
        outcomes = [(unpacking.request, *self._outcome(unpacking)) for unpacking in chosen]
        stayed_out = {request.digest for request, status, _reason in outcomes if status != "added"} & noted
        if stayed_out:
            self._try(origins.take_back, self._staging, stayed_out, utc.now())
        failed = ""
        if any(status == "added" for _request, status, _reason in outcomes):
            try:
                os.fsync(self._store.fd)
            except OSError as error:
                failed = trouble(error)
        for request, status, reason in outcomes:
            if status == "added" and failed:
                status, reason = "refused", failed
            if len(chosen) == 1 or not self._is_put_off(request, reason):
                self._settle(request, status, reason)

    def _note_origins(self, right: list[Unpacking]) -> set[str]:
        """Note where these come from, before they can be in the store, or refuse them all; the digests."""
        if not right:
            return set()
        try:
            boxes = {unpacking.request.digest: judging.shown(unpacking.request.box.name) for unpacking in right}
            reason = self._left_room.lack(free_room.RENAME, free_room.INODES)
            if not reason:
                origins.note(self._staging, boxes, utc.now())
                return set(boxes)
        except OSError as error:
            reason = f"The host cannot note from which guest it comes: {error.strerror or error}."
        except Exception as error:
            reason = trouble(error)
        for unpacking in right:
            unpacking.refused = reason
        return set()

    def _is_put_off(self, request: Request, reason: str) -> bool:
        """Whether a request is tried once more, by itself: others of its batch may have taken the room it lacked."""
        key = (request.box.name, request.name)
        if reason not in (free_room.NO_ROOM, free_room.NO_INODES) or key in self._alone:
            return False
        self._alone.add(key)
        return True

    def _outcome(self, unpacking: Unpacking) -> tuple[str, str]:
        """Move what is right into the store, and remove what is not; the answer's status and reason."""
        status, reason = "refused", unpacking.refused or self._left_room.lack(free_room.RENAME)
        if not reason:
            try:
                status, reason = self._move_in(unpacking)
            except Exception as error:
                reason = trouble(error)
                self._try(removing.remove, TEMPORARY + unpacking.name, self._store.fd)
        if status != "added":
            self._try(removing.remove, unpacking.name, self._staging)
        return status, reason

    def _move_in(self, unpacking: Unpacking) -> tuple[str, str]:
        """Move what was unpacked into the store; the answer's status and reason."""
        # Its mode can be that of an implementation only there: who may not write a directory cannot move it elsewhere.
        temporary = TEMPORARY + unpacking.name
        store, digest = self._store.fd, unpacking.request.digest
        try:
            replacing.rename_new(unpacking.name, self._staging, temporary, store)
        except OSError as error:
            return "refused", f"It cannot be moved to the host's store: {error.strerror}."
        try:
            os.chmod(temporary, 0o555, dir_fd=store)
            replacing.rename_new(temporary, store, digest, store)
        except OSError as error:
            removing.remove(temporary, store)
            if _has(self._store, digest):
                return "present", ""
            return "refused", f"It cannot be added to the host's store: {error.strerror}."
        return "added", ""


def _as_user(
    owner: os.stat_result, work: Callable[[Callable[[Answer], None]], Result], tell: Callable[[Answer], None]
) -> Result:
    """Do the work in a process of the store's owner, with no rights of root's."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                _become(owner)
                _reported(work, pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(writing)
    result = None
    failure = ""
    with os.fdopen(reading, encoding="utf-8") as pipe:
        for line in pipe:
            kind, value = json.loads(line)
            if kind == "answer":
                tell(Answer(*value))
            elif kind == "failure":
                failure = value
            else:
                result = Result(*value)
    os.waitpid(child, 0)
    if result is None:
        raise Failure(failure or "The process that imported ended unexpectedly. See what it printed, and run again.")
    return result


def _become(owner: os.stat_result) -> None:
    for module in ("ctypes", "tempfile"):  # needed later, when this user may not read where they are
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    codecs.lookup("unicode_escape")  # so does showing a name
    try:
        group = pwd.getpwuid(owner.st_uid).pw_gid
    except KeyError:
        group = owner.st_gid
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


def _reported(work: Callable[[Callable[[Answer], None]], Result], pipe: Any) -> None:
    def say(kind: str, value: Any) -> None:
        pipe.write(json.dumps([kind, value]) + "\n")
        pipe.flush()

    try:
        say("result", work(lambda answer: say("answer", answer)))
    except Failure as failure:
        say("failure", str(failure))
