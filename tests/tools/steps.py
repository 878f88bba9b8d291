# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that set something up: what depends on nothing goes side by side, and each tells how far it is.

A step is a generator of commands. It is handed the exit status of each, and runs to its end before the steps behind it
begin. Where one fails, those behind it are not begun, and the others go on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

ADOPT = Path(__file__).with_name("adopt.py")
STARTED = time.monotonic()
QUIET = 30.0
"""Seconds without a line after which a step tells that it is still at work."""
PAUSE = 0.1
LOCKS: set[int] = set()
"""Descriptors of locks that are held: by the programs of steps, too, so that a lock is never free while one goes on."""
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_LINES = 15
FULL = "No space left on device"
CUT_OFF = re.compile(r"Temporary failure (?:in name resolution|resolving)|Failed to establish a new connection")
"""What programs say that reach no network."""
WIDTH = 110
"""Characters of a line of a log that are shown."""


class StepError(Exception):
    """A message for the user: what cannot be done, why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A program to run, with its output in a log, of which lines that begin with ``shown`` are shown as they come.

    An interruption reaches it as ``interrupted_by``.
    """

    words: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    shown: str | None = None
    interrupted_by: signal.Signals = signal.SIGTERM


Work = Generator[Command, int, None]


@dataclasses.dataclass(frozen=True)
class Step:
    """A step with a title for people and the seconds that it takes about; ``after`` are the names of others."""

    name: str
    title: str
    work: Callable[[], Work]
    seconds: int = 0
    after: Sequence[str] = ()


def say(message: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {message}", flush=True)


def must(command: Command) -> Work:
    """Run a command that has to succeed.

    Raises:
        StepError: it failed; with the last lines of its output.
    """
    status = yield command
    if status:
        tail = last_lines(command.log)
        line = " ".join(map(str, command.words))[:300]
        raise StepError(
            f"{hint(command.log)}{line}\nended with status {status}; its last lines ({command.log}):\n{tail}"
        )


def hint(log: Path) -> str:
    """What to do, by what programs said in a log; nothing if it is not known."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if FULL in text:
        return f"The disk is full: make room below {log.parent.parent}, and run this again.\n"
    return "There is no network: packages cannot be fetched.\n" if CUT_OFF.search(text) else ""


def last_lines(log: Path) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])


class _Running:
    """A step at work, and the program that it runs now."""

    def __init__(self, step: Step, label: str) -> None:
        self.step = step
        self.label = label
        self.work = step.work()
        self.began = self.heard = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        self.command: Command | None = None
        self._read = 0

    def advance(self) -> bool:
        """Go on as far as nothing has to be waited for; whether the step is done."""
        self._show()
        if self.process and self.process.poll() is None:
            return False
        try:
            command = self.work.send(self.process.returncode) if self.process else next(self.work)
        except StopIteration:
            return True
        self._start(command)
        return False

    def _start(self, command: Command) -> None:
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-IS", str(ADOPT), str(os.getpid()), *map(str, command.words)],
                pass_fds=tuple(LOCKS),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=command.environment,
                cwd=command.folder,
                start_new_session=True,
            )
        self.command, self._read = command, 0

    def _show(self) -> None:
        """Pass on what the program has said for people, or tell that it is still at work."""
        if not self.command:
            return
        now = time.monotonic()
        with self.command.log.open("rb") as log:
            log.seek(self._read)
            new = log.read().rpartition(b"\n")[0]
        self._read += len(new) + 1 if new else 0
        lines = new.decode(errors="replace").splitlines()
        if self.command.shown is not None:
            for line in lines:
                if line.startswith(self.command.shown):
                    say(f"{self.label}   {line.removeprefix(self.command.shown)[:WIDTH]}")
                    self.heard = now
        if now - self.heard > QUIET:
            about = f", usually about {self.step.seconds} s" if self.step.seconds else ""
            last = last_lines(self.command.log).rpartition("\n")[2].strip().removeprefix(self.command.shown or "")
            say(f"{self.label}   still at it for {now - self.began:.0f} s{about}: {last[:WIDTH]}")
            self.heard = now

    def interrupt(self) -> None:
        """Have the program end, which may take the time to clean up."""
        if self.process and self.command and self.process.poll() is None:
            self.process.send_signal(self.command.interrupted_by)

    def kill(self) -> None:
        """Have the program end at once."""
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Wait until the program has ended."""
        if self.process:
            self.process.wait()
        self.work.close()


def _end(running: Sequence[_Running]) -> None:
    """Interrupt steps and wait until they have ended; a second interruption ends all of them at once."""
    try:
        for one in running:
            one.interrupt()
        for one in running:
            one.end()
    except BaseException:
        for one in running:
            one.kill()
        for one in running:
            one.end()
        raise


@contextlib.contextmanager
def interruptions_later() -> Iterator[Callable[[], None]]:
    """Have interruptions wait until the function is called that this gives, or the end; then they do what they do else.

    An exception that a signal raises in the middle of ``subprocess`` can leave a lock of it held for good.
    """
    came: list[int] = []
    raising = {number: handler for number in INTERRUPTIONS if callable(handler := signal.getsignal(number))}

    def look() -> None:
        if came:
            raising[came[0]](came[0], None)

    try:
        for number in raising:
            signal.signal(number, lambda sent, _frame: came.append(sent))
        yield look
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
    look()


def seconds_left(steps: Sequence[Step]) -> dict[str, int]:
    """By the name of each step, the seconds that it and the longest chain of steps behind it take about."""
    left: dict[str, int] = {}

    def count(step: Step) -> int:
        if step.name not in left:
            behind = [count(other) for other in steps if step.name in other.after]
            left[step.name] = step.seconds + max(behind, default=0)
        return left[step.name]

    for step in steps:
        count(step)
    return left


def carry_out(steps: Sequence[Step], at_once: int, stop_at_failure: bool = False) -> dict[str, str]:
    """Carry out steps, up to ``at_once`` of them side by side: those first behind which the longest work waits.

    Returns:
        The name of each step that failed, or was not begun because of one, with a message.

    Raises:
        StepError: with ``stop_at_failure``, a step failed; the others were ended.
    """
    left = seconds_left(steps)
    waiting = sorted(enumerate(steps, 1), key=lambda one: -left[one[1].name])
    done, failed = set[str](), dict[str, str]()
    known = {step.name for step in steps}
    running: list[_Running] = []
    with contextlib.ExitStack() as stack:
        stack.callback(_end, running)
        look = stack.enter_context(interruptions_later())
        while waiting or running:
            for number, step in list(waiting):
                if lost := [name for name in step.after if name in failed]:
                    failed[step.name] = failed[lost[0]]
                    waiting.remove((number, step))
                elif len(running) < at_once and known & set(step.after) <= done:
                    waiting.remove((number, step))
                    running.append(_Running(step, f"{number}/{len(steps)}"))
                    say(f"{number}/{len(steps)} {step.title}" + (f", about {step.seconds} s" if step.seconds else ""))
            for one in list(running):
                try:
                    if not one.advance():
                        continue
                    done.add(one.step.name)
                    say(f"{one.label} {one.step.title}: done in {time.monotonic() - one.began:.0f} s")
                except (StepError, OSError, subprocess.SubprocessError) as error:
                    failed[one.step.name] = f"{one.step.title}: {error}"
                    say(f"{one.label} {one.step.title}: failed")
                    if stop_at_failure:
                        raise StepError(failed[one.step.name]) from error
                running.remove(one)
            look()
            time.sleep(PAUSE)
    return failed
