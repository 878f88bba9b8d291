# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``verify`` on this machine: real stores made by the real 0store, several hosts by connection local.

The guests of these tests are a stand-in: folders of this machine in place of mounts in virtual machines. One host is
reached by real ssh, at an address of this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zero
from aging import age
from labkit.waiting import HANG, until
from pages import block
from setup import REPOSITORY, with_ansible
from zero import File, Folder, Link

PLAYBOOK = "zeroinstall.virtualbox.verify"
EXAMPLE = REPOSITORY / "docs" / "examples" / "problems.yml"
PAGE = REPOSITORY / "docs" / "verify.md"
SYSTEM_STORE = "/var/cache/0install.net/implementations"
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


class Fleet:
    """Hosts with a store each, and what Ansible says of them."""

    def __init__(self, root: Path, environment: Path) -> None:
        self.root = root
        self.environment = environment
        self.watch: Callable[[str], object] = lambda output: None
        self.inventory: dict[str, Any] = {
            "all": {"vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "zeroinstall_hosts": {"hosts": {}},
            "zeroinstall_guests": {"hosts": {}},
        }

    def host(self, name: str, **variables: Any) -> Path:
        """Add a host with an implementation of each algorithm; its store."""
        store = zero.store_under(self.root / name)
        for number, algorithm in enumerate(zero.ALGORITHMS):
            tree = self.root / f"tree {name} {number}"
            content = f"{name} {number}".encode()
            zero.build(
                os.fsencode(tree),
                Folder({b"file": File(content, 10**9), b"folder": Folder({b"link": Link(b"../file")})}),
            )
            zero.add(store, tree, algorithm)
        self.inventory["zeroinstall_hosts"]["hosts"][name] = {"cache_host_path": str(store), **variables}
        return store

    def guest(self, name: str, host: str, store: Path) -> None:
        """Add a guest of a host that sees this store."""
        self.inventory["zeroinstall_guests"]["hosts"][name] = {
            "cache_guest_host": host,
            "cache_guest_path": str(store),
        }

    def run(self, playbook: str | Path = PLAYBOOK, *arguments: str, **variables: Any) -> tuple[int, str]:
        """Run a playbook; its exit status and output, which ``watch`` sees again and again as it grows."""
        inventory = self.root / "inventory.json"
        inventory.write_text(json.dumps(self.inventory), encoding="utf-8")
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        log = self.root / "log"
        settings = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOST_KEY_CHECKING": "0", "ANSIBLE_TIMEOUT": f"{HANG:.0f}"}
        with log.open("wb") as file, subprocess.Popen(
            [self.environment / "bin" / "ansible-playbook", "-i", inventory, playbook]
            + ["-e", json.dumps(variables), *arguments],
            cwd=self.root,
            env={**os.environ, **with_ansible(self.environment), "HOME": str(home), **settings},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip

            def ended() -> bool:
                over = process.poll() is not None
                self.watch(log.read_text(encoding="utf-8", errors="replace"))
                return over

            try:
                until(ended, log.read_text)
            finally:
                process.kill()
        assert not list((home / ".ansible_async").glob("*")), "left behind"
        return process.returncode, log.read_text(encoding="utf-8")


@pytest.fixture
def fleet(environment: Path) -> Iterator[Fleet]:
    """No hosts yet."""
    root = tempfile.mkdtemp(prefix="zeroinstall-verify-")
    yield Fleet(Path(root), environment)
    subprocess.run(["rm", "-rf", "--", root], check=True, timeout=HANG)


def damaged(store: Path, algorithm: str = "sha256=") -> str:
    """Change a file of the implementation with this algorithm; its name."""
    (path,) = store.glob(algorithm + "*")
    file = path / "file"
    before = file.stat()
    file.chmod(0o644)
    file.write_bytes(b"X" * before.st_size)
    file.chmod(0o444)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert zero.verify(path).returncode == 1
    return path.name


def summary(output: str) -> list[str]:
    """The lines of the summary, as the task that shows it prints them."""
    (text,) = re.findall(r"Show what was found\] \*+\nok: \[\S+\] => (\{\n.*?\n\})\n", output, re.DOTALL)
    return json.loads(text)["msg"]


def messages(output: str) -> dict[str, str]:
    """The message with which each host failed."""
    return {
        name: json.loads(text)["msg"]
        for name, text in re.findall(r"^fatal: \[(\S+)\]: FAILED! => (\{.*\})$", output, re.MULTILINE)
    }


def entries(folder: Path) -> set[str]:
    """The implementations in a folder."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_sound_stores(fleet: Fleet) -> None:
    fleet.host("metal1")
    fleet.host("metal2")
    status, output = fleet.run()
    assert status == 0, output
    assert [re.sub(r"[\d.]+ s$", "S", line) for line in summary(output)] == [
        "metal1: 4 implementations sound, 0.00 MB, in S",
        "metal2: 4 implementations sound, 0.00 MB, in S",
        "2 hosts: 8 of 8 implementations sound, 0 corrupt, 0 not verified, 0.00 MB; 0 guests; 0 with problems",
    ]
    assert "changed=0" in output and not re.search(r"changed=[1-9]", output)


def test_damage_on_one_of_two_hosts_fails_that_host_alone(fleet: Fleet) -> None:
    fleet.host("metal1")
    store = fleet.host("metal2")
    name = damaged(store)
    status, output = fleet.run()
    assert status == 2, output
    lines = summary(output)
    assert lines[0].startswith("metal1: 4 implementations sound")
    assert lines[1].startswith(f"metal2: 1 implementation not sound: {store / name}: ")
    assert lines[2].startswith("2 hosts: 7 of 8 implementations sound, 1 corrupt, 0 not verified")
    assert list(messages(output)) == ["metal2"]
    assert str(store / name) in messages(output)["metal2"]


def test_the_summary_names_who_was_not_reached_and_what_could_not_be_verified(fleet: Fleet) -> None:
    fleet.host("metal1")
    fleet.host("away", **UNREACHABLE)
    fleet.inventory["zeroinstall_hosts"]["hosts"]["empty"] = {
        "cache_host_path": str(fleet.root / "none" / "0install.net" / "implementations")
    }
    status, output = fleet.run()
    assert status == 2, output
    lines = summary(output)
    assert lines[0].startswith("metal1: 4 implementations sound")
    assert lines[1].startswith("away: Not reached: Failed to connect to the host via ssh: ")
    assert lines[2].startswith("empty: The store ") and "does not exist" in lines[2]
    assert lines[3].startswith("3 hosts: 4 of 4") and lines[3].endswith("; 2 with problems")
    assert "does not exist" in messages(output)["empty"]
    assert "metal1" not in messages(output)


@pytest.mark.parametrize("guest", [UNREACHABLE, {"cache_guest_host": None}], ids=["not reached", "wrong"])
def test_guests_that_all_fail_do_not_hide_what_was_found_on_hosts(fleet: Fleet, guest: dict[str, Any]) -> None:
    """A play of which all machines have failed would be the last. A guest may fail when it likes."""
    store = fleet.host("metal1")
    name = damaged(store)
    fleet.guest("web1", "metal1", store)
    fleet.inventory["zeroinstall_guests"]["hosts"]["web1"].update(guest)
    status, output = fleet.run(cache_verify_guests=True)
    assert status, output
    lines = summary(output)
    assert lines[0].startswith(f"metal1: 1 implementation not sound: {store / name}: ")
    assert lines[1].startswith("web1: ") and lines[2].endswith("1 guest; 2 with problems"), output
    assert status == 2 and set(messages(output)) == {"metal1", "web1"}, output
    assert str(store / name) in messages(output)["metal1"]


def test_a_host_that_is_a_guest_too_is_verified_as_a_host(fleet: Fleet) -> None:
    store = fleet.host("metal1")
    fleet.host("nested")
    fleet.guest("nested", "metal1", store)
    name = damaged(Path(fleet.inventory["zeroinstall_hosts"]["hosts"]["nested"]["cache_host_path"]))
    for compare in (False, True):
        status, output = fleet.run(cache_verify_guests=compare)
        assert status == 2 and name in messages(output)["nested"], output
        assert summary(output)[-1].startswith("2 hosts: 7 of 8 implementations sound, 1 corrupt"), output


@pytest.mark.oldest
def test_quarantine_and_back(fleet: Fleet) -> None:
    store = fleet.host("metal2")
    aside = store.with_name("implementations.quarantine")
    before = entries(store)
    name = damaged(store, "sha1new=")

    status, output = fleet.run(PLAYBOOK, "--check", cache_verify_quarantine=True)
    assert status == 2 and f"1 implementation would be moved aside to {aside}." in summary(output)[0], output
    assert entries(store) == before and not aside.exists()

    status, output = fleet.run(cache_verify_quarantine=True)
    assert status == 2 and f"1 implementation moved aside to {aside}." in messages(output)["metal2"], output
    assert entries(store) == before - {name}
    assert entries(aside) == {name}

    status, output = fleet.run(cache_verify_quarantine=True)
    assert status == 0 and summary(output)[0].startswith("metal2: 3 implementations sound"), output

    printed = block(PAGE, "console", "ansible metal1.example.com ")
    digest = re.findall("sha256=[0-9a-f]{64}", printed)[0]
    words = shlex.split(printed.replace(digest, name).replace(SYSTEM_STORE, str(store)))
    words[words.index("metal1.example.com")] = "metal2"
    words[words.index("inventory.yml")] = "inventory.json"
    done = subprocess.run(words, cwd=fleet.root, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0 and '"moved": [' in done.stdout, done.stdout + done.stderr
    assert entries(store) == before and entries(aside) == set()
    status, output = fleet.run()
    assert status == 2 and str(store / name) in messages(output)["metal2"], output


@pytest.mark.oldest
def test_what_could_not_be_verified_is_not_moved(fleet: Fleet) -> None:
    store = fleet.host("metal1")
    name = damaged(store)
    fleet.inventory["zeroinstall_hosts"]["hosts"]["metal1"] = {"cache_verify_stores": [str(store)]}
    missing = "sha1=" + "0" * 40
    play = {
        "hosts": "metal1",
        "gather_facts": False,
        "vars": {
            "cache_verify_paths": [str(store)],
            "cache_verify_user": "",
            "cache_verify_result": {
                "problems": [
                    {"name": name, "path": str(store / name), "status": "error"},
                    {"name": missing, "path": str(store / missing), "status": "error"},
                ]
            },
        },
        "tasks": [
            {
                "ansible.builtin.include_role": {
                    "name": "zeroinstall.virtualbox.cache_verify",
                    "tasks_from": "quarantine.yml",
                }
            }
        ],
    }
    (fleet.root / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    status, output = fleet.run(fleet.root / "play.yml")
    assert status == 0 and "changed=0" in output, output
    assert name in entries(store)


@pytest.mark.oldest
def test_each_of_several_stores_has_its_own_quarantine(fleet: Fleet) -> None:
    stores = [fleet.host("one"), fleet.host("two")]
    names = [damaged(store) for store in stores]
    fleet.inventory["zeroinstall_hosts"]["hosts"] = {"metal": {"cache_verify_stores": [str(path) for path in stores]}}
    status, output = fleet.run(cache_verify_quarantine=True)
    assert status == 2 and "2 implementations not sound" in messages(output)["metal"], output
    for store, name in zip(stores, names, strict=True):
        assert entries(store.with_name("implementations.quarantine")) == {name}
        assert len(entries(store)) == 3


def test_a_store_is_found_again_however_its_path_is_written(fleet: Fleet) -> None:
    """The module expands it."""
    stores = [fleet.host("one"), fleet.host("two")]
    names = [damaged(store) for store in stores]
    written = ["~/../one/0install.net/implementations", f"{stores[1]}//"]
    fleet.inventory["zeroinstall_hosts"]["hosts"] = {"metal": {"cache_verify_stores": written}}
    status, output = fleet.run(cache_verify_quarantine=True)
    assert status == 2 and "2 implementations moved aside" in messages(output)["metal"], output
    for store, name in zip(stores, names, strict=True):
        assert entries(store.with_name("implementations.quarantine")) == {name}


def test_guests_are_compared_with_their_hosts(fleet: Fleet) -> None:
    store = fleet.host("metal1")
    other = fleet.host("metal2")
    fleet.guest("same", "metal1", store)
    fleet.guest("differs", "metal1", other)
    fleet.guest("unmounted", "metal1", fleet.root / "none" / "0install.net" / "implementations")
    status, output = fleet.run(cache_verify_guests=True)
    assert status == 2, output
    lines = summary(output)
    assert [line.split(":")[0] for line in lines[2:]] == ["differs", "unmounted", "2 hosts"]
    assert lines[4].endswith("; 3 guests; 2 with problems")
    told = messages(output)["differs"]
    assert "4 implementations of the host's not there: " in told
    assert "4 implementations that the host does not have: " in told
    assert "does not exist" in messages(output)["unmounted"]
    assert set(messages(output)) == {"differs", "unmounted"}

    status, output = fleet.run(PLAYBOOK, "--limit", "same", cache_verify_guests=True)
    assert status == 2 and "No host was verified" in output, output
    status, output = fleet.run()
    assert status == 0 and summary(output)[-1].endswith("; 0 guests; 0 with problems"), output


@pytest.mark.oldest
def test_a_guest_is_not_told_to_miss_what_was_moved_aside_just_now(fleet: Fleet) -> None:
    store = fleet.host("metal1")
    fleet.guest("web1", "metal1", store)
    damaged(store)
    status, output = fleet.run(cache_verify_guests=True, cache_verify_guest_names="all", cache_verify_quarantine=True)
    assert status == 2 and list(messages(output)) == ["metal1"], output


def test_where_more_was_moved_aside_than_is_named_a_guest_is_not_compared(fleet: Fleet) -> None:
    """In check mode nothing was moved. The number is set as the role sets it, by a task."""
    store = fleet.host("metal1")
    fleet.guest("web1", "metal1", store)
    moves = {"name": "Move", "ansible.builtin.set_fact": {"cache_verify_moved_more": 1}}
    before = {"name": "Move more", "hosts": "metal1", "gather_facts": False, "tasks": [moves]}
    playbook = fleet.root / "moved.json"
    playbook.write_text(json.dumps([before, {"import_playbook": PLAYBOOK}]), encoding="utf-8")
    status, output = fleet.run(playbook, "--check", cache_verify_guests=True)
    assert status == 0, output
    status, output = fleet.run(playbook, cache_verify_guests=True)
    assert status == 2 and "had more of them moved aside just now" in messages(output)["web1"], output


def test_problems_are_selected_by_the_documented_example(fleet: Fleet) -> None:
    store = fleet.host("metal1")
    names = [damaged(store, "sha1="), damaged(store, "sha256new_")]
    (renamed,) = store.glob("sha1new=*")
    renamed.rename(store / ("sha1new=" + "0" * 40))
    status, output = fleet.run(EXAMPLE, store=str(store))
    assert status == 0, output
    shown = [json.loads(text)["msg"] for text in re.findall(r"^ok: \[metal1\] => (\{\n.*?\n\})\n", output, re.M | re.S)]
    assert shown[0] == names
    assert {problem["name"] for problem in shown[1]} >= set(names)
    assert all(line[0] in "+-" for problem in shown[1] for line in problem["changes"])
    assert int(shown[2]) == 0  # debug shows a number as a text before ansible-core 2.19
    assert set(shown[3]) == {*names, "sha1new=" + "0" * 40}


def test_a_long_run_tells_how_far_it_is(fleet: Fleet, slow_disk: SlowDisk) -> None:
    store = zero.store_under(fleet.root / "long")
    tree = fleet.root / "tree"
    for number in range(6):
        zero.build(os.fsencode(tree), Folder({b"file": File(bytes([number]) * 50_000_000)}))
        zero.add(store, tree, "sha256new")
        subprocess.run(["rm", "-rf", "--", tree], check=True, timeout=HANG)
    fleet.inventory["zeroinstall_hosts"]["hosts"]["long"] = {"cache_host_path": str(store)}
    fleet.watch = slow_disk.watch
    status, output = fleet.run(
        cache_verify_progress=0.05, cache_verify_workers=1, ansible_python_interpreter=str(slow_disk.python)
    )
    assert status == 0, output
    told = re.findall(
        r"^long: verified (\d) of 6 implementations, 0\.\d\d of 0\.30 GB(?:, about \d+ s left)?$", output, re.MULTILINE
    )
    assert told == sorted(told) and told[-1] > "0", output
    status, output = fleet.run(cache_verify_progress=0, cache_verify_workers=1)
    assert status == 0 and "verified" not in output.replace("not verified", ""), output


SLOW_DISK = """
import os, time
readv, left, end = os.readv, 110_000_000, time.monotonic() + HANG
def slow(*arguments):
    global left
    while left < 0 and not os.path.exists(TOLD) and time.monotonic() < end:
        time.sleep(0.01)
    count = readv(*arguments)
    left -= count
    return count
os.readv = slow
"""
"""A stand-in for a slow disk, as Python's ``sitecustomize``: it stops after two implementations until that was told."""


class SlowDisk:
    """A Python that reads from a slow disk, and what lets it go on."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told"
        slow = SLOW_DISK.replace("HANG", str(HANG)).replace("TOLD", repr(str(self.told)))
        (folder / "sitecustomize.py").write_text(slow, encoding="utf-8")
        self.python = folder / "python"
        self.python.write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(folder))} exec /usr/bin/python3 "$@"\n', encoding="utf-8"
        )
        self.python.chmod(0o755)

    def watch(self, output: str) -> None:
        """Let the disk go on once it was told that something was verified."""
        if re.search(r"verified [1-9] of \d implementations", output):
            self.told.touch()


@pytest.fixture
def slow_disk(folder: Path) -> SlowDisk:
    """The Python that reads from it is one that every user can run."""
    return SlowDisk(folder)


USER, NUMBER = "verifier", 64_999
PASSWD = f"root:x:0:0:root:{{ssh}}:/bin/sh\n{USER}:*:{NUMBER}:{NUMBER}::{{home}}:/bin/sh\n"
"""The users as the ssh server of these tests sees them: root, whose key it takes, and one without rights."""


@pytest.fixture
def home(disk: Path) -> Iterator[Path]:
    """The home of that user."""
    path = disk / "home"
    path.mkdir()
    os.chown(path, NUMBER, NUMBER)
    yield path
    subprocess.run(["rm", "-rf", "--", path], check=True, timeout=HANG)


@contextlib.contextmanager
def serving(folder: Path, host_key: Path, passwd: Path) -> Iterator[int]:
    """An SSH server with this file of users, for the block; its port, which it has before anybody connects."""
    log = folder / "log"
    inside = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        server_options = ["-F", "-E", "-s", "-m", "-p", f"127.0.0.1:{port}", "-r", host_key, "-P", folder / "pid"]
        with log.open("wb") as output, subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", inside, "sh", passwd, "dropbear", *server_options],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        ) as process:  # fmt: skip
            try:
                until(lambda: b"Not backgrounding" in log.read_bytes() or process.poll() is not None, log.read_text)
                if process.poll() is None:
                    yield port
                    return
            finally:
                process.terminate()
        # Another program was given the port in between.
        assert "Address already in use" in log.read_text(), log.read_text()


@pytest.fixture
def ssh(tmp_path: Path, home: Path) -> Iterator[dict[str, Any]]:
    """Variables of a host that is reached by ssh."""
    folder = tmp_path / "ssh"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    key, host_key, control, passwd = (folder / name for name in ("key", "host", "control", "passwd"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=HANG)
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", host_key], check=True, capture_output=True, timeout=HANG)
    key.with_suffix(".pub").rename(folder / ".ssh" / "authorized_keys")
    passwd.write_text(PASSWD.format(ssh=folder, home=home), encoding="utf-8")
    with serving(folder, host_key, passwd) as port:
        never = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
        yield {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"{never} -o ControlPath={control}",
            "ansible_become_method": "ansible.builtin.su",
            "ansible_python_interpreter": "/usr/bin/python3",
            "cache_host_store": "user",
            "cache_host_user": USER,
        }
        hang_up = ["ssh", "-F", "none", "-q", "-o", f"ControlPath={control}", "-O", "exit", "host"]
        subprocess.run(hang_up, check=False, capture_output=True, timeout=HANG)


@pytest.mark.oldest
@pytest.mark.thorough
def test_a_user_s_store_over_ssh(fleet: Fleet, home: Path, ssh: dict[str, Any], slow_disk: SlowDisk) -> None:
    """As a user who may read nobody else's files: progress, the record of what was sound, and damage."""
    store = zero.store_under(home / ".cache")
    tree = fleet.root / "tree"
    for number in range(4):
        zero.build(os.fsencode(tree), Folder({b"file": File(bytes([number]) * 50_000_000)}))
        zero.add(store, tree, "sha256new" if number else "sha256")
        subprocess.run(["rm", "-rf", "--", tree], check=True, timeout=HANG)
    subprocess.run(["chown", "-R", f"{NUMBER}:{NUMBER}", home], check=True, timeout=HANG)
    fleet.inventory["zeroinstall_hosts"]["hosts"]["metal"] = ssh
    fleet.watch = slow_disk.watch
    age()
    options = {"cache_verify_mode": "changed", "cache_verify_workers": 1}

    python = str(slow_disk.python)
    status, output = fleet.run(cache_verify_progress=0.05, ansible_python_interpreter=python, **options)
    assert status == 0, output
    assert re.search(r"^metal: verified [1-9] of 4 implementations, 0\.\d\d of 0\.20 GB", output, re.MULTILINE), output
    warnings = re.findall(r"\[WARNING\]: (.*)", output)
    assert [one for one in warnings if not one.startswith("Module remote_tmp ")] == [], output
    records = home / ".local/state/zeroinstall.virtualbox/verified"
    for path in (records, *records.iterdir()):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (NUMBER, 0), path

    status, output = fleet.run(**options)
    assert status == 0 and "4 unchanged since they were verified" in summary(output)[0], output
    name = damaged(store)
    status, output = fleet.run(**options)
    assert status == 2 and name in messages(output)["metal"], output
    assert not list(home.glob(".ansible_async/*")), "left behind"
