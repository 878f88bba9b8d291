# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program as the parent of all that it leaves behind, so that the processor time of all of them is counted.

    python3 -IS tests/tools/adopt.py [--used FILE] PARENT COMMAND [ARGUMENT...]

Orphans of the program become children of this one (prctl(2), PR_SET_CHILD_SUBREAPER), which reaps them. The seconds
that all of them took go into the file; who waits for this program finds them in its ``RUSAGE_CHILDREN``, too. Signals
that end it are handed on, as SIGTERM is when the process PARENT ends, which has started this one. Descriptors are not:
what is locked by one stays so until the program has ended. The exit status is the program's, with 128 added to the
number of a signal.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(command: Sequence[str]) -> int:
    """Run the command to its end; the exit status."""
    file = command[1] if command[0] == "--used" else None
    starter, *command = command[2:] if file else command
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    parent, child = os.getpid(), os.fork()
    if not child:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        try:
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
            os._exit(127)
    for number in HANDED_ON:
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(starter):
        os.kill(child, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            break
    while _reaped():
        pass
    if file:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        Path(file).write_text(f"{used.ru_utime + used.ru_stime:.1f}\n", encoding="utf-8")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _reaped() -> bool:
    """Whether an orphan had ended and was reaped."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
