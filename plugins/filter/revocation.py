# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.revocation``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _modes, _unused, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: revocation
short_description: Say what came from guests, who uses it, and which stores have it
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variable C(cache_import_revoke) of the role C(cache_import), and what the role has found so far, into what
    it is to do and to tell.
  - The names alone decide. No fact and no answer of a guest counts.
options:
  _input:
    description: >-
      Inventory names of guests, or names of boxes of guests that are not in the inventory any more. A text is a list
      with commas.
    type: raw
    required: true
  inventory:
    description: All names of the inventory.
    type: list
    elements: str
    default: []
  arrangement:
    description: The arrangement to which the boxes belong.
    type: str
    default: default
  host:
    description: The host's name, for messages.
    type: str
    default: this host
  answer:
    description: What M(zeroinstall.virtualbox.store_info) answered about the boxes.
    type: dict
    default: {}
  used:
    description: What M(zeroinstall.virtualbox.implementations_info) answered about the packages.
    type: list
    elements: dict
    default: []
  moves:
    description: What M(zeroinstall.virtualbox.store_quarantine) answered in each turn of a loop over RV(ignore:stores).
    type: list
    elements: dict
    default: []
  check_mode:
    description: Whether nothing was moved because of check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show which boxes these guests have
  ansible.builtin.debug:
    msg: "{{ (['web1', 'web2'] | zeroinstall.virtualbox.revocation(inventory=groups['all'])).boxes }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), why a name cannot be used, or empty; RV(ignore:boxes), the names of the boxes;
      RV(ignore:nothing), that no guest is named, or empty.
    - RV(ignore:names), the packages that came from the boxes; RV(ignore:stores), for each store that has some of them
      its C(path) and their C(names).
    - RV(ignore:lines), what came from whom, and who uses it; RV(ignore:moved), what was moved; RV(ignore:left), why
      something may be left, or empty.
  type: dict
"""

MOST = 100
"""Packages that are named."""
_NOTHING = "cache_import_revoke names no guest, so nothing is revoked."


def revocation(
    revoke: t.Any,
    inventory: t.Sequence[str] = (),
    arrangement: str = _names.DEFAULT_ARRANGEMENT,
    host: str = "this host",
    answer: t.Mapping[str, t.Any] | None = None,
    used: t.Sequence[t.Mapping[str, t.Any]] = (),
    moves: t.Sequence[t.Mapping[str, t.Any]] = (),
    check_mode: bool = False,
) -> dict[str, t.Any]:
    """What is to be done and told."""
    guests: dict[str, str] = {}
    problems = []
    for name in _listed(revoke):
        try:
            guests.setdefault(_box(name, inventory, arrangement), name)
        except ValueError as error:
            problems.append(str(error))
    found: dict[str, t.Any] = {"names": [], "stores": [], "lines": [], "left": ""}
    try:
        if answer and not problems:
            found = _found(host, guests, answer, used)
    except (_answers.Odd, KeyError, TypeError) as error:
        found["left"] = f"The answer is none that the module gives (see {error}), so nothing was moved."
    return {
        "problem": f"{' '.join(problems)} Nothing was moved." if problems else "",
        "boxes": [] if problems else list(guests),
        "nothing": "" if guests or problems else _NOTHING,
        **found,
        "moved": _moved(moves, check_mode),
    }


def _listed(revoke: t.Any) -> list[t.Any]:
    if isinstance(revoke, str):
        return [name for name in map(str.strip, revoke.split(",")) if name]
    return list(revoke) if isinstance(revoke, (list, tuple)) else [revoke]


def _box(name: t.Any, inventory: t.Container[str], arrangement: str) -> str:
    """The box of a guest. ValueError: the name is none."""
    if not isinstance(name, str):
        raise ValueError(f"cache_import_revoke has {name!r}, which is no text. Write a list of names of guests.")
    if name in inventory:
        return _modes.box_name(name, arrangement)
    if not _names.is_box(name):
        raise ValueError(
            f"cache_import_revoke has {name!r}, which is neither a name of the inventory nor the name of a box. Correct"
            " it. The report names the boxes."
        )
    if _names.arrangement_of(name) == arrangement:
        return name
    if _names.OF_ARRANGEMENT not in name:
        return _names.in_arrangement(name, arrangement)
    raise ValueError(
        f"cache_import_revoke has {name!r}, a box of the arrangement '{_names.arrangement_of(name)}', and this"
        f" inventory's is '{arrangement}'. Revoke it with its own inventory."
    )


def _found(
    host: str,
    guests: t.Mapping[str, str],
    answer: t.Mapping[str, t.Any],
    used: t.Sequence[t.Mapping[str, t.Any]],
) -> dict[str, t.Any]:
    """What came from these guests, by their boxes. Odd, KeyError: the answer is none that the module gives."""
    of_boxes = _answers.mapping(answer.get("from_boxes"), "from_boxes")
    packages = [one for one in _unused.entries(of_boxes, "packages") if one["box"] in guests]
    uses = _uses(answer, used)
    stores: dict[str, list[str]] = {}
    lines = []
    for one in packages:
        name, _program, _version = (_answers.word(one[key], key) for key in ("digest", "program", "version"))
        paths = _unused.texts(one, "stores")
        for path in paths:
            stores.setdefault(path, []).append(name)
        who = ", ".join(uses.get(name, [])) or "nothing that is known on this host"
        since = _answers.word(one["since"], "since")
        lines.append(
            f"{_words.called(one)} came from guest '{guests[one['box']]}' on {since}, and is in {', '.join(paths)}."
            f" Used by: {who}."
        )
    having = {one["box"] for one in packages}
    told = [f"No store of {host} has a package from guest '{guests[box]}'." for box in guests if box not in having]
    more = int(_answers.number(of_boxes.get("left_out", 0), "left_out"))
    left = [_answers.word(of_boxes["problem"], "problem")] if of_boxes.get("problem") else []
    left += [f"{more} more packages came from these guests. Run again to move them."] if more else []
    return {
        "names": list(dict.fromkeys(name for names in stores.values() for name in names)),
        "stores": [{"path": path, "names": names} for path, names in stores.items()],
        "lines": [*_words.first(lines, MOST), *told],
        "left": " ".join(left),
    }


def _uses(answer: t.Mapping[str, t.Any], used: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """By package, who uses it."""
    found: dict[str, list[str]] = {}
    for program in _unused.entries(answer, "programs"):
        for name in _unused.texts(program, "digests"):
            found.setdefault(name, []).append(f"the program '{_unused.name(program)}' of guests")
    for one in used:
        found.setdefault(_unused.name(one), []).append(_unused.by(one))
    return found


def _moved(moves: t.Sequence[t.Mapping[str, t.Any]], check_mode: bool) -> list[str]:
    """What was moved, in sentences."""
    done = "would be" if check_mode else "was"
    moved = [one for answer in moves for one in answer.get("moved") or ()]
    more = sum(answer.get("moved_left_out") or 0 for answer in moves)
    lines = _words.first([f"{one['from']} {done} moved to {one['to']}." for one in moved], MOST)
    return [*lines, *([f"{more} more {'would be' if check_mode else 'were'} moved."] if more else [])]


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"revocation": harmless(revocation)}
