# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real guest with Oracle's own drivers and mount helper, built by Oracle's real installer for the guest's kernel.

Its installer is not run in the guest, where it would take hours; test_install.py runs it. The tests build on each
other.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from fleet import Fleet
from labkit import oracle, recipes
from labkit.cache import Cache

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
SHARE, UNSHARE = "zeroinstall.virtualbox.share", "zeroinstall.virtualbox.unshare"
PLAN = "zeroinstall.virtualbox.guest_plan"
PLACE = (
    "set -e; release=$(uname -r); tree=$(cd /mnt/lab/opt; echo VBoxGuestAdditions-*);"
    " mkdir -p /lib/modules/$release/misc /opt/$tree/other /etc/depmod.d /var/lib/VBoxGuestAdditions;"
    " cp /mnt/lab/modules/*.ko /lib/modules/$release/misc; cp /mnt/lab/opt/$tree/other/mount.vboxsf /opt/$tree/other;"
    " ln -sf /opt/$tree/other/mount.vboxsf /sbin/mount.vboxsf;"
    " echo \"INSTALL_VER='${tree#*-}'\" >/var/lib/VBoxGuestAdditions/config;"
    ' for module in vboxguest vboxsf; do echo "override $module * misc"; done >/etc/depmod.d/vboxvideo-upstream.conf;'
    " depmod $release"
)
"""What the installer leaves of what matters for shared folders, put into the guest from the share lab-work."""


class Oracle(Fleet):
    """A run of the lab whose guests have Oracle's drivers."""

    def lab(self, *arguments: str, check: bool = True, quiet: bool = True) -> subprocess.CompletedProcess[str]:
        """As of any run."""
        more = ("--driver", "oracle") if arguments[0] == "up" else ()
        return super().lab(*arguments, *more, check=check, quiet=quiet)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with a package in its store, and a guest."""
    with Oracle("oracle", ("o1",)).running(quiet=True) as made:
        made.add_package("hello")
        yield made


def test_the_guest_and_its_host_name_the_version_that_was_installed(fleet: Fleet) -> None:
    loaded = fleet.guest("o1", "cat /sys/module/vboxguest/version /sys/module/vboxsf/version")[1].split("\n")
    assert loaded[0] == loaded[1] and re.fullmatch(r"\d+\.\d+\.\d+ r\d+", loaded[0]), loaded
    version, revision = loaded[0].split()
    assert f'GuestAdditionsVersion="{version} {revision}"' in fleet.vbox("showvminfo", "o1", "--machinereadable")


def test_share_tells_that_the_driver_on_disk_is_another_one(fleet: Fleet) -> None:
    """As after an upgrade: Oracle's drivers are loaded, and the userland has those of its kernel only."""
    play = fleet.play(SHARE, "--check", "--limit", "o1")
    (found,) = play.results("o1", PLAN)
    assert found["guest"]["additions"]["origin"] == "oracle"
    assert "the Linux kernel's own vboxguest is installed. Restart the guest." in found["warnings"][0]


def test_share_mounts_the_store_by_oracles_driver_and_helper(fleet: Fleet) -> None:
    cache = Cache()
    artefact = oracle.oracle(cache, recipes.host(cache), recipes.guest_userland(cache))
    for part in ("modules", "opt"):
        shutil.copytree(artefact / part, fleet.work("o1") / part, symlinks=True)
    fleet.guest("o1", PLACE)
    play = fleet.play(SHARE)
    assert play.status == 0, play.messages("o1") or play.output
    (found,) = play.results("o1", PLAN)
    additions = found["guest"]["additions"]
    assert (additions["origin"], additions["restart"], additions["problem"]) == ("oracle", None, None)
    assert additions["installed"] == additions["full"] and additions["oracle"] == additions["version"]
    again = fleet.play(SHARE)
    assert (again.status, again.changed) == (0, 0), again.output
    assert again.module_runs["o1"] == 2
    shown = fleet.guest("o1", f"grep ' {STORE} ' /proc/self/mounts")[1]
    assert shown.startswith(f"ZeroInstall {STORE} vboxsf ro,"), shown
    assert "this is hello" in fleet.guest("o1", f"{STORE}/*/hello")[1]


def test_the_line_in_fstab_is_taken_by_the_helper(fleet: Fleet) -> None:
    printed = fleet.guest("o1", "mkdir -p /mnt/x; mount -t vboxsf -o nofail ZeroInstall /mnt/x", check=False)[1]
    assert "unknown mount option" in printed, "mount(8) did not run Oracle's helper: " + printed
    fleet.guest("o1", f"umount {STORE} && mount {STORE} && ls {STORE} | grep -q sha256new_")
    line = (
        "mount -t vboxsf -o rw ZeroInstall /mnt/x && touch /mnt/x/y; umount /mnt/x;"
        f" mount -o remount,rw {STORE}; touch {STORE}/y"
    )
    assert fleet.guest("o1", line, check=False)[1].count("Read-only file system") == 2
    play = fleet.play(SHARE, "--limit", "o1")
    assert play.status == 0, play.messages("o1")


def test_oracles_guest_additions_are_good_for_the_role_that_installs(fleet: Fleet) -> None:
    playbook = fleet.folder / "role.yml"
    playbook.write_text(
        "- hosts: o1\n  gather_facts: false\n  roles: [zeroinstall.virtualbox.guest_additions]\n", encoding="utf-8"
    )
    play = fleet.play(str(playbook))
    assert (play.status, play.changed, play.module_runs["o1"]) == (0, 0, 1), play.output


def test_unshare_unmounts(fleet: Fleet) -> None:
    play = fleet.play(UNSHARE)
    assert play.status == 0, play.messages("o1")
    assert "ZeroInstall" not in fleet.guest("o1", "cat /proc/self/mounts /etc/fstab")[1]
