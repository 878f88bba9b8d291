# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.sharing_plan``."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes, _programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._sharing import Sharing

DOCUMENTATION = r"""
name: sharing_plan
short_description: List the files that let the users of a machine share packages
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of the role C(sharing) into options of M(zeroinstall.virtualbox.paths).
options:
  _input:
    description: >-
      The role's variables without their common beginning: C(user), C(store), C(helper), C(sudoers), C(secure_add),
      C(secure_add_before).
    type: dict
    required: true
  found:
    description: What is at the paths of the two files, as M(zeroinstall.virtualbox.paths_info) tells it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the two files
  ansible.builtin.debug:
    msg: "{{ (settings | zeroinstall.virtualbox.sharing_plan).present }}"
  vars:
    settings:
      user: zeroinst
      store: ""
      helper: /usr/local/bin/0store-secure-add-helper
      sudoers: /etc/sudoers.d/zeroinstall
      secure_add: /usr/bin/0store-secure-add
      secure_add_before: ""
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:present) and RV(ignore:rule), the options O(zeroinstall.virtualbox.paths#module:present) and
      O(zeroinstall.virtualbox.paths#module:sudo) of M(zeroinstall.virtualbox.paths).
    - RV(ignore:home), the home of the user who owns the store.
    - RV(ignore:left), those of the two files that are as this role writes them, or as it wrote them with the
      C(secure_add_before) of O(_input).
  type: dict
"""


def sharing_plan(settings: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """What is to be there, and what of it is."""
    user, store, helper, sudoers, now, before = (
        settings[name] for name in ("user", "store", "helper", "sudoers", "secure_add", "secure_add_before")
    )
    sharing = Sharing(user, now, helper, sudoers)
    files = [file for program in (now, before) if program for file in sharing._replace(program=program).files()]
    ours = {_programs.sha256(file["content"]) for file in files}
    folder = {"path": store, "state": "directory", "owner": user, "mode": "0755"}
    return {
        "present": [*([folder] if store else []), *sharing.files()],
        "rule": sharing.rule(),
        "home": os.path.dirname(store or _modes.SYSTEM_STORE),
        "left": [path for path, file in (found or {}).items() if file and file.get("sha256") in ours],
    }


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"sharing_plan": harmless(sharing_plan)}
