# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of live mounts and of wanted ones in one form, in which they can be compared and shown. Pure."""

from __future__ import annotations

from typing import Iterable, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import fstab, wanted_mounts

_SHOWN_FLAGS = ("nodev", "nosuid", "noexec")


def _values(options: Iterable[str]) -> dict[str, str]:
    return {name: value for name, equals, value in (option.partition("=") for option in options) if equals}


def _driver_options(options: Sequence[str]) -> dict[str, str]:
    """Owner and modes that options give, in one spelling, where they are not the driver's defaults."""
    values = _values(options)
    for mask in ("dmask", "fmask"):
        values.setdefault(mask, values.get("umask", "0"))
    found = {name: values[name].lstrip("0") for name in ("uid", "gid") if values.get(name, "0").lstrip("0")}
    for name in ("dmode", "fmode", "dmask", "fmask"):
        digits = values.get(name, "0").lstrip("0")
        if digits or (name in values and name.endswith("mode")):
            found[name] = "0" + digits
    return found


def effective(
    live: live_mounts.Live, made_with: fstab.Entry | None = None, owner: tuple[int, int] | None = None
) -> tuple[str, ...]:
    """The options of a live mount that matter here, in one form that can be compared and shown.

    Oracle's driver shows its own options, always with ``uid=``. That of the Linux kernel shows none of them: there
    ``made_with``, the fstab entry that the mount was most likely made with, speaks for the modes, and ``owner``,
    user and group of the mounted folder, for the owner.
    """
    shown = live.details
    if "uid" not in _values(shown):
        shown = made_with.options if made_with else ()
        if owner is not None:
            shown = (
                *(option for option in shown if not option.startswith(("uid=", "gid="))),
                f"uid={owner[0]}",
                f"gid={owner[1]}",
            )
    return _in_one_form("ro" if live.readonly else "rw", live.flags, _driver_options(shown))


def wanted_options(mount: wanted_mounts.Mount) -> tuple[str, ...]:
    """The same form, for a mount that is wanted."""
    options = wanted_mounts.mount_options(mount)
    return _in_one_form(options[0], options, _driver_options(options))


def _in_one_form(access: str, flags: Sequence[str], driver: dict[str, str]) -> tuple[str, ...]:
    shown = [flag for flag in _SHOWN_FLAGS if flag in flags]
    return (access, *shown, *(f"{name}={driver[name]}" for name in sorted(driver)))


def line_of(source: str, path: str, options: Sequence[str]) -> str:
    """One line of a diff for a live mount."""
    return "{} {} {} {}\n".format(fstab.escape(source), fstab.escape(path), fstab.TYPE, ",".join(options))


def automounted(live: live_mounts.Live) -> bool:
    """Whether this is systemd waiting for the first access to a mount."""
    return live.type == "autofs" and live.source == "systemd-1"
