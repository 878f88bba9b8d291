# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which machine a guest is, by the UUID of its hardware.

The UUID is the guest's own word. So it can speak against this guest, and for nothing.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

ANSWERS = ("cache_host_shared", "cache_host_outlook")
"""The variables of a host with what it answered in this run, the latest first."""

_UUID = re.compile("([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4}-[0-9a-f]{12})")
_MACHINES_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?")
"""As VBoxManage takes it, in braces or without."""
_FEW = 3
"""Different digits of a UUID that nobody drew by lot, such as one of zeros."""
_PLACEHOLDERS = {
    "03000200-0400-0500-0006-000700080009",
    "03020100-0504-0706-0809-0a0b0c0d0e0f",
    "12345678-1234-5678-90ab-cddeefaabbcc",
}
"""What vendors of hardware left in place of a UUID."""


def forms(uuid: object) -> frozenset[str]:
    """A UUID in both orders of bytes in which firmware has it. None of what is no UUID, or a placeholder."""
    found = _UUID.fullmatch(uuid.lower()) if isinstance(uuid, str) else None
    if not found:
        return frozenset()
    swapped = "-".join([*("".join(reversed(re.findall("..", part))) for part in found.groups()[:3]), found[4]])
    both = frozenset({found[0], swapped})
    return frozenset() if both & _PLACEHOLDERS or len(set(found[0]) - {"-"}) <= _FEW else both


def as_uuid(machine: str) -> str:
    """What an inventory calls a machine, as VirtualBox writes UUIDs, or empty for a name."""
    found = _MACHINES_UUID.fullmatch(machine.lower())
    return found[1] if found else ""


def answered(inventory: Inventory, host: str, key: str) -> t.Any:
    """What the latest answer of a host in this run has under a key; nothing if no answer has the key.

    The host said it, so it may be of any type.
    """
    if inventory.has(host):
        for answer in inventory.set_by_tasks(host, ANSWERS).values():
            if isinstance(answer, t.Mapping) and key in answer:
                return answer[key]
    return ()


def entries(answer: t.Any) -> list[t.Mapping[str, t.Any]]:
    """The dictionaries of a list that a host answered. Whatever else it answered is passed over."""
    listed = answer if isinstance(answer, (list, tuple)) else ()
    return [entry for entry in listed if isinstance(entry, t.Mapping)]


def refusal(name: str, machine: str, listed: t.Any, uuid: object) -> str:
    """Why a guest is not the machine that its inventory names, or empty.

    ``name``: its inventory name; ``machine``: its ``cache_guest_machine``; ``listed``: what its host told of the
    machines of its guests; ``uuid``: what the guest says of its hardware.
    """
    said = forms(uuid)
    if not said:
        return ""
    machines = entries(listed)
    own = [forms(entry.get("hardware_uuid")) for entry in machines if entry.get("guest") == name]
    if any(not known or known & said for known in own):
        return ""
    others = [entry for entry in machines if forms(entry.get("hardware_uuid")) & said]
    if not own and not others:
        return ""
    inventory = f"the inventory says cache_guest_machine '{machine}'"
    if not others:
        return (
            f"{name} is another machine than its inventory says: {inventory}, and no machine of its host's guests has"
            f" the hardware UUID {uuid}, which {name} has. Correct cache_guest_machine or cache_guest_host. If the"
            " machine was given another hardware UUID since it was started, switch it off and start it again."
        )
    named = " or ".join(f"'{entry.get('name')}' (guest {entry.get('guest')})" for entry in others)
    return (
        f"{name} is the machine {named} by its hardware UUID {uuid}, and {inventory}. Correct cache_guest_machine or"
        " cache_guest_host."
    )
