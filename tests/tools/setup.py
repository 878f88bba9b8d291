# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up all that tests need, then run a command in it.

    python3 tests/tools/setup.py [--all] [--needs NEED,...] [COMMAND [ARGUMENT...]]
    python3 tests/tools/setup.py --clean

This is the one place that installs anything: Debian packages on the machine, and the rest in one cache outside the
repository, ``$ZEROINSTALL_VIRTUALBOX_CACHE`` or else ``~/.cache/zeroinstall.virtualbox``:

    envs/core-2.16-KEY/    virtual environment with the oldest ansible-core that is supported, or the next one for which
                           a Python was found; COMMAND runs in it
    envs/core-X-KEY/       with --all: the same with each other ansible-core that is tested (pythons.py)
    envs/target-3.X-KEY/   for the oldest and the newest Python that managed machines may have, with --all for each
                           found: the unit tests run in it
    envs/docs-KEY/         what builds the documentation site
    envs/unit-KEY/         what the unit tests need, for the Python at hand (tests/tools/unit.py)
    collections-KEY/       ansible_collections/ with this work tree and the collections it depends on
    home/                  the home directory for ansible-test, which has environments of its own there
    made/                  which images are there
    lab/ containers/ qemu/ images, made by the programs of the tests; each has a README
    logs/                  what the programs printed that were run here

KEY is a hash of what the thing was made from, so that the next run takes it as it is, and a changed requirement
makes a new one. What a NEED is stands in parts.py. COMMAND finds the paths in ``$ZEROINSTALL_VIRTUALBOX_SETUP``, a file
with ``Setup`` as JSON. Needs Python 3.11 or later, and root on Debian 12 or later.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("The tests cannot be set up: they need Python 3.11 or later, and this is " + sys.version.split()[0])

import argparse
import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import re
import secrets
import shutil
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import installing
import parts
from alone import held
from environments import AnsibleTest, Environment, key, making, requirements_text
from parts import REPOSITORY
from pythons import CORES, TOO_OLD, Version, choose, ends, find_pythons
from steps import Command, Step, StepError, Work, carry_out, must, say

REQUIREMENTS = REPOSITORY / "tests" / "requirements"
UNIT_REQUIREMENTS = REPOSITORY / "tests" / "unit" / "requirements.txt"
TAG = "CACHEDIR.TAG"
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by the tests of zeroinstall.virtualbox.\n"
ODD = re.compile('["$`\\\\:\\s]')
DEPENDENCIES = ("ansible", "community", "containers")  # namespaces of the collections that the tests use
AT_ONCE = max(2, os.cpu_count() or 1) + 1
"""How many programs run at once: for some of their time they wait."""
ROOM = 2000
"""What Python environments and their making take of the disk, in MB."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """Where everything is; all paths absolute.

    ``environments`` maps ``oldest``, and with that the names of the other versions of ansible-core (pythons.py), to
    virtual environments, and ``targets`` the versions of target Pythons ("3.8"), as far as they were asked for and a
    Python was found; ``pythons`` maps all versions found to the interpreters themselves. ``broken`` maps needs that
    could not be met to the reason, and ``left_out`` says what this machine cannot test. ``tools`` maps needs such as
    ``docs`` to environments of their own.
    """

    cache: str
    environments: dict[str, str]
    targets: dict[str, str]
    pythons: dict[str, str]
    collections: str
    home: str
    broken: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)
    tools: dict[str, str] = dataclasses.field(default_factory=dict)


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Where the cache is by the environment variables given.

    Raises:
        StepError: its path has a character that cannot be there.
    """
    own, general = environment.get("ZEROINSTALL_VIRTUALBOX_CACHE"), environment.get("XDG_CACHE_HOME")
    folder = Path(own) if own else (Path(general) if general else Path.home() / ".cache") / "zeroinstall.virtualbox"
    folder = folder.absolute()
    if odd := ODD.search(str(folder)):
        raise StepError(f"the cache's path {str(folder)!r} has a {odd[0]!r}, which programs in virtual environments do"
                        " not get along with; name another folder in ZEROINSTALL_VIRTUALBOX_CACHE")  # fmt: skip
    return folder


def run_name(name: str) -> str:
    """The name of a run of the lab or the containers, this work tree's own: a run of another's is not taken down."""
    return f"{name}-{key(str(REPOSITORY))}"


@dataclasses.dataclass(frozen=True)
class Image:
    """What a program of the tests makes in the cache for a need."""

    name: str
    cache: Path
    ansible: Path | None

    @property
    def need(self) -> parts.Need:
        """What the table says of it."""
        return parts.NEEDS[self.name]

    @property
    def marker(self) -> Path:
        """The file that names the folders that were made from the sources as they are now."""
        sources = sorted(
            path for folder in self.need.sources for path in (parts.TESTS / folder).iterdir()
            if path.is_file() and not path.name.startswith("test_")
        )  # fmt: skip
        content = (path.read_bytes().hex() for path in sources)
        return self.cache / "made" / f"{self.name}-{key(*map(str, sources), *content, str(self.ansible))}"

    @property
    def there(self) -> bool:
        """Whether it need not be made."""
        try:
            folders = self.marker.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return bool(folders) and all(map(os.path.exists, folders))

    def make(self, logs: Path, environment: Mapping[str, str]) -> Work:
        """Run the program, whose lines ``artefact FOLDER`` name what it has made."""
        program, *words = self.need.build
        log = logs / f"image-{self.name}.log"
        yield from must(Command([sys.executable, parts.TESTS / program, *words], log, environment, shown="lab: "))
        made = re.findall(r"^artefact (.*)$", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if not made:
            raise StepError(f"{program} names no folder that it has made; its log: {log}")
        replace(self.marker, "\n".join(made))


def replace(file: Path, text: str) -> None:
    """Write a file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)


def link(path: Path, target: Path) -> None:
    """Make or correct a symbolic link, in one step."""
    if path.is_symlink() and os.readlink(path) == str(target):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    temporary.symlink_to(target)
    os.replace(temporary, path)


def link_dependencies(root: Path, environment: Path) -> None:
    """Put the collections that the tests depend on into ``ansible_collections``, out of the environment's Ansible."""
    (packaged,) = environment.glob("lib/python3.*/site-packages/ansible_collections")
    for namespace in DEPENDENCIES:
        link(root / namespace, packaged / namespace)


@contextlib.contextmanager
def locked(cache: Path) -> Iterator[None]:
    """The cache, made unless it is there, for the length of a block: two set-ups at once would make the same things."""
    with held(cache / "lock", f"another set-up that works on {cache}"):
        if not (cache / TAG).exists():
            (cache / TAG).write_text(TAG_TEXT, encoding="utf-8")
        yield


def environments_for(pythons: Mapping[Version, str], cache: Path, everything: bool) -> dict[str, Environment]:
    """The environments of Ansible: ``oldest``, the oldest one for which a Python was found, and with ``everything`` the
    others, by their names.

    Raises:
        StepError: no Python is right for any.
    """
    chosen = choose(pythons)
    if not chosen:
        raise StepError(
            "no Python 3.11 or later was found that can make virtual environments; install one, on Debian with its"
            " -venv package"
        )
    oldest, *others = chosen
    names = {"oldest": oldest} | ({core: core for core in others} if everything else {})
    return {name: environment_of(core, pythons[chosen[core]], cache) for name, core in names.items()}


def environment_of(core: str, python: str, cache: Path) -> Environment:
    """The environment of an ansible-core."""
    requirements = REQUIREMENTS / f"core-{core}.txt"
    name = f"core-{core}-{key(python, requirements_text(requirements))}"
    return Environment(python, cache / "envs" / name, requirements)


def targets_for(pythons: Mapping[Version, str], cache: Path, everything: bool, made_for: str) -> dict[str, Environment]:
    """The environments of target Pythons, by version; ``made_for`` is the environment whose ansible-test uses them."""
    targets = {}
    oldest = next(iter(choose(pythons)))
    for version in pythons if everything else dict.fromkeys(ends(pythons, oldest)):
        python, name = pythons[version], ".".join(map(str, version))
        folder = f"target-{name}-{key(python, requirements_text(UNIT_REQUIREMENTS), made_for)}"
        targets[name] = Environment(python, cache / "envs" / folder)
    return targets


def tools_for(needs: Collection[str], pythons: Mapping[Version, str], cache: Path) -> dict[str, Environment]:
    """The environments of needs that are an environment of their own, by the need, where there is a Python for it."""
    first, last = TOO_OLD
    right = {"too-old": [python for version, python in pythons.items() if first <= version <= last]}
    usual = pythons[next(iter(choose(pythons).values()))]
    chosen = {need: right.get(need, [usual])[-1:] for need in sorted(parts.TOOLS & set(needs))}
    files = {need: REQUIREMENTS / f"{need}.txt" for need in chosen}
    return {
        need: Environment(python, cache / "envs" / f"{need}-{key(python, requirements_text(files[need]))}", files[need])
        for need, ones in chosen.items()
        for python in ones
    }


def not_tested(chosen: Collection[str]) -> list[str]:
    """What is said of each ansible-core for which there is no Python."""
    return [
        f"ansible-core {core}, which needs Python {'.'.join(map(str, first))} to {'.'.join(map(str, last))} with venv"
        if core != "newest"
        else f"the newest ansible-core, which needs Python {'.'.join(map(str, first))} or later with venv"
        for core, (first, last) in CORES.items()
        if core not in chosen
    ]


@dataclasses.dataclass(frozen=True)
class Missing:
    """What is not there yet of what tests need."""

    packages: Sequence[str]
    environments: Sequence[Environment]
    tester: AnsibleTest | None
    images: Sequence[Image]

    @property
    def room(self) -> int:
        """What it will take of the disk, in MB."""
        return (ROOM if self.environments else 0) + sum(one.need.room for one in self.images)

    def steps(self, cache: Path, oldest: Path) -> list[Step]:
        """The steps that make it; OLDEST is the environment of the oldest ansible-core."""
        logs, steps = cache / "logs", []
        if self.packages:
            say(f"These Debian packages are missing: {' '.join(self.packages)}")
            work = functools.partial(installing.install, self.packages, logs)
            steps.append(Step("packages", f"installing {len(self.packages)} Debian packages", work, 60))
        for one in self.environments:
            text = f" from {one.requirements.name}" if one.requirements else ""
            title = f"making the environment {one.path.name}{text}"
            work = functools.partial(making, one, logs)
            steps.append(Step(one.path.name, title, work, 90 if one.requirements else 10, ["packages"]))
        if self.tester:
            after = [one.path.name for one in self.environments]
            work = functools.partial(self.tester.make, logs)
            steps.append(Step("ansible-test", "making the environments of ansible-test", work, 240, after))
        for image in self.images:
            after = ["packages", *image.need.after, *([image.ansible.name] if image.ansible else [])]
            variables = command_environment(cache, image.ansible or oldest, os.environ)
            work = functools.partial(image.make, logs, variables)
            steps.append(Step(image.name, f"making {image.need.title}", work, image.need.seconds, after))
        return steps


def images_for(needs: Collection[str], cache: Path, environments: Mapping[str, Environment]) -> list[Image]:
    """The images of these needs, without those that are made for an Ansible that is not there."""
    wanted = [(name, need.ansible) for name, need in parts.NEEDS.items() if name in needs and need.build]
    return [
        Image(name, cache, environments[ansible].path if ansible else None)
        for name, ansible in wanted
        if not ansible or ansible in environments
    ]


def own_python() -> dict[Version, str]:
    """This Python, by the path by which `find_pythons` finds it once it can make environments: so they are kept."""
    return {sys.version_info[:2]: os.path.realpath(sys.executable)}


def set_up(cache: Path, needs: Collection[str], everything: bool) -> Setup:
    """Make what is missing of what these needs take, with ``everything`` for each Python and Ansible.

    Raises:
        StepError: something cannot be made that all tests need.
    """
    needs = parts.with_needed(needs)
    pythons = find_pythons(os.environ)
    packages = parts.packages(needs)
    if not choose(pythons):
        packages.append("python3-venv")
        # That of Debian, which has what makes environments then.
        pythons |= own_python()
    environments = environments_for(pythons, cache, everything)
    oldest = environments["oldest"].path
    commands = frozenset(needs & parts.ANSIBLE_TEST)
    targets = targets_for(pythons, cache, everything, str(oldest)) if "units" in commands else {}
    paths = {version: one.path for version, one in targets.items()}
    tools = tools_for(needs, pythons, cache)
    folders = tuple(dict.fromkeys(os.path.dirname(python) for python in pythons.values()))
    versions = tuple(".".join(map(str, version)) for version in pythons)
    used = tuple(one.path for one in environments.values())
    tester = AnsibleTest(cache / "home", commands, used, paths, versions, folders)
    images = images_for(needs, cache, environments)
    absent = [one for one in [*environments.values(), *targets.values()] if not one.marker.exists()]
    # ansible-test installs into the environments, too.
    untested = commands and (absent or not tester.marker.exists())
    missing = Missing(
        installing.missing_packages(packages),
        [*absent, *(one for one in tools.values() if not one.marker.exists())],
        tester if untested else None,
        [one for one in images if not one.there],
    )
    if missing.packages:
        installing.check()
    installing.check_room(cache, missing.room)
    steps = missing.steps(cache, oldest)
    tell_plan(steps)
    failed = carry_out(steps, AT_ONCE)
    for name in ("packages", *(one.path.name for one in missing.environments), "ansible-test"):
        if name in failed:
            raise StepError(failed[name])
    left_out = not_tested(choose(pythons)) if everything else []
    if "too-old" in needs and "too-old" not in tools:
        left_out.append("how ansible-core 2.15 is refused, which needs Python 3.9 to 3.11 with venv")
    for one in environments.values():
        collections = collections_for(cache, one.path) / "ansible_collections"
        link(collections / "zeroinstall" / "virtualbox", REPOSITORY)
        link_dependencies(collections, one.path)
    return Setup(
        cache=str(cache),
        environments={name: str(one.path) for name, one in environments.items()},
        targets={name: str(path) for name, path in paths.items()},
        pythons=dict(zip(versions, pythons.values(), strict=True)),
        collections=str(collections_for(cache, oldest)),
        home=str(cache / "home"),
        broken=failed,
        left_out=left_out,
        tools={name: str(one.path) for name, one in tools.items()},
    )


def tell_plan(steps: Sequence[Step]) -> None:
    """Say what will be done."""
    if steps:
        how = "1 step" if len(steps) == 1 else f"{len(steps)} steps, up to {AT_ONCE} at once"
        say(f"What is missing is set up in {how}, and kept for the next run:")
        for number, step in enumerate(steps, 1):
            say(f"  {number}. {step.title}" + (f", about {step.seconds} s" if step.seconds else ""))


def mount_points() -> list[Path]:
    """Where something is mounted, by /proc/self/mountinfo, which writes white space and backslashes as octal digits."""
    table = Path("/proc/self/mountinfo").read_bytes().splitlines()
    decoded = (re.sub(rb"\\([0-7]{3})", lambda digits: bytes([int(digits[1], 8)]), line.split()[4]) for line in table)
    return [Path(os.fsdecode(point)) for point in decoded]


def clean(cache: Path) -> None:
    """Remove the cache.

    Raises:
        StepError: it is not one of ours, or something of it is in use.
    """
    if not cache.exists():
        return
    if not (cache / TAG).exists():
        raise StepError(f"{cache} has no {TAG} of these tests, so it is left alone; remove it yourself if it is yours")
    with locked(cache):
        if mounted := [mount for mount in mount_points() if mount.is_relative_to(cache.resolve())]:
            raise StepError(f"{cache} is still in use: {', '.join(map(str, mounted))} is mounted: end the lab first")
        if in_use := [file for file in cache.glob("**/locks/*") if is_held(file)]:
            raise StepError(f"{cache} is still in use: another program holds {in_use[0]}: wait for its end")
        if (state := cache / "containers" / "run").is_symlink():
            shutil.rmtree(os.readlink(state), ignore_errors=True)
        shutil.rmtree(cache)
    say(f"Removed {cache}")


def is_held(file: Path) -> bool:
    """Whether another program holds a lock on a file."""
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def collections_for(cache: Path, environment: Path) -> Path:
    """Where a virtual environment's Ansible finds this work tree, and the collections that came with it."""
    return cache / f"collections-{key(str(REPOSITORY), str(environment))}"


def with_ansible(environment: Path) -> dict[str, str]:
    """The environment variables by which another virtual environment's Ansible is run."""
    collections = collections_for(cache_directory(os.environ), environment)
    path = f"{environment}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "VIRTUAL_ENV": str(environment), "ANSIBLE_COLLECTIONS_PATH": str(collections)}


def command_environment(cache: Path, oldest: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of what runs in the set-up."""
    return {
        **environment,
        "PATH": f"{oldest}/bin:{environment.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(oldest),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_for(cache, oldest)),
        "ZEROINSTALL_VIRTUALBOX_CACHE": str(cache),
        # Byte code is kept, which makes a short run of Ansible twice as fast, but not in the work tree.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
    }


def provide(needs: Collection[str], everything: bool = False) -> tuple[Setup, dict[str, str]]:
    """Set up what these needs take, unless it is there; with the environment variables of what runs in it.

    Raises:
        StepError: it cannot be set up.
    """
    cache = cache_directory(os.environ)
    if any(parts.NEEDS[need].build for need in needs) or installing.missing_packages(parts.packages(needs)):
        installing.check()
    with locked(cache):
        setup = set_up(cache, needs, everything)
    # What runs beside this reads its own: it may have been set up with more, or with less.
    file = Path(setup.collections) / f"setup-{key(*sorted(needs), str(everything))}.json"
    replace(file, json.dumps(dataclasses.asdict(setup), indent=2) + "\n")
    for reason in dict.fromkeys(setup.broken.values()):
        say(f"Not set up: {reason}")
    if not setup.broken:
        say(f"All is set up in {cache}; Python {', '.join(setup.pythons)}")
    variables = command_environment(cache, Path(setup.environments["oldest"]), os.environ)
    return setup, {**variables, "ZEROINSTALL_VIRTUALBOX_SETUP": str(file)}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """End the program with a message where the set-up fails or is interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except (StepError, OSError) as error:
        sys.exit(f"The tests cannot be set up: {error}")
    except KeyboardInterrupt:
        print("Interrupted. What is complete is kept, the rest is made at the next run.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def main(arguments: list[str]) -> int:
    """Set up and run; returns the exit status where no command takes the process over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="for each Python, and for the newest ansible-core, too")
    parser.add_argument("--needs", default="", help=f"with commas, of: {', '.join(parts.NEEDS)}")
    parser.add_argument("--clean", action="store_true", help="remove the cache")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    needs = [need for need in options.needs.split(",") if need]
    if unknown := set(needs) - parts.NEEDS.keys():
        parser.error(f"--needs knows no {', '.join(sorted(unknown))}")
    with explained():
        if options.clean:
            clean(cache_directory(os.environ))
            return 0
        setup, variables = provide(needs, options.all)
        if setup.broken:
            raise StepError("see above")
    if options.command:
        try:
            os.execvpe(options.command[0], options.command, variables)
        except OSError as error:
            print(f"cannot run {options.command[0]}: {error.strerror}", file=sys.stderr)
            return 127
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
