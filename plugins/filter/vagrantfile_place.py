# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.vagrantfile_place``."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: vagrantfile_place
short_description: Say which file has the Zero Install part of a Vagrantfile
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of the role C(vagrantfile) into paths.
options:
  _input:
    description: The role's variables without their common beginning, C(placement), C(path) and C(file).
    type: dict
    required: true
  text:
    description: The text of the Vagrantfile.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: See which file is written
  ansible.builtin.debug:
    msg: "{{ (settings | zeroinstall.virtualbox.vagrantfile_place).target }}"
  vars:
    settings:
      placement: file
      path: /srv/project/Vagrantfile
      file: Vagrantfile.zeroinstall
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), why the role cannot tell which file you mean. Empty if it can.
    - RV(ignore:path), the Vagrantfile, and its RV(ignore:folder); RV(ignore:target), the file that is written.
    - RV(ignore:environment), variables of the environment by which Vagrant finds that file.
    - RV(ignore:loads), whether a line of O(text) loads it.
  type: dict
"""

USERS = "~/.vagrant.d/Vagrantfile"


def vagrantfile_place(settings: t.Mapping[str, str], text: str = "") -> dict[str, t.Any]:
    """The paths."""
    placement, given, file = settings["placement"], settings["path"], settings["file"]
    path = given or (USERS if placement == "home" else "")
    folder = os.path.dirname(path)
    fits = path.startswith(("/", "~/")) and re.fullmatch("[^/]+", file)
    problem = (
        f"vagrantfile_path: '{given}' and vagrantfile_file: '{file}' name no file. Set vagrantfile_path to the absolute"
        " path of the Vagrantfile, and vagrantfile_file to a name without folders."
    )
    return {
        "problem": "" if fits else problem,
        "path": path,
        "folder": folder,
        "target": f"{folder}/{file}" if placement == "file" else path,
        "environment": {"VAGRANT_HOME": folder} if placement == "home" and given else {},
        "loads": bool(re.search(rf"^[^#\n]*{re.escape(file)}", text, re.MULTILINE)),
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"vagrantfile_place": harmless(vagrantfile_place)}
