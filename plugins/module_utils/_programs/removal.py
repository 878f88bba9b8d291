# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking implementations out of a store that no program needs any more, and nothing uses.

Each is first moved out of the store, by one rename. Then those that use something are looked for once more: what began
to use an implementation meanwhile gets it back. What a run that was killed has moved out counts like the rest of it.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import downloading, record, uses
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import linking, manifests, quarantine

SUFFIX = ".removed"
"""What the folder's name has after that of the store in which implementations are on their way out."""


class Question(NamedTuple):
    """What may go: of the ``names``, what no program of the record in ``path`` needs.

    ``unsaved``: the names were found with what the record will be, and it is not that yet.
    """

    store: str
    path: str
    names: frozenset[str]
    arrangement: str
    keep: int
    unsaved: bool

    @property
    def folder(self) -> str:
        """Where implementations are on their way out."""
        return self.store + SUFFIX

    def out(self, names: Sequence[str], restore: bool = False) -> quarantine.Request:
        """The move out of the store, or back."""
        return quarantine.Request(self.store, names, self.folder, restore)


def run(asked: Asked) -> dict[str, Any]:
    """Remove what may go, or in check mode tell what would. Failure: nothing was removed."""
    params = asked.params
    names, arrangement, keep = frozenset(params["names"]), params["arrangement"], params["keep"]
    question = Question(
        params["store"], params["path"], names, arrangement, keep, asked.check_mode and params["unsaved"]
    )
    record.check_keep(keep)
    _names.check_arrangement(arrangement, "arrangement")
    problem = _names.folder_problem(question.path)
    if problem:
        raise Failure(f"path '{question.path}' {problem}.")
    quarantine.check(question.out(sorted(question.names)))
    if not os.path.isdir(question.path):
        return _answer({}, {}, {})
    with downloading.locked(question.path):
        sizes = _unused(question)
        kept = _used(question, sizes, params["unlinked"] if asked.check_mode else [])
        sizes = {name: size for name, size in sizes.items() if name not in kept}
        if asked.check_mode:
            return _answer(sizes, kept, {})
        stuck = _move_out(question, sorted(sizes))
        again, left = _end(question)
        gone = {name: size for name, size in sizes.items() if name not in again and name not in stuck}
        return _answer(gone, {**kept, **again}, {**stuck, **left})


def _unused(question: Question) -> dict[str, int]:
    """What of the names no program needs, with its bytes."""
    known = record.load(question.path)
    if question.unsaved:
        known = known.without_wish_for_others(question.arrangement, ())
    unused = downloading.unused(known, question.store, question.arrangement, question.keep)
    return {name: downloading.size(question.store, name) for name in unused if name in question.names}


def _used(question: Question, names: Iterable[str], unlinked: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Who uses which of these: a guest that sees it in its linked store, or somebody on this machine."""
    found = uses.look(names)
    gone = {one["name"]: frozenset(one["removed"]) for one in unlinked}
    for store, present in linking.present(question.store).items():
        for name in present.intersection(names).difference(gone.get(store, ())):
            found.setdefault(name, []).append(f"the linked store {store}")
    return found


def _move_out(question: Question, names: Sequence[str]) -> dict[str, str]:
    """Move them out of the store; what could not be moved, with the reason."""
    return {left.name: left.reason for left in quarantine.run(question.out(names), [])} if names else {}


def _end(question: Question) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Put back what is used after all, with who uses it, and remove the rest; what could not be, with the reason."""
    try:
        folder = os.open(question.folder, inspecting.DIRECTORY)
    except FileNotFoundError:
        return {}, {}
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, folder)
        copies = {name: of for name, of in quarantine.copies(os.listdir(folder)).items() if manifests.is_name(name)}
        used = uses.look(copies)
        left = {one.name: one.reason for one in quarantine.run(question.out(sorted(used), restore=True), [])}
        for entry in [
            *(entry for name in copies if name not in used for entry in copies[name].values()),
            quarantine.LOCK,
        ]:
            try:
                removing.remove(entry, folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                left[entry] = f"It is out of the store, but {question.folder}/{entry} is left: {error.strerror}."
    with contextlib.suppress(OSError):
        os.rmdir(question.folder)
    return used, left


def _answer(removed: Mapping[str, int], used: Mapping[str, Sequence[str]], left: Mapping[str, str]) -> dict[str, Any]:
    return {
        "changed": bool(removed),
        "removed": [{"name": name, "size": size} for name, size in sorted(removed.items())],
        "used": [{"name": name, "by": list(by)} for name, by in sorted(used.items())],
        "left": [{"name": name, "reason": reason} for name, reason in sorted(left.items())],
        "diff": {"before": "".join(f"{name}\n" for name in sorted(removed)), "after": ""},
    }
