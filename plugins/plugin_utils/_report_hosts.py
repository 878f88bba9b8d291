# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report says of a host, by what the modules ``shares`` and ``store_info`` answered there.

docs/report.schema.json has the shapes. An answer may be of any shape: Odd names the part that is none of the module's.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import (
    Odd,
    items,
    mapping,
    number,
    plain,
    word,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._words import sentence

OUTLOOK, STORES = "cache_host_outlook", "cache_report_stores"
"""Where the role keeps the answers of the two modules."""
FAILURE = "cache_report_failure"
"""Where the playbook keeps what failed on a host or guest."""
NOT_REACHED = "Not reached: "
"""How the reason begins for which a machine that Ansible did not reach was not read."""
LONGEST = 4000
"""Characters of a text of an answer that are kept."""
MOST = 20_000
"""Entries of a list of an answer that are kept."""

_KINDS = ("machine", "global", "transient")
_STORE_KINDS = ("host", "group", "linked")
_STATUSES = ("corrupt", "exposed", "error")
_COUNTS = ("implementations", "ok", "corrupt", "exposed", "error")
_ANSWERS = ("added", "present", "refused")
_PACKAGE = ("digest", "program", "version", "architecture", "interface")


def text(entry: t.Mapping[str, t.Any], key: str) -> str:
    """A text under a key, or empty. Odd: it is none."""
    value = entry.get(key)
    return "" if value is None else plain(str.__str__(word(value, key)))[:LONGEST]


def flag(entry: t.Mapping[str, t.Any], key: str) -> bool:
    """A truth value under a key. Odd: it is none."""
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise Odd(key)
    return value


def count(entry: t.Mapping[str, t.Any], key: str) -> int:
    """A number under a key. Odd: it is none."""
    return int(number(entry.get(key, 0), key))


def texts(entry: t.Mapping[str, t.Any], key: str) -> list[str]:
    """The texts of a list under a key. Odd: it is none, or has something else in it."""
    return [plain(str.__str__(word(one, key)))[:LONGEST] for one in items(entry.get(key) or [], key)[:MOST]]


def entries(entry: t.Mapping[str, t.Any], key: str) -> list[t.Mapping[str, t.Any]]:
    """The dictionaries of a list under a key. Odd: it is none, or has something else in it."""
    return [mapping(one, key) for one in items(entry.get(key) or [], key)[:MOST]]


def one_of(entry: t.Mapping[str, t.Any], key: str, choices: t.Collection[str]) -> str:
    """A word under a key. Odd: it is none of these."""
    found = text(entry, key)
    if found not in choices:
        raise Odd(key)
    return found


def moment(entry: t.Mapping[str, t.Any], key: str) -> str:
    """A time under a key, in UTC. Odd: it is none."""
    found = text(entry, key)
    if not utc.is_time(found):
        raise Odd(key)
    return found


def unread(answer: t.Any, key: str, failure: t.Any = "") -> str:
    """Why what a task registered has nothing under this key, or empty. ``failure``: what failed before that task."""
    if not isinstance(answer, t.Mapping):
        return plain(str(failure or "It was not asked."))[:LONGEST]
    if key in answer:
        return ""
    why = sentence(plain(str(answer.get("msg") or "It gave no reason"))[:LONGEST])
    return f"{NOT_REACHED}{why}" if answer.get("unreachable") else why


def machine(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, str], strays: t.Container[str]) -> dict[str, t.Any]:
    """A machine. ``guests``: by UUID, the guests of machines; ``strays``: the UUIDs of strays."""
    uuid = text(entry, "uuid")
    return {
        "uuid": uuid,
        "name": text(entry, "name"),
        "state": text(entry, "state"),
        "guest": guests.get(uuid, ""),
        "stray": uuid in strays,
        "os_type": text(entry, "os_type"),
        "additions": text(entry, "additions_version"),
        "problem": text(entry, "problem"),
        "shares": [
            {
                "name": text(share, "name"),
                "path": text(share, "path"),
                "kind": one_of(share, "kind", _KINDS),
                "writable": flag(share, "writable"),
                "symlinks": flag(share, "symlinks"),
                "ours": flag(share, "ours"),
            }
            for share in entries(entry, "shares")
        ],
    }


def machines(outlook: t.Mapping[str, t.Any], own: t.Container[str]) -> list[dict[str, t.Any]]:
    """All machines of the host's VirtualBox user. ``own``: the host's guests, by the inventory."""
    named = {text(one, "uuid"): text(one, "guest") for one in entries(outlook, "listed")}
    guests = {uuid: guest for uuid, guest in named.items() if guest in own}
    strays = {text(one, "uuid") for one in entries(outlook, "strays")}
    return [machine(one, guests, strays) for one in entries(outlook, "registered")]


def waiting(outlook: t.Mapping[str, t.Any], own: t.Container[str]) -> list[dict[str, t.Any]]:
    """What takes effect only later. ``own``: the host's guests, by the inventory."""
    found = [
        {"machine": text(one, "name"), **{key: text(one, key) for key in ("guest", "share", "action", "reason")}}
        for one in entries(outlook, "pending")
    ]
    return [one if one["guest"] in own else {**one, "guest": ""} for one in found]


def package(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, str]) -> dict[str, t.Any]:
    """An implementation. ``guests``: by the names of boxes, their guests."""
    named = {key: text(entry, key) for key in _PACKAGE}
    box = text(entry, "box")
    since = None if entry.get("since") is None else moment(entry, "since")
    return {**named, "bytes": count(entry, "bytes"), "from_guest": guests.get(box, box), "since": since}


def box(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, str]) -> dict[str, t.Any]:
    """A box. ``guests``: by the names of boxes, their guests."""
    name = text(entry, "name")
    return {"name": name, "guest": guests.get(name, ""), "waiting": count(entry, "waiting")}


def imported(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, str]) -> dict[str, t.Any]:
    """An answer to a guest."""
    box = text(entry, "box")
    return {
        "guest": guests.get(box, box),
        **{key: text(entry, key) for key in ("digest", "program", "version")},
        "at": moment(entry, "at"),
        "status": one_of(entry, "status", _ANSWERS),
        "reason": text(entry, "reason"),
    }


def verification(entry: t.Mapping[str, t.Any], packages: t.Container[str], all_told: bool) -> dict[str, t.Any]:
    """What a verification found, without what is not in the store any more, if ``packages`` are all that is there."""
    findings = [
        {
            **{key: text(one, key) for key in ("digest", "program", "version", "reason", "detail")},
            "status": one_of(one, "status", _STATUSES),
        }
        for one in entries(entry, "findings")
    ]
    return {
        "at": text(entry, "at"),
        "mode": one_of(entry, "mode", ("full", "changed")),
        **{key: count(entry, key) for key in _COUNTS},
        "findings": [one for one in findings if not all_told or one["digest"] in packages],
    }


def store(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, str]) -> dict[str, t.Any]:
    """A store. ``guests``: by the names of linked stores and boxes, their guests."""
    kind, of = one_of(entry, "kind", _STORE_KINDS), text(entry, "of")
    packages = [package(one, guests) for one in entries(entry, "packages")]
    left_out, found = count(entry, "packages_left_out"), entry.get("verified")
    there = {one["digest"] for one in packages}
    all_told = kind != "linked" and not left_out
    return {
        "path": text(entry, "path"),
        "kind": kind,
        "of": guests.get(of, of) if kind == "linked" else of,
        "problem": text(entry, "problem"),
        "implementations": count(entry, "implementations"),
        "bytes": count(entry, "bytes"),
        "packages": packages,
        "packages_left_out": left_out,
        "verified": None if found is None else verification(mapping(found, "verified"), there, all_told),
        "quarantine": [package(one, guests) for one in entries(entry, "quarantine")],
    }


def program(entry: t.Mapping[str, t.Any], guests: t.Mapping[str, t.Collection[str]]) -> dict[str, t.Any]:
    """A program. ``guests``: by guest, the names of the programs that it is to have."""
    name = text(entry, "name")
    return {
        "name": name,
        **{key: text(entry, key) for key in ("interface", "system", "version")},
        "guests": [guest for guest, programs in guests.items() if name in programs],
        "digests": texts(entry, "digests"),
        "bytes": count(entry, "bytes"),
    }


def host(
    name: str,
    said: t.Mapping[str, t.Any],
    answers: t.Mapping[str, t.Any],
    linked: t.Mapping[str, str],
    programs: t.Mapping[str, t.Collection[str]],
) -> dict[str, t.Any]:
    """A host.

    Args:
        name: its inventory name.
        said: its variables, with defaults.
        answers: what tasks registered, by OUTLOOK, STORES and FAILURE.
        linked: by the names of linked stores, which are those of boxes, their guests.
        programs: by guest, the names of the programs that it is to have.
    """
    outlook, stores, failure = answers.get(OUTLOOK), answers.get(STORES), answers.get(FAILURE)
    problems = list(
        dict.fromkeys(filter(None, [unread(outlook, "registered", failure), unread(stores, "stores", failure)]))
    )
    found = {
        "name": name,
        "read": False,
        "problem": " ".join(problems),
        "arrangement": str(said["cache_host_arrangement"]),
        "user": str(said["cache_host_user"]),
        "virtualbox": "",
        **{key: [] for key in ("stores", "machines", "waiting", "programs", "unneeded", "boxes", "imports", "errors")},
    }
    try:
        if isinstance(outlook, t.Mapping) and "registered" in outlook:
            found.update(
                virtualbox=text(outlook, "version"),
                machines=machines(outlook, programs),
                waiting=waiting(outlook, programs),
                read=True,
            )
        if isinstance(stores, t.Mapping) and "stores" in stores:
            found.update(
                stores=[store(one, linked) for one in entries(stores, "stores")],
                programs=[program(one, programs) for one in entries(stores, "programs")],
                unneeded=[package(one, linked) for one in entries(stores, "unneeded")],
                boxes=[box(one, linked) for one in entries(stores, "boxes")],
                imports=[imported(one, linked) for one in entries(stores, "imports")],
                errors=texts(stores, "errors"),
                read=True,
            )
    except Odd as error:
        found.update(read=False, problem=f"Its answer is none that the modules give (see {error}).")
    return found
