# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of a run: real guests that adopt the saved state, and plain machines without any system."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
import uuid as uuids
from collections.abc import Mapping
from pathlib import Path

from . import agent
from .console import LabError, log_tail
from .runs import INSIDE, Run
from .waiting import HANG, until

# Nanoseconds.  Linux's vboxguest takes the interval that the host names for an absolute time, which is always past: its
# timer runs in every tick, and an idle guest costs a quarter of a core.  More than 2^31 ms is a time that never comes.
HEARTBEAT = 3_000_000_000 * 1_000_000
# Percent of the speed of this machine's clock: a guest that is busy then has fewer ticks to handle meanwhile.
CLOCK = 25
SHORTLY = 5.0  # seconds in which a guest that has booted answers, if the machine is not busy
BOOT = Path(__file__).resolve().parents[1] / "boot"

# One line for the agent of a cold-booted guest: run warm/prepare.sh, which the lab has put on the writable share.
PREPARE = "mkdir -p /mnt && mount -t vboxsf lab-work /mnt && sh /mnt/prepare.sh; status=$?; umount /mnt; exit $status"


def own_shares(name: str) -> dict[str, tuple[Path, bool]]:
    """The shares that the lab itself needs: name to host path and whether it is writable."""
    return {
        "lab-userland": (INSIDE / "userland", False),
        "lab-layer": (INSIDE / "layer", False),
        "lab-work": (INSIDE / "guests" / name / "work", True),
    }


def folder(lab: Run, name: str) -> Path:
    """The lab's files of a machine: work, serial.sock, console, launch.log, launch.pid."""
    return lab.lab / "guests" / name


def create(lab: Run, name: str, shares: Mapping[str, tuple[Path, bool]]) -> None:
    """Register a machine that can boot the medium or adopt a state, with these shares; it is not started."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise LabError("%r is no name for a guest: use up to 31 small letters, digits and dashes" % name)
    inside = INSIDE / "guests" / name
    (folder(lab, name) / "work").mkdir(parents=True)
    lab.vbox("createvm", "--name", name, "--ostype", "Debian_64", "--register")
    lab.vbox(
        "modifyvm",
        name,
        "--memory",
        "384",
        "--cpus",
        "1",
        "--vram",
        "4",
        "--graphicscontroller",
        "vboxvga",
        "--firmware",
        "bios",
        "--boot1",
        "dvd",
        "--boot2",
        "none",
        "--boot3",
        "none",
        "--boot4",
        "none",
        "--audio-driver",
        "none",
        "--nic1",
        "none",
        "--vm-execution-engine",
        "interpreter",
        "--uart1",
        "0x3F8",
        "4",
        "--uartmode1",
        "file",
        inside / "console",
        "--uart2",
        "0x2F8",
        "3",
        "--uartmode2",
        "server",
        inside / "serial.sock",
    )
    lab.vbox("storagectl", name, "--name", "IDE", "--add", "ide", "--controller", "PIIX4")
    lab.vbox(
        "storageattach",
        name,
        "--storagectl",
        "IDE",
        "--port",
        "0",
        "--device",
        "0",
        "--type",
        "dvddrive",
        "--medium",
        INSIDE / "boot/guest.iso",
    )
    lab.vbox("setextradata", name, "VBoxInternal/Devices/VMMDev/0/Config/HeartbeatInterval", HEARTBEAT)
    lab.vbox("setextradata", name, "VBoxInternal/TM/WarpDrivePercentage", CLOCK)
    for share, (path, writable) in shares.items():
        lab.vbox(
            "sharedfolder", "add", name, "--name", share, "--hostpath", path, *(() if writable else ("--readonly",))
        )


def create_plain(lab: Run, name: str) -> None:
    """Register a machine with nothing in it.  Started, it stays in its BIOS: it runs, for tests of locks."""
    lab.vbox("createvm", "--name", name, "--register")


def state(lab: Run, name: str) -> str:
    """VMState of a machine as VBoxManage prints it: poweroff, running, saved, aborted, ..."""

    def told():
        result = lab.vbox("showvminfo", name, "--machinereadable", check=False)
        # while a session opens or closes even this fails: "already has a lock request pending"
        return None if "0x80bb0007" in result.stderr else result

    result = until(told, "the session of %s goes on opening or closing" % name, pause=0.1)
    found = re.search(r'^VMState="(\w+)"$', result.stdout, re.MULTILINE)
    if not found:
        raise LabError("%s: no VMState in what VBoxManage prints:\n%s%s" % (name, result.stdout, result.stderr))
    return found.group(1)


def start(lab: Run, name: str, prepared: bool = True) -> None:
    """Start a guest and wait until it answers.  If it is off it adopts the lab's state, with the shares it has now."""
    begin_start(lab, name)
    finish_start(lab, name, prepared)


def begin_start(lab: Run, name: str) -> None:
    """The part of start that need not be waited for."""
    now = state(lab, name)
    if now in ("running", "paused", "starting", "restoring"):
        raise LabError("the guest %s is %s already" % (name, now))
    if now != "saved":
        for leftover in (folder(lab, name) / "work").iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        adopted = folder(lab, name) / "adopted.sav"  # a copy: VirtualBox deletes the file when the machine has read it
        shutil.copyfile(lab.read()["state"], adopted)
        lab.vbox("adoptstate", name, INSIDE / adopted.relative_to(lab.lab))
    launch(lab, name)


def finish_start(lab: Run, name: str, prepared: bool = True) -> None:
    """Wait for the guest, and set what a saved state cannot know.

    These are the clock, the name, the UUID of the machine's hardware, and the collection's modules.
    """
    await_answer(lab, name)
    if prepared:
        ask(
            lab,
            name,
            "date -s @%d >/dev/null; hostname %s; cd %s; echo %s >etc/hostname; echo 127.0.1.1 %s >etc/hosts;"
            " echo %s >run/product_uuid; mount --bind run/product_uuid sys/class/dmi/id/product_uuid;"
            " kill -HUP $(cat run/warm.pid)"
            % (round(time.time()), name, agent.ROOT, name, name, as_seen(hardware_uuid(lab, name))),
        )


def hardware_uuid(lab: Run, name: str) -> str:
    """The UUID of a machine's hardware, as VirtualBox tells it."""
    information = lab.vbox("showvminfo", name, "--machinereadable").stdout
    found = re.search(r'^hardwareuuid="([0-9a-f-]+)"$', information, re.MULTILINE)
    if not found:
        raise LabError("%s: no hardwareuuid in what VBoxManage prints:\n%s" % (name, information))
    return found.group(1)


def as_seen(uuid: str) -> str:
    """A UUID as Linux reads it in the guest of a machine with BIOS: three fields have their bytes in reverse order."""
    return str(uuids.UUID(bytes_le=uuids.UUID(uuid).bytes))


def boot_systemd(lab: Run, name: str) -> str:
    """Have systemd take the place of the lab's init in a running guest; its state when it has booted, or not."""
    shutil.copy(BOOT / "guest-agent.sh", folder(lab, name) / "work")  # a service of systemd's then
    settings = "mkdir -p %s && printf '[Manager]\\nDefaultTimeoutStartSec=%d\\n' >%s/patience.conf"
    place = agent.ROOT + "/etc/systemd/system.conf.d"
    ask(lab, name, settings % (place, HANG, place))
    # The first process looks for its successor when the agent has ended, which cannot answer then: the line does.
    end_agent = "{ echo @@END $id 0@@; kill $$; }"
    status, output = ask(lab, name, "ln -s / %s%s && touch /systemd && %s" % (agent.ROOT, agent.ROOT, end_agent))
    if status:
        raise LabError("%s: systemd cannot take over: %s" % (name, output))
    await_answer(lab, name, "grep -q systemd /proc/1/comm")
    return ask(lab, name, agent.in_userland("systemctl is-system-running --wait"))[1].strip()


def launch(lab: Run, name: str) -> None:
    """Start a machine's process, without the kernel driver."""
    place = folder(lab, name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "serial.sock").unlink(missing_ok=True)
    with open(place / "launch.log", "wb") as log:
        process = subprocess.Popen(
            ["chroot", str(lab.root), str(INSIDE / "launcher/vblaunch"), "--startvm", name, "--vrde", "off"],
            env=agent.LOGIN,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    (place / "launch.pid").write_text("%d\n" % process.pid)
    while process.poll() is None and not _alive(lab, name):  # until it has changed its root
        time.sleep(0.005)


def start_plain(lab: Run, name: str) -> None:
    """Start a machine that has no agent and wait until VirtualBox calls it running.

    Not by showvminfo: that locks the machine for a moment, and a machine that is just starting fails then.
    """
    lab.vbox("modifyvm", name, "--vm-execution-engine", "interpreter")  # else VERR_SUP_DRIVERLESS
    launch(lab, name)

    def runs() -> bool:
        found = '"%s"' % name in lab.vbox("list", "runningvms").stdout
        if not found and not _alive(lab, name):
            raise LabError("the machine %s does not run: %s" % (name, log_tail(folder(lab, name) / "launch.log")))
        return found

    until(runs, "the machine %s does not run" % name, pause=0.1)


def stop(lab: Run, name: str) -> None:
    """Switch a machine off and wait until its shares can be changed again; nothing to do if it is off."""
    lab.vbox("controlvm", name, "poweroff", check=False)
    await_state(lab, name, ("poweroff", "aborted"))


def save(lab: Run, name: str, target: Path) -> None:
    """Save a running machine's state and move the file to TARGET."""
    lab.vbox("controlvm", name, "savestate")
    await_state(lab, name, ("saved",))
    information = lab.vbox("showvminfo", name, "--machinereadable").stdout
    settings = re.search(r'^CfgFile="/(.*)"$', information, re.MULTILINE)
    if not settings:
        raise LabError("%s: no CfgFile in what VBoxManage prints:\n%s" % (name, information))
    shutil.copyfile(next(((lab.root / settings.group(1)).parent / "Snapshots").glob("*.sav")), target)


def ask(lab: Run, name: str, command: str, timeout: float = HANG) -> tuple[int, str]:
    """Exit status and output of a line run by the guest's agent."""
    try:
        return agent.ask(folder(lab, name), command, timeout)
    except agent.AgentError as error:
        raise LabError(str(error)) from error


def await_answer(lab: Run, name: str, line: str = "true") -> None:
    """Wait until the agent answers that a line succeeds; LabError when its process ends.

    What is asked while the guest boots may be lost, so it is asked again: after a while that grows with what the guest
    has taken so far, as on a busy machine the answer takes long, too.
    """
    began = time.monotonic()

    def answers() -> bool:
        with contextlib.suppress(agent.AgentError):
            if agent.ask(folder(lab, name), line, max(SHORTLY, (time.monotonic() - began) / 5))[0] == 0:
                return True
        if not _alive(lab, name):
            raise LabError("the guest %s did not start: %s" % (name, log_tail(folder(lab, name) / "launch.log")))
        return False

    until(answers, "the guest %s gave no answer: see %s" % (name, folder(lab, name) / "console"))


def fallbacks(lab: Run, name: str) -> str:
    """What the guest's warm interpreter did the slow way since its start; empty if nothing.  Asks for one more call."""
    status, output = ask(
        lab, name, "chroot %s /opt/warm/python -c pass && cat %s/run/warm-fallbacks" % (agent.ROOT, agent.ROOT)
    )
    if status:
        raise LabError("%s: no warm interpreter in it: %s" % (name, output))
    return output.strip()


def compiled(lab: Run, name: str) -> list[str]:
    """The files that the warm interpreter had to compile in the guest since its start."""
    return ask(lab, name, "cat %s/run/warm-compiled" % agent.ROOT)[1].split()


def await_state(lab: Run, name: str, states: tuple[str, ...]) -> None:
    """Wait until a machine's process has ended and it is in one of these states."""
    until(
        lambda: not _alive(lab, name) and state(lab, name) in states,
        lambda: "the machine %s is still %s" % (name, state(lab, name)),
    )


def _alive(lab: Run, name: str) -> bool:
    """The machine's process exists, is in this run's root and is no zombie."""
    with contextlib.suppress(OSError, ValueError):
        process = int((folder(lab, name) / "launch.pid").read_text())
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, os.WNOHANG)
        return lab.has(process)
    return False
