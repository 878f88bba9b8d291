# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All hosts and guests of an inventory at once: which guests a host has, and what is wrong with the inventory.

A mistake stops a run only if it concerns a machine of this run. Facts are no mistake of the inventory: a guest must not
be able to stop the run of the others. What they would change, ``_modes`` refuses for that guest alone.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

HOSTS, GUESTS = "zeroinstall_hosts", "zeroinstall_guests"
"""The variables with the patterns of hosts and guests, and the groups that they name where nothing sets them."""
MAY_BE_EMPTY = "cache_host_guests_may_be_empty"
OWN_GUESTS = "cache_host_guests"
KIND, ARRANGEMENT = "cache_host_store", "cache_host_arrangement"
MOST = 30
"""Mistakes that one message names."""

_KINDS = ("system", "user")
_TRUE = ("true", "yes", "on", "1", "y", "t")


class Mistake(t.NamedTuple):
    """A sentence, and the names of the machines that it concerns."""

    text: str
    machines: frozenset[str]


class Guest(t.NamedTuple):
    """A guest by the inventory alone: the ``host`` that it names, or empty, and its ``variables`` with defaults.

    ``unknown``: those of its variables that only facts give a value; ``broken``: why others have none.
    """

    host: str
    variables: dict[str, t.Any]
    unknown: frozenset[str]
    broken: dict[str, str]


class Fleet:
    """The hosts and guests that two patterns match in the whole inventory."""

    def __init__(self, inventory: Inventory, hosts: str, guests: str) -> None:
        """``hosts`` and ``guests`` are patterns, as Ansible has them."""
        self.inventory = inventory
        self.patterns = {HOSTS: hosts, GUESTS: guests}
        self.hosts = inventory.members(hosts)
        self.names = inventory.members(guests)
        self.mistakes: list[Mistake] = []
        self.guests = {name: self._guest(name) for name in self.names}

    def by_host(self) -> dict[str, list[str]]:
        """The names of each host's guests. A guest whose facts name another host counts where the inventory has it."""
        found: dict[str, list[str]] = {host: [] for host in self.hosts}
        for name, guest in self.guests.items():
            if guest.host in found:
                found[guest.host].append(name)
        return found

    def look(self) -> None:
        """Collect the mistakes."""
        self.look_for_hosts()
        self._look_for_guests()
        kinds = {host: self._look_at_host(host) for host in self.hosts}
        for name, guest in self.guests.items():
            self._look_at(name, guest, kinds)
        self._look_for_twins()
        self._look_at_variables()

    def _mistake(self, text: str, *machines: str) -> None:
        self.mistakes.append(Mistake(text, frozenset(machines)))

    def _guest(self, name: str) -> Guest:
        said = self.inventory.said(name, (_modes.HOST, *_modes.VARIABLES))
        host = str(said.values.get(_modes.HOST, ""))
        broken = {variable: said.refused[variable] for variable in sorted(said.broken)}
        unknown = frozenset(said.refused) - said.broken - frozenset(said.values)
        return Guest(host, {**_roles.defaults("cache_guest"), **said.values}, unknown, broken)

    def look_for_hosts(self) -> None:
        """Collect the mistake that there is no host."""
        if not self.hosts:
            self._mistake(
                f"No machine of the inventory is a host: {HOSTS} is '{self.patterns[HOSTS]}', which matches none."
                f" Correct the name of the group, or set {HOSTS} to the name of yours with -e."
            )

    def _look_for_guests(self) -> None:
        for host, guests in self.by_host().items():
            if not guests and not self._may_be_empty(host):
                self._mistake(
                    f"host '{host}' has no guest: none of the {len(self.names)} machines that match {GUESTS}"
                    f" ('{self.patterns[GUESTS]}') has cache_guest_host: {host}. Correct the inventory, or set"
                    f" {MAY_BE_EMPTY}: true for this host if that is meant.",
                    host,
                )

    def _may_be_empty(self, host: str) -> bool:
        said = self.inventory.said(host, [MAY_BE_EMPTY])
        return OWN_GUESTS in self.inventory.written(host) or str(said.values.get(MAY_BE_EMPTY, "")).lower() in _TRUE

    def _look_at_host(self, host: str) -> str:
        """The kind of a host's store, or empty if that is wrong."""
        said = self.inventory.said(host, (KIND, ARRANGEMENT))
        for variable in sorted(said.broken):
            self._mistake(f"host '{host}': {said.refused[variable]}", host)
        try:
            _names.check_arrangement(str(said.values.get(ARRANGEMENT, _names.DEFAULT_ARRANGEMENT)), ARRANGEMENT)
        except Failure as error:
            self._mistake(f"host '{host}': {error}", host)
        kind = str(said.values.get(KIND, _KINDS[0]))
        if kind not in _KINDS:
            self._mistake(f"host '{host}' has {KIND} '{kind}': set it to one of {', '.join(_KINDS)}.", host)
            return ""
        return "" if KIND in said.refused else kind

    def _look_at(self, name: str, guest: Guest, kinds: t.Mapping[str, str]) -> None:
        for reason in guest.broken.values():
            self._mistake(f"guest '{name}': {reason}", name, guest.host)
        if not guest.host and _modes.HOST not in guest.unknown:
            self._mistake(
                f"guest '{name}' does not name its host: set {_modes.HOST} to the inventory name of its host.", name
            )
        elif kinds and guest.host and guest.host not in kinds:
            near = _roles.nearest(guest.host, self.hosts)
            self._mistake(
                f"guest '{name}' has {_modes.HOST} '{guest.host}', which is none of the hosts that match {HOSTS}"
                f" ('{self.patterns[HOSTS]}'). {near or 'Correct it, or add the host.'}",
                name,
            )
        try:
            if _modes.MACHINE not in guest.unknown:
                _modes.check_machine(name, guest.variables)
        except ValueError as error:
            self._mistake(str(error), name, guest.host)
        try:
            mode = _modes.mode_of(name, guest.variables)
            if kinds.get(guest.host):
                _modes.check_kind(name, guest.variables, mode, kinds[guest.host], guest.host)
        except ValueError as error:
            self._mistake(str(error), name, guest.host)

    def _look_for_twins(self) -> None:
        first: dict[tuple[str, str], str] = {}
        for name, guest in self.guests.items():
            machine = guest.variables.get(_modes.MACHINE)
            if not guest.host or not isinstance(machine, str) or not machine:
                continue
            other = first.setdefault((guest.host, machine), name)
            if other != name:
                self._mistake(_modes.twins(other, name, machine), other, name, guest.host)

    def _look_at_variables(self) -> None:
        """Names that no role has, and variables of guests on hosts and the other way round."""
        by_host = self.by_host()
        for host, guests in by_host.items():
            self._look_at_names("host", host, "guest", guests)
        for name, guest in self.guests.items():
            if name not in by_host:
                self._look_at_names("guest", name, "host", [guest.host] if guest.host in by_host else [])

    def _look_at_names(self, kind: str, name: str, other: str, others: t.Sequence[str]) -> None:
        """The names of one machine's variables. Those of the ``other`` kind may come from a group that has both."""
        variables = self.inventory.written(name)
        for text in _roles.misspelt(variables, surely=True):
            self._mistake(f"{kind} '{name}': {text}", name)
        odd = [key for key in sorted(variables) if key.startswith(f"cache_{other}_") and _roles.is_variable(key)]
        for key in odd:
            if others and not any(key in self.inventory.written(one) for one in others):
                self._mistake(
                    f"{kind} '{name}' has {key}, which is a variable of {other}s. Nothing reads it there. Set it for"
                    f" the {other}s that it is meant for.",
                    name,
                )


def concerning(mistakes: t.Iterable[Mistake], machines: t.Collection[str]) -> tuple[list[Mistake], list[Mistake]]:
    """The mistakes that concern one of these machines, and the others."""
    mine: list[Mistake] = []
    others: list[Mistake] = []
    for mistake in mistakes:
        (mine if not mistake.machines or mistake.machines.intersection(machines) else others).append(mistake)
    return mine, others


def told(mistakes: t.Iterable[Mistake]) -> str:
    """All in one message, or empty."""
    texts = list(dict.fromkeys(mistake.text for mistake in mistakes))
    if len(texts) < 2:
        return "".join(texts)
    listed = " ".join(f"({number}) {text}" for number, text in enumerate(texts[:MOST], 1))
    more = f" And {len(texts) - MOST} more." if len(texts) > MOST else ""
    return f"The inventory has {len(texts)} mistakes. Nothing was changed. {listed}{more}"
