# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing boxes in which something is really mounted, and what guests made with their own rights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from hosts import Host
from labkit.waiting import HANG

MOUNTED = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import collection
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
wish = box_removal.Wish(sys.argv[2], exclusive=True, remove=True, force=True)
answer = box_removal.run(Asked(wish._asdict()))
# And where it could not be seen before, such as after a mount in the middle.
told = ""
try:
    removing.remove("evil", os.open(sys.argv[2], os.O_RDONLY))
except OSError as error:
    told = error.strerror
print(json.dumps([answer["removed"], answer["kept"], told]))
"""


def test_what_is_mounted_in_a_box_is_not_entered(host: Host, folder: Path) -> None:
    """By a bind mount of the same file system, too, which no number of a device tells from the box."""
    outside = folder / "outside"
    (outside / "kept").mkdir(parents=True)
    inside = host.boxes / "evil/a/b/inside"
    inside.mkdir(parents=True)
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    tools = Path(__file__).parents[1] / "tools"
    program = [sys.executable, "-c", MOUNTED, tools, host.boxes]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", outside, inside, *program],
        capture_output=True, text=True, check=False, timeout=HANG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    removed, ((kept),), told = json.loads(done.stdout)
    assert "evil" not in removed and removed
    assert kept == {"name": "evil", "reason": f"Something is mounted at {inside}: unmount it, and run again."}
    assert told == "Device or resource busy"
    assert os.listdir(outside) == ["kept"]


def test_what_a_guest_made_goes_with_its_box(host: Host, folder: Path) -> None:
    """Directories that nobody may enter, of the guest's own user."""

    def make() -> None:
        box = host.boxes / "evil"
        (box / "closed/deep").mkdir(parents=True)
        (box / "closed/deep/file").touch()
        (box / "closed/link").symlink_to(folder)
        os.mkfifo(box / "closed/deep/fifo")
        (box / "closed/deep").chmod(0)
        (box / "closed").chmod(0)

    host.as_guest(make)
    wish = box_removal.Wish(str(host.boxes), absent=["evil"], remove=True)
    answer = box_removal.run(Asked(wish._asdict()))
    assert answer["removed"] == ["evil"] and not (host.boxes / "evil").exists()
    host.is_served("good", 1)
