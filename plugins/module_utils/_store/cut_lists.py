# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists in a module's result, which are as long as whoever writes a store likes: cut to a number and a size. Pure."""

from __future__ import annotations

import json
from typing import Any, Callable, Sequence


def capped(
    items: Sequence[Any],
    most: int,
    room: int,
    make: Callable[[Any], Any] = lambda item: item,
    less: Callable[[Any], Any] = lambda made: made,
) -> list[Any]:
    """What ``make`` makes of the first items: at most so many, and as JSON at most so many bytes.

    ``less`` makes less of one for which there is no room. Nothing is made of the items that are left out.
    """
    kept: list[Any] = []
    for item in items[:most]:
        made = make(item)
        if _size(made) > room:
            made = less(made)
        room -= _size(made)
        if room < 0:
            break
        kept.append(made)
    return kept


def _size(made: Any) -> int:
    return len(json.dumps(made)) + len(", ")
