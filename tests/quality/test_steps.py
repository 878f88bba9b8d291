# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the set-up, what counts their processor time, and the installation of Debian packages."""

from __future__ import annotations

import functools
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import alone
import installing
import pytest
import steps
from labkit.waiting import HANG, until
from setup import is_held
from steps import ADOPT, Command, Step, StepError, Work, carry_out, must

pytestmark = pytest.mark.thorough


def shell(folder: Path, name: str, script: str) -> Work:
    """A step of one shell line."""
    yield from must(Command(["sh", "-c", script], folder / "logs" / f"{name}.log", folder=folder))


def step(folder: Path, name: str, script: str, *after: str) -> Step:
    """The same, with its name."""
    return Step(name, f"doing {name}", functools.partial(shell, folder, name, script), after=after)


def test_steps_wait_for_those_before_them_and_a_failure_ends_only_those_behind_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    failed = carry_out(
        [
            step(tmp_path, "last", "cat first >last", "first"),
            step(tmp_path, "first", "echo one >first"),
            step(tmp_path, "bad", "echo why; exit 3"),
            step(tmp_path, "behind", "touch behind", "bad", "first"),
            step(tmp_path, "far behind", "touch behind", "behind"),
        ],
        at_once=2,
    )
    assert (tmp_path / "last").read_text() == "one\n"
    assert failed.keys() == {"bad", "behind", "far behind"}
    assert len(set(failed.values())) == 1
    assert failed["bad"].startswith("doing bad: sh -c echo why; exit 3\nended with status 3")
    assert failed["bad"].endswith("bad.log):\nwhy")
    assert not (tmp_path / "behind").exists()
    said = capfd.readouterr().out
    assert "3/5 doing bad: failed" in said and "2/5 doing first: done in" in said


def test_what_the_longest_work_waits_for_begins_first(tmp_path: Path) -> None:
    chosen = [("short", 5, ()), ("long", 6, ()), ("first of a chain", 1, ()), ("last of it", 7, ("first of a chain",))]
    steps = [
        Step(name, name, functools.partial(shell, tmp_path, name, f"echo '{name}' >>order"), seconds, after)
        for name, seconds, after in chosen
    ]
    assert carry_out(steps, at_once=1) == {}
    assert (tmp_path / "order").read_text().splitlines() == ["first of a chain", "last of it", "long", "short"]


def test_a_failure_that_stops_all_ends_what_runs_beside_it(tmp_path: Path) -> None:
    lasts = "trap 'touch ended; kill $!; exit' TERM; sleep 3600 & touch begun; wait"
    fails = "until [ -e begun ]; do sleep 0.1; done; exit 1"
    with pytest.raises(StepError, match="doing fails"):
        carry_out([step(tmp_path, "lasts", lasts), step(tmp_path, "fails", fails)], at_once=2, stop_at_failure=True)
    assert (tmp_path / "ended").exists()


def test_a_step_that_says_nothing_tells_that_it_is_at_work(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "QUIET", 0.2)
    done = tmp_path / "logs" / "silent.log"
    slow = step(tmp_path, "silent", "echo unpacking; while [ ! -e seen ]; do sleep 0.1; done")

    def seen() -> Work:
        yield from must(Command(["sh", "-c", f"until grep -q unpacking {done}; do sleep 0.1; done"], tmp_path / "l/1"))
        yield from must(Command(["sleep", "1"], tmp_path / "l/2"))
        (tmp_path / "seen").touch()

    assert carry_out([slow, Step("seen", "seeing it", seen)], at_once=2) == {}
    assert "still at it" in (said := capfd.readouterr().out) and ": unpacking" in said


def test_lines_for_people_are_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> Work:
        yield from must(Command(["printf", "lab: one\nother\nlab: two\n"], tmp_path / "l/log", shown="lab: "))

    assert carry_out([Step("it", "doing it", work)], at_once=1) == {}
    assert "1/1   one\n" in (said := capfd.readouterr().out) and "1/1   two\n" in said and "other" not in said


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    failed = carry_out([step(tmp_path, "full", "echo 'cp: No space left on device' >&2; exit 1")], at_once=1)
    assert f"The disk is full: make room below {tmp_path}" in failed["full"]


# --- adopt.py


def adopted(*command: str | Path, **options: object) -> subprocess.Popen[str]:
    """A program whose orphans are adopted."""
    words = [sys.executable, "-IS", str(ADOPT), str(os.getpid()), *map(str, command)]
    return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, start_new_session=True, **options)


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("exec /no/such/program", 127)])
def test_the_status_of_an_adopted_program_comes_through(script: str, status: int) -> None:
    process = adopted("sh", "-c", script)
    process.communicate(timeout=HANG)
    assert process.returncode == status


def test_an_adopted_program_is_told_of_signals_once_and_ends_with_its_parent(tmp_path: Path) -> None:
    script = f"trap 'echo told >>{tmp_path}/told; exit 5' TERM; touch {tmp_path}/begun; while :; do sleep 0.1; done"
    process = adopted("sh", "-c", script)
    until((tmp_path / "begun").exists, "it has not begun")
    process.terminate()
    process.communicate(timeout=HANG)
    assert process.returncode == 5
    assert (tmp_path / "told").read_text() == "told\n"
    (tmp_path / "begun").unlink()
    process = adopted("sh", "-c", script)
    until((tmp_path / "begun").exists, "it has not begun")
    process.kill()
    process.communicate(timeout=HANG)
    until(lambda: (tmp_path / "told").read_text() == "told\ntold\n", "it outlives its parent")


STARTS = """
import os, subprocess, sys
process = subprocess.Popen([sys.executable, "-IS", sys.argv[1], str(os.getpid()), "sh", "-c", sys.argv[2]])
process.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_an_adopted_program_ends_with_who_has_started_it(tmp_path: Path, number: signal.Signals) -> None:
    script = f"trap 'touch {tmp_path}/ended; exit' TERM; touch {tmp_path}/begun; while :; do sleep 0.1; done"
    process = subprocess.Popen([sys.executable, "-c", STARTS, ADOPT, script], start_new_session=True)
    until((tmp_path / "begun").exists, "it has not begun")
    process.send_signal(number)
    process.wait(HANG)
    until((tmp_path / "ended").exists, "it outlives who has started it")


def test_a_lock_is_held_as_long_as_a_program_goes_on_and_not_by_what_that_leaves(tmp_path: Path) -> None:
    code = (
        "import functools, pathlib, sys\n"
        "from alone import alone\n"
        "from steps import Command, Step, carry_out, must\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "script = 'trap \"\" TERM; touch begun; until [ -e end ]; do sleep 0.1; done; sleep 3600 & echo $! >left'\n"
        "work = lambda: must(Command(['sh', '-c', script], folder / 'logs' / 'log', folder=folder))\n"
        "with alone(folder, 'it'):\n"
        "    carry_out([Step('it', 'doing it', work)], 1)\n"
    )
    variables = {**os.environ, "PYTHONPATH": str(Path(steps.__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], env=variables) as process:
        until((tmp_path / "begun").exists, "it has not begun")
        process.kill()
    (lock,) = (tmp_path / "locks").iterdir()
    assert is_held(lock)
    (tmp_path / "end").touch()
    try:
        until(lambda: not is_held(lock), "the lock outlives the program")
    finally:
        until((tmp_path / "left").exists, "it leaves nothing")
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)


def test_who_waits_for_a_lock_does_not_take_a_removed_file_for_it(tmp_path: Path) -> None:
    with alone.held(tmp_path / "lock", "it"):
        (tmp_path / "lock").unlink()
        with alone.held(tmp_path / "lock", "it"):
            assert (tmp_path / "lock").exists()


# --- Debian packages


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which a stand-in for apt-get writes down its calls, and finds what it is to say, and its status."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        'for word; do case $word in update|install) break;; esac; shift; done; echo "$@" >>calls\n'
        'if [ -e "locked-$1" ]; then echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7";'
        ' rm "locked-$1"; exit 100; fi\n'
        '[ ! -e "fails-$1" ] || { cat "fails-$1"; exit 100; }\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(installing, "PAUSE", 0.01)
    return tmp_path


def install(folder: Path) -> dict[str, str]:
    """Install two packages; why that failed."""
    work = functools.partial(installing.install, ["one", "other"], folder / "logs")
    return carry_out([Step("packages", "installing", work)], at_once=1)


CALLS = ["update", "install -y --no-install-recommends one other"]


def test_packages_are_installed_with_one_update(apt: Path) -> None:
    assert install(apt) == {}
    assert (apt / "calls").read_text().splitlines() == CALLS


@pytest.mark.parametrize("locked", ["update", "install"])
def test_a_lock_of_apt_is_waited_for(apt: Path, locked: str, capfd: pytest.CaptureFixture[str]) -> None:
    (apt / f"locked-{locked}").touch()
    assert install(apt) == {}
    assert sorted((apt / "calls").read_text().splitlines()) == sorted([*CALLS, *(c for c in CALLS if locked in c)])
    assert "Another program holds a lock of apt, and is waited for: E: Could not get lock" in capfd.readouterr().out


def test_a_lock_that_cannot_be_made_is_no_lock_of_another(apt: Path) -> None:
    full = "E: Could not open lock file /x/lock - open (28: No space left on device)\nE: Unable to lock directory /x/\n"
    (apt / "fails-install").write_text(full)
    (reason,) = install(apt).values()
    assert "No space left on device" in reason


def test_stale_lists_will_do(apt: Path) -> None:
    (apt / "fails-update").write_text("E: Failed to fetch\n")
    assert install(apt) == {}


def test_what_apt_said_is_told_where_packages_cannot_be_installed(apt: Path) -> None:
    (apt / "fails-update").write_text("E: Temporary failure resolving\n")
    (apt / "fails-install").write_text("E: Unable to locate package one\n")
    (reason,) = install(apt).values()
    assert reason == (
        "installing: There is no network: packages cannot be fetched.\n"
        "Debian packages cannot be installed: apt-get update: E: Temporary failure resolving;"
        f" apt-get install: E: Unable to locate package one; the logs are in {apt}/logs"
    )


def test_the_real_apt_names_its_locks_as_they_are_looked_for(tmp_path: Path) -> None:
    """apt-get, with its state in a folder where another program holds the lock."""
    import fcntl

    (tmp_path / "lists" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={tmp_path}/lists", "-o", "Dir::Etc::SourceList=/dev/null"]
    with (tmp_path / "lists" / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["apt-get", *options, "update"],
            env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, timeout=HANG, check=False,
        )  # fmt: skip
    assert done.returncode
    assert installing.LOCKED.search(done.stderr), done.stderr


def test_missing_packages() -> None:
    status = "git ii \nmake rc \nperl-base ii \n"
    assert installing.missing(["git", "make", "shellcheck"], status) == ["make", "shellcheck"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('ID=debian\nVERSION_ID="11"\n', "this machine runs debian 11; the tests need Debian 12 or later"),
        ("ID=fedora\nVERSION_ID=41\n", "this machine runs fedora 41; the tests need Debian"),
        ("", "this machine runs unknown; the tests need Debian"),
    ],
)
def test_another_system_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "os-release").write_text(text)
    with pytest.raises(StepError, match=words):
        installing.check(tmp_path / "os-release")


@pytest.mark.parametrize("text", ['ID=debian\nVERSION_ID="12"\n', 'ID=debian\nVERSION_ID="13"\n', "ID=debian\n"])
def test_these_systems_will_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "os-release").write_text(text)
    installing.check(tmp_path / "os-release")


def test_too_little_room_is_told_with_the_way_out(tmp_path: Path) -> None:
    installing.check_room(tmp_path / "not" / "there", 1)
    with pytest.raises(StepError, match=r"needs 1000000000000 MB, and \d+ MB are free there; make room, or name"):
        installing.check_room(tmp_path / "not" / "there", 10**12)


TWICE = """
import functools, pathlib, sys
from steps import Command, Step, carry_out, must
folder = pathlib.Path(sys.argv[1])
script = 'trap "touch told-$0" TERM; touch begun-$0; while :; do sleep 0.1; done'
def work(name): yield from must(Command(['sh', '-c', script, name], folder / 'logs' / name, folder=folder))
carry_out([Step(name, name, functools.partial(work, name)) for name in ('one', 'other')], 2)
"""


def test_a_second_interruption_ends_all_steps_at_once(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(Path(steps.__file__).parent)}
    command = [sys.executable, "-c", TWICE, tmp_path]
    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
        for what in ("begun", "told"):
            for name in ("one", "other"):
                until((tmp_path / f"{what}-{name}").exists, f"{name} is not {what}")
            process.send_signal(signal.SIGINT)
        process.wait(HANG)
    here = os.fsencode(tmp_path)
    links = [path for path in Path("/proc").glob("[0-9]*/cwd") if _link(path) == here]
    assert links == []


def _link(path: Path) -> bytes:
    try:
        return os.fsencode(os.readlink(path))
    except OSError:
        return b""


def run(code: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a program that has the module ``steps``, with the folder as its argument."""
    variables = {**os.environ, "PYTHONPATH": str(Path(steps.__file__).parent)}
    return subprocess.Popen([sys.executable, "-c", code, folder], env=variables, stderr=subprocess.DEVNULL)


def test_an_interruption_in_the_middle_of_subprocess_leaves_no_lock_held(tmp_path: Path) -> None:
    """The place where it comes is where Python's own ``poll`` holds the lock that ``wait`` asks for."""
    code = (
        "import os, pathlib, signal, subprocess, sys\n"
        "from steps import Command, Step, carry_out, must\n"
        "folder, real = pathlib.Path(sys.argv[1]), subprocess.Popen.poll\n"
        "def poll(process):\n"
        "    with process._waitpid_lock: pass\n"
        "    if (folder / 'begun').exists() and not (folder / 'came').exists():\n"
        "        process._waitpid_lock.acquire()\n"
        "        (folder / 'came').touch()\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        process._waitpid_lock.release()\n"
        "    return real(process)\n"
        "subprocess.Popen.poll = poll\n"
        "script = 'trap \"touch ended; exit\" TERM; touch begun; while :; do sleep 0.1; done'\n"
        "work = lambda: must(Command(['sh', '-c', script], folder / 'logs' / 'log', folder=folder))\n"
        "carry_out([Step('it', 'doing it', work)], 1)\n"
    )
    with run(code, tmp_path) as process:
        try:
            assert process.wait(HANG) == -signal.SIGINT
        finally:
            process.kill()
    assert (tmp_path / "ended").exists()


def test_an_interruption_after_the_last_look_is_not_lost() -> None:
    def interrupted() -> None:
        with steps.interruptions_later() as look:
            look()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_an_interruption_lets_programs_clean_up(tmp_path: Path) -> None:
    code = (
        "import functools, pathlib, signal, sys\n"
        "from steps import Command, Step, carry_out, must\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "script = 'sleep 3600 & trap \"kill $!; touch ended; exit\" TERM; touch begun; wait'\n"
        "work = lambda: must(Command(['sh', '-c', script], folder / 'logs' / 'log', folder=folder))\n"
        "carry_out([Step('it', 'doing it', work)], 1)\n"
    )
    with run(code, tmp_path) as process:
        until((tmp_path / "begun").exists, "it has not begun")
        process.send_signal(signal.SIGINT)
        process.wait(HANG)
    assert (tmp_path / "ended").exists()
