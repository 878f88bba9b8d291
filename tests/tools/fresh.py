# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command of the README on a fresh Debian, which has Python, make and git, and nothing of this project.

    python3 tests/tools/fresh.py [OPTION...] COMMAND [ARGUMENT...]

The command runs in a clone of the last commit, /srv/project, with a root, processes and mounts of its own. Of this
machine it has the kernel, the devices, the network, the certificates, and how apt and pip reach their packages. Its
exit status is that of this program. What ends this program ends the command, which may clean up first (a second signal
ends it at once), and removes all. The packed root is kept in the cache of the tests (see setup.py), below ``fresh``.
Needs root, Debian's packages git and mmdebstrap, and Python 3.11 or later.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import installing
from alone import alone
from environments import key
from parts import REPOSITORY
from setup import TAG, TAG_TEXT, cache_directory
from steps import INTERRUPTIONS, Command, Step, StepError, Work, carry_out, must, say

PACKAGES = ("ca-certificates", "git", "make", "python3")
"""What the fresh Debian has, beside apt and what every Debian has."""
TOOLS = ("git", "mmdebstrap")
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT = Path(__file__).with_name("fresh_init.py")
SETTINGS = Path("etc/apt/apt.conf.d/99mmdebstrap")
"""The file in a root for which mmdebstrap is given apt's settings."""
REACHING = re.compile(r'Acquire::(?:https?|ForceIPv[46]|Retries|Check-Date|Allow\w+)\b.* "[^"]*";')
"""Those of apt's settings that say how it reaches its packages. Others may name programs that the new root lacks."""
KINDS = (".list", ".sources")
"""How the names of apt's files of sources end."""
TAKEN_OVER = (
    *("etc/apt/auth.conf", "etc/apt/auth.conf.d", "etc/apt/keyrings"),
    *("etc/ssl/certs", "etc/ca-certificates.conf", "usr/share/ca-certificates", "usr/local/share/ca-certificates"),
    *("etc/pip.conf", "etc/xdg/pip", "etc/resolv.conf", "etc/hosts"),
)
USER, USER_HOME = 1000, "/home/user"
NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of unshare(2)
ENTER = """
set -eu
root=$1 offline=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
if [ "$offline" ]; then  # the machine's shows the machine's network
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
else
  mount --rbind /sys "$root/sys"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -m 1777 "$root/run/lock"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/machine"
cd "$root"
pivot_root . machine
cd /
umount --lazy /machine
rmdir /machine
exec /usr/bin/python3 -IS "$@"
"""
"""Become the first process of a root, by its Python, in new namespaces."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says."""

    command: Sequence[str]
    suite: str
    folder: Path | None
    keep: bool
    offline: bool
    user: bool
    room: str | None
    clones: int

    @property
    def projects(self) -> list[str]:
        """Where the clones are in the root."""
        return ["/srv/project" + (str(number) if number > 1 else "") for number in range(1, self.clones + 1)]


def release(root: Path) -> dict[str, str]:
    """What a system says of itself in its os-release(5)."""
    return installing.os_release((root / "etc" / "os-release").read_text(encoding="utf-8"))


def own_suite() -> str:
    """The suite of this machine, or nothing if it is no Debian."""
    values = release(Path("/"))
    return values.get("VERSION_CODENAME", "") if values.get("ID") == "debian" else ""


def sources(suite: str) -> list[str]:
    """apt's lines for a suite, on the mirrors that this machine is configured for.

    Where apt knows no mirror, as before its first update, they are this machine's files if it has the same suite, and
    else nothing, for which mmdebstrap takes its default.
    """
    query = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(query, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    mirrors: dict[str, str] = {}
    for origin, label, address in (line.split() for line in found.splitlines() if len(line.split()) == 3):
        if origin == "Debian":
            mirrors.setdefault(label, address)
    if mirror := mirrors.get("Debian"):
        suites = [(mirror, suite), (mirror, f"{suite}-updates")]
        suites += [(mirrors["Debian-Security"], f"{suite}-security")] if "Debian-Security" in mirrors else []
        return [f"deb {address} {name} main contrib" for address, name in suites]
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    return [str(file) for file in files if suite == own_suite() and file.suffix in KINDS and file.exists()]


def apt_settings() -> str:
    """How this machine's apt reaches its packages, as lines of apt.conf(5). A mirror may lag behind the clock."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in dump.splitlines() if REACHING.fullmatch(line)]
    return "\n".join([*lines, 'Acquire::Check-Valid-Until "false";', ""])


def pack(suite: str, lines: Sequence[str], archive: Path, folder: Path, logs: Path) -> Work:
    """Make a minimal Debian, packed."""
    settings, new = folder / "apt.conf", folder / "new.tar"
    settings.write_text(apt_settings(), encoding="utf-8")
    packages = ",".join(PACKAGES)
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={packages}"]
    command += [f"--aptopt={settings}", "--dpkgopt=force-unsafe-io", suite, str(new), *lines]
    # Python's own variables would be for the Python of the new root, too, and have it write its bytecode elsewhere.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "TMPDIR": str(folder), "DEBIAN_FRONTEND": "noninteractive"}
    yield from must(Command(command, logs / f"fresh-{suite}.log", environment))
    os.replace(new, archive)


def packed(cache: Path, suite: str, folder: Path) -> Path:
    """The archive of a minimal Debian, made in the folder unless the cache has it.

    Raises:
        StepError: it cannot be made.
    """
    lines = sources(suite)
    archive = cache / "fresh" / f"{suite}-{key(*PACKAGES, *lines)}.tar"
    with alone(cache, f"making of {archive.name}"):
        if not archive.exists():
            packing = functools.partial(pack, suite, lines, archive, folder, cache / "logs")
            carry_out([Step("root", f"making a minimal Debian {suite}", packing, 60)], at_once=1, stop_at_failure=True)
    return archive


def run(*words: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; its output.

    Raises:
        StepError: it failed.
    """
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-5:])
        raise StepError(f"{shlex.join(map(str, words))[:300]}\nended with status {done.returncode}:\n{said}")
    return done.stdout.strip()


def unpack(archive: Path, root: Path) -> None:
    """Make a root of an archive, in which apt and pip reach their packages as on this machine."""
    root.mkdir(exist_ok=True)
    run("tar", "--extract", "--numeric-owner", "--exclude=./dev/*", "--file", archive, "--directory", root)
    (root / SETTINGS).write_text(apt_settings(), encoding="utf-8")
    for name in TAKEN_OVER:
        take_over(Path("/") / name, root / name)


def take_over(source: Path, target: Path) -> None:
    """Copy what this machine has, with links followed, over what the root has."""
    if not source.exists():
        return
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
    else:
        shutil.copy2(source, target)


def clone(folder: Path, root: Path, project: str, user: bool) -> None:
    """Clone the repository into the root, whoever owns either."""
    settings = folder / "gitconfig"
    settings.write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
    # With links instead of copies, the owner and the mode of the machine's own repository could be changed in the root.
    command = ("git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, root / project[1:])
    run(*command, environment={"GIT_CONFIG_GLOBAL": str(settings)})
    if user:
        run("chown", "--recursive", f"{USER}:{USER}", root / project[1:])


def add_user(root: Path) -> None:
    """Add an ordinary user to a root, unless it is there."""
    entries = {
        "passwd": f"user:x:{USER}:{USER}::{USER_HOME}:/bin/bash",
        "group": f"user:x:{USER}:",
        "shadow": "user:!:::::::",
    }
    home = root / USER_HOME[1:]
    if home.exists():
        return
    for file, line in entries.items():
        with (root / "etc" / file).open("a", encoding="utf-8") as text:
            text.write(line + "\n")
    home.mkdir(mode=0o700)
    os.chown(home, USER, USER)


def warn_of_changes() -> None:
    """Say what is cloned, and whether the work tree has more."""
    git = ("git", "-c", "safe.directory=*", "-C", REPOSITORY)
    say(f"The clone has the last commit: {run(*git, 'log', '-1', '--format=%h %s')}")
    if changes := len(run(*git, "status", "--porcelain").splitlines()):
        say(f"It has not what is not committed: {changes} files")


def prepare(options: Options, cache: Path, folder: Path) -> None:
    """Make the root, unless it is there, and in it the user and the clones that are missing."""
    root = folder / "root"
    if not options.folder:
        archive = packed(cache, options.suite, folder)
        say(f"Unpacking {archive.name} in {folder}" + (f", in memory of {options.room}" if options.room else ""))
        if options.room:
            mount_memory(root, options.room)
        unpack(archive, root)
    if options.user:
        add_user(root)
    missing = [project for project in options.projects if not (root / project[1:]).exists()]
    if missing:
        warn_of_changes()
    for project in missing:
        clone(folder, root, project, options.user)


def mount_memory(root: Path, room: str) -> None:
    """Mount a file system in memory, where this process and its children alone see it, and which ends with them."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS):
        raise StepError(f"cannot have mounts of its own: {os.strerror(ctypes.get_errno())}")
    root.mkdir()
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", f"mode=755,size={room}", "tmpfs", root)


def hold(folder: Path) -> int | None:
    """Lock a folder, as long as the descriptor is open here or in the root's first process; None if another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def remove(folder: Path) -> None:
    """Remove a folder, whatever signal comes meanwhile."""
    for number in INTERRUPTIONS:
        signal.signal(number, signal.SIG_IGN)
    if os.path.ismount(folder / "root"):
        run("umount", "--lazy", folder / "root")
    run("rm", "-rf", "--one-file-system", folder)


def sweep(place: Path) -> None:
    """Remove the folders of runs that were killed."""
    for folder in place.glob("run-*"):
        descriptor = hold(folder)
        if descriptor is not None:
            say(f"Removing what a killed run left: {folder}")
            run("rm", "-rf", "--one-file-system", folder)
            os.close(descriptor)


@contextlib.contextmanager
def workplace(options: Options, cache: Path) -> Iterator[tuple[Path, int]]:
    """The folder of a run, new or entered again, and the descriptor of its lock; it is removed unless it is to be kept.

    Raises:
        StepError: the folder is not one of this program, or is in use.
    """
    if options.folder:
        if not (options.folder / "root" / "etc" / "os-release").exists():
            raise StepError(f"{options.folder} is no folder that --keep has left")
        descriptor = hold(options.folder)
        if descriptor is None:
            raise StepError(f"{options.folder} is in use by another run")
        yield options.folder, descriptor
        return
    place = cache / "fresh"
    place.mkdir(parents=True, exist_ok=True)
    if not (cache / TAG).exists():
        (cache / TAG).write_text(TAG_TEXT, encoding="utf-8")
    with alone(cache, f"folders in {place}"):
        sweep(place)
        folder = Path(tempfile.mkdtemp(prefix="kept-" if options.keep else "run-", dir=place))
        descriptor = hold(folder)
    assert descriptor is not None
    try:
        yield folder, descriptor
    finally:
        if options.keep and (folder / "root" / options.projects[0][1:]).exists():
            say(f"Kept; to enter it again: python3 tests/tools/fresh.py --in {folder} COMMAND...")
            say(f"To remove it: rm -r {folder}")
        else:
            remove(folder)


def environment_inside(user: bool) -> dict[str, str]:
    """The environment variables of the command."""
    handed = {name: os.environ[name] for name in ("TERM", "CI") if name in os.environ}
    return {"HOME": USER_HOME if user else "/root", "PATH": PROGRAMS, **handed}


def enter(options: Options, root: Path, lock: int) -> int:
    """Run the command in a root; its exit status.

    Signals go through a pipe to the root's first process, and the pipe's end tells it if this process was killed. It is
    in a session of its own, so that no signal of the terminal gets there twice.
    """
    listening, telling = os.pipe()
    environment = environment_inside(options.user)
    with INIT.open("rb") as script:
        plan = {
            "command": options.command,
            "folders": options.projects,
            "environment": environment,
            "user": USER if options.user else None,
            "offline": options.offline,
            "listening": listening,
        }
        namespaces = ("--mount", "--pid", "--ipc", *(["--net"] if options.offline else []), "--fork", "--kill-child")
        words = (str(root), "yes" if options.offline else "", f"/proc/self/fd/{script.fileno()}", json.dumps(plan))

        def hand_on(number: int, _frame: object) -> None:
            os.write(2, b"fresh: the command is told to end; a second signal ends it at once\n")
            with contextlib.suppress(BrokenPipeError):
                os.write(telling, bytes([number]))

        for number in INTERRUPTIONS:
            signal.signal(number, hand_on)
        process = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", ENTER, "fresh", *words],
            env=environment,
            pass_fds=(listening, script.fileno(), lock),
            start_new_session=True,
        )
    os.close(listening)
    status = process.wait()
    return status if status >= 0 else 128 - status


def processor_seconds() -> float:
    """The processor time of all children so far, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def work(options: Options, cache: Path) -> int:
    """Make the fresh Debian, run the command in it and say how it ended; the exit status.

    Raises:
        StepError: it cannot be run.
    """
    with workplace(options, cache) as (folder, lock):
        prepare(options, cache, folder)
        values = release(folder / "root")
        name = f"fresh Debian {values.get('VERSION_ID', '')} ({values.get('VERSION_CODENAME', options.suite)})"
        line = " ".join(shlex.join(options.command).split())
        say(f"{name}: {line}")
        began, used = time.monotonic(), processor_seconds()
        status = enter(options, folder / "root", lock)
        seconds, used = time.monotonic() - began, processor_seconds() - used
    print(f"{name}: {line}: ended with status {status} after {seconds:.0f} s, {used:.0f} s of CPU time", flush=True)
    return status


def parse(arguments: Sequence[str]) -> Options:
    """The command line's meaning."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", help="bookworm, trixie or another; without it, that of this machine")
    parser.add_argument("--offline", action="store_true", help="without a network")
    parser.add_argument("--user", action="store_true", help="as an ordinary user, who owns the clone")
    parser.add_argument("--room", metavar="SIZE", help="with so much room on the disk, e.g. 600M; it is in memory")
    parser.add_argument("--clones", metavar="N", type=int, default=1, help="in N clones at the same time")
    parser.add_argument("--keep", action="store_true", help="keep the folder, and say how to enter it again")
    parser.add_argument("--in", metavar="FOLDER", dest="folder", type=Path, help="in a folder that was kept")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if not given.command:
        parser.error("name the command that is to be run")
    if given.clones < 1:
        parser.error("--clones needs 1 or more")
    if given.room and not re.fullmatch(r"[1-9][0-9]*[kKmMgG]?", given.room):
        parser.error(f"--room knows no size {given.room}; 600M is one")
    if given.room and (given.keep or given.folder):
        parser.error("--room lives in memory, so it goes neither with --keep nor with --in")
    if given.folder and (given.suite or given.keep):
        parser.error("--in enters what is there, and keeps it; it goes neither with --suite nor with --keep")
    if given.folder:
        given.folder = given.folder.resolve()
    given.suite = given.suite or own_suite() or "trixie"
    return Options(**vars(given))


def main(arguments: Sequence[str]) -> int:
    """Run a command on a fresh Debian; the exit status."""
    options = parse(arguments)
    for number in INTERRUPTIONS:
        signal.signal(number, signal.default_int_handler)
    try:
        if os.geteuid() != 0:
            raise StepError("you are not root; this mounts file systems and changes roots")
        installing.require(TOOLS)
        return work(options, cache_directory(os.environ))
    except (StepError, OSError, shutil.Error) as error:
        print(f"fresh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fresh: interrupted before the command began", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
