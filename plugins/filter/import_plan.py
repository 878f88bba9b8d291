# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.import_plan``."""

from __future__ import annotations

import os
import re
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import origins
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: import_plan
short_description: Say where the import service has its files, and what is to be done on its host
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of the role C(cache_import), and what the role has seen so far, into what it is to do.
options:
  _input:
    description: >-
      The role's variables without their common beginning: C(store), C(user), C(boxes_path), C(boxes), C(kept_boxes),
      C(shared_boxes), C(absent_boxes), C(arrangement), C(left_over), C(program), C(python), C(service).
    type: dict
    required: true
  seen:
    description: What is at each path of RV(ignore:looked_at), as M(zeroinstall.virtualbox.paths_info) tells it.
    type: dict
    default: {}
  found:
    description: The boxes, and what is left over of them, as M(zeroinstall.virtualbox.boxes) tells.
    type: dict
    default: {}
  changes:
    description: What is to be changed at which path, as M(zeroinstall.virtualbox.paths) tells it.
    type: dict
    default: {}
  left:
    description: What M(ansible.builtin.find) found in RV(ignore:parents).
    type: dict
    default: {}
  staged:
    description: What M(ansible.builtin.find) found in RV(ignore:staging).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show which units the service has
  ansible.builtin.debug:
    msg: "{{ (settings | zeroinstall.virtualbox.import_plan).units }}"
  vars:
    settings:
      store: /var/cache/0install.net/implementations
      user: zeroinst
      boxes_path: /var/lib/zeroinstall.virtualbox/boxes
      boxes: [web1]
      kept_boxes: []
      shared_boxes: []
      absent_boxes: all
      arrangement: default
      left_over: report
      program: /usr/local/lib/zeroinstall.virtualbox/import
      python: /usr/bin/python3
      service: zeroinstall-import
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), which says whether a path or name cannot be used, or is empty.
    - RV(ignore:archive), the program; RV(ignore:archive_name), its name; RV(ignore:staging), where packages are
      unpacked; RV(ignore:store_parent), the folder that has the store in it; RV(ignore:watched), the patterns of the
      paths that systemd watches.
    - RV(ignore:units), the C(name), C(suffix) and C(path) of each unit, and C(enabled), false, for what systemd starts
      at boot.
    - RV(ignore:looked_at), the paths that matter before anything is removed; RV(ignore:systemd), whether systemd runs;
      RV(ignore:units_there), the units that are there.
    - RV(ignore:keep), the names of boxes that stay whatever happens; RV(ignore:ends), whether no box is left that the
      service could serve; RV(ignore:unneeded), whether the service is to go because of that.
    - RV(ignore:left_over), what is left over of boxes, in sentences; RV(ignore:service_left_over), the same with the
      service itself. Both are empty if nothing is.
    - RV(ignore:absence), what the role's C(absent.yml) removes, C(all) boxes of the arrangement but those that it has
      to C(keep), or some C(boxes), and what it has to say, C(told) and C(not_removed).
    - RV(ignore:units_change), whether a unit is changed; RV(ignore:state), the state that the path unit gets.
    - RV(ignore:removed), all that the role removes, which is not what says from which guests packages came;
      RV(ignore:parents), the folders of this collection that it was in; RV(ignore:empty_parents), those in which
      nothing is left then.
  type: dict
"""

SYSTEMD = "/run/systemd/system"
ARCHIVE = "store_import.pyz"

_FOLDER = r"(/[A-Za-z0-9._+@-]+)"
_UNSEEN = re.compile("/(home|root|run|tmp|var/tmp)/")
_SHAPES = {
    "store": rf"{_FOLDER}*/0install\.net/implementations",
    "boxes_path": rf"{_FOLDER}+",
    "program": rf"{_FOLDER}+",
    "python": rf"{_FOLDER}+",
    "user": "[a-z_][a-z0-9_-]*",
    "service": "[A-Za-z0-9_-]+",
}
_PROBLEM = (
    "A path or name of the role cache_import cannot be used on this host. Paths are absolute, of letters, digits and"
    " ._+@-, and the store's ends in /0install.net/implementations. Neither it nor the boxes are below /home, /root,"
    " /run, /tmp or /var/tmp, which the service does not see, and the boxes are not in the store. Boxes have names of"
    " letters, digits and ._%-, with ARRANGEMENT@ before them if cache_import_arrangement is not 'default', and there"
    " is at least one. Correct the variables cache_import_* or, if no box is wanted, run left_over.yml of the role,"
    " which removes nothing that is still needed."
)
_REMEDY = (
    "Nothing is removed because a guest is missing: if it is in the inventory again, it has its box as it was. If it is"
    " gone for good, set cache_host_left_over: remove (cache_import_left_over, if you use the role cache_import by"
    " itself). That removes boxes in which no package waits, and which no machine shares."
)
_REMEDY_KEPT = (
    "If a package waits, let the service take it, and run again. Or put the guest back into the inventory. unshare"
    " removes boxes with what waits in them."
)
_SERVICE = (
    "The import service {service} of {boxes_path} is left over: it has no box any more. If no guest of mode verified"
    " is to come back, set cache_host_left_over: remove (cache_import_left_over, if you use the role cache_import by"
    " itself)."
)
_FAILED = "These boxes could not be removed, so the import service stays."
_OURS = "zeroinstall.virtualbox"


def fits(settings: t.Mapping[str, t.Any]) -> bool:
    """Whether all names can be used in paths and units, and the service sees what it needs."""
    store, boxes_path, boxes = (settings[name] for name in ("store", "boxes_path", "boxes"))
    return (
        all(re.fullmatch(shape, str(settings[name])) for name, shape in _SHAPES.items())
        and not any(map(_UNSEEN.match, (store, boxes_path)))
        and not f"{boxes_path}/".startswith(f"{store}/")
        and bool(boxes)
        and all(_names.is_box(str(box)) for box in (*boxes, *settings["kept_boxes"], *settings["shared_boxes"]))
        and {_names.arrangement_of(str(box)) for box in boxes} == {settings["arrangement"]}
    )


def unit(service: str, suffix: str, **more: t.Any) -> dict[str, t.Any]:
    """A unit of systemd."""
    name = f"{service}.{suffix}"
    return {"name": name, "suffix": suffix, "path": f"/etc/systemd/system/{name}", **more}


def units(service: str) -> list[dict[str, t.Any]]:
    """The units, in the order in which they are stopped."""
    return [unit(service, "path", enabled=False), unit(service, "service")]


def served(settings: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> list[str]:
    """The names of the boxes that the service serves once the role has run, also of those that are left over."""
    there = [
        box["name"]
        for box in found.get("boxes", ())
        if box["owner"] == settings["user"] and box["name"] not in found["removed"] and _names.is_box(box["name"])
    ]
    return sorted({*settings["boxes"], *there})


def remaining(found: t.Mapping[str, t.Any]) -> list[str]:
    """What is at the boxes' places once those are removed that go."""
    names = {box["name"] for box in found.get("boxes", ())} - set(found.get("removed", ()))
    return sorted(names | {one["name"] for one in found.get("kept", ())})


def packages(count: int) -> str:
    """So many packages, in words."""
    return "1 package waits" if count == 1 else f"{count} packages wait" if count else "no package waits"


def whose(name: str) -> str:
    """Why a box is left over."""
    if name.startswith(_names.LEAVING):
        return "an earlier run began to remove this box, and did not end"
    return "no guest in the inventory has this box"


def left_over(settings: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> list[str]:
    """The boxes that are left over, each with what waits in it or why it is not removed, and what to do."""
    waiting = {box["name"]: box["waiting"] for box in found.get("boxes", ())}
    removes = settings["left_over"] == "remove"
    told = [
        f"{settings['boxes_path']}/{one['name']} is left over: {whose(one['name'])}. "
        + (one["reason"] if removes else f"In it, {packages(waiting.get(one['name'], 0))}.")
        for one in found.get("kept", ())
    ]
    return [*told, _REMEDY_KEPT if removes else _REMEDY] if told else []


def service_left_over(settings: t.Mapping[str, t.Any], unneeded: bool) -> list[str]:
    """That the service is left over, and what to do, if it is."""
    return [_SERVICE.format(**settings)] if unneeded and settings["left_over"] != "remove" else []


def taken(settings: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> list[str]:
    """What waited in boxes that are removed with it."""
    return [
        f"{settings['boxes_path']}/{box['name']} is removed with everything in it. In it, {packages(box['waiting'])}."
        for box in found.get("boxes", ())
        if box["waiting"] and box["name"] in found["removed"]
    ]


def absence(settings: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What ``absent.yml`` removes, and what it tells of it."""
    everything = settings["absent_boxes"] == "all"
    if not everything and not isinstance(settings["absent_boxes"], (list, tuple)):
        raise AnsibleFilterError(
            f"cache_import_absent_boxes is '{settings['absent_boxes']}', which is no list. Write a list of names of"
            " boxes, or all."
        )
    told = taken(settings, found)
    kept = {one["name"]: one["reason"] for one in found.get("kept", ())}
    shared = [name for name in remaining(found) if everything and name in settings["shared_boxes"]]
    told += [
        f"{settings['boxes_path']}/{name} stays, because a machine still shares it. Run again when it does not."
        for name in shared
    ]
    others = [name for name in remaining(found) if name not in kept and name not in shared]
    if everything and others:
        told.append(f"The import service stays for boxes of other arrangements: {', '.join(others)}.")
    failed = [f"{settings['boxes_path']}/{name}: {reason}" for name, reason in kept.items()]
    return {
        "all": everything,
        "boxes": [] if everything else settings["absent_boxes"],
        "keep": settings["shared_boxes"] if everything else [],
        "told": told,
        "not_removed": " ".join([_FAILED, *failed]) if failed else "",
    }


def emptied(folders: t.Iterable[str], left: t.Mapping[str, t.Any], removed: t.Container[str]) -> list[str]:
    """The folders that were looked into and have nothing in them but what is removed."""
    unread = left.get("skipped_paths") or {}
    kept = {os.path.dirname(file["path"]) for file in left.get("files", ()) if file["path"] not in removed}
    return [folder for folder in folders if folder not in unread and folder not in kept]


def unpacked(staging: str, staged: t.Mapping[str, t.Any]) -> list[str]:
    """What goes of the folder where packages are unpacked: all but what says from which guests packages came."""
    paths = [file["path"] for file in staged.get("files", ())]
    kept = [f"{staging}/{name}" for name in origins.FILES]
    return [path for path in paths if path not in kept] if kept[0] in paths else [staging]


def import_plan(
    settings: t.Mapping[str, t.Any],
    seen: t.Mapping[str, t.Any] | None = None,
    found: t.Mapping[str, t.Any] | None = None,
    changes: t.Container[str] = (),
    left: t.Mapping[str, t.Any] | None = None,
    staged: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """What is to be done on a host of which so much is known."""
    seen, found = seen or {}, found or {}
    program, boxes_path = settings["program"], settings["boxes_path"]
    own_units = units(settings["service"])
    unit_paths = [own["path"] for own in own_units]
    staging = origins.staging_folder(settings["store"])
    own_folders = {os.path.dirname(path) for path in (program, boxes_path)}
    parents = sorted(folder for folder in own_folders if os.path.basename(folder) == _OURS)
    there = [folder for folder in parents if seen.get(folder)]
    units_change = any(path in changes for path in unit_paths)
    boxes = served(settings, found)
    keep = sorted({*settings["boxes"], *settings["kept_boxes"], *settings["shared_boxes"]})
    gone = (program, boxes_path) if found.get("gone") else (program,)
    ends = not remaining(found)
    told = left_over(settings, found)
    unneeded = ends and not keep
    return {
        "problem": "" if fits(settings) else _PROBLEM,
        "archive": f"{program}/{ARCHIVE}",
        "archive_name": ARCHIVE,
        "staging": staging,
        "store_parent": os.path.dirname(settings["store"]),
        "watched": [f"{boxes_path}/{box.replace('%', '%%')}/*.tar" for box in boxes],
        "units": own_units,
        "looked_at": [SYSTEMD, program, boxes_path, staging, *unit_paths, *parents],
        "systemd": bool(seen.get(SYSTEMD)),
        "units_there": [own for own in own_units if seen.get(own["path"])],
        "keep": keep,
        "absence": absence(settings, found),
        "ends": ends,
        "unneeded": unneeded and settings["left_over"] == "remove",
        "left_over": told,
        "service_left_over": told or service_left_over(settings, unneeded),
        "units_change": units_change,
        "state": "restarted" if units_change else "started",
        "removed": [*unit_paths, program, *unpacked(staging, staged or {})],
        "parents": there,
        "empty_parents": emptied(there, left, gone) if left else [],
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"import_plan": harmless(import_plan)}
