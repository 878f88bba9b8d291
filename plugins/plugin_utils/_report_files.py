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
"""Bytes of an earlier report that are read. With a larger one, nothing is compared."""
BEGINNING = 4096
"""Bytes of a file among which a report has its mark."""


class File(t.NamedTuple):
    """A file to write. ``variable``: the one that names it; ``mark``: what a file that may be replaced has in it."""

    variable: str
    path: str
    mark: str


def at(variable: str, path: str, mark: str) -> File:
    """The file at a path as the user wrote it. Failure: what is there cannot be replaced."""
    try:
        if "\0" in path:
            raise ValueError("it has a NUL character.")
        real = replacing.real(os.path.abspath(os.path.expanduser(path)))
        owner = os.stat(real).st_uid if os.path.exists(real) else os.geteuid()
    except (Failure, ValueError) as error:
        raise Failure(f"{variable} is {path!r}: {error}") from error
    if owner not in (0, os.geteuid()):
        raise Failure(
            f"{variable}: {real} belongs to user {owner}, who could read the report. Choose another file, or move it"
            " away."
        )
    return File(variable, real, mark)


def check(file: File) -> None:
    """Failure: the file cannot be written, or another file is there, which is not replaced."""
    try:
        replacing.check_writable(file.path)
        text = _beginning(file.path)
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
        found = json.loads((inspecting.contents(path, LARGEST) or b"").decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("form") == form else None


def write(texts: t.Mapping[str, str]) -> None:
    """Replace files, by their paths. Failure: nothing was changed, or those that are named."""
    made: list[replacing.Replacement] = []
    try:
        for path, text in texts.items():
            utf_8 = text.encode("utf-8", "backslashreplace").decode("utf-8")  # what else a name may have
            made.append(replacing.Replacement(path, utf_8, MODE))
        for one in made:
            one.commit()
    finally:
        for one in made:
            one.discard()


def _beginning(path: str) -> str:
    """The beginning of a file, where a report has its mark; empty if there is no file."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(BEGINNING).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
