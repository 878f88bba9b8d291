# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments of Python, and those that ansible-test keeps; each is made once, in the cache."""

from __future__ import annotations

import ast
import configparser
import dataclasses
import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from parts import REPOSITORY
from pythons import known_pythons
from steps import Command, Work, must

NOT_COPIED = (
    ".git",
    ".*cache",
    "__pycache__",
    ".ansible",
    ".hypothesis",
    "collections",
    "output",
    "*.tar.gz",
    ".plugin-cache.yaml",
)


def key(*parts: str) -> str:
    """Eight hexadecimal digits that change with any of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


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


def making(environment: Environment, logs: Path) -> Work:
    """Make a virtual environment; one that was left half-made goes.

    It is made in its place, not moved there, because its programs name their interpreter by its path.
    """
    if environment.path.exists():
        shutil.rmtree(environment.path)
    name, python = environment.path.name, environment.path / "bin" / "python"
    yield from must(Command([environment.python, "-m", "venv", environment.path], logs / f"{name}-venv.log"))
    if environment.requirements:
        # Byte code is kept of what is used: that of all of Ansible's collections would take longer than all else.
        options = ("--disable-pip-version-check", "--no-compile")
        install = ("-m", "pip", "install", *options, "-r", environment.requirements)
        yield from must(Command([python, *install], logs / f"{name}-pip.log"))
    environment.marker.touch()


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


@dataclasses.dataclass(frozen=True)
class AnsibleTest:
    """What ansible-test keeps in ``home``, made so that no test has to install it.

    Attributes:
        commands: which of its commands the tests use: ``sanity``, ``pylint``, ``units``.
        environments: those whose ansible-test is run.
        targets: the version of each target Python, and its environment.
        pythons: the versions of all Pythons of this machine.
        folders: where these are.
    """

    home: Path
    commands: frozenset[str]
    environments: tuple[Path, ...]
    targets: Mapping[str, Path]
    pythons: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def marker(self) -> Path:
        """The file that says that it is complete."""
        made_for = [*sorted(self.commands), *map(str, (*self.environments, *self.targets.values())), *self.folders]
        return self.home / f"complete-{key(*made_for)}"

    def environment(self) -> dict[str, str]:
        """The environment variables of its programs."""
        return {**os.environ, **ansible_test_variables(str(self.home), self.folders)}

    def make(self, logs: Path) -> Work:
        """Let it take pip from the package index, and make its environments.

        It looks for a script that installs pip in its cache before it would download one from a server of its own.
        The one laid there unpacks pip's own wheel. It hides the user's environment from pip, so pip's settings (an
        index, a certificate) go into a file.
        """
        pip = [self.environments[0] / "bin" / "python", "-m", "pip"]
        settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
        (self.home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
        (self.home / ".config" / "pip" / "pip.conf").write_text(pip_configuration(settings), encoding="utf-8")
        cache = self.home / ".ansible" / "test" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        for version in sorted({version for one in self.environments for version in pip_versions(one)}):
            if not list(cache.glob(f"pip-{version}-*.whl")):
                download = [*pip, "download", "--no-deps", "-d", cache, f"pip=={version}"]
                yield from must(Command(download, logs / "ansible-test-pip.log"))
            shutil.copyfile(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version.replace('.', '_')}.py")
        with tempfile.TemporaryDirectory() as folder:
            tree = copy_tree(Path(folder))
            for number, environment in enumerate(self.environments):
                for words in self._words(environment):
                    log = logs / f"ansible-test-{words[0]}-{number}.log"
                    program = environment / "bin" / "ansible-test"
                    yield from must(Command([program, *words], log, self.environment(), tree))
        self.marker.touch()

    def _words(self, environment: Path) -> Iterator[list[str]]:
        """The arguments with which it makes what it needs, and tests nothing.

        Asked for all Pythons at once, it would want those as well that the collection does not support.
        """
        known = known_pythons(environment)
        if self.commands & {"sanity", "pylint"}:
            left_out = () if "pylint" in self.commands else ("--skip-test", "pylint")
            for version in known.intersection(self.pythons):
                yield ["sanity", "--prime-venvs", "--python", version, *left_out]
        if "units" in self.commands:
            targets = [f"{version}@{path}/bin/python" for version, path in self.targets.items() if version in known]
            words = (word for target in targets for word in ("--target-python", target))
            yield ["units", "--requirements", "--requirements-mode", "only", *words]


def ansible_test_variables(home: str, folders: Iterable[str]) -> dict[str, str]:
    """The environment variables for ansible-test: a home of its own, and each Python under its plain name.

    The interpreters' own folders come before the rest of PATH, where a version manager may have shims that do not work.
    """
    return {"HOME": home, "PATH": os.pathsep.join([*dict.fromkeys(folders), os.environ.get("PATH", os.defpath)])}


def pip_versions(environment: Path) -> set[str]:
    """The versions of pip that an environment's ansible-test installs."""
    (source,) = environment.glob("lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py")
    body = source.read_text(encoding="utf-8").split("def get_venv_packages", 1)[-1].split("\ndef ", 1)[0]
    return set(re.findall(r"\bpip\b['\"]?\s*[=:]\s*['\"]([0-9.]+)['\"]", body))


def copy_tree(folder: Path) -> Path:
    """A copy of the work tree at ``ansible_collections/zeroinstall/virtualbox``, for what resolves links or writes."""
    copy = folder / "ansible_collections" / "zeroinstall" / "virtualbox"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return copy
