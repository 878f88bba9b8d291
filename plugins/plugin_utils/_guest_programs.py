# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which programs the guests of a host have, by the inventory, and what a guest gets of what its host downloaded."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import (
    _answers,
    _identity,
    _modes,
    _roles,
    _unused,
    _words,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

ROLE = "cache_programs"
LIST, SYSTEM = "cache_programs_list", "cache_programs_system"
DOWNLOADED = "cache_programs_downloaded"
"""What a host's part registers."""
TOLD = (_unused.WANTED, DOWNLOADED, _unused.LINKED, _unused.NOT_NEEDED)
MOST_NAMED = 5
"""Programs that a message names."""
_PROCESSORS = {"_64": "x86_64", "_arm64": "aarch64", "": "i686"}
"""By the end of a type of VirtualBox's, the processor, as Zero Install names it."""
_LINUX = re.compile(
    "(?:Arch|Debian|Fedora|Gentoo|Linux|Lubuntu|Mandriva|Open_?Mandriva|OpenSUSE|Oracle|RedHat|SUSE|Turbolinux|Ubuntu"
    "|Xandros|Xubuntu)"
)


class Wanted(t.NamedTuple):
    """``programs``: the option of the module ``programs``. ``guests``: the system and the programs' names of each.

    A guest that sees its programs alone has the name of its ``linked`` store, too.
    """

    programs: list[dict[str, t.Any]]
    guests: dict[str, dict[str, t.Any]]
    refused: dict[str, str]


def system_of(os_type: str) -> str:
    """Zero Install's name of the system of a machine with a type of VirtualBox's; empty for one that is not known."""
    if not _LINUX.match(os_type):
        return ""
    ending = next(ending for ending in _PROCESSORS if os_type.endswith(ending))
    return f"Linux-{_PROCESSORS[ending]}"


def wanted(
    names: t.Iterable[str],
    inventory: Inventory,
    host: str,
    machines: t.Sequence[t.Mapping[str, t.Any]],
    arrangement: str = _names.DEFAULT_ARRANGEMENT,
) -> Wanted:
    """What a host has to download. ValueError if two guests mean different programs by one name.

    Args:
        names: of the host's guests.
        machines: what the host tells of its machines, as ``machine_info`` does.

    What is wrong with one guest is in ``refused``, and keeps nothing from the others.
    """
    found = Wanted([], {}, {})
    by_name: dict[str, tuple[str, dict[str, t.Any]]] = {}
    types = _types(machines)
    of_host = inventory.said(host, [LIST]).values.get(LIST)
    for name in names:
        said = inventory.said(name, [LIST, SYSTEM, _modes.MACHINE, _modes.SEES])
        if said.refused:
            found.refused[name] = " ".join(said.refused[variable] for variable in sorted(said.refused))
            continue
        own = said.values.get(LIST, of_host)
        try:
            programs = _programs(name, [] if own is None else own)
            system = str(said.values.get(SYSTEM) or "") or _found_system(name, said.values, types) if programs else ""
            linked = _modes.box_name(name, arrangement) if _modes.sees_programs(said.values) else ""
        except ValueError as error:
            found.refused[name] = str(error)
            continue
        for program in programs:
            first, known = by_name.setdefault(program["name"], (name, {**program, "systems": []}))
            if {**known, "systems": []} != {**program, "systems": []}:
                raise ValueError(
                    f"guests '{first}' and '{name}' have different programs '{program['name']}' in {LIST}. Give one of"
                    " them another name."
                )
            if system not in known["systems"]:
                known["systems"].append(system)
        own = [program["name"] for program in programs]
        found.guests[name] = {"system": system, "programs": own, **({"linked": linked} if linked else {})}
    found.programs.extend(program for _first, program in by_name.values())
    return found


def _programs(name: str, value: t.Any) -> list[dict[str, t.Any]]:
    """A guest's list. ValueError: it is none."""
    problem = _roles.wrong(ROLE, {LIST: value})
    if problem:
        raise ValueError(f"guest '{name}': {problem}")
    programs: list[dict[str, t.Any]] = [{key: one[key] for key in one if one[key] is not None} for one in value]
    names = [str(one["name"]) for one in programs]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise ValueError(f"guest '{name}' has the program '{twice[0]}' twice in {LIST}. Give one another name.")
    return programs


def _types(machines: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """VirtualBox's types of the machines that have a name or a UUID."""
    found: dict[str, list[str]] = {}
    for machine in machines:
        for key in dict.fromkeys([str(machine.get("name")), str(machine.get("uuid"))]):
            found.setdefault(key, []).append(str(machine.get("os_type", "")))
    return found


def _found_system(name: str, guest: t.Mapping[str, t.Any], types: t.Mapping[str, t.Sequence[str]]) -> str:
    machine = str(guest.get(_modes.MACHINE, ""))
    found = types.get(machine) or types.get(_identity.as_uuid(machine), ())
    system = system_of(found[0]) if len(found) == 1 else ""
    if not system:
        known = f"of the type '{found[0]}'" if len(found) == 1 else "not one machine that VirtualBox knows"
        raise ValueError(
            f"guest '{name}': its machine '{machine}' is {known}, so its system is not known. Set {SYSTEM}, such as"
            " Linux-x86_64."
        )
    return system


def of_guest(name: str, host: str, inventory: Inventory) -> dict[str, t.Any]:
    """What a guest gets: ``programs`` for the module ``launchers``, and ``problems`` of others.

    ``in_question``: the implementations that its host is to remove, or is not to show it any more, unless it uses them.

    ValueError: its host's part did not come so far in this run. Odd: the host's answer is none that its module gives.
    """
    told = inventory.set_by_tasks(host, TOLD) if inventory.has(host) else {}
    plan, answer = told.get(_unused.WANTED) or {}, told.get(DOWNLOADED) or {}
    if name in plan.get("refused", {}):
        raise ValueError(str(plan["refused"][name]))
    if name not in plan.get("guests", {}) or "programs" not in answer:
        raise ValueError(
            f"its host {host} downloaded nothing for it in this run. See above whether it was reached, and name it in"
            " --limit, too."
        )
    own = plan["guests"][name]
    try:
        seen = set(_unused.texts(_unused.linked(told, own), "present")) if "linked" in own else None
        in_question = _unused.asked(told, own)
    except KeyError:
        raise ValueError(
            f"its host {host} did not fill its linked store in this run. See above what failed there."
        ) from None
    mine = [one for one in map(_entry, _answers.items(answer["programs"], "programs")) if _is_of(one, own)]
    failed = [
        one for one in map(_entry, _answers.items(answer["failed_programs"], "failed_programs")) if _is_of(one, own)
    ]
    lacking = [one["name"] for one in mine if seen is not None and not seen.issuperset(_needed([one]))]
    if lacking:
        raise ValueError(
            f"its linked store does not have all packages of {_words.quoted(lacking, MOST_NAMED)}. See above what"
            f" failed on its host {host}. The guest keeps its launchers as they are."
        )
    return {
        "programs": [{key: one[key] for key in ("name", "document", "packages")} for one in mine],
        "problems": [f"{one['name']}: {_answers.word(one['problem'], 'problem')}" for one in failed],
        "in_question": in_question,
    }


def linked(host: str, inventory: Inventory) -> list[dict[str, t.Any]]:
    """The option ``stores`` of the module ``linked_stores``: of each guest that sees its programs alone, what it needs.

    Odd: the host's answer is none that its module gives.
    """
    told = inventory.set_by_tasks(host, TOLD)
    programs = [_entry(one) for one in _answers.items((told.get(DOWNLOADED) or {}).get("programs"), "programs")]
    stores = []
    for own in (told.get(_unused.WANTED) or {}).get("guests", {}).values():
        if "linked" in own:
            mine = [one for one in programs if _is_of(one, own)]
            coming = sorted({name for one in mine for name in _unused.texts(one, "downloaded")})
            stores.append({"name": own["linked"], "implementations": _needed(mine), "coming": coming})
    return stores


def _needed(programs: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """The implementations of programs. Odd: the answer does not have them."""
    return sorted({name for one in programs for name in _unused.texts(one, "implementations")})


def no_more(host: str, inventory: Inventory) -> tuple[list[dict[str, t.Any]], list[str]]:
    """The same without what guests do not need any more and have said that they do not use; and what stays, in lines.

    A guest's word decides about what this guest sees, and about nothing else.
    """
    told = inventory.set_by_tasks(host, TOLD)
    wanted = {one["name"]: one for one in linked(host, inventory)}
    stores, kept = [], []
    for guest, own in (told.get(_unused.WANTED) or {}).get("guests", {}).items():
        surplus = _unused.texts(_unused.linked(told, own), "surplus") if "linked" in own else []
        if not surplus:
            continue
        try:
            used = {_unused.name(one): _unused.by(one) for one in _unused.used_by(inventory, guest)}
        except (_answers.Odd, KeyError):
            kept.append(
                f"Guest '{guest}' still sees {len(surplus)} packages that its programs do not need: in this run, it did"
                " not say which of them it uses."
            )
            continue
        stays = [name for name in surplus if name in used]
        kept += [f"Guest '{guest}' still sees {name}, for it uses it: {used[name]}." for name in stays]
        if len(stays) < len(surplus):
            one = wanted[own["linked"]]
            stores.append({**one, "implementations": sorted({*one["implementations"], *stays}), "exact": True})
    return stores, kept


def _entry(value: t.Any) -> t.Mapping[str, t.Any]:
    return _answers.mapping(value, "programs")


def _is_of(entry: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> bool:
    return entry["system"] == own["system"] and entry["name"] in own["programs"]
