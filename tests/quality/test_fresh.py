# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on a fresh Debian: what they see, how they end, and that nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import fresh
import pytest
from labkit.waiting import HANG, until
from setup import cache_directory, mount_points

pytestmark = pytest.mark.thorough
IN_MEMORY = ("--room", "1G")
"""For tests to which it does not matter where the root is: it is made faster there."""
CLEANS_UP = 'trap "echo cleaned up; exit 3" %s; echo began; sleep 10000 & while :; do wait; done'
"""A command that cleans up where it gets a signal, and leaves a child."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has the packed root, and that no other run shares."""
    cache, own = cache_directory(os.environ), tmp_path_factory.mktemp("cache")
    suite = fresh.own_suite()
    (own / "fresh").mkdir()
    (cache / "fresh").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "fresh", prefix="packing-") as folder:
        archive = fresh.packed(cache, suite, Path(folder))
    (own / "fresh" / archive.name).symlink_to(archive)
    return own


class Run:
    """A run of the program; a word in its environment marks it and all that it starts."""

    def __init__(self, cache: Path, *words: str) -> None:
        self.cache = cache
        self.mark = f"mark-{uuid.uuid4()}"
        variables = {**os.environ, "ZEROINSTALL_VIRTUALBOX_CACHE": str(cache), "TERM": self.mark}
        self.process = subprocess.Popen(
            [sys.executable, fresh.__file__, *words],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def read_until(self, line: str) -> None:
        """Read what it prints up to a line."""
        assert self.process.stdout
        for printed in self.process.stdout:
            self.lines.append(printed.rstrip("\n"))
            if self.lines[-1] == line:
                return
        pytest.fail("\n".join(self.lines))

    def end(self) -> int:
        """Wait for its end; the exit status."""
        output, _none = self.process.communicate(timeout=HANG)
        self.lines += output.splitlines()
        return self.process.returncode

    def processes(self) -> list[int]:
        """The processes that it has started and that are left."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (path / "environ").read_bytes():
                    found.append(int(path.name))
        return found

    def kept(self) -> Path:
        """The folder that it says it has kept."""
        (folder,) = [match[1] for line in self.lines if (match := re.search(r"To remove it: rm -r (\S+)$", line))]
        return Path(folder)


@pytest.fixture
def start(cache: Path) -> Iterator[type[Run]]:
    """Starts runs, and ends at the end of the test what is left of them."""
    runs: list[Run] = []

    def begin(*words: str) -> Run:
        runs.append(Run(cache, *words))
        return runs[-1]

    yield begin  # type: ignore[misc]
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
        run.process.communicate(timeout=HANG)


def leftovers(run: Run) -> list[object]:
    """What is left of a run: folders, mounts, processes."""
    mounts = [point for point in mount_points() if point.is_relative_to(run.cache.resolve())]
    return [*(run.cache / "fresh").glob("run-*"), *mounts, *run.processes()]


def test_status_and_output_come_through(start: type[Run]) -> None:
    run = start("sh", "-c", "echo out; echo err >&2; pwd; git log -1 --format=%H; exit 7")
    assert run.end() == 7, run.lines
    head = fresh.run("git", "-c", "safe.directory=*", "-C", fresh.REPOSITORY, "rev-parse", "HEAD")
    *_before, title, out, error, folder, commit, last = run.lines
    assert (out, error, folder, commit) == ("out", "err", "/srv/project", head)
    name = rf"fresh Debian \d+ \({fresh.own_suite()}\): sh -c '.*'"
    assert re.search(name, title)
    assert re.fullmatch(name + r": ended with status 7 after \d+ s, \d+ s of CPU time", last)
    assert leftovers(run) == []


def test_the_machine_is_not_there(start: type[Run]) -> None:
    script = """
echo '{'
env | cut -d= -f1
find /opt /usr/local ! -type d ! -type l ! -path '*/ca-certificates/*'
find "$HOME" -type f ! -name .bashrc ! -name .profile
find /srv /home -mindepth 1 -maxdepth 1
for program in pip3 curl VBoxManage ansible unzip gcc; do command -v $program; done
awk '$3 == "overlay" || $2 ~ /machine/' /proc/mounts
test $(ls /proc | grep -c '^[0-9]') -lt 12 || ps
echo '}'
test -w /sys/fs/cgroup -a -w /dev/null -a -w /dev/shm -a -w /run -a -w /tmp
"""
    run = start(*IN_MEMORY, "sh", "-c", script)
    assert run.end() == 0, run.lines
    seen = set(run.lines[run.lines.index("{") + 1 : run.lines.index("}")])
    assert seen - {"CI", "OLDPWD", "SHLVL", "_"} == {"HOME", "PATH", "PWD", "TERM", "/srv/project"}


def test_processor_time_of_orphans_is_counted(start: type[Run]) -> None:
    burn = "import os, time\nif os.fork(): os._exit(0)\nwhile time.process_time() < 3: pass\nopen('/tmp/done', 'w')"
    run = start(*IN_MEMORY, "sh", "-c", f'python3 -c "{burn}"; while ! test -e /tmp/done; do sleep 0.1; done')
    assert run.end() == 0, run.lines
    match = re.search(r"ended with status 0 after (\d+) s, (\d+) s of CPU time$", run.lines[-1])
    assert match and 3 <= int(match[2]) < 30


def test_what_is_missing_has_the_status_of_a_shell(start: type[Run]) -> None:
    run = start(*IN_MEMORY, "there-is-no-such-program")
    assert run.end() == 127
    assert "fresh: cannot run there-is-no-such-program: No such file or directory" in run.lines
    assert leftovers(run) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_command_clean_up(start: type[Run], number: signal.Signals) -> None:
    run = start("sh", "-c", CLEANS_UP % number.name.removeprefix("SIG"))
    run.read_until("began")
    assert len(run.processes()) > 3
    run.process.send_signal(number)
    assert run.end() == 3, run.lines
    assert "cleaned up" in run.lines
    assert leftovers(run) == []


def test_a_second_signal_ends_what_does_not_clean_up(start: type[Run]) -> None:
    run = start(*IN_MEMORY, "sh", "-c", 'trap "echo refused" TERM; echo began; while :; do sleep 1; done')
    run.read_until("began")
    run.process.terminate()
    run.read_until("refused")
    run.process.terminate()
    assert run.end() == 128 + signal.SIGKILL, run.lines
    assert leftovers(run) == []


def test_a_signal_while_the_root_is_made_leaves_nothing(start: type[Run]) -> None:
    run = start("echo", "began")
    until(lambda: list((run.cache / "fresh").glob("run-*/root/usr")), "the root was not unpacked", 0.01)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 128 + signal.SIGINT, run.lines
    assert "began" not in run.lines
    assert leftovers(run) == []


def test_the_command_ends_with_a_killed_run_and_the_next_run_removes_its_folder(start: type[Run]) -> None:
    killed = start("sh", "-c", CLEANS_UP % "TERM")
    killed.read_until("began")
    killed.process.kill()
    killed.end()
    until(lambda: not killed.processes(), lambda: f"these processes did not end: {killed.processes()}")
    assert len(leftovers(killed)) == 1
    run = start(*IN_MEMORY, "true")
    assert run.end() == 0, run.lines
    assert leftovers(run) == []


def test_offline_has_the_loopback_and_no_route(start: type[Run]) -> None:
    answer = "import socket; one = socket.create_server(('127.0.0.1', 0)); socket.create_connection(one.getsockname())"
    run = start(
        *IN_MEMORY,
        "--offline",
        "sh",
        "-c",
        f'echo interfaces $(ls /sys/class/net); cat /proc/net/route; python3 -c "{answer}"',
    )
    assert run.end() == 0, run.lines
    (first,) = [number for number, line in enumerate(run.lines) if line == "interfaces lo"]
    header, last = run.lines[first + 1 :]
    assert header.startswith("Iface") and last.startswith("fresh Debian")


def test_user_is_not_root_and_owns_the_clone(start: type[Run]) -> None:
    run = start(
        *IN_MEMORY,
        "--user",
        "sh",
        "-c",
        'id; git status --short; touch new ~/new && echo "wrote as $HOME"; touch /etc/new',
    )
    assert run.end() == 1, run.lines
    assert "uid=1000(user) gid=1000(user) groups=1000(user)" in run.lines
    assert "wrote as /home/user" in run.lines and any("Permission denied" in line for line in run.lines)


def test_room_is_what_the_disk_has(start: type[Run]) -> None:
    fill = "head -c 400M /dev/zero > /root/big; status=$?; ls -s --block-size=M /root/big; exit $status"
    run = start("--room", "500M", "sh", "-c", fill)
    assert run.end() == 1, run.lines
    assert any("No space left on device" in line for line in run.lines)
    assert leftovers(run) == []


def test_room_that_is_too_small_for_the_root_is_told(start: type[Run]) -> None:
    run = start("--room", "20M", "true")
    assert run.end() == 1, run.lines
    assert any("No space left on device" in line for line in run.lines)
    assert leftovers(run) == []


def test_clones_run_at_the_same_time_on_one_machine(start: type[Run]) -> None:
    meets = "pwd; touch /root/$(basename $PWD); while ! test -e /root/project2 -a -e /root/project; do sleep 0.1; done"
    run = start(*IN_MEMORY, "--clones", "2", "sh", "-c", f"{meets}; test $PWD = /srv/project || exit 4")
    assert run.end() == 4, run.lines
    assert {"1 | /srv/project", "2 | /srv/project2"} <= set(run.lines)


def test_kept_folder_is_entered_again(start: type[Run]) -> None:
    run = start("--keep", "sh", "-c", "echo here > /root/note; exit 5")
    assert run.end() == 5, run.lines
    folder = run.kept()
    try:
        again = start("--in", str(folder), "sh", "-c", "cat /root/note; echo began; sleep 10000")
        again.read_until("began")
        assert "here" in again.lines
        other = start("--in", str(folder), "true")
        assert other.end() == 1 and any("is in use by another run" in line for line in other.lines)
        again.process.terminate()
        assert again.end() == 128 + signal.SIGTERM
        assert folder.exists() and again.processes() == []
    finally:
        fresh.run("rm", "-rf", "--one-file-system", folder)


def test_the_repository_shares_no_files_with_a_clone(start: type[Run]) -> None:
    run = start("find", ".git", "-type", "f", "-links", "+1")
    assert run.end() == 0
    assert not [line for line in run.lines if line.startswith(".git")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the command"),
        (["--room", "big", "true"], "knows no size big"),
        (["--room", "1G", "--keep", "true"], "lives in memory"),
        (["--in", "/tmp", "--suite", "trixie", "true"], "goes neither with --suite"),
        (["--clones", "0", "true"], "needs 1 or more"),
        (["--in", "/tmp", "true"], "is no folder that --keep has left"),
    ],
)
def test_what_makes_no_sense_is_refused(start: type[Run], words: list[str], said: str) -> None:
    run = start(*words)
    assert run.end() in (1, 2)
    assert said in " ".join(run.lines)
