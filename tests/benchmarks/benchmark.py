# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VBoxManage calls and seconds for the shares of many machines, beside the obvious way; written to RESULTS.md.

Started by ``make benchmark``. On a real VirtualBox host of the lab, with MACHINES registered machines of two shares
each: a first run, a run that corrects one share, and a run that changes nothing, each ROUNDS times in turn for the
module ``shares`` and for a loop of ``ansible.builtin.command`` tasks (commands.yml). Both take the same Ansible, and
the same program that counts its calls and then runs the real VBoxManage.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))
from fleet import Fleet, FleetError  # noqa: E402

MACHINES, ROUNDS = 50, 3
SHARES = [{"name": "ZeroInstall", "path": "/srv/store"}, {"name": "drop", "path": "/srv/drop", "writable": True}]
WAYS = {"module": "module.yml", "commands": "commands.yml"}
COUNTING = """#!/bin/sh
echo "$*" >>"$0.calls"
exec /usr/lib/virtualbox/VBoxManage "$@"
"""


def measure(host: Fleet, way: str, names: list[str]) -> tuple[int, float, int]:
    """Calls of VBoxManage, seconds and changed tasks of one run."""
    calls = host.root / "srv/counting.calls"
    calls.write_text("")
    play = host.play(
        str(HERE / WAYS[way]), "-e", json.dumps({"manage": "/srv/counting", "names": names, "wanted": SHARES})
    )
    if play.status:
        raise FleetError(play.messages("vbox") or play.output)
    return len(calls.read_text().splitlines()), play.seconds, play.changed


def bench(host: Fleet) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Calls and seconds of each run, by kind of run and way."""
    for folder in ("store", "drop"):
        (host.root / "srv" / folder).mkdir(parents=True)
    program = host.root / "srv/counting"
    program.write_text(COUNTING)
    program.chmod(0o755)
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for round_ in range(ROUNDS):
        for way in WAYS:
            names = [f"{way}{round_}-{number}" for number in range(MACHINES)]
            for name in names:
                host.vbox("createvm", "--name", name, "--register")
            for kind in ("first run", "one share to correct", "nothing to change"):
                if kind == "one share to correct":
                    host.vbox("sharedfolder", "remove", names[MACHINES // 2], "--name=ZeroInstall")
                calls, seconds, changed = measure(host, way, names)
                if (changed > 0) != (kind != "nothing to change"):
                    raise FleetError(f"{way}, {kind}: {changed} tasks changed something")
                found.setdefault(kind, {}).setdefault(way, []).append((calls, seconds))
                print(f"{way}, {kind}: {calls} calls, {seconds:.1f} s", flush=True)
            for name in names:
                host.vbox("unregistervm", name, "--delete")
    return found


def table(found: dict[str, dict[str, list[tuple[int, float]]]], version: str) -> str:
    """The Markdown page."""
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->",
        # REUSE-IgnoreEnd
        "# The module `shares` beside a loop of commands\n",
        f"{MACHINES} machines with two shares each, VirtualBox {version} on a host without its kernel driver, reached"
        f" by `community.general.chroot`, {os.cpu_count()} cores, {datetime.date.today()}."
        f" Medians of {ROUNDS} runs, the two ways in turn; the range in brackets. Written by `make benchmark`.\n",
        "| run | VBoxManage calls: module | commands | ratio | seconds: module | commands | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, ways in found.items():
        calls = {way: statistics.median(call for call, _seconds in runs) for way, runs in ways.items()}
        seconds = {way: statistics.median(time for _call, time in runs) for way, runs in ways.items()}
        spread = {
            way: f"{min(time for _call, time in runs):.1f}-{max(time for _call, time in runs):.1f}"
            for way, runs in ways.items()
        }
        lines.append(
            f"| {kind} | {calls['module']:.0f} | {calls['commands']:.0f} | {calls['commands'] / calls['module']:.1f}"
            f" | {seconds['module']:.1f} ({spread['module']}) | {seconds['commands']:.1f} ({spread['commands']})"
            f" | {seconds['commands'] / seconds['module']:.1f} |"
        )
    lines.append(
        "\nThe commands add what `showvminfo --machinereadable` does not list, one for each machine and share, and"
        " cannot see more: a share that somebody made writable stays so. The module reads all fields of all shares. So"
        " the share to correct is one that was removed, which both see."
    )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmark and write the page."""
    with Fleet("benchmark", ()).running(quiet=True) as host:
        version = re.sub(r"_.*", "", host.vbox("--version").strip())
        page = table(bench(host), version)
    (HERE / "RESULTS.md").write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
