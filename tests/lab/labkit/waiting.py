# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting in tests: for a condition, never for a time; the limit is one that only a hang reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

HANG = 3600.0
"""Seconds after which something is taken to hang. No machine is so busy that what works takes as long."""

Answer = TypeVar("Answer")


class Hangs(AssertionError):
    """What was waited for, and for how long."""


def until(happens: Callable[[], Answer], what: str | Callable[[], str], pause: float = 0.05) -> Answer:
    """Ask every ``pause`` seconds until the answer is true, and return that answer.

    ``what`` is what did not happen, for the message, or a function that looks when it is needed.

    Raises:
        Hangs: it did not happen within ``HANG`` seconds.
    """
    limit = time.monotonic() + HANG
    while not (answer := happens()):
        if time.monotonic() > limit:
            raise Hangs(f"after {HANG:.0f} s: {what() if callable(what) else what}")
        time.sleep(pause)
    return answer
