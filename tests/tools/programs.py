# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program in a test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


def check(
    command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float = 600
) -> str:
    """Run a program; its output, both streams in their order. The test fails where the program does.

    ``environment`` adds to the test's own, ``timeout`` is in seconds. Whatever ends the wait ends the program and its
    children with it.
    """
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _none = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _none = process.communicate()
            pytest.fail(f"{' '.join(words)}\ndid not end within {timeout:g} s:\n{output}", pytrace=False)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        pytest.fail(f"{' '.join(words)}\nended with status {process.returncode}:\n{output}", pytrace=False)
    return output
