# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service could do if its program were another: started in its place, with the unit's own settings.

    probe.py STORE BOXES

Prints a JSON object: for each attempt whether it succeeded.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable


def succeeds(attempt: Callable[[], object]) -> bool:
    """Try it in a process of its own: the kernel ends those that call what is forbidden."""
    child = os.fork()
    if not child:
        try:
            attempt()
        except (OSError, subprocess.SubprocessError):
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def write(path: str) -> None:
    with open(path, "x"):
        pass


def libc(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def set_user_bit(path: str) -> None:
    write(path)
    os.chmod(path, 0o4755)


def main() -> None:
    """Try, and print."""
    store, boxes = sys.argv[1:3]
    attempts: dict[str, Callable[[], object]] = {
        "write the store": lambda: os.mkdir(f"{store}/probe"),
        "write beside the store": lambda: os.mkdir(f"{store}.staging/probe"),
        "write a box": lambda: write(f"{boxes}/evil/probe"),
        "make a box": lambda: os.mkdir(f"{boxes}/probe"),
        "write /etc": lambda: write("/etc/probe"),
        "write its own program": lambda: write("/usr/local/lib/zeroinstall.virtualbox/import/probe"),
        "write where everybody may": lambda: write("/srv/everybody/probe"),
        "read root's home": lambda: os.listdir("/root"),
        "read homes": lambda: open("/home/user/public").close(),
        "read the disks": lambda: os.listdir("/dev/disk") if os.path.exists("/dev/disk") else os.stat("/dev/fuse"),
        "see other processes": lambda: os.stat("/proc/1/cmdline"),
        "speak over the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "speak over netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "mount": lambda: libc("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "make a namespace": lambda: libc("unshare", 0x10000000),
        "become root": lambda: os.setuid(0),
        "give a file away": lambda: os.chown(f"{boxes}/evil/probe", 0, 0),
        "make a file that others run as the service": lambda: set_user_bit(f"{store}.staging/suid"),
        "run sudo": lambda: subprocess.run(["/usr/bin/sudo", "-n", "true"], check=True, capture_output=True),
    }
    found = {name: succeeds(attempt) for name, attempt in attempts.items()}
    for made in (f"{store}/probe", f"{store}.staging/probe"):
        os.rmdir(made)
    for made in (f"{boxes}/evil/probe", f"{store}.staging/suid"):
        if os.path.exists(made):
            os.unlink(made)
    print("PROBE " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
