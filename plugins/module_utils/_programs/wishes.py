# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user wants of programs, checked before anything is touched. Pure."""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple, Sequence
from urllib.parse import urlsplit

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import settings

SYSTEMS = ("Linux-x86_64", "Linux-i686", "Linux-aarch64", "Linux-armv7l")
"""Names of systems, as 0install has them, that guests may have."""

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_COMMAND = re.compile("[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}", re.ASCII)
_VERSION = re.compile(r"[0-9a-z.!| -]{1,200}", re.ASCII)
_ADDRESS = re.compile(r"[!-~]{1,2000}", re.ASCII)


class Wish(NamedTuple):
    """One program for one system. ``version``: an expression of 0install's, or empty for the best one."""

    name: str
    uri: str
    version: str
    command: str
    trust: tuple[str, ...]
    system: str


def is_name(text: str) -> bool:
    """Whether this can name a program, and so a launcher."""
    return _NAME.fullmatch(text) is not None


def read(options: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """The programs of a list, each for each of its systems. Failure: one of them cannot be meant."""
    wishes: list[Wish] = []
    seen: set[tuple[str, str]] = set()
    for number, option in enumerate(options):
        where = f"programs[{number}]"
        _check(where, option)
        for system in dict.fromkeys(option["systems"]):
            if system not in SYSTEMS:
                raise Failure(f"{where}.systems: {system!r} is none that is known. Write one of {', '.join(SYSTEMS)}.")
            if (option["name"], system) in seen:
                raise Failure(f"{where}.name: {option['name']!r} is there twice for {system}. Give one another name.")
            seen.add((option["name"], system))
            trust = tuple(map(settings.fingerprint, option["trust"]))
            version = option["version"] or ""
            wishes.append(Wish(option["name"], option["uri"], version, option["command"], trust, system))
    return wishes


def _check(where: str, option: Mapping[str, Any]) -> None:
    if not is_name(option["name"]):
        raise Failure(
            f"{where}.name: {option['name']!r} cannot name a launcher. Write up to 64 letters, digits, '.', '_', '+'"
            " and '-', the first a letter or digit."
        )
    address = urlsplit(option["uri"]) if _ADDRESS.fullmatch(option["uri"]) else None
    if address is None or address.scheme not in ("http", "https") or not address.hostname or address.username:
        raise Failure(f"{where}.uri: {option['uri']!r} is no address of a feed. Write one that begins with https://.")
    if not _COMMAND.fullmatch(option["command"]):
        raise Failure(f"{where}.command: {option['command']!r} names no command of a feed. Most have 'run'.")
    if option["version"] and not _VERSION.fullmatch(option["version"]):
        raise Failure(f"{where}.version: {option['version']!r} is none. Write one such as '2.1' or '2.1..!3'.")
    for key in option["trust"]:
        if not settings.is_fingerprint(settings.fingerprint(key)):
            raise Failure(
                f"{where}.trust: {key!r} is no whole fingerprint. Write the 40 hexadecimal digits that"
                " 'gpg --fingerprint' shows of the key."
            )
