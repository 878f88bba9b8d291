# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that installs Debian packages on the machine that the tests run on, and whether that will do.

    python3 tests/tools/installing.py PACKAGE...

installs those that are missing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from steps import Command, Step, StepError, Work, carry_out, hint, say

OLDEST_DEBIAN = 12
APT = (
    "apt-get",
    *("-o", "DPkg::Lock::Timeout=3600", "-o", "Acquire::Retries=3", "-o", "APT::Update::Error-Mode=any"),
    # A mirror may lag behind the clock.
    *("-o", "Acquire::Check-Valid-Until=false"),
)
LOCKED = re.compile(r"^E: (?:Could not get lock .*|.*is another process using it\?)", re.MULTILINE)
PAUSE = 3.0
"""Seconds between two tries to get one of apt's locks."""


def missing(packages: Iterable[str], status: str) -> list[str]:
    """Those Debian packages that are not installed by dpkg-query's lines ``NAME ABBREVIATED-STATUS``."""
    installed = {line.split()[0] for line in status.splitlines() if line.split()[1:] == ["ii"]}
    return [package for package in packages if package not in installed]


def missing_packages(packages: Iterable[str]) -> list[str]:
    """Those Debian packages that are not installed on this machine."""
    command = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n"]
    try:
        query = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return list(packages)
    return missing(packages, query.stdout)


def require(packages: Iterable[str]) -> None:
    """Check that Debian packages are installed.

    Raises:
        StepError: some are not; with the command that installs them.
    """
    lacking = missing_packages(packages)
    if lacking:
        words = " ".join(lacking)
        raise StepError(f"these Debian packages are missing: {words}; install them: apt-get install {words}")


def os_release(text: str) -> dict[str, str]:
    """What a system says of itself in os-release(5)."""
    parted = (line.partition("=") for line in text.splitlines())
    return {name: value.strip("'\"") for name, equals, value in parted if equals}


def system(text: str) -> tuple[str, int]:
    """Name and major version (0 if it has none) of a system, by the text of its os-release(5)."""
    values = os_release(text)
    version = re.match(r"\d+", values.get("VERSION_ID", ""))
    return values.get("ID", "unknown"), int(version[0]) if version else 0


def check(release: Path = Path("/etc/os-release")) -> None:
    """Check that this is a machine on which the tests can set up what they need.

    Raises:
        StepError: it is none, and why.
    """
    name, version = system(release.read_text(encoding="utf-8") if release.exists() else "")
    kind = os.uname().machine
    if name != "debian" or 0 < version < OLDEST_DEBIAN:
        shown = f"{name} {version or ''}".strip()
        raise StepError(f"this machine runs {shown}; the tests need Debian {OLDEST_DEBIAN} or later")
    if kind != "x86_64":
        raise StepError(f"this machine is {kind}; VirtualBox's interpreter needs x86_64")
    if os.geteuid() != 0:
        raise StepError("you are not root; the tests install packages, mount file systems and change roots")


def check_room(folder: Path, wanted: int) -> None:
    """Check that there is room, in MB, where a folder is or will be.

    Raises:
        StepError: there is too little.
    """
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free // 10**6
    if free < wanted:
        raise StepError(
            f"{folder} needs {wanted} MB, and {free} MB are free there; make room, or name a folder elsewhere in"
            " ZEROINSTALL_VIRTUALBOX_CACHE"
        )


def install(packages: Sequence[str], logs: Path) -> Work:
    """Install Debian packages, with one update of apt's lists, waiting for whoever else holds apt's locks.

    Where the update fails, the lists that are there may do.

    Raises:
        StepError: they cannot be installed; with apt's own words.
    """
    update, installation = (
        Command(
            [*APT, *words],
            logs / f"apt-{words[0]}.log",
            {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            # dpkg is not interrupted by what apt-get alone is told.
            interrupted_by=signal.SIGINT,
        )
        for words in (("update",), ("install", "-y", "--no-install-recommends", *packages))
    )
    stale = yield from _unless_locked(update)
    if (yield from _unless_locked(installation)):
        logs = [update.log, installation.log] if stale else [installation.log]
        said = "; ".join(f"apt-get {log.stem.removeprefix('apt-')}: {error_in(log)}" for log in logs)
        raise StepError(f"{hint(logs[0])}Debian packages cannot be installed: {said}; the logs are in {logs[0].parent}")


def error_in(log: Path) -> str:
    """The first error that apt has written into a log, or its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith("E: ")), lines[-1] if lines else "nothing was said")


def _unless_locked(command: Command) -> Generator[Command, int, int]:
    """Run a command of apt, again as long as another program holds one of apt's locks; its exit status."""
    while status := (yield command):
        locked = LOCKED.search(command.log.read_text(encoding="utf-8", errors="replace"))
        if not locked:
            break
        say(f"Another program holds a lock of apt, and is waited for: {locked[0]}")
        yield Command(["sleep", str(PAUSE)], command.log.with_name("apt-waiting.log"))
    return status


def main(packages: Sequence[str]) -> int:
    """Install what is missing; the exit status."""
    lacking = missing_packages(packages)
    try:
        if lacking:
            check()
            with tempfile.TemporaryDirectory() as logs:
                step = Step("packages", f"installing {' '.join(lacking)}", lambda: install(lacking, Path(logs)))
                carry_out([step], at_once=1, stop_at_failure=True)
    except StepError as error:
        print(f"installing: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
