# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook, profiled: its own process, and each that it forks off for a task. profiled.py FOLDER ARGUMENT…

``python3 -m pstats`` reads the files that it leaves in the folder; ``--sum FOLDER`` prints what takes most of all.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
from pathlib import Path


def profile(folder: Path, arguments: list[str]) -> None:
    """Run ansible-playbook."""
    from ansible.cli.playbook import PlaybookCLI
    from ansible.executor.process.worker import WorkerProcess

    run = WorkerProcess.run

    def run_profiled(worker: WorkerProcess) -> None:
        # That of the main process goes on in the one that was forked off.
        sys.setprofile(None)
        own = cProfile.Profile()
        try:
            own.runcall(run, worker)
        finally:
            own.dump_stats(folder / f"task-{os.getpid()}")

    WorkerProcess.run = run_profiled
    main = cProfile.Profile()
    try:
        main.runcall(PlaybookCLI.cli_executor, ["ansible-playbook", *arguments])
    finally:
        main.dump_stats(folder / f"main-{os.getpid()}")


def tell(folder: Path, lines: int = 60) -> None:
    """What takes most, in the main process and in those of tasks."""
    for kind in ("main", "task"):
        files = sorted(map(str, folder.glob(f"{kind}-*")))
        if files:
            print(f"{kind}: {len(files)} processes")
            pstats.Stats(*files).sort_stats("cumulative").print_stats(lines)


if __name__ == "__main__":
    if sys.argv[1] == "--sum":
        tell(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        profile(Path(sys.argv[1]), sys.argv[2:])
