# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up what the tests need, run them, several parts at once, and sum up.

    python3 tests/tools/run_tests.py [--all [--until MINUTES]] [FOLDER...] [PYTEST-OPTION...]

Without ``--all``, the tests that are marked ``thorough`` are left out. With ``--until``, the other tests come first.
Then the parts run again for their thorough tests, and none of that begins later than so many minutes after the start;
the summary names what is left out.

The parts are in parts.py, with folders only those in them; each is a pytest of its own, whose lines are shown as they
come. The last line has the numbers of all parts. Where what a part needs could not be set up, its tests are not run and
count as failed. After Ctrl-C or SIGTERM, each part cleans up before this ends.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import math
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import parts
import setup
from alone import alone
from steps import ADOPT, INTERRUPTIONS, LOCKS, STARTED, say

FILES = ("report", "counts", "used")
"""What a part leaves: pytest's report in JUnit's format, how many tests were selected and finished, processor time."""
NOTHING_RAN = 5
"""pytest's exit status where no test was selected."""

SET_UP_FAILED = re.compile(rf'failed on setup with "(?:{parts.NOT_RUN})?(.*?)"?$', re.DOTALL)
"""The message by which pytest's report tells that a test was not run, and why."""


@dataclasses.dataclass
class Part:
    """A part of the tests, and what came out of it.

    Attributes:
        needed: whether it is run however late it is.
        options: of pytest's, for it alone.
        left_out: whether it was not, as it was too late.
        seconds: from its start to its end.
        processor: seconds of processor time, of all processes that it started.
        failed: the names of tests that ran and failed, and why.
        not_run: why tests were not run, and how many of them.
        ended: what is odd about its end.
    """

    path: str
    needed: bool = True
    options: Sequence[str] = ()
    left_out: bool = False
    seconds: float = 0
    processor: float = 0
    passed: int = 0
    skipped: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    not_run: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    ended: str = "was not begun"

    @property
    def name(self) -> str:
        """What stands before its lines."""
        return self.path.removeprefix("tests/").removesuffix(".py")

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.ended and not self.failed and not self.not_run

    def read(self, status: int, files: Mapping[str, Path]) -> None:
        """Take in the exit status, and what pytest, the plugin outer.py and adopt.py have written, as in `FILES`."""
        try:
            self.processor = float(files["used"].read_text(encoding="utf-8"))
            self._read_report(files["report"])
            counts = json.loads(files["counts"].read_text(encoding="utf-8"))
        except (OSError, ValueError, ElementTree.ParseError) as error:
            self.ended = f"ended with status {status}, and its results cannot be read ({error})"
            return
        if missing := counts["selected"] - counts["finished"]:
            self.not_run["the part ended before them"] += missing
        # Tests fail: that is told by itself.
        self.ended = "" if status in (0, NOTHING_RAN, 1) else f"ended with status {status}"
        if status == 1 and not self.failed and not self.not_run:
            self.ended = "ended with status 1"

    def _read_report(self, report: Path) -> None:
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag: child.get("message", "") for child in case}
            if found := SET_UP_FAILED.match(kinds.get("error", "")):
                self.not_run[parts.brief(found[1])] += 1
            elif kinds.keys() & {"failure", "error"}:
                module = case.get("classname", "").replace(".", "/")
                name = f"{module}.py::{case.get('name')}" if module else str(case.get("name"))
                self.failed.append(f"{name} - {parts.reason(kinds.get('failure') or kinds.get('error', ''))}")
            elif "skipped" in kinds:
                self.skipped += 1
            else:
                self.passed += 1


def table(done: Sequence[Part]) -> list[str]:
    """What came out of each part, the names of what failed, why tests were not run, and the numbers of all."""
    late = [part.path for part in done if part.left_out]
    done = [part for part in done if not part.left_out]
    width = max((len(part.name) for part in done), default=0)
    lines = [f"{'':{width}}  passed  failed  skipped  seconds  of a processor"]
    for part in done:
        numbers = f"{part.passed:6}  {failures(part):6}  {part.skipped:7}  {part.seconds:7.0f}  {part.processor:14.0f}"
        lines.append(f"{part.name:{width}}  {numbers}" + (f"  {part.ended}" if part.ended else ""))
    lines += [f"FAILED {name}" for part in done for name in part.failed]
    lines += [
        f"NOT RUN {part.path}, {number} tests: {reason}" for part in done for reason, number in part.not_run.items()
    ]
    if late:
        lines.append(f"LEFT OUT, the thorough tests of these, as their turn came too late: {', '.join(late)}")
    failed = sum(map(failures, done))
    passed, skipped = (sum(getattr(part, kind) for part in done) for kind in ("passed", "skipped"))
    return [*lines, f"{passed} passed, {failed} failed, {skipped} skipped"]


def failures(part: Part) -> int:
    """How many tests failed, or were not run because of a failure; one more for a part that ended oddly."""
    return len(part.failed) + part.not_run.total() + bool(part.ended)


class Runner:
    """Runs parts, so many at once. Those that are not needed begin up to ``until`` seconds after the start."""

    def __init__(
        self, at_once: int, command: Sequence[str], variables: Mapping[str, str], folder: Path, until: float
    ) -> None:
        self._command = command
        self._variables = variables
        self._folder = folder
        self._until = until
        self._free = asyncio.Semaphore(at_once)
        self._running: list[asyncio.subprocess.Process] = []
        self.interrupted = False

    def interrupt(self) -> None:
        """Let what runs clean up, and start nothing more."""
        self.interrupted = True
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    async def run(self, part: Part) -> None:
        """Run a part when it is its turn."""
        async with self._free:
            if self.interrupted:
                return
            began = time.monotonic()
            part.left_out = not part.needed and began - STARTED > self._until
            if part.left_out:
                return
            name = f"{part.name.replace('/', '-')}{'' if part.needed else '-late'}"
            files = {kind: self._folder / f"{name}.{kind}" for kind in FILES}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-IS", str(ADOPT), "--used", str(files["used"]), str(os.getpid())),
                *(*self._command, *part.options, f"--junitxml={files['report']}", part.path),
                *(f"--ignore={path}" for path in parts.inner(part.path)),
                cwd=parts.REPOSITORY,
                env={**self._variables, parts.COUNTS: str(files["counts"])},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=1 << 24,
                pass_fds=tuple(LOCKS),
                start_new_session=True,
            )
            self._running.append(process)
            if self.interrupted:
                process.send_signal(signal.SIGTERM)
            assert process.stdout
            async for line in process.stdout:
                print(f"{part.name} | {line.decode(errors='replace')}", end="", flush=True)
            status = await process.wait()
            self._running.remove(process)
            part.seconds = time.monotonic() - began
            part.read(status, files)


def processor() -> float:
    """Seconds of processor time of this program, of the programs that it has run, and of all that they left behind."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def run(
    chosen: Sequence[Part],
    options: Sequence[str],
    environment: setup.Setup,
    variables: Mapping[str, str],
    until: float = math.inf,
) -> int:
    """Run parts with pytest's options, and print what came out; the exit status."""
    python = str(Path(environment.environments["oldest"]) / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(setup.AT_ONCE, [python, "-m", "pytest", *options], variables, Path(folder), until)
        for number in INTERRUPTIONS:
            asyncio.get_running_loop().add_signal_handler(number, runner.interrupt)
        await asyncio.gather(*(runner.run(part) for part in chosen))
    if runner.interrupted:
        print("\nInterrupted. What had been started has ended and cleaned up.", file=sys.stderr)
        return 128 + signal.SIGINT
    *lines, last = table(chosen)
    print("\n" + "\n".join(lines))
    for line in environment.left_out:
        print(f"NOT TESTED HERE: {line}")
    say(f"{processor():.0f} s of processor time, with the set-up")
    print(last)
    return 0 if all(part.good or part.left_out for part in chosen) and any(part.passed for part in chosen) else 1


def in_turn(chosen: Sequence[str], until: float) -> list[Part]:
    """The parts to run: with a limit of time, first their tests that are not thorough, and then the others."""
    if until == math.inf:
        return [Part(path) for path in chosen]
    lane = parts.chosen(chosen)
    first = [Part(path, options=("-m", f"not {parts.MARKER}")) for path in lane]
    late = [path for path in chosen if any(map(parts.out_of_lane, parts.files(path)))]
    return first + [Part(path, needed=False, options=("-m", parts.MARKER)) for path in late]


def main(arguments: Sequence[str]) -> int:
    """Set up and run; the exit status."""
    if "--help" in arguments or "-h" in arguments:
        print(__doc__)
        return 0
    everything = arguments[:1] == ["--all"]
    arguments = arguments[everything:]
    until = math.inf
    if everything and arguments[:1] == ["--until"]:
        if not arguments[1:] or not arguments[1].isdecimal():
            print("--until needs a whole number of minutes", file=sys.stderr)
            return 2
        until = 60 * int(arguments[1])
        arguments = arguments[2:]
    folders = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = [*([] if everything else ["-m", f"not {parts.MARKER}"]), *arguments[len(folders) :]]
    for folder in folders:
        if not parts.chosen([folder], everything):
            thorough = bool(parts.chosen([folder], everything=True))
            why = "all of it is marked thorough, so add --all" if thorough else "this is no part, nor has parts in it"
            print(f"{folder}: {why}; the parts of the tests are in tests/tools/parts.py", file=sys.stderr)
            return 2
    chosen = parts.chosen(folders, everything)
    with setup.explained():
        environment, variables = setup.provide(parts.needs_of(chosen), everything)
        with alone(Path(environment.cache), f"tests of {setup.REPOSITORY}"):
            say(f"Running {len(chosen)} parts of the tests, up to {setup.AT_ONCE} at once")
            status = asyncio.run(run(in_turn(chosen, until), options, environment, variables, until))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
