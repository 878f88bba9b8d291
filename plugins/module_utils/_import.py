# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking implementations from guests that may be hostile into a store: one pass over all their boxes.

A request is copied to where no guest reaches it and unpacked there, in a process of its own with limits. The host makes
the manifest of what was unpacked. If that is what the request's name says, it is written to disk, and appears in the
store by one rename. Whenever the pass is killed, the store has whole implementations, and the next pass goes on.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pwd
import secrets
import sys
import traceback
from typing import Any, Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import (
    _files,
    _import_archive,
    _import_boxes,
    _import_tree,
    _names,
    _record,
    _store,
    _tree,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._import_archive import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._import_boxes import Box, Request
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._import_process import Unpacking, unpack_all
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._import_tree import Limits

BOXES = "/var/lib/zeroinstall.virtualbox/boxes"
SUFFIX = ".staging"
"""What the name of the folder beside a store has after that of the store."""
TEMPORARY = "tmp-import-"
"""How the names begin that an implementation has in the store before it has its own."""
BATCH = 32
"""Requests that are written to disk together."""
BATCH_SIZE = 1 << 30
"""Bytes of archives that are written to disk together, if they are of more than one request."""
MOST_ANSWERS = 1000
"""Requests of a box after which a pass begins with no more of them, so that it ends whatever a guest does."""
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


def staging_folder(store: str) -> str:
    """The folder beside a store where archives are unpacked."""
    return store + SUFFIX


def check(options: Options) -> None:
    """Failure unless the options are such as can be worked with. Nothing is looked at."""
    _names.check_store_path(options.store, "store")
    if not options.boxes.startswith("/"):
        raise Failure(f"'{options.boxes}' is not an absolute path. Correct boxes.")
    if options.workers < 0:
        raise Failure(f"workers is {options.workers}: it cannot be less than 0.")
    for name, value in options.limits._asdict().items():
        least = 0 if name == "keep_free" else 1
        if value < least:
            raise Failure(f"{name} is {value}: it cannot be less than {least}.")
    if options.limits.max_depth > _import_tree.DEEPEST:
        raise Failure(f"max_depth is {options.limits.max_depth}: it cannot be more than {_import_tree.DEEPEST}.")


def run(options: Options, tell: Callable[[Answer], None], dry: bool = False) -> Result:
    """Answer all requests until none is waiting, or with ``dry`` only say what is known of those that wait.

    ``tell`` is called with each answer once it is given. As root, the work is done as the store's owner.
    Failure: nothing, or nothing more, was done.
    """
    check(options)
    store = _store.open_store(options.store)
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
    path = staging_folder(store)
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


def _run(options: Options, store: _store.Open, tell: Callable[[Answer], None], dry: bool) -> Result:
    warnings: list[str] = []
    boxes = _import_boxes.open_boxes(options.boxes, warnings)
    try:
        if dry:
            for request in _waiting(boxes):
                tell(_outlook(request, store, options.limits))
            return Result(warnings, sum(len(_import_boxes.sweep(box).old) for box in boxes))
        path = staging_folder(options.store)
        with contextlib.ExitStack() as stack:
            staging = _open_staging(path, store)
            stack.callback(os.close, staging)
            stack.enter_context(_files.locked(path, _PATIENCE, "The folder", folder=True))
            return _Pass(options, store, staging, boxes, tell).run(warnings)
    finally:
        for box in boxes:
            os.close(box.fd)


def _open_staging(path: str, store: _store.Open) -> int:
    """A file descriptor of the folder beside the store. Failure: it is not one that this user alone can reach."""
    try:
        staging = os.open(path, _tree.DIRECTORY)
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


def _waiting(boxes: list[Box]) -> list[Request]:
    """All requests, one of each box in turn."""
    names = [(box, _import_boxes.sweep(box).requests) for box in boxes]
    longest = max((len(requests) for _box, requests in names), default=0)
    return [
        Request.of(box, requests[number])
        for number in range(longest)
        for box, requests in names
        if number < len(requests)
    ]


def _outlook(request: Request, store: _store.Open, limits: Limits) -> Answer:
    """What is known of a request without reading it."""
    try:
        algorithm = request.algorithm
        if _has(store, request.digest):
            return _said(request, "present")
        os.close(_import_boxes.open_request(request, limits))
    except Refused as refusal:
        return _said(request, "refused", str(refusal))
    except OSError as error:
        return _said(request, "refused", _unopened(error))
    return _said(request, "waiting", f"It will be added if its {algorithm.name} digest is what its name says.")


def _said(request: Request, status: str, reason: str = "") -> Answer:
    return Answer(_store.shown(request.box.name), _store.shown(request.digest[:100]), status, reason, request.id)


def _has(store: _store.Open, name: str) -> bool:
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
        self, options: Options, store: _store.Open, staging: int, boxes: list[Box], tell: Callable[[Answer], None]
    ) -> None:
        self._limits = options.limits
        self._workers = options.workers or len(os.sched_getaffinity(0))
        self._store = store
        self._staging = staging
        self._boxes = boxes
        self._tell = tell
        self._settled: set[tuple[str, str]] = set()
        self._answers = dict.fromkeys((box.name for box in boxes), 0)
        self._removed = 0

    def run(self, warnings: list[str]) -> Result:
        """Do it."""
        self._clean()
        for box in self._boxes:
            old = _import_boxes.sweep(box).old
            self._removed += len(old)
            for name in old:
                _import_boxes.discard(box, name)
        while True:
            requests = [request for request in _waiting(self._boxes) if self._has_turn(request)]
            if not requests:
                return Result(warnings, self._removed, len(_waiting(self._boxes)))
            self._refuse_surplus(requests)
            self._answer(requests)

    def _has_turn(self, request: Request) -> bool:
        """Whether a request is to be answered still: one that cannot be removed, or is put back, has been."""
        box = request.box.name
        return self._answers[box] < MOST_ANSWERS and (box, request.name) not in self._settled

    def _clean(self) -> None:
        """Remove what a pass left that was killed."""
        for name in os.listdir(self._staging):
            _import_tree.remove(name, self._staging)
        for name in os.listdir(self._store.fd):
            if name.startswith(TEMPORARY):
                _import_tree.remove(name, self._store.fd)

    def _refuse_surplus(self, requests: list[Request]) -> None:
        most = self._limits.max_waiting
        counts = dict.fromkeys(self._answers, 0)
        for request in requests:
            counts[request.box.name] += 1
            if counts[request.box.name] > most and self._has_turn(request):
                self._settle(request, "refused", f"More than {most} requests are waiting. Try again later.")

    def _settle(self, request: Request, status: str, reason: str = "") -> None:
        """Answer, and only then remove the request: a pass that is killed in between answers it once more."""
        self._settled.add((request.box.name, request.name))
        self._answers[request.box.name] += 1
        _import_boxes.answer(request, status, reason)
        _import_boxes.discard(request.box, request.name)
        self._tell(_said(request, status, reason))

    def _answer(self, requests: list[Request]) -> None:
        """Answer the first of these requests, as many as are written to disk together."""
        chosen: list[Unpacking] = []
        digests: set[str] = set()
        size = 0
        try:
            for request in requests:
                if len(chosen) == BATCH:
                    break
                if request.digest in digests:
                    continue  # it will be there in the next batch
                unpacking = self._open(request)
                if unpacking is None:
                    continue
                if chosen and (size + unpacking.size > BATCH_SIZE or not self._room(size + unpacking.size)):
                    os.close(unpacking.archive)
                    break
                size += unpacking.size
                chosen.append(unpacking)
                digests.add(request.digest)
            self._add(chosen)
        finally:
            for unpacking in chosen:
                os.close(unpacking.archive)

    def _open(self, request: Request) -> Unpacking | None:
        """A request that has to be unpacked; others are answered."""
        if not self._has_turn(request):
            return None
        try:
            algorithm = request.algorithm
            if _has(self._store, request.digest):
                self._settle(request, "present")
                return None
            archive = _import_boxes.open_request(request, self._limits)
        except Refused as refusal:
            self._settle(request, "refused", str(refusal))
            return None
        except OSError as error:
            self._settle(request, "refused", _unopened(error))
            return None
        unpacking = Unpacking(request, algorithm, archive, secrets.token_hex(8), self._staging, self._limits)
        if not self._room(unpacking.size):
            os.close(archive)
            self._settle(request, "refused", "The host's disk has no room for it.")
            return None
        return unpacking

    def _room(self, size: int) -> bool:
        """Whether archives of so many bytes can be copied and unpacked."""
        found = os.fstatvfs(self._staging)
        free = found.f_bavail * found.f_frsize - self._limits.keep_free
        entries = min(self._limits.max_entries, size // _import_archive.BLOCK) + BATCH
        return free >= 2 * size and (not found.f_files or found.f_favail >= entries)

    def _add(self, chosen: list[Unpacking]) -> None:
        """Unpack these requests, add what is right, and answer."""
        unpack_all(chosen, self._workers)
        good = [unpacking for unpacking in chosen if not unpacking.refused]
        if good and not _record.write_back(self._staging):
            os.sync()
        answers: list[tuple[Request, str, str]] = []
        for unpacking in chosen:
            request, reason, status = unpacking.request, unpacking.refused, "refused"
            if not reason:
                status, reason = self._move_in(unpacking)
            if status != "added":
                with contextlib.suppress(FileNotFoundError):
                    _import_tree.remove(unpacking.name, self._staging)
            answers.append((request, status, reason))
        if good:
            os.fsync(self._store.fd)
        for answer in answers:
            self._settle(*answer)

    def _move_in(self, unpacking: Unpacking) -> tuple[str, str]:
        """Move what was unpacked into the store; the answer's status and reason."""
        # Its mode can be that of an implementation only there: who may not write a directory cannot move it elsewhere.
        temporary = TEMPORARY + unpacking.name
        store, digest = self._store.fd, unpacking.request.digest
        try:
            _files.rename_new(unpacking.name, self._staging, temporary, store)
        except OSError as error:
            return "refused", f"It cannot be moved to the host's store: {error.strerror}."
        try:
            os.chmod(temporary, 0o555, dir_fd=store)
            _files.rename_new(temporary, store, digest, store)
        except OSError as error:
            _import_tree.remove(temporary, store)
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
