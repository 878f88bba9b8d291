# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a store in a process of its own, as small as where a module runs, and say what that took.

    python -I -S run.py COLLECTIONS STORE WORKERS [RECORDS]

Prints JSON: summary, problems (name to reason), warnings, and the peak memory in MB of this process and of its
largest worker. With ``-S`` the collection is found in COLLECTIONS as a namespace package; nothing of Ansible's
controller is loaded.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys


def main() -> None:
    """Verify and print. An interruption counts, also where whoever runs the tests ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, sys.argv[1])
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _verify

    records = sys.argv[4] if len(sys.argv) > 4 else ""
    report = _verify.verify([sys.argv[2]], _verify.Options(workers=int(sys.argv[3]), records=records))
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
