# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of a report costs to make and to use, for fleets of several sizes; written to report.md.

``make benchmark`` runs it. A small fleet, of which nothing is written::

    python3 tests/tools/setup.py --needs browser python tests/benchmarks/report.py 20

Reports are samples (tests/page/sample.py), with problems of every kind. The page is made by the collection's own code,
and opened in the real Chromium, without a window. What is measured there, the browser measures itself.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / name) for name in ("tools", "lab", "page")]
import collection  # noqa: E402
from outer import read_setup  # noqa: E402

assert collection.FINDER, "it makes ansible_collections importable"
_setup = read_setup()
if not _setup:
    raise SystemExit("start it by make benchmark")
sys.path += map(str, Path(_setup.tools["browser"]).glob("lib/python3.*/site-packages"))
import sample  # noqa: E402
from browsing import SOURCES, Browser, page  # noqa: E402

FLEETS = (10, 100, 1000)
ROUNDS = 5
LONG = 50
"""Milliseconds from which on a browser calls a task long."""
WORDS = "wrong"
"""What is typed into the filter of guests."""

WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => {
  window.longTasks.push(...list.getEntries().map((entry) => entry.duration));
}).observe({type: "longtask"});
"""
TASKS = "return window.longTasks.splice(0)"
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
SORT = "document.querySelectorAll('#guests th button').forEach((one) => one.click())"


class Round(NamedTuple):
    """Of one page: processor seconds to make it and of its script; milliseconds until it was loaded, and of long tasks
    while a word was typed.
    """

    making: float
    script: float
    loading: float
    long_tasks: tuple[float, ...]


class Fleet(NamedTuple):
    """A size of fleet, the bytes of both files, and all rounds."""

    guests: int
    json: int
    html: int
    rounds: list[Round]

    def median(self, of: Callable[[Round], float]) -> float:
        """The median of a figure of all rounds."""
        return statistics.median(map(of, self.rounds))


def measure(browser: Browser, guests: int, rounds: int) -> Fleet:
    """Make and use the page of so many guests."""
    report = sample.fleet(guests)
    before = sample.before(report)
    shown = sum(guest["state"] == WORDS for guest in report["guests"])
    found = []
    for _round in range(rounds):
        begin = time.process_time()
        text = page(report, before, SOURCES)
        making = time.process_time() - begin
        browser.open(report, before)
        begin = browser.metric("ScriptDuration")
        browser.driver.refresh()
        loading = browser.run(LOADED)
        browser.run(WATCH)
        browser.run(TASKS)
        browser.filter("guests", WORDS, f"{shown} of {guests} guests shown")
        long_tasks = tuple(browser.run(TASKS))
        browser.run(SORT)
        found.append(Round(making, browser.metric("ScriptDuration") - begin, loading, long_tasks))
    return Fleet(guests, len(json.dumps(report, indent=1, ensure_ascii=False).encode()), len(text.encode()), found)


def table(fleets: list[Fleet]) -> str:
    """The page with the figures."""
    first, last = fleets[-2:] if len(fleets) > 1 else (fleets[0], fleets[0])
    more = last.guests / first.guests
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->",
        # REUSE-IgnoreEnd
        "# The page of a report",
        "",
        f"Samples of reports with problems of every kind, Python {platform.python_version()}, {os.cpu_count()}"
        f" processors, {datetime.date.today()}. Medians of {len(first.rounds)} rounds. Written by `make benchmark`.",
        "",
        "| guests | `report.json` | `report.html` | making the page, CPU | loading it | its script, CPU | long tasks |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for fleet in fleets:
        slow = [task for one in fleet.rounds for task in one.long_tasks]
        lines.append(
            f"| {fleet.guests} | {fleet.json / 1e6:.2f} MB | {fleet.html / 1e6:.2f} MB"
            f" | {fleet.median(lambda one: one.making):.2f} s | {fleet.median(lambda one: one.loading):.0f} ms"
            f" | {1000 * fleet.median(lambda one: one.script):.0f} ms"
            f" | {f'{len(slow)}, up to {max(slow):.0f} ms' if slow else 'none'} |"
        )
    ratio = last.median(lambda one: one.script) / first.median(lambda one: one.script)
    making = last.median(lambda one: one.making) / first.median(lambda one: one.making)
    lines += [
        "",
        f"The script sets the page up, filters the guests by a word of {len(WORDS)} letters, and sorts them by each"
        f" column. A long task is one of {LONG} ms or more while the word is typed, in all rounds together; the browser"
        f" is busy meanwhile. For {more:.0f} times as many guests, the script takes {ratio:.1f} times as long, and"
        f" making the page {making:.1f} times. What the playbook `report` costs is in [fleet.md](fleet.md).",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and write the page unless the fleets are others."""
    guests = tuple(map(int, sys.argv[1:])) or FLEETS
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        browser.begin(Path(folder))
        fleets = [measure(browser, number, ROUNDS if guests == FLEETS else 1) for number in guests]
        complaints = browser.complaints()
    text = table(fleets)
    if guests == FLEETS:
        (HERE / "report.md").write_text(text, encoding="utf-8")
    print(text)
    print("\n".join(complaints) or "The browser had nothing to complain of.")
    return len(complaints)


if __name__ == "__main__":
    sys.exit(main())
