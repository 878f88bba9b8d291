# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How property tests are run here, and for how long a test waits.

ansible-test runs each test in a process of its own, forked off the one that has collected all.
"""

from __future__ import annotations

import gc
import os
import time

import pytest

HANG = 3600.0
"""Seconds after which something is taken to hang. No machine is so busy that what works takes as long."""

EXPLORED = 5000
"""Examples of each property in a run that explores."""


def set_hypothesis_up():
    """Load the profile of property tests: the same examples each time, however long they take to make and to run.

    HYPOTHESIS_PROFILE=explore in the environment asks for many others, by chance.
    """
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return  # the tests that need it tell so themselves
    common = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
    settings.register_profile("gate", derandomize=True, **common)
    settings.register_profile("explore", derandomize=False, max_examples=EXPLORED, **common)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


set_hypothesis_up()


def pytest_collection_finish():
    """Keep the garbage collector of those processes from touching, and so copying, what was there before."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def hang():
    """Seconds after which something is taken to hang."""
    return HANG


@pytest.fixture
def until():
    """Wait for a condition: call a function until what it returns is true, and return that."""
    pause = time.sleep  # tests replace it

    def wait(happens, what):
        limit = time.monotonic() + HANG
        answer = happens()
        while not answer:
            assert time.monotonic() < limit, what
            pause(0.01)
            answer = happens()
        return answer

    return wait
