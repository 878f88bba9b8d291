# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying a store, beside the real ``0store audit``; written to verify.md.

Started by ``make benchmark``. Generates stores in the cache, then runs in turn, ROUNDS times after one round that only
warms the page cache and compiles Python's byte code: ``0store audit``, and a fresh Python that runs ``verify_once.py``.
Wall time is that of the whole process, CPU time that of the process and its children. What Ansible adds to a module run
is not in it.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROUNDS = 5
ONE = "one implementation of the same size"
AUDIT = "0store audit"
SMALL, SMALL_AUDIT = "full, small files", "0store audit, small files"
RIVALS = {"full": AUDIT, ONE: AUDIT, "changed": AUDIT, SMALL: SMALL_AUDIT}
"""The audit that each way is measured beside, one of the same files."""
LIMITS = {"full": (0.16, 0.25), ONE: (0.25, None), "changed": (0.02, None)}
"""The most that a way may take, as a ratio of the audit's wall time and CPU time."""
MOST_MEMORY = 100


def generate(store: Path, implementations: int, files: int, size: int) -> None:
    """Fill a store: so many implementations of so many files and bytes in all, of sizes as in packages."""
    sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests as manifest
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import trees as tree

    algorithm = manifest.ALGORITHMS["sha256new"]
    chance = random.Random(implementations)
    noise = chance.randbytes(1 << 24)
    each = files // implementations
    store.mkdir(parents=True)
    for number in range(implementations):
        root = store / f"tmp-{number}"
        for folder in range(max(1, each // 10)):
            (root / f"part {folder % 5}" / f"{folder}").mkdir(parents=True)
        folders = sorted(path for path in root.glob("*/*"))
        weights = [chance.lognormvariate(9, 1.8) for _file in range(each)]
        for file, weight in enumerate(weights):
            path = folders[file % len(folders)] / f"file {file}.py"
            with path.open("wb") as output:
                left = int(weight * size / implementations / sum(weights))
                while left > 0:
                    start = chance.randrange(1 << 20)
                    left -= output.write(noise[start : start + min(left, 1 << 23)])
            os.utime(path, (10**9 + file, 10**9 + file))
        (root / "link").symlink_to("part 0")
        descriptor = os.open(root, os.O_RDONLY)
        text = b"".join(tree.lines(descriptor, algorithm, tree.Reader(), tree.Totals()))
        os.close(descriptor)
        (root / ".manifest").write_bytes(text)
        root.rename(store / algorithm.implementation(algorithm.hash(text).digest()))


def measure(command: list[str]) -> tuple[float, float, str]:
    """Wall and CPU seconds of a process with its children, and its output."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output}")
    return seconds, usage.ru_utime + usage.ru_stime, output


def ours(store: Path, record: str = "") -> list[str]:
    """The command of one of our runs."""
    return [sys.executable, "-S", str(HERE / "verify_once.py"), str(store), record]


def bench(folder: Path) -> tuple[dict[str, list[tuple[float, float]]], dict[str, float], dict[str, Any]]:
    """Wall and CPU seconds of each run, megabytes by store, and the summary of a full run."""
    sizes = {
        "store": (200, 20_000, 1_400_000_000),
        "one": (1, 20_000, 1_400_000_000),
        "large": (2_000, 200_000, 1_400_000_000),
        "small": (200, 20_000, 20_000_000),
    }
    stores = {name: folder / name / "0install.net" / "implementations" for name in sizes}
    for name, (implementations, files, size) in sizes.items():
        print(f"Generating {implementations} implementations of {files} files, {size / 1e9:.2f} GB in all", flush=True)
        numbers = [str(number) for number in (implementations, files, size)]
        measure([sys.executable, "-S", __file__, "--generate", str(stores[name]), *numbers])
    time.sleep(4)  # what is younger is not recorded
    record = str(folder / "record")
    ways = {
        AUDIT: ["0store", "audit", str(stores["store"])],
        "full": ours(stores["store"]),
        ONE: ours(stores["one"]),
        "changed": ours(stores["store"], record),
        SMALL_AUDIT: ["0store", "audit", str(stores["small"])],
        SMALL: ours(stores["small"]),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    summary: dict[str, Any] = {}
    for round_ in range(ROUNDS + 1):
        for way, command in ways.items():
            wall, cpu, output = measure(command)
            if way in RIVALS:
                said = json.loads(output)
                expected = {ONE: (1, 0), "changed": (200, 200 if round_ else 0)}.get(way, (200, 0))
                if (said["ok"], said["unchanged"]) != expected or said["warnings"]:
                    raise SystemExit(f"{way} found: {said}")
                summary = said if way == "full" else summary
            if round_:
                found[way].append((wall, cpu))
                print(f"{way}: {wall:.2f} s, {cpu:.2f} s of CPU", flush=True)
    large = json.loads(measure(ours(stores["large"]))[2])
    return found, {"store": summary["megabytes"], "large": large["megabytes"]}, summary


def rival(found: dict[str, list[tuple[float, float]]], way: str) -> list[float]:
    """Wall and CPU seconds of the audit that a way is measured beside, medians."""
    return [statistics.median(column) for column in zip(*found[RIVALS.get(way, way)], strict=True)]


def table(found: dict[str, list[tuple[float, float]]], memory: dict[str, float], summary: dict[str, Any]) -> str:
    """The Markdown page."""
    version = measure(["0install", "--version"])[2].splitlines()[0]
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->",
        # REUSE-IgnoreEnd
        "# Verifying a store, beside `0store audit`\n",
        f"{summary['implementations']} implementations, {summary['files']:,} files,"
        f" {summary['bytes'] / 1e9:.1f} GB, {version}, Python {sys.version.split()[0]}, byte code compiled,"
        f" {len(os.sched_getaffinity(0))} processors, page cache warm, {datetime.date.today()}. Medians of {ROUNDS}"
        " runs in turn, the range in brackets. The small files are as many, of 0.02 GB. Written by `make benchmark`.\n",
        "| way | wall seconds | ÷ audit | CPU seconds | ÷ audit |",
        "|---|--:|--:|--:|--:|",
    ]
    for way, runs in found.items():
        cells = [f"| {way}"]
        for column, base in zip(zip(*runs, strict=True), rival(found, way), strict=True):
            median = statistics.median(column)
            cells.append(f"{median:.2f} ({min(column):.2f}-{max(column):.2f}) | {median / base:.3f}")
        lines.append(" | ".join(cells) + " |")
    lines.append(
        f"\nMemory, all processes at their largest added up: {memory['store']:.0f} MB; for a store of ten times the"
        f" files, {memory['large']:.0f} MB."
    )
    return "\n".join(lines) + "\n"


def too_slow(found: dict[str, list[tuple[float, float]]], memory: dict[str, float]) -> list[str]:
    """What does not keep to the limits."""
    wrong = []
    for way, limits in LIMITS.items():
        for what, limit, column, base in zip(
            ("wall", "CPU"), limits, zip(*found[way], strict=True), rival(found, way), strict=True
        ):
            ratio = statistics.median(column) / base
            if limit is not None and ratio > limit:
                wrong.append(f"{way}: {what} time is {ratio:.3f} of the audit's, more than {limit}")
    wrong += [f"{name}: {used:.0f} MB" for name, used in memory.items() if used > MOST_MEMORY]
    return wrong


def main() -> int:
    """Run the benchmark and write the page."""
    if sys.argv[1:2] == ["--generate"]:
        generate(Path(sys.argv[2]), *map(int, sys.argv[3:6]))
        return 0
    folder = Path(os.environ["ZEROINSTALL_VIRTUALBOX_CACHE"]) / "benchmark"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    try:
        found, memory, summary = bench(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    page = table(found, memory, summary)
    (HERE / "verify.md").write_text(page, encoding="utf-8")
    print(page)
    wrong = too_slow(found, memory)
    print("\n".join(wrong) or "All limits are kept.")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
