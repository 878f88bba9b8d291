# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this collection mounted in a guest, as it remembers it."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    wanted_mounts,
)

RECORD = "/var/lib/zeroinstall.virtualbox/mounts.json"


class Record(NamedTuple):
    """What this collection made in a guest, so that it can take exactly that away again."""

    directories: list[str]
    mounts: dict[str, str]
    stores: list[str]


def read_record() -> tuple[Record, list[str]]:
    """What was made by earlier runs; nothing, and a warning, where the record is damaged or somebody else's."""
    nothing = Record([], {}, [])
    try:
        status = os.lstat(RECORD)
    except (FileNotFoundError, NotADirectoryError):
        return nothing, []
    warning = f"{RECORD} is %s: what earlier runs made is not known, and stays when mounts are removed."
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        return nothing, [warning % "no file that only root can write"]
    try:
        found = json.loads(replacing.read(RECORD) or "")
        record = Record(list(found["directories"]), dict(found["mounts"]), list(found["stores"]))
        for path in (*record.directories, *record.mounts, *record.stores):
            wanted_mounts.check_path(path)
        for share in record.mounts.values():
            _names.check_share_name(share)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, Failure):
        return nothing, [warning % "damaged"]
    return record, []


def write_record(record: Record) -> None:
    if any(record):
        if not os.path.isdir(os.path.dirname(RECORD)):
            os.makedirs(os.path.dirname(RECORD))
            os.chmod(os.path.dirname(RECORD), 0o755)  # a mount point may be in it
        replacing.replace(RECORD, json.dumps(record._asdict(), indent=1, sort_keys=True) + "\n")
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(RECORD)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(RECORD))
