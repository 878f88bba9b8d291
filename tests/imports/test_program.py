# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's program as the role installs it, the module by the real Ansible, and many guests at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs
from hosts import PYTHON, SERVICE, TREE, Host, digest, named, pack
from labkit.waiting import HANG
from setup import REPOSITORY

ROLE = REPOSITORY / "roles/cache_import"
PYTHONS: dict[str, str] = json.loads(Path(os.environ["ZEROINSTALL_VIRTUALBOX_SETUP"]).read_text())["pythons"]
BOXES, PACKAGES = 8, 80


@pytest.fixture
def program(folder: Path) -> Path:
    """The program as the role installs it."""
    archive = folder / "store_import.pyz"
    archive.write_bytes(_programs.service())
    return archive


@pytest.fixture(scope="module")
def locales() -> Iterator[Path]:
    """Locales that are not UTF-8."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        for name, charmap in (("en_US", "ISO-8859-1"), ("ja_JP", "EUC-JP")):
            command = ["localedef", "-i", name, "-f", charmap, folder / f"{name}.{charmap}"]
            subprocess.run(command, capture_output=True, check=True, timeout=HANG)
        yield folder


FREE = ("--keep-free", "0", "--keep-free-inodes", "0")


def run(program: Path, host: Host, *options: str, python: str = PYTHON) -> subprocess.CompletedProcess[str]:
    """Run the program as its service's user."""
    command = [python, "-IS", program, "--store", host.store, "--boxes", host.boxes, *FREE, *options]
    return subprocess.run(
        command, user=SERVICE, group=SERVICE, extra_groups=[], capture_output=True, text=True, timeout=HANG, check=False
    )


def test_it_has_no_more_and_no_less_than_it_needs(program: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['x', '--store', '/x']\n"
        "try: runpy.run_path(sys.orig_argv[-1], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(*(m.__file__ for n, m in list(sys.modules.items()) if getattr(m, '__file__', None) and 'ansible' in n))"
    )
    done = subprocess.run(
        [PYTHON, "-IS", "-c", code, program], capture_output=True, text=True, timeout=HANG, check=True, cwd="/"
    )
    with zipfile.ZipFile(program) as archive:
        packed = {f"{program}/{name}" for name in archive.namelist()} - {f"{program}/__main__.py"}
    assert set(done.stdout.splitlines()[-1].split()) == packed


def test_its_limits_are_those_of_role_and_unit() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    limits = {f"cache_import_{name}": value for name, value in Limits()._asdict().items()}
    assert {name: defaults[name] for name in limits} == limits
    for entry in specs.values():
        assert {name: option.get("default") for name, option in entry["options"].items()} == defaults
    unit = (ROLE / "templates/import.service.j2").read_text(encoding="utf-8")
    for name in Limits._fields:
        assert f"--{name.replace('_', '-')} {{{{ cache_import_{name} }}}}" in unit


@pytest.mark.parametrize("version", PYTHONS)
def test_it_runs_on_every_python(program: Path, host: Host, version: str) -> None:
    """Root's own Pythons can only be run by root, who makes the pass as the store's owner."""
    wanted = digest(TREE, host.folder)
    host.put("good", wanted, pack(TREE))
    command = [PYTHONS[version], "-IS", program, "--store", host.store, "--boxes", host.boxes, *FREE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"good: added {wanted}\n", "")
    assert host.check() == {wanted}


@pytest.mark.parametrize("version", PYTHONS)
def test_no_name_in_a_box_ends_it_where_the_owner_of_the_store_cannot_read_its_python(
    program: Path, host: Host, version: str
) -> None:
    """Whatever is needed to handle and to show a name is loaded before, by root."""
    names = [b"\x01", b"\n", b"\xff", "\u20ac\u3042\u2028\U000e0001".encode(), b"\xed\xa0\x80", b"x" * 150]
    command = [PYTHONS[version], "-IS", program, "--store", host.store, "--boxes", host.boxes, *FREE]
    for turn in range(2):
        for number, name in enumerate(names):
            path = os.fsencode(host.boxes / "evil") + b"/%032x.sha256=%b.tar" % (number, name)
            host.as_guest(lambda path=path: Path(os.fsdecode(path)).touch())
        wanted = digest(named(turn), host.folder)
        host.put("good", wanted, pack(named(turn)))
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("evil: refused") == len(names) and f"good: added {wanted}\n" in done.stdout
        assert "cannot handle it" not in done.stdout
        assert wanted in host.check()


LOCALES = [{}, {"LANG": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "en_US.ISO-8859-1"}, {"LC_ALL": "ja_JP.EUC-JP"}]


@pytest.mark.parametrize("variables", LOCALES, ids=lambda variables: "".join(variables.values()) or "none")
def test_it_prints_any_name_in_any_locale(program: Path, host: Host, locales: Path, variables: dict[str, str]) -> None:
    """What the locale has no character for is told by its number; a name that it cannot read is refused like others."""
    command = [PYTHON, "-IS", program, "--store", host.store, "--boxes", host.boxes, *FREE]
    for turn, name in enumerate(("\u20ac\u3042\xe9".encode(), b"\xa4\xff\x8f\xa1\x80")):
        path = os.fsencode(host.boxes / "evil") + b"/%032x.sha256=%b.tar" % (turn, name)
        host.as_guest(lambda path=path: Path(os.fsdecode(path)).touch())
        wanted = digest(named(turn), host.folder)
        host.put("good", wanted, pack(named(turn)))
        done = subprocess.run(
            command, user=SERVICE, group=SERVICE, extra_groups=[], capture_output=True, timeout=HANG, check=False,
            env={**variables, "LOCPATH": str(locales)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"evil: refused sha256=" in done.stdout and b"good: added %b\n" % wanted.encode() in done.stdout
        assert wanted in host.check()


def test_what_it_prints(program: Path, host: Host) -> None:
    wanted = digest(TREE, host.folder)
    host.put("good", wanted, pack(TREE))
    host.put("evil", "sha256=\n\x1b[2J", b"x")
    shown = "'sha256=\\n\\x1b[2J' is not the name of an implementation."
    refused = f"evil: refused sha256=\\n\\x1b[2J: {shown}\n"
    assert run(program, host, "--dry-run").stdout == (
        refused + f"good: waiting {wanted}: It will be added if its sha256new digest is what its name says.\n"
    )
    assert run(program, host).stdout == refused + f"good: added {wanted}\n"
    (host.boxes / "file").touch()
    done = run(program, host)
    assert (done.returncode, done.stdout) == (0, "") and "boxes/file is passed over" in done.stderr


@pytest.mark.parametrize("output", [">/dev/full", ">&-", ">&- 2>&-"])
def test_all_is_answered_where_nothing_can_be_printed(program: Path, host: Host, output: str) -> None:
    wanted = digest(TREE, host.folder)
    host.put("good", wanted, pack(TREE))
    for claimed in ("x", "y"):
        host.put("evil", claimed, b"x")
    line = f'exec "$@" {output}'
    command = ["sh", "-c", line, "sh", PYTHON, "-IS", program, "--store", host.store, "--boxes", host.boxes, *FREE]
    done = subprocess.run(command, user=SERVICE, group=SERVICE, extra_groups=[], capture_output=True, timeout=HANG,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(host.boxes.glob("*/*.tar")) == [] and len(list(host.boxes.glob("evil/*.answer"))) == 2
    assert wanted in host.check()


def test_where_something_is_wrong_it_ends_after_a_pause(program: Path, host: Host) -> None:
    """So that a level-triggered unit does not start it again and again."""
    host.staging.chmod(0o755)
    done = run(program, host)
    assert done.returncode == 1 and "have the mode 0700" in done.stderr and "Traceback" not in done.stderr
    assert b"time.sleep(PAUSE)" in program.read_bytes()


def ansible(folder: Path, host: Host, *options: str, **arguments: Any) -> dict[str, Any]:
    """What the module returns by the real Ansible."""
    values = {"store": str(host.store), "boxes": str(host.boxes), "keep_free": 0, **arguments}
    done = subprocess.run(
        ["ansible", "localhost", "-c", "local", "-m", "zeroinstall.virtualbox.store_import", "-a", json.dumps(values),
         *options],
        capture_output=True, text=True, timeout=HANG, cwd=folder, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
             "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"},
    )  # fmt: skip
    found = re.search(r"(?:CHANGED|SUCCESS|FAILED!).*?=> (\{.*\})", done.stdout, re.DOTALL)
    assert found, done.stdout + done.stderr
    return json.loads(found[1])


def test_the_module(host: Host, folder: Path) -> None:
    """By the real Ansible, as root: check mode tells what waits; a second run has nothing to do."""
    wanted = digest(TREE, folder)
    host.put("good", wanted, pack(TREE))
    host.put("evil", wanted, b"x")
    host.put("evil", "sha1=" + "0" * 40, b"x")
    foreseen = ansible(folder, host, "--check")
    assert foreseen["changed"] and host.check_nothing_done()
    assert sorted(answer["status"] for answer in foreseen["answers"]) == ["refused", "waiting", "waiting"]
    done = ansible(folder, host)
    assert done["changed"] and (done["removed"], done["left"]) == (0, 0)
    told = sorted((answer["box"], answer["digest"], answer["status"]) for answer in done["answers"])
    # Both wait for the same package: which of them is read first decides whether the other is false or not needed.
    other = "present" if ("evil", wanted, "present") in told else "refused"
    sha1 = "sha1=" + "0" * 40
    assert told == sorted([("good", wanted, "added"), ("evil", wanted, other), ("evil", sha1, "refused")])
    assert host.check() == {wanted}
    again = ansible(folder, host)
    assert (again["changed"], again["answers"]) == (False, [])
    shutil.rmtree(host.staging)
    assert "msg" not in ansible(folder, host) and host.staging.stat().st_mode & 0o777 == 0o700
    failed = ansible(folder, host, max_depth=1000)
    assert failed["msg"] == "max_depth is 1000: it cannot be more than 200." and not failed["changed"]


def test_many_guests_send_at_once(program: Path, folder: Path) -> None:
    """Passes are made while guests send, as the service does: all is added once, nothing is lost, each is answered."""
    host = Host(folder, [f"guest{number}" for number in range(BOXES)])
    packages = {}
    for number in range(PACKAGES):
        path = folder / f"package-{number}"
        zero.build(os.fsencode(path), named(number))
        packages[zero.digest(path, "sha256new")] = path
    names = list(packages)
    statuses: dict[str, list[int]] = {name: [] for name in names}

    def guest(number: int) -> None:
        """Sends its part, and one that another guest sends, too."""
        for name in [*names[number::BOXES], names[(number + 1) % BOXES]]:
            with host.send(f"guest{number}", packages[name], name) as sender:
                statuses[name].append(sender.wait(HANG))

    guests = [threading.Thread(target=guest, args=(number,)) for number in range(BOXES)]
    for thread in guests:
        thread.start()
    added: list[str] = []
    while any(thread.is_alive() for thread in guests):
        done = run(program, host)
        assert done.returncode == 0 and done.stderr == ""
        assert "refused" not in done.stdout
        added += re.findall(r": added (\S+)$", done.stdout, re.MULTILINE)
    assert sorted(added) == sorted(names)
    assert all(status == 0 for each in statuses.values() for status in each)
    assert sum(map(len, statuses.values())) == PACKAGES + BOXES
    assert host.check() == set(names)
    assert [name for box in host.boxes.iterdir() for name in os.listdir(box)] == []
