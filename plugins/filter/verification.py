# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.verification``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _fleet, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import (
    Odd,
    items,
    mapping,
    number,
    plain,
    word,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._words import count, size

DOCUMENTATION = r"""
name: verification
short_description: Sum up what the role cache_verify found on hosts and in guests
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Turns the results of the role C(cache_verify) into lines for people. There is one for each host, and one for each
    guest with problems. It also makes a message for each host and guest with problems.
  - The filter does not trust the answers of machines. An answer of another shape is a problem of that machine.
  - It warns of variables in the inventory whose names look like misspelt variables of a role.
options:
  _input:
    description: Inventory names of the hosts and guests of the verification.
    type: list
    elements: str
    required: true
  guests:
    description: >-
      The names that are guests. The filter leaves a guest out unless its variable C(cache_verify_guests) is true.
    type: list
    elements: str
    default: []
  check_mode:
    description: Whether this is check mode, in which nothing was moved.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Sum up
  ansible.builtin.debug:
    msg: "{{ (groups['zeroinstall_hosts'] | zeroinstall.virtualbox.verification(hostvars=hostvars)).lines }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:lines) for people, and RV(ignore:problems), a message for each name with problems.
  type: dict
"""

TOLD = 3
"""How many problems and names a message has."""
LONGEST = 500
"""Characters of one of them."""
LONGEST_FAILURE = 4000
"""Characters of a message by which a task failed."""
ADDED_UP = ("implementations", "ok", "corrupt", "exposed", "error", "bytes")
LOST = "The connection was lost, so not everything was verified."
RESULTS = ("cache_verify_result", "cache_verify_group_result")
NAMES = ("cache_verify_missing", "cache_verify_more")
ANSWERS = (*RESULTS, "cache_verify_listing")
REGISTERED = (*ANSWERS, *NAMES, "cache_verify_moved", "cache_verify_moved_more", "cache_verify_failure")


class Found(t.NamedTuple):
    """What was found on a machine: numbers and problems of its own store and of those that groups of guests share.

    ``numbers`` is empty where no store was verified.
    """

    numbers: dict[str, float]
    problems: list[str]
    count: int


def text(value: t.Any, where: str, longest: int = LONGEST) -> str:
    """A text of an answer, as it may be shown."""
    return plain(word(value, where)[:longest])


def first(texts: list[str], separator: str, number_of_all: int) -> str:
    """The first of many, and how many more there are."""
    more = [f"and {number_of_all - TOLD} more"] if number_of_all > TOLD else []
    return separator.join(texts[:TOLD] + more)


def names(variables: t.Mapping[str, t.Any], variable: str) -> tuple[list[str], int]:
    """The first names in a variable, and how many there are."""
    found = items(variables.get(variable) or [], variable)
    return [text(name, variable) for name in found[:TOLD]], len(found)


def problem_text(value: t.Any) -> str:
    """A problem in a line."""
    one = mapping(value, "problems")
    reason = one.get("detail") or one.get("reason")
    called = " ".join(text(one[key], f"problems.{key}") for key in ("program", "version") if one.get(key))
    path = text(one.get("path"), "problems.path")
    return f"{path}{f' ({called})' if called else ''}: {text(reason, 'problems.detail')}"


def read(variables: t.Mapping[str, t.Any]) -> Found:
    """What is said of the stores of a machine. Odd if a result has another shape than the module's."""
    numbers: dict[str, float] = {}
    problems: list[str] = []
    total = 0
    for variable in RESULTS:
        result = mapping(variables.get(variable) or {}, variable)
        if not result.get("summary"):
            continue
        summary = mapping(result["summary"], "summary")
        for key in (*ADDED_UP, "unchanged", "seconds"):
            numbers[key] = numbers.get(key, 0) + number(summary.get(key, 0), f"summary.{key}")
        waiting = mapping(result.get("quarantined") or {}, "quarantined").values()
        numbers["quarantined"] = numbers.get("quarantined", 0) + sum(number(one, "quarantined") for one in waiting)
        listed = items(result.get("problems") or [], "problems")
        if mapping(result.get("corrupt") or {}, "corrupt") and not listed:
            raise Odd("corrupt")
        problems += map(problem_text, listed[:TOLD])
        total += max(len(listed), int(number(summary.get("problems", 0), "summary.problems")))
    return Found(numbers, problems, total)


def moved(variables: t.Mapping[str, t.Any], check_mode: bool) -> str:
    """What was moved aside."""
    ones = items(variables.get("cache_verify_moved") or [], "moved")
    more = variables.get("cache_verify_moved_more") or 0
    if isinstance(more, str) and more.isdecimal():  # a sum that a task has set, before ansible-core 2.19
        more = int(more)
    total = len(ones) + int(number(more, "moved_left_out"))
    would = "would be moved" if check_mode else "moved"
    folders = {text(mapping(one, "moved").get("to"), "moved.to").rpartition("/")[0] for one in ones}
    return f"{count(total)} {would} aside to {first(sorted(folders), ', ', len(folders))}" if ones else ""


def problem(variables: t.Mapping[str, t.Any], found: Found, check_mode: bool) -> str:
    """The message for a host or guest with problems, empty if it has none."""
    told = [f"{count(found.count)} not sound: {first(found.problems, '; ', found.count)}"] if found.count else []
    missing, more = (names(variables, variable) for variable in NAMES)
    if missing[1]:
        told.append(f"{count(missing[1])} of the host's not there: {first(missing[0], ', ', missing[1])}")
    if more[1]:
        told.append(f"{count(more[1])} that the host does not have: {first(more[0], ', ', more[1])}")
    told.append(moved(variables, check_mode))
    if variables.get("cache_verify_failure"):
        told.append(text(variables["cache_verify_failure"], "msg", LONGEST_FAILURE))
    told = [one.rstrip(". ") for one in told if one]
    return ". ".join(told) + "." if told else ""


def aside(numbers: t.Mapping[str, float]) -> str:
    """How many implementations wait in the quarantine, as the end of a line."""
    waiting = int(numbers.get("quarantined", 0))
    wait = "waits" if waiting == 1 else "wait"
    return f"; {count(waiting)} {wait} in the quarantine, see docs/verify.md" if waiting else ""


def sound(numbers: t.Mapping[str, float]) -> str:
    """The numbers of a machine without problems."""
    if not numbers["implementations"]:
        return "Nothing was verified: no implementation is in its store."
    unchanged = f", {numbers['unchanged']} unchanged since they were verified" if numbers["unchanged"] else ""
    implementations = count(numbers["implementations"])
    return f"{implementations} sound, {size(numbers['bytes'])}{unchanged}, in {numbers['seconds']:.1f} s"


def examine(variables: t.Mapping[str, t.Any], check_mode: bool) -> tuple[dict[str, float], str]:
    """Numbers and problem of a machine by what was registered of it."""
    try:
        found = read(variables)
        lost = any(mapping(variables.get(name) or {}, name).get("unreachable") for name in ANSWERS)
        if not found.numbers and (lost or not variables.get("cache_verify_failure")):
            return {}, "not reached, so nothing is known of its store."
        told = [problem(variables, found, check_mode), LOST if lost else ""]
        return found.numbers, " ".join(filter(None, told))
    except Odd as error:
        return {}, f"its answer is none that store_verify gives (see {error}), so nothing is known of its store."


def verification(
    machines: list[str], hostvars: t.Any, guests: t.Iterable[str] = (), check_mode: bool = False
) -> dict[str, t.Any]:
    """The lines and the problems."""
    inventory = Inventory(hostvars)
    lines, found = [], {}
    totals: dict[str, float] = dict.fromkeys(ADDED_UP, 0)
    guests = frozenset(guests)
    hosts = [name for name in machines if name not in guests]
    chosen = [name for name in machines if name in guests and _fleet.is_compared(inventory, name)]
    for name in hosts + chosen:
        _roles.warn_of_misspelt(inventory, name)
        numbers, message = examine(inventory.set_by_tasks(name, REGISTERED), check_mode)
        if message:
            found[name] = message
        if name in hosts:
            totals = {key: amount + numbers.get(key, 0) for key, amount in totals.items()}
        if message or name in hosts:
            lines.append(f"{plain(name)}: {message or sound(numbers)}{aside(numbers)}")
    exposed = f" {totals['exposed']} that others may change," if totals["exposed"] else ""
    verified = (
        f"{totals['ok']} of {count(totals['implementations'])} sound, {totals['corrupt']} corrupt,{exposed}"
        f" {totals['error']} not verified, {size(totals['bytes'])}"
        if totals["implementations"]
        else "nothing was verified"
    )
    lines.append(f"{count(len(hosts), 'host')}: {verified}; {count(len(chosen), 'guest')}; {len(found)} with problems")
    return {"lines": lines, "problems": found}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"verification": harmless(verification)}
