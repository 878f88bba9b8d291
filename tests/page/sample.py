# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports of fleets, as docs/report.schema.json describes them: right ones, and such with problems of every kind."""

from __future__ import annotations

import hashlib

KINDS = {
    "problem": (
        *("unsound", "share_of_others", "wrong_machine", "stray", "host_not_read", "share", "mount", "guest_not_read"),
        *("additions", "guest_setup", "store", "refused"),
    ),
    "pending": ("restart",),
    "notice": (
        *("quarantined", "exposed", "not_verified", "import_refused", "guest_off", "left_over", "unneeded"),
        "warning",
    ),
}
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "\"><img src=x onerror='window.hacked = 1'>",
    "</script></style><svg onload=window.hacked=1>",
    "{{ 7 * 7 }}{% raw %}",
    "evil\u202egnp.exe\u2066\u200e",
    "\x1b[31mred\x07\x9b0m",
    "one\ntwo\tthree",
    "שלום عالم",
    "&amp;&lt;b&gt;",
    "x" * 10_000,
    "",
)
"""What a guest may call itself, or say."""
MODES = ("readonly", "readonly", "trusted", "guests", "verified")
STATES = ("right", "right", "right", "right", "pending", "wrong", "off", "unknown")
PROGRAMS = ("Firefox", "Blender", "GIMP", "Inkscape", "Java", "Python", "Krita", "Godot", "Go", "Node", "VLC")
PER_HOST = 20
MADE = "2026-07-14T09:12:05Z"
EARLIER = "2026-07-13T09:11:58Z"


def digest(*words: object) -> str:
    """The name of an implementation that these words stand for."""
    return "sha256new_" + hashlib.sha256(repr(words).encode()).hexdigest()[:52].upper()


def package(name: str, version: str, octets: int, guest: str = "") -> dict[str, object]:
    """An implementation in a store."""
    return {
        "digest": digest(name, version),
        "program": name,
        "version": version,
        "architecture": "Linux-x86_64" if octets % 2 else "*-*",
        "interface": f"https://apps.example.com/{name.lower()}.xml",
        "bytes": octets,
        "from_guest": guest,
        "since": "2026-07-01T08:00:00Z" if guest else None,
    }


def verification(bad: bool) -> dict[str, object]:
    """A verification of a store."""
    finding = {
        "digest": digest("bad"),
        "program": "Blender",
        "version": "4.1",
        "status": "corrupt",
        "reason": "content",
        "detail": "bin/blender has another checksum",
    }
    return {
        "at": "2026-07-12T03:00:00Z",
        "mode": "full",
        "implementations": 12,
        "ok": 11 if bad else 12,
        "corrupt": 1 if bad else 0,
        "exposed": 0,
        "error": 0,
        "findings": [finding] if bad else [],
    }


def store(kind: str, of: str, path: str, packages: list[dict[str, object]], bad: bool = False) -> dict[str, object]:
    """A store; with problems, or as it should be."""
    return {
        "path": path,
        "kind": kind,
        "of": of,
        "problem": "",
        "implementations": len(packages) + (4 if kind == "host" else 0),
        "bytes": sum(int(str(one["bytes"])) for one in packages) + (4_000_000 if kind == "host" else 0),
        "packages": packages,
        "packages_left_out": 4 if kind == "host" else 0,
        "verified": None if kind == "linked" else verification(bad),
        "quarantine": [package("Blender", "4.0", 320_000_000)] if bad else [],
    }


def machine(number: int, name: str, guest: str, stray: bool = False) -> dict[str, object]:
    """A machine of a host."""
    share = {
        "name": "ZeroInstall",
        "path": "/var/cache/0install.net/implementations",
        "kind": "machine",
        "writable": False,
        "symlinks": False,
        "ours": True,
    }
    return {
        "uuid": f"5d3c2c4e-0000-4000-8000-{number:012d}",
        "name": name,
        "state": "running",
        "guest": guest,
        "stray": stray,
        "os_type": "Debian_64",
        "additions": "7.2.4",
        "problem": "",
        "shares": [share],
    }


def guest(number: int, name: str, host: str, state: str, mode: str) -> dict[str, object]:
    """A guest in a state."""
    wrong, read = state == "wrong", state not in ("off", "unknown")
    path = "/var/cache/0install.net/implementations"
    share = {
        "name": "ZeroInstall",
        "path": path,
        "writable": False,
        "wanted": True,
        "there": not wrong,
        "problem": "The machine has no share of this name." if wrong else "",
    }
    mount = {
        "share": "ZeroInstall",
        "path": path,
        "wanted": True,
        "mounted": read and not wrong,
        "writable": False,
        "at_boot": True,
        "problem": "It is not mounted." if wrong else "",
    }
    return {
        "name": name,
        "host": host,
        "machine": f"machine-{number}",
        "machine_state": "powered off" if state == "off" else "running",
        "mode": mode,
        "group": "office" if mode == "guests" else "",
        "sees": "programs" if number % 7 == 3 else "store",
        "state": state,
        "read": read,
        "problem": "" if read else "It did not answer by ssh within 10 seconds.",
        "system": "Debian GNU/Linux 12.11, Linux 6.1.0-37-amd64" if read else "",
        "additions": {
            "version": "7.2.4" if read else "",
            "origin": "mainline" if read else "",
            "problem": "",
            "restart": "Version 7.2.4 is installed, 7.2.2 runs." if state == "pending" else "",
        },
        "driver": {"loaded": read, "at_boot": read},
        "shares": [share],
        "mounts": [mount],
        "zero_install": "2.18" if read else "",
        "steps": ["Write the file /etc/0install.net/global.conf"] if state == "pending" else [],
        "programs": ["firefox", "gimp"],
        "errors": [],
    }


def host(number: int, name: str, guests: list[str], troubled: bool) -> dict[str, object]:
    """A host with its machines and stores."""
    bad = troubled and number == 0
    packages = [
        package(program, f"{place}.{number % 3}", 37_000_003 * (len(PROGRAMS) - place) + number)
        for place, program in enumerate(PROGRAMS)
    ]
    machines = [machine(1000 * number + place, f"machine-{place}", name) for place, name in enumerate(guests)]
    strays = [machine(1000 * number + 999, "old-web", "", stray=True)] if bad else []
    stores = [
        store("host", "", "/var/cache/0install.net/implementations", packages, bad),
        store("group", "office", "/srv/zeroinstall/office", packages[:3]),
        *(store("linked", name, f"/srv/zeroinstall/linked/{place}", []) for place, name in enumerate(guests[3:4])),
    ]
    waiting = {
        "machine": "machine-0",
        "guest": guests[0] if guests else "",
        "share": "ZeroInstall",
        "action": "symlinks",
        "reason": "The machine runs.",
    }
    imported = {
        "guest": guests[0] if guests else "",
        "digest": digest("sent", number),
        "program": "",
        "version": "",
        "at": "2026-07-10T10:00:00Z",
        "status": "refused",
        "reason": "The archive holds a device.",
    }
    program = {
        "name": "firefox",
        "interface": "https://apps.example.com/firefox.xml",
        "system": "Linux-x86_64",
        "version": "140.0",
        "guests": guests[:5],
        "digests": [digest("Firefox", "0.0")],
        "bytes": 444_000_036,
    }
    return {
        "name": name,
        "read": True,
        "problem": "",
        "arrangement": "default",
        "user": "",
        "virtualbox": "7.2.4",
        "stores": stores,
        "machines": [*machines, *strays],
        "waiting": [waiting] if bad else [],
        "programs": [program],
        "unneeded": packages[-2:] if troubled else [],
        "boxes": [{"name": "gone.example.com", "guest": "", "waiting": 2}] if bad else [],
        "imports": [imported, {**imported, "status": "added", "reason": "", "program": "Go"}] if bad else [],
        "errors": ["The folder of boxes could not be listed."] if bad else [],
    }


def attention(severity: str, kind: str, host_name: str, guest_name: str, subject: str = "") -> dict[str, str]:
    """Something that somebody should do."""
    return {
        "severity": severity,
        "kind": kind,
        "host": host_name,
        "guest": guest_name,
        "subject": subject,
        "text": f"This is so with {guest_name or host_name or 'the fleet'}: {kind.replace('_', ' ')}.",
        "remedy": f"Run the playbook share again, and see whether {kind.replace('_', ' ')} is gone.",
    }


def _problems(guests: list[dict[str, object]], hosts: list[dict[str, object]]) -> list[dict[str, str]]:
    """An entry of each kind, and one for each guest that is not right."""
    of_state = {
        "wrong": ("problem", "mount"),
        "unknown": ("problem", "guest_not_read"),
        "pending": ("pending", "restart"),
        "off": ("notice", "guest_off"),
    }
    found = [
        attention(severity, kind, str(hosts[0]["name"]), "", f"subject of {kind}")
        for severity, kinds in KINDS.items()
        for kind in kinds
    ]
    found += [
        attention(*of_state[str(one["state"])], str(one["host"]), str(one["name"]))
        for one in guests
        if one["state"] in of_state
    ]
    return sorted(found, key=lambda one: list(KINDS).index(one["severity"]))


def fleet(number: int, troubled: bool = True, hostile: bool = False, made: str = MADE) -> dict[str, object]:
    """A report of a fleet with so many guests.

    ``troubled`` has an entry of attention of every kind, and guests in every state. ``hostile`` has names and texts of
    hostile guests beside.
    """
    names = [f"guest-{place:04d}" for place in range(number)]
    if hostile:
        names[: len(HOSTILE)] = [name or "no-name" for name in HOSTILE]
    host_names = [f"host-{place:02d}" for place in range(max(1, (number + PER_HOST - 1) // PER_HOST))]
    guests = [
        guest(
            place,
            name,
            host_names[place // PER_HOST],
            STATES[place % len(STATES)] if troubled else "right",
            MODES[place % len(MODES)],
        )
        for place, name in enumerate(names)
    ]
    hosts = [
        host(place, name, names[place * PER_HOST : (place + 1) * PER_HOST], troubled)
        for place, name in enumerate(host_names)
    ]
    entries = _problems(guests, hosts) if troubled else []
    if hostile:
        for place, text in enumerate(HOSTILE):
            entries.append({**attention("notice", "warning", "", names[place % number], text), "text": text})
            guests[place % number].update(system=text, errors=[text], programs=[text], machine=text)
    return {
        "form": "1.0",
        "made": made,
        "collection": "0.2.0",
        "limited": False,
        "numbers": numbers(guests, hosts, entries),
        "attention": entries,
        "hosts": hosts,
        "guests": guests,
    }


def numbers(
    guests: list[dict[str, object]], hosts: list[dict[str, object]], entries: list[dict[str, str]]
) -> dict[str, object]:
    """The numbers of a report with these."""
    severities = [one["severity"] for one in entries]
    stores = [one for each in hosts for one in each["stores"] if one["kind"] != "linked"]
    octets = sum(one["bytes"] for one in stores)
    return {
        "hosts": len(hosts),
        "hosts_read": len(hosts),
        "guests": len(guests),
        "guests_read": sum(bool(one["read"]) for one in guests),
        "machines": sum(len(one["machines"]) for one in hosts),
        "strays": sum(machine["stray"] for one in hosts for machine in one["machines"]),
        "problems": severities.count("problem"),
        "pending": severities.count("pending"),
        "notices": severities.count("notice"),
        "modes": {mode: sum(one["mode"] == mode for one in guests) for mode in dict.fromkeys(MODES)},
        "states": {state: sum(one["state"] == state for one in guests) for state in dict.fromkeys(STATES)},
        "implementations": sum(one["implementations"] for one in stores),
        "bytes": octets,
        "bytes_saved": octets * len(guests) // 4,
        "bytes_unneeded": 11_000_000,
        "quarantined": sum(len(one["quarantine"]) for one in stores),
        "unsound": sum(len(one["verified"]["findings"]) for one in stores),
    }


def before(report: dict[str, object]) -> dict[str, object]:
    """A report that was made before another one: a guest and an entry were other ones, and the stores were smaller."""
    guests = [dict(one) for one in report["guests"]]
    hosts = [
        {**one, "stores": [{**each, "bytes": each["bytes"] * 9 // 10} for each in one["stores"]]}
        for one in report["hosts"]
    ]
    guests[0]["state"] = "unknown" if guests[0]["state"] == "right" else "right"
    guests[-1]["name"] = "guest-that-went"
    entries = [*report["attention"][1:], attention("problem", "share", "host-00", "guest-that-went")]
    return {**report, "made": EARLIER, "attention": entries, "guests": guests, "hosts": hosts}
