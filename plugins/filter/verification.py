# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter C(zeroinstall.virtualbox.verification)."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

DOCUMENTATION = r"""
name: verification
short_description: Sum up what the role cache_verify found on hosts and in guests
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns what the role C(cache_verify) registered into lines for people, one for each host and for each guest with
    problems, and into a message for each host and guest that has any.
options:
  _input:
    description: Inventory names of the hosts and guests that were to be verified.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  guests:
    description: Which of the names are guests. They are left out unless their variable C(cache_verify_guests) is true.
    type: list
    elements: str
    default: []
  check_mode:
    description: Whether this is check mode, so that what was to be moved was not.
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
  description: RV(ignore:lines) for people, and RV(ignore:problems), a message for each name that has any.
  type: dict
"""

TOLD = 3
"""How many problems and names a message has."""


def count(number: int, noun: str = "implementation") -> str:
    """C(1 implementation), C(2 implementations)."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(amount: int) -> str:
    """Bytes for people."""
    return f"{amount / 1e9:.2f} GB" if amount >= 1e8 else f"{amount / 1e6:.2f} MB"


def first(texts: list[str], separator: str) -> str:
    """The first of many, and how many more there are."""
    more = [f"and {len(texts) - TOLD} more"] if len(texts) > TOLD else []
    return separator.join(texts[:TOLD] + more)


def differences(variables: t.Mapping[str, t.Any]) -> list[str]:
    """What of its host's store a guest does not see, and what it sees besides."""
    missing, more = (list(variables.get(f"cache_verify_{kind}") or []) for kind in ("missing", "more"))
    told = []
    if missing:
        told.append(f"{count(len(missing))} of the host's not there: {first(missing, ', ')}")
    if more:
        told.append(f"{count(len(more))} that the host does not have: {first(more, ', ')}")
    return told


def merged(variables: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], list[dict[str, t.Any]]]:
    """Numbers and problems of a host's own store, or a guest's, and of the stores that groups of guests share."""
    results = [variables.get(f"cache_verify_{part}result") or {} for part in ("", "group_")]
    summaries = [result["summary"] for result in results if result.get("summary")]
    summary = {key: sum(one[key] for one in summaries) for key in (summaries[0] if summaries else {})}
    return summary, [one for result in results for one in result.get("problems") or []]


def problem(problems: list[dict[str, t.Any]], variables: t.Mapping[str, t.Any], check_mode: bool) -> str:
    """The message for a host or guest with problems, empty if it has none."""
    told = []
    if problems:
        texts = [f"{one['path']}: {one['detail'] or one['reason']}" for one in problems]
        told.append(f"{count(len(problems))} not sound: {first(texts, '; ')}")
    told += differences(variables)
    moved = list(variables.get("cache_verify_moved") or [])
    if moved:
        would = "would be moved" if check_mode else "moved"
        folders = sorted({one["to"].rpartition("/")[0] for one in moved})
        told.append(f"{count(len(moved))} {would} aside to {first(folders, ', ')}")
    if variables.get("cache_verify_failure"):
        told.append(str(variables["cache_verify_failure"]))
    return ". ".join(text.rstrip(". ") for text in told) + "." if told else ""


def verification(
    names: list[str],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    guests: t.Sequence[str] = (),
    check_mode: bool = False,
) -> dict[str, t.Any]:
    """The lines and the problems."""
    lines, found = [], {}
    totals = {"implementations": 0, "ok": 0, "corrupt": 0, "error": 0, "bytes": 0}
    compared = [name for name in names if name in guests and boolean(hostvars[name].get("cache_verify_guests", False))]
    hosts = [name for name in names if name not in guests]
    for name in hosts + compared:
        variables = hostvars[name]
        summary, problems = merged(variables)
        if not summary and not variables.get("cache_verify_failure"):
            found[name] = "not reached, so nothing is known of its store."
        else:
            text = problem(problems, variables, check_mode)
            if text:
                found[name] = text
        if name not in guests:
            totals = {key: number + summary.get(key, 0) for key, number in totals.items()}
        if name in found:
            lines.append(f"{name}: {found[name]}")
        elif name not in guests:
            unchanged = summary.get("unchanged", 0)
            lines.append(
                f"{name}: {count(summary['implementations'])} sound, {size(summary['bytes'])}"
                + (f", {unchanged} unchanged since they were verified" if unchanged else "")
                + f", in {summary['seconds']:.1f} s"
            )
    lines.append(
        f"{count(len(hosts), 'host')}: {totals['ok']} of {count(totals['implementations'])} sound,"
        f" {totals['corrupt']} corrupt, {totals['error']} not verified, {size(totals['bytes'])};"
        f" {count(len(compared), 'guest')}; {len(found)} with problems"
    )
    return {"lines": lines, "problems": found}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"verification": verification}
