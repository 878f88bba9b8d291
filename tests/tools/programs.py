# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs in tests: any, and ansible-test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from environments import ansible_test_variables
from labkit.waiting import HANG
from setup import Setup

QUIET_PIP = {"PIP_QUIET": "1", "PIP_PROGRESS_BAR": "off", "PIP_NO_WARN_SCRIPT_LOCATION": "1"}


@contextlib.contextmanager
def program(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program with text output in a process group of its own, which ends whole if the block is left by an exception.

    ``options`` are those of ``subprocess.Popen``.
    """
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, text=True, start_new_session=True, **options) as process:
        try:
            yield process
        except BaseException:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(10)
            raise


def check(
    command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float = HANG
) -> str:
    """Run a program; its output, both streams in their order. The test fails where the program does.

    ``environment`` adds to the test's own, ``timeout`` is in seconds. Whatever ends the wait ends the program and its
    children with it.
    """
    line = " ".join(map(str, command))
    with program(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as process:
        try:
            output, _none = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            said = (error.output or b"").decode(errors="replace")
            pytest.fail(f"{line}\ndid not end within {timeout:g} s:\n{said}", pytrace=False)
    if process.returncode:
        pytest.fail(f"{line}\nended with status {process.returncode}:\n{output}", pytrace=False)
    return output


def ansible_test(setup: Setup, environment: Path, tree: Path, *words: str) -> str:
    """Run an environment's ansible-test in a copy of the work tree; its output."""
    folders = [str(environment / "bin"), *(os.path.dirname(python) for python in setup.pythons.values())]
    variables = ansible_test_variables(setup.home, folders)
    command = [environment / "bin" / "ansible-test", words[0], "--color", "no", *words[1:]]
    return check(command, cwd=tree, environment={**variables, **QUIET_PIP})
