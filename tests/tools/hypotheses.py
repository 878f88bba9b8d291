# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How property tests are run outside tests/unit, which has its own conftest.py for that.

Importing this module loads the profile: the same examples each time, however long they take to make and to run. No
health check is made, for they measure that, or find odd what these tests do on purpose. ``HYPOTHESIS_PROFILE=explore``
in the environment asks for many other examples, by chance.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

GATE, EXPLORE = "gate", "explore"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", GATE)
MORE = 25
"""Times as many examples where a run explores."""

for name in (GATE, EXPLORE):
    settings.register_profile(
        name,
        derandomize=name == GATE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
settings.load_profile(PROFILE)


def examples(count: int) -> settings:
    """As many examples where a run gates, more where it explores."""
    return settings(max_examples=count * (MORE if PROFILE == EXPLORE else 1))
