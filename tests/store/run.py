# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a store in a process of its own, as small as where a module runs, and say what that took.

    python -I -S run.py COLLECTIONS STORE WORKERS HANG [RECORDS [MARK]]

Prints JSON: summary, problems (name to reason), warnings, and the peak memory in MB of this process and of its
largest worker. With ``-S`` the collection is found in COLLECTIONS as a namespace package; nothing of Ansible's
controller is loaded. HANG is how many seconds another run's lock is waited for. The first process that reads of a file
of more than LARGE bytes writes its ID to the file MARK, and goes on only after HANG seconds.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import resource
import signal
import sys
import time
from typing import Any

LARGE = 1 << 20


def hold(mark: str, seconds: float) -> None:
    """Have the first process that reads of a large file say so, and wait."""
    readv = os.readv

    def held(fd: int, *arguments: Any) -> int:
        count = readv(fd, *arguments)
        if os.fstat(fd).st_size > LARGE:
            with contextlib.suppress(FileExistsError), open(mark, "x", encoding="ascii") as file:
                print(os.getpid(), file=file, flush=True)
                time.sleep(seconds)
        return count

    os.readv = held


def main() -> None:
    """Verify and print. An interruption counts, also where whoever runs the tests ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, sys.argv[1])
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verifying

    seconds = float(sys.argv[4])
    records = sys.argv[5] if len(sys.argv) > 5 else ""
    replacing.locked = functools.partial(replacing.locked, patience=seconds)
    if len(sys.argv) > 6:
        hold(sys.argv[6], seconds)
    report = verifying.verify(
        [sys.argv[2]], verifying.Options(workers=int(sys.argv[3]), records=records, holes=1 << 50)
    )
    with open("/proc/self/status", encoding="ascii") as file:
        peak = re.search(r"^VmHWM:\s*(\d+) kB$", file.read(), re.MULTILINE)
    assert peak
    found = {
        "summary": report.summary,
        "problems": {name: verdict.reason for _path, name, verdict in report.problems},
        "warnings": report.warnings,
        "own_memory": int(peak[1]) // 1024,
        "worker_memory": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
