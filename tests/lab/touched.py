# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was touched in a guest of the lab since it was started from its read-only trees. Runs in the guest.

    touched.py FOLDER...

A guest writes into the uppermost layer of its root only, so that is all that is looked at. Prints JSON: of each path
that was touched there, what `is` there (mode with kind, owner, and checksum or target; null for what was removed), its
`ctime` in nanoseconds, and whether it is the `same` as before.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

LAYERS = "/proc/1/root"  # the root of the initrd, as the programs see it that were started from it
CHANGED = LAYERS + "/upper/data"
BELOW = (LAYERS + "/layer", LAYERS + "/lower")
HIDES = "trusted.overlay.opaque"


def look(path):
    """What is at a path, and its ctime; twice None where nothing is."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    content = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    return [oct(status.st_mode), status.st_uid, content], status.st_ctime_ns


def below(path):
    """What the guest was started with at a path."""
    return next((found for found, _ctime in (look(layer + path) for layer in BELOW) if found), None)


def touched(folder):
    """All that was touched in a folder."""
    for place, _folders, files in os.walk(CHANGED + folder):
        for changed in (place, *(os.path.join(place, name) for name in files)):
            path = changed[len(CHANGED) :]
            found, ctime = look(path)
            hides = changed == place and HIDES in os.listxattr(changed)
            yield path, {"is": found, "ctime": ctime, "same": not hides and found == below(path)}


if __name__ == "__main__":
    json.dump({path: found for folder in sys.argv[1:] for path, found in touched(folder)}, sys.stdout)
