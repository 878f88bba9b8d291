# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.vagrantfile_blame``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless

DOCUMENTATION = r"""
name: vagrantfile_blame
short_description: Say whose fault it is that a Vagrantfile cannot be used
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Makes the message with which the role C(vagrantfile) fails after it has put the previous file back.
options:
  _input:
    description: The result of the task that failed.
    type: dict
    required: true
  place:
    description: What P(zeroinstall.virtualbox.vagrantfile_place#filter) says.
    type: dict
    required: true
  name:
    description: Inventory name of the machine.
    type: str
    required: true
  was_read:
    description: >-
      The user's Vagrantfile that Vagrant read. Empty if the user has none. Then Vagrant read one that has only the Zero
      Install part.
    type: str
    required: true
  was_bad:
    description: Whether it cannot be read without the Zero Install part either.
    type: bool
    required: true
  had_part:
    description: Whether an earlier run wrote that part.
    type: bool
    required: true
  probe:
    description: The temporary file that the role gave to Vagrant. Vagrant names it in its messages.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.fail:
    msg: >-
      {{ ansible_failed_result | zeroinstall.virtualbox.vagrantfile_blame(place=place, name=inventory_hostname,
      was_read='', was_bad=false, had_part=false, probe='/tmp/probe.rb') }}
"""

RETURN = r"""
_value:
  description: The message.
  type: str
"""


def vagrantfile_blame(
    failure: t.Mapping[str, t.Any],
    place: t.Mapping[str, str],
    name: str,
    was_read: str,
    was_bad: bool,
    had_part: bool,
    probe: str,
) -> str:
    """The message."""
    if was_bad:
        blame = (
            f"{was_read or 'An empty Vagrantfile'} on {name} cannot be read without the Zero Install part either, so"
            " that is not to blame."
        )
    else:
        blame = f"{place['target']} on {name} cannot be used with the Zero Install part in it."
    earlier = ", with the part that an earlier run wrote: tasks_from: absent takes it out" if had_part else ""
    streams = " ".join(str(failure.get(stream) or "") for stream in ("stderr", "stdout")).strip()
    said = (streams or str(failure.get("msg", ""))).replace(probe, place["path"])
    return f"{blame} {place['target']} is as it was before{earlier}. Correct what is said of it: {said}"


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"vagrantfile_blame": harmless(vagrantfile_blame)}
