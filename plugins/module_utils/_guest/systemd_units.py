# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd's units for a guest's mounts, by systemd.mount(5) and systemd.automount(5): names and texts. Pure."""

from __future__ import annotations

import string

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names

UNITS = "/etc/systemd/system"
RUNTIME_UNITS = "/run/systemd/system"
GENERATED_UNITS = "/run/systemd/generator"
_PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())
_WRITTEN = f"# Written by the Ansible collection {_names.MARK}.\n"


def unit(path: str, kind: str) -> str:
    """The name of systemd's unit for a path, as ``systemd-escape --path --suffix=KIND`` gives it."""
    raw = path.strip("/").encode("utf-8", "surrogateescape")
    name = "".join(
        "-" if byte == 0x2F else chr(byte) if byte in _PLAIN and (byte != 0x2E or index) else f"\\x{byte:02x}"
        for index, byte in enumerate(raw)
    )
    return f"{name}.{kind}"


def automount_file(path: str) -> str:
    """The file with the unit that waits for the first access to a path."""
    return f"{UNITS}/{unit(path, 'automount')}"


def automount_text(path: str) -> str:
    """Its text."""
    where = path.replace("%", "%%")
    return (
        f"{_WRITTEN}[Unit]\nStartLimitIntervalSec=0\n\n[Automount]\nWhere={where}\n\n"
        "[Install]\nWantedBy=local-fs.target\n"
    )


def is_ours(text: object) -> bool:
    """Whether a unit's text is one that this collection wrote."""
    return isinstance(text, str) and text.startswith(_WRITTEN)


def generated_file(path: str) -> str:
    """The file with the mount unit that systemd makes of the fstab line, at each boot and each time it reloads."""
    return f"{GENERATED_UNITS}/{unit(path, 'mount')}"


def wanted_by(path: str, kind: str) -> str:
    """The link by which a boot wants the unit of this kind, and does not fail without it."""
    return f"{UNITS}/local-fs.target.wants/{unit(path, kind)}"


def mount_drop_in(path: str) -> str:
    """The file with what fstab cannot say about the mount unit."""
    return f"{UNITS}/{unit(path, 'mount')}.d/zeroinstall.virtualbox.conf"


MOUNT_DROP_IN_TEXT = _WRITTEN + (
    "# Each access tries to mount. After five that failed within ten seconds, systemd would stop waiting for more,\n"
    "# and the mount point would be an ordinary folder.\n[Unit]\nStartLimitIntervalSec=0\n"
)


AT_BOOT_DROP_IN_TEXT = _WRITTEN + (
    "# The kernel has no autofs, so the boot mounts the share, once the driver is loaded.\n"
    "[Unit]\nAfter=systemd-modules-load.service\n"
)


def mount_files(path: str) -> list[str]:
    """Files that would take the place of the mount unit that systemd makes of the fstab line."""
    return [f"{folder}/{unit(path, 'mount')}" for folder in (UNITS, RUNTIME_UNITS)]
