# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty guests that send 500 packages at once, beside ``0store add`` one after the other; written to imports.md.

    imports.py [PACKAGES BOXES]

Started by ``make benchmark``. Generates packages, and has the guests' own program pack them into the boxes; that is not
in the times. Then, in turn, ROUNDS times: the real ``0store add`` for each
package, into an empty store; the same followed by ``sync``, since the import writes to disk what it adds; and one pass
of the service's program over all boxes, with one process that unpacks, and with one for each processor. Each package is
added once, and none is lost; the stores are compared and verified.

Wall time is that of all the processes, memory the most that all processes of the service have together, by what the
kernel counts of each page once (Pss), looked at every 20 ms.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
ROUNDS = 3
PACKAGES, BOXES = 500, 20
SIZES = ((350, 20, 200_000), (130, 60, 3_000_000), (20, 400, 20_000_000))
"""Of 500 packages, so many have so many files and bytes."""
MOST_MEMORY = 150
"""Megabytes."""
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def generate(folder: Path, packages: int) -> dict[str, Path]:
    """Packages of mixed sizes by name, in an order by chance."""
    chance = random.Random(5)
    noise = chance.randbytes(1 << 22)
    kinds = [kind for kind in SIZES for _package in range(max(1, kind[0] * packages // PACKAGES))][:packages]
    kinds += [SIZES[0]] * (packages - len(kinds))
    chance.shuffle(kinds)
    found = {}
    for number, (_count, files, size) in enumerate(kinds):
        path = folder / f"package-{number}"
        weights = [chance.lognormvariate(0, 1.5) for _file in range(files)]
        for file, weight in enumerate(weights):
            place = path / f"part-{file % 7}" / f"file {file}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            length = min(len(noise), int(size * weight / sum(weights)))
            start = chance.randrange(len(noise) - length + 1)
            place.write_bytes(b"%d " % number + noise[start : start + length])
            place.chmod(0o755 if file % 10 == 0 else 0o644)
            os.utime(place, (10**9 + file, 10**9 + file))
        (path / "link").symlink_to("part-0/file 0.py")
        done = subprocess.run(
            ["0install", "digest", "--algorithm=sha256new", path], capture_output=True, text=True, check=True
        )
        found[done.stdout.strip()] = path
    return found


def fill(boxes: Path, packages: dict[str, Path], count: int) -> None:
    """Have the packages packed into the boxes as the guests' program does."""
    sys.path.insert(0, str(REPOSITORY / "plugins/module_utils/_guest"))
    import secure_add

    for number, (name, path) in enumerate(packages.items()):
        box = boxes / f"guest{number % count:02}"
        box.mkdir(parents=True, exist_ok=True)
        descriptors = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in (path, box)]
        secure_add.send(*descriptors, f"{number:032x}.part", f"{number:032x}.{name}.tar")
        for descriptor in descriptors:
            os.close(descriptor)


def program(folder: Path) -> Path:
    """The service's program, as the role installs it."""
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs

    archive = folder / "store_import.pyz"
    archive.write_bytes(_programs.service())
    return archive


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def memory(pid: int) -> int:
    """Kilobytes of a process and of those that it has started."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Pss:\s*(\d+) kB$", text, re.MULTILINE)
    return (int(found[1]) if found else 0) + sum(map(memory, children(pid)))


class Timed:
    """A process that ran: wall seconds, the most megabytes, its output."""

    def __init__(self, command: list[str | Path]) -> None:
        began = time.monotonic()
        self.megabytes = 0.0
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            ended = threading.Event()

            def watch() -> None:
                while not ended.wait(0.02):
                    self.megabytes = max(self.megabytes, memory(process.pid) / 1024)

            watcher = threading.Thread(target=watch)
            watcher.start()
            self.output = process.communicate()[0]
            self.seconds = time.monotonic() - began
            ended.set()
            watcher.join()
        if process.returncode:
            raise SystemExit(f"{command} failed:\n{self.output}")


def rival(store: Path, packages: dict[str, Path], sync: bool) -> float:
    """Seconds of 0store add for all, one after the other."""
    home = store.parent.parent
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(home), "XDG_CACHE_DIRS": str(home)}
    began = time.monotonic()
    for name, path in packages.items():
        subprocess.run(["0store", "add", name, path], env=environment, cwd="/", check=True, capture_output=True)
    if sync:
        subprocess.run(["sync", "-f", store], check=True)
    return time.monotonic() - began


def new_store(folder: Path) -> Path:
    """An empty store."""
    shutil.rmtree(folder, ignore_errors=True)
    store = folder / "0install.net" / "implementations"
    store.mkdir(parents=True)
    return store


def ours(main: Path, store: Path, boxes: Path, workers: int) -> list[str | Path]:
    """The command of the service."""
    command: list[str | Path] = [sys.executable, "-IS", main, "--store", store, "--boxes", boxes, "--keep-free", "0"]
    return [*command, "--workers", str(workers)]


def check(store: Path, packages: dict[str, Path], boxes: Path, output: str) -> None:
    """SystemExit unless each package was added once and answered, and all are sound."""
    added = re.findall(r"^guest\d+: added (\S+)$", output, re.MULTILINE)
    answers = {path.name.split(".")[0]: json.loads(path.read_text()) for path in boxes.glob("*/*.answer")}
    wrong = [
        what
        for what, right in {
            "not each was added once": sorted(added) == sorted(packages),
            "the store has something else": set(os.listdir(store)) == set(packages),
            "not all were answered": len(answers) == len(packages),
            "not all answers are good": all(answer["status"] == "added" for answer in answers.values()),
            "requests are left": not list(boxes.glob("*/*.tar")),
        }.items()
        if not right
    ]
    audit = subprocess.run(["0store", "audit", store], capture_output=True, text=True, check=False)
    if audit.returncode:
        wrong.append(f"0store audit says: {audit.stdout}{audit.stderr}")
    if wrong:
        raise SystemExit("; ".join(wrong))


def bench(folder: Path, packages: dict[str, Path], count: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and megabytes of each way, in each round."""
    main = program(folder / "program")
    boxes = folder / "boxes"
    processors = len(os.sched_getaffinity(0))

    def imported(workers: int) -> Callable[[], tuple[float, float]]:
        def run() -> tuple[float, float]:
            shutil.rmtree(boxes, ignore_errors=True)
            fill(boxes, packages, count)
            store = new_store(folder / "ours")
            os.sync()
            timed = Timed(ours(main, store, boxes, workers))
            check(store, packages, boxes, timed.output)
            return timed.seconds, timed.megabytes

        return run

    def added(sync: bool) -> Callable[[], tuple[float, float]]:
        def run() -> tuple[float, float]:
            store = new_store(folder / "rival")
            os.sync()
            return rival(store, packages, sync), 0.0

        return run

    ways = {
        "`0store add`": added(False),
        "`0store add`, then `sync`": added(True),
        "import, 1 process unpacks": imported(1),
        f"import, {processors} processes unpack": imported(processors),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _round in range(rounds):
        for way, run in ways.items():
            found[way].append(run())
            print(f"{way}: {found[way][-1][0]:.2f} s, {found[way][-1][1]:.0f} MB", flush=True)
    return found


def table(found: dict[str, list[tuple[float, float]]], packages: dict[str, Path], count: int) -> str:
    """The Markdown page."""
    version = subprocess.check_output(["0install", "--version"], text=True).splitlines()[0]
    files = [path for package in packages.values() for path in package.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    base = statistics.median(seconds for seconds, _memory in found["`0store add`"])
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->",
        # REUSE-IgnoreEnd
        f"# {count} guests that send {len(packages)} packages at once, beside `0store add`\n",
        f"{len(packages)} packages, {len(files):,} files, {size / 1e6:,.0f} MB, {version}, Python"
        f" {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} processors,"
        f" {datetime.date.today()}. Medians of {ROUNDS} runs in turn, the range in brackets. Written by `make"
        " benchmark`, which also checks that each package was added once, that each guest was answered, and that"
        " `0store audit` finds nothing wrong.\n",
        "| way | wall seconds | ÷ `0store add` | memory |",
        "|---|--:|--:|--:|",
    ]
    for way, runs in found.items():
        column = [seconds for seconds, _megabytes in runs]
        median = statistics.median(column)
        megabytes = max(memory for _seconds, memory in runs)
        lines.append(
            f"| {way} | {median:.1f} ({min(column):.1f}-{max(column):.1f}) | {median / base:.2f}"
            f" | {f'{megabytes:.0f} MB' if megabytes else ''} |"
        )
    lines.append(
        "\n`0store add` copies a tree that is unpacked, one package after the other, and does not write it to disk. The"
        " import copies an archive to where its guest cannot reach it, unpacks and verifies it, and has all of it on"
        " the disk before it answers. Memory is that of all processes of the service at their largest."
    )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmark, and write the page unless the numbers are others."""
    numbers = [int(word) for word in sys.argv[1:3]] or [PACKAGES, BOXES]
    real = numbers == [PACKAGES, BOXES]
    base = Path(os.environ.get("ZEROINSTALL_VIRTUALBOX_CACHE", tempfile.gettempdir())) / "benchmark-imports"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        print(f"Generating {numbers[0]} packages", flush=True)
        packages = generate(base / "packages", numbers[0])
        found = bench(base, packages, numbers[1], ROUNDS if real else 1)
        page = table(found, packages, numbers[1])
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if real:
        (HERE / "imports.md").write_text(page, encoding="utf-8")
    print(page)
    wrong = [
        f"{way}: {megabytes:.0f} MB, more than {MOST_MEMORY}"
        for way, runs in found.items()
        for _seconds, megabytes in runs
        if megabytes > MOST_MEMORY
    ]
    print("\n".join(wrong) or "All limits are kept.")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
