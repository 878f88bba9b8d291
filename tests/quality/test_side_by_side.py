# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of the tests on one machine leave each other alone, with one cache or with two, of one clone or of two."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import TESTS
from labkit import runs
from labkit.cache import KEEP, Cache, hold, remove_tree
from labkit.recipes import Host
from labkit.waiting import HANG, until
from setup import Setup

PATHS = [str(TESTS / name) for name in ("tools", "lab", "containers")]
BUSYBOX = "/bin/busybox"

sys.path.append(PATHS[-1])

import containers  # noqa: E402

pytestmark = pytest.mark.thorough


@contextlib.contextmanager
def another(
    code: str, *arguments: object, says: str = "ready", by: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    """A program of the tests beside this one: the block begins when it SAYS so, and ends it."""
    command = [*by, sys.executable, "-c", f"import sys\nsys.path[:0] = {PATHS}\nfrom pathlib import Path\n{code}"]
    command += map(str, arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            assert any(says in line for line in process.stdout), "it ended"
            yield process
        finally:
            process.communicate(timeout=HANG)


def make(cache: Cache, version: int, name: str = "thing") -> Path:
    """A version of an artefact, later than those before."""

    def build(folder: Path) -> None:
        (folder / "file").touch()

    made = cache.make(name, name, [str(version)], build)
    os.utime(made, (version, version))
    return made


# --- the cache


def test_an_artefact_is_kept_for_another_program_that_is_about_to_use_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    code = (
        "from labkit.cache import Cache\n"
        "Cache(Path(sys.argv[1])).make('thing', 'thing', ['0'], lambda folder: (folder / 'file').touch())\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()"
    )
    with another(code, tmp_path):
        (first,) = cache.artefacts.iterdir()
        os.utime(first, (0, 0))
        later = [make(cache, version) for version in range(1, KEEP + 2)]
        assert (first / "file").exists()
    assert all(map(Path.exists, later)), "this program still holds them"
    make(cache, KEEP + 2)
    assert not first.exists()
    assert not list(cache.artefacts.glob(".*"))


def test_an_artefact_under_way_is_not_taken_for_the_rest_of_one_with_a_shorter_name(tmp_path: Path) -> None:
    code = (
        "from labkit.cache import Cache\n"
        "def build(folder):\n"
        "    print('ready', flush=True); sys.stdin.read(); (folder / 'file').touch()\n"
        "Cache(Path(sys.argv[1])).make('thing-other', 'thing', [], build)"
    )
    with another(code, tmp_path) as building:
        make(Cache(tmp_path), 1)
    assert building.returncode == 0


def test_an_image_stays_for_another_program_that_is_about_to_start_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[object, ...]] = []
    listed = "".join(f"localhost/sid:{key}\n" for key in "012")

    def podman(*words: object, **_options: object) -> str:
        said.append(words)
        return listed

    monkeypatch.setattr(containers, "podman", podman)
    monkeypatch.setattr(containers, "run", lambda *words, **options: subprocess.CompletedProcess(words, 1))
    monkeypatch.setenv("ZEROINSTALL_VIRTUALBOX_CACHE", str(tmp_path))
    for key in "012":
        (tmp_path / f"artefacts/sid-{key}").mkdir(parents=True)
    assert hold(tmp_path / "artefacts/sid-1")
    containers._import("sid", tmp_path / "artefacts/sid-2/root.tar")
    assert [words[1] for words in said if words[0] == "rmi"] == ["localhost/sid:0"]


# --- runs of the lab


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """As little of a host as a run can be made from."""
    root = tmp_path / "host"
    for name in ("dev", "proc", "sys", "usr/lib/python3/dist-packages"):
        (root / name).mkdir(parents=True)
    (tmp_path / "launcher").mkdir()
    return Host(root, tmp_path / "launcher")


MAKE_A_RUN = (
    "from labkit import runs; from labkit.cache import Cache; from labkit.recipes import Host\n"
    "folder = Path(sys.argv[1])\n"
    "with runs.temporary(Cache(folder), 'another', Host(folder / 'host', folder / 'launcher')) as lab:\n"
    "    print('ready', flush=True); sys.stdin.read()\n"
    "    assert (lab.root / 'proc/self').exists()"
)


@pytest.mark.parametrize("by", [(), ("unshare", "--pid", "--fork", "--mount-proc")], ids=["here", "other namespaces"])
def test_a_run_under_way_is_not_taken_for_what_is_left_of_one(tmp_path: Path, host: Host, by: tuple[str, ...]) -> None:
    cache = Cache(tmp_path)
    with another(MAKE_A_RUN, tmp_path, by=by) as making, runs.temporary(cache, "this", host):
        assert (cache.runs / "another").exists()
    assert making.returncode == 0


def test_what_is_left_of_a_run_is_removed(tmp_path: Path, host: Host) -> None:
    cache = Cache(tmp_path)
    with another(MAKE_A_RUN, tmp_path) as making:
        making.kill()
        making.wait()
        assert os.path.ismount(cache.runs / "another/root")
        with runs.temporary(cache, "this", host):
            assert not (cache.runs / "another").exists()


def test_only_the_processes_of_a_host_are_ended_with_it(tmp_path: Path) -> None:
    """Another cache's host may have the same path, in another mount namespace."""
    run = runs.Run(Cache(tmp_path), "this")
    run.root.mkdir(parents=True)
    fill = 'cp /bin/busybox "$0" && exec chroot "$0" /busybox sh -c "echo up; read line; exit 7"'
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    foreign = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "$0" && {fill}', str(run.root)]
    with subprocess.Popen(foreign, **pipes) as other, subprocess.Popen(["sh", "-c", fill, run.root], **pipes) as own:
        for process in (other, own):
            assert process.stdout and process.stdout.readline() == b"up\n"
        assert os.readlink(f"/proc/{other.pid}/root") == str(run.root)
        assert run.processes() == [own.pid]
        run.kill()
        other.communicate(b"\n", timeout=HANG)
    assert (other.returncode, own.returncode) == (7, -signal.SIGKILL)


def test_a_second_run_of_the_same_name_waits_for_the_end_of_the_first(tmp_path: Path) -> None:
    """Which ends with its program at the latest."""
    stub = tmp_path / "lab.py"
    stub.write_text(
        "import sys; open(sys.argv[0] + '.log', 'a').write(sys.argv[3] + '\\n'); print('/nowhere/inventory')\n"
    )
    code = (
        "import fleet\n"
        "fleet.LAB = Path(sys.argv[1])\n"
        "with fleet.Fleet('side-by-side', ()).running(quiet=True):\n"
        "    print('ready', flush=True); sys.stdin.read()"
    )
    with another(code, stub) as first, another(code, stub, says="Waiting") as second:
        assert second.stdout
        log = Path(f"{stub}.log")
        assert log.read_text().split() == ["up", "inventory"]
        first.kill()
        assert second.stdout.readline() == "ready\n"
    assert log.read_text().split() == ["up", "inventory"] * 2 + ["down"]


# --- containers


def test_the_number_of_a_process_that_is_another_by_now_is_not_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROINSTALL_VIRTUALBOX_CACHE", str(tmp_path))
    run = containers.Run("this")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        with run.alone():
            run.lock.write_text(str(other.pid), encoding="utf-8")
            run.interrupt()
        other.communicate(timeout=HANG)
    assert other.returncode == 0


@pytest.fixture
def caches(setup: Setup) -> Iterator[list[Path]]:
    """Two caches without anything, one of which has a long path, on the file system of the real one."""
    folder = Path(tempfile.mkdtemp(prefix="side-by-side-", dir=setup.cache))
    made = [folder / "short", folder / ("long" * 30)]
    try:
        yield made
    finally:
        for cache in made:
            podman(cache, "rm", "--all", "--force", "--time=0")
        # For each container that ends, its supervisor runs podman once more.
        until(lambda: not named(folder), lambda: f"they do not end: {named(folder)}")
        for cache in made:
            remove_tree((cache / "containers/run").resolve())
        remove_tree(folder)


def named(folder: Path) -> list[bytes]:
    """The command lines of other processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return [line for line in found if os.fsencode(folder) in line]


def podman(cache: Path, *words: str | Path) -> str:
    """What the podman of a cache prints."""
    environment = {**os.environ, "ZEROINSTALL_VIRTUALBOX_CACHE": str(cache)}
    command = [TESTS / "containers" / "podman", *words]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=HANG, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_two_caches_have_containers_of_the_same_name(caches: list[Path], tmp_path: Path) -> None:
    """And share no folder and no lock, with each other or with the user's own podman."""
    archive = tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", archive, "-C", "/", BUSYBOX.lstrip("/")], check=True)
    shared = Path("/dev/shm/libpod_lock")
    had = shared.exists()
    begun = {}
    for cache in caches:
        podman(cache, "import", "--quiet", archive, "localhost/busybox:1")
        options = ("--detach", "--tty", "--network=none", "--cgroupns=private", "--privileged", "--name", "same")
        begun[podman(cache, "run", *options, "localhost/busybox:1", BUSYBOX, "sleep", "100000")] = cache
    assert len(begun) == 2
    for identity, cache in begun.items():
        assert podman(cache, "ps", "--all", "--quiet", "--no-trunc") == identity
        assert podman(cache, "exec", "same", BUSYBOX, "echo", "inside") == "inside"
        assert list((cache / "containers/run").glob("libpod/locks/*"))
    own = "{{.Store.GraphRoot}} {{.Store.RunRoot}} {{.Store.VolumePath}}"
    folders = [podman(cache, "info", "--format", own).split() for cache in caches]
    assert len({*folders[0], *folders[1]}) == 6
    assert had or not shared.exists()
    podman(caches[0], "rm", "--force", "--time=0", "same")
    assert podman(caches[1], "ps", "--quiet", "--no-trunc") in begun
