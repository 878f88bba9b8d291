# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests in the Python at hand, without ansible-test: what they need is set up in half a minute.

python3 tests/tools/unit.py [FILE-OR-FOLDER...] [PYTEST-OPTION...]
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import installing
import pythons
import setup
from environments import Environment, key, making, requirements_text
from steps import Step, StepError, carry_out

REQUIREMENTS = setup.REQUIREMENTS / "unit.txt"


def environment(cache: Path) -> Environment:
    """The environment of the unit tests for this Python, made unless it is there.

    Raises:
        StepError: it cannot be made.
    """
    name = f"unit-{key(sys.executable, sys.version, requirements_text(REQUIREMENTS))}"
    wanted, logs = Environment(sys.executable, cache / "envs" / name, REQUIREMENTS), cache / "logs"
    if wanted.marker.exists():
        return wanted
    steps = []
    if not pythons.probe(sys.executable):
        if os.geteuid() != 0:
            raise StepError(f"{sys.executable} cannot make virtual environments; as root: apt-get install python3-venv")
        installing.check()
        work = functools.partial(installing.install, ["python3-venv"], logs)
        steps.append(Step("packages", "installing the Debian package python3-venv", work, 20))
    installing.check_room(cache, 300)
    title = f"making the environment {name} from {REQUIREMENTS.name}"
    steps.append(Step(name, title, lambda: making(wanted, logs), 20, ("packages",)))
    setup.tell_plan(steps)
    for reason in carry_out(steps, setup.AT_ONCE).values():
        raise StepError(reason)
    return wanted


def main(arguments: Sequence[str]) -> int:
    """Set up and run; the exit status."""
    with setup.explained():
        cache = setup.cache_directory(os.environ)
        with setup.locked(cache):
            made = environment(cache)
        collections = cache / f"collections-{key(str(setup.REPOSITORY), str(made.path))}"
        setup.link(collections / "ansible_collections" / "zeroinstall" / "virtualbox", setup.REPOSITORY)
    folders = [] if arguments and not arguments[0].startswith("-") else ["tests/unit"]
    options = ("-c", os.devnull, "--rootdir", ".", "--import-mode=importlib")
    plugins = ("-p", "collection", "-p", "no:cacheprovider")
    python = made.path / "bin" / "python"
    variables = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
    }
    os.chdir(setup.REPOSITORY)
    os.execve(python, [str(python), "-m", "pytest", *options, *plugins, *folders, *arguments], variables)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
