# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All switches between modes in a guest, compared with guests that were set up in the new mode at once.

The guests are containers with systemd and a stand-in for the mount (tests/containers): what is compared is what the
role leaves, not what a driver makes of it. They are Debian 13.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fleet import TESTS, Fleet, Play, alone_with
from labkit.waiting import HANG
from setup import run_name
from walk import MODES, SWITCHES, WALK, assert_same

pytestmark = pytest.mark.thorough

CONTAINERS = TESTS / "containers" / "containers.py"
PODMAN = TESTS / "containers" / "podman"
RUN = run_name("switches")
SHARE, UNSHARE = str(TESTS / "qemu" / "role.yml"), str(TESTS / "qemu" / "unrole.yml")
"""The guests' part alone: these guests have no host."""
STORE = "/var/cache/0install.net/implementations"
AUTOFS, NO_AUTOFS = Path("/dev/autofs").exists(), "not supported on this system"
"""Whether the kernel, which is that of the guests, has autofs; what systemd says otherwise."""
SHARES = ("ZeroInstall-trusted", "ZeroInstall-guests-default", "ZeroInstall-box")
# Left out is what differs between two boots, or two machines, of the same system.
SNAPSHOT = r"""
find /etc /usr/local /var/lib /var/cache -xdev \
  \( -path /var/lib/systemd -o -path /var/lib/apt -o -path /var/cache/apt -o -path /usr/local/lib/standin \) -prune \
  -o -printf '%p %y %m %u %g %l\n' | sort
echo ---
find /etc /usr/local /var/lib/zeroinstall.virtualbox -xdev -path /usr/local/lib/standin -prune -o -type f \
  ! -name machine-id ! -name hostname ! -name hosts -exec cksum {} + 2>/dev/null | sort
echo ---
cat /etc/fstab
echo ---
findmnt --noheadings --raw --output TARGET,FSTYPE,SOURCE,OPTIONS |
  grep -e ^/var/cache/0install -e ^/var/lib/zeroinstall |
  sed 's/\(fd\|pgrp\|pipe_ino\)=[0-9]*/\1/g'
systemctl list-units --all --plain --no-legend --no-pager | grep -e 0install -e zeroinstall
grep zeroinst /etc/passwd /etc/group
"""
PARTS = ("files", "contents", "fstab", "mounts, units, users")
IN_THE_GUEST = ("zeroinstall.virtualbox.", "ansible.builtin.")
ON_THE_CONTROLLER = tuple(
    f"ansible.builtin.{name}"
    for name in ("assert", "debug", "fail", "include_role", "include_tasks", "set_fact", "validate_argument_spec")
)


class Guests(Fleet):
    """A container for each mode, one that walks, and one that has been set up by an earlier version."""

    settings = CONTAINERS.with_name("ansible.cfg")

    def __init__(self, folder: Path) -> None:
        super().__init__("switches", (*MODES, "walker", "earlier"))
        self.folder = folder
        self.inventory = folder / "inventory.json"
        guests = {
            name: {
                "ansible_host": f"{RUN}-{name}",
                "cache_guest_machine": name,
                "cache_guest_mode": name if name in MODES else WALK[0],
            }
            for name in self.guests
        }
        variables: dict[str, Any] = {
            "ansible_connection": "container",
            "ansible_python_interpreter": "/usr/bin/python3",
            "cache_guest_host": "none",
        }
        groups = {"zeroinstall_guests": {"hosts": guests, "vars": variables}}
        self.inventory.write_text(json.dumps({"all": {"children": groups}}), encoding="utf-8")

    def containers(self, *words: str) -> None:
        """Run the program that makes containers."""
        subprocess.run([sys.executable, CONTAINERS, "--run", RUN, *words], check=True, timeout=HANG)

    def inside(self, name: str, script: str) -> str:
        """What a shell script prints in a guest."""
        return subprocess.run(
            [PODMAN, "exec", f"{RUN}-{name}", "/bin/bash", "-c", script],
            check=True,
            timeout=HANG,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def bring(self, *options: str, playbook: str = SHARE, variables: Mapping[str, str] | None = None) -> Play:
        """Run a playbook, which has to succeed."""
        play = self.play(playbook, *options, variables=variables)
        assert play.status == 0, "\n".join(play.messages(name) for name in self.guests) or play.output
        return play

    def switch(self, mode: str) -> Play:
        """Have the guest that walks change its mode."""
        return self.bring("--limit", "walker", "-e", f"cache_guest_mode={mode}")

    def snapshot(self, name: str) -> dict[str, list[str]]:
        """A guest's files, mounts, units and accounts."""
        texts = self.inside(name, SNAPSHOT + "true").split("---\n")
        return {part: text.splitlines() for part, text in zip(PARTS, texts, strict=True)}

    def packages(self, name: str) -> str:
        """What is in the folders that stand for the shares of a host."""
        return self.inside(name, "ls -lR /srv/shares")


def in_guests(play: Play, name: str) -> list[str]:
    """The modules that ran in a guest."""
    return [
        action
        for task in play.tasks
        for action in [task["hosts"].get(name, {}).get("action", "")]
        if action.startswith(IN_THE_GUEST)
        and action not in ON_THE_CONTROLLER
        and not task["hosts"][name].get("skipped")
    ]


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    """Guests without Zero Install, to whom all shares of all modes are offered, each with a package in it."""
    made = Guests(tmp_path_factory.mktemp("guests"))
    folders = " ".join(f"/srv/shares/{share}/sha256=1" for share in SHARES)
    with alone_with(RUN):
        try:
            made.containers("up", *(f"{name}=debian13" for name in made.guests))
            for name in made.guests:
                made.inside(name, f"apt-get -qq update; mkdir -p {folders}")
                made.inside(name, f"for one in {folders}; do touch $one/file; done")
            yield made
        finally:
            made.containers("down")


@pytest.fixture(scope="module")
def before(guests: Guests) -> dict[str, dict[str, list[str]]]:
    """What the guests were at first, and with Zero Install, after a look in check mode that changed nothing."""
    bare = {name: guests.snapshot(name) for name in guests.guests}
    check = guests.bring("--check", "--diff", "--limit", ",".join(MODES))
    assert "There is no user 'zeroinst' yet" in check.output
    for mode in MODES:
        assert check.hosts[mode]["changed"] > 0
        assert_same(guests.snapshot(mode), bare[mode])
    for name in guests.guests:
        guests.inside(name, "DEBIAN_FRONTEND=noninteractive apt-get -qqy --no-install-recommends install 0install-core")
    found = {name: guests.snapshot(name) for name in guests.guests}
    for name in guests.guests:
        assert_same(found[name], found["walker"])
    return found


@pytest.fixture(scope="module")
def fresh(guests: Guests, before: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """What a first run in each mode makes."""
    assert before
    guests.bring("--limit", ",".join(MODES))
    return {mode: guests.snapshot(mode) for mode in MODES}


def test_a_guest_that_is_right_costs_two_module_runs_in_each_mode(
    guests: Guests, fresh: dict[str, dict[str, list[str]]]
) -> None:
    play = guests.bring("--limit", ",".join(MODES))
    assert play.changed == 0, play.output
    for mode in MODES:
        assert in_guests(play, mode) == ["zeroinstall.virtualbox.guest_plan", "zeroinstall.virtualbox.mounts"]
        assert_same(guests.snapshot(mode), fresh[mode])


def test_what_each_mode_mounts(fresh: dict[str, dict[str, list[str]]], guests: Guests) -> None:
    uid, gid = guests.inside("walker", "id -u zeroinst; id -g zeroinst").split()
    beside, box = "/var/cache/0install.net/host-implementations", "/var/lib/zeroinstall.virtualbox/box"
    ours = f"uid={uid},gid={gid},noauto,comment=zeroinstall.virtualbox 0 0"
    host = "vboxsf ro,nodev,nosuid,noauto,comment=zeroinstall.virtualbox 0 0"
    assert {mode: fresh[mode]["fstab"][1:] for mode in MODES} == {
        "readonly": [f"ZeroInstall {STORE} {host}"],
        "trusted": [f"ZeroInstall-trusted {STORE} vboxsf rw,nodev,nosuid,{ours}"],
        "guests": [f"ZeroInstall-guests-default {STORE} vboxsf rw,nodev,nosuid,{ours}", f"ZeroInstall {beside} {host}"],
        "verified": [
            f"ZeroInstall {STORE} {host}",
            f"ZeroInstall-box {box} vboxsf rw,nodev,nosuid,dmask=0077,fmask=0077,{ours}",
        ],
    }


@pytest.mark.usefixtures("fresh")
def test_who_can_write_the_writable_stores(guests: Guests) -> None:
    for mode in ("trusted", "guests"):
        line = f"setpriv --reuid=zeroinst --clear-groups touch {STORE}/x && rm {STORE}/x && echo zeroinst;"
        line += f"setpriv --reuid=nobody --clear-groups touch {STORE}/x 2>&1 || true"
        said = guests.inside(mode, line)
        assert said.startswith("zeroinst\n") and "Permission denied" in said


@pytest.mark.parametrize("number", range(len(SWITCHES)), ids=["-".join(switch) for switch in SWITCHES])
def test_a_switch_leaves_what_a_fresh_set_up_makes(
    guests: Guests, fresh: dict[str, dict[str, list[str]]], number: int
) -> None:
    """One walk: each starts where the one before it has ended."""
    old, new = SWITCHES[number]
    if number == 0:
        guests.switch(WALK[0])
    assert_same(guests.snapshot("walker"), fresh[old], f"before the switch, in mode {old}")
    packages = guests.packages("walker")
    assert guests.switch(new).changed > 0
    assert_same(guests.snapshot("walker"), fresh[new])
    assert guests.packages("walker") == packages


def test_a_switch_in_check_mode_tells_and_changes_nothing(
    guests: Guests, fresh: dict[str, dict[str, list[str]]]
) -> None:
    for mode in ("trusted", "guests", "verified"):
        play = guests.bring("--check", "--limit", "walker", "-e", f"cache_guest_mode={mode}")
        assert play.changed > 0
        assert_same(guests.snapshot("walker"), fresh["readonly"])


@pytest.mark.parametrize("mode", ["trusted", "guests", "verified"])
def test_a_guest_without_sudo_is_refused_before_anything_is_changed(
    guests: Guests, fresh: dict[str, dict[str, list[str]]], mode: str
) -> None:
    guests.inside("walker", "mv /usr/sbin/visudo /usr/sbin/visudo.away")
    try:
        play = guests.play(SHARE, "--limit", "walker", "-e", f"cache_guest_mode={mode}")
    finally:
        guests.inside("walker", "mv /usr/sbin/visudo.away /usr/sbin/visudo")
    assert play.status != 0
    assert f"walker has no sudo, by which its users add packages in mode {mode}" in play.messages("walker")
    assert_same(guests.snapshot("walker"), fresh["readonly"])


def test_packages_of_the_guests_own_are_not_hidden(guests: Guests, fresh: dict[str, dict[str, list[str]]]) -> None:
    """With cache_guest_sharing the guest has a store of its own, which a share would lie over."""
    guests.bring("--limit", "walker", "-e", "cache_guest_mode=readonly", "-e", "cache_guest_sharing=true")
    guests.inside("walker", f"mkdir {STORE}/sha256=own")
    for mode in ("trusted", "guests", "verified"):
        play = guests.play(SHARE, "--limit", "walker", "-e", f"cache_guest_mode={mode}")
        assert play.status != 0
        assert "'sha256=own'" in play.messages("walker") and "Move them away" in play.messages("walker")
    guests.inside("walker", f"rmdir {STORE}/sha256=own")
    guests.switch("readonly")
    assert_same(guests.snapshot("walker"), fresh["readonly"])


@pytest.mark.parametrize("mode", MODES)
def test_what_an_earlier_version_set_up_is_taken_over_and_taken_away(
    guests: Guests,
    before: dict[str, dict[str, list[str]]],
    fresh: dict[str, dict[str, list[str]]],
    earlier: dict[str, str],
    mode: str,
) -> None:
    options = ("--limit", "earlier", "-e", f"cache_guest_mode={mode}")

    def set_up() -> None:
        """Run the earlier version. On a kernel without autofs it ends in the middle: it cannot mount."""
        play = guests.play(SHARE, *options, variables=earlier)
        assert play.status == 0 if AUTOFS else NO_AUTOFS in play.messages("earlier"), play.output

    set_up()
    guests.bring(*options)
    assert_same(guests.snapshot("earlier"), fresh[mode])
    guests.bring(*options, playbook=UNSHARE)
    assert_same(guests.snapshot("earlier"), before["earlier"])
    set_up()
    guests.bring(*options, playbook=UNSHARE)
    assert_same(guests.snapshot("earlier"), before["earlier"])


def test_unshare_undoes_each_mode(
    guests: Guests, before: dict[str, dict[str, list[str]]], fresh: dict[str, dict[str, list[str]]]
) -> None:
    limit = ("--limit", ",".join(MODES))
    packages = {mode: guests.packages(mode) for mode in MODES}
    check = guests.bring("--check", *limit, playbook=UNSHARE)
    for mode in MODES:
        assert_same(guests.snapshot(mode), fresh[mode], mode)
    done = guests.bring(*limit, playbook=UNSHARE)
    for mode in MODES:
        assert done.hosts[mode]["changed"] == check.hosts[mode]["changed"] > 0
        assert_same(guests.snapshot(mode), before[mode], mode)
        assert guests.packages(mode) == packages[mode]
    assert guests.bring(*limit, playbook=UNSHARE).changed == 0
