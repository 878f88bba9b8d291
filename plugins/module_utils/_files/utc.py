# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times in records and reports: in UTC and to the second, such as ``2026-11-29T08:30:00Z`` (RFC 3339)."""

from __future__ import annotations

import calendar
import re
import time

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def now() -> str:
    """The time."""
    return text(time.time())


def text(seconds: float) -> str:
    """The time so many seconds after 1970 began."""
    return time.strftime(_FORMAT, time.gmtime(seconds))


def seconds(text: str) -> int:
    """How many seconds after 1970 began a time is. 0 if the text is no time."""
    try:
        return calendar.timegm(time.strptime(text, _FORMAT)) if is_time(text) else 0
    except ValueError:
        return 0


def is_time(text: str) -> bool:
    """Whether a text has the shape of a time."""
    return _SHAPE.fullmatch(text) is not None
