# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has changed between two reports."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_cells import (
    Cell,
    grouped,
    guest_link,
    host_link,
    moment,
    said,
    size,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_figures import (
    Report,
    about,
    kind_title,
)

FIRST = 8
"""Lines of a block that are shown at once."""

Line = t.Sequence[Cell]
Named = t.Mapping[str, t.Mapping[str, t.Any]]
"""Hosts or guests by their names."""


class Block(t.NamedTuple):
    """Changes of one kind, the first of them and the others."""

    title: str
    many: str
    first: t.Sequence[Line]
    rest: t.Sequence[Line]


class Changes(t.NamedTuple):
    """What has changed since a time, in blocks that each have a line."""

    since: Cell
    note: str
    blocks: t.Sequence[Block]


def changes(report: Report, before: Report) -> Changes:
    """What has changed since the report before.

    If one of them is limited, what is in one of them alone may only have been left out, and tells nothing.
    """
    limited = report["limited"] or before["limited"]
    hosts, old_hosts = _named(report["hosts"]), _named(before["hosts"])
    guests, old_guests = _named(report["guests"]), _named(before["guests"])
    shared = (hosts.keys() & old_hosts.keys()) | {""}, (guests.keys() & old_guests.keys()) | {""}
    now, then = (_entries(one, *(shared if limited else (None, None))) for one in (report, before))
    came_and_went = (
        ("Hosts that came", [[host_link(name)] for name in hosts if name not in old_hosts]),
        ("Hosts that went", [[said(name)] for name in old_hosts if name not in hosts]),
        ("Guests that came", [[guest_link(name)] for name in guests if name not in old_guests]),
        ("Guests that went", [[said(name)] for name in old_guests if name not in guests]),
    )
    blocks = (
        ("Needs attention now", [_line(one) for key, one in now.items() if key not in then]),
        ("Needs no attention any more", [_line(one, hosts, guests) for key, one in then.items() if key not in now]),
        ("Guests whose state changed", _states(guests, old_guests)),
        *(() if limited else came_and_went),
        ("Stores that grew or shrank", _growth(hosts, old_hosts)),
    )
    note = "One of the two reports was limited, so only what both are about is compared." if limited else ""
    found = [Block(title, grouped(len(lines)), lines[:FIRST], lines[FIRST:]) for title, lines in blocks if lines]
    return Changes(moment(before["made"]), note, found)


def _named(ones: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Mapping[str, t.Any]]:
    return {one["name"]: one for one in ones}


def _entries(
    report: Report, hosts: t.Container[str] | None, guests: t.Container[str] | None
) -> dict[tuple[str, ...], t.Mapping[str, t.Any]]:
    """The entries of attention by what they are about; of these hosts and guests alone, where they are given."""
    found: dict[tuple[str, ...], t.Mapping[str, t.Any]] = {}
    for one in report["attention"]:
        if (hosts is None or one["host"] in hosts) and (guests is None or one["guest"] in guests):
            text = one["text"] if one["kind"] == "warning" else ""
            found[one["kind"], one["host"], one["guest"], one["subject"], text] = one
    return found


def _line(
    one: t.Mapping[str, t.Any], hosts: t.Container[str] | None = None, guests: t.Container[str] | None = None
) -> Line:
    """An entry in a line; a link leads only to hosts and guests that are there, where they are given."""
    there = {"host": hosts, "guest": guests, "": None}
    cells = []
    for what, cell in about(one):
        names = there[what]
        gone = names is not None and one[what] not in names
        cells.append(cell._replace(to="") if gone else cell)
    return [Cell(kind_title(one["kind"])), *cells, said(one["text"])]


def _states(guests: Named, before: Named) -> list[Line]:
    both = ((name, before[name]["state"], guest["state"]) for name, guest in guests.items() if name in before)
    return [[guest_link(name), Cell(f"was {old}, is {new}")] for name, old, new in both if old != new]


def _growth(hosts: Named, before: Named) -> list[Line]:
    """The stores that are in both reports and have another size, the largest change first."""
    old = {
        (name, store["path"]): store["bytes"]
        for name, host in before.items()
        for store in host["stores"]
        if not store["problem"]
    }
    found = [
        (store["bytes"] - old[name, store["path"]], name, store)
        for name, host in hosts.items()
        for store in host["stores"]
        if store["kind"] != "linked" and not store["problem"] and (name, store["path"]) in old
    ]
    found.sort(key=lambda change: -abs(change[0]))
    return [
        [
            host_link(name),
            said(store["path"]),
            Cell(f"{size(abs(more))} {'more' if more > 0 else 'less'}, now {size(store['bytes'])}"),
        ]
        for more, name, store in found
        if more
    ]
