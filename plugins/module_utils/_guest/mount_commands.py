# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands that mount and unmount, as lists of words. Pure."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    fstab,
    systemd_units,
    wanted_mounts,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Mount


def unmount_command(path: str) -> list[str]:
    return ["umount", "--", path]


def mount_command(share: str, path: str, options: Sequence[str]) -> list[str]:
    return ["mount", "-t", fstab.TYPE, "-o", ",".join(options), "--", share, path]


def wanted_command(mount: Mount) -> list[str]:
    return mount_command(mount.share, mount.path, wanted_mounts.mount_options(mount))


RELOAD = ["systemctl", "daemon-reload"]


def start_command(path: str) -> list[str]:
    return ["systemctl", "start", "--", systemd_units.unit(path, "automount"), systemd_units.unit(path, "mount")]


def stop_command(path: str) -> list[str]:
    return ["systemctl", "stop", "--", systemd_units.unit(path, "automount")]


def forget_command(path: str) -> list[str]:
    """Systemd keeps a unit that failed in its list, even where nothing is left of it."""
    return ["systemctl", "reset-failed", "--", systemd_units.unit(path, "mount")]
