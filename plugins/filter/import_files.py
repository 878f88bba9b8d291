# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter C(zeroinstall.virtualbox.import_files)."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: import_files
short_description: List the folders and files of the import service, with its program
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Makes the option O(zeroinstall.virtualbox.paths#module:present) of M(zeroinstall.virtualbox.paths).
  - The service's program is one archive, built of this collection's own code. Every controller with the same version
    of the collection builds the same bytes.
options:
  _input:
    description: >-
      The variables of the role C(cache_import) without their common beginning: C(user), C(group), C(boxes_path),
      C(boxes), C(program).
    type: dict
    required: true
  plan:
    description: What P(zeroinstall.virtualbox.import_plan#filter) says for the same variables.
    type: dict
    required: true
  units:
    description: The texts of the units, by their suffixes. They are left out where systemd does not run.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Put the service in place
  zeroinstall.virtualbox.paths:
    present: "{{ settings | zeroinstall.virtualbox.import_files(plan=plan, units=texts) }}"
  vars:
    plan: "{{ settings | zeroinstall.virtualbox.import_plan }}"
    texts:
      service: "{{ lookup('ansible.builtin.file', 'import.service') }}"
      path: "{{ lookup('ansible.builtin.file', 'import.path') }}"
"""

RETURN = r"""
_value:
  description: The folders and files.
  type: list
  elements: dict
"""


def folder(path: str, owner: str, mode: str, **group: str) -> dict[str, t.Any]:
    """A directory as the module C(paths) takes it."""
    return {"path": path, "state": "directory", "owner": owner, "mode": mode, **group}


def file(path: str, content: str, **more: t.Any) -> dict[str, t.Any]:
    """A file of root's that everybody can read."""
    return {"path": path, "content": content, "owner": "root", "group": "root", "mode": "0644", **more}


def import_files(
    settings: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any], units: t.Mapping[str, str]
) -> list[dict[str, t.Any]]:
    """What is to be there."""
    boxes_path, user, group = settings["boxes_path"], settings["user"], settings["group"]
    return [
        folder(settings["program"], "root", "0755", group="root"),
        folder(boxes_path, "root", "0755", group="root"),
        folder(plan["staging"], user, "0700"),
        *(folder(f"{boxes_path}/{box}", user, "0770", group=group) for box in sorted(set(settings["boxes"]))),
        file(plan["archive"], base64.b64encode(_programs.service()).decode(), base64=True),
        *(file(unit["path"], units[unit["suffix"]]) for unit in plan["units"] if plan["systemd"]),
    ]


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"import_files": harmless(import_files)}
