# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run all tests, several parts of them at once, and sum up.

    python3 tests/tools/setup.py python tests/tools/run_tests.py [FOLDER...] [PYTEST-OPTION...]

The parts, with folders only those in them, are pytest's ``testpaths`` in pyproject.toml, started in their order; each
is a pytest of its own, whose lines are shown as they come. One more runs at once than there are processors, and three
at least, for some of their time goes into waiting. The last line has the numbers of all parts. After Ctrl-C or SIGTERM,
each part cleans up before this ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parents[2]
NOTHING_RAN = 5
"""pytest's exit status where no test was selected."""


@dataclasses.dataclass
class Part:
    """A part of the tests, and what came out of it. ``failed`` are the names of tests."""

    path: str
    status: int | None = None
    seconds: float = 0
    passed: int = 0
    skipped: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """What stands before its lines."""
        return self.path.removeprefix("tests/").removesuffix(".py")

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.status in (0, NOTHING_RAN) and not self.failed

    def read(self, report: Path) -> None:
        """Take in the results that pytest wrote, in JUnit's format."""
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag for child in case}
            if kinds & {"failure", "error"}:
                self.failed.append(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}")
            elif "skipped" in kinds:
                self.skipped += 1
            else:
                self.passed += 1


def parts(folders: Sequence[str] = ()) -> list[Part]:
    """All parts, or those in these folders, in the order of their start."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    paths = settings["tool"]["pytest"]["ini_options"]["testpaths"]
    return [Part(path) for path in paths if not folders or any(map(Path(path).is_relative_to, folders))]


def table(done: Sequence[Part]) -> list[str]:
    """What came out of each part, the names of what failed, and the numbers of all."""
    width = max(len(part.name) for part in done)
    lines = [f"{'':{width}}  passed  failed  skipped  seconds"]
    for part in done:
        numbers = f"{part.passed:6}  {len(part.failed):6}  {part.skipped:7}  {part.seconds:7.0f}"
        told = "" if part.good or part.failed else f"  ended with status {part.status}"
        lines.append(f"{part.name:{width}}  {numbers}{told}")
    lines += [f"FAILED {name}" for part in done for name in part.failed]
    failed = sum(len(part.failed) or not part.good for part in done)
    passed, skipped = (sum(getattr(part, kind) for part in done) for kind in ("passed", "skipped"))
    return [*lines, f"{passed} passed, {failed} failed, {skipped} skipped"]


class Runner:
    """Runs parts, so many at once."""

    def __init__(self, at_once: int, options: Sequence[str], folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._free = asyncio.Semaphore(at_once)
        self._running: list[asyncio.subprocess.Process] = []
        self.interrupted = False

    def interrupt(self) -> None:
        """Let what runs clean up, and start nothing more."""
        self.interrupted = True
        for process in self._running:
            process.send_signal(signal.SIGTERM)

    async def run(self, part: Part) -> None:
        """Run a part when it is its turn."""
        async with self._free:
            if self.interrupted:
                return
            began = time.monotonic()
            report = self._folder / f"{part.name.replace('/', '-')}.xml"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pytest", f"--junitxml={report}", *self._options, part.path),
                cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=1 << 24,
                start_new_session=True,
            )
            self._running.append(process)
            assert process.stdout
            async for line in process.stdout:
                print(f"{part.name} | {line.decode(errors='replace')}", end="", flush=True)
            part.status = await process.wait()
            self._running.remove(process)
            part.seconds = time.monotonic() - began
            if report.exists():
                part.read(report)


async def run(arguments: Sequence[str]) -> int:
    """Run the parts and print what came out; the exit status."""
    folders = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = arguments[len(folders) :]
    chosen = parts(folders)
    if not chosen:
        print(f"There are no tests in {' '.join(folders)}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(max(2, os.cpu_count() or 1) + 1, options, Path(folder))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, runner.interrupt)
        await asyncio.gather(*(runner.run(part) for part in chosen))
    if runner.interrupted:
        print("\nInterrupted. What had been started has ended and cleaned up.", file=sys.stderr)
        return 128 + signal.SIGINT
    print("\n" + "\n".join(table(chosen)))
    return 0 if all(part.good for part in chosen) and any(part.passed for part in chosen) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
