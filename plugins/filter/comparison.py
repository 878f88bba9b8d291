# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.comparison``."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import Odd, items, mapping, word
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: comparison
short_description: Choose what a guest compares with its host
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Reads what the role C(cache_verify) found on a host in this run.
options:
  _input:
    description: Inventory name of the host.
    type: str
    required: true
  sample:
    description: How many of the host's sound implementations the guest verifies, chosen at random.
    type: int
    default: 1
  every:
    description: Whether the guest verifies all of them.
    type: bool
    default: false
  seen:
    description: The names that the guest sees.
    type: list
    elements: str
  check_mode:
    description: Whether this is check mode, so that what was to be moved aside is still there.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Choose what to verify
  ansible.builtin.debug:
    msg: "{{ (cache_guest_host | zeroinstall.virtualbox.comparison(hostvars=hostvars, sample=3)).names }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), why there is nothing to compare with, or empty.
    - RV(ignore:names), what the guest is to verify; RV(ignore:names_digest), the digest of all the host's names;
      RV(ignore:moved), whether the host has moved implementations aside since. Then the digest no longer fits.
    - With O(seen), RV(ignore:missing), what the guest should see and does not, and RV(ignore:more), what it should not.
  type: dict
"""

RESULT = "cache_verify_result"
STORES = "cache_verify_stores"
MOVED = "cache_verify_moved"
MORE = "cache_verify_moved_more"


def problem(host: str, inventory: Inventory, result: t.Mapping[str, t.Any], unnamed: int) -> str:
    """Why there is nothing to compare with, or empty."""
    if "names" not in result:
        return (
            f"Its host {host} was not verified in this run, so there is nothing to compare with: see above whether it"
            " was reached, name it in --limit too, and set cache_verify_guests for it as for its guests."
        )
    if inventory.said(host, [STORES]).values.get(STORES):
        return (
            f"On its host {host}, cache_verify_stores names other stores than the one that is shared, so there is"
            " nothing to compare with. Leave it empty, or cache_verify_guests false."
        )
    if result.get("names_left_out") or unnamed:
        return (
            f"Its host {host} has more implementations than are named, or had more of them moved aside just now, so"
            " there is nothing to compare with. See what is in the host's store, and verify again."
        )
    return ""


def sound(names: t.Iterable[str], result: t.Mapping[str, t.Any]) -> list[str]:
    """Those that have no problem on the host."""
    told = {
        word(mapping(one, "problems").get("name"), "problems.name")
        for one in items(result.get("problems") or [], "problems")
    }
    corrupt = mapping(result.get("corrupt") or {}, "corrupt").values()
    bad = told.union(word(name, "corrupt") for each in corrupt for name in items(each, "corrupt"))
    return [name for name in names if name not in bad]


def comparison(
    host: str,
    hostvars: t.Any,
    sample: int = 1,
    every: bool = False,
    seen: t.Sequence[str] | None = None,
    check_mode: bool = False,
) -> dict[str, t.Any]:
    """What a guest of this host is to see."""
    inventory = Inventory(hostvars)
    found = inventory.set_by_tasks(host, (RESULT, MOVED, MORE)) if inventory.has(host) else {}
    result = found.get(RESULT) or {}
    try:
        moved = {} if check_mode else found
        reason = problem(host, inventory, result, int(moved.get(MORE) or 0))
        if reason:
            return {"problem": reason}
        gone = {word(mapping(one, "moved").get("name"), "moved.name") for one in items(moved.get(MOVED) or [], "moved")}
        names = [name for name in items(result["names"], "names") if word(name, "names") not in gone]
        if seen is not None:
            return {"problem": "", "missing": sorted({*names} - {*seen}), "more": sorted({*seen} - {*names})}
        candidates = sound(names, result)
    except Odd as error:
        return {"problem": f"The answer of its host {host} is none that store_verify gives (see {error})."}
    return {
        "problem": "",
        "names": candidates if every else random.sample(candidates, min(int(sample), len(candidates))),
        "names_digest": result.get("names_digest"),
        "moved": bool(gone),
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"comparison": harmless(comparison)}
