# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host has downloaded for its guests' programs: a file beside the sessions of 0install."""

from __future__ import annotations

import json
import os
from typing import Any, Container, Iterable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import selections
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests

NAME = "record.json"
MOST_DOCUMENTS = 10
"""Documents that are kept of a program for a system."""
_FORM = 1
_LONGEST = 64 << 20
"""Bytes of a record that are read."""


class Document(NamedTuple):
    """What was chosen once. ``wanted``: the versions that were asked for. ``feeds``: by interface, its packages."""

    wanted: str
    text: str
    feeds: dict[str, str]


class Program(NamedTuple):
    """A program of an arrangement for one system, with its documents, the newest first.

    ``wanted``: whether a guest of the arrangement is to have it.
    """

    arrangement: str
    name: str
    system: str
    uri: str
    command: str
    documents: tuple[Document, ...]
    wanted: bool = True

    def used(self, document: Document) -> Program:
        """The same with this document as the newest, and wanted."""
        others = tuple(one for one in self.documents if one != document)
        return self._replace(documents=(document, *others)[:MOST_DOCUMENTS], wanted=True)


class Record(NamedTuple):
    """``programs``, and the names of the implementations that came into the store for them."""

    programs: tuple[Program, ...] = ()
    added: frozenset[str] = frozenset()

    def program(self, arrangement: str, name: str, system: str, uri: str, command: str) -> Program:
        """What is known of a program, which may be nothing."""
        same = [one for one in self.programs if one[:5] == (arrangement, name, system, uri, command)]
        return same[0] if same else Program(arrangement, name, system, uri, command, ())

    def with_program(self, program: Program, added: Iterable[str]) -> Record:
        """The same with this in the place of what was known of a program of that name for that system."""
        others = tuple(one for one in self.programs if one[:3] != program[:3])
        return Record((*others, program), self.added.union(added))

    def without_wish_for_others(self, arrangement: str, wanted: Container[tuple[str, str]]) -> Record:
        """The same where of an arrangement none but these are wanted, each a name and a system."""
        programs = tuple(
            one._replace(wanted=False) if one.arrangement == arrangement and one[1:3] not in wanted else one
            for one in self.programs
        )
        return self._replace(programs=programs)

    def without(self, arrangement: str) -> Record:
        """The same without the programs of an arrangement, and without what came for them alone.

        What came may be in use where the arrangement's guests still have their launchers. So nobody removes it.
        """
        others = tuple(one for one in self.programs if one.arrangement != arrangement)
        kept = _names_in(document for one in others for document in one.documents)
        forgotten = (one for one in self.programs if one.arrangement == arrangement)
        gone = _names_in(document for one in forgotten for document in one.documents)
        return Record(others, self.added - (gone - kept))

    def needed(self, arrangement: str, keep: int) -> set[str]:
        """The names of all implementations that programs need.

        Of this arrangement, these are in the newest documents, so many of each program that is wanted. Of others, they
        are in any document: it is not known which of those their guests still have.
        """
        return _names_in(
            document
            for one in self.programs
            if one.wanted or one.arrangement != arrangement
            for document in one.documents[: keep if one.arrangement == arrangement else None]
        )


def _names_in(documents: Iterable[Document]) -> set[str]:
    implementations = [one for document in documents for one in selections.parse(document.text).implementations]
    return {name for one in implementations for name in one.names}


def check_keep(keep: int) -> None:
    """Failure: a program cannot have so many documents."""
    if not 1 <= keep <= MOST_DOCUMENTS:
        raise Failure(f"keep is {keep}. Write a number from 1 to {MOST_DOCUMENTS}.")


def load(folder: str) -> Record:
    """The record in a folder. Failure: it cannot be read."""
    path = os.path.join(folder, NAME)
    try:
        text = inspecting.contents(path, _LONGEST)
        return Record() if text is None else _parse(json.loads(text))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Failure) as error:
        raise Failure(f"{path} is no record of programs. Move it away: all are then chosen anew.") from error


def save(folder: str, record: Record) -> None:
    """Replace the record in a folder. Failure: nothing was changed."""
    programs = [
        {**one._asdict(), "documents": [document._asdict() for document in one.documents]}
        for one in sorted(record.programs)
    ]
    data = {"form": _FORM, "programs": programs, "added": sorted(record.added)}
    replacing.replace(os.path.join(folder, NAME), json.dumps(data, indent=1, ensure_ascii=False) + "\n", 0o600)


def _parse(data: Any) -> Record:
    if data["form"] != _FORM:
        raise ValueError("form")
    programs = tuple(
        Program(**{**one, "documents": tuple(Document(**document) for document in one["documents"])})
        for one in data["programs"]
    )
    for one in programs:
        for document in one.documents:
            selections.parse(document.text)
    if not all(isinstance(name, str) and manifests.is_name(name) for name in data["added"]):
        raise ValueError("added")
    return Record(programs, frozenset(data["added"]))
