# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host has downloaded for its guests' programs: a file beside the sessions of 0install."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing

NAME = "record.json"
MOST_DOCUMENTS = 10
"""Documents that are kept of a program for a system."""
_FORM = 1


class Document(NamedTuple):
    """What was chosen once. ``wanted``: the versions that were asked for. ``feeds``: by interface, its packages."""

    wanted: str
    text: str
    feeds: dict[str, str]


class Program(NamedTuple):
    """A program for one system, with its documents, the newest first."""

    name: str
    system: str
    uri: str
    command: str
    documents: tuple[Document, ...]

    def used(self, document: Document) -> Program:
        """The same with this document as the newest."""
        others = tuple(one for one in self.documents if one != document)
        return self._replace(documents=(document, *others)[:MOST_DOCUMENTS])


class Record(NamedTuple):
    """``programs``, and the names of the implementations that came into the store for them."""

    programs: tuple[Program, ...] = ()
    added: frozenset[str] = frozenset()

    def program(self, name: str, system: str, uri: str, command: str) -> Program:
        """What is known of a program, which may be nothing."""
        same = [one for one in self.programs if one[:4] == (name, system, uri, command)]
        return same[0] if same else Program(name, system, uri, command, ())

    def with_program(self, program: Program, added: Iterable[str]) -> Record:
        """The same with this in the place of what was known of a program of that name for that system."""
        others = tuple(one for one in self.programs if one[:2] != program[:2])
        return Record((*others, program), self.added.union(added))


def load(folder: str) -> Record:
    """The record in a folder. Failure: it cannot be read."""
    path = os.path.join(folder, NAME)
    try:
        text = replacing.read(path)
        return Record() if text is None else _parse(json.loads(text))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Failure(f"{path} is no record of programs ({error}). Move it away: all are then chosen anew.") from error


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
        raise ValueError(f"form {data['form']}")
    programs = tuple(
        Program(**{**one, "documents": tuple(Document(**document) for document in one["documents"])})
        for one in data["programs"]
    )
    return Record(programs, frozenset(data["added"]))
