# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the lab as its user sees it: a host and guests, playbooks run on them, commands run in them.

For the demo and for tests; started by ``setup.py``, which puts Ansible and the collections into the environment.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alone import alone
from setup import run_name, with_ansible

TESTS = Path(__file__).resolve().parents[1]
LAB = TESTS / "lab" / "lab.py"
sys.path.insert(0, str(LAB.parent))

from labkit import agent  # noqa: E402
from labkit.cache import default_folder  # noqa: E402
from labkit.runs import to_run_again  # noqa: E402
from labkit.waiting import HANG, until  # noqa: E402

KEEP = "ZEROINSTALL_VIRTUALBOX_KEEP_LAB"
"""The environment variable that has a run stay up after its tests. The next run of its name takes it down."""


class FleetError(Exception):
    """What was run, and what it printed."""

    complete = True  # it says all that a user of the tests needs to know


@dataclasses.dataclass(frozen=True)
class Play:
    """What ansible-playbook did.

    ``seconds`` is wall time; ``hosts`` maps a host to its counters of the recap; ``output`` begins with what failed.
    """

    status: int
    seconds: float
    output: str
    hosts: Mapping[str, Mapping[str, int]]
    tasks: list[dict[str, Any]]
    module_runs: collections.Counter[str]

    @property
    def changed(self) -> int:
        """Tasks that changed something, on all hosts."""
        return sum(counters["changed"] for counters in self.hosts.values())

    def results(self, host: str, action: str) -> list[dict[str, Any]]:
        """The results of a module on a host, in their order; skipped ones are left out."""
        return [
            task["hosts"][host]
            for task in self.tasks
            if host in task["hosts"]
            and not task["hosts"][host].get("skipped")
            and task["hosts"][host].get("action") == action
        ]

    def messages(self, host: str) -> str:
        """The messages of the tasks that failed on a host, and of their items, with what did not hold."""
        return "\n".join(
            " ".join(str(one[key]) for key in ("msg", "assertion") if key in one)
            for task in self.tasks
            for name, result in task["hosts"].items()
            if name == host
            for one in (result, *(item for item in result.get("results", ()) if isinstance(item, dict)))
            if one.get("failed") or one.get("unreachable")
        )


class Fleet:
    """A run of the lab, this work tree's NAME. The guests are named as in the lab, the host is ``vbox``."""

    def __init__(self, name: str, guests: tuple[str, ...], environment: Path | None = None) -> None:
        """With the Ansible of a virtual environment, or else with that of the tests."""
        self.name = run_name(name)
        self.guests = guests
        self.environment = environment
        self.inventory = Path()
        self.folder = Path()

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which its Ansible is run."""
        return with_ansible(self.environment) if self.environment else {}

    def lab(self, *arguments: str, check: bool = True, quiet: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the lab's command line program; its output is printed unless ``quiet``."""
        stream = subprocess.PIPE if quiet else None
        done = subprocess.run(
            [sys.executable, str(LAB), "--run", self.name, *arguments],
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise FleetError(f"lab {shlex.join(arguments)}: exit status {done.returncode}\n{done.stdout or ''}")
        return done

    @contextlib.contextmanager
    def running(self, quiet: bool = False) -> Iterator[Fleet]:
        """Up as long as the block; whatever ends it, the run is taken down, unless `KEEP` is set.

        Another of this name is waited for.
        """
        with alone_with(self.name):
            try:
                self.lab("up", "--guests", ",".join(self.guests), quiet=quiet)
                self.inventory = Path(self.lab("inventory").stdout.strip())
                self.folder = self.inventory.parent
                yield self
            finally:
                if os.environ.get(KEEP):
                    print(f"The lab is kept: python3 {LAB} --run {self.name} …", flush=True)
                else:
                    self.lab("down", check=False, quiet=quiet)

    @property
    def root(self) -> Path:
        """The host's root folder."""
        return self.folder / "root"

    @property
    def settings(self) -> Path:
        """The configuration of Ansible for this run."""
        return self.folder / "ansible.cfg"

    def work(self, name: str) -> Path:
        """The folder that a guest sees as /mnt/lab. It is emptied when the guest is started from the lab's state."""
        return self.root / "srv" / "lab" / "guests" / name / "work"

    def host(self, *command: str, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in the host as one of its users."""
        words = command if user == "root" else ("runuser", "-u", user, "--", *command)
        done = subprocess.run(
            [str(self.folder / "enter"), str(self.root), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return checked(done, command) if check else done

    def digest(self, folder: str, algorithm: str = "sha256new") -> str:
        """The digest of a folder of the host, by its 0install."""
        return self.host("0install", "digest", f"--algorithm={algorithm}", folder).stdout.strip()

    def add_package(self, name: str) -> str:
        """A package with a program NAME that tells its name, in the host's store by its 0store; its digest."""
        folder = self.root / "srv" / name
        folder.mkdir(parents=True)
        program = folder / name
        program.write_text(f"#!/bin/sh\necho this is {name}\n", encoding="utf-8")
        program.chmod(0o755)
        digest = self.digest(f"/srv/{name}")
        self.host("0store", "add", digest, f"/srv/{name}")
        return digest

    def vbox(self, *arguments: str) -> str:
        """What VBoxManage on the host prints. Where it met a VBoxSVC that was just leaving, it is run again."""

        def served() -> subprocess.CompletedProcess[str] | None:
            done = self.host("/usr/lib/virtualbox/VBoxManage", "-q", *arguments, check=False)
            return None if to_run_again(done, arguments) else done

        done = until(served, "VBoxManage finds no VBoxSVC", pause=1)
        assert done
        return checked(done, ("VBoxManage", *arguments)).stdout

    def guest(self, name: str, line: str, check: bool = True, timeout: float = HANG) -> tuple[int, str]:
        """Exit status and output of a shell line in a guest, which may take some seconds."""
        status, output = agent.ask(self.work(name).parent, agent.in_userland(line), timeout)
        if check and status:
            raise FleetError(f"{name}: {line}: exit status {status}\n{output}")
        return status, output

    def touched(self, name: str, *folders: str) -> dict[str, dict[str, Any]]:
        """What was touched in these folders of a guest since it was started, as ``lab/touched.py`` tells it."""
        shutil.copy(LAB.with_name("touched.py"), self.work(name))
        return json.loads(self.guest(name, f"/opt/warm/python /mnt/lab/touched.py {shlex.join(folders)}")[1])

    def play(
        self, playbook: str, *options: str, inventory: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> Play:
        """Run a playbook and read its results. ``variables`` are added to the environment."""
        runs = self.folder / "module-runs"
        runs.write_bytes(b"")
        environment = {
            **os.environ,
            **self.variables,
            "ANSIBLE_CONFIG": str(self.settings),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_CALLBACK_PLUGINS": str(TESTS / "tools" / "callback_plugins"),
            "ZEROINSTALL_VIRTUALBOX_RUNS": str(runs),
            "ANSIBLE_NOCOLOR": "1",
            **(variables or {}),
        }
        began = time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", str(inventory or self.inventory), playbook, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        try:
            report = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError as error:
            raise FleetError(f"ansible-playbook {playbook}: no result\n{done.stdout}{done.stderr}") from error
        tasks = [task for play in report["plays"] for task in play["tasks"]]
        return Play(
            done.returncode,
            seconds,
            f"{failures(tasks)}\n{done.stdout}{done.stderr}",
            report["stats"],
            tasks,
            count_module_runs(runs.read_text(encoding="utf-8", errors="replace")),
        )


def checked(done: subprocess.CompletedProcess[str], command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What a command on the host came to, unless it failed: FleetError."""
    if done.returncode:
        raise FleetError(f"host: {shlex.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def failures(tasks: Sequence[Mapping[str, Any]]) -> str:
    """In a line which tasks failed, the host's first: what the summary tells of a test that shows a play's output."""
    failed = [
        (name != "vbox", f"{name}: {task['task']['name']}: {' '.join(str(result.get('msg')).split())[:200]}")
        for task in tasks
        for name, result in task["hosts"].items()
        if result.get("failed") or result.get("unreachable")
    ]
    return " | ".join(line for _guest, line in sorted(failed)) or "no task failed"


def alone_with(name: str) -> contextlib.AbstractContextManager[None]:
    """Have nobody else make the run NAME, of the lab or of containers, before the end of the block."""
    return alone(default_folder().parent, f"machines {name}")


def count_module_runs(lines: str) -> collections.Counter[str]:
    """How often Ansible ran something on each host, as callback_plugins tells: with pipelining, once for a module run.

    The connection plugin of the host's chroot names the host by its folder, ``…/root``.
    """
    return collections.Counter("vbox" if name.endswith("/root") else name for name in lines.splitlines())
