# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest role on a real systemd, with real reboots, in a QEMU guest.

The driver vboxsf is a stand-in, and the shares are 9p's (standin/vboxsf.c). Only the last two tests have the
real drivers of the Linux kernel, and no VirtualBox. The tests build on each other's guest, and most leave it set up
and right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from guest import AUTOMOUNT, EVERYTHING, GUEST_INFO, GUEST_PLAN, MOUNT, MOUNTS, STORE, Guest
from image import image
from machine import BOOT_ID, machine

pytestmark = pytest.mark.thorough

RIGHT = ["systemd-1 autofs", "ZeroInstall vboxsf"]
DROP_IN = f"/etc/systemd/system/{MOUNT}.d/zeroinstall.virtualbox.conf"
NO_AUTOFS = "/etc/modprobe.d/no-autofs.conf"
GONE = "the host does not offer share ZeroInstall to this machine"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A guest with two shares and nothing of ours."""
    folder = tmp_path_factory.mktemp("qemu")
    shares = {name: folder / name for name in ("ZeroInstall", "other")}
    for name, path in shares.items():
        path.mkdir()
        (path / f"file of {name}").touch()
    with machine(image(), folder) as made:
        made.start(shares)
        made.await_boot()
        yield Guest(made, shares)


@pytest.fixture(scope="module")
def before(guest: Guest) -> str:
    """What the guest was before the role ran."""
    return guest.ask(EVERYTHING)


def access(guest: Guest) -> str:
    """What an access to the store ends with, as its user sees it."""
    done = guest.machine.run(f"ls {STORE}")
    return (done.stdout + done.stderr).strip()


def assert_right(guest: Guest) -> None:
    """A run of the role changes nothing, costs two module runs at most, and the share is mounted."""
    play = guest.play()
    assert play.status == 0, play.messages("guest") or play.output
    assert play.changed == 0, play.output
    assert sum(play.module_runs.values()) <= 2, play.module_runs
    assert guest.live() == RIGHT


def refused(guest: Guest) -> str:
    """The message of a run of the role that has to fail, and to change nothing that `EVERYTHING` shows."""
    was = guest.ask(EVERYTHING)
    play = guest.play()
    assert play.status != 0, play.output
    assert guest.ask(EVERYTHING) == was
    return play.messages("guest")


def assert_booted_without_waiting(guest: Guest) -> None:
    """The boot is over, and what is ours took no time in it: systemd waits for an access and has tried nothing."""
    assert guest.ask("systemctl is-system-running", check=False) == "running"
    assert guest.unit(AUTOMOUNT, "SubState", "UnitFileState") == ["waiting", "enabled"]
    began, ended = guest.unit(AUTOMOUNT, "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    assert began == ended != "0"
    assert guest.unit(MOUNT, "InactiveExitTimestampMonotonic") == ["0"]
    assert guest.live() == RIGHT[:1]


def assert_said_why(guest: Guest, reason: str) -> None:
    """The state of systemd's unit and its journal say that and why the mount is missing."""
    assert guest.unit(MOUNT, "ActiveState", "Result") == ["failed", "exit-code"]
    assert reason in guest.ask(f"journalctl --sync; journalctl -b -o cat --no-pager -u {MOUNT}")
    assert MOUNT in guest.ask("systemctl --failed --plain --no-legend")


def take_share(guest: Guest) -> None:
    """The host takes the share away. 9p, unlike vboxsf, cannot lose one that is mounted."""
    guest.ask(f"umount {STORE}")
    guest.machine.take_share("ZeroInstall")


def use_modules(guest: Guest, kernel: str) -> None:
    """From now on the guest's kernel has the modules of another one: see prepare.sh."""
    guest.ask(f"cp /root/modules/{kernel}/* /lib/modules/$(uname -r)/")


def test_the_first_run_leaves_what_a_boot_would(guest: Guest, before: str) -> None:
    check = guest.play("--check", "--diff")
    assert check.status == 0 and check.changed > 0, check.output
    assert guest.ask(EVERYTHING) == before
    result = guest.mounts("--diff")
    assert result["diff"] == check.results("guest", MOUNTS)[0]["diff"]
    assert guest.unit(AUTOMOUNT, "SubState", "UnitFileState") == ["running", "enabled"]
    assert guest.unit(MOUNT, "SubState", "FragmentPath") == ["mounted", f"/run/systemd/generator/{MOUNT}"]
    assert access(guest) == "file of ZeroInstall"
    assert_right(guest)


def test_after_a_reboot_the_first_access_mounts(guest: Guest) -> None:
    guest.machine.reboot()
    assert_booted_without_waiting(guest)
    assert access(guest) == "file of ZeroInstall"
    assert_right(guest)


def test_a_share_that_is_back_is_mounted_after_any_number_of_accesses(guest: Guest) -> None:
    take_share(guest)
    # In one go: systemd's limit, which must not hold here, is five within ten seconds.
    line = f"for n in $(seq 20); do cd {STORE}; done"
    assert guest.machine.run(f"bash -c '{line}'").stderr.count("No such device") == 20
    assert_said_why(guest, "special device ZeroInstall does not exist")
    assert guest.live() == RIGHT[:1]
    guest.machine.give_share("ZeroInstall")
    assert access(guest) == "file of ZeroInstall"
    assert guest.unit(MOUNT, "ActiveState") == ["active"]
    assert guest.live() == RIGHT


def test_a_boot_without_the_share_says_why_and_mounts_it_when_it_is_back(guest: Guest) -> None:
    take_share(guest)
    guest.machine.reboot()
    assert_booted_without_waiting(guest)
    assert access(guest).endswith("No such device")
    assert_said_why(guest, "special device ZeroInstall does not exist")
    play = guest.play()
    assert GONE in play.messages("guest") and play.messages("guest").endswith("Nothing was changed.")
    (entry,) = play.results("guest", GUEST_PLAN)[0]["guest"]["fstab"]["entries"]
    assert (entry["mounted"], entry["error"]) == (False, "No such device")
    guest.machine.give_share("ZeroInstall")
    assert access(guest) == "file of ZeroInstall"
    assert_right(guest)


def test_a_suspended_and_resumed_machine_goes_on(guest: Guest) -> None:
    guest.machine.pause(3)
    assert access(guest) == "file of ZeroInstall"
    guest.ask(f"umount {STORE}")
    guest.machine.save("suspended")
    guest.ask("systemctl stop " + AUTOMOUNT)
    guest.machine.restore("suspended")
    assert access(guest) == "file of ZeroInstall"
    assert guest.live() == RIGHT


def test_a_kernel_without_the_driver_boots_whatever_systemd_can_start(guest: Guest) -> None:
    guest.ask(f"systemctl mask {MOUNT}")
    use_modules(guest, "none")
    guest.machine.reboot()
    assert guest.unit("multi-user.target", "ActiveState") == ["active"]
    assert guest.unit(AUTOMOUNT, "ActiveState") == ["inactive"]
    assert "the driver vboxsf is not available for the running kernel" in refused(guest)
    use_modules(guest, "standin")
    assert {"mask removed", "mounted"} <= set(guest.mounts()["mounts"][0]["changes"])
    assert_right(guest)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            f"sed -i 's/ ro,/ rw,/' /etc/fstab; systemctl daemon-reload; umount {STORE};"
            f" mount -t vboxsf -o ro,nodev,nosuid other {STORE}",
            ("vboxsf ro,", "vboxsf rw,", "other", "ZeroInstall"),
        ),
        (
            f"systemctl disable --now {AUTOMOUNT}; rm {DROP_IN}; systemctl daemon-reload;"
            f" mount -t vboxsf -o ro,nodev,nosuid ZeroInstall {STORE}",
            ("link to ", "StartLimitIntervalSec=0", "systemd waits for accesses"),
        ),
        (
            f"umount {STORE}; systemctl mask --runtime {MOUNT}; ls {STORE}; true",
            ("link to /dev/null", "systemd waits for accesses"),
        ),
    ],
    ids=["line edited, another share", "disabled, drop-in gone, mounted by hand", "masked, and accessed"],
)
def test_drift_is_found_shown_and_put_right(guest: Guest, harm: str, words: tuple[str, ...]) -> None:
    guest.ask(harm)
    check = guest.play("--check", "--diff")
    assert check.status == 0 and check.changed > 0, check.output
    (result,) = check.results("guest", MOUNTS)
    shown = json.dumps(result["diff"])
    assert [word for word in words if word not in shown] == [], shown
    assert guest.mounts("--diff")["diff"] == result["diff"]
    assert access(guest) == "file of ZeroInstall"
    assert_right(guest)


def test_without_autofs_each_boot_mounts_and_none_fails_by_a_share_that_is_gone(guest: Guest) -> None:
    guest.ask(f"for name in autofs autofs4; do echo install $name /bin/false; done > {NO_AUTOFS}")
    guest.machine.reboot()
    assert guest.unit(AUTOMOUNT, "ActiveState") != ["active"]
    assert guest.ask("ls /dev/autofs", check=False) == ""
    result = guest.mounts("--diff")
    assert {"automount unit removed", "link that enables it added"} <= set(result["mounts"][0]["changes"])
    assert guest.live() == RIGHT[1:]
    guest.machine.reboot()
    assert guest.ask("systemctl is-system-running", check=False) == "running"
    assert guest.live() == RIGHT[1:]
    take_share(guest)
    guest.machine.reboot()
    assert guest.unit("multi-user.target", "ActiveState") == ["active"]
    assert guest.live() == []
    assert_said_why(guest, "special device ZeroInstall does not exist")
    guest.machine.give_share("ZeroInstall")
    guest.ask(f"rm {NO_AUTOFS}")
    guest.machine.reboot()
    assert {"automount unit added", "mounted"} <= set(guest.mounts()["mounts"][0]["changes"])
    assert_right(guest)


def test_another_file_system_is_refused(guest: Guest) -> None:
    guest.ask(f"umount {STORE}; mount -t tmpfs foreign {STORE}")
    assert f"{STORE}: foreign (tmpfs) is mounted there" in refused(guest)
    guest.ask(f"umount {STORE}")
    assert access(guest) == "file of ZeroInstall"


def test_undoing_leaves_nothing_with_the_share_and_without_it(guest: Guest, before: str) -> None:
    take_share(guest)
    assert access(guest).endswith("No such device")
    assert guest.play(playbook="unrole.yml").status == 0
    assert guest.ask(EVERYTHING) == before
    assert GONE in refused(guest)
    guest.machine.give_share("ZeroInstall")
    guest.mounts()
    assert guest.play(playbook="unrole.yml").status == 0
    assert guest.ask(EVERYTHING) == before
    assert guest.play(playbook="unrole.yml").changed == 0


def test_a_guest_whose_new_driver_waits_for_a_restart_is_restarted_if_that_is_allowed(guest: Guest) -> None:
    """Its kernel's own driver is installed now, while that of older Guest Additions, a stand-in, is still loaded."""
    use_modules(guest, "mainline")
    # In VirtualBox, udev does this at each boot for the device that is there.
    guest.ask("echo vboxguest > /etc/modules-load.d/device.conf; insmod /root/vboxguest.ko")
    booted = guest.ask(BOOT_ID)
    told = guest.play(playbook="additions.yml")
    assert (told.status, told.changed) == (0, 0), told.output
    assert "Vboxguest 7.0.6 r155176 is still loaded" in told.results("guest", GUEST_INFO)[0]["warnings"][0]
    allowed = ("-e", "guest_additions_reboot=true")
    assert guest.play("--check", *allowed, playbook="additions.yml").changed == 1
    assert guest.ask(BOOT_ID) == booted
    restarted = guest.play(*allowed, playbook="additions.yml")
    assert (restarted.status, restarted.changed) == (0, 1), restarted.messages("guest") or restarted.output
    assert guest.ask(BOOT_ID) != booted
    again = guest.play(*allowed, playbook="additions.yml")
    assert (again.status, again.changed, sum(again.module_runs.values())) == (0, 0, 1), again.output
    additions = again.results("guest", GUEST_INFO)[0]["guest"]["additions"]
    assert (additions["origin"], additions["restart"], additions["problem"]) == ("mainline", None, None)


def test_the_real_driver_outside_virtualbox_is_refused(guest: Guest) -> None:
    guest.machine.shut_down()
    guest.machine.start(guest.shares, "Standard PC")
    guest.machine.await_boot()
    guest.ask("modprobe vboxsf")
    assert "guest is no VirtualBox guest" in refused(guest)
    # A machine that calls itself VirtualBox, as far as the role can see
    guest.ask("echo VirtualBox > /run/name; mount --bind /run/name /sys/class/dmi/id/product_name")
    message = refused(guest)
    assert "the driver vboxsf is not available" in message and "unknown filesystem type" in message
    assert message.endswith("What this run had done before was undone.")
