# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.import_plan``."""

from __future__ import annotations

import os
import re
import typing as t

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
      C(program), C(python), C(service).
    type: dict
    required: true
  seen:
    description: What is at each path of RV(ignore:looked_at), as M(zeroinstall.virtualbox.paths_info) tells it.
    type: dict
    default: {}
  boxes_found:
    description: The folders beside the boxes, as M(ansible.builtin.find) tells them.
    type: list
    elements: dict
    default: []
  changes:
    description: What is to be changed at which path, as M(zeroinstall.virtualbox.paths) tells it.
    type: dict
    default: {}
  left:
    description: What M(ansible.builtin.find) found in RV(ignore:parents).
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
    - RV(ignore:stale_boxes), the names of boxes that are not wanted.
    - RV(ignore:units_change), whether a unit is changed; RV(ignore:state), the state that the path unit gets.
    - RV(ignore:removed), all that the role removes; RV(ignore:parents), the folders of this collection that it was in;
      RV(ignore:empty_parents), those in which nothing is left then.
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
_BOX = "[A-Za-z0-9_%-][A-Za-z0-9._%-]{0,254}"
_PROBLEM = (
    "A path or name of the role cache_import cannot be used on this host. Paths are absolute, of letters, digits and"
    " ._+@-, and the store's ends in /0install.net/implementations. Neither it nor the boxes are below /home, /root,"
    " /run, /tmp or /var/tmp, which the service does not see, and the boxes are not in the store. Boxes have names of"
    " letters, digits and ._%-, and there is at least one. Correct the variables cache_import_* or, if no box is"
    " wanted, run absent.yml of the role."
)
_OURS = "zeroinstall.virtualbox"


def fits(settings: t.Mapping[str, t.Any]) -> bool:
    """Whether all names can be used in paths and units, and the service sees what it needs."""
    store, boxes_path, boxes = (settings[name] for name in ("store", "boxes_path", "boxes"))
    return (
        all(re.fullmatch(shape, str(settings[name])) for name, shape in _SHAPES.items())
        and not any(map(_UNSEEN.match, (store, boxes_path)))
        and not f"{boxes_path}/".startswith(f"{store}/")
        and bool(boxes)
        and all(re.fullmatch(_BOX, str(box)) for box in boxes)
    )


def unit(service: str, suffix: str, **more: t.Any) -> dict[str, t.Any]:
    """A unit of systemd."""
    name = f"{service}.{suffix}"
    return {"name": name, "suffix": suffix, "path": f"/etc/systemd/system/{name}", **more}


def units(service: str) -> list[dict[str, t.Any]]:
    """The units, in the order in which they are stopped."""
    return [unit(service, "path", enabled=False), unit(service, "service")]


def stale(settings: t.Mapping[str, t.Any], found: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """The names of folders beside the boxes that are no wanted box."""
    names = [os.path.basename(folder["path"]) for folder in found]
    return [name for name in names if name not in (*settings["boxes"], *settings["kept_boxes"])]


def emptied(folders: t.Iterable[str], left: t.Mapping[str, t.Any], removed: t.Container[str]) -> list[str]:
    """The folders that were looked into and have nothing in them but what is removed."""
    unread = left.get("skipped_paths") or {}
    kept = {os.path.dirname(file["path"]) for file in left.get("files", ()) if file["path"] not in removed}
    return [folder for folder in folders if folder not in unread and folder not in kept]


def import_plan(
    settings: t.Mapping[str, t.Any],
    seen: t.Mapping[str, t.Any] | None = None,
    boxes_found: t.Sequence[t.Mapping[str, t.Any]] = (),
    changes: t.Container[str] = (),
    left: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """What is to be done on a host of which so much is known."""
    seen = seen or {}
    program, boxes_path = settings["program"], settings["boxes_path"]
    own_units = units(settings["service"])
    unit_paths = [own["path"] for own in own_units]
    staging = f"{settings['store']}.staging"
    own_folders = {os.path.dirname(path) for path in (program, boxes_path)}
    parents = sorted(folder for folder in own_folders if os.path.basename(folder) == _OURS)
    there = [folder for folder in parents if seen.get(folder)]
    units_change = any(path in changes for path in unit_paths)
    boxes = sorted(set(settings["boxes"]))
    return {
        "problem": "" if fits(settings) else _PROBLEM,
        "archive": f"{program}/{ARCHIVE}",
        "archive_name": ARCHIVE,
        "staging": staging,
        "store_parent": os.path.dirname(settings["store"]),
        "watched": [f"{boxes_path}/{box.replace('%', '%%')}/*.tar" for box in boxes],
        "units": own_units,
        "looked_at": [SYSTEMD, program, boxes_path, *unit_paths, *parents],
        "systemd": bool(seen.get(SYSTEMD)),
        "units_there": [own for own in own_units if seen.get(own["path"])],
        "stale_boxes": stale(settings, boxes_found),
        "units_change": units_change,
        "state": "restarted" if units_change else "started",
        "removed": [*unit_paths, program, staging],
        "parents": there,
        "empty_parents": emptied(there, left, (program, boxes_path)) if left else [],
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"import_plan": harmless(import_plan)}
