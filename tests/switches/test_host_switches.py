# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All switches between modes on a real VirtualBox host, compared with hosts that were set up in the new mode at once.

The machine is off, so everything that a switch does is done at once. The lab's host has no systemd: the units of the
import service are compared in a container, in tests/imports/test_service.py.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from fleet import Fleet, Play
from walk import MODES, SHARE, SWITCHES, UNSHARE, VERIFY, WALK, assert_same, difference

pytestmark = pytest.mark.thorough

SYSTEM_STORE = "/var/cache/0install.net/implementations"
USER_STORE = "/home/vm/.cache/0install.net/implementations"
GROUP_STORE = "/home/vm/.local/share/zeroinstall.virtualbox/groups/default/0install.net/implementations"
EMPTY = "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The name of an implementation without anything in it."""
MANAGE = "/usr/lib/virtualbox/VBoxManage"
# Left out is what VirtualBox and Ansible themselves keep in a home.
SNAPSHOT = r"""
find /etc /usr/local /var/lib /var/cache /home/vm -xdev \
  \( -path '/home/vm/VirtualBox VMs' -o -path /home/vm/.config -o -name '.ansible*' \) -prune \
  -o -printf '%p %y %m %u %g %l\n' | sort
echo ---
find /etc /usr/local /var/lib/zeroinstall.virtualbox -xdev -type f -exec cksum {} + 2>/dev/null | sort
"""


class Host(Fleet):
    """A lab's host with a machine of user vm's, a package in each of its stores, and a guest's variables for it."""

    def prepare(self) -> None:
        """Everything that a switch is not about: user, machine, stores. Debian's package has made the store's user."""
        self.host("useradd", "--create-home", "vm")
        self.host(MANAGE, "createvm", "--name", "m", "--register", user="vm")
        self.host("mkdir", "-p", f"{USER_STORE}/{EMPTY}", "/home/vm/.local/share", user="vm")
        self.host("install", "-d", "-o", "zeroinst", SYSTEM_STORE, f"{SYSTEM_STORE}/{EMPTY}")
        children = json.loads(self.inventory.read_text(encoding="utf-8"))["all"]["children"]
        children["zeroinstall_hosts"]["vars"] = {"cache_host_user": "vm", "cache_host_left_over": "remove"}
        children["zeroinstall_guests"] = {"hosts": {"g.x": {"cache_guest_host": "vbox", "cache_guest_machine": "m"}}}
        self.inventory = self.folder / "modes.json"
        self.inventory.write_text(json.dumps(children), encoding="utf-8")

    def set(self, mode: str, *options: str, playbook: str = SHARE, variables: Mapping[str, str] | None = None) -> Play:
        """Run a playbook on the host, its guest having this mode."""
        store = "user" if mode == "trusted" else "system"
        chosen = ("-e", f"cache_guest_mode={mode}", "-e", f"cache_host_store={store}")
        return self.play(playbook, "--limit", "zeroinstall_hosts", *chosen, *options, variables=variables)

    def bring(
        self, mode: str, *options: str, playbook: str = SHARE, variables: Mapping[str, str] | None = None
    ) -> Play:
        """The same, and it has to succeed."""
        play = self.set(mode, *options, playbook=playbook, variables=variables)
        assert play.status == 0, play.messages("vbox") or play.output
        return play

    def snapshot(self) -> dict[str, list[str]]:
        """The host's files, and all shares and extradata of the machine."""
        text = (self.root / "home/vm/VirtualBox VMs/m/m.vbox").read_text(encoding="utf-8")
        files, _line, sums = self.host("sh", "-c", SNAPSHOT).stdout.partition("---\n")
        kept = ("<SharedFolder ", "<ExtraDataItem ")
        return {
            "files": files.splitlines(),
            "contents": sums.splitlines(),
            "machine": sorted(line.strip() for line in text.splitlines() if line.strip().startswith(kept)),
        }

    def machine(self) -> str:
        """The machine's part of the snapshot."""
        return "\n".join(self.snapshot()["machine"])


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    """A host for each mode, one that walks, and one that has been set up by an earlier version."""
    with contextlib.ExitStack() as stack:
        made = {name: Host(f"switches-{name}", ()) for name in (*MODES, "walker", "earlier")}
        for host in made.values():
            stack.enter_context(host.running(quiet=True))
            host.prepare()
        yield made


@pytest.fixture(scope="module")
def before(hosts: dict[str, Host]) -> dict[str, list[str]]:
    """What all hosts were at first, all the same."""
    found = hosts["walker"].snapshot()
    assert any(SYSTEM_STORE in line for line in found["files"]) and found["machine"] == []
    for host in hosts.values():
        assert_same(host.snapshot(), found)
    return found


@pytest.fixture(scope="module")
def fresh(hosts: dict[str, Host], before: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """What a first run in each mode makes, of which check mode says so, and which the second run leaves as it is."""

    def made(mode: str) -> dict[str, list[str]]:
        check = hosts[mode].bring(mode, "--check", "--diff")
        assert_same(hosts[mode].snapshot(), before)
        done = hosts[mode].bring(mode, "--diff")
        assert done.changed == check.changed > 0
        assert hosts[mode].bring(mode).changed == 0
        return hosts[mode].snapshot()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(MODES, pool.map(made, MODES), strict=True))


def test_the_modes_share_what_they_are_to_share(fresh: dict[str, dict[str, list[str]]]) -> None:
    shares = {
        mode: sorted(line for line in snapshot["machine"] if "<SharedFolder" in line)
        for mode, snapshot in fresh.items()
    }
    store, links = f'name="ZeroInstall" hostPath="{SYSTEM_STORE}" writable="false"', 'symlinkPolicy="relative"'
    assert [len(shares[mode]) for mode in MODES] == [1, 1, 2, 2]
    for mode in ("readonly", "guests", "verified"):
        assert store in shares[mode][0] and "symlinkPolicy" not in shares[mode][0]
    assert f'name="ZeroInstall-trusted" hostPath="{USER_STORE}" writable="true"' in shares["trusted"][0]
    assert f'name="ZeroInstall-guests-default" hostPath="{GROUP_STORE}" writable="true"' in shares["guests"][1]
    assert 'hostPath="/var/lib/zeroinstall.virtualbox/boxes/g.x" writable="true"' in shares["verified"][1]
    assert [links in "".join(shares[mode]) for mode in MODES] == [False, True, True, False]
    allowed = "VBoxInternal2/SharedFoldersEnableSymlinksCreate/"
    assert [sum(allowed in line for line in fresh[mode]["machine"]) for mode in MODES] == [0, 1, 1, 0]


def test_a_box_can_be_entered_by_the_service_and_virtualbox_only(fresh: dict[str, dict[str, list[str]]]) -> None:
    boxes = "/var/lib/zeroinstall.virtualbox/boxes"
    lines = [line.rstrip() for line in fresh["verified"]["files"] if line.startswith((boxes, boxes.rpartition("/")[0]))]
    assert lines == [
        "/var/lib/zeroinstall.virtualbox d 755 root root",
        f"{boxes} d 755 root root",
        f"{boxes}/g.x d 770 zeroinst vm",
    ]


@pytest.mark.parametrize("number", range(len(SWITCHES)), ids=["-".join(switch) for switch in SWITCHES])
def test_a_switch_leaves_what_a_fresh_set_up_makes(
    hosts: dict[str, Host], fresh: dict[str, dict[str, list[str]]], number: int
) -> None:
    """One walk: each starts where the one before it has ended."""
    host, (old, new) = hosts["walker"], SWITCHES[number]
    if number == 0:
        host.bring(WALK[0])
    assert_same(host.snapshot(), fresh[old], f"before the switch, in mode {old}")
    host.bring(new)
    assert_same(host.snapshot(), fresh[new])


@pytest.mark.parametrize("mode", MODES)
def test_what_an_earlier_version_set_up_is_taken_over_and_taken_away(
    hosts: dict[str, Host],
    before: dict[str, list[str]],
    fresh: dict[str, dict[str, list[str]]],
    earlier: dict[str, str],
    mode: str,
) -> None:
    host = hosts["earlier"]
    host.bring(mode, variables=earlier)
    host.bring(mode)
    assert_same(host.snapshot(), fresh[mode])
    host.bring(mode, playbook=UNSHARE)
    assert_same(host.snapshot(), before)
    host.bring(mode, variables=earlier)
    host.bring(mode, playbook=UNSHARE)
    assert_same(host.snapshot(), before)


def test_packages_of_a_group_outlive_its_mode(hosts: dict[str, Host], fresh: dict[str, dict[str, list[str]]]) -> None:
    host = hosts["walker"]
    host.bring("guests")
    host.host("mkdir", f"{GROUP_STORE}/{EMPTY}", user="vm")
    for mode in ("readonly", "verified"):
        host.bring(mode)
        left = [line.split(": ")[2].split()[0] for line in difference(host.snapshot(), fresh[mode])]
        assert left[-1] == f"{GROUP_STORE}/{EMPTY}"
        assert all(left[-1].startswith(f"{path}/") for path in left[:-1]), left
    host.bring("guests")
    assert f'hostPath="{GROUP_STORE}"' in host.machine()
    host.host("rmdir", f"{GROUP_STORE}/{EMPTY}", user="vm")
    assert_same(host.snapshot(), fresh["guests"])


def test_verify_reads_and_clears_the_stores_of_groups_as_their_owner(
    hosts: dict[str, Host], fresh: dict[str, dict[str, list[str]]]
) -> None:
    host, wrong = hosts["guests"], "sha256=" + 64 * "0"
    host.host("mkdir", f"{GROUP_STORE}/{EMPTY}", f"{GROUP_STORE}/{wrong}", user="vm")
    play = host.set("guests", "-e", "cache_verify_quarantine=true", playbook=VERIFY)
    assert play.status != 0
    assert f"{GROUP_STORE}/{wrong}" in play.messages("vbox") and "moved aside" in play.messages("vbox")
    assert "1 host: 2 of 3 implementations sound, 1 corrupt" in play.output
    aside = GROUP_STORE + ".quarantine"
    assert host.host("stat", "-c", "%U", aside, f"{aside}/{wrong}").stdout.split() == ["vm", "vm"]
    assert host.bring("guests", playbook=VERIFY).changed == 0
    of_root, of_vm = "/var/lib/zeroinstall.virtualbox", "/home/vm/.local/state"
    kept = host.host("find", of_root, of_vm, "-type", "f", "-printf", "%u %m\\n").stdout.splitlines()
    assert sorted(kept) == ["root 600", "vm 600"], "what was found in each store is kept for reports"
    host.host("rm", "-r", f"{GROUP_STORE}/{EMPTY}", aside, of_root, of_vm)
    assert_same(host.snapshot(), fresh["guests"])


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        ("trusted", ("-e", "cache_host_store=system"), ("guest 'g.x'", "cache_host_store: user", "'vbox'")),
        ("verified", ("-e", "cache_host_store=user"), ("guest 'g.x'", "cache_host_store: system", "'vbox'")),
        ("guests", ("-e", "cache_guest_group=../up"), ("guest 'g.x'", "'../up'", "cache_guest_group")),
        ("guests", ("-e", "cache_host_groups_path=/etc"), ("/etc belongs to user 0",)),
        ("verified", ("-e", "cache_host_boxes_path=/home/vm/b"), ("guest 'g.x'", "'/home/vm/b'", "_host_boxes_path")),
        ("open", (), ("guest 'g.x'", "'open'", "readonly, trusted, guests, verified")),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(
    hosts: dict[str, Host],
    fresh: dict[str, dict[str, list[str]]],
    mode: str,
    options: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    host = hosts["readonly"]
    play = host.set(mode, *options)
    assert play.status != 0
    assert all(word in play.messages("vbox") for word in words), play.messages("vbox")
    assert_same(host.snapshot(), fresh["readonly"])


@pytest.mark.parametrize("mode", MODES)
def test_unshare_undoes_each_mode_and_leaves_the_packages(
    hosts: dict[str, Host], before: dict[str, list[str]], fresh: dict[str, dict[str, list[str]]], mode: str
) -> None:
    host = hosts[mode]
    assert_same(host.snapshot(), fresh[mode])
    check = host.bring(mode, "--check", playbook=UNSHARE)
    assert_same(host.snapshot(), fresh[mode])
    done = host.bring(mode, playbook=UNSHARE)
    assert done.changed == check.changed > 0
    assert_same(host.snapshot(), before)
    assert host.bring(mode, playbook=UNSHARE).changed == 0
