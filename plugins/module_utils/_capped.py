# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists in a module's result, which are as long as whoever writes a store likes: cut, with how much was left out. Pure."""

from __future__ import annotations

import json
from typing import Any, Callable, Iterable, NamedTuple


class Capped(NamedTuple):
    """The first items of a list, and how many more there are."""

    items: list[Any]
    left_out: int


def capped(
    items: Iterable[Any], most: int, room: int, thinner: Callable[[Any], Any] = lambda item: item
) -> Capped:
    """At most so many items, which as JSON have at most so many bytes.

    ``thinner`` makes less of an item for which there is no room.
    """
    kept: list[Any] = []
    left_out = 0
    for item in items:
        if len(kept) >= most or left_out:
            left_out += 1
            continue
        for each in (item, thinner(item)):
            size = len(json.dumps(each)) + len(", ")
            if size <= room:
                kept.append(each)
                room -= size
                break
        else:
            left_out += 1
    return Capped(kept, left_out)
