# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.comparison``."""

from __future__ import annotations

import hashlib
import posixpath
import random
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes
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
  guest:
    description: Inventory name of the guest. If it sees its programs alone, its linked store counts.
    type: str
    default: ""
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
    - RV(ignore:names), what the guest is to verify; RV(ignore:names_digest), the digest of all names that it is to see;
      RV(ignore:moved), whether the host has moved implementations aside since. Then the digest no longer fits.
    - With O(seen), RV(ignore:missing), what the guest should see and does not, and RV(ignore:more), what it should not.
  type: dict
"""

RESULT = "cache_verify_result"
STORES = "cache_verify_stores"
MOVED = "cache_verify_moved"
MORE = "cache_verify_moved_more"
ARRANGEMENT = "cache_host_arrangement"


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


class Store(t.NamedTuple):
    """The store that a guest sees: its path on the host, empty where it is the only one, and the names in it."""

    path: str
    names: list[str]


def _seen(inventory: Inventory, host: str, guest: str, result: t.Mapping[str, t.Any]) -> Store | None:
    """What a guest is to see. None: it has no linked store, and should. Odd: the answer has another shape."""
    by_store = {
        word(path, "names_by_store"): [word(name, "names_by_store") for name in items(names, "names_by_store")]
        for path, names in mapping(result.get("names_by_store") or {}, "names_by_store").items()
    }
    own = inventory.said(guest, [_modes.SEES]).values if guest and inventory.has(guest) else {}
    if _modes.sees_programs(own):
        arrangement = str(inventory.said(host, [ARRANGEMENT]).values.get(ARRANGEMENT, _names.DEFAULT_ARRANGEMENT))
        end = _names.linked_store(_names.STORE, _modes.box_name(guest, arrangement))
        return next((Store(path, names) for path, names in by_store.items() if path.endswith(end)), None)
    for path, names in by_store.items():  # the store itself is the first
        return Store(path, names)
    return Store("", [word(name, "names") for name in items(result["names"], "names")])


def _gone(moved: t.Any, store: str) -> set[str]:
    """The names of what was moved out of a store, or out of any where its path is empty. Odd: as above."""
    ones = [mapping(one, "moved") for one in items(moved or [], "moved")]
    mine = [one for one in ones if not store or posixpath.dirname(word(one.get("from"), "moved.from")) == store]
    return {word(one.get("name"), "moved.name") for one in mine}


def comparison(
    host: str,
    hostvars: t.Any,
    guest: str = "",
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
        store = _seen(inventory, host, guest, result)
        if store is None:
            return {
                "problem": f"Its host {host} has no linked store for it. Run the playbook share, and then programs."
            }
        gone = _gone(moved.get(MOVED), store.path)
        names = [name for name in store.names if name not in gone]
        if seen is not None:
            return {"problem": "", "missing": sorted({*names} - {*seen}), "more": sorted({*seen} - {*names})}
        candidates = sound(names, result)
    except Odd as error:
        return {"problem": f"The answer of its host {host} is none that store_verify gives (see {error})."}
    return {
        "problem": "",
        "names": candidates if every else random.sample(candidates, min(int(sample), len(candidates))),
        "names_digest": hashlib.sha256("".join(name + "\n" for name in store.names).encode()).hexdigest(),
        "moved": bool(gone),
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"comparison": harmless(comparison)}
