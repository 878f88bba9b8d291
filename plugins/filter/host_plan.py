# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.host_plan``."""

from __future__ import annotations

import typing as t

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
      be made; RV(ignore:stale_groups), groups whose stores are empty and which no guest is in, as far as is known.
    - RV(ignore:kept_boxes), the names of boxes that the role leaves alone; RV(ignore:has_boxes), whether the host has
      any box.
    - RV(ignore:not_served), why some machines did not get what is theirs, or empty.
  type: dict
"""


def host_plan(
    arrangement: t.Mapping[str, t.Any],
    stores: t.Sequence[t.Mapping[str, t.Any]],
    outlook: t.Mapping[str, t.Any] | None = None,
    shared: t.Mapping[str, t.Any] | None = None,
    other_shares: str = "refuse",
) -> dict[str, t.Any]:
    """What is to be done, and what could not be."""
    outlook = outlook or {}
    wanted, refused = arrangement.get("groups", []), arrangement.get("refused", {})
    left_alone = _left_alone(outlook)
    # A machine that was left alone may still share the box, or the store, that its guest had in another mode.
    kept_boxes = [*arrangement.get("kept_boxes", []), *(arrangement.get("possible_boxes", []) if left_alone else [])]
    stale = [] if refused or left_alone else [store["group"] for store in stores if store["empty"]]
    said = outlook if not shared or shared.get("skipped") else shared
    told = [*refused.values(), *_left_alone(said)]
    if said.get("refused"):
        told.append(f"Where such a share is meant, set cache_host_other_shares: warn (it is '{other_shares}').")
    return {
        "missing_groups": sorted(set(wanted) - {store["group"] for store in stores}),
        "group_stores": [store["path"] for store in stores],
        "stale_groups": [group for group in stale if group not in wanted],
        "kept_boxes": kept_boxes,
        "has_boxes": bool(kept_boxes or arrangement.get("boxes")),
        "not_served": " ".join(told),
    }


def _left_alone(answer: t.Mapping[str, t.Any]) -> list[str]:
    """Messages about machines that were left alone, whatever they still share."""
    return [*answer.get("inaccessible", []), *answer.get("refused", [])]


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"host_plan": harmless(host_plan)}
