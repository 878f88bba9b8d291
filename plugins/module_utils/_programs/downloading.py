# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host does for its guests' programs: choose, download, and remember what was chosen.

A program keeps the document by which it was chosen, until the user wants another version, or an update. A document that
was kept from before serves where it has the version that is wanted. So going back to an older version chooses nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, progress, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import (
    record,
    selections,
    wishes,
    zero_install,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests

_MANIFEST = ".manifest"


class Choice(NamedTuple):
    """How programs are chosen. ``update``: anew, whatever was chosen before."""

    arrangement: str
    place: zero_install.Place
    update: bool
    check_mode: bool


class Watch:
    """Tells how far a run is: how many programs are done, and how far the next one is."""

    def __init__(self, tell: Callable[[progress.Progress], None], total: int) -> None:
        self._tell = tell
        self._done, self._total = 0, total
        self._began = time.monotonic()

    def look(self, came: int, total: int) -> None:
        """So many bytes of the next program came, of so many."""
        seconds = round(time.monotonic() - self._began, 3)
        finished = self._done == self._total
        self._tell(progress.Progress(self._done, self._total, came, total, seconds, finished))

    def done(self) -> None:
        """One more program is done."""
        self._done += 1
        self._began = time.monotonic()
        self.look(0, 0)


class Outcome(NamedTuple):
    """What came of a wish. ``old``: the document until now. ``document``: None where there is none.

    ``fetched``: what was, or would be, downloaded. ``problem``: why the wish is not fulfilled.
    """

    wish: wishes.Wish
    old: record.Document | None
    document: record.Document | None
    fetched: tuple[str, ...]
    problem: str = ""


def run(asked: Asked) -> dict[str, Any]:
    """Choose, and unless in check mode download. Failure: the options are wrong, or nothing can be done at all."""
    store, path, arrangement = asked.params["store"], asked.params["path"], asked.params["arrangement"]
    _check_owner(path, arrangement)
    progress.check(asked.params["progress_file"])
    if asked.params["state"] == "absent":
        return _forget(path, arrangement, asked.check_mode)
    wanted = _checked(store, asked.params["programs"], asked.check_mode)
    keep = asked.params["keep"]
    record.check_keep(keep)
    with _folder(path, asked.check_mode) as folder:
        saved = record.load(path)
        watch = Watch(progress.teller(asked.params["progress_file"]), len(wanted))
        place = zero_install.Place(asked.params["zero_install"], store, folder, asked.params["patience"], watch.look)
        choice = Choice(arrangement, place, asked.params["update"], asked.check_mode)
        outcomes: list[Outcome] = []
        known = saved
        if asked.params["exclusive"]:
            known = known.without_wish_for_others(arrangement, {(wish.name, wish.system) for wish in wanted})
        known = known._replace(added=frozenset(name for name in known.added if _has(store, name)))
        _save(path, saved, known, asked.check_mode)
        for _same, group in itertools.groupby(wanted, key=lambda wish: wish[:5]):
            for outcome, now in _fulfil(list(group), known, choice):
                _save(path, known, now, asked.check_mode)
                known = now
                outcomes.append(outcome)
                watch.done()
    return _result(outcomes, known, store, unused(known, store, arrangement, keep))


def _save(path: str, before: record.Record, now: record.Record, check_mode: bool) -> None:
    """Save the record, if it is another than before."""
    if now != before and not check_mode:
        record.save(path, now)


def _forget(path: str, arrangement: str, check_mode: bool) -> dict[str, Any]:
    """Forget the programs of an arrangement. The answer tells which others are known."""
    answer: dict[str, list[Any]] = {"programs": [], "failed_programs": [], "unused": []}
    if not os.path.isdir(path):
        return {"changed": False, "arrangements": [], **answer}
    with _folder(path, check_mode):
        known = record.load(path)
        now = known.without(arrangement)
        _save(path, known, now, check_mode)
    return {"changed": now != known, "arrangements": sorted({one.arrangement for one in now.programs}), **answer}


def _check_owner(path: str, arrangement: str) -> None:
    if os.geteuid() == 0:
        raise Failure("Programs are never downloaded as root. Run this module as an ordinary user (become_user).")
    problem = _names.folder_problem(path)
    if problem:
        raise Failure(f"path '{path}' {problem}.")
    _names.check_arrangement(arrangement, "arrangement")


def _checked(store: str, programs: Sequence[Any], check_mode: bool) -> list[wishes.Wish]:
    _names.check_store_path(store, "store")
    if ":" in store:
        raise Failure(f"store '{store}' has a ':' in it, which 0install takes for the end of a path. Choose another.")
    if not os.path.isdir(store):
        raise Failure(
            f"There is no store {store}. Share it with the guests first (playbook zeroinstall.virtualbox.share)."
        )
    if (
        not check_mode
        and not os.access(store, os.W_OK)
        and not shutil.which(_names.SECURE_ADD_HELPER, path=_names.SEARCH_PATH)
    ):
        raise Failure(
            f"This user can add nothing to {store}: there is no {_names.SECURE_ADD_HELPER}. Share the store with the"
            " guests first (playbook zeroinstall.virtualbox.share)."
        )
    return wishes.read(programs)


def locked(path: str) -> contextlib.AbstractContextManager[None]:
    """Alone with the record in a folder."""
    return replacing.locked(os.path.join(path, "lock"), what="The lock file", unopened="See whose folder it is.")


@contextlib.contextmanager
def _folder(path: str, check_mode: bool) -> Iterator[str]:
    """A folder for sessions, which one run at a time has."""
    if check_mode:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise Failure(f"{path} cannot be made: {error.strerror}.") from error
    with locked(path):
        for name in os.listdir(path):
            if name.startswith(zero_install.LEFT):
                zero_install.discard(os.path.join(path, name))
        yield path


def _fulfil(
    wanted: Sequence[wishes.Wish], known: record.Record, choice: Choice
) -> Iterator[tuple[Outcome, record.Record]]:
    """What comes of wishes for one program, and what is known after each. They have one session, if any is needed."""
    with contextlib.ExitStack() as stack:
        sessions: list[zero_install.Session] = []

        def session() -> zero_install.Session:
            if not sessions:
                sessions.append(stack.enter_context(zero_install.session(choice.place, wanted[0].trust)))
            return sessions[0]

        for wish in wanted:
            program = known.program(choice.arrangement, wish.name, wish.system, wish.uri, wish.command)
            old = program.documents[0] if program.documents else None
            kept = None if choice.update else _kept(program, wish.version)
            try:
                document, fetched = _document(wish, kept, choice, session)
            except Failure as failure:
                yield Outcome(wish, old, old, (), str(failure)), known
                continue
            known = known.with_program(program.used(document), fetched)
            yield Outcome(wish, old, document, fetched), known


def _kept(program: record.Program, version: str) -> record.Document | None:
    """The document of a program that has the version that is wanted, the one used last before others."""
    for document in program.documents:
        if version in ("", document.wanted) or selections.parse(document.text).version == version:
            return document
    return None


def _document(
    wish: wishes.Wish, kept: record.Document | None, choice: Choice, session: Any
) -> tuple[record.Document, tuple[str, ...]]:
    """The document for a wish, and the names of the implementations that came, or would come, into the store."""
    store, check_mode = choice.place.store, choice.check_mode
    missing = zero_install.missing(store, kept.text) if kept else []
    if kept and not missing:
        return kept, ()
    chosen = session().select(wish.uri, wish.system, wish.command, wish.version)
    document = kept or record.Document(wish.version, chosen, _package_feeds(chosen, session()))
    missing = zero_install.missing(store, document.text)
    if missing and not check_mode:
        session().download(document.text)
    return document, tuple(present(store, one) for one in missing)


def _package_feeds(document: str, session: zero_install.Session) -> dict[str, str]:
    packages = selections.parse(document).packages
    return {package.interface: session.packages_alone(package.interface) for package in packages}


def present(store: str, implementation: selections.Implementation) -> str:
    """The name by which a store has an implementation, or would have it."""
    there = [name for name in implementation.names if _has(store, name)]
    return there[0] if there else implementation.names[0]


def _result(outcomes: Sequence[Outcome], known: record.Record, store: str, names: Sequence[str]) -> dict[str, Any]:
    lines = [(_lines(one.wish, one.old), _lines(one.wish, one.document)) for one in outcomes if _changes(one)]
    return {
        "changed": bool(lines),
        "programs": [_told(outcome, outcome.document, store) for outcome in outcomes if outcome.document],
        "failed_programs": [
            {"name": one.wish.name, "system": one.wish.system, "problem": one.problem}
            for one in outcomes
            if one.problem
        ],
        "unused": [{"name": name, "size": size(store, name)} for name in names],
        "arrangements": sorted({one.arrangement for one in known.programs}),
        "diff": {
            "before": "".join(before for before, _after in lines),
            "after": "".join(after for _before, after in lines),
            "before_header": "programs",
            "after_header": "programs",
        },
    }


def _changes(outcome: Outcome) -> bool:
    return not outcome.problem and (bool(outcome.fetched) or outcome.old != outcome.document)


def _version(document: record.Document | None) -> str:
    return selections.parse(document.text).version if document else ""


def _lines(wish: wishes.Wish, document: record.Document | None) -> str:
    """The version of a program, and of all that it needs, for a diff."""
    if document is None:
        return ""
    chosen = selections.parse(document.text)
    needed = [one for one in chosen.implementations if one.interface != chosen.interface]
    lines = [
        f"{wish.name} for {wish.system}: {chosen.version}",
        *(f"  {one.interface} {one.version}" for one in needed),
    ]
    return "".join(f"{line}\n" for line in lines)


def _told(outcome: Outcome, document: record.Document, store: str) -> dict[str, Any]:
    chosen = selections.parse(document.text)
    return {
        "name": outcome.wish.name,
        "system": outcome.wish.system,
        "version": chosen.version,
        "before": _version(outcome.old),
        "document": document.text,
        "downloaded": list(outcome.fetched),
        "implementations": sorted({present(store, one) for one in chosen.implementations}),
        "packages": [
            {**package._asdict(), "feed": document.feeds.get(package.interface, "")} for package in chosen.packages
        ],
    }


def unused(known: record.Record, store: str, arrangement: str, keep: int) -> list[str]:
    """What came into the store for programs, and what none of an arrangement needs any more, and none of others."""
    return [name for name in sorted(known.added - known.needed(arrangement, keep)) if _has(store, name)]


def _has(store: str, name: str) -> bool:
    return os.path.isdir(os.path.join(store, name))


def size(store: str, name: str) -> int:
    """Bytes in the files of an implementation, by its manifest."""
    try:
        manifest = inspecting.contents(os.path.join(store, name, _MANIFEST), zero_install.MOST_SAID)
    except OSError:
        return 0
    return manifests.weight(manifest)[1] if manifest else 0
