# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's stores: what is in them, what it is called, what was found when they were verified, and what waits aside.

And from which guests' boxes it came.

Whoever writes a store decides what is in it. So no link is followed, and each list has a bound.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Collection, Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal, origins
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.origins import Origin
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import (
    downloading,
    known_names,
    record,
    selections,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs.known_names import Known
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    group_stores,
    judging,
    last_results,
    linking,
    manifests,
    quarantine,
    sizes,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.cut_lists import capped

ENTRIES = 3_000_000
"""Files, links and directories that a run looks at."""
MOST_PACKAGES, ROOM = 5000, 4 << 20
"""Implementations of a store that are told, and their bytes as JSON."""
MOST_ASIDE = 1000
"""Implementations in a quarantine that are told."""
MOST_IMPORTS = 200
"""Answers to guests that are told."""
MOST_BOXES, MOST_NAMES = 5000, 1000
"""Boxes that are told, and names in each among which requests are counted."""


class Place(NamedTuple):
    """A store to look at. ``record``: the folder with what was found when it was verified."""

    path: str
    record: str


class Look(NamedTuple):
    """What a run has for all stores: names, and the entries that it may still look at."""

    known: Mapping[str, Known]
    budget: sizes.Budget


def run(asked: Asked) -> dict[str, Any]:
    """Look at the stores. Failure: an option is wrong."""
    params = asked.params
    _names.check_store_path(params["store"], "store")
    _names.check_arrangement(params["arrangement"], "arrangement")
    record.check_keep(params["keep"])
    store = Place(_names.normal(params["store"]), params["record"])
    errors: list[str] = []
    programs = _record(params["programs"], errors)
    look = Look(known_names.known(params["feeds"], programs), sizes.Budget(params["max_entries"]))
    groups = {one.group: Place(one.path, params["groups_record"]) for one in _groups(params["groups"], errors)}
    came, unread = _came(store.path, errors)
    own = _store(store, look, came.origins)
    return {
        "changed": False,
        "stores": [
            {"kind": "host", "of": "", **own.told},
            *(
                {"kind": "group", "of": judging.shown(group), **_store(place, look).told}
                for group, place in groups.items()
            ),
            *_linked(store, own.sizes, look, errors),
        ],
        "programs": list(_programs(programs, params["arrangement"], store.path, own.sizes)),
        "unneeded": [
            _package(name, own.sizes.get(name, 0), look.known, came.origins)
            for name in downloading.unused(programs, store.path, params["arrangement"], params["keep"])
        ][:MOST_PACKAGES],
        "imports": _imports(came, look.known),
        "boxes": _boxes(params["inbox"], params["arrangement"], errors),
        "from_boxes": _from_boxes(set(params["boxes"]), store.path, own, came.origins, look, unread),
        "errors": errors,
    }


def _record(folder: str, errors: list[str]) -> record.Record:
    """What the host has downloaded for programs; nothing where that cannot be read."""
    if not folder:
        return record.Record()
    try:
        return record.load(folder)
    except Failure as error:
        errors.append(str(error))
        return record.Record()


def _groups(folder: str, errors: list[str]) -> Sequence[group_stores.Store]:
    if not folder:
        return []
    try:
        return group_stores.there(folder)
    except Failure as error:
        errors.append(str(error))
        return []


def _came(store: str, errors: list[str]) -> tuple[origins.Record, str]:
    """From which boxes the implementations of a store came, and what was refused; why that is not known, or empty."""
    folder = origins.staging_folder(store)
    try:
        owners = {0, os.geteuid(), os.lstat(store).st_uid}
        found = origins.read(folder, owners)
    except FileNotFoundError:
        return origins.Record({}, []), ""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        errors.append(f"What {folder} says of the guests from which packages came is not used: {reason}.")
        return origins.Record({}, []), errors[-1]
    if found.damaged:
        errors.append(
            f"{found.damaged} lines of what {folder} says of the guests from which packages came are damaged."
        )
    return found, ""


def _boxes(folder: str | None, arrangement: str, errors: list[str]) -> list[dict[str, Any]]:
    """The boxes of an arrangement, and how many requests wait in each."""
    if not folder:
        return []
    with contextlib.ExitStack() as stack:
        try:
            opened = os.open(folder, inspecting.DIRECTORY)
            stack.callback(os.close, opened)
            found = box_removal.survey(opened, MOST_NAMES)
        except FileNotFoundError:
            return []
        except Failure as error:
            errors.append(str(error))
            return []
        except OSError as error:
            errors.append(f"The boxes' folder {folder} cannot be read: {error.strerror}.")
            return []
    own = [one for one in found if _names.arrangement_of(one.box) == arrangement]
    return [{"name": one.name, "waiting": one.requests.waiting} for one in own[:MOST_BOXES]]


def _imports(came: origins.Record, known: Mapping[str, Known]) -> list[dict[str, Any]]:
    """The last answers to guests, the latest first."""
    answers = [
        *({"digest": name, **one._asdict(), "status": "added", "reason": ""} for name, one in came.origins.items()),
        *({**one._asdict(), "status": "refused"} for one in came.refusals),
    ]
    last = sorted(answers, key=lambda answer: answer["at"])[-MOST_IMPORTS:]
    return [{**answer, **_called(answer["digest"], known)} for answer in reversed(last)]


def _called(name: str, known: Mapping[str, Known]) -> dict[str, str]:
    what = known.get(name, known_names.NOTHING)
    return {"program": what.program, "version": what.version}


class _Found(NamedTuple):
    """What is told of a store, the names of its implementations, and the bytes of each."""

    told: dict[str, Any]
    names: Sequence[str]
    sizes: dict[str, int]


def _store(place: Place, look: Look, came: Mapping[str, Origin] | None = None) -> _Found:
    """A store. ``came``: from which boxes its implementations came."""
    came = came or {}
    try:
        opened = judging.open_store(place.path)
    except Failure as error:
        return _Found(_told(place.path, problem=str(error)), (), {})
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, opened.fd)
        owner = os.fstat(opened.fd).st_uid
        names = [name for name in os.listdir(opened.fd) if manifests.is_name(name)]
        found = sizes.measure(opened.fd, names, look.budget)
    problems = [f"{found.left_out} of its implementations could not be measured."] if found.left_out else []
    verified = _verified(place, owner, look, problems)
    aside = _aside(place.path, look, problems, came)
    packages = sorted(names, key=lambda name: (-found.each.get(name, 0), name))
    kept = capped(packages, MOST_PACKAGES, ROOM, lambda name: _package(name, found.each.get(name, 0), look.known, came))
    told = _told(
        place.path,
        problem=" ".join(problems),
        implementations=len(names),
        bytes=found.total,
        packages=kept,
        packages_left_out=len(names) - len(kept),
        verified=verified,
        quarantine=aside,
    )
    return _Found(told, names, found.each)


def _told(path: str, **known: Any) -> dict[str, Any]:
    nothing = {"problem": "", "implementations": 0, "bytes": 0, "packages": [], "packages_left_out": 0}
    return {"path": judging.shown(path), **nothing, "verified": None, "quarantine": [], **known}


def _package(name: str, size: int, known: Mapping[str, Known], came: Mapping[str, Origin]) -> dict[str, Any]:
    origin = came.get(name)
    return {
        "digest": judging.shown(name),
        **known.get(name, known_names.NOTHING)._asdict(),
        "bytes": size,
        "box": origin.box if origin else "",
        "since": origin.at if origin else None,
    }


def _verified(place: Place, owner: int, look: Look, problems: list[str]) -> dict[str, Any] | None:
    """What was found when the store was verified, if that is known. ``owner``: who owns the store."""
    try:
        result = last_results.last(place.record, place.path, {0, os.geteuid(), owner})
    except Failure as error:
        problems.append(str(error))
        return None
    if result is None:
        return None
    findings = []
    for one in result.findings:
        rest = {key: one[key] for key in ("status", "reason", "detail")}
        findings.append({"digest": one["name"], **_called(one["name"], look.known), **rest})
    counts = {key: number for key, number in result.counts.items() if key != "bytes"}
    return {"at": result.at, "mode": result.mode, **counts, "findings": findings}


def _aside(store: str, look: Look, problems: list[str], came: Mapping[str, Origin]) -> list[dict[str, Any]]:
    """What is in the quarantine of a store."""
    try:
        with quarantine.opened(store) as (folder, found):
            entries = [(name, entry) for name, copies in sorted(found.items()) for entry in copies.values()]
            entries = entries[:MOST_ASIDE]
            measured = sizes.measure(folder, [entry for _name, entry in entries if "/" not in entry], look.budget)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"The quarantine {quarantine.default_folder(store)} cannot be read: {error.strerror}.")
        return []
    return [_package(name, measured.each.get(entry, 0), look.known, came) for name, entry in entries]


def _linked(store: Place, total: Mapping[str, int], look: Look, errors: list[str]) -> Iterator[dict[str, Any]]:
    """The linked stores of a store."""
    try:
        found = linking.present(store.path)
    except Failure as error:
        errors.append(str(error))
        return
    for name, names in sorted(found.items()):
        place = Place(_names.linked_store(store.path, name), store.record)
        problems: list[str] = []
        verified = _verified(place, os.geteuid(), look, problems)
        size = sum(total.get(one, 0) for one in names)
        told = _told(place.path, implementations=len(names), bytes=size, verified=verified)
        yield {"kind": "linked", "of": name, **told, "problem": " ".join(problems)}


def _from_boxes(
    boxes: Collection[str], store: str, own: _Found, came: Mapping[str, Origin], look: Look, unread: str
) -> dict[str, Any]:
    """What came from these boxes, and is in a store or in a linked store of it now.

    ``own``: the store. ``unread``: why it is not known what came, or empty.
    """
    if not boxes:
        return {"packages": [], "left_out": 0, "problem": ""}
    problems = [unread] if unread else []
    having = {store: frozenset(own.names)}
    try:
        having.update((_names.linked_store(store, name), names) for name, names in linking.present(store).items())
    except Failure as error:
        problems.append(str(error))
    there = {
        name: [path for path, names in having.items() if name in names]
        for name, origin in came.items()
        if origin.box in boxes
    }
    found = [name for name, paths in there.items() if paths]
    kept = capped(
        found,
        MOST_PACKAGES,
        ROOM,
        lambda name: {**_package(name, own.sizes.get(name, 0), look.known, came), "stores": there[name]},
    )
    return {"packages": kept, "left_out": len(found) - len(kept), "problem": " ".join(problems)}


def _programs(known: record.Record, arrangement: str, store: str, total: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The programs of an arrangement that are wanted, each as its newest document has it."""
    for one in sorted(known.programs):
        if one.arrangement != arrangement or not one.wanted or not one.documents:
            continue
        chosen = selections.parse(one.documents[0].text)
        digests = sorted({downloading.present(store, each) for each in chosen.implementations})
        yield {
            "name": one.name,
            "interface": one.uri,
            "system": one.system,
            "version": chosen.version,
            "digests": digests,
            "bytes": sum(total.get(name, 0) for name in digests),
        }
