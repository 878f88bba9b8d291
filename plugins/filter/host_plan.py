# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.host_plan``."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: host_plan
short_description: Say what a host has to do beside sharing, and what it could not do
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Compares what a host has with its arrangement, and says which steps of the role C(cache_host) it needs.
options:
  _input:
    description: What P(zeroinstall.virtualbox.host_arrangement#filter) returned, or nothing if nothing is to be shared.
    type: dict
    required: true
  stores:
    description: The stores of groups that are there, as RV(zeroinstall.virtualbox.group_stores#module:stores) has them.
    type: list
    elements: dict
    required: true
  outlook:
    description: What M(zeroinstall.virtualbox.shares) answered first, in check mode.
    type: dict
    default: {}
  shared:
    description: What it answered when it shared. If it was not run, O(outlook) counts.
    type: dict
    default: {}
  other_shares:
    description: The variable C(cache_host_other_shares) of the role.
    type: str
    default: refuse
  left_over:
    description: What to do with what is left over, as the variable C(cache_host_left_over) of the role has it.
    type: str
    choices: [report, remove]
    default: report
  boxes:
    description: The folder with the boxes of guests, as the variable C(cache_host_boxes_path) of the role has it.
    type: str
    default: ""
  linked:
    description: The linked stores that are there, as RV(zeroinstall.virtualbox.linked_stores#module:found) has them.
    type: list
    elements: dict
    default: []
  name:
    description: The name of the arrangement, as the variable C(cache_host_arrangement) of the role has it.
    type: str
    default: default
  ends:
    description: Whether the run takes something back. Then what it could not take back yet is not served.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Name the empty stores of groups
  ansible.builtin.debug:
    msg: "{{ (nothing | zeroinstall.virtualbox.host_plan(stores=found.stores)).stale_groups }}"
  vars:
    nothing: {}
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:group_stores), the paths of the stores of groups; RV(ignore:missing_groups), groups whose stores are to
      be made.
    - RV(ignore:stale_groups), groups whose stores are to be removed, because they are empty, no guest is in them, and
      no machine shares them, as far as is known. RV(ignore:kept_groups), all other groups.
    - RV(ignore:missing_linked), the linked stores that are to be made, as the option
      O(zeroinstall.virtualbox.linked_stores#module:stores) has them. RV(ignore:stale_linked), the names of those that
      are to be removed.
    - RV(ignore:left_over), a sentence for each thing that is left over, with the remedy if it stays.
      RV(ignore:taken_back), the shares that are taken back from each machine.
    - RV(ignore:kept_boxes), the names of boxes that the role leaves alone; RV(ignore:shared_boxes), those that machines
      still share; RV(ignore:absent_boxes), the boxes that the guests can have, and that no machine shares.
    - RV(ignore:boxes_left_over), what to do with boxes that are left over, as O(left_over) has it.
    - RV(ignore:not_served), why some machines did not get what is theirs, or empty.
  type: dict
"""


def host_plan(
    arrangement: t.Mapping[str, t.Any],
    stores: t.Sequence[t.Mapping[str, t.Any]],
    outlook: t.Mapping[str, t.Any] | None = None,
    shared: t.Mapping[str, t.Any] | None = None,
    other_shares: str = "refuse",
    left_over: str = "report",
    boxes: str = "",
    linked: t.Sequence[t.Mapping[str, t.Any]] = (),
    name: str = _names.DEFAULT_ARRANGEMENT,
    ends: bool = False,
) -> dict[str, t.Any]:
    """What is to be done, and what could not be."""
    outlook = outlook or {}
    wanted, refused = arrangement.get("groups", []), arrangement.get("refused", {})
    left_alone = _left_alone(outlook)
    said = outlook if not shared or shared.get("skipped") else shared
    told = [*refused.values(), *_left_alone(said)]
    if not arrangement:  # everything is to be taken back, and a machine that cannot be read may have some of it
        told += said.get("unreadable", [])
    if ends:
        told += [
            f"Share '{item['share']}' of machine {item['name']} is still there: {item['reason']}."
            for item in said.get("pending", [])
            if item["action"] == "remove"
        ]
    if any(other["refused"] for other in said.get("others", [])):
        told.append(f"Where such a share is meant, set cache_host_other_shares: warn (it is '{other_shares}').")
    # A machine of which nothing is known may still share the box, or the store, that its guest had in another mode.
    doubts = arrangement.get("doubts", [])
    unknown = bool(refused or doubts or left_alone or outlook.get("unreadable"))
    kept_boxes = [
        *arrangement.get("kept_boxes", []),
        *(arrangement.get("possible_boxes", []) if left_alone else []),
    ]
    empty = [
        store
        for store in stores
        if store["empty"] and store["group"] not in wanted and not _is_used(store["path"], said.get("in_use", []))
    ]
    stale = [] if unknown or left_over != "remove" else [store["group"] for store in empty]
    sentences = [_of_stray(stray, left_over, said, doubts) for stray in said.get("strays", [])]
    sentences += [f"{message} What it has of this host is not known." for message in said.get("unreadable", [])]
    sentences += [_of_store(store, left_over, doubts) for store in empty if store["group"] not in stale]
    idle = _idle(linked, name, [*arrangement.get("linked", []), *kept_boxes], said.get("in_use", []))
    if arrangement and ends:  # those of these guests alone, whatever is known of others
        of_them = [] if left_alone else arrangement.get("possible_boxes", [])
        idle = [one for one in idle if one["name"] in of_them]
        stale_linked = idle
    else:
        stale_linked = [] if unknown or left_over != "remove" else idle
    sentences += [_of_linked(one, left_over, doubts) for one in idle if one not in stale_linked]
    if doubts and left_over == "remove":
        sentences.append(f"No box is removed either, as it may be a guest's. {' '.join(doubts)}")
    taken = {
        f"{machine['name']} ({machine['uuid']})": [
            change["share"] for change in machine["changes"] if change["action"] in ("remove", "forget")
        ]
        for machine in said.get("machines", [])
    }
    return {
        "missing_groups": sorted(set(wanted) - {store["group"] for store in stores}),
        "group_stores": [store["path"] for store in stores],
        "stale_groups": stale,
        "kept_groups": sorted({*wanted, *(store["group"] for store in stores)} - set(stale)),
        "missing_linked": _missing(arrangement.get("linked", []), linked),
        "stale_linked": [one["name"] for one in stale_linked],
        "kept_boxes": kept_boxes,
        "absent_boxes": [] if left_alone else _unused(arrangement.get("possible_boxes", []), said.get("in_use", [])),
        "shared_boxes": _boxes_in_use(said.get("in_use", []), boxes),
        "boxes_left_over": "report" if unknown else left_over,
        "not_served": " ".join(told),
        "left_over": sentences,
        "taken_back": [f"machine {label}: {_quoted(shares)}" for label, shares in taken.items() if shares],
    }


def _left_alone(answer: t.Mapping[str, t.Any]) -> list[str]:
    """Messages about machines that were left alone, whatever they still share."""
    return [message for key in ("unresolved", "inaccessible", "refused") for message in answer.get(key, [])]


def _is_used(path: str, in_use: t.Iterable[str]) -> bool:
    """Whether a machine shares a folder, or something in it."""
    return any(used == path or used.startswith(path + "/") for used in in_use)


def _idle(
    linked: t.Iterable[t.Mapping[str, t.Any]], name: str, wanted: t.Collection[str], in_use: t.Sequence[str]
) -> list[t.Mapping[str, t.Any]]:
    """The linked stores of an arrangement that no guest is to have, and that no machine shares."""
    own = (one for one in linked if _names.arrangement_of(one["name"]) == name and one["name"] not in wanted)
    return [one for one in own if not _is_used(one["path"], in_use)]


def _missing(wanted: t.Iterable[str], linked: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The linked stores that are to be made."""
    there = {one["name"] for one in linked}
    return [{"name": name} for name in wanted if name not in there]


def _quoted(names: t.Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in dict.fromkeys(names))


def _unused(boxes: t.Iterable[str], in_use: t.Iterable[str]) -> list[str]:
    """The boxes that no machine shares."""
    used = {posixpath.basename(path) for path in in_use}
    return [box for box in boxes if box not in used]


def _boxes_in_use(paths: t.Iterable[str], folder: str) -> list[str]:
    """The names of the boxes that machines still share."""
    return sorted({posixpath.basename(path) for path in paths if posixpath.dirname(path) == folder})


def _of_stray(
    stray: t.Mapping[str, t.Any], left_over: str, said: t.Mapping[str, t.Any], doubts: t.Sequence[str]
) -> str:
    """What is said of a machine that still has shares of this host's, and is no guest's."""
    text = (
        f"Machine {stray['name']} ({stray['uuid']}) is the machine of no guest of this host in the arrangement"
        f" '{stray['arrangement']}', and has {_quoted(stray['shares'])} of it."
    )
    if stray["removed"]:
        return f"{text} That is taken back."
    text += " If it is a guest's, name it in cache_guest_machine of that guest, and this host in cache_guest_host."
    if left_over != "remove":
        return f"{text} Otherwise set cache_host_left_over: remove (it is '{left_over}') to take that back."
    reason = (
        " ".join(doubts)
        or said.get("doubt")
        or " ".join(str(item["reason"]) for item in said.get("pending", []) if item["uuid"] == stray["uuid"])
    )
    return f"{text} It was not taken back: {reason or 'see the errors of this run'}"


def _of_store(store: t.Mapping[str, t.Any], left_over: str, doubts: t.Sequence[str]) -> str:
    """What is said of a group's store that is empty."""
    text = (
        f"The store of group '{store['group']}', {store['path']}, is empty, and no guest of this host is in the group."
    )
    return text + _why_it_stays(left_over, doubts)


def _of_linked(linked: t.Mapping[str, t.Any], left_over: str, doubts: t.Sequence[str]) -> str:
    """What is said of a linked store that no guest sees any more."""
    text = f"The linked store '{linked['name']}', {linked['path']}, is of no guest of this host."
    return text + _why_it_stays(left_over, doubts)


def _why_it_stays(left_over: str, doubts: t.Sequence[str]) -> str:
    if left_over != "remove":
        return f" Set cache_host_left_over: remove (it is '{left_over}') to remove it."
    return f" It stays. {' '.join(doubts) or 'A machine of which nothing is known may share it.'}"


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"host_plan": harmless(host_plan)}
