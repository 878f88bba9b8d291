# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a fleet, of the shape in docs/report.schema.json, by the inventory and by what a run registered."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import (
    _answers,
    _guest_plan,
    _guest_programs,
    _identity,
    _modes,
    _programs,
    _report_attention,
    _report_guests,
    _report_hosts,
    _roles,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

FORM = "1.0"
"""Version of the schema."""
WANTED = "cache_host_wanted"
"""Where the role ``cache_host`` keeps what the filter ``host_arrangement`` returned."""
PROGRAM = "/usr/local/lib/zeroinstall.virtualbox/secure-add"
"""Where the role ``cache_guest`` puts the program that sends packages to the host."""

_MESSAGES = ("refused", "unresolved", "inaccessible", "missing_paths")
_CHANGES = {
    "add": "It is missing.",
    "remove": "The inventory does not want it any more.",
    "forget": "It is gone, and settings of it are left.",
}
_STEPS = {
    "create_user": "The user who owns its store is missing.",
    "program": "The program that sends packages to its host is missing, or another one.",
    "remove_program": "The program that sends packages to a host is left over.",
    "share": "Its users cannot share packages yet.",
    "unshare": "Its users share packages, which the inventory does not want any more.",
}
_GUEST_VARIABLES = ("cache_guest_sharing", "cache_guest_mount_options", "cache_guest_zero_install")
_HOST_VARIABLES = ("cache_host_arrangement", "cache_host_user")


class Run(t.NamedTuple):
    """What a report is about.

    Attributes:
        guests: of each host, its guests, by the inventory.
        machines: the names of the machines of this run.
        made: the time.
        collection: its version.
    """

    guests: t.Mapping[str, t.Sequence[str]]
    machines: t.Collection[str]
    made: str
    collection: str


def report(inventory: Inventory, run: Run) -> dict[str, t.Any]:
    """The report."""
    hosts, guests, found = [], [], []
    for name, of_host in run.guests.items():
        about = _Host(inventory, name, of_host)
        if name in run.machines:
            hosts.append(about.entry)
            found += [
                *_report_attention.of_host(about.entry),
                *_report_attention.of_imports(about.entry, of_host, run.made),
                *about.attention(),
            ]
        for guest in of_host:
            if guest in run.machines:
                one, needs = about.guest(guest)
                guests.append(one)
                found += needs
    attention = _report_attention.in_order(found)
    expected = {*run.guests, *(guest for names in run.guests.values() for guest in names)}
    return {
        "form": FORM,
        "made": run.made,
        "collection": run.collection,
        "limited": not expected <= {*run.machines},
        "numbers": numbers(hosts, guests, attention),
        "attention": attention,
        "hosts": hosts,
        "guests": guests,
    }


class _Host:
    """A host with what it answered in this run."""

    def __init__(self, inventory: Inventory, name: str, guests: t.Sequence[str]) -> None:
        self._inventory = inventory
        self._name = name
        keys = (_report_hosts.OUTLOOK, _report_hosts.STORES, _report_hosts.FAILURE, WANTED)
        answers = inventory.set_by_tasks(name, keys) if inventory.has(name) else {}
        outlook, wanted = answers.get(_report_hosts.OUTLOOK), answers.get(WANTED)
        self._outlook: t.Mapping[str, t.Any] = outlook if isinstance(outlook, t.Mapping) else {}
        self._wanted: t.Mapping[str, t.Any] = wanted if isinstance(wanted, t.Mapping) else {}
        self._listed = _identity.entries(self._outlook.get("listed"))[: len(guests)]
        said = {**_roles.defaults("cache_host"), **inventory.said(name, _HOST_VARIABLES).values}
        arrangement = str(said["cache_host_arrangement"])
        linked = {}
        for guest in guests:
            try:
                linked[_modes.box_name(guest, arrangement)] = guest
            except ValueError:
                continue
        of_host = inventory.said(name, [_guest_programs.LIST]).values.get(_guest_programs.LIST)
        self.programs = {guest: self._programs(guest, of_host) for guest in guests}
        self.entry = _report_hosts.host(name, said, answers, linked, self.programs)
        self._machines = {one["guest"]: one for one in self.entry["machines"] if one["guest"]}
        self._changes = self._read_changes() if self.entry["read"] else {}

    def _programs(self, guest: str, of_host: t.Any) -> list[str]:
        """The names of the programs that a guest is to have: its own list, or else its host's."""
        said = self._inventory.said(guest, [_guest_programs.LIST]).values
        listed = said.get(_guest_programs.LIST, of_host) or []
        if not isinstance(listed, (list, tuple)):
            return []
        return [str(one["name"]) for one in listed if isinstance(one, t.Mapping) and "name" in one]

    def _read_changes(self) -> dict[str, dict[str, str]]:
        """By guest and share, what is wrong with a share."""
        found: dict[str, dict[str, str]] = {}
        try:
            for machine in _report_hosts.entries(self._outlook, "machines"):
                of_guest = found.setdefault(_report_hosts.text(machine, "guest"), {})
                for change in _report_hosts.entries(machine, "changes"):
                    fields = ", ".join(_report_hosts.texts(change, "fields"))
                    text = _CHANGES.get(_report_hosts.text(change, "action"), f"It differs in {fields}.")
                    of_guest.setdefault(_report_hosts.text(change, "share"), text)
        except _answers.Odd as error:
            self.entry.update(read=False, problem=f"Its answer is none that the modules give (see {error}).")
        return found

    def attention(self) -> list[dict[str, str]]:
        """What needs attention of what the inventory says of the host, and of what the host said of machines."""
        found = list(self._refused())
        if self.entry["read"]:
            try:
                found += self._told()
            except _answers.Odd as error:
                problem = f"A part of its answer is none that the modules give (see {error})."
                found.append(_report_attention.entry("host_not_read", problem, "See what it runs.", self._name))
        return found

    def _refused(self) -> t.Iterator[dict[str, str]]:
        for guest, message in self._wanted.get("refused", {}).items():
            yield _report_attention.entry("refused", message, "Do what the message says.", self._name, guest)
        if self._wanted.get("problem"):
            yield _report_attention.entry("refused", self._wanted["problem"], "Correct the inventory.", self._name)

    def _told(self) -> t.Iterator[dict[str, str]]:
        messages = {key: _report_hosts.texts(self._outlook, key) for key in _MESSAGES}
        strays = [
            {
                "name": _report_hosts.text(one, "name"),
                "uuid": _report_hosts.text(one, "uuid"),
                "shares": _report_hosts.texts(one, "shares"),
            }
            for one in _report_hosts.entries(self._outlook, "strays")
        ]
        yield from _report_attention.of_outlook(self._name, messages, strays)
        if self._wanted and "problem" not in self._wanted:
            in_use = _report_hosts.texts(self._outlook, "in_use")
            yield from _report_attention.of_left_over(self.entry, self._wanted, in_use)

    def guest(self, name: str) -> tuple[dict[str, t.Any], list[dict[str, str]]]:
        """A guest, and what of it needs attention."""
        about = _Guest(self._inventory, name, self._name)
        machine = self._machines.get(name)
        wanted = [one for one in self._wanted.get("machines", []) if one.get("guest") == name]
        ours = about.ours
        entry = {
            "name": name,
            "host": self._name,
            "machine": str(ours.get(_modes.MACHINE, "")),
            "machine_state": machine["state"] if machine else "",
            "mode": str(ours["cache_guest_mode"]),
            "group": str(ours["cache_guest_group"]) if ours["cache_guest_mode"] == "guests" else "",
            "sees": str(ours[_modes.SEES]),
            "shares": _report_guests.shares(
                wanted[0]["shares"] if wanted else [], machine, self._changes.get(name, {})
            ),
            "programs": self.programs[name],
        }
        answers = self._inventory.set_by_tasks(name, [_report_guests.READ, _report_hosts.FAILURE])
        answer = answers.get(_report_guests.READ, answers.get(_report_hosts.FAILURE))
        found = _report_guests.guest(entry, answer, about.mounts, _modes.SYSTEM_STORE)
        plan: dict[str, t.Any] = {}
        if found["read"] and isinstance(answer, t.Mapping):
            plan = about.plan(answer["guest"], self._listed)
        found["steps"] = steps(plan)
        problem = (about.problem or str(plan.get("problem", "")))[: _report_hosts.LONGEST]
        wrong_machine = bool(problem) and problem == about.refusal(answer, self._listed)[: _report_hosts.LONGEST]
        needs = list(_report_attention.of_guest(found, problem, wrong_machine))
        if found["state"] == "right":
            severities = {one["severity"] for one in needs} | {
                _report_attention.PENDING for one in self.entry["waiting"] if one["guest"] == name
            }
            found["state"] = (
                "wrong"
                if _report_attention.PROBLEM in severities
                else "pending"
                if _report_attention.PENDING in severities
                else "right"
            )
        return found, needs


class _Guest:
    """What the inventory says of a guest, and what follows from it."""

    def __init__(self, inventory: Inventory, name: str, host: str) -> None:
        self._name = name
        sharing = _roles.options("sharing")
        said = inventory.said(name, (*_modes.VARIABLES, *_GUEST_VARIABLES, *sharing))
        self.ours = {**_roles.defaults("sharing"), **_roles.defaults("cache_guest"), **said.values}
        self.problem = " ".join(f"guest '{name}': {reason}" for reason in said.refused.values())
        self._arrangement: dict[str, t.Any] = {"mounts": [], "helper": "none"}
        try:
            guest = {_modes.HOST: host, **self.ours}
            options = self.ours["cache_guest_mount_options"]
            self._arrangement = _modes.arrangement(name, guest, boolean(self.ours["cache_guest_sharing"]), options)
        except (TypeError, ValueError) as error:
            self.problem = self.problem or str(error)

    @property
    def mounts(self) -> list[dict[str, t.Any]]:
        """The mounts that it is to have."""
        found: list[dict[str, t.Any]] = self._arrangement["mounts"]
        return found

    def plan(self, answer: t.Any, listed: t.Any) -> dict[str, t.Any]:
        """What the playbook ``share`` would do in it."""
        ours = self.ours
        settings = {
            "name": self._name,
            "program": PROGRAM,
            "pythons": [_programs.PYTHON, ""],
            "machine": ours.get(_modes.MACHINE, ""),
            **{option: ours[f"cache_guest_{option}"] for option in ("mode", "zero_install")},
            **{option: ours[f"sharing_{option}"] for option in ("user", "store", "helper", "sudoers", "secure_add")},
        }
        return _guest_plan.guest_plan(answer, self._arrangement, settings, listed)

    def refusal(self, answer: t.Any, listed: t.Any) -> str:
        """Why it is another machine than the inventory says, or empty."""
        try:
            uuid = answer["guest"]["virtualbox"]["uuid"]
        except (KeyError, TypeError):
            return ""
        return _identity.refusal(self._name, str(self.ours.get(_modes.MACHINE, "")), listed, uuid)


def steps(plan: t.Mapping[str, t.Any]) -> list[str]:
    """What the playbook ``share`` would do in a guest beside mounting, as sentences about what is so."""
    found = [text for step, text in _STEPS.items() if plan.get(step)]
    if plan.get("package"):
        found.append("Zero Install is missing.")
    if plan.get("sharing_problem"):
        found.append(str(plan["sharing_problem"])[: _report_hosts.LONGEST])
    return found


def numbers(
    hosts: t.Sequence[t.Mapping[str, t.Any]],
    guests: t.Sequence[t.Mapping[str, t.Any]],
    attention: t.Sequence[t.Mapping[str, str]],
) -> dict[str, t.Any]:
    """The numbers of a report."""
    stores = [store for host in hosts for store in host["stores"]]
    own = [store for store in stores if store["kind"] != "linked"]
    severities = [one["severity"] for one in attention]
    modes = [guest["mode"] for guest in guests]
    states = [guest["state"] for guest in guests]
    findings = [one for store in own if store["verified"] for one in store["verified"]["findings"]]
    return {
        "hosts": len(hosts),
        "hosts_read": sum(host["read"] for host in hosts),
        "guests": len(guests),
        "guests_read": sum(guest["read"] for guest in guests),
        "machines": sum(len(host["machines"]) for host in hosts),
        "strays": sum(machine["stray"] for host in hosts for machine in host["machines"]),
        "problems": severities.count(_report_attention.PROBLEM),
        "pending": severities.count(_report_attention.PENDING),
        "notices": severities.count(_report_attention.NOTICE),
        "modes": {mode: modes.count(mode) for mode in sorted({*modes})},
        "states": {state: states.count(state) for state in _report_guests.STATES},
        "implementations": sum(store["implementations"] for store in own),
        "bytes": sum(store["bytes"] for store in own),
        "bytes_saved": saved(hosts, guests),
        "bytes_unneeded": sum(one["bytes"] for host in hosts for one in host["unneeded"]),
        "quarantined": sum(len(store["quarantine"]) for store in own),
        "unsound": sum(one["status"] != "exposed" for one in findings),
    }


def saved(hosts: t.Iterable[t.Mapping[str, t.Any]], guests: t.Iterable[t.Mapping[str, t.Any]]) -> int:
    """Bytes that all guests together would need more, if each had what it sees in a store of its own."""
    by_host = {
        host["name"]: {(store["kind"], store["of"]): store["bytes"] for store in host["stores"]} for host in hosts
    }
    seen: dict[tuple[str, str, str], int] = {}
    total = 0
    for guest in guests:
        stores = by_host.get(guest["host"], {})
        whole = ("host", "")
        keys = [("linked", guest["name"]) if guest["sees"] == _modes.PROGRAMS else whole]
        keys += [("group", guest["group"])] if guest["group"] else []
        for key in keys:
            total += stores.get(key, 0)
            there = whole if key[0] == "linked" else key
            seen[(guest["host"], *there)] = stores.get(there, 0)
    return max(0, total - sum(seen.values()))
