# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a report on the controller: which are there, and replacing all of them or none."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting, replacing

MODE = 0o600
LARGEST = 1 << 28
"""Bytes of an earlier report that are read."""


class File(t.NamedTuple):
    """A file to write. ``variable``: the one that names it; ``mark``: what a file that may be replaced has in it."""

    variable: str
    path: str
    mark: str


def at(variable: str, path: str, mark: str) -> File:
    """The file at a path as the user wrote it. Failure: what is there cannot be replaced."""
    try:
        return File(variable, replacing.real(os.path.abspath(os.path.expanduser(path))), mark)
    except Failure as error:
        raise Failure(f"{variable}: {error}") from error


def check(file: File) -> None:
    """Failure: the file cannot be written, or another file is there, which is not replaced."""
    try:
        replacing.check_writable(file.path)
        text = _text(file.path)
    except Failure as error:
        raise Failure(f"{file.variable}: {error} Correct {file.variable}.") from error
    if text and file.mark not in text:
        raise Failure(
            f"{file.variable}: {file.path} is there and is no report, so it stays as it is. Choose another file, or"
            " move it away."
        )


def earlier(path: str, form: str) -> dict[str, t.Any] | None:
    """The report of this form that is in a file, or None."""
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("form") == form else None


def write(texts: t.Mapping[str, str]) -> None:
    """Replace files, by their paths. Failure: nothing was changed, or those that are named."""
    made: list[replacing.Replacement] = []
    try:
        for path, text in texts.items():
            made.append(replacing.Replacement(path, text, MODE))
        for one in made:
            one.commit()
    finally:
        for one in made:
            one.discard()


def _text(path: str) -> str:
    try:
        return (inspecting.contents(path, LARGEST) or b"").decode("utf-8", "replace")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
