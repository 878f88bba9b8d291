# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.summary``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _identity, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: summary
short_description: Say in a few lines how a run of share ended
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
description:
  - Counts the hosts, and the guests by mode. Names those that failed, and what waits until a machine is started anew or
    switched off.
options:
  _input:
    description: What P(zeroinstall.virtualbox.fleet#filter) returned.
    type: dict
    required: true
  run:
    description: The machines of this run, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  done:
    description: >-
      Those of them that have not failed, C(ansible_play_hosts). A host with a C(share_host_failure) that a task has set
      counts as failed, and so does a guest with a C(share_guest_failure).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say how the fleet stands
  ansible.builtin.debug:
    msg: >-
      {{ zeroinstall_fleet | zeroinstall.virtualbox.summary(run=ansible_play_hosts_all, done=ansible_play_hosts,
      hostvars=hostvars) }}
  run_once: true
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

FAILURE = ("share_host_failure", "share_guest_failure")
"""Where the playbook keeps why a host or guest did not do its part."""
ASKED = (*_identity.ANSWERS, *FAILURE, "cache_guest_steps")
"""What tasks set of a host or guest that they came to. A tag may leave out all hosts, or all guests."""
MOST = 10
"""Names in a line, and lines about what waits."""


def summary(fleet: t.Mapping[str, t.Any], run: t.Sequence[str], done: t.Sequence[str], hostvars: t.Any) -> list[str]:
    """The lines."""
    inventory = Inventory(hostvars)
    ended = {name for name in done if not any(inventory.set_by_tasks(name, FAILURE).values())}
    there = {name for name in run if name not in ended or inventory.set_by_tasks(name, ASKED)}
    kinds = {"hosts": [name for name in fleet["guests"] if name in there]}
    for name, mode in fleet["modes"].items():
        if name in there:
            kinds.setdefault(f"guests of mode {mode}", []).append(name)
    lines = [_line(kind, names, ended) for kind, names in sorted(kinds.items()) if names]
    return lines + _words.first(_waiting(inventory, kinds["hosts"]), MOST)


def _line(kind: str, names: t.Sequence[str], ended: t.Container[str]) -> str:
    failed = [name for name in names if name not in ended]
    line = f"{kind}: {len(names) - len(failed)} done"
    return f"{line}, {len(failed)} not: {', '.join(_words.first(failed, MOST))}" if failed else line


def _waiting(inventory: Inventory, hosts: t.Iterable[str]) -> list[str]:
    """What waits on hosts, as they answered."""
    return [
        _answers.plain(f"Waiting on {host}: share '{item['share']}' of machine {item['name']}: {item['reason']}")
        for host in hosts
        for item in _identity.entries(_identity.answered(inventory, host, "pending"))
        if item.keys() >= {"share", "name", "reason"}
    ]


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"summary": harmless(summary)}
