# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line protocol of the guests' serial agent (boot/guest-agent.sh), for the lab and for its connection plugin.

A request is one line, `ID COMMAND ID`; the agent ignores a line that does not begin and end with the same ID, so what a
killed caller left half written is never executed.  The answer is `@@BEGIN ID@@`, the command's output and
`@@END ID STATUS@@`; what stands before the own BEGIN belongs to a caller who did not wait for it and is thrown away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from .waiting import HANG

ROOT = "/newroot"  # the guest's userland, as its agent sees it
SHARE = "/mnt/lab"  # the share lab-work, as the userland sees it
LOGIN = {  # the environment of commands, in the host and in the guests
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
}
LONGEST = 3800  # bytes: the guest's tty buffer holds 4096
COURTESY = 1  # seconds that a caller stays for the next one's sake; nothing depends on it


class AgentError(Exception):
    """The guest did not answer: what was asked of which guest, and why there is no answer."""


def in_userland(line: str) -> str:
    """A shell line as the agent runs it in the guest's userland, in the environment of root's login."""
    environment = " ".join("%s=%s" % item for item in LOGIN.items())
    return "env -i %s chroot %s /bin/sh -c %s" % (environment, ROOT, shlex.quote("cd; " + line))


def ask(guest: Path, command: str, timeout: float = HANG) -> tuple[int, str]:
    """Exit status and output (stdout and stderr) of one shell line, run by the agent of the guest with this folder.

    Calls are served one after the other; waiting for others counts towards timeout (seconds).  Raises AgentError.
    """
    if "\n" in command or len(command.encode()) > LONGEST:
        raise AgentError("%s: a command is one line of at most %d bytes" % (guest.name, LONGEST))
    deadline = time.monotonic() + timeout
    identity = uuid.uuid4().hex
    begin, end = ("@@BEGIN %s@@" % identity).encode(), re.compile(b"@@END %s ([0-9]+)@@\r?\n" % identity.encode())
    received = b""
    try:
        with (
            _alone(guest / "lock", deadline),
            _sent(guest / "serial.sock", "\n%s %s %s\n" % (identity, command, identity), deadline) as line,
        ):
            while not (answer := end.search(received)):
                line.settimeout(max(0.01, deadline - time.monotonic()))
                data = line.recv(65536)
                if not data:
                    raise AgentError("%s: the machine went away while it ran: %s" % (guest.name, command[:200]))
                received += data
            # wait until VirtualBox has seen the end too: it throws out who connects before that, who then tries again
            line.shutdown(socket.SHUT_WR)
            line.settimeout(COURTESY)
            with contextlib.suppress(TimeoutError):
                while line.recv(65536):
                    pass
    except OSError as error:
        reason = "no answer in %.0f s" % timeout if isinstance(error, TimeoutError) else str(error)
        raise AgentError("%s: %s, asked to run: %s" % (guest.name, reason, command[:200])) from error
    output = received[received.index(begin) + len(begin) : answer.start()].lstrip(b"\r").removeprefix(b"\n")
    return int(answer.group(1)), output.decode("utf-8", "replace")


@contextlib.contextmanager
def _alone(path: Path, deadline: float) -> Iterator[None]:
    """The serial port has one client at a time; TimeoutError after the deadline."""
    with open(path, "a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError("other callers did not end") from error
                time.sleep(0.02)
        yield


@contextlib.contextmanager
def _sent(path: Path, request: str, deadline: float) -> Iterator[socket.socket]:
    """A connection over which the request went and nothing was received yet.

    Where VirtualBox still has a killed caller's connection it closes a new one unread (ECONNRESET): then again.
    """
    while True:
        client = _connect(path, deadline)
        try:
            client.sendall(request.encode())
            client.recv(1, socket.MSG_PEEK)
        except (ConnectionResetError, BrokenPipeError) as error:
            client.close()
            if time.monotonic() > deadline:
                raise TimeoutError("another caller's connection did not end") from error
            time.sleep(0.02)
            continue
        except BaseException:
            client.close()
            raise
        with client:
            yield client
        return


def _connect(path: Path, deadline: float) -> socket.socket:
    """A connection to a socket whose path may be of any length (the system's limit is 107 bytes)."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    client = socket.socket(socket.AF_UNIX)
    try:
        client.settimeout(max(0.01, deadline - time.monotonic()))
        client.connect("/proc/self/fd/%d/%s" % (folder, path.name))
    except BaseException:
        client.close()
        raise
    finally:
        os.close(folder)
    return client
