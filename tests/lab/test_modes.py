# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes in which guests add packages, from end to end: a real host, real guests, and the real 0install in both.

In each mode, an ordinary user of one guest adds a package by the real ``0store add``. Then the other guest and the host
find and run it. The lab's host has no systemd: what its service would start is started by the test, as the same user.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest
from fleet import Fleet, Play
from labkit.waiting import HANG
from pages import block
from setup import REPOSITORY

SHARE, VERIFY = "zeroinstall.virtualbox.share", "zeroinstall.virtualbox.verify"
STORE = "/var/cache/0install.net/implementations"
BESIDE = "/var/cache/0install.net/host-implementations"
OWN = "/root/.cache/0install.net/implementations"
GROUP = "/root/.local/share/zeroinstall.virtualbox/groups/default/0install.net/implementations"
BOXES = "/var/lib/zeroinstall.virtualbox/boxes"
PRINTED = block(REPOSITORY / "docs" / "verified.md", "console", "python3 ")
"""The command for a host without systemd."""
USER = "somebody"
PAUSE = 0.2  # seconds between two looks into the boxes


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a package in its store, and two guests with nothing shared."""
    with Fleet("modes", ("g1", "g2")).running(quiet=True) as made:
        made.host("mkdir", "/srv/own")
        made.host("0store", "add", made.digest("/srv/own"), "/srv/own")
        yield made


def run(fleet: Fleet, *options: str, playbook: str = SHARE) -> Play:
    """A run that has to succeed."""
    play = fleet.play(playbook, *options)
    assert play.status == 0, "\n".join(play.messages(host) for host in play.hosts) or play.output
    return play


def arrange(fleet: Fleet, share: str, *options: str) -> None:
    """Both guests in the mode that these options choose, their machines started after the host's part.

    The guests forget all files when they are switched off. g2 has only this share, mounted by hand where its Zero
    Install looks; the role is slow in these guests.
    """
    for name in fleet.guests:
        fleet.lab("stop", name)
    run(fleet, "--limit", "zeroinstall_hosts", *options)
    fleet.lab("start", *fleet.guests)
    run(fleet, *options, "--limit", "vbox,g1")
    fleet.guest("g2", f"mount -t vboxsf {share} {STORE}")


def add_in_guest(fleet: Fleet, name: str) -> str:
    """A package with a program NAME that is a link to a link upwards, added by g1's user; its digest."""
    tree = fleet.root / "srv" / name
    (tree / "lib" / "deep").mkdir(parents=True)
    program = tree / "lib" / "program"
    program.write_text(f"#!/bin/sh\necho this is {name}\n", encoding="utf-8")
    program.chmod(0o755)
    (tree / "lib" / "deep" / "up").symlink_to("../program")
    (tree / name).symlink_to("lib/deep/up")
    archive = fleet.work("g1") / "package.tar"
    subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True, timeout=HANG)
    digest = fleet.digest(f"/srv/{name}")
    shutil.rmtree(tree)
    unpack = f"runuser -u {USER} -- sh -c 'mkdir /tmp/{name} && tar -C /tmp/{name} -xf /mnt/lab/package.tar'"
    add = f"runuser -l {USER} -c '0store add {digest} /tmp/{name}'"
    fleet.guest("g1", f"{unpack} && {add}")
    return digest


def assert_found_and_run(fleet: Fleet, name: str, digest: str, guests: str, host: str) -> None:
    """Users of both guests find the package at a path and run it, and the host does, and it is sound there."""
    for guest in fleet.guests:
        line = f"runuser -l {USER} -c '0install store find {digest}; {guests}/{digest}/{name}'"
        assert fleet.guest(guest, line)[1].splitlines() == [f"{guests}/{digest}", f"this is {name}"]
    assert fleet.host(f"{host}/{digest}/{name}").stdout == f"this is {name}\n"
    assert fleet.host("0store", "verify", f"{host}/{digest}").stdout.splitlines()[-1] == "OK"


def tamper(fleet: Fleet, name: str, digest: str) -> str:
    """What root in a guest can do where it may write: change a package, and add one that is not what it is called."""
    forged = "sha256new_" + "A" * 52
    program = f"{STORE}/{digest}/lib/program"
    hostile = r"printf '#!/bin/sh\necho by a hostile guest\n'"
    fleet.guest(
        "g1", f"chmod 755 {program} && {hostile} > {program} && {STORE}/{digest}/{name} && mkdir {STORE}/{forged}"
    )
    return forged


def verify_and_move_aside(fleet: Fleet, store: str, changed: str, forged: str, *options: str) -> None:
    """verify.yml finds both on the host, and moves them out of the store."""
    play = fleet.play(VERIFY, "--limit", "vbox", "-e", "cache_verify_quarantine=true", *options)
    told = play.messages("vbox")
    assert play.status != 0 and f"{store}/{changed}" in told and f"{store}/{forged}" in told, play.output
    aside = fleet.host("ls", f"{store}.quarantine").stdout.split()
    assert {changed, forged} <= set(aside), aside


@contextlib.contextmanager
def importing(fleet: Fleet, *options: str) -> Iterator[list[str]]:
    """What the service does on a host with systemd: the command of docs/verified.md, when there is a request.

    What it says is collected.
    """
    ended = threading.Event()
    said: list[str] = []

    def serve() -> None:
        boxes = fleet.root / BOXES.lstrip("/")
        while not ended.wait(PAUSE):
            if list(boxes.glob("*/*.tar")):
                done = fleet.host(*shlex.split(PRINTED), *options, user="zeroinst", check=False)
                said.append(done.stdout + done.stderr)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield said
    finally:
        ended.set()
        thread.join(HANG)


def left_in_boxes(fleet: Fleet) -> list[str]:
    """What is in the boxes on the host."""
    return [str(path) for path in (fleet.root / BOXES.lstrip("/")).glob("*/*")]


def test_verified(fleet: Fleet) -> None:
    """The host adds what an untrusted guest sends, and no guest can write into the store or into another's box."""
    mode = ("-e", "cache_guest_mode=verified")
    arrange(fleet, "ZeroInstall", *mode)
    again = run(fleet, "--limit", "vbox,g1", *mode)
    assert again.changed == 0, again.output
    assert 0 < again.module_runs["g1"] <= 2, again.module_runs
    with importing(fleet):
        digest = add_in_guest(fleet, "verified")
    assert_found_and_run(fleet, "verified", digest, STORE, STORE)
    assert fleet.host("stat", "-c", "%U", f"{STORE}/{digest}").stdout.strip() == "zeroinst"
    assert left_in_boxes(fleet) == []

    for name in fleet.guests:
        listed = fleet.vbox("showvminfo", name)
        assert f"Host path: '{STORE}' (machine mapping), readonly" in listed
        assert listed.count(f"Host path: '{BOXES}/") == 1 and f"Host path: '{BOXES}/{name}' " in listed
    line = (
        f"mkdir -p /tmp/w && mount -t vboxsf -o rw ZeroInstall /tmp/w; touch /tmp/w/x; rm -r /tmp/w/{digest};"
        " umount /tmp/w; cd /var/lib/zeroinstall.virtualbox/box && touch ours && ln -s /etc/passwd link; rm ours"
    )
    said = fleet.guest("g1", line, check=False)[1]
    assert said.count("Read-only file system") >= 2, said
    assert "ln: failed to create symbolic link 'link'" in said, said
    assert "OK" in fleet.host("0store", "verify", f"{STORE}/{digest}").stdout


def test_what_the_host_refuses_stays_with_the_guests_user(fleet: Fleet) -> None:
    """In the guests of the test before, by a limit of the host's."""
    with importing(fleet, "--max-entries", "1") as said:
        digest = add_in_guest(fleet, "refused")
    assert "It has more than 1 files, directories and links." in "".join(said)
    found = fleet.guest("g1", f"runuser -l {USER} -c '0install store find {digest}'")[1].strip()
    assert found == f"/home/{USER}/.cache/0install.net/implementations/{digest}"
    assert digest not in fleet.host("ls", STORE).stdout
    assert left_in_boxes(fleet) == []


def test_guests(fleet: Fleet) -> None:
    """What a guest adds, the guests of its group share, beside the host's own store, which nobody changes."""
    own = sorted(fleet.host("ls", STORE).stdout.split())
    arrange(fleet, "ZeroInstall-guests-default", "-e", "cache_guest_mode=guests")
    digest = add_in_guest(fleet, "shared")
    assert_found_and_run(fleet, "shared", digest, STORE, GROUP)
    assert fleet.guest("g1", f"0install store find {own[0]}")[1].strip() == f"{BESIDE}/{own[0]}"
    line = f"touch {BESIDE}/x; runuser -u {USER} -- touch {STORE}/x; mount -t vboxsf ZeroInstall-guests-other /mnt"
    said = fleet.guest("g1", line, check=False)
    assert said[0] and "Read-only file system" in said[1] and "Permission denied" in said[1], said

    forged = tamper(fleet, "shared", digest)
    assert fleet.guest("g2", f"{STORE}/{digest}/shared")[1] == "by a hostile guest\n"
    verify_and_move_aside(fleet, GROUP, digest, forged)
    assert digest not in fleet.guest("g2", f"ls {STORE}")[1]
    assert sorted(fleet.host("ls", STORE).stdout.split()) == own


def test_trusted(fleet: Fleet) -> None:
    """What a guest adds is in the host user's own store."""
    options = ("-e", json.dumps({"cache_guest_mode": "trusted", "cache_host_store": "user"}))
    arrange(fleet, "ZeroInstall-trusted", *options)
    digest = add_in_guest(fleet, "trusted")
    assert_found_and_run(fleet, "trusted", digest, STORE, OWN)
    assert fleet.host("0install", "store", "find", digest).stdout.strip() == f"{OWN}/{digest}"
    said = fleet.guest("g1", f"runuser -u {USER} -- touch {STORE}/x; ln -s /etc/passwd {STORE}/y", check=False)[1]
    assert "Permission denied" in said, said
    assert "ln: failed to create symbolic link" in said, said

    forged = tamper(fleet, "trusted", digest)
    assert fleet.host(f"{OWN}/{digest}/trusted").stdout == "by a hostile guest\n"
    verify_and_move_aside(fleet, OWN, digest, forged, *options)
    assert fleet.host("ls", OWN).stdout == ""


def test_everything_ran_warm_in_the_guests(fleet: Fleet) -> None:
    """Plain Python in these guests takes minutes; if it was used, the figures of this run mean nothing."""
    fleet.lab("check-warm", *fleet.guests)
