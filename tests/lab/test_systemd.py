# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""share.yml and unshare.yml in a guest that systemd boots, with a real share of a real VirtualBox host.

systemd takes the place of the lab's init in a kernel that has booted before. The tests build on each other's guest.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from fleet import Fleet

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
MOUNT = "var-cache-0install.net-implementations.mount"
AUTOMOUNT = "var-cache-0install.net-implementations.automount"
SHARE, UNSHARE = "zeroinstall.virtualbox.share", "zeroinstall.virtualbox.unshare"
WRITTEN = "etc/fstab etc/modules-load.d etc/systemd var/lib/zeroinstall.virtualbox"
HELLO = f"{STORE}/*/hello"
WAITING = ["waiting", f"systemd-1 {STORE} autofs"]
MOUNTED = ["running", *WAITING[1:], f"ZeroInstall {STORE} vboxsf"]
FILES = "find /etc/fstab /etc/systemd /etc/modules-load.d -printf '%p %y %m %l\\n' | sort; cat /etc/fstab"


class Guest:
    """A guest of the lab, and the host that it is on."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def ask(self, line: str, check: bool = True) -> str:
        """What a shell line prints in it."""
        return self.fleet.guest("s1", line, check)[1].strip()

    def boot(self) -> None:
        """Have systemd boot it, with nothing that fails."""
        assert "systemd calls itself running" in self.fleet.lab("systemd", "s1").stdout

    def reboot(self) -> None:
        """Switch it off and boot it anew, with the files that were written meanwhile."""
        self.ask(f"tar -C / -cf /mnt/lab/kept.tar {WRITTEN}")
        kept = self.fleet.work("s1").with_name("kept.tar")
        shutil.move(self.fleet.work("s1") / "kept.tar", kept)
        self.fleet.lab("restart", "s1")
        shutil.move(kept, self.fleet.work("s1"))
        self.ask("tar -C / -xf /mnt/lab/kept.tar")
        self.boot()

    def store(self) -> list[str]:
        """The state of the automount unit, and what is mounted at the store's path, the visible one last."""
        line = f"systemctl show -p SubState --value {AUTOMOUNT}; grep ' {STORE} ' /proc/self/mounts"
        return [" ".join(line.split()[:3]) for line in self.ask(line, check=False).splitlines()]

    def share(self, *options: str, playbook: str = SHARE) -> int:
        """Run a playbook, which has to succeed; how much it changed."""
        play = self.fleet.play(playbook, *options)
        assert play.status == 0, play.messages("s1") or play.output
        return play.changed


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """A guest that systemd has booted, on a host with a package in its store."""
    with Fleet("systemd", ("s1",)).running(quiet=True) as fleet:
        fleet.add_package("hello")
        made = Guest(fleet)
        made.boot()
        yield made


@pytest.fixture(scope="module")
def before(guest: Guest) -> str:
    """The guest's files before the first run."""
    return guest.ask(FILES)


def test_the_first_run_leaves_what_a_boot_would(guest: Guest, before: str) -> None:
    assert guest.share() and guest.ask(FILES) != before
    assert guest.ask(f"{HELLO}; cat /proc/1/comm") == "this is hello\nsystemd"
    assert guest.store() == MOUNTED


def test_a_boot_without_the_share_says_why_and_mounts_it_when_it_is_back(guest: Guest) -> None:
    guest.share("--limit", "vbox", playbook=UNSHARE)
    guest.reboot()
    assert guest.store() == WAITING
    assert guest.ask(f"ls {STORE}", check=False).endswith("No such device")
    journal = guest.ask(f"journalctl --sync; journalctl -b -o cat --no-pager -u {MOUNT}")
    assert "special device ZeroInstall does not exist" in journal
    guest.share("--limit", "vbox")
    assert guest.ask(HELLO) == "this is hello"
    play = guest.fleet.play(SHARE, "--limit", "s1")
    assert (play.status, play.changed, play.module_runs["s1"]) == (0, 0, 2), play.output
    assert guest.store() == MOUNTED


def test_undoing_leaves_nothing_of_a_share_that_was_lost_while_mounted(guest: Guest, before: str) -> None:
    guest.share("--limit", "vbox", playbook=UNSHARE)
    assert guest.ask(f"ls {STORE}", check=False).endswith("Protocol error")
    guest.share("--limit", "s1", playbook=UNSHARE)
    assert guest.ask(FILES) == before
    assert guest.store() == ["dead"]
    assert guest.ask("systemctl is-system-running; systemctl list-units --all --no-legend '*0install*'") == "running"
