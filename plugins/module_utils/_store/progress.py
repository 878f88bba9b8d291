# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a verification is: what the module writes to its progress file, and the action plugin reads there."""

from __future__ import annotations

from typing import NamedTuple


class Progress(NamedTuple):
    """Sizes in bytes, times in seconds; ``bytes_total`` is an estimate."""

    implementations: int
    implementations_total: int
    bytes: int
    bytes_total: int
    seconds: float
    finished: bool
