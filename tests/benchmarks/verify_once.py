# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``store_verify`` does, without Ansible: verify a store, and say what was found.

    python -S verify_once.py STORE RECORD

``-S``, so that no other ``ansible_collections`` is in the way. An empty RECORD is ``mode: full``.
"""

import json
import os
import resource
import sys

sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verifying

store, record = sys.argv[1:3]
report = verifying.verify([store], verifying.Options(records=record))
own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
workers = len(os.sched_getaffinity(0))
print(json.dumps({**report.summary, "megabytes": (own + workers * child) / 1024, "warnings": report.warnings}))
