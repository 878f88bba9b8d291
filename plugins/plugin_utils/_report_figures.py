# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report says first: what needs attention, numbers and pictures."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._modes import MODES
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_attention import (
    KINDS,
    NOTICE,
    PENDING,
    PROBLEM,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_cells import (
    Cell,
    counted,
    grouped,
    guest_link,
    host_link,
    said,
    size,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_guests import STATES

Report = t.Mapping[str, t.Any]

SEVERITIES = {
    PROBLEM: ("Problems", "Something does not work, or is not as the inventory says."),
    PENDING: ("Pending", "This will be right after a start."),
    NOTICE: ("Notices", "You may want to know this."),
}
MOST_SHOWN, FIRST = 5, 3
"""Entries of a kind that are all shown at once, and how many are where there are more."""
MOST_BARS = 8
"""Bars of a picture, beside one for all others."""


class Entry(t.NamedTuple):
    """Something that needs attention: what it is about, what is so, and what you can do unless its group says that."""

    about: t.Sequence[tuple[str, Cell]]
    text: Cell
    remedy: Cell | None


class Group(t.NamedTuple):
    """The entries of a kind. ``remedy`` is theirs where they have the same."""

    title: str
    many: str
    remedy: Cell | None
    first: t.Sequence[Entry]
    rest: t.Sequence[Entry]


class Severity(t.NamedTuple):
    """All that needs attention in the same degree."""

    name: str
    title: str
    meaning: str
    many: str
    groups: t.Sequence[Group]


class Number(t.NamedTuple):
    """A number that stands for itself."""

    title: str
    value: str
    note: str


class Part(t.NamedTuple):
    """A part of a bar: where it begins and how wide it is, in hundredths of the picture."""

    mark: str
    begin: str
    width: str


class Bar(t.NamedTuple):
    """A bar with its name, its value in words, and what a picture says to those who do not see it."""

    name: Cell
    note: str
    value: str
    told: str
    parts: t.Sequence[Part]


class Picture(t.NamedTuple):
    """A picture of bars. ``marks`` are the kinds of their parts, where there are several."""

    id: str
    title: str
    note: str
    bars: t.Sequence[Bar]
    marks: t.Sequence[str] = ()


def attention(report: Report) -> list[Severity]:
    """What needs attention, the worst first, of each severity by kind."""
    by_severity: dict[str, dict[str, list[t.Any]]] = {severity: {} for severity in SEVERITIES}
    for one in report["attention"]:
        severity = one["severity"] if one["severity"] in SEVERITIES else NOTICE
        by_severity[severity].setdefault(one["kind"], []).append(one)
    return [
        Severity(
            name, *SEVERITIES[name], grouped(sum(map(len, kinds.values()))), [_group(*kind) for kind in kinds.items()]
        )
        for name, kinds in by_severity.items()
        if kinds
    ]


def kind_title(kind: str) -> str:
    """What a kind of entries is called."""
    return KINDS[kind].title if kind in KINDS else kind.replace("_", " ").capitalize()


def about(one: t.Mapping[str, t.Any]) -> list[tuple[str, Cell]]:
    """The guest and the host of an entry, as far as it has them, and its subject unless its text names that."""
    subject = "" if one["subject"] in one["text"] else one["subject"]
    named = (
        ("guest", one["guest"], guest_link(one["guest"])),
        ("host", one["host"], host_link(one["host"])),
        ("", subject, said(subject)),
    )
    return [(what, cell) for what, name, cell in named if name]


def _group(kind: str, ones: t.Sequence[t.Mapping[str, t.Any]]) -> Group:
    remedies = {one["remedy"] for one in ones}
    common = said(remedies.pop(), longest=600) if len(remedies) == 1 else None
    entries = [
        Entry(
            about(one),
            said(one["text"], longest=600),
            None if common or not one["remedy"] else said(one["remedy"], longest=600),
        )
        for one in ones
    ]
    shown = len(entries) if len(entries) <= MOST_SHOWN else FIRST
    return Group(kind_title(kind), grouped(len(ones)), common, entries[:shown], entries[shown:])


def covered(report: Report) -> str:
    """In a sentence what a report is about."""
    found = report["numbers"]
    return f"It is about {counted(found['hosts'], 'host')} and {counted(found['guests'], 'guest')}."


def looked_at(report: Report) -> str:
    """What was looked at for a report."""
    found = report["numbers"]
    return (
        f"{_of(found['hosts_read'], found['hosts'], 'host')} and "
        f"{_of(found['guests_read'], found['guests'], 'guest')} answered, with "
        f"{counted(found['machines'], 'machine')}, and {counted(found['implementations'], 'package')} in the stores."
    )


def _of(some: int, everything: int, noun: str) -> str:
    return f"{grouped(some)} of {counted(everything, noun)}"


def numbers(report: Report) -> list[Number]:
    """The numbers of a report that say most."""
    found = report["numbers"]
    return [
        Number("Hosts", grouped(found["hosts"]), f"{grouped(found['hosts_read'])} answered"),
        Number("Guests", grouped(found["guests"]), f"{grouped(found['guests_read'])} answered"),
        Number("Guests that are right", grouped(found["states"]["right"]), f"of {grouped(found['guests'])}"),
        Number("Packages", grouped(found["implementations"]), f"{size(found['bytes'])} on disk"),
        Number("Saved by sharing", size(found["bytes_saved"]), "of disk space"),
        Number("Not needed any more", size(found["bytes_unneeded"]), "of disk space"),
        Number("Not sound", grouped(found["unsound"]), "packages, by the last verification"),
        Number("In quarantine", grouped(found["quarantined"]), "packages"),
    ]


def pictures(report: Report) -> list[Picture]:
    """The pictures of a report, without those that would be empty."""
    found = [_modes(report), _saved(report), _stores(report), _programs(report)]
    return [picture for picture in found if picture.bars]


def _modes(report: Report) -> Picture:
    """How many guests of each mode are in which state."""
    guests = report["guests"]
    most = max((sum(guest["mode"] == mode for guest in guests) for mode in MODES), default=0)
    bars = []
    for mode in MODES:
        states = [guest["state"] for guest in guests if guest["mode"] == mode]
        counts = [(state, states.count(state)) for state in STATES if state in states]
        words = ", ".join(f"{grouped(count)} {state}" for state, count in counts)
        if states:
            bars.append(
                Bar(Cell(mode), words, grouped(len(states)), f"Guests of mode {mode}: {words}", _parts(counts, most))
            )
    used = {guest["state"] for guest in guests}
    return Picture("by-mode", "Guests by mode and state", "", bars, [state for state in STATES if state in used])


def _saved(report: Report) -> Picture:
    """What the stores take, and what they would take without sharing."""
    taken, saved = report["numbers"]["bytes"], report["numbers"]["bytes_saved"]
    values = [("Without sharing", taken + saved), ("As it is", taken)] if taken + saved else []
    note = f"Without sharing, each guest would have what it sees in a store of its own. Saved: {size(saved)}."
    return Picture("saved", "What sharing saves", note, [_bar(Cell(name), "", n, taken + saved) for name, n in values])


def _stores(report: Report) -> Picture:
    """The largest stores."""
    found = [
        (host["name"], f"{STORES[store['kind']]} {store['of']}".strip(), store["bytes"])
        for host in report["hosts"]
        for store in host["stores"]
        if store["kind"] != "linked"
    ]
    found.sort(key=lambda store: -store[2])
    most = found[0][2] if found else 0
    bars = [_bar(host_link(host), kind, octets, most) for host, kind, octets in found[:MOST_BARS] if octets]
    others = [octets for _host, _kind, octets in found[MOST_BARS:]]
    note = f"{counted(len(others), 'other store')}: {size(sum(others))} together." if others else ""
    return Picture("stores-by-size", "Stores by size", note, bars)


STORES = {"host": "the host's own store", "group": "store of the group", "linked": "linked store of"}
"""The kinds of stores, with whose they are behind."""


def _programs(report: Report) -> Picture:
    """Which programs take most of the hosts' own stores."""
    room: dict[str, int] = {}
    for host in report["hosts"]:
        for store in host["stores"]:
            if store["kind"] == "host":
                for package in store["packages"]:
                    room[package["program"]] = room.get(package["program"], 0) + package["bytes"]
                room[""] = room.get("", 0) + max(0, store["bytes"] - sum(one["bytes"] for one in store["packages"]))
    unnamed = room.pop("", 0)
    found = sorted(room.items(), key=lambda item: (-item[1], item[0]))
    values = [(said(name, longest=60), octets) for name, octets in found[:MOST_BARS]]
    others = sum(octets for _name, octets in found[MOST_BARS:])
    values += [(Cell(f"{counted(len(found) - MOST_BARS, 'other program')}"), others)] if others else []
    values += [(Cell("Not known to any feed, or left out"), unnamed)] if unnamed else []
    most = max((octets for _name, octets in values), default=0)
    bars = [_bar(name, "", octets, most) for name, octets in values if octets]
    return Picture("by-program", "Room in the hosts' own stores, by program", "", bars)


def _bar(name: Cell, note: str, octets: int, most: int) -> Bar:
    told = f"{name.text}{', ' if note else ''}{note}: {size(octets)}"
    return Bar(name, note, size(octets), told, _parts([("size", octets)], most))


def _parts(counts: t.Iterable[tuple[str, int]], most: int) -> list[Part]:
    """Parts side by side, of a picture that is as wide as ``most``."""
    parts, begin = [], 0
    for mark, count in counts:
        parts.append(Part(mark, f"{100 * begin / most:.2f}", f"{100 * count / most:.2f}"))
        begin += count
    return parts
