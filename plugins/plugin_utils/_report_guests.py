# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report says of a guest, by what the module ``guest_info`` answered there, beside what its mode has.

docs/report.schema.json has the shapes. The guest's answer is data about this guest alone.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import Odd, mapping
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_hosts import (
    entries,
    flag,
    one_of,
    text,
    texts,
    unread,
)

READ = "cache_guest_read"
"""Where the role keeps the module's answer."""
STATES = ("right", "pending", "wrong", "off", "unknown")
"""How a guest stands."""
ORIGINS = ("", "oracle", "distribution", "mainline")
MOST_MOUNTS = 200
"""Mounts, and lines of fstab, that are told of a guest."""
OFF = ("poweroff", "aborted", "saved", "aborted-saved", "teleported")
"""VirtualBox's words for machines that do not run."""


def _part(guest: t.Mapping[str, t.Any], key: str) -> t.Mapping[str, t.Any]:
    """A part of the answer; an empty one where the guest could not read it."""
    return mapping(guest.get(key) or {}, key)


Entry = t.Mapping[str, t.Any]
Place = t.Tuple[str, str]
"""A share and a path."""


def _wanted_mount(wanted: Entry, visible: t.Mapping[str, Entry], lines: t.Mapping[Place, Entry]) -> dict[str, t.Any]:
    """A mount that the guest is to have."""
    share, path, writable = wanted["share"], wanted["path"], bool(wanted.get("writable"))
    there, line = visible.get(path), lines.get((share, path))
    problem = ""
    if there is None:
        problem = "It is not mounted."
        if line is not None and text(line, "error"):
            problem = f"It cannot be mounted: {text(line, 'error')}."
    elif text(there, "share") != share:
        problem = f"The share {text(there, 'share')} is mounted there."
    elif not flag(there, "answers"):
        problem = f"It does not answer: {text(there, 'error')}."
    elif flag(there, "writable") != writable:
        problem = "It is mounted writable." if not writable else "It is mounted read-only."
    elif line is None:
        problem = "fstab does not have it, so it is gone after the next start."
    return {
        "share": share,
        "path": path,
        "wanted": True,
        "mounted": there is not None and text(there, "share") == share,
        "writable": there is not None and flag(there, "writable"),
        "at_boot": line is not None,
        "problem": problem,
    }


def _place(one: Entry) -> Place:
    return text(one, "share"), text(one, "path")


def mounts(guest: t.Mapping[str, t.Any], wanted: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The mounts that a guest is to have, and those that it has otherwise."""
    live = [(_place(one), one) for one in entries(guest, "mounts")[:MOST_MOUNTS]]
    visible = {path: one for (_share, path), one in live}  # the last one is seen
    lines: dict[Place, Entry] = {}
    for written in entries(_part(guest, "fstab"), "entries")[:MOST_MOUNTS]:
        lines.setdefault(_place(written), written)
    found = [_wanted_mount(one, visible, lines) for one in wanted]
    known = {(one["share"], one["path"]) for one in found}
    for key in dict.fromkeys(
        [*(place for place, _one in live), *(key for key, one in lines.items() if flag(one, "ours"))]
    ):
        if key in known:
            continue
        there, line = visible.get(key[1]), lines.get(key)
        mounted = there is not None and text(there, "share") == key[0]
        ours = line is not None and flag(line, "ours")
        found.append(
            {
                "share": key[0],
                "path": key[1],
                "wanted": False,
                "mounted": mounted,
                "writable": mounted and there is not None and flag(there, "writable"),
                "at_boot": line is not None,
                "problem": "The inventory does not want it any more." if ours else "",
            }
        )
    return found


def system(guest: t.Mapping[str, t.Any]) -> str:
    """The distribution with its version, and the kernel."""
    part = _part(guest, "system")
    name = f"{text(part, 'id')} {text(part, 'version')}".strip()
    return ", ".join(filter(None, [name, text(part, "kernel")]))


def shares(
    wanted: t.Sequence[t.Mapping[str, t.Any]],
    machine: t.Mapping[str, t.Any] | None,
    changes: t.Mapping[str, str],
) -> list[dict[str, t.Any]]:
    """The shares that a guest's machine is to have, and those of this arrangement that it has.

    Args:
        wanted: as the filter ``host_arrangement`` has them.
        machine: the machine as the report has it, if it is known.
        changes: by name, what is wrong with a share.
    """
    there = {one["name"]: one for one in (machine or {}).get("shares", []) if one["kind"] != "global"}
    of_wanted = {one["name"]: one for one in wanted}
    others = [name for name in {**there, **changes} if name not in of_wanted]
    return [
        {
            "name": name,
            "path": there.get(name, of_wanted.get(name, {})).get("path", ""),
            "writable": bool(of_wanted.get(name, there.get(name, {})).get("writable")),
            "wanted": name in of_wanted,
            "there": name in there,
            "problem": changes.get(name, ""),
        }
        for name in [*of_wanted, *others]
        if name in of_wanted or name in changes or there[name]["ours"]
    ]


def guest(
    entry: t.Mapping[str, t.Any], answer: t.Any, mounted: t.Sequence[t.Mapping[str, t.Any]], store_path: str
) -> dict[str, t.Any]:
    """A guest.

    Args:
        entry: what is known of it by the inventory and by its host: all properties but those that this adds.
        answer: what its task registered, or what failed before that, or nothing.
        mounted: the mounts that it is to have, as the filter ``arrangement`` has them.
        store_path: where Zero Install looks for its store.
    """
    off = entry["machine_state"] in OFF
    found = {
        **entry,
        "state": "off" if off else "unknown",
        "read": False,
        "problem": "Its machine is off." if off else unread(answer, "guest", answer),
        "system": "",
        "additions": {"version": "", "origin": "", "problem": "", "restart": ""},
        "driver": {"loaded": False, "at_boot": False},
        "mounts": [],
        "zero_install": "",
        "steps": [],
        "errors": [],
    }
    if not isinstance(answer, t.Mapping) or not isinstance(answer.get("guest"), t.Mapping):
        return found
    said = answer["guest"]
    try:
        additions, driver = _part(said, "additions"), _part(said, "driver")
        errors = _part(said, "errors")
        found.update(
            read=True,
            problem="",
            state="right",
            system=system(said),
            additions={
                "version": text(additions, "version"),
                "origin": one_of(additions, "origin", ORIGINS),
                "problem": text(additions, "problem"),
                "restart": text(additions, "restart"),
            },
            driver={"loaded": flag(driver, "loaded"), "at_boot": bool(texts(driver, "at_boot"))},
            mounts=mounts(said, mounted),
            zero_install=text(_part(said, "zero_install"), "version"),
            errors=[f"{str(key)[:100]}: {text(errors, key)}" for key in list(errors)[:100]],
        )
        silent = {one["path"] for one in found["mounts"] if one["problem"]}
        for one in entries(said, "stores"):
            if text(one, "path") == store_path and text(one, "error") and store_path not in silent:
                found["errors"].append(f"{store_path}: {text(one, 'error')}")
    except Odd as error:
        found.update(read=False, state="unknown", problem=f"Its answer is none that guest_info gives (see {error}).")
    return found
