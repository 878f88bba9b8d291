# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.discovered``."""

from __future__ import annotations

import hashlib
import os
import shlex
import typing as t

import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _discovery, _fleet, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

DOCUMENTATION = r"""
name: discovered
short_description: Find the machines of guests by the UUIDs of their hardware
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Makes an inventory in which each guest has its C(cache_guest_host) and C(cache_guest_machine), from what hosts and
    guests answered in this run.
  - A guest gets a machine if exactly one machine has the UUID that the guest says, and no other guest says the same.
  - What a guest says of itself is not proved. The result is a proposal for somebody who knows the guests.
extends_documentation_fragment:
  - zeroinstall.virtualbox.hostvars
options:
  _input:
    description:
      - Inventory names. A machine is a host if a task of this run registered the result of
        M(zeroinstall.virtualbox.machine_info) as C(cache_host_discovered). It is a guest if a task registered the
        result of M(zeroinstall.virtualbox.guest_info) as C(cache_guest_discovered). All others are passed over.
    type: list
    elements: str
    required: true
  hosts:
    description: Name of the group for hosts. The filter takes the default if the inventory has no such group.
    type: str
    default: zeroinstall_hosts
  guests:
    description: Name of the group for guests. The filter takes the default if the inventory has no such group.
    type: str
    default: zeroinstall_guests
  to:
    description: The file that is to have the inventory.
    type: str
    default: ""
seealso:
  - module: zeroinstall.virtualbox.machine_info
  - module: zeroinstall.virtualbox.guest_info
"""

EXAMPLES = r"""
- name: Show which guest is which machine
  ansible.builtin.debug:
    msg: "{{ (groups['all'] | zeroinstall.virtualbox.discovered(hostvars=hostvars)).inventory }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:inventory), the inventory; RV(ignore:text), the same as YAML; RV(ignore:sha256), the checksum of this
      text.
    - RV(ignore:path), the absolute path of O(to), or empty.
    - RV(ignore:left_out), a line for each host that was not read, and for each guest without an entry in the inventory,
      with the reason.
    - RV(ignore:problem), why there is no inventory, or empty.
  type: dict
"""

_HEAD = """\
# Made by the playbook zeroinstall.virtualbox.discover, by what the guests said of their hardware.
# Read it before you use it: what a guest says of itself is not proved.
"""
_OPTIONS = "# With it, give the other playbooks these names of groups, and no other patterns: {}\n"


def discovered(
    names: t.Iterable[str], hostvars: t.Any, hosts: str = _fleet.HOSTS, guests: str = _fleet.GUESTS, to: str = ""
) -> dict[str, t.Any]:
    """The inventory of the hosts and guests among these names."""
    inventory = Inventory(hostvars)
    found = _discovery.find([str.__str__(name) for name in names], inventory)
    reasons = dict(found.reasons)
    entries: dict[str, dict[str, str]] = {}
    for name, machine in found.machines.items():
        try:
            if not _discovery.writable(name) or not _discovery.writable(machine.host):
                raise _answers.Odd("YAML cannot have its inventory name, or that of its host, as it is.")
            entries[name] = _discovery.variables(name, machine, inventory)
        except _answers.Odd as error:
            reasons[name] = str(error)
    patterns = {_fleet.HOSTS: hosts, _fleet.GUESTS: guests}
    named = {default: _group(inventory, pattern, default) for default, pattern in patterns.items()}
    groups = _groups(entries, named[_fleet.HOSTS], named[_fleet.GUESTS])
    text = _head(named) + yaml.safe_dump(groups, allow_unicode=True, default_flow_style=False, width=1000)
    return {
        "inventory": groups,
        "text": text,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "path": os.path.abspath(os.path.expanduser(to)) if to else "",
        "left_out": _lines(reasons),
        "problem": "" if entries else _problem(found),
    }


def _head(named: dict[str, str]) -> str:
    """The comment at the top of the text, with the options for groups that have other names than the playbooks' own."""
    options = [f"-e {shlex.quote(f'{variable}={group}')}" for variable, group in named.items() if group != variable]
    return _HEAD + (_OPTIONS.format(_discovery.shown(" ".join(options))) if options else "")


def _groups(entries: dict[str, dict[str, str]], hosts: str, guests: str) -> dict[str, t.Any]:
    """The two groups, in plain texts alone."""
    plain = {
        name: {variable: str.__str__(value) for variable, value in entry.items()} for name, entry in entries.items()
    }
    used = sorted({entry[_discovery.HOST] for entry in plain.values()})
    groups: dict[str, t.Any] = {hosts: {"hosts": {host: {} for host in used}}}
    groups.setdefault(guests, {"hosts": {}})["hosts"].update(sorted(plain.items()))
    return groups


def _group(inventory: Inventory, pattern: str, otherwise: str) -> str:
    """The group that a pattern is the name of."""
    return str.__str__(pattern) if inventory.has_group(pattern) and pattern != "all" else otherwise


def _lines(reasons: dict[str, str]) -> list[str]:
    lines = [f"{_discovery.shown(name)}: {reason}" for name, reason in sorted(reasons.items())]
    return _words.first(lines, _discovery.MOST_LINES)


def _problem(found: _discovery.Found) -> str:
    if not found.hosts:
        return (
            "No host was read, so no guest has a machine. Set zeroinstall_hosts to the name of the hosts' group, or to"
            " another pattern. A host that could not be read is named above."
        )
    return (
        "No guest has an entry, so there is no inventory. Set zeroinstall_guests to the name of the guests' group, or"
        " to another pattern. A guest that was asked is named above, with the reason."
    )


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"discovered": harmless(discovered)}
