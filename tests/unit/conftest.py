# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-test runs each test in a process of its own, forked off the one that has collected all."""

from __future__ import annotations

import gc


def pytest_collection_finish():
    """Keep the garbage collector of those processes from touching, and so copying, what was there before."""
    gc.collect()
    gc.freeze()
