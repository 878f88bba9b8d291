# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no program of a host needs any more: what of it the host may remove, and how that is told."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

WANTED, NOT_NEEDED = "cache_programs_wanted", "cache_programs_not_needed"
"""What a host's part sets."""
LINKED = "cache_programs_linked"
"""What it registers of the linked stores of its guests."""
USES = "cache_programs_uses"
"""What a guest's part registers of what is not needed."""
_NOTHING = "Nothing was removed of what no program needs any more"
_GUESTS = 10
"""Guests that are named in a message."""
_USERS, _LONGEST = 5, 100
"""How many of those that use an implementation are named, with how many characters."""


class Removal(t.NamedTuple):
    """``names``: the implementations that a host may remove. ``kept``: why others stay. ``problem``: why all stay."""

    names: list[str]
    kept: list[str]
    problem: str = ""


def removal(host: str, inventory: Inventory, doubts: t.Sequence[str] = ()) -> Removal:
    """What a host may remove, after all its guests have said what they use. A guest's word only keeps something."""
    told = inventory.set_by_tasks(host, (WANTED, NOT_NEEDED, LINKED))
    plan, names = told.get(WANTED) or {}, in_question(told)
    used: dict[str, str] = {}
    silent = [*plan.get("refused", {})]
    for guest, own in plan.get("guests", {}).items():
        try:
            if not asked(told, own):
                continue
            for one in used_by(inventory, guest):
                used.setdefault(name(one), f"guest '{guest}' uses it: {by(one)}")
        except (_answers.Odd, KeyError):
            silent.append(guest)
    if names and doubts:
        return Removal([], [], f"{_NOTHING}. {' '.join(doubts)}")
    if names and silent:
        shown = ", ".join(_words.first([f"'{guest}'" for guest in silent], _GUESTS))
        return Removal(
            [],
            [],
            f"{_NOTHING}: in this run, these guests of {host} did not say"
            f" what they still use: {shown}. See above why, and name all guests of the host in --limit.",
        )
    return Removal(
        [one for one in names if one not in used],
        [f"{one} stays, for {used[one]}." for one in names if one in used],
    )


def in_question(told: t.Mapping[str, t.Any]) -> list[str]:
    """What a host is to remove, by what its part set."""
    return list((told.get(NOT_NEEDED) or {}).get("in_question", []))


def asked(told: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> list[str]:
    """Of which implementations a guest is asked whether it uses them: none that it does not see.

    Odd: the host's answer is none that its module gives. KeyError: it says nothing of this guest.
    """
    names = {*in_question(told)}
    if "linked" not in own:
        return sorted(names)
    mine = linked(told, own)
    return sorted({*names.intersection(texts(mine, "present")), *texts(mine, "surplus")})


def linked(told: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """What the host's answer says of a guest's linked store. Odd, KeyError: as above."""
    answer = told.get(LINKED) or {}
    found = [one for one in (entries(answer, "stores") if answer.get("stores") else []) if name(one) == own["linked"]]
    if not found:
        raise KeyError(own["linked"])
    return found[0]


def texts(entry: t.Mapping[str, t.Any], key: str) -> list[str]:
    """A list of texts in an entry. Odd: it is none."""
    return [_answers.word(one, key) for one in _answers.items(entry.get(key), key)]


def used_by(inventory: Inventory, guest: str) -> list[t.Mapping[str, t.Any]]:
    """What a guest said that it uses. Odd: it said nothing in this run."""
    found = inventory.set_by_tasks(guest, (USES,)) if inventory.has(guest) else {}
    return entries(_answers.mapping(found.get(USES), USES), "used")


def entries(answer: t.Mapping[str, t.Any], key: str) -> list[t.Mapping[str, t.Any]]:
    """A list of an answer. Odd: it is none."""
    return [_answers.mapping(one, key) for one in _answers.items(answer.get(key), key)]


def name(entry: t.Mapping[str, t.Any]) -> str:
    """Of an implementation."""
    return _answers.word(entry["name"], "name")


def sized(entry: t.Mapping[str, t.Any]) -> str:
    """Name and size of an implementation."""
    return f"{name(entry)} ({_answers.number(entry['size'], 'size') / 1_000_000:.1f} MB)"


def by(entry: t.Mapping[str, t.Any]) -> str:
    """Who uses an implementation."""
    users = [_answers.word(who, "by")[:_LONGEST] for who in _answers.items(entry["by"], "by")]
    return ", ".join(_words.first(users, _USERS))
