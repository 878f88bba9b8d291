# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of the page of a report: hosts, guests, stores, programs, packages, and what else there is."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_cells import (
    NOTHING,
    Cell,
    anchor,
    counted,
    grouped,
    guest_link,
    host_link,
    moment,
    number,
    said,
    size,
    sized,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_figures import STORES, Report

Found = t.Mapping[str, t.Any]
Facts = t.Iterable[t.Tuple[str, t.Iterable[t.Sequence[Cell]]]]

SHORT = 16
"""Characters of a digest that are shown at once: its algorithm and enough to tell it from others."""


LARGE = 10
"""Rows of a table from which on it has a filter."""


class Fact(t.NamedTuple):
    """Something more about a row: a heading, and lines of cells."""

    title: str
    lines: t.Sequence[t.Sequence[Cell]]


class Row(t.NamedTuple):
    """A row of a table. The first cell is its heading; ``more`` can be unfolded."""

    id: str
    cells: t.Sequence[Cell]
    more: t.Sequence[Fact] = ()


class Table(t.NamedTuple):
    """A table. ``numeric`` are its columns, and whether each is sorted by numbers."""

    id: str
    title: str
    caption: str
    columns: t.Sequence[tuple[str, bool]]
    rows: t.Sequence[Row]
    noun: str

    @property
    def unfolds(self) -> bool:
        """Whether a row of it has something that can be unfolded."""
        return any(row.more for row in self.rows)

    @property
    def is_large(self) -> bool:
        """Whether it needs a filter."""
        return len(self.rows) >= LARGE


def tables(report: Report) -> list[Table]:
    """The tables of a report, without those that would be empty."""
    makers = (_hosts, _guests, _stores, _programs, _packages, _findings, _quarantine, _strays, _waiting, _imports)
    return [table for table in (make(report) for make in makers) if table.rows]


def _table(id_: str, title: str, caption: str, columns: str, rows: t.Iterable[Row], noun: str) -> Table:
    """A table whose columns are named in a text, those of numbers with a ``#`` before them."""
    named = [(name.strip().lstrip("#"), name.strip().startswith("#")) for name in columns.split("|")]
    return Table(id_, title, caption, named, list(rows), noun)


def _hosts(report: Report) -> Table:
    guests: dict[str, int] = {}
    for guest in report["guests"]:
        guests[guest["host"]] = guests.get(guest["host"], 0) + 1
    return _table(
        "hosts",
        "Hosts",
        "The machines that run VirtualBox. Guests are those of the inventory.",
        "Host | State | VirtualBox | Arrangement | #Guests | #Machines | #Packages | #In stores",
        (_host(host, guests.get(host["name"], 0)) for host in report["hosts"]),
        "hosts",
    )


def _host(host: Found, guests: int) -> Row:
    stores = [store for store in host["stores"] if store["kind"] != "linked"]
    facts = (
        ("Problem", _texts(host["problem"])),
        ("Could not be read", _texts(*host["errors"])),
        ("User of the machines", _texts(host["user"])),
        ("Stores", ([Cell(_kind(store)), said(store["path"]), Cell(size(store["bytes"]))] for store in stores)),
        ("Machines", (_machine(machine) for machine in host["machines"])),
        ("Boxes", map(_box, host["boxes"])),
        ("Waits for a start", ([said(one["machine"]), said(one["action"])] for one in host["waiting"])),
    )
    cells = (
        said(host["name"]),
        _host_state(host),
        said(host["virtualbox"]),
        said(host["arrangement"]),
        number(guests),
        number(len(host["machines"])),
        number(sum(store["implementations"] for store in stores)),
        sized(sum(store["bytes"] for store in stores)),
    )
    return Row(anchor("host", host["name"]), cells, _more(facts))


def _host_state(host: Found) -> Cell:
    if not host["read"]:
        return Cell("did not answer", mark="wrong")
    if host["problem"] or host["errors"]:
        return Cell("read in part", mark="pending")
    return Cell("answered", mark="right")


def _machine(machine: Found) -> list[Cell]:
    named = [guest_link(machine["guest"])] if machine["guest"] else []
    stray = [Cell("stray")] if machine["stray"] else []
    problem = [said(machine["problem"])] if machine["problem"] else []
    return [said(machine["name"]), said(machine["state"]), *named, *stray, *problem]


def _box(box: Found) -> list[Cell]:
    guest = guest_link(box["guest"]) if box["guest"] else Cell("of no guest")
    return [said(box["name"]), guest, Cell(f"{counted(box['waiting'], 'request')} in it")]


def _guests(report: Report) -> Table:
    return _table(
        "guests",
        "Guests",
        "The guests of the inventory. Shares and mounts: how many of those that the guest is to have are there.",
        "Guest | State | Host | Mode | Machine | System | Guest Additions | Shares | Mounts",
        map(_guest, report["guests"]),
        "guests",
    )


def _guest(guest: Found) -> Row:
    shares, mounts, additions = guest["shares"], guest["mounts"], guest["additions"]
    driver = guest["driver"]
    loaded = f"{'loaded' if driver['loaded'] else 'not loaded'}, {'' if driver['at_boot'] else 'not '}at each boot"
    facts = (
        ("Problem", _texts(guest["problem"])),
        ("Could not be read", _texts(*guest["errors"])),
        ("The playbook share would", _texts(*guest["steps"])),
        ("Guest Additions", _texts(additions["problem"], additions["restart"])),
        ("Driver", _texts(loaded if guest["read"] else "")),
        ("Shares", map(_share, shares)),
        ("Mounts", map(_mount, mounts)),
        ("0install", _texts(guest["zero_install"])),
        ("Programs", _texts(", ".join(guest["programs"]))),
    )
    cells = (
        said(guest["name"]),
        Cell(guest["state"], mark=guest["state"]),
        host_link(guest["host"]),
        said(_mode(guest)),
        said(f"{guest['machine']}{', ' if guest['machine_state'] else ''}{guest['machine_state']}"),
        said(guest["system"]),
        said(f"{additions['version']} {additions['origin']}".strip()),
        _there(one["there"] for one in shares if one["wanted"]),
        _there(one["mounted"] for one in mounts if one["wanted"]),
    )
    return Row(anchor("guest", guest["name"]), cells, _more(facts))


def _mode(guest: Found) -> str:
    group = f", group {guest['group']}" if guest["group"] else ""
    sees = ", sees its programs alone" if guest["sees"] == "programs" else ""
    return f"{guest['mode']}{group}{sees}"


def _share(share: Found) -> list[Cell]:
    there = "there" if share["there"] else "not there"
    wanted = "" if share["wanted"] else ", not wanted"
    problem = [said(share["problem"])] if share["problem"] else []
    return [said(share["name"]), said(share["path"]), Cell(f"{_writable(share)}, {there}{wanted}"), *problem]


def _mount(mount: Found) -> list[Cell]:
    mounted = "mounted" if mount["mounted"] else "not mounted"
    boot = "at each boot" if mount["at_boot"] else "not at boot"
    wanted = "" if mount["wanted"] else ", not wanted"
    problem = [said(mount["problem"])] if mount["problem"] else []
    words = f"{_writable(mount)}, {mounted}, {boot}{wanted}"
    return [said(mount["share"]), said(mount["path"]), Cell(words), *problem]


def _writable(one: Found) -> str:
    return "writable" if one["writable"] else "read-only"


def _there(ones: t.Iterable[bool]) -> Cell:
    found = list(ones)
    return Cell(f"{grouped(sum(found))} of {grouped(len(found))}")


def _stores(report: Report) -> Table:
    rows = (_store(host, store) for host in report["hosts"] for store in host["stores"])
    return _table(
        "stores",
        "Stores",
        "A linked store takes no room of its own: its packages are those of the host's store.",
        "Store | Host | #Packages | #Size | #Verified | #Not sound | #In quarantine",
        rows,
        "stores",
    )


def _store(host: Found, store: Found) -> Row:
    verified = store["verified"]
    bad = [(status, verified[status]) for status in ("corrupt", "exposed", "error")] if verified else []
    facts = (
        ("Problem", _texts(store["problem"])),
        ("Folder", _texts(store["path"])),
        ("Last verification", _texts(_verification(verified) if verified else "")),
    )
    name = store["of"] if store["of"] else host["name"]
    cells = (
        said(_kind(store)),
        host_link(host["name"]),
        number(store["implementations"]),
        sized(store["bytes"]),
        moment(verified["at"]) if verified else Cell("not known", key=0),
        number(sum(count for _status, count in bad)) if verified else Cell(NOTHING, key=-1),
        number(len(store["quarantine"])),
    )
    return Row(anchor("store", host["name"], store["kind"], name, store["path"]), cells, _more(facts))


def _kind(store: Found) -> str:
    words = STORES[store["kind"]]
    return f"{words[:1].upper()}{words[1:]} {store['of']}".strip()


def _verification(verified: Found) -> str:
    what = "all packages" if verified["mode"] == "full" else "what had changed"
    return (
        f"{what}: {counted(verified['implementations'], 'package')}, {grouped(verified['ok'])} sound, "
        f"{grouped(verified['corrupt'])} corrupt, {grouped(verified['exposed'])} exposed, "
        f"{grouped(verified['error'])} could not be read"
    )


def _programs(report: Report) -> Table:
    rows = (_program(host, program) for host in report["hosts"] for program in host["programs"])
    return _table(
        "programs",
        "Programs",
        "The programs of the guests, as their hosts have downloaded them.",
        "Program | Host | Version | System | #Guests | #Packages | #Size",
        rows,
        "programs",
    )


def _program(host: Found, program: Found) -> Row:
    facts = (
        ("Feed", _texts(program["interface"])),
        ("Guests", ([guest_link(name)] for name in program["guests"])),
    )
    cells = (
        said(program["name"]),
        host_link(host["name"]),
        said(program["version"]),
        said(program["system"]),
        number(len(program["guests"])),
        number(len(program["digests"])),
        sized(program["bytes"]),
    )
    return Row(anchor("program", host["name"], program["name"], program["system"]), cells, _more(facts))


def _packages(report: Report) -> Table:
    """Each package once, with the stores that have it."""
    found: dict[str, list[tuple[Found, Found, Found]]] = {}
    left_out = 0
    for host in report["hosts"]:
        for store in host["stores"]:
            left_out += store["packages_left_out"]
            for package in store["packages"]:
                found.setdefault(package["digest"], []).append((host, store, package))
    unneeded = {(host["name"], one["digest"]) for host in report["hosts"] for one in host["unneeded"]}
    more = f" {counted(left_out, 'smaller package is', 'smaller packages are')} left out here." if left_out else ""
    return _table(
        "packages",
        "Packages",
        f"The packages in all stores, each once. Its size is that in all stores together.{more}",
        "Package | Version | Architecture | #Stores | #Size | Needed",
        (_package(digest, ones, unneeded) for digest, ones in found.items()),
        "packages",
    )


def _package(digest: str, ones: t.Sequence[tuple[Found, Found, Found]], unneeded: t.Container[tuple[str, str]]) -> Row:
    package = ones[0][2]
    hosts = list(dict.fromkeys(host["name"] for host, _store, _package in ones))
    not_needed = [name for name in hosts if (name, digest) in unneeded]
    facts = (
        ("Digest", _texts(digest)),
        ("Feed", _texts(package["interface"])),
        ("In", ([host_link(host["name"]), Cell(_kind(store)), *_origin(one)] for host, store, one in ones)),
        ("Not needed any more on", ([host_link(name)] for name in not_needed)),
    )
    needed = "yes" if not not_needed else "no" if len(not_needed) == len(hosts) else "in part"
    cells = (
        _package_name(package),
        said(package["version"]),
        said(package["architecture"]),
        number(len(ones)),
        sized(sum(one["bytes"] for _host, _store, one in ones)),
        Cell(needed),
    )
    return Row(anchor("package", digest), cells, _more(facts))


def _package_name(package: Found) -> Cell:
    return said(package["program"]) if package["program"] else said(package["digest"], longest=SHORT)


def _origin(package: Found) -> list[Cell]:
    if not package["from_guest"]:
        return []
    return [Cell("from"), guest_link(package["from_guest"]), *([moment(package["since"])] if package["since"] else [])]


def _findings(report: Report) -> Table:
    return _table(
        "findings",
        "Packages that are not sound",
        "What the last verification of each store found.",
        "Package | Version | Status | Host | Store | Reason | Digest",
        (
            Row(
                anchor("finding", host["name"], store["path"], one["digest"]),
                (
                    _package_name(one),
                    said(one["version"]),
                    Cell(one["status"], mark="wrong"),
                    host_link(host["name"]),
                    said(_kind(store)),
                    said(": ".join(text for text in (one["reason"], one["detail"]) if text)),
                    said(one["digest"], longest=SHORT),
                ),
            )
            for host in report["hosts"]
            for store in host["stores"]
            for one in (store["verified"] or {"findings": ()})["findings"]
        ),
        "packages that are not sound",
    )


def _quarantine(report: Report) -> Table:
    return _table(
        "quarantine",
        "Quarantine",
        "Packages that a verification moved out of a store.",
        "Package | Version | Host | Store | #Size | Digest",
        (
            Row(
                anchor("quarantined", host["name"], store["path"], one["digest"]),
                (
                    _package_name(one),
                    said(one["version"]),
                    host_link(host["name"]),
                    said(_kind(store)),
                    sized(one["bytes"]),
                    said(one["digest"], longest=SHORT),
                ),
            )
            for host in report["hosts"]
            for store in host["stores"]
            for one in store["quarantine"]
        ),
        "packages in the quarantine",
    )


def _strays(report: Report) -> Table:
    rows = (_stray(host, machine) for host in report["hosts"] for machine in host["machines"] if machine["stray"])
    return _table(
        "strays",
        "Strays",
        "Machines that have a share of this collection, and that no guest of their host names.",
        "Machine | Host | State | System | #Shares",
        rows,
        "strays",
    )


def _stray(host: Found, machine: Found) -> Row:
    facts = (
        ("UUID", _texts(machine["uuid"])),
        ("Shares", map(_machine_share, machine["shares"])),
        ("Problem", _texts(machine["problem"])),
    )
    cells = (
        said(machine["name"]),
        host_link(host["name"]),
        said(machine["state"]),
        said(machine["os_type"]),
        number(len(machine["shares"])),
    )
    return Row(anchor("stray", host["name"], machine["uuid"]), cells, _more(facts))


def _machine_share(share: Found) -> list[Cell]:
    return [said(share["name"]), said(share["path"]), Cell(_writable(share))]


def _waiting(report: Report) -> Table:
    return _table(
        "waiting",
        "What waits for a start",
        "Changes that take effect only later.",
        "Machine | Host | Guest | Share | Change | Reason",
        (
            Row(
                anchor("waiting", host["name"], str(place)),
                (
                    said(one["machine"]),
                    host_link(host["name"]),
                    guest_link(one["guest"]),
                    said(one["share"]),
                    said(one["action"]),
                    said(one["reason"]),
                ),
            )
            for host in report["hosts"]
            for place, one in enumerate(host["waiting"])
        ),
        "changes",
    )


def _imports(report: Report) -> Table:
    marks = {"refused": "wrong"}
    return _table(
        "imports",
        "Requests of guests",
        "The last answers to guests of mode verified.",
        "Package | Version | Guest | Host | #When | Answer | Reason | Digest",
        (
            Row(
                anchor("import", host["name"], str(place)),
                (
                    _package_name(one),
                    said(one["version"]),
                    guest_link(one["guest"]),
                    host_link(host["name"]),
                    moment(one["at"]),
                    Cell(one["status"], mark=marks.get(one["status"], "right")),
                    said(one["reason"]),
                    said(one["digest"], longest=SHORT),
                ),
            )
            for host in report["hosts"]
            for place, one in enumerate(host["imports"])
        ),
        "requests",
    )


def _texts(*texts: str) -> list[list[Cell]]:
    """A line for each text that is not empty."""
    return [[said(text, longest=400)] for text in texts if text]


def _more(facts: Facts) -> list[Fact]:
    """What can be unfolded, without facts that have no line."""
    found = [Fact(title, list(lines)) for title, lines in facts]
    return [fact for fact in found if fact.lines]
