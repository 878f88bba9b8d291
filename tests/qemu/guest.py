# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest role, run on a QEMU guest, and what is to be seen of it there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet import Fleet, Play
from machine import Machine

HERE = Path(__file__).resolve().parent
STORE = "/var/cache/0install.net/implementations"
MOUNT = "var-cache-0install.net-implementations.mount"
AUTOMOUNT = "var-cache-0install.net-implementations.automount"
MOUNTS = "zeroinstall.virtualbox.mounts"
GUEST_INFO = "zeroinstall.virtualbox.guest_info"
GUEST_PLAN = "zeroinstall.virtualbox.guest_plan"
EVERYTHING = (
    "find /etc /var/cache /var/lib -xdev -path /var/cache/ldconfig -prune -o -path /var/lib/systemd -prune -o"
    " -type d -printf '%p d %m %u\\n' -o -printf '%p %y %m %u %s %l\\n' | sort;"
    " find /etc -xdev -type f -exec cksum {} + | sort;"
    " cut -d' ' -f5,9- /proc/self/mountinfo | sed -E 's/(fd|pgrp|pipe_ino)=[0-9]+/\\1/g' | sort;"
    " systemctl list-units --all --plain --no-legend --type=mount,automount,target"
    " | awk '{print $1, $2, $3, $4}' | sort"
)
"""A shell line that prints what the role may change: files, mounts and systemd's units."""


class Guest:
    """A machine with the shares that it is started with."""

    def __init__(self, machine: Machine, shares: Mapping[str, Path]) -> None:
        self.machine = machine
        self.shares = shares
        self.ask = machine.ask
        self.fleet = Fleet("qemu", ("guest",))
        self.fleet.inventory, self.fleet.folder = machine.configure_ansible(), machine.folder

    def play(self, *options: str, playbook: str = "role.yml") -> Play:
        """Run the role."""
        return self.fleet.play(str(HERE / playbook), *options)

    def mounts(self, *options: str) -> dict[str, Any]:
        """The result of the module that mounts, in a run of the role that has to succeed."""
        play = self.play(*options)
        assert play.status == 0, play.messages("guest") or play.output
        (result,) = play.results("guest", MOUNTS)
        return result

    def live(self) -> list[str]:
        """What is mounted at the store's path, the visible one last: source and type."""
        line = f"awk '$5 == \"{STORE}\"' /proc/self/mountinfo"
        return [" ".join(line.split(" - ")[1].split()[1::-1]) for line in self.ask(line).splitlines()]

    def unit(self, name: str, *properties: str) -> list[str]:
        """Properties of a unit of systemd."""
        shown = self.ask("systemctl show" + "".join(f" -p {one}" for one in properties) + " -- " + name)
        values = dict(line.split("=", 1) for line in shown.splitlines())
        return [values[one] for one in properties]
