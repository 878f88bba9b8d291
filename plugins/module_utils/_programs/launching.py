# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest has of its programs: for each a document of selections, and a launcher in the users' way."""

from __future__ import annotations

import os
import shlex
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import placing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import distribution, selections, wishes

_ENDING = ".xml"
_MARKED = 1000
"""Bytes at the beginning of a launcher, with the mark in them."""


class Lack(NamedTuple):
    """Why a program cannot run here: it needs one of these packages, or ``problem`` says what else."""

    name: str
    packages: list[str]
    problem: str


def launcher(program: str, document: str) -> str:
    """The text of a launcher. The program runs with what the document says, and asks no network."""
    return (
        "#!/bin/sh\n"
        f"# {_names.MARK}: Ansible writes this file anew. Remove the program from cache_programs_list instead.\n"
        f'exec {shlex.quote(program)} run --console --offline {shlex.quote(document)} "$@"\n'
    )


def run(asked: Asked, run_command: Callable[..., Any], backup: Callable[[str], str]) -> dict[str, Any]:
    """Place what programs need, and unless others are to stay, take away what is of no program of the list.

    Failure: the options are wrong, or something of somebody else's is in the way; nothing was changed.
    """
    params = asked.params
    for option in ("path", "documents"):
        problem = _names.folder_problem(params[option])
        if problem:
            raise Failure(f"{option} '{params[option]}' {problem}.")
    names = [program["name"] for program in params["programs"]]
    for name in names:
        if not wishes.is_name(name) or names.count(name) > 1:
            raise Failure(f"name {name!r} cannot name a launcher, or is there twice. Give the program another name.")
    lacks: list[Lack] = []
    wanted: list[placing.Wanted] = []
    for program in params["programs"]:
        try:
            wanted += _files(params, program["name"], _document(params["zero_install"], program))
        except distribution.NotInstalled as lack:
            lacks.append(Lack(program["name"], _packages(program), str(lack)))
    gone = [name for name in _present(params["documents"]) if name not in names]
    wanted += [placing.Wanted(path, "absent") for name in gone for path in _of_a_program_that_is_gone(params, name)]
    if names:
        wanted.insert(0, placing.Wanted(params["documents"], "directory", mode="0755"))
    elif gone:
        wanted += [placing.Wanted(folder, "absent") for folder in _folders(params["documents"])]
    changes = placing.plan(wanted, asked.check_mode)
    diff = [placing.difference(change) for change in changes]
    if not asked.check_mode:
        placing.carry_out(changes, run_command, backup)
    return {
        "changed": bool(changes),
        "lacking": [lack._asdict() for lack in lacks],
        "removed": gone,
        "diff": diff,
    }


def _folders(documents: str) -> list[str]:
    """The folder of documents, and the collection's own folder in which it may be. Where more is in it, it stays."""
    above = os.path.dirname(documents)
    return [documents, above] if os.path.basename(above) == _names.MARK else [documents]


def _paths(params: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Where the launcher and the document of a program are."""
    return os.path.join(params["path"], name), os.path.join(params["documents"], name + _ENDING)


def _files(params: Mapping[str, Any], name: str, document: str) -> list[placing.Wanted]:
    path, place = _paths(params, name)
    _check_ours(path)
    text = launcher(params["zero_install"], place)
    return [placing.Wanted(place, "file", document, mode="0644"), placing.Wanted(path, "file", text, mode="0755")]


def _of_a_program_that_is_gone(params: Mapping[str, Any], name: str) -> list[str]:
    path, document = _paths(params, name)
    return [document, path] if _is_ours(path) else [document]


def _check_ours(path: str) -> None:
    """Failure: somebody else has something at the place of a launcher."""
    if os.path.lexists(path) and not _is_ours(path):
        raise Failure(
            f"{path} is there, and this collection did not make it. Move it away, or give the program another name."
        )


def _is_ours(path: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return f"\n# {_names.MARK}:".encode() in file.read(_MARKED)


def _present(documents: str) -> Sequence[str]:
    """The programs that have a document."""
    try:
        names = os.listdir(documents)
    except FileNotFoundError:
        return []
    known = [name[: -len(_ENDING)] for name in sorted(names) if name.endswith(_ENDING)]
    return [name for name in known if wishes.is_name(name)]


def _document(zero_install: str, program: Mapping[str, Any]) -> str:
    """The document with which a program runs here. NotInstalled: it needs a package that is not there."""
    paths = {package["interface"]: distribution.command_paths(zero_install, package) for package in program["packages"]}
    text: str = program["document"]
    return selections.for_guest(text, paths) if paths else text


def _packages(program: Mapping[str, Any]) -> list[str]:
    family = distribution.family()
    named = [name for one in program["packages"] for name in distribution.package_names(one["feed"], family)]
    return list(dict.fromkeys(named))
