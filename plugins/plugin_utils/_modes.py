# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each mode of a guest means for its host: the one table of arrangements."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names


def _readonly(guest: dict[str, t.Any], store: str) -> list[dict[str, t.Any]]:
    return [{"name": guest["cache_guest_share"], "path": store}]


SHARES: dict[str, t.Callable[[dict[str, t.Any], str], list[dict[str, t.Any]]]] = {"readonly": _readonly}
"""For each mode: the shares of a guest with these variables, given the path of its host's store."""


def check_store(path: str) -> str:
    """The path itself; ValueError if it is no store of implementations by its name."""
    if not _names.is_store_path(path):
        raise ValueError(
            f"'{path}' is not a store of implementations: only an absolute path that ends in '{_names.STORE}' may be"
            " shared, since what lies beside it would let a guest run code on the host. Correct cache_host_path.")
    return path


def machines(guests: dict[str, dict[str, t.Any]], store: str, wanted: bool = True) -> list[dict[str, t.Any]]:
    """The option C(machines) of the module C(shares) for these guests (inventory name to variables) of one host.

    Unless C(wanted), the machines have no shares. ValueError names the guest whose variables are wrong.
    """
    check_store(store)
    entries: dict[str, str] = {}
    result = []
    for name, guest in guests.items():
        machine, mode = guest.get("cache_guest_machine"), guest["cache_guest_mode"]
        if not machine or not isinstance(machine, str):
            raise ValueError(f"guest '{name}' does not name its machine: set cache_guest_machine to the name or UUID"
                             " that VirtualBox knows it by.")
        if mode not in SHARES:
            raise ValueError(f"guest '{name}' has the unknown mode '{mode}': set cache_guest_mode to one of"
                             f" {', '.join(SHARES)}.")
        if machine in entries:
            raise ValueError(f"guests '{entries[machine]}' and '{name}' name the same machine '{machine}':"
                             " correct cache_guest_machine.")
        entries[machine] = name
        result.append({"machine": machine, "shares": SHARES[mode](guest, store) if wanted else []})
    return result
