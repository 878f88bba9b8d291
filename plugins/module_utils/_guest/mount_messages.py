# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it means for a user that a mount failed, or does not answer, and what to do. Pure."""

from __future__ import annotations

import re
from typing import Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import fstab, wanted_mounts


def dead(live: live_mounts.Live, error: str, lines: Sequence[fstab.Line] = (), ours: bool = False) -> str:
    """What it means that a mount does not answer, and the way out."""
    what = f"share {live.source}" if live.type == fstab.TYPE else f"{live.source} ({live.type})"
    numbers = [str(line.number) for line in lines if line.entry and fstab.same_place(line.entry, live.path)]
    line = f", and take line {numbers[0]} out of fstab, which mounts it at the next boot" if numbers else ""
    why = " The host took the share away or changed it." if live.type == fstab.TYPE else ""
    if ours:
        way = (
            "The module mounts mounted it, and unmounts it with 'state: absent' for that path, or with "
            "'exclusive: true', as the role cache_guest does."
        )
    else:
        way = f"Unmount it with 'umount {live.path}', or 'umount -l {live.path}' if it is busy{line}. Then run again."
    return f"{what} is mounted at {live.path} and does not answer: {error}.{why} {way}"


# What mount(8), its helpers and the kernel say: older ones name the call `mount(2)`, newer ones `fsconfig()`.
# ENXIO ("or address") is what Oracle's driver says of a share, ENODEV what the kernel says of a driver.
_NO_DRIVER = re.compile(r"unknown filesystem type|No such device(?! or address)")
_NO_SHARE = re.compile(
    r"special device \S+ does not exist|was not found \(check VM settings|Host rejected mount of"
    r"|No such file or directory|No such device or address|Protocol error"
)
_BAD_OPTION = re.compile(r"Unknown parameter|Bad value for|bad option|Invalid argument")


def mount_failure(mount: wanted_mounts.Mount, output: str, virtualbox: bool) -> str:
    """What a failed ``mount`` means for its user: what is wrong and what to do."""
    said = " ".join(output.split())
    start = f"share {mount.share} cannot be mounted at {mount.path}: "
    if _NO_DRIVER.search(said):
        return start + driver_missing(virtualbox) + f" mount said: {said}"
    if _NO_SHARE.search(said):
        return (
            f"{start}the host does not offer share {mount.share} to this machine. Let the host share it "
            "(playbook zeroinstall.virtualbox.share). If it already does, the share takes effect when the machine is "
            f"powered off and started again. mount said: {said}"
        )
    if _BAD_OPTION.search(said):
        options = ",".join(wanted_mounts.mount_options(mount))
        return (
            f"{start}the driver refuses its options {options}. Take out those that you gave "
            f"(cache_guest_mount_options). mount said: {said}"
        )
    return f"{start}mount said: {said}"


def driver_missing(virtualbox: bool) -> str:
    """Why vboxsf cannot be mounted, and what to do."""
    if not virtualbox:
        return (
            "this is no VirtualBox guest: the machine does not call itself VirtualBox and has no VirtualBox guest "
            "device. Take it out of the group of guests."
        )
    return (
        "the driver vboxsf is not available for the running kernel. Install Guest Additions of the host's version, or "
        "a kernel package that has the modules vboxguest and vboxsf."
    )
