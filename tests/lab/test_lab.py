# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: what it caches, that it leaves nothing behind, and that no guest works the slow way unnoticed."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parent
sys.path.insert(0, str(LAB))

from fleet import alone_with  # noqa: E402
from labkit import agent, guests, kept_code, runs  # noqa: E402
from labkit.cache import Cache, default_folder  # noqa: E402
from labkit.mounts import mounted_below  # noqa: E402
from labkit.waiting import HANG, until  # noqa: E402
from setup import run_name  # noqa: E402

pytestmark = pytest.mark.thorough

TOO_SHORT = 1.0  # seconds for a call that does not end
RUN, NEXT, GUEST = map(run_name, ("lab-test", "lab-test-next", "lab-test-guest"))


@pytest.fixture(scope="module", autouse=True)
def alone_with_runs() -> Iterator[None]:
    """The runs of these tests are nobody else's meanwhile."""
    with alone_with(RUN):
        yield


def lab(*arguments: str, run: str = RUN, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The lab's program, to its end."""
    done = subprocess.run(
        [sys.executable, str(LAB / "lab.py"), "--run", run, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def beginning(*arguments: str) -> subprocess.Popen[str]:
    """The lab's program, not waited for."""
    return subprocess.Popen(
        [sys.executable, str(LAB / "lab.py"), "--run", RUN, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_nothing_left(made: runs.Run) -> None:
    """No process, no mount and no file of a run."""
    assert made.processes() == []
    assert mounted_below(made.folder) == []
    assert not made.folder.exists()


# --- the cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path)


def test_an_artefact_is_made_once_and_anew_for_other_parts(cache: Cache) -> None:
    made = []

    def build(folder: Path) -> None:
        made.append(folder.name)
        (folder / "file").write_text("x", encoding="utf-8")

    first = cache.make("thing", "a thing", ["1", "2"], build)
    assert cache.make("thing", "a thing", ["1", "2"], build) == first
    assert cache.make("thing", "a thing", ["12"], build) != first
    assert len(made) == 2
    assert (first / "file").read_text(encoding="utf-8") == "x"


def test_byte_code_is_kept_for_the_same_source_only(tmp_path: Path) -> None:
    packages = tmp_path / "usr/lib/python3/dist-packages"
    packages.mkdir(parents=True)
    kept_code.install(tmp_path)
    assert {path.name for path in packages.iterdir()} == {"kept_code.py", "kept_code.pth"}
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import kept_code; kept_code.FOLDER = sys.argv[2];"
        "kept_code.start(); sys.path.insert(0, sys.argv[3]); import told; print(told.what, told.where())"
    )
    folder, archive = tmp_path / "kept", tmp_path / "modules.zip"
    for text, number in (("first", 1), ("first", 1), ("other", 2)):
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("told.py", f"what = '{text}'\ndef where(): return where.__code__.co_filename\n")
        command = [sys.executable, "-I", "-c", program, str(packages), str(folder), str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
        assert done.stdout == f"{text} {archive}/told.py\n", done.stderr
        assert len(list(folder.iterdir())) == number
    for kept in folder.iterdir():
        kept.write_bytes(kept.read_bytes()[:20])
    assert subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False).stdout == done.stdout


def test_a_failed_build_leaves_nothing(cache: Cache) -> None:
    def build(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        cache.make("thing", "a thing", [], build)
    assert list(cache.artefacts.iterdir()) == []


def test_a_killed_build_is_not_taken_for_a_finished_one(cache: Cache) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from labkit.cache import Cache\n"
        "def build(folder):\n"
        "    (folder / 'half').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "Cache(Path(sys.argv[2])).make('thing', 'a thing', [], build)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(LAB), str(cache.folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name[0] for path in cache.artefacts.iterdir()] == ["."]
    made = cache.make("thing", "a thing", [], lambda folder: (folder / "whole").touch())
    assert [path.name for path in cache.artefacts.iterdir()] == [made.name]
    assert [path.name for path in made.iterdir()] == ["whole"]


def await_line(process: subprocess.Popen[str], begin: str) -> None:
    """Read what a program prints up to a line with this beginning."""
    assert process.stdout
    assert any(line.startswith(begin) for line in process.stdout), process.args


def test_two_builds_at_once_make_it_once(cache: Cache) -> None:
    """The second waits while the first builds."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from labkit.cache import Cache\n"
        "def build(folder):\n"
        "    print('builds', flush=True); sys.stdin.read()\n"
        "Cache(Path(sys.argv[2])).make('thing', 'a thing', [], build)\n"
    )
    command = [sys.executable, "-c", program, str(LAB), str(cache.folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as first:
        await_line(first, "builds")
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, text=True) as second:
            await_line(second, "lab: waiting for another program")
            first.communicate(timeout=HANG)
            assert second.communicate(timeout=HANG) == ("", None)
    assert (first.returncode, second.returncode) == (0, 0)


# --- a host alone


def test_a_host_is_private_and_down_removes_all_of_it() -> None:
    lab("up", "--guests", "")
    made = runs.Run(Cache(), RUN)
    try:
        wrapped = made.execute("VBoxManage", "list", "vms").stdout
        assert "WARNING: The character device /dev/vboxdrv does not exist" in wrapped
        lab("machines", "3")
        assert [line.split()[0] for line in lab("vbox", "list", "vms").stdout.splitlines()] == ['"m1"', '"m2"', '"m3"']
        lab("start", "--plain", "m1")
        assert guests.state(made, "m1") == "running"
        locked = lab("vbox", "sharedfolder", "add", "m1", "--name", "s", "--hostpath", "/srv", check=False)
        assert "already locked" in locked.stderr
        cached = Path(made.read()["artefacts"][0])
        assert (made.root / "root/VirtualBox VMs").exists()
        assert not (cached / "root/VirtualBox VMs").exists()
        assert len(made.processes()) >= 2
    finally:
        lab("down")
    assert_nothing_left(made)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_up_leaves_nothing(number: signal.Signals) -> None:
    made = runs.Run(Cache(), RUN)
    process = beginning("up", "--guests", "g1,g2,g3")
    await_machines(made, process)
    process.send_signal(number)
    said = process.communicate(timeout=HANG)[0]
    assert process.returncode == 128 + number, said
    assert_nothing_left(made)


def test_a_signal_that_interrupts_a_destructor_ends_the_program_after_its_step() -> None:
    code = (
        "import os, signal\n"
        "from labkit.console import end_with_signals, step\n"
        "class Interrupted:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "end_with_signals()\n"
        "with step('dropping it'):\n"
        "    Interrupted()\n"
        "    print('still there')\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=LAB, capture_output=True, text=True, timeout=HANG, check=False)
    assert "still there" in done.stdout
    assert done.returncode == 128 + signal.SIGINT, done


def test_the_next_up_removes_what_a_killed_one_left() -> None:
    made = runs.Run(Cache(), RUN)
    process = beginning("up", "--guests", "g1,g2,g3")
    await_machines(made, process)
    process.kill()
    process.communicate(timeout=HANG)
    assert mounted_below(made.folder)
    lab("up", "--guests", "", run=NEXT)
    try:
        assert_nothing_left(made)
    finally:
        lab("down", run=NEXT)


def await_machines(made: runs.Run, process: subprocess.Popen[str]) -> None:
    """Wait until a run is being made and a guest of it was started."""

    def started() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool(list(made.lab.glob("guests/*/launch.pid")))

    until(started, "no guest was started")


# --- guests


@pytest.fixture(scope="module")
def guest() -> Iterator[runs.Run]:
    """A run with the guest g1."""
    lab("up", "--guests", "g1", run=GUEST)
    yield runs.Run(Cache(), GUEST)
    lab("down", run=GUEST)


def in_guest(line: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A line in the guest's userland."""
    return lab("guest", "g1", line, run=GUEST, check=check)


def ping(made: runs.Run, target: str) -> str:
    """What Ansible's ping prints."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(made.folder / "ansible.cfg")}
    done = subprocess.run(
        ["ansible", target, "-m", "ansible.builtin.ping"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ansible_reaches_host_and_guest_and_nothing_is_slow(guest: runs.Run) -> None:
    assert "pong" in ping(guest, "vbox")
    assert "pong" in ping(guest, "g1")
    checked = lab("check-warm", run=GUEST)
    assert "g1: everything ran warm; compiled in the guest: nothing" in checked.stdout


def test_code_of_the_collection_that_is_loaded_serves_only_modules_that_bring_the_same(guest: runs.Run) -> None:
    """One of its files is replaced by another, as if it had been changed since the guest started."""
    loaded = "until [ $(grep -c 'the collection loaded' /run/warm.log) = %d ]; do sleep 1; done; tail -n1 /run/warm.log"
    environment = {**os.environ, "ANSIBLE_CONFIG": str(guest.folder / "ansible.cfg")}
    look = ["ansible", "g1", "-m", "zeroinstall.virtualbox.guest_info", "-a", "paths=/etc"]
    for replaced in (False, True):
        if replaced:
            folder = guests.folder(guest, "g1") / "work/code"
            (sound,) = folder.glob("*module_utils._files.inspecting.py")
            crc, size, name = sound.name.split("-", 2)
            code = 'marshal.dumps(compile("look = user_name = int", "x", "exec"))'
            in_guest(
                f"cd /mnt/lab/code; sed -i '/_paths.py/s/ {crc} / 0000abcd /' preload; /opt/warm/python -c '"
                f'import marshal; open("0000abcd-{size}-{name}", "wb").write({code})'
                "'; kill -HUP $(cat /run/warm.pid)"
            )
        assert not in_guest(loaded % (1 + replaced)).stdout.startswith("0 modules")
        done = subprocess.run(
            look, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG, check=False
        )
        assert '"owner": "root"' in done.stdout, done.stdout + done.stderr
    assert "compiled in the guest: nothing" in lab("check-warm", run=GUEST).stdout


def test_a_guest_is_a_debian_with_the_real_driver(guest: runs.Run) -> None:
    output = in_guest(
        "grep -c lab-work /proc/mounts; modprobe vboxsf; echo $?; VBoxControl --version"
        "; 0install --version; findmnt -no FSTYPE /mnt/lab; hostname; date +%s"
    ).stdout.splitlines()
    assert output[:2] == ["1", "0"]
    assert output[2].startswith("7.")
    assert "0install (zero-install) 2." in output[3]
    assert output[-3:-1] == ["vboxsf", "g1"]
    # Its clock was set after its start, and goes more slowly.
    launched = (guests.folder(guest, "g1") / "launch.pid").stat().st_mtime
    assert int(launched) <= int(output[-1]) <= round(time.time())


@pytest.mark.usefixtures("guest")
def test_a_line_in_a_guest_runs_as_after_a_login_with_the_bits_that_its_driver_does_not_show() -> None:
    output = in_guest("echo $PATH $HOME $PWD; stat -c %a /usr/bin/sudo /tmp /var/tmp").stdout
    assert output.split() == [agent.LOGIN["PATH"], "/root", "/root", "4755", "1777", "1777"]


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("/opt/warm/python -V >/dev/null", "an option that the server does not know"),
        ("rm /run/warm.sock; /opt/warm/python -c pass", "No such file or directory"),
    ],
    ids=["option", "no server"],
)
def test_a_fall_back_to_plain_python_is_noticed(harm: str, reason: str) -> None:
    in_guest(harm)
    failed = lab("check-warm", run=GUEST, check=False)
    assert failed.returncode == 1
    assert "fell back to plain Python" in failed.stderr
    assert reason in failed.stderr
    lab("restart", "g1", run=GUEST)
    lab("check-warm", run=GUEST)


def test_a_killed_call_does_not_answer_the_next_caller(guest: runs.Run) -> None:
    caller = subprocess.Popen(
        [
            sys.executable,
            str(LAB / "lab.py"),
            "--run",
            GUEST,
            "guest",
            "g1",
            "echo old; touch /mnt/lab/begun; sleep 3; echo older",
        ],
        stdout=subprocess.DEVNULL,
    )
    until((guests.folder(guest, "g1") / "work/begun").exists, "the call did not begin")
    caller.kill()
    caller.wait()
    assert in_guest("echo new").stdout == "new\n"


def test_a_half_written_request_is_not_executed(guest: runs.Run) -> None:
    place = guests.folder(guest, "g1")
    folder = os.open(place, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(f"/proc/self/fd/{folder}/serial.sock")
        line.sendall(b"\nabc touch /newroot/tmp/half")
        left = bytes(4)
        until(lambda: fcntl.ioctl(line, termios.TIOCOUTQ, left) == left, "VirtualBox did not take it")
    os.close(folder)
    assert in_guest("echo new; ls /tmp").stdout == "new\n"


def test_calls_at_once_each_get_their_own_answer(guest: runs.Run) -> None:
    place = guests.folder(guest, "g1")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from labkit import agent\n"
        "print(agent.ask(Path(sys.argv[2]), 'echo ' + sys.argv[3])[1], end='')"
    )
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(LAB), str(place), str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(6)
    ]
    assert [caller.communicate(timeout=HANG)[0] for caller in callers] == [f"{number}\n" for number in range(6)]


def test_a_call_that_takes_too_long_is_an_error_that_names_guest_and_command(guest: runs.Run) -> None:
    end = guests.folder(guest, "g1") / "work/end"
    line = f"until [ -e {agent.ROOT}{agent.SHARE}/end ]; do sleep 0.1; done"
    with pytest.raises(agent.AgentError) as caught:
        agent.ask(end.parents[1], line, TOO_SHORT)
    assert str(caught.value) == f"g1: no answer in 1 s, asked to run: {line}"
    end.touch()
    assert in_guest("echo new").stdout == "new\n"


def test_shares_changed_while_the_guest_is_off_are_there_when_it_is_started_again(guest: runs.Run) -> None:
    lab("stop", "g1", run=GUEST)
    guest.execute("mkdir", "-p", "/srv/data")
    (guest.root / "srv/data/file").write_text("data\n", encoding="utf-8")
    guest.vbox("sharedfolder", "add", "g1", "--name", "data", "--hostpath", "/srv/data", "--readonly")
    lab("start", "g1", run=GUEST)
    lab("check-warm", run=GUEST)
    done = in_guest("mount -t vboxsf data /media && cat /media/file && touch /media/new", check=False)
    assert done.stdout.startswith("data\n")
    assert "Read-only file system" in done.stdout


def test_the_cache_folder_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROINSTALL_VIRTUALBOX_CACHE", "/somewhere")
    assert default_folder() == Path("/somewhere/lab")
    monkeypatch.delenv("ZEROINSTALL_VIRTUALBOX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_folder() == Path("/cache/zeroinstall.virtualbox/lab")
