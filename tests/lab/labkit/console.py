# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs, saying what is done and how long it took, and leaving nothing behind when interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .waiting import HANG


class LabError(Exception):
    """What went wrong, with what, and what to do about it."""


_running: set[subprocess.Popen] = set()
_lock = threading.Lock()
_told: list[int] = []  # the exit status for each signal that came


def say(text: str) -> None:
    """Print one plain line at once."""
    sys.stdout.write("lab: %s\n" % text)  # in one piece: there are threads
    sys.stdout.flush()


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Name a step that takes time, and the seconds it took."""
    say(what + " ...")
    began = time.monotonic()
    yield
    if _told:  # Python goes on where the signal has interrupted a destructor
        sys.exit(_told[0])
    say("%s: %.1f s" % (what, time.monotonic() - began))


def run(
    *args: object,
    timeout: float = HANG,
    check: bool = True,
    log: Path | None = None,
    text: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess:
    """Run a program to its end, in a process group that dies with this program; its output is text in the result.

    log: a file that receives stdout and stderr instead.  Raises LabError when the program is missing, fails
    (unless check is False) or takes longer than timeout seconds.
    """
    argv = [str(arg) for arg in args]
    with contextlib.ExitStack() as stack:
        out = err = subprocess.PIPE
        if log:
            out = err = stack.enter_context(open(log, "ab"))
        try:
            process = subprocess.Popen(
                argv,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=env,
                start_new_session=True,
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise LabError("%s: no such program; `lab.py tools` installs what the lab needs" % argv[0]) from error
        with _lock:
            _running.add(process)
        try:
            stdout, stderr = process.communicate(None if text is None else text.encode(), timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError("%s: not finished after %.0f s" % (_short(argv), timeout)) from error
        finally:
            if process.poll() is None:
                _kill(process)
            with _lock:
                _running.discard(process)
    result = subprocess.CompletedProcess(argv, process.returncode, _text(stdout), _text(stderr))
    if check and process.returncode:
        raise LabError(
            "%s: exit status %d%s"
            % (_short(argv), process.returncode, "\n" + log_tail(log) if log else "\n" + result.stdout + result.stderr)
        )
    return result


def log_tail(path: Path, lines: int = 15) -> str:
    """The end of a log, with its name."""
    return "%s:\n%s" % (path, "\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


def end_with_signals() -> None:
    """Turn SIGTERM and SIGHUP into an orderly exit: what runs is killed, every `finally` is executed."""

    def leave(number: int, _frame: object) -> None:
        _told.append(128 + number)
        with _lock_if_free():
            for process in list(_running):
                _kill(process)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)


@contextlib.contextmanager
def _lock_if_free() -> Iterator[None]:
    """A signal handler may have interrupted the holder of the lock: never wait for it."""
    held = _lock.acquire(blocking=False)
    try:
        yield
    finally:
        if held:
            _lock.release()


def _kill(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _short(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) < 300 else text[:300] + " [...]"


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
