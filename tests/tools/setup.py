# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up all that the tests need, then run a command in it.

    python3 tests/tools/setup.py [--all] [COMMAND [ARGUMENT...]]
    python3 tests/tools/setup.py --clean

Needs root on Debian and Python 3.11 or later. Everything lands in one cache outside the repository,
``$ZEROINSTALL_VIRTUALBOX_CACHE`` or else ``~/.cache/zeroinstall.virtualbox``:

    envs/oldest-KEY/       virtual environment with the oldest supported ansible-core; COMMAND runs in it
    envs/newest-KEY/       with --all: the same with the newest ansible-core, on the newest Python that was found
    envs/target-3.X-KEY/   for the oldest and the newest Python that managed machines may have, with --all for each
                           found: the unit tests run in it
    collections-KEY/       ansible_collections/ with this work tree and the collections it depends on
    home/                  the home directory for ansible-test, which keeps its own environments there
    logs/                  what the programs printed that were run here

KEY is a hash of what the thing was made from, so that the next run takes it as it is, and a changed requirement
makes a new one. COMMAND finds the paths in ``$ZEROINSTALL_VIRTUALBOX_SETUP``, a file with ``Setup`` as JSON.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import dataclasses
import fcntl
import glob
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "tests" / "requirements"
UNIT_REQUIREMENTS = REPOSITORY / "tests" / "unit" / "requirements.txt"
OLDEST_TARGET = (3, 8)  # the oldest target Python of ansible-core 2.19
OLDEST_CONTROLLER = (3, 11)  # the oldest controller Python of ansible-core 2.19
NEWEST_FOR_OLDEST = (3, 13)  # the newest one that ansible-core 2.19 knows
NEWER_CORE_FROM = (3, 12)  # ansible-core 2.20 and later do not run on an older Python
TAG = "CACHEDIR.TAG"
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by the tests of zeroinstall.virtualbox.\n"
DEPENDENCIES = ("ansible", "community", "containers")  # namespaces of the collections that the tests use
STARTED = time.monotonic()

Version = tuple[int, int]


class SetupError(Exception):
    """A message for the user: what cannot be set up, why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """Where everything is; all paths absolute.

    ``environments`` maps ``oldest`` and ``newest`` to virtual environments, and ``targets`` the versions of target
    Pythons ("3.8"), as far as they were asked for and a Python was found; ``pythons`` maps all versions found to the
    interpreters themselves.
    """

    cache: str
    environments: dict[str, str]
    targets: dict[str, str]
    pythons: dict[str, str]
    collections: str
    home: str


def say(message: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {message}", flush=True)


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Where the cache is by the environment variables given."""
    own = environment.get("ZEROINSTALL_VIRTUALBOX_CACHE")
    if own:
        return Path(own).absolute()
    general = environment.get("XDG_CACHE_HOME")
    return (Path(general) if general else Path.home() / ".cache") / "zeroinstall.virtualbox"


def key(*parts: str) -> str:
    """Eight hexadecimal digits that change with any of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def run_name(name: str) -> str:
    """The name of a run of the lab or the containers, this work tree's own: a run of another's is not taken down."""
    return f"{name}-{key(str(REPOSITORY))}"


def requirements_text(path: Path) -> str:
    """A requirements file with the files that it includes by ``-r``, without comments."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["-r"]:
            lines.append(requirements_text(path.parent / words[1]))
        elif words:
            lines.append(" ".join(words))
    return "\n".join(lines)


def missing(packages: Iterable[str], status: str) -> list[str]:
    """Those Debian packages that are not installed by dpkg-query's lines ``NAME ABBREVIATED-STATUS``."""
    installed = {line.split()[0] for line in status.splitlines() if line.split()[1:] == ["ii"]}
    return [package for package in packages if package not in installed]


def choose(found: Iterable[Version]) -> tuple[Version | None, Version | None]:
    """The Python for the oldest and for the newest ansible-core, or None, out of the versions found."""
    oldest = min((one for one in found if OLDEST_CONTROLLER <= one <= NEWEST_FOR_OLDEST), default=None)
    newest = max((one for one in found if one >= NEWER_CORE_FROM), default=None)
    return oldest, newest


def ends(found: Iterable[Version]) -> tuple[Version, Version]:
    """The oldest and the newest version of those found that the oldest ansible-core knows."""
    known = [one for one in found if one <= NEWEST_FOR_OLDEST]
    return min(known), max(known)


@contextlib.contextmanager
def program(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program with text output in a process group of its own, which ends whole if the block is left by an exception.

    ``options`` are those of ``subprocess.Popen``.
    """
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, text=True, start_new_session=True, **options) as process:
        try:
            yield process
        except BaseException:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(10)
            raise


def run(command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command, its output into the log.

    Raises:
        SetupError: it failed; with the last lines of its output.
    """
    run_side_by_side({log: command}, environment)


def run_side_by_side(
    commands: Mapping[Path, Sequence[str | Path]], environment: Mapping[str, str] | None = None
) -> None:
    """Run commands at the same time, each with its output into its log.

    Raises:
        SetupError: one failed, and the others were ended; with the last lines of its output.
    """
    with contextlib.ExitStack() as stack:
        running = {}
        for log, command in commands.items():
            log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(log.open("w", encoding="utf-8"))
            options = {"stdout": output, "stderr": subprocess.STDOUT, "env": environment}
            running[log] = stack.enter_context(program(command, **options))
        for log, process in running.items():
            if status := process.wait():
                tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
                line = " ".join(map(str, commands[log]))
                raise SetupError(f"{line}\nended with status {status}; its last lines ({log}):\n{tail}")


def install_debian_packages(packages: Sequence[str], logs: Path) -> list[str]:
    """Install those of the packages that are missing, and return them.

    Raises:
        SetupError: not root, no apt-get, or the installation failed.
    """
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n"], capture_output=True, text=True, check=False
    )
    wanted = missing(packages, query.stdout)
    if not wanted:
        return []
    if os.geteuid() != 0:
        raise SetupError(f"only root can install the Debian packages that are missing: {' '.join(wanted)}")
    say(f"Installing Debian packages: {', '.join(wanted)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], logs / "apt-update.log", environment)
    run(["apt-get", "install", "-y", "--no-install-recommends", *wanted], logs / "apt-install.log", environment)
    return wanted


def probe(candidate: str) -> tuple[Version, str] | None:
    """Version and path of an interpreter, or None for what does not run or cannot make virtual environments.

    A version manager's shim leads to the interpreter behind it, or to nothing where that version is switched off.
    """
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2], sys._base_executable)"
    try:
        done = subprocess.run(
            [candidate, "-I", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.strip().split(" ", 2)
    if done.returncode or len(words) != 3:
        return None
    return (int(words[0]), int(words[1])), words[2]


def find_pythons(environment: Mapping[str, str]) -> dict[Version, str]:
    """The interpreters of this machine that targets or controllers may have: the first that works of each version."""
    folders = [*environment.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    folders += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin")))
    found: dict[Version, str] = {}
    for folder in dict.fromkeys(folders):
        for candidate in sorted(glob.glob(os.path.join(glob.escape(folder), "python3.*"))):
            match = re.fullmatch(r"python3\.(\d+)", os.path.basename(candidate))
            if not match or (3, int(match[1])) < OLDEST_TARGET or (3, int(match[1])) in found:
                continue
            result = probe(candidate)
            if result:
                found.setdefault(*result)
    return dict(sorted(found.items()))


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment of an interpreter, in a folder; with what a file requires, if any."""

    python: str
    path: Path
    requirements: Path | None = None

    @property
    def marker(self) -> Path:
        """The file that says that it is complete."""
        return self.path / "complete"


def make_environments(wanted: Iterable[Environment], logs: Path) -> None:
    """Make virtual environments side by side, but those that are there: one that was left half-made goes.

    They are made in their places, not moved there, because their programs name their interpreter by its path.

    Raises:
        SetupError: one cannot be made.
    """
    making = [one for one in wanted if not one.marker.exists()]
    for one in making:
        if one.path.exists():
            shutil.rmtree(one.path)
        say(f"Making the environment {one.path.name}" + (f" from {one.requirements.name}" if one.requirements else ""))
    run_side_by_side({logs / f"{one.path.name}-venv.log": [one.python, "-m", "venv", one.path] for one in making})
    # Byte code is kept of what is used: that of all of Ansible's collections would take longer than all else.
    install = ("-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "-r")
    run_side_by_side(
        {
            logs / f"{one.path.name}-pip.log": [one.path / "bin" / "python", *install, one.requirements]
            for one in making
            if one.requirements
        }
    )
    for one in making:
        one.marker.touch()


def pip_configuration(listing: str) -> str:
    """A pip.conf with all that ``pip config list`` prints; the environment goes before files."""
    sections: dict[str, dict[str, str]] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _equals, value = line.partition("=")
        section, _dot, option = name.rpartition(".")
        if option != "config-file":
            sections.setdefault("global" if section == ":env:" else section, {})[option] = ast.literal_eval(value)
    configuration = configparser.RawConfigParser()
    configuration.read_dict(sections)
    text = io.StringIO()
    configuration.write(text)
    return text.getvalue()


def prepare_home(home: Path, environments: Sequence[Path], logs: Path) -> None:
    """Let ansible-test take pip from the package index: it would download a script from a server of its own.

    ansible-test looks for that script in its cache first. The one laid there unpacks pip's own wheel. ansible-test
    hides the user's environment from pip, so pip's settings (an index, a certificate) go into a file.
    """
    settings = subprocess.run(
        [environments[0] / "bin" / "python", "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "pip" / "pip.conf").write_text(pip_configuration(settings.stdout), encoding="utf-8")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for environment in environments:
        python = environment / "bin" / "python"
        (source,) = environment.glob("lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py")
        body = source.read_text(encoding="utf-8").split("def get_venv_packages", 1)[-1].split("\ndef ", 1)[0]
        for version in sorted(set(re.findall(r"\bpip\b['\"]?\s*[=:]\s*['\"]([0-9.]+)['\"]", body))):
            if not list(cache.glob(f"pip-{version}-*.whl")):
                say(f"Fetching pip {version} for ansible-test")
                run([python, "-m", "pip", "download", "--no-deps", "-d", cache, f"pip=={version}"], logs / "pip.log")
            shutil.copyfile(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version.replace('.', '_')}.py")


def link(path: Path, target: Path) -> None:
    """Make or correct a symbolic link, in one step."""
    if path.is_symlink() and os.readlink(path) == str(target):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(target)
    os.replace(temporary, path)


def link_dependencies(root: Path, environment: Path) -> None:
    """Put the collections that the tests depend on into ``ansible_collections``, out of the environment's Ansible."""
    (packaged,) = environment.glob("lib/python3.*/site-packages/ansible_collections")
    for namespace in DEPENDENCIES:
        link(root / namespace, packaged / namespace)


@contextlib.contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Hold the cache's lock: two set-ups at once would make the same things."""
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / TAG).exists():
        (cache / TAG).write_text(TAG_TEXT, encoding="utf-8")
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another set-up that works on {cache}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up(cache: Path, everything: bool) -> Setup:
    """Make what is missing in the cache; without ``everything``, only what most commands need.

    Raises:
        SetupError: something cannot be made.
    """
    logs = cache / "logs"
    packages = requirements_text(REQUIREMENTS / "debian.txt").split()
    pythons = find_pythons(os.environ)
    if choose(pythons)[0] is None:
        packages.append("python3-venv")
    if install_debian_packages(packages, logs):
        pythons = find_pythons(os.environ)
    oldest, newest = choose(pythons)
    if oldest is None:
        raise SetupError(
            "no Python 3.11, 3.12 or 3.13 was found that can make virtual environments, and ansible-core 2.19 needs"
            " one; install one of them, on Debian with its -venv package"
        )
    chosen = {"oldest": oldest} | ({"newest": newest} if newest and everything else {})
    environments = {}
    for name, version in chosen.items():
        requirements = REQUIREMENTS / f"{name}.txt"
        path = cache / "envs" / f"{name}-{key(pythons[version], requirements_text(requirements))}"
        environments[name] = Environment(pythons[version], path, requirements)
    targets = {}
    for version in pythons if everything else ends(pythons):
        python, name = pythons[version], ".".join(map(str, version))
        path = cache / "envs" / f"target-{name}-{key(python, requirements_text(UNIT_REQUIREMENTS))}"
        targets[name] = Environment(python, path)
    make_environments([*environments.values(), *targets.values()], logs)
    prepare_home(cache / "home", [one.path for one in environments.values()], logs)
    collections = cache / f"collections-{key(str(REPOSITORY), str(environments['oldest'].path))}"
    link(collections / "ansible_collections" / "zeroinstall" / "virtualbox", REPOSITORY)
    link_dependencies(collections / "ansible_collections", environments["oldest"].path)
    return Setup(
        cache=str(cache),
        environments={name: str(one.path) for name, one in environments.items()},
        targets={name: str(one.path) for name, one in targets.items()},
        pythons={".".join(map(str, version)): python for version, python in pythons.items()},
        collections=str(collections),
        home=str(cache / "home"),
    )


def mount_points() -> list[Path]:
    """Where something is mounted, by /proc/self/mountinfo, which writes white space and backslashes as octal digits."""
    table = Path("/proc/self/mountinfo").read_bytes().splitlines()
    decoded = (re.sub(rb"\\([0-7]{3})", lambda digits: bytes([int(digits[1], 8)]), line.split()[4]) for line in table)
    return [Path(os.fsdecode(point)) for point in decoded]


def clean(cache: Path) -> None:
    """Remove the cache.

    Raises:
        SetupError: it is not one of ours, or something is still mounted in it.
    """
    if not cache.exists():
        return
    if not (cache / TAG).exists():
        raise SetupError(f"{cache} has no {TAG} of these tests, so it is left alone; remove it yourself if it is yours")
    held = [mount for mount in mount_points() if mount.is_relative_to(cache.resolve())]
    if held:
        raise SetupError(f"{cache} is still in use: {', '.join(map(str, held))} is mounted: end the lab first")
    shutil.rmtree(cache)
    say(f"Removed {cache}")


def command_environment(setup: Setup, file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of the command that runs in the set-up."""
    first = setup.environments["oldest"]
    return {
        **environment,
        "PATH": f"{first}/bin:{environment.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": first,
        "ANSIBLE_COLLECTIONS_PATH": setup.collections,
        "ZEROINSTALL_VIRTUALBOX_CACHE": setup.cache,
        "ZEROINSTALL_VIRTUALBOX_SETUP": str(file),
        # Byte code is kept, which makes a short run of Ansible twice as fast, but not in the work tree.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(Path(setup.cache) / "bytecode"),
    }


def main(arguments: list[str]) -> int:
    """Set up and run; returns the exit status where no command takes the process over."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cache = cache_directory(os.environ)
    try:
        if arguments == ["--clean"]:
            clean(cache)
            return 0
        everything = arguments[:1] == ["--all"]
        if everything:
            del arguments[0]
        with locked(cache):
            setup = set_up(cache, everything)
            # What runs beside this reads its own: it may have been set up with more, or with less.
            file = Path(setup.collections) / ("setup-all.json" if everything else "setup.json")
            temporary = file.with_name(f".setup.{os.getpid()}")
            temporary.write_text(json.dumps(dataclasses.asdict(setup), indent=2) + "\n", encoding="utf-8")
            os.replace(temporary, file)
    except SetupError as error:
        print(f"The tests cannot be set up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What is complete is kept, the rest is made at the next run.", file=sys.stderr)
        return 128 + signal.SIGINT
    say(f"Set up in {cache}: Python {', '.join(setup.pythons)}")
    if arguments:
        environment = command_environment(setup, file, os.environ)
        try:
            os.execvpe(arguments[0], arguments, environment)
        except OSError as error:
            print(f"cannot run {arguments[0]}: {error.strerror}", file=sys.stderr)
            return 127
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
