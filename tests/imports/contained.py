# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attack the running service from its guests' boxes while other guests send: run as root on the host that it serves.

    contained.py PROGRAM SECURE_ADD STORE BOXES USER PACKAGES HANG

As USER, who has the boxes' group, processes exchange, link and rename what is in the box ``evil`` all the time. What
lies outside belongs to the service's user, so that only the service itself can keep from touching it; the kernel tells
of every touch. Goes on until so many PACKAGES were sent, the answer to each of which is waited for HANG seconds, and
until each attack was made TURNS times. Prints a JSON object.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAM, SECURE_ADD, STORE, BOXES, USER, PACKAGES, HANG = sys.argv[1:8]
TURNS = 100
LIBC = ctypes.CDLL(None, use_errno=True)
TOUCHED = 0x1 | 0x2 | 0x4 | 0x20 | 0x100 | 0x200
"""Read, written, attributes changed, opened, created in, deleted in."""
BOX = Path(BOXES) / "evil"
OUTSIDE = Path("/srv/outside")
EXCHANGE = 2


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step."""
    LIBC.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), EXCHANGE)


class Canaries:
    """Files that the service could reach by its rights, and must not."""

    def __init__(self, archive: bytes) -> None:
        shutil.rmtree(OUTSIDE, ignore_errors=True)
        OUTSIDE.mkdir()
        self.secret, self.file, self.folder = OUTSIDE / "secret", OUTSIDE / "file", OUTSIDE / "folder"
        self.secret.write_bytes(archive)
        self.file.write_text("as it was\n")
        self.folder.mkdir()
        (self.folder / "inside").write_text("as it was\n")
        owner = os.stat(STORE).st_uid
        for path in (self.secret, self.file, self.folder, self.folder / "inside", OUTSIDE):
            os.chown(path, owner, owner)
        self.secret.chmod(0o600)
        self._watch = LIBC.inotify_init1(os.O_NONBLOCK)
        for path in (self.secret, self.file, self.folder, self.folder / "inside", OUTSIDE):
            assert LIBC.inotify_add_watch(self._watch, os.fsencode(path), TOUCHED) > 0

    def touched(self) -> bool:
        """Whether anything was touched since the last time it was asked."""
        found = bool(select.select([self._watch], [], [], 0)[0])
        if found:
            with contextlib.suppress(OSError):
                while os.read(self._watch, 1 << 16):
                    pass
        return found


def tree(folder: Path, number: int) -> tuple[Path, str]:
    """A package, and its name."""
    sys.path.insert(0, PROGRAM)
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, trees

    path = folder / f"package-{number}"
    (path / "d").mkdir(parents=True)
    (path / "d/file").write_text(f"package {number}\n" * 1000)
    (path / "d/link").symlink_to("file")
    return path, trees.digest(str(path), manifests.ALGORITHMS["sha256new"])


def attacks(canaries: Canaries, archive: Path, wanted: str) -> dict[str, Callable[[], None]]:
    """What the user of the boxes does again and again."""
    request = BOX / f"{'0' * 32}.{wanted}.tar"

    def swapped_with_a_link() -> None:
        one, other = BOX / f"{'1' * 32}.{wanted}.tar", BOX / "other-1"
        if not os.path.lexists(one):
            shutil.copy(archive, one)
        if not os.path.lexists(other):
            other.symlink_to(canaries.secret)
        for _turn in range(50):
            exchange(one, other)

    def link() -> None:
        (BOX / f"{'2' * 32}.{wanted}.tar").symlink_to(canaries.secret)

    def hard_link() -> None:
        os.link(canaries.secret, BOX / f"{'3' * 32}.{wanted}.tar")

    def folder_that_becomes_a_link() -> None:
        one, other = BOX / f"{'4' * 32}.{wanted}.tar", BOX / "other-4"
        with contextlib.suppress(OSError):
            (one / "deep" / "er").mkdir(parents=True)
        with contextlib.suppress(OSError):
            other.symlink_to(canaries.folder)
        exchange(one / "deep", other)
        exchange(one, other)

    def answer_that_is_a_link() -> None:
        (BOX / f"{'5' * 32}.sha1=0.tar").touch()
        with contextlib.suppress(OSError):
            (BOX / f"{'5' * 32}.answer").symlink_to(canaries.file)

    def answer_caught_on_its_way() -> None:
        (BOX / f"{'6' * 32}.sha1=0.tar").touch()
        for _turn in range(50):
            for name in os.listdir(BOX):
                if name.startswith(".") and name.endswith(".answer"):
                    with contextlib.suppress(OSError):
                        (BOX / "other-6").symlink_to(canaries.file)
                    (BOX / "other-6").rename(BOX / name)

    def box_renamed() -> None:
        BOX.rename(BOX.with_name("away"))

    def written_while_it_is_read() -> None:
        with contextlib.suppress(OSError), request.open("xb") as file:
            file.write(archive.read_bytes())
        with request.open("r+b") as file:
            for _turn in range(50):
                file.seek(700)
                file.write(os.urandom(100))

    return {
        attack.__name__: attack
        for attack in (
            swapped_with_a_link, link, hard_link, folder_that_becomes_a_link, answer_that_is_a_link,
            answer_caught_on_its_way, box_renamed, written_while_it_is_read,
        )
    }  # fmt: skip


def start(attack: Callable[[], None], turns: mmap.mmap, number: int) -> int:
    """Do it again and again, as the user of the boxes, in a process of its own, which counts its first turns."""
    child = os.fork()
    if not child:
        user = pwd.getpwnam(USER)
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        while True:
            with contextlib.suppress(OSError):
                attack()
            turns[number] = min(turns[number] + 1, TURNS)
            time.sleep(0.001)
    return child


def send(path: Path, name: str) -> int:
    """Send a package from the box ``good`` with the guest's own program; its exit status."""
    command = [SECURE_ADD, name, "--box", f"{BOXES}/good", "--store", STORE, "--timeout", HANG]
    group = os.stat(BOX).st_gid
    return subprocess.run(command, cwd=path, user=USER, group=group, extra_groups=[], check=False).returncode


def main() -> None:
    """Attack, send, and print what came of it."""
    folder = Path("/srv/packages-to-send")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path, wanted = tree(folder, 0)
    archive = folder / "archive.tar"
    options = ["--format=posix", "--pax-option=delete=atime,delete=ctime,delete=mtime"]
    subprocess.run(["tar", *options, "-cf", archive, "-C", path, "d"], check=True)
    archive.chmod(0o644)
    canaries = Canaries(archive.read_bytes())
    canaries.secret.read_bytes()
    sings = canaries.touched()
    outside = sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in OUTSIDE.rglob("*"))
    canaries.touched()
    turns = mmap.mmap(-1, mmap.PAGESIZE)
    made = attacks(canaries, archive, wanted)
    running = {name: start(attack, turns, number) for number, (name, attack) in enumerate(made.items())}
    statuses = []
    number = 0
    try:
        while number < int(PACKAGES) or min(turns[: len(running)]) < TURNS:
            number += 1
            statuses.append(send(*tree(folder, number)))
        alive = {name: os.waitpid(child, os.WNOHANG) == (0, 0) for name, child in running.items()}
    finally:
        for child in running.values():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    last = send(*tree(folder, number + 1))
    touched = canaries.touched()
    after = sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in OUTSIDE.rglob("*"))
    report = {
        "sings": sings,
        "touched": touched,
        "outside unchanged": after == outside and canaries.file.read_text() == "as it was\n",
        "sent": len(statuses) + 1,
        "failed": sum(status != 0 for status in [*statuses, last]),
        "attackers ended": [name for name, there in alive.items() if not there],
        "box mode": stat.S_IMODE(BOX.stat().st_mode),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
