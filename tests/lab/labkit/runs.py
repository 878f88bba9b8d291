# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run: a private, disposable VirtualBox host over the cached root, all in one folder; nothing outside changes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import kept_code
from .agent import LOGIN
from .cache import Cache, locked, remove_tree
from .console import LabError, run, say
from .mounts import mount
from .waiting import HANG, until

if TYPE_CHECKING:
    from .recipes import Guests, Host

INSIDE = Path("/srv/lab")  # the lab's own folder, as the host sees it
MANAGE = "/usr/lib/virtualbox/VBoxManage"  # without the warnings that Debian's wrapper prints on stdout
NO_SERVER = "Failed to create the VirtualBox object"
"""What a client of VirtualBox says that met a VBoxSVC which was just leaving. It has done nothing then."""
READING = ("list", "showvminfo")
"""Calls that can be made again when VBoxManage has crashed, as it rarely does then."""
PATIENCE = 5  # seconds that the processes of a run have to end by themselves before they are killed
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def to_run_again(done: subprocess.CompletedProcess, arguments: tuple) -> bool:
    """Whether VBoxManage met a VBoxSVC that was just leaving, and has changed nothing."""
    crashed = done.returncode < 0 or done.returncode > 128
    return NO_SERVER in done.stderr or (crashed and arguments[0] in READING)


class Run:
    """A run that exists: FOLDER/root is the host's root, FOLDER/run.json what it was made from."""

    def __init__(self, cache: Cache, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError("%r is no name for a run: use up to 31 small letters, digits and dashes" % name)
        self.name = name
        self.folder = cache.runs / name
        self.root = self.folder / "root"
        self.lab = self.root / INSIDE.relative_to("/")
        self.record = self.folder / "run.json"

    @property
    def exists(self) -> bool:
        """Its host can be used."""
        return self.read().get("ready", False) and os.path.ismount(self.root)

    def read(self) -> dict:
        """What run.json says; nothing if it is missing or incomplete."""
        try:
            return json.loads(self.record.read_text())
        except (OSError, ValueError):
            return {}

    def write(self, **values: object) -> None:
        """Change run.json."""
        temporary = self.record.with_suffix(".new")
        temporary.write_text(json.dumps({**self.read(), **values}, indent=1) + "\n")
        temporary.rename(self.record)

    def offer(self, name: str, source: Path) -> None:
        """Show a folder of the cache read-only to the host, as /srv/lab/NAME."""
        target = self.lab / name
        target.mkdir(parents=True, exist_ok=True)
        mount("--bind", source, target)
        mount("-o", "remount,bind,ro", target)

    def execute(self, *args: object, timeout: float = HANG, check: bool = True):
        """Run a program in the host as root; see console.run."""
        return run("chroot", self.root, *args, timeout=timeout, check=check, env=LOGIN)

    def vbox(self, *args: object, check: bool = True):
        """Run the real VBoxManage in the host, again where it met a VBoxSVC that was just leaving."""

        def served():
            done = self.execute(MANAGE, "-q", *args, check=False)
            return None if to_run_again(done, args) else done

        done = until(served, "VBoxManage finds no VBoxSVC", pause=1)
        if check and done.returncode:
            raise LabError(f"VBoxManage {args}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def processes(self) -> list[int]:
        """Ids of all processes whose root is this host's: the machines, VBoxSVC and whatever else was started in it."""
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [number for number in numbers if number != os.getpid() and self.has(number)]

    def has(self, process: int) -> bool:
        """Whether a process is in this host, by its root itself: another mount namespace may have its path, too."""
        with contextlib.suppress(OSError):
            return os.path.samefile("/proc/%d/root" % process, self.root)
        return False

    def send(self, number: signal.Signals) -> list[int]:
        """Send a signal to all of its processes; their ids."""
        found = self.processes()
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        return found

    def kill(self) -> None:
        """End all of its processes at once; none is left."""
        until(lambda: not self.send(signal.SIGKILL), lambda: "still there: %s" % self.processes())


def create(cache: Cache, name: str, host: Host, guests: Guests | None = None, temporary: bool = False) -> Run:
    """A new run, which its maker, who is `using` its name, declares ready when nothing is left to do.

    One of the same name is taken down first, and so are the remains of runs whose maker was killed before.
    """
    lab = Run(cache, name)
    with locked(cache.folder / "locks" / "runs"):
        sweep(cache)
        take_down(lab)
        lab.folder.mkdir(parents=True)
        lab.write(
            place=_place(),
            temporary=temporary,
            ready=False,
            artefacts=[str(path) for path in (host.root, host.launcher, *(vars(guests).values() if guests else ()))],
        )
    for part in ("upper", "work", "root"):
        (lab.folder / part).mkdir()
    _mount_root(lab, host.root)
    kept_code.install(lab.root)
    lab.lab.mkdir(parents=True)
    lab.offer("launcher", host.launcher)
    if guests:
        lab.offer("userland", guests.userland / "root")
        lab.offer("boot", guests.boot)
        lab.offer("layer", guests.layer)
        lab.write(state=str(guests.state))
    enter = lab.folder / "enter"
    enter.write_text(
        "#!/bin/sh\n# enter ROOT COMMAND...: chroot with the environment of a login, and nothing of the caller's\n"
        'exec /usr/bin/env -i %s /usr/sbin/chroot "$@"\n' % " ".join("%s=%s" % item for item in LOGIN.items())
    )
    enter.chmod(0o755)
    return lab


def _mount_root(lab: Run, lower: Path) -> None:
    """An overlay over the cached root, and what a system has mounted; in its own /dev there is no VirtualBox driver."""
    options = "lowerdir=%s,upperdir=%s,workdir=%s" % (lower, lab.folder / "upper", lab.folder / "work")
    if run("mount", "-t", "overlay", "lab", "-o", options, lab.root, check=False).returncode:
        # the file system below cannot be an upper layer (an overlay itself, say): take memory
        mount("-t", "tmpfs", "-o", "mode=755", "lab", lab.folder / "upper")
        for part in ("data", "work"):
            (lab.folder / "upper" / part).mkdir()
        options = "lowerdir=%s,upperdir=%s/data,workdir=%s/work" % (lower, lab.folder / "upper", lab.folder / "upper")
        mount("-t", "overlay", "lab", "-o", options, lab.root)
    mount("-t", "proc", "proc", lab.root / "proc")
    mount("-t", "sysfs", "-o", "ro", "sysfs", lab.root / "sys")
    mount("-t", "tmpfs", "-o", "mode=755", "lab-dev", lab.root / "dev")
    for name, (major, minor) in DEVICES.items():
        os.mknod(lab.root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        (lab.root / "dev" / name).chmod(0o666)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ):
        (lab.root / "dev" / name).symlink_to(target)
    for name, mode in (("pts", 0o755), ("shm", 0o1777)):
        (lab.root / "dev" / name).mkdir()
        (lab.root / "dev" / name).chmod(mode)
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", lab.root / "dev/pts")


def take_down(lab: Run) -> bool:
    """End the run's processes, unmount and remove its folder; False if there was none."""
    if not lab.folder.exists():
        return False
    end = time.monotonic() + PATIENCE
    while lab.send(signal.SIGTERM) and time.monotonic() < end:
        time.sleep(0.05)
    lab.kill()
    remove_tree(lab.folder)
    return True


def sweep(cache: Cache) -> None:
    """Take down what is no run any more: its maker was killed before it was ready, or the machine was restarted.

    A run is left alone that somebody works on, or whose mounts cannot be seen from here.
    """
    boot, *view = _place()
    for folder in sorted(cache.runs.glob("*")):
        lab = Run(cache, folder.name)
        with contextlib.suppress(LabError), locked(_lock(cache, lab.name), blocking=False):
            values = lab.read()
            made, *seen_from = values.get("place", [None])
            ended = values.get("temporary") or not lab.exists
            if made and (made != boot or (seen_from == view and ended)):
                say("removing what is left of the run " + folder.name)
                take_down(lab)


def _place() -> list[str]:
    """Where this program sees what is mounted: in which boot, in which mount namespace, below which root."""
    root = os.stat("/")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [boot, os.readlink("/proc/self/ns/mnt"), "%d:%d" % (root.st_dev, root.st_ino)]


@contextlib.contextmanager
def temporary(cache: Cache, name: str, host: Host, guests: Guests | None = None) -> Iterator[Run]:
    """A run that ends with the block."""
    with using(cache, name):
        try:
            yield create(cache, name, host, guests, temporary=True)
        finally:
            take_down(Run(cache, name))


def using(cache: Cache, name: str) -> contextlib.AbstractContextManager[None]:
    """Only one process at a time makes or removes a run."""
    return locked(_lock(cache, name))


def _lock(cache: Cache, name: str) -> Path:
    return cache.folder / "locks" / ("run-" + name)
