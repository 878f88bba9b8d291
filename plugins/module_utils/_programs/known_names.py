# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What implementations are called: by the feeds that 0install has cached, and by documents of selections."""

from __future__ import annotations

import contextlib
import os
from typing import Iterable, Iterator, NamedTuple
from urllib.parse import unquote, urlsplit

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import feeds, selections, xml_trees
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs.record import Record

MOST_FEEDS, MOST_BYTES = 5000, 200_000_000
"""Feeds that are read, and their bytes."""
LARGEST = 10_000_000
"""Bytes of a feed that are read."""
LONGEST = 300
"""Characters of a name that are told."""


class Known(NamedTuple):
    """What an implementation is: the ``program``, as people call it, and ``interface``, the address of its feed."""

    program: str = ""
    version: str = ""
    architecture: str = ""
    interface: str = ""


NOTHING = Known()


def known(folders: Iterable[str], record: Record) -> dict[str, Known]:
    """What is known of implementations, by each name that a store may have for them. Feeds count before documents."""
    return {**_of_documents(record), **_of_feeds(folders)}


def _of_feeds(folders: Iterable[str]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    room = MOST_BYTES
    for uri, path in _paths(folders):
        text = _read(path)
        room -= len(text)
        if room < 0:
            break
        try:
            feed = xml_trees.read(text)
        except Failure:
            continue
        interface = feed.get("uri", uri)
        called = feeds.name_of(feed) or _short(interface)
        for one in feeds.described(feed):
            what = _cut(called, one.version, one.architecture, interface)
            for name in one.names:
                found.setdefault(name, what)
    return found


def _paths(folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The feeds in 0install's folders of feeds: address and path. Their files have the address for a name."""
    left = MOST_FEEDS
    for folder in dict.fromkeys(folders):
        with contextlib.ExitStack() as stack:
            try:
                opened = os.open(folder, inspecting.DIRECTORY)
                stack.callback(os.close, opened)
                names = sorted(os.listdir(opened))[:left]
            except OSError:
                continue
            for name in names:
                yield unquote(name), f"/proc/self/fd/{opened}/{name}"
            left -= len(names)


def _read(path: str) -> bytes:
    try:
        return inspecting.contents(path, LARGEST) or b""
    except OSError:
        return b""


def _of_documents(record: Record) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for program in record.programs:
        for document in program.documents:
            for one in selections.parse(document.text).implementations:
                called = program.name if one.interface == program.uri else _short(one.interface)
                for name in one.names:
                    found.setdefault(name, _cut(called, one.version, one.architecture, one.interface))
    return found


def _short(interface: str) -> str:
    """What a feed may be called whose name is not known."""
    last = urlsplit(interface).path.rstrip("/").rpartition("/")[2]
    return last[: -len(".xml")] if last.endswith(".xml") else last


def _cut(*texts: str) -> Known:
    """Texts that are not too long, and that can be told: the name of a file may have bytes that are no UTF-8."""
    return Known(*(text[:LONGEST].encode("utf-8", "backslashreplace").decode("utf-8") for text in texts))
