# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.corrupt_stores``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: corrupt_stores
short_description: List what is corrupt by store, with the user that owns it
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Lists what M(zeroinstall.virtualbox.store_quarantine) is to move aside.
options:
  _input:
    description: What M(zeroinstall.virtualbox.store_verify) answered about a host's stores.
    type: dict
    required: true
  user:
    description: The user that owns them, or empty.
    type: str
    default: ""
  groups:
    description: What M(zeroinstall.virtualbox.store_verify) answered about the stores of groups.
    type: dict
    default: {}
  groups_user:
    description: The user that owns these, or empty.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what is corrupt
  ansible.builtin.debug:
    msg: "{{ result | zeroinstall.virtualbox.corrupt_stores }}"
"""

RETURN = r"""
_value:
  description: >-
    For each store with corrupt implementations its C(path), as the module returned it, their C(names), and the C(user).
  type: list
  elements: dict
"""


def corrupt_stores(
    result: t.Mapping[str, t.Any],
    user: str = "",
    groups: t.Mapping[str, t.Any] | None = None,
    groups_user: str = "",
) -> list[dict[str, t.Any]]:
    """The stores."""
    return [
        {"path": path, "names": names, "user": owner}
        for answer, owner in ((result, user), (groups or {}, groups_user))
        for path, names in (answer.get("corrupt") or {}).items()
    ]


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"corrupt_stores": harmless(corrupt_stores)}
