# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cache_import on a real host where guests come and go: what is left over stays until somebody says so."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fleet import Fleet, Play

STORE = "/var/cache/0install.net/implementations"
OURS = "/var/lib/zeroinstall.virtualbox"
BOXES = f"{OURS}/boxes"
PROGRAM = "/usr/local/lib/zeroinstall.virtualbox/import/store_import.pyz"
REQUEST = f"{1:032x}.sha256=1.tar"
ROLE = "zeroinstall.virtualbox.cache_import"
MODULE = "zeroinstall.virtualbox.boxes"
DEBUG = "ansible.builtin.debug"
REMEDY = "set cache_host_left_over: remove"


class Host:
    """A host without systemd, so that nobody takes a package before it is told to."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def run(self, *options: str, entry: str = "main", **variables: object) -> Play:
        """Run the role. Check mode before it changes nothing, and foresees what is removed and said."""
        before = self.files()
        foreseen = self.once("--check", entry=entry, **variables)
        assert self.files() == before
        done = self.once(*options, entry=entry, **variables)
        assert done.status == foreseen.status and told(done) == told(foreseen)
        assert removed(done) == removed(foreseen)
        return done

    def once(self, *options: str, entry: str = "main", **variables: object) -> Play:
        """Run the role once."""
        task = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": f"{entry}.yml"}, "vars": variables}
        play = {"hosts": "vbox", "gather_facts": False, "tasks": [task]}
        path = self.fleet.folder / "boxes.yml"
        path.write_text(json.dumps([play]), encoding="utf-8")
        return self.fleet.play(str(path), *options)

    def files(self) -> list[str]:
        """What the role may have to do with."""
        folders = (OURS, "/usr/local/lib", "/var/cache/0install.net")
        return sorted(self.fleet.host("find", *folders, "-printf", r"%p %M %u %g\n", check=False).stdout.splitlines())

    def boxes(self) -> dict[str, list[str]]:
        """The boxes, and what is in them."""
        folder = self.fleet.root / BOXES.lstrip("/")
        return {box.name: sorted(path.name for path in box.iterdir()) for box in folder.glob("*")}

    def send(self, box: str) -> None:
        """Put a request there, as a guest does."""
        (self.fleet.root / BOXES.lstrip("/") / box / REQUEST).write_bytes(b"no archive")


@pytest.fixture(scope="module")
def served() -> Iterator[Host]:
    """A host with a store, which the role serves. At the end all is taken back."""
    with Fleet("boxes", ()).running(quiet=True) as fleet:
        fleet.add_package("hello")
        fleet.host("chown", "zeroinst:", STORE)
        made = Host(fleet)
        before = made.files()
        assert made.once(cache_import_boxes=["web1", "web2"]).status == 0
        yield made
        assert made.once(entry="absent", cache_import_arrangement="lab").status == 0
        assert made.once(entry="absent").status == 0
        assert made.files() == before
        assert made.once(entry="absent").changed == 0


@pytest.fixture
def host(served: Host) -> Host:
    """The host, with the empty boxes of two guests and of one of another inventory."""
    served.fleet.host("rm", "-rf", *(f"{BOXES}/{name}" for name in served.boxes()))
    for name in ("lab@web1", "web1", "web2"):
        served.fleet.host("install", "-d", "-o", "zeroinst", "-g", "root", "-m", "770", f"{BOXES}/{name}")
    return served


def removed(play: Play) -> list[str]:
    """The boxes that the role removed, or would."""
    return [name for answer in play.results("vbox", MODULE) for name in answer["removed"]]


def told(play: Play) -> list[str]:
    """What the role says, in sentences."""
    said = [one["msg"] for one in play.results("vbox", DEBUG)]
    return [line for message in said for line in ([message] if isinstance(message, str) else message)]


def named(play: Play, box: str) -> str:
    """What the role says of a box; empty if it says nothing."""
    return "".join(line for line in told(play) if line.startswith(f"{BOXES}/{box} "))


def test_a_guest_that_is_gone_from_the_inventory_loses_nothing(host: Host) -> None:
    host.send("web2")
    play = host.run(cache_import_boxes=["web1"])
    assert "no guest in the inventory has this box. In it, 1 package waits." in named(play, "web2"), told(play)
    assert not named(play, "web1") and not named(play, "lab@web1")
    assert any(REMEDY in line for line in told(play))
    assert host.boxes() == {"lab@web1": [], "web1": [], "web2": [REQUEST]}

    play = host.once(cache_import_boxes=["web1", "web2"])
    assert play.changed == 0 and not any("left over" in line for line in told(play)), told(play)
    assert host.boxes()["web2"] == [REQUEST]
    host.fleet.host("python3", "-IS", PROGRAM, "--store", STORE, user="zeroinst")
    assert host.boxes()["web2"] == [f"{1:032x}.answer"]


def test_no_guest_at_all_tears_nothing_down(host: Host) -> None:
    """A list that is empty or misspelt: the boxes, what waits in them and the service stay."""
    host.send("web1")
    play = host.once(cache_import_boxes=[])
    assert play.status and "run left_over.yml of the role" in play.messages("vbox")
    play = host.once(entry="left_over")
    assert play.changed == 0, play.output
    assert "1 package waits" in named(play, "web1") and "no package waits" in named(play, "web2"), told(play)
    assert host.boxes() == {"lab@web1": [], "web1": [REQUEST], "web2": []}
    assert host.fleet.host("test", "-e", PROGRAM, check=False).returncode == 0


def test_only_what_nobody_needs_is_removed_and_only_if_that_is_wanted(host: Host) -> None:
    host.send("web1")
    wish = {"cache_import_left_over": "remove", "cache_import_shared_boxes": ["web2"]}
    play = host.once(entry="left_over", **wish)
    assert "1 request waits in it." in named(play, "web1") and play.changed == 0, told(play)
    assert sorted(host.boxes()) == ["lab@web1", "web1", "web2"]
    play = host.run("--diff", entry="left_over", cache_import_left_over="remove")
    assert removed(play) == ["web2"]
    assert host.boxes() == {"lab@web1": [], "web1": [REQUEST]}
    assert host.fleet.host("test", "-e", PROGRAM, check=False).returncode == 0


def test_the_service_goes_with_the_last_box(host: Host) -> None:
    host.fleet.host("rmdir", f"{BOXES}/web2")
    host.once(entry="absent", cache_import_arrangement="lab")
    play = host.once(entry="left_over", cache_import_shared_boxes=["web1"], cache_import_left_over="remove")
    assert play.changed == 0 and host.boxes() == {"web1": []}
    host.run(entry="left_over", cache_import_left_over="remove")
    assert host.fleet.host("test", "-e", OURS, check=False).returncode == 1
    assert host.fleet.host("test", "-e", PROGRAM, check=False).returncode == 1
    assert host.once(cache_import_boxes=["web1", "web2"]).status == 0


def test_one_guest_is_taken_back_and_all_the_rest_stays(host: Host) -> None:
    host.send("web1")
    host.send("web2")
    assert told(host.once(entry="absent", cache_import_absent_boxes=[])) == []
    assert sorted(host.boxes()) == ["lab@web1", "web1", "web2"]
    play = host.once(entry="absent", cache_import_absent_boxes=["web2"])
    assert "is removed with everything in it. In it, 1 package waits." in named(play, "web2"), told(play)
    assert host.boxes() == {"lab@web1": [], "web1": [REQUEST]}
    play = host.once(entry="absent")
    assert "1 package waits" in named(play, "web1") and "other arrangements: lab@web1" in told(play)[1]
    assert host.boxes() == {"lab@web1": []}
    assert host.fleet.host("test", "-e", PROGRAM, check=False).returncode == 0


def test_whatever_a_guest_made_in_its_box_goes_and_nothing_else_does(host: Host) -> None:
    script = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "os.symlink(sys.argv[2], 'link')\n"
        "os.mkfifo('fifo')\n"
        "os.mkdir('new\\nline')\n"
        "for depth in range(3000):\n"
        "    os.mkdir('d' * 200)\n"
        "    os.chdir('d' * 200)\n"
        "    os.symlink(sys.argv[2], 'link')\n"
    )
    host.fleet.host("python3", "-c", script, f"{BOXES}/web2", "/usr")
    before = len(list((host.fleet.root / "usr").iterdir()))
    play = host.once(cache_import_boxes=["web1"], cache_import_left_over="remove")
    assert removed(play) == ["web2"], play.output
    assert sorted(host.boxes()) == ["lab@web1", "web1"]
    assert len(list((host.fleet.root / "usr").iterdir())) == before


def test_a_run_that_was_killed_is_gone_on_with(host: Host) -> None:
    host.fleet.host("mkdir", "-p", f"{BOXES}/.leaving-web3/half/removed")
    play = host.once(cache_import_boxes=["web1", "web2"])
    assert "an earlier run began to remove this box" in named(play, ".leaving-web3"), told(play)
    play = host.run(cache_import_boxes=["web1", "web2"], cache_import_left_over="remove")
    assert removed(play) == [".leaving-web3"] and play.changed == 1
    assert host.fleet.host("ls", "-A", BOXES).stdout.split() == ["lab@web1", "web1", "web2"]
