# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long guests take to boot with the role's entry, with its share and without it, beside a boot without the entry.

Run by ``make benchmark``; writes boots.md. Ends with an error if a median is more than two seconds above that.
"""

from __future__ import annotations

import datetime
import os
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / name) for name in ("tools", "lab", "qemu")]

from guest import AUTOMOUNT, STORE, Guest  # noqa: E402
from image import image  # noqa: E402
from machine import Machine, machine  # noqa: E402

ROUNDS = 3
LIMIT = 2.0  # seconds
BASE = "without the entry"
BOOTS = {BASE: True, "with the entry and its share": True, "with the entry, share gone": False, "share back": True}
"""What is measured, in the order of each round, and whether the share is there."""


def boot(made: Machine, share: dict[str, Path]) -> float:
    """Boot a machine; the seconds from the kernel's start until systemd had started all that belongs to the boot."""
    made.start(share)
    made.await_boot()
    return int(made.ask("systemctl show -P FinishTimestampMonotonic")) / 1e6


def measure(folder: Path) -> tuple[dict[str, list[float]], str]:
    """Seconds by what was booted, and the guests' systemd and kernel."""
    share = {"ZeroInstall": folder / "share"}
    for name in ("share", "plain", "ours"):
        (folder / name).mkdir(parents=True)
    (folder / "share" / "file").touch()
    found: dict[str, list[float]] = {what: [] for what in BOOTS}
    with machine(image(), folder / "plain") as plain, machine(image(), folder / "ours") as ours:
        boot(ours, share)
        Guest(ours, share).mounts()
        ours.shut_down()
        boot(plain, share)
        about = plain.ask("systemctl --version | sed -n 's/ (.*//p'; uname -r")
        plain.shut_down()
        for round_ in range(ROUNDS):
            for what, shared in BOOTS.items():
                made = plain if what == BASE else ours
                found[what].append(boot(made, share if shared else {}))
                print(f"{round_ + 1}/{ROUNDS} {what}: {found[what][-1]:.2f} s", flush=True)
                if made is ours:
                    waits = made.ask(f"systemctl show -P SubState {AUTOMOUNT}")
                    seen = made.run(f"ls {STORE}").stdout.strip()
                    if (waits, seen) != ("waiting", "file" if shared else ""):
                        raise SystemExit(f"{what}: the automount unit is {waits}, and an access shows '{seen}'")
                made.shut_down()
    return found, " with Linux ".join(about.split("\n"))


def differences(found: dict[str, list[float]]) -> dict[str, float]:
    """By how much the median of each kind of boot is above that without the entry."""
    medians = {what: statistics.median(seconds) for what, seconds in found.items()}
    return {what: median - medians[BASE] for what, median in medians.items()}


def page(found: dict[str, list[float]], about: str) -> str:
    """The Markdown page."""
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->",
        # REUSE-IgnoreEnd
        "# Boots of a guest with and without the entry in fstab\n",
        f"A QEMU guest, emulated in software on {len(os.sched_getaffinity(0))} processors, {about},"
        f" {datetime.date.today()}. Seconds from the start of the kernel until systemd had started everything;"
        f" medians of {ROUNDS} boots in turn, the range in brackets. Written by `make benchmark`.\n",
        "| boot | seconds | difference |",
        "|---|--:|--:|",
    ]
    for what, difference in differences(found).items():
        seconds = found[what]
        lines.append(
            f"| {what} | {statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f}) | {difference:+.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmark and write the page."""
    folder = Path(os.environ["ZEROINSTALL_VIRTUALBOX_CACHE"]) / "benchmark-boots"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        found, about = measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = page(found, about)
    (HERE / "boots.md").write_text(text, encoding="utf-8")
    print(text)
    slow = [what for what, difference in differences(found).items() if difference > LIMIT]
    print("\n".join(f"{what}: more than {LIMIT} s longer" for what in slow) or "All limits are kept.")
    return len(slow)


if __name__ == "__main__":
    sys.exit(main())
