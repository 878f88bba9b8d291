# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.report_places``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: report_places
short_description: Say where a host's stores, records and feeds are
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Turns the variables of a host into options of M(zeroinstall.virtualbox.store_info), which the user of the connection
    runs, whoever owns the stores.
options:
  _input:
    description: The C(store) that is shared, and the folder of C(groups). V(~/) is the home of O(user).
    type: dict
    required: true
  kind:
    description: Whose the store is, as the variable C(cache_host_store) of the role C(cache_host) has it.
    type: str
    choices: [system, user]
    default: system
  user:
    description: Who registered the machines. Empty for the user of the connection.
    type: str
    default: ""
  record:
    description: The variable C(cache_verify_record) of the role C(cache_verify).
    type: str
    default: ""
  programs:
    description: The variable C(cache_programs_path) of the role C(cache_programs).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show where the stores are
  ansible.builtin.debug:
    msg: "{{ shared | zeroinstall.virtualbox.report_places(user='vm') }}"
  vars:
    shared:
      store: /var/cache/0install.net/implementations
      groups: ~/.local/share/zeroinstall.virtualbox/groups
"""

RETURN = r"""
_value:
  description: >-
    The options RV(ignore:record), RV(ignore:groups), RV(ignore:groups_record), RV(ignore:programs) and RV(ignore:feeds)
    of M(zeroinstall.virtualbox.store_info), and its O(zeroinstall.virtualbox.store_info#module:store) as
    RV(ignore:path).
  type: dict
"""

_RECORD = "/var/lib/zeroinstall.virtualbox/verified"
_STATE = "/.local/state/zeroinstall.virtualbox/"
_FEEDS = ".cache/0install.net/interfaces"


def report_places(
    shared: t.Mapping[str, str], kind: str = "system", user: str = "", record: str = "", programs: str = ""
) -> dict[str, t.Any]:
    """The options."""
    home = f"~{user}"
    of_user = f"{home}{_STATE}verified" if user else _RECORD
    own_programs = f"{home}{_STATE}programs" if kind == "user" else "/var/lib/zeroinst-programs"
    return {
        "path": _at(home, shared["store"]),
        "record": record or (of_user if kind == "user" else _RECORD),
        "groups": _at(home, shared["groups"]),
        "groups_record": record or of_user,
        "programs": _at(home, programs or own_programs),
        "feeds": list(dict.fromkeys(["/var/cache/0install.net/interfaces", f"~/{_FEEDS}", f"{home}/{_FEEDS}"])),
    }


def _at(home: str, path: str) -> str:
    return home + path[1:] if path.startswith("~/") else path


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"report_places": harmless(report_places)}
