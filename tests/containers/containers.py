# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as guests: each a Debian with its own init, and stand-ins for what only VirtualBox has (standin/).

    up NAME=PLATFORM...   new containers, booted; a run of the same name is taken down first
    restart NAME...       boots them anew
    console NAME          what was said on the console since the last boot
    build [PLATFORM...]   makes the images that are missing (default: all)
    down                  removes the containers

Needs root on Debian. Images and the host's store are kept in the cache of the tests. All containers get that store,
with one package in it, and offer it as share ZeroInstall as long as there is a folder /srv/shares/ZeroInstall.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

import images
from labkit import tools
from labkit.cache import locked, remove_tree, unheld
from labkit.console import LabError, end_with_signals, run, step
from labkit.waiting import HANG, Hangs, until

STANDIN = "/usr/local/lib/standin"
LABEL = "zeroinstall.virtualbox.run"


def podman(*words: object, check: bool = True) -> str:
    """What podman prints, both streams."""
    done = run(HERE / "podman", *words, check=check)
    return done.stdout + done.stderr


class Run:
    """The containers of one run, named RUN-NAME, and the store that they share."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = images.cache().runs / name
        self.ending = threading.Event()
        self.lock = images.cache().folder / "locks" / f"run-{name}"

    def container(self, name: str) -> str:
        """The name of a container for podman."""
        return f"{self.name}-{name}"

    def up(self, wanted: dict[str, str]) -> None:
        """Start a container NAME of PLATFORM for each."""
        archives = images.images(set(wanted.values()))
        for platform, archive in archives.items():
            _import(platform, archive)
        self.down()
        try:
            self._make_store()
            with step(f"booting {len(wanted)} containers"):
                self._each(lambda name: self._start(name, wanted[name], archives[wanted[name]]), wanted)
        except BaseException:
            self.down()
            raise

    def _make_store(self) -> None:
        """A store with one package, added by the real 0store."""
        package, store = self.folder / "package", self.folder / "store"
        (package / "bin").mkdir(parents=True)
        program = package / "bin/hello"
        program.write_text("#!/bin/sh\necho hello from the host\n", encoding="utf-8")
        program.chmod(0o755)
        (package / "hello").symlink_to("bin/hello")
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "user"),
            "XDG_CACHE_DIRS": str(self.folder / "system"),
        }
        digest = run("0install", "digest", "--algorithm=sha256new", package, env=environment).stdout.strip()
        run("0store", "add", digest, package, env=environment)
        (self.folder / "system/0install.net/implementations").rename(store)

    def _start(self, name: str, platform: str, archive: Path) -> None:
        systemd = images.SYSTEMD[0] in images.PLATFORMS[platform][1]
        # SIGINT is the three-finger salute to an init that is not systemd: it reboots, and so ends.
        init = ("--systemd=always",) if systemd else ("--systemd=false", "--stop-signal=SIGINT")
        podman(
            *("run", "--detach", "--tty", "--name", self.container(name), "--hostname", name),
            *("--label", f"{LABEL}={self.name}", "--privileged", "--network=none", "--cgroupns=private", *init),
            *("--volume", f"{self.folder / 'store'}:/srv/store:ro", "--volume", f"{HERE / 'standin'}:{STANDIN}:ro"),
            *(_tag(platform, archive), f"{STANDIN}/power-on"),
        )
        self._await_boot(name)

    def _await_boot(self, name: str) -> None:
        """Return when the container's init says that it has booted."""
        script = "[ -e /run/booted ] || systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'"
        command = ("exec", self.container(name), "/bin/sh", "-c", script)

        def booted() -> bool:
            if run(HERE / "podman", *command, check=False).returncode == 0:
                return True
            if self._state(name)["Status"] != "running":
                raise LabError(f"{name} ended while it booted; its console:\n{self.console(name)}")
            if self.ending.is_set():
                raise LabError(f"{name} was not waited for")
            return False

        until(booted, lambda: f"{name} did not boot; its console:\n{self.console(name)}", pause=0.5)

    def _each(self, action: Callable[[str], None], names: Iterable[str]) -> None:
        """Do it for all, some at a time; the first failure, or a signal, ends what goes on for the others."""
        pool = ThreadPoolExecutor(4)
        try:
            list(pool.map(action, names))
        finally:
            self.ending.set()
            pool.shutdown(cancel_futures=True)

    def restart(self, names: Iterable[str]) -> None:
        """Shut down and boot anew."""

        def restart(name: str) -> None:
            # Not podman's restart: the root would stay as the shutdown leaves it, which is read-only with sysvinit.
            podman("stop", f"--time={HANG:.0f}", self.container(name))
            podman("umount", "--force", self.container(name))
            podman("start", self.container(name))
            self._await_boot(name)

        with step("restarting"):
            self._each(restart, names)

    def console(self, name: str) -> str:
        """What was said on the console since the last boot."""
        return podman("logs", "--since", self._state(name)["StartedAt"], self.container(name))

    def _state(self, name: str) -> dict[str, str]:
        (found,) = json.loads(run(HERE / "podman", "inspect", self.container(name)).stdout)
        return found["State"]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands for this run away; `interrupt` ends the one that does."""
        with locked(self.lock):
            self.lock.write_text(str(os.getpid()), encoding="utf-8")
            try:
                yield
            finally:
                self.lock.write_text("", encoding="utf-8")

    def interrupt(self) -> None:
        """Have a command end that is at work on this run: whoever started it may be gone."""
        with contextlib.suppress(LabError), locked(self.lock, blocking=False):
            return
        with contextlib.suppress(OSError, ValueError):
            number = int(self.lock.read_text(encoding="utf-8"))
            # In another process namespace the number is another's.
            if any(map(self.lock.samefile, Path(f"/proc/{number}/fd").iterdir())):
                os.kill(number, signal.SIGTERM)

    def down(self) -> None:
        """Remove the containers, and the store."""
        if Path("/usr/bin/podman").exists():
            found = run(
                HERE / "podman", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.name}"
            ).stdout.split()
            if found:
                podman("rm", "--force", "--time=0", *found)
        remove_tree(self.folder)


def _tag(platform: str, archive: Path) -> str:
    return "localhost/" + archive.parent.name.replace(platform + "-", platform + ":")


def _import(platform: str, archive: Path) -> None:
    """Hand an image to podman, and have it forget the older ones of its name."""
    tag = _tag(platform, archive)
    with locked(images.cache().folder / "locks" / f"import-{platform}"):
        if not run(HERE / "podman", "image", "exists", tag, check=False).returncode:
            return
        with step(f"importing the image {platform}"):
            podman("import", "--quiet", archive, tag)
        for line in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if line.startswith(f"localhost/{platform}:") and line != tag:
                key = line.partition(":")[2]
                # Who holds the archive is about to start a container of it.
                with unheld(archive.parent.with_name(f"{platform}-{key}")) as free:
                    if free:
                        podman("rmi", line, check=False)


def main() -> None:
    """Carry out the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="default")
    parser.add_argument("command", choices=["build", "up", "restart", "console", "down"])
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    end_with_signals()
    this = Run(arguments.run)
    try:
        if os.geteuid():
            raise LabError("containers with an init of their own need root")
        tools.require("containers")
        if arguments.command == "build":
            for platform, archive in images.images(set(arguments.names or images.PLATFORMS)).items():
                _import(platform, archive)
                print("artefact", archive.parent)
        elif arguments.command == "up":
            with this.alone():
                this.up(dict(name.split("=", 1) for name in arguments.names))
        elif arguments.command == "restart":
            with this.alone():
                this.restart(arguments.names)
        elif arguments.command == "console":
            print(this.console(*arguments.names))
        else:
            this.interrupt()
            with this.alone():
                this.down()
    except (LabError, Hangs) as error:
        sys.exit(f"containers: {error}")


if __name__ == "__main__":
    main()
