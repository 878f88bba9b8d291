# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let files get old enough to be recorded."""

from __future__ import annotations

import time

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verified_before
from labkit.waiting import until


def age(nanoseconds: int | None = None) -> None:
    """Wait until what was written before is not recent, by the clock and the pause of the library, or another pause."""
    end = time.time_ns() + (verified_before.RECENT if nanoseconds is None else nanoseconds)
    until(lambda: time.time_ns() > end, "the clock of this machine stands still")
