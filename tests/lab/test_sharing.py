# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""share.yml and unshare.yml between a real VirtualBox host and real guests: first runs, drift, bad input, undoing.

The tests of this file have one fleet. The fixture `fleet` shares it before the first test that asks for it, and each
test leaves it shared and right, so that any of them can be left out.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet, Play
from setup import REPOSITORY

STORE = "/var/cache/0install.net/implementations"
BESIDE = "/var/cache/0install.net/host-implementations"
SHARE = "zeroinstall.virtualbox.share"
UNSHARE = "zeroinstall.virtualbox.unshare"
VERIFY = "zeroinstall.virtualbox.verify"
VERIFIED = "zeroinstall.virtualbox.store_verify"
SHARES, MOUNTS = "zeroinstall.virtualbox.shares", "zeroinstall.virtualbox.mounts"
OURS = "/var/lib/zeroinstall.virtualbox"
STAYS = (f"{STORE} ", f"{STORE}/", f"{OURS} ", f"{OURS}/verified")
TOPS = ("/etc", "/usr/local", "/var/cache", OURS)
FILES = (
    f"for top in {' '.join(TOPS)}; do [ ! -e $top ] || find $top -xdev"
    " -type d -printf '%p d %m %u\\n' -o -printf '%p %y %m %u %s %l\\n'; done | sort;"
    " find /etc /usr/local -xdev -type f -exec cksum {} + | sort"
)


@pytest.fixture(scope="module")
def fresh(environment: Path) -> Iterator[Fleet]:
    """A host and two guests with nothing shared but what the lab itself needs, and one package in the host's store.

    The host has a user beside root. g1 is never switched off: a guest forgets its files then.
    """
    with Fleet("sharing", ("g1", "g2"), environment).running(quiet=True) as made:
        made.add_package("first")
        made.host("useradd", "--create-home", "vm")
        made.host("mkdir", "/srv/other")
        yield made


def runs(fleet: Fleet, name: str) -> bool:
    """Whether a machine runs."""
    return f'"{name}"' in fleet.vbox("list", "runningvms")


def mounted(fleet: Fleet, guest: str, path: str = STORE) -> str:
    """Share and options of what a guest has mounted at a path, as its kernel shows it."""
    return fleet.guest(guest, f"awk '$2 == \"{path}\" {{print $1, $3, $4}}' /proc/self/mounts")[1].strip()


def groups_of(fleet: Fleet) -> dict[str, Any]:
    """The groups of the lab's inventory."""
    return json.loads(fleet.inventory.read_text(encoding="utf-8"))["all"]["children"]


def diff_of(results: list[dict]) -> str:
    """The diffs of results, as one text."""
    return json.dumps([result.get("diff") for result in results], ensure_ascii=False)


def run(fleet: Fleet, *options: str, playbook: str = SHARE) -> Play:
    """A run that has to succeed."""
    play = fleet.play(playbook, *options)
    assert play.status == 0, "\n".join(play.messages(host) for host in play.hosts) or play.output
    return play


def assert_right(fleet: Fleet, *options: str) -> None:
    """The next run changes nothing and costs a guest at most two module runs."""
    play = run(fleet, *options)
    assert play.changed == 0, play.output
    assert all(0 < play.module_runs[name] <= 2 for name in fleet.guests if name in play.hosts), play.module_runs


def assert_repaired(fleet: Fleet, host: str, module: str, words: tuple[str, ...], *options: str) -> None:
    """Check mode finds a drift and shows it in the diff; a run with the same diff puts it right; the next is idle."""
    check = run(fleet, "--check", "--diff", *options)
    assert check.hosts[host]["changed"] > 0, check.output
    shown = diff_of(check.results(host, module))
    assert all(word in shown for word in words), shown
    real = run(fleet, "--diff", *options)
    assert diff_of(real.results(host, module)) == shown
    assert real.hosts[host]["changed"] == check.hosts[host]["changed"]
    assert_right(fleet, *options)


def refused(fleet: Fleet, host: str, *options: str, inventory: Path | None = None) -> str:
    """The message of a run that has to fail on a host."""
    play = fleet.play(SHARE, *options, inventory=inventory)
    assert play.status != 0, play.output
    assert play.hosts[host]["failures"] == 1, play.output
    return play.messages(host)


def settings(fleet: Fleet, name: str) -> list[str]:
    """All shares and extradata in a machine's settings file."""
    text = (fleet.root / f"root/VirtualBox VMs/{name}/{name}.vbox").read_text(encoding="utf-8")
    return sorted(line.strip() for line in text.splitlines() if "<SharedFolder " in line or "<ExtraDataItem " in line)


def changed_files(fleet: Fleet, name: str) -> list[str]:
    """What is different in a guest from what it was started with."""
    touched = fleet.touched(name, *TOPS)
    return sorted(f"{path} {found['is']}" for path, found in touched.items() if not found["same"])


def snapshot(fleet: Fleet, guests: bool = True) -> dict[str, list[str]]:
    """Files of the host, changed files of guests, and the machines' settings: where share.yml could leave something.

    Left out is what stays by design: the store, a folder, with the packages in it, and what verifications found. (The
    user who owns the store stays, too. Debian's package of Zero Install made him before anything was shared, so the
    account files are compared as well.)
    """
    listed = {name: changed_files(fleet, name) for name in fleet.guests if guests}
    listed["host"] = fleet.host("sh", "-c", FILES).stdout.splitlines()
    found = {
        name: [
            line for line in lines if not line.startswith((f"{STORE} ", f"{STORE}/", f"{OURS} ", f"{OURS}/verified"))
        ]
        for name, lines in listed.items()
    }
    return found | {f"{name}.vbox": settings(fleet, name) for name in fleet.guests}


@pytest.fixture(scope="module")
def before(fresh: Fleet) -> dict[str, list[str]]:
    """What the fleet was before anything was shared."""
    return snapshot(fresh)


@pytest.fixture(scope="module")
def first(fresh: Fleet, before: dict[str, list[str]]) -> Play:
    """The first run of share, which has to succeed."""
    assert before
    return run(fresh)


@pytest.fixture
def off(fresh: Fleet, first: Play) -> Fleet:
    """The fleet, shared and right, with machine g2 switched off."""
    assert first
    if runs(fresh, "g2"):
        fresh.lab("stop", "g2")
    return fresh


@pytest.fixture
def fleet(fresh: Fleet, first: Play) -> Fleet:
    """The fleet, shared and right, with both guests running."""
    assert first
    if not runs(fresh, "g2"):
        fresh.lab("start", "g2")
        run(fresh, "--limit", "g2")
    return fresh


def test_check_mode_on_a_fresh_host_changes_nothing(fresh: Fleet, before: dict[str, list[str]]) -> None:
    check = run(fresh, "--check", "--diff", "--limit", "zeroinstall_hosts")
    shown = diff_of(check.results("vbox", SHARES))
    assert f"ZeroInstall: {STORE}, read-only" in shown
    assert snapshot(fresh, guests=False).items() <= before.items()


def test_the_first_run_shares_and_the_second_changes_nothing(fleet: Fleet, first: Play) -> None:
    assert all(first.hosts[name]["changed"] for name in ("vbox", *fleet.guests))
    for name in fleet.guests:
        assert mounted(fleet, name).startswith("ZeroInstall vboxsf ro,nosuid,nodev")
    assert_right(fleet)


def test_guests_find_and_run_what_the_host_adds_later(fleet: Fleet) -> None:
    digest = fleet.add_package("later")
    for name in fleet.guests:
        assert fleet.guest(name, f"0install store find {digest}; {STORE}/{digest}/later")[1].split("\n")[:2] == [
            f"{STORE}/{digest}",
            "this is later",
        ]


def test_the_host_refuses_what_a_guests_root_writes(fleet: Fleet) -> None:
    line = (
        "mkdir -p /tmp/w && mount -t vboxsf -o rw ZeroInstall /tmp/w; touch /tmp/w/x; ln -s x /tmp/w/y;"
        " rm -r /tmp/w/sha256new*; umount /tmp/w"
    )
    assert fleet.guest("g1", line, check=False)[1].count("Read-only file system") >= 3
    assert not [
        path.name for path in (fleet.root / STORE.lstrip("/")).iterdir() if not path.name.startswith("sha256new_")
    ]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            "umount {store}; mount -t vboxsf -o ro,nodev,nosuid other {store}; sed -i 's/ ro,/ rw,/' /etc/fstab",
            ("other", "ZeroInstall", "vboxsf rw,", "vboxsf ro,"),
        ),
        pytest.param(
            "mount -o remount,rw,suid {store}; sed -i /vboxsf/d /etc/fstab;"
            " rm /etc/modules-load.d/zeroinstall.virtualbox.conf",
            ("rw", "vboxsf ro,", "modules-load.d"),
            marks=pytest.mark.thorough,
        ),
    ],
    ids=[
        "another share mounted, line edited",
        "remounted writable, line and driver's file removed",
    ],
)
def test_drift_in_a_guest_is_found_shown_and_put_right(fleet: Fleet, harm: str, words: tuple[str, ...]) -> None:
    if "other" not in fleet.vbox("showvminfo", "g1", "--machinereadable"):
        fleet.vbox("sharedfolder", "add", "g1", "--name=other", "--hostpath=/srv/other", "--transient")
    fleet.guest("g1", harm.format(store=STORE))
    assert_repaired(fleet, "g1", MOUNTS, words, "--limit", "g1")
    assert mounted(fleet, "g1").startswith("ZeroInstall vboxsf ro,nosuid,nodev")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (("sharedfolder", "modify", "g2", "--name=ZeroInstall", "--readonly=off"), ("writable", "read-only")),
        (("sharedfolder", "remove", "g2", "--name=ZeroInstall"), ("read-only",)),
        pytest.param(
            ("setextradata", "g2", "VBoxInternal2/SharedFoldersEnableSymlinksCreate/ZeroInstall", "1"),
            ("symlinks allowed",),
            marks=pytest.mark.thorough,
        ),
    ],
    ids=["made writable", "removed", "symlinks allowed"],
)
def test_drift_of_a_machine_that_is_off_is_found_shown_and_put_right(
    off: Fleet, harm: tuple[str, ...], words: tuple[str, ...]
) -> None:
    off.vbox(*harm)
    assert_repaired(off, "vbox", SHARES, words, "--limit", "zeroinstall_hosts")


def test_a_wrong_path_is_put_right_and_the_guest_sees_the_right_one(off: Fleet) -> None:
    off.vbox("sharedfolder", "remove", "g2", "--name=ZeroInstall")
    off.vbox("sharedfolder", "add", "g2", "--name=ZeroInstall", "--hostpath=/srv/other")
    assert_repaired(
        off, "vbox", SHARES, ("/srv/other, writable", f"{STORE}, read-only"), "--limit", "zeroinstall_hosts"
    )
    off.lab("start", "g2")
    assert run(off, "--limit", "g2").hosts["g2"]["changed"] > 0
    assert "sha256new_" in off.guest("g2", f"ls {STORE}; touch {STORE}/x; true")[1]
    assert_right(off, "--limit", "g2")


@pytest.mark.thorough
def test_a_writable_transient_share_that_hides_ours_is_removed_while_the_machine_runs(fleet: Fleet) -> None:
    fleet.vbox("sharedfolder", "add", "g2", "--name=ZeroInstall", f"--hostpath={STORE}", "--transient")
    assert_repaired(fleet, "vbox", SHARES, ("writable, transient",), "--limit", "zeroinstall_hosts")
    run(fleet, "--limit", "g2")
    line = f"mount -t vboxsf -o rw ZeroInstall /mnt; touch /mnt/x; umount /mnt; ls {STORE}"
    assert "Read-only file system" in fleet.guest("g2", line, check=False)[1]
    assert_right(fleet, "--limit", "g2")


AGAIN = f"mount -t vboxsf -o ro,nodev,nosuid ZeroInstall {STORE}"


@pytest.mark.parametrize(
    ("harm", "options", "words", "mend"),
    [
        pytest.param(
            f"umount {STORE} && touch {STORE}/own",
            (),
            ("is not empty", "'own'", "cache_guest_sharing"),
            f"rm {STORE}/own; {AGAIN}",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            f"umount {STORE} && mount -t tmpfs somebody {STORE}",
            (),
            (STORE, "somebody (tmpfs) is mounted there", "Unmount it"),
            f"umount {STORE}; {AGAIN}",
            marks=pytest.mark.thorough,
        ),
        (f"umount {STORE}", ("-e", "cache_guest_share=nosuch"), ("nosuch", "does not offer"), AGAIN),
        ("true", ("-e", "cache_guest_mode=open"), ("cache_guest_mode", "open"), "true"),
    ],
    ids=[
        "files in the mount point",
        "foreign file system",
        "share not offered",
        "unknown mode",
    ],
)
def test_bad_input_in_a_guest_is_refused_and_nothing_is_changed(
    fleet: Fleet, harm: str, options: tuple[str, ...], words: tuple[str, ...], mend: str
) -> None:
    look = f"grep vboxsf /proc/self/mounts; ls -lan {STORE}"
    found = fleet.guest("g1", f"{harm} && {{ {look}; }}")[1]
    before = fleet.touched("g1", *TOPS)
    try:
        message = refused(fleet, "g1", "--limit", "g1", *options)
        assert all(word in message for word in words), message
        assert fleet.guest("g1", look)[1] == found
        after = fleet.touched("g1", *TOPS)
        put_back = {"/etc", "/etc/fstab"} if "cache_guest_share=nosuch" in options else set()
        assert {path for path in before | after if before.get(path) != after.get(path)} == put_back
        assert all(before[path]["is"] == after[path]["is"] for path in put_back)
    finally:
        fleet.guest("g1", mend)


@pytest.mark.thorough
def test_a_malformed_fstab_line_and_a_missing_last_newline_stay_or_are_mended(fleet: Fleet) -> None:
    fleet.guest(
        "g1",
        r"umount %s; sed -i /vboxsf/d /etc/fstab; printf 'broken\n/dev/sdz1 /data ext4 noauto 0 0' >> /etc/fstab"
        % STORE,
    )
    kept = fleet.guest("g1", "cat /etc/fstab")[1]
    play = run(fleet, "--limit", "g1")
    assert "malformed" in json.dumps(play.results("g1", MOUNTS)[0]["warnings"])
    text = fleet.guest("g1", "cat /etc/fstab")[1]
    assert text.startswith(kept + "\nZeroInstall " + STORE) and text.endswith(" 0 0\n")
    fleet.guest("g1", "sed -i -e /^broken/d -e /sdz1/d /etc/fstab")
    assert_right(fleet, "--limit", "g1")


def test_a_system_without_virtualbox_is_refused_and_nothing_is_changed(fleet: Fleet, tmp_path: Path) -> None:
    """The host's own root, which is no VirtualBox guest, named as one."""
    groups = groups_of(fleet)
    own = {name: value for name, value in groups["zeroinstall_hosts"]["hosts"]["vbox"].items() if "cache_" not in name}
    nobody = {**own, "cache_guest_host": "vbox", "cache_guest_machine": "none"}
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps({**groups, "zeroinstall_guests": {"hosts": {"nobody": nobody}}}), encoding="utf-8")
    before = snapshot(fleet, guests=False)
    message = refused(fleet, "nobody", "--limit", "nobody", inventory=path)
    assert "nobody is no VirtualBox guest" in message, message
    assert snapshot(fleet, guests=False) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-e", "cache_host_path=/var/cache/0install.net"), ("is not a store of implementations", "cache_host_path")),
        (("-e", "cache_host_path=/srv/link/0install.net/implementations"), ("reached through a symlink", "/srv/real")),
        (("-e", "cache_host_path=/srv/file/0install.net/implementations"), ("is not a directory",)),
        (("-e", "cache_host_vboxmanage=/no/such/VBoxManage"), ("VBoxManage was not found as '/no/such/VBoxManage'",)),
        (("-e", "cache_host_user=nobody"), ("has no home folder", "cache_host_user (now 'nobody')")),
        (("-e", "cache_guest_share='two words'"), ("'two words'", "white space")),
        (("-e", "cache_guest_machine=nosuch"), ("guests 'g1' and 'g2' name the same machine 'nosuch'",)),
        (("-e", "cache_host_when_busy=perhaps"), ("cache_host_when_busy", "perhaps")),
    ],
    ids=[
        "parent of a store",
        "symlink",
        "a file",
        "no VBoxManage",
        "another user",
        "share name",
        "one machine twice",
        "unknown choice",
    ],
)
def test_bad_input_on_the_host_is_refused_and_nothing_is_changed(
    fleet: Fleet, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    fleet.host("mkdir", "-p", "/srv/real/0install.net/implementations", "/srv/file/0install.net")
    fleet.host("ln", "-sfn", "/srv/real", "/srv/link")
    fleet.host("touch", "/srv/file/0install.net/implementations")
    before = snapshot(fleet, guests=False)
    message = refused(fleet, "vbox", "--limit", "zeroinstall_hosts", *options)
    assert all(word in message for word in words), message
    assert snapshot(fleet, guests=False) == before


def test_a_user_of_the_host_shares_his_own_store(fleet: Fleet) -> None:
    fleet.host("/usr/lib/virtualbox/VBoxManage", "createvm", "--name", "Own 'one'", "--register", user="vm")
    own = {"hosts": {"own": {"cache_guest_host": "vbox", "cache_guest_machine": "Own 'one'"}}}
    path = fleet.folder / "own.json"
    path.write_text(json.dumps({**groups_of(fleet), "zeroinstall_guests": own}), encoding="utf-8")
    options = ("--limit", "zeroinstall_hosts", "-e", "cache_host_store=user", "-e", "cache_host_user=vm")
    play = fleet.play(SHARE, *options, inventory=path)
    assert play.status == 0, play.messages("vbox")
    again = fleet.play(SHARE, *options, inventory=path)
    assert (again.status, again.changed) == (0, 0), again.output
    info = fleet.host("/usr/lib/virtualbox/VBoxManage", "showvminfo", "Own 'one'", user="vm").stdout
    assert "Host path: '/home/vm/.cache/0install.net/implementations' (machine mapping), readonly" in info
    assert fleet.host("stat", "-c", "%U %a", "/home/vm/.cache/0install.net/implementations").stdout.split() == [
        "vm",
        "755",
    ]
    helper = fleet.root / "usr/local/bin/0store-secure-add-helper"
    assert not helper.exists()
    run(fleet, "--limit", "zeroinstall_hosts")
    assert helper.exists()


def test_the_role_sharing_creates_its_user_where_there_is_no_store_too(tmp_path: Path) -> None:
    """On a host of its own: a user who is removed again leaves traces."""
    role = tmp_path / "role.yml"
    play = {"hosts": "zeroinstall_hosts", "gather_facts": False, "roles": ["zeroinstall.virtualbox.sharing"]}
    role.write_text(json.dumps([play]), encoding="utf-8")
    options = ("-e", json.dumps({"sharing_store": "", "sharing_user": "owner"}))
    with Fleet("sharing-user", ()).running(quiet=True) as made:
        check = run(made, "--check", *options, playbook=str(role))
        assert made.host("id", "owner", check=False).returncode
        assert run(made, *options, playbook=str(role)).changed == check.changed == 2
        assert made.host("id", "-un", "owner").stdout == "owner\n"
        assert run(made, *options, playbook=str(role)).changed == 0


def test_the_inventory_of_local_virtualbox_machines_works_as_input(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/examples/local.*.yml, with the lab's VBoxManage in PATH and the lab's host as localhost."""
    examples = REPOSITORY / "docs" / "examples"
    manage = tmp_path / "VBoxManage"
    manage.write_text(
        f'#!/bin/sh\nexec {fleet.folder}/enter {fleet.root} /usr/lib/virtualbox/VBoxManage "$@"\n', encoding="utf-8"
    )
    manage.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = groups_of(fleet)["zeroinstall_hosts"]["hosts"]["vbox"]
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps({"zeroinstall_hosts": {"hosts": {"localhost": host}}}), encoding="utf-8")
    options = (
        "-i",
        str(examples / "local.hosts.yml"),
        "-i",
        str(path),
        "--limit",
        "zeroinstall_hosts",
        "--check",
        "--diff",
        "-e",
        "cache_guest_share=fromplugin",
    )
    play = fleet.play(SHARE, *options, inventory=examples / "local.virtualbox.yml")
    assert play.status == 0, play.output
    shown = diff_of(play.results("localhost", SHARES)[-1:])
    assert shown.count(f"fromplugin: {STORE}, read-only") == len(fleet.guests), shown


def test_verify_reads_the_store_on_the_host_and_asks_each_guest_once(fleet: Fleet) -> None:
    play = run(fleet, "-e", "cache_verify_guests=true", playbook=VERIFY)
    assert play.changed == 0
    (host,) = play.results("vbox", VERIFIED)
    assert host["summary"]["ok"] == len(fleet.host("ls", STORE).stdout.split()) > 0
    for name in fleet.guests:
        (guest,) = play.results(name, VERIFIED)
        assert (guest["summary"]["ok"], guest["names_digest"]) == (1, host["names_digest"])
        assert play.module_runs[name] == 1, play.module_runs


@pytest.mark.thorough
def test_what_is_corrupt_is_named_and_moved_aside_and_the_guests_see_the_rest(fleet: Fleet) -> None:
    options = ("-e", "cache_verify_guests=true", "-e", "cache_verify_guest_names=all", "--limit", "vbox,g1")
    digest = fleet.host("ls", STORE).stdout.split()[0]
    implementation = fleet.root / STORE.lstrip("/") / digest
    (program,) = (path for path in implementation.iterdir() if path.name != ".manifest")
    sound, times = program.read_bytes(), program.stat()
    program.write_bytes(sound.replace(b"this", b"that"))
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    play = fleet.play(VERIFY, "-e", "cache_verify_quarantine=true", *options)
    assert play.status != 0
    assert f"{STORE}/{digest}" in play.messages("vbox") and "contents were changed" in play.messages("vbox")
    run(fleet, *options, playbook=VERIFY)
    assert digest not in fleet.guest("g1", f"ls {STORE}")[1]
    aside = implementation.parent.with_name("implementations.quarantine")
    assert [path.name for path in aside.iterdir() if path.name.startswith("sha")] == [digest]
    (aside / digest).rename(implementation)
    shutil.rmtree(aside)
    program.write_bytes(sound)
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    run(fleet, *options, playbook=VERIFY)


def test_a_guests_users_share_what_they_install_beside_the_hosts_store(fleet: Fleet) -> None:
    option = ("-e", "cache_guest_sharing=true", "--limit", "g1")
    run(fleet, *option)
    assert mounted(fleet, "g1", BESIDE).startswith("ZeroInstall vboxsf ro,")
    assert not mounted(fleet, "g1")
    assert_right(fleet, *option)
    fleet.guest("g1", "mkdir /tmp/own && echo guest > /tmp/own/file")
    own = fleet.guest("g1", "0install digest --algorithm=sha256new /tmp/own")[1].strip()
    fleet.guest("g1", f"runuser -l somebody -c '0store add {own} /tmp/own'")
    assert fleet.guest("g1", f"stat -c %U {STORE}/{own}")[1].strip() == "zeroinst"
    shared = fleet.host("ls", STORE).stdout.split()[0]
    find = f"0install store find {own}; 0install store find {shared}"
    for line in (find, f"runuser -l somebody -c '{find}'"):
        assert fleet.guest("g1", line)[1].split() == [f"{STORE}/{own}", f"{BESIDE}/{shared}"]
    assert own not in fleet.host("ls", STORE).stdout
    touched = fleet.guest("g1", f"runuser -u somebody -- touch {STORE}/{own}/x {STORE}/x", check=False)[1]
    assert touched.count("Permission denied") == 2
    fleet.guest("g1", f"rm -r {STORE}/{own} /tmp/own")


def test_unshare_undoes_exactly_what_share_did_and_leaves_the_packages(
    fleet: Fleet, before: dict[str, list[str]]
) -> None:
    """If all tests ran, one guest's users still share what they install."""
    packages = fleet.host("ls", "-lR", STORE).stdout
    assert {part for part, found in snapshot(fleet).items() if found != before[part]} == set(before)
    check = run(fleet, "--check", playbook=UNSHARE)
    done = run(fleet, playbook=UNSHARE)
    assert done.changed == check.changed > 0
    assert snapshot(fleet) == before
    assert fleet.host("ls", "-lR", STORE).stdout == packages
    again = run(fleet, playbook=UNSHARE)
    assert again.changed == 0, again.output


def test_everything_ran_warm_in_the_guests(fleet: Fleet) -> None:
    """Plain Python in these guests takes minutes; if it was used, the figures of this run mean nothing."""
    fleet.lab("check-warm", *map(shlex.quote, fleet.guests))
