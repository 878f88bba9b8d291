# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.vagrantfile_missing``."""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _vagrant
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: vagrantfile_missing
short_description: Compare what Vagrant has with the Zero Install part of a Vagrantfile
version_added: 0.1.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Compares machines of Vagrant with the text that the filter P(zeroinstall.virtualbox.vagrantfile#filter) writes for
    the same variables, and names what is missing.
options:
  _input:
    description: The variables, as P(zeroinstall.virtualbox.vagrantfile#filter) takes them.
    type: dict
    required: true
  found:
    description: The JSON that Vagrant wrote for the role C(vagrantfile). Empty if Vagrant wrote none.
    type: str
    required: true
  version:
    description: The output of C(VBoxManage --version) on the host. Empty if it is not known.
    type: str
    default: ""
  text:
    description: The Vagrantfile. The filter looks for lines in it that may be the reason.
    type: str
    default: ""
seealso:
  - plugin: zeroinstall.virtualbox.vagrantfile
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ settings | zeroinstall.virtualbox.vagrantfile_missing(found=answer) }}"
"""

RETURN = r"""
_value:
  description: What is missing and the likely reason. Empty if nothing is missing.
  type: str
"""

_SHOWN = 3


def vagrantfile_missing(settings: t.Mapping[str, t.Any], found: str, version: str = "", text: str = "") -> str:
    """What is missing, as a sentence; empty if nothing is."""
    try:
        lacks = (
            _vagrant.missing(_vagrant.Settings.of(settings), json.loads(found), version)
            if found
            else ["Vagrant ends before it has read all of it"]
        )
    except (Failure, TypeError, ValueError, KeyError, AttributeError) as error:
        raise AnsibleFilterError(str(error)) from error
    if not lacks:
        return ""
    lines = _vagrant.suspects(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    why = f" The reason may be {'; '.join(lines[:_SHOWN])}{'; …' if lines[_SHOWN:] else ''}." if lines else ""
    return f"{'; '.join(lacks[:_SHOWN])}{'; …' if lacks[_SHOWN:] else ''}.{why}"


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"vagrantfile_missing": harmless(vagrantfile_missing)}
