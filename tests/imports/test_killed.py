# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at every step of an import: before each line of its code that is reached.

A pass answers a good request, one that is refused, and one for what the store has. It is killed before the first line
that it runs, in the next run before the second line that is new, and so on. Whatever is left then is sound, and the
next pass does what is left to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass, origins, turn_taking
from hosts import SERVICE, Host, digest, named, pack
from labkit.waiting import HANG

TRACED = ("_inbox", "_files")
"""The packages whose lines are steps."""

LOADED = (ctypes, tempfile)
"""What the import loads only when it needs it, and the service's user may not read where the tests' Python is."""


class Killer:
    """Counts the lines of the import's code that are reached for the first time, and kills before one of them.

    The lines are those of the pass's own process, or, with ``below``, of the processes that unpack. ``everything`` goes
    with it, as systemd does it, or only that process.
    """

    def __init__(self, number: int, below: bool, everything: bool) -> None:
        self._number = number
        self._below = below
        self._everything = everything
        self._main = os.getpid()
        self._seen: set[tuple[str, int]] = set()

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        folder, name = os.path.split(frame.f_code.co_filename)
        if os.path.basename(folder) not in TRACED:
            return None
        if event == "line" and (os.getpid() != self._main) == self._below:
            self._seen.add((name, frame.f_lineno))
            if len(self._seen) > self._number:
                os.killpg(0, signal.SIGKILL) if self._everything else os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def run_killed(host: Host, number: int, below: bool, everything: bool) -> int:
    """A pass as the service makes it, which is killed before the line of this number; its wait status."""
    child = os.fork()
    if not child:
        outcome = 1
        try:
            os.setsid()
            os.setgroups([])
            os.setresgid(SERVICE, SERVICE, SERVICE)
            os.setresuid(SERVICE, SERVICE, SERVICE)
            sys.settrace(Killer(number, below, everything).trace)
            one_pass.run(host.options, lambda answer: None)
            outcome = 0
        except BaseException:
            sys.settrace(None)
            traceback.print_exc()
        finally:
            sys.settrace(None)
            os._exit(outcome)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(
    ("below", "everything"),
    [
        pytest.param(False, True, id="pass"),
        pytest.param(True, True, id="unpacking"),
        pytest.param(False, False, id="pass alone", marks=pytest.mark.thorough),
    ],
)
def test_killed_before_every_line(host: Host, folder: Path, below: bool, everything: bool) -> None:
    """The whole service; and the pass alone, so that a process that unpacks lives on for a moment."""
    there, new = digest(named(1), folder), digest(named(2), folder)
    host.put("other", there, pack(named(1)))
    assert [answer.status for answer in host.run()] == ["added"]
    first = (host.staging / origins.ORIGINS).read_text()
    number = 0
    moments = set()
    boxes = {there: "other", new: "good"}
    while True:
        requests = {
            "good": ("good", host.put("good", new, pack(named(2))), {"added", "present"}),
            "bad": ("evil", host.put("evil", new.replace("_", "=").lower(), b"x"), {"refused"}),
            "false": ("evil", host.put("evil", digest_of_nothing(number), pack(named(3))), {"refused"}),
            "there": ("other", host.put("other", there, pack(named(1))), {"present"}),
        }
        status = run_killed(host, number, below, everything)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
        assert host.sound() in ({there}, {there, new}), number
        assert known(host).items() <= boxes.items(), number
        left = {name.split("-")[0] for name in os.listdir(host.store) if not name.startswith("sha")}
        own = (turn_taking.STATE, *origins.FILES)
        unpacked = any(not name.startswith(own) for name in os.listdir(host.staging))
        moments.add((new in os.listdir(host.store), unpacked, *left))
        host.run()
        assert host.check() == {there, new}, number
        assert known(host) == boxes, number
        for box, identity, expected in requests.values():
            answer = host.answer(box, identity)
            assert answer and answer["status"] in expected, (number, box, answer)
            (host.boxes / box / f"{identity}.answer").unlink()
        assert [name for box in host.boxes.iterdir() for name in os.listdir(box) if not name.endswith(".answer")] == []
        forget(host, new)
        (host.staging / origins.ORIGINS).write_text(first)
        if os.WIFEXITED(status):
            break
        number += 1
    print(f"killed before {number} lines", moments)
    # It was killed before it unpacked, while it did, where the package had its temporary name in the store, and later.
    assert moments >= {(False, False), (False, True)}
    if not below:
        assert any("tmp" in moment for moment in moments) and any(moment[0] for moment in moments)


def known(host: Host) -> dict[str, str]:
    """Of each package in the store the box that it came from, as is noted, and nothing that is noted is damaged."""
    record = host.record()
    assert record.damaged == 0
    return {name: record.origins[name].box for name in os.listdir(host.store) if name.startswith("sha")}


def digest_of_nothing(number: int) -> str:
    """A name that no package has."""
    return f"sha256={number:064x}"


def forget(host: Host, name: str) -> None:
    """Take an implementation out of the store."""
    subprocess.run(["rm", "-rf", "--", host.store / name], check=True, timeout=HANG)


def test_an_unpacking_process_that_is_killed_is_a_refusal(host: Host, folder: Path) -> None:
    """As where the kernel ends it for want of memory: the others are served, and sent again it is added."""
    wanted = digest(named(1), folder)
    for number in range(0, 60, 7):
        identity = host.put("good", wanted, pack(named(1)))
        status = run_killed(host, number, below=True, everything=False)
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        answer = host.answer("good", identity)
        assert answer and answer["status"] == "refused" and "ended" in answer["reason"]
        assert host.check() == set()
    host.is_served("good", 2)
    host.put("good", wanted, pack(named(1)))
    assert [answer.status for answer in host.run()] == ["added"]
