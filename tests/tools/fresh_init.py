# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a fresh Debian (fresh.py): run a command in each clone, reap orphans, hand signals on.

That Debian's Python runs it, with what it shall do as JSON in its only argument. When it ends, the kernel ends all
other processes of the namespace.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import IO, Any

SIOCSIFFLAGS = 0x8914  # netdevice(7)
IFF_UP = 1
GRACE = 60.0
"""Seconds that processes may take to clean up when the command has ended by a signal or nobody waits for it."""
PAUSE = 0.05


class Commands:
    """The commands that run, by their process ids, and how they ended."""

    def __init__(self) -> None:
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.statuses: list[int] = []
        self.printing: list[threading.Thread] = []
        self.interrupted = False

    def start(self, plan: dict[str, Any]) -> None:
        """Start a command in each folder, in a session of its own; where it cannot be started, its status is 127."""
        user, several = plan["user"], len(plan["folders"]) > 1
        rights: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if several else {}
        for number, folder in enumerate(plan["folders"], 1):
            try:
                process = subprocess.Popen(
                    plan["command"], cwd=folder, env=plan["environment"], start_new_session=True, **rights, **pipes
                )
            except OSError as error:
                print(f"fresh: cannot run {plan['command'][0]}: {error.strerror}", file=sys.stderr, flush=True)
                self.statuses.append(127)
                continue
            self.running[process.pid] = process
            if process.stdout:
                self.printing.append(threading.Thread(target=pass_on, args=(process.stdout, b"%d | " % number)))
        for thread in self.printing:
            thread.start()

    def hand_on(self, number: int) -> None:
        """Send a signal to the commands: SIGINT to all of their processes, as a terminal does, others to them alone."""
        for process in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if number == signal.SIGINT else os.kill)(process, number)

    def listen(self, listening: int) -> None:
        """Hand signals on that come through a pipe: the second kills, and so does the pipe's end, after a time."""
        while told := os.read(listening, 1):
            if self.interrupted:
                send_all(signal.SIGKILL)
            self.interrupted = True
            self.hand_on(told[0])
        self.interrupted = True
        self.hand_on(signal.SIGTERM)
        time.sleep(GRACE)
        send_all(signal.SIGKILL)

    def wait(self) -> None:
        """Reap whatever ends until the commands have ended."""
        while self.running:
            process, status = os.wait()
            if self.running.pop(process, None):
                code = os.waitstatus_to_exitcode(status)
                self.statuses.append(code if code >= 0 else 128 - code)

    def end(self) -> None:
        """End what the commands have left, which may clean up first where they were interrupted; print the rest."""
        if self.interrupted:
            send_all(signal.SIGTERM)
            limit = time.monotonic() + GRACE
            while time.monotonic() < limit and reap(os.WNOHANG):
                time.sleep(PAUSE)
        send_all(signal.SIGKILL)
        while reap(0):
            pass
        for thread in self.printing:
            thread.join()


def pass_on(output: IO[bytes], mark: bytes) -> None:
    """Print the lines of a command with a mark in front of each."""
    for line in output:
        sys.stdout.buffer.write(mark + line.rstrip(b"\n") + b"\n")
        sys.stdout.buffer.flush()


def send_all(number: int) -> None:
    """Send a signal to all processes but this."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, number)


def reap(options: int) -> bool:
    """Reap a child; whether there was any."""
    try:
        os.waitpid(-1, options)
    except ChildProcessError:
        return False
    return True


def loopback_up() -> None:
    """Switch the only network interface of a new network namespace on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        fcntl.ioctl(channel, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def main(plan: dict[str, Any]) -> int:
    """Run the command in each folder; the worst exit status."""
    if plan["offline"]:
        loopback_up()
    commands = Commands()
    commands.start(plan)
    threading.Thread(target=commands.listen, args=(plan["listening"],), daemon=True).start()
    commands.wait()
    commands.end()
    return max(commands.statuses)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
