# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in the page of a report: texts, sizes, times and links, as people read them."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import plain

LONGEST_CELL = 160
"""Characters of a text that are shown at once."""
LONGEST_TEXT = 20_000
"""Characters of a text that are shown at all."""
NOTHING = "\N{EN DASH}"
"""What a cell shows that would be empty."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


class Cell(t.NamedTuple):
    """A text in the page.

    Attributes:
        text: what is shown at once.
        whole: the whole text, where that is more.
        to: the id of the row to which it is a link.
        key: the number by which it is sorted, if not by its text.
        mark: the state that it is a badge of.
        time: the text as a time that programs read.
    """

    text: str = ""
    whole: str = ""
    to: str = ""
    key: int | None = None
    mark: str = ""
    time: str = ""


def harmless(value: t.Any) -> t.Any:
    """A copy of a value of JSON whose texts are plain, and strings of no subclass: a template escapes every one."""
    if isinstance(value, str):
        return plain(str.__str__(value)).encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, t.Mapping):
        return {harmless(key): harmless(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [harmless(each) for each in value]
    return value


def said(text: str, to: str = "", longest: int = LONGEST_CELL) -> Cell:
    """A text that may be too long to be shown at once."""
    if not text:
        return Cell(NOTHING)
    if len(text) <= longest:
        return Cell(text, to=to)
    more = len(text) - LONGEST_TEXT
    whole = text if more <= 0 else f"{text[:LONGEST_TEXT]} … and {more} more characters, which are left out"
    return Cell(text[:longest].rstrip() + "…", whole, to)


def host_link(name: str) -> Cell:
    """A host's name, with a link to its row."""
    return said(name, anchor("host", name) if name else "")


def guest_link(name: str) -> Cell:
    """A guest's name, with a link to its row."""
    return said(name, anchor("guest", name) if name else "")


def anchor(kind: str, *names: str) -> str:
    """The id of a row. It tells nothing of the names, which may be any text."""
    return f"{kind}-{hashlib.sha256(chr(0).join(names).encode()).hexdigest()[:12]}"


def size(octets: int) -> str:
    """A number of bytes, in the unit that leaves one to three digits before the point."""
    if abs(octets) < 1000:
        return f"{octets} byte{'' if abs(octets) == 1 else 's'}"
    value, power = float(octets), 0
    while abs(value) >= 999.5 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.{1 if abs(value) < 99.95 else 0}f} {_UNITS[power]}"


def sized(octets: int) -> Cell:
    """A number of bytes that is sorted as a number."""
    return Cell(size(octets), key=octets)


def number(value: int) -> Cell:
    """A count that is sorted as a number."""
    return Cell(grouped(value), key=value)


def grouped(value: int) -> str:
    """A number with narrow spaces between its thousands."""
    return f"{value:,}".replace(",", "\u202f")


def counted(value: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{grouped(value)} {one if value == 1 else many or one + 's'}"


def moment(time: str | None) -> Cell:
    """A time of a report, for people."""
    if not time:
        return Cell(NOTHING, key=0)
    seconds = utc.seconds(time)
    if not seconds:
        return said(time)
    return Cell(f"{time[:10]} {time[11:16]} UTC", key=seconds, time=time)
