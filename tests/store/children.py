# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a function in a process of its own, as another user where that is wanted."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from labkit.waiting import HANG


def call(function: Callable[[], Any], *, user: int | None = None, apart: bool = False) -> Any:
    """What the function returns; it runs in this process, or in a child ``apart`` or as the user, with the same group.

    The child is ended where it hangs. AssertionError: the function raised something, or did not end.
    """
    if user is None and not apart:
        return function()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reading)
            if user is not None:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(function(), pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            if not select.select([pipe], [], [], HANG)[0]:
                os.kill(child, signal.SIGKILL)
            text = pipe.read()
    finally:
        _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the function's process ended with status {status}"
    return pickle.loads(text)
