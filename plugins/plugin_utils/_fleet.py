# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All hosts and guests of an inventory at once: which guests a host has, and what is wrong with the inventory.

A mistake stops a run only if it concerns a machine of this run. Facts are no mistake of the inventory: a guest must not
be able to stop the run of the others. What they would change, ``_modes`` refuses for that guest alone.
"""

from __future__ import annotations

import collections
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity, _modes, _roles, _scope, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

HOSTS, GUESTS = "zeroinstall_hosts", "zeroinstall_guests"
"""The variables with the patterns of hosts and guests, and the groups that they name where nothing sets them."""
MAY_BE_EMPTY = "cache_host_guests_may_be_empty"
OWN_GUESTS = "cache_host_guests"
COMPARED = "cache_verify_guests"
PURPOSE = "zeroinstall_purpose"
SHARE, UNSHARE, VERIFY = PURPOSES = ("share", "unshare", "verify")
"""What a run is for. Of runs that share nothing, mistakes about guests alone stop none."""
KIND, ARRANGEMENT, LEFT_OVER = "cache_host_store", "cache_host_arrangement", "cache_host_left_over"
UNUSED = "cache_programs_unused"
MOST = 30
"""Mistakes that one message names."""
MOST_NAMES = 5
"""Guests that one doubt names."""

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

    def doubts(self, removes: bool = False) -> dict[str, list[str]]:
        """For each host, why a machine that no guest names may be a guest's all the same.

        ``removes``: whether a variable of the play has hosts remove what no guest names.
        """
        by_host = self.by_host()
        homeless = [name for name, guest in self.guests.items() if guest.host not in by_host]
        common = []
        if not self.names:
            common.append(
                f"{GUESTS} is '{self.patterns[GUESTS]}', which matches none. Correct it. To remove what all guests had,"
                " run unshare."
            )
        common += homeless_guests(homeless)
        unread = self.inventory.unread_sources()
        if unread:
            common.append(
                f"Ansible could not read {_words.quoted(unread, MOST_NAMES)} of the inventory. Correct that, or move it"
                " elsewhere."
            )
        others = self._others() if removes or any(map(self._removes, self.hosts)) else {}
        lost = [name for host, names in others.items() if host not in by_host for name in names]
        if lost:
            common.append(
                f"{_words.quoted(lost, MOST_NAMES)}: {_modes.MACHINE} is set, {GUESTS} does not match, and"
                f" {_modes.HOST} names no host. Correct one of them."
            )
        return {host: [*common, *left_out_guests(others.get(host, []), host)] for host in by_host}

    def _others(self) -> dict[str, list[str]]:
        """By host, what looks like one of its guests and is none. All of the inventory is read for that.

        A host that names itself, or no host at all, has its variables from a group that is for guests, too.
        """
        found: dict[str, list[str]] = {}
        for name in sorted({*self.inventory.members("all")} - {*self.names}):
            said = self.inventory.said(name, [_modes.HOST, _modes.MACHINE])
            host = str(said.values.get(_modes.HOST, ""))
            is_host = name in self.hosts and (host == name or not (host or _modes.HOST in said.refused))
            if not is_host and (said.values.get(_modes.MACHINE) or _modes.MACHINE in said.refused):
                found.setdefault(host, []).append(name)
        return found

    def _removes(self, host: str) -> bool:
        said = self.inventory.said(host, [LEFT_OVER, UNUSED])
        return any(name in said.refused or said.values.get(name) == "remove" for name in (LEFT_OVER, UNUSED))

    def modes(self) -> dict[str, str]:
        """The mode of each guest."""
        return {name: str(guest.variables["cache_guest_mode"]) for name, guest in self.guests.items()}

    def counted(self, sharing: bool = True) -> str:
        """How many hosts and guests there are, and of which modes, of an inventory without mistakes."""
        modes = collections.Counter(self.modes().values())
        listed = ", ".join(f"{number} {mode}" for mode, number in sorted(modes.items()))
        guests = f"{len(self.names)} ({listed})" if listed else "0"
        return f"hosts: {len(self.hosts)}; guests: {guests}; no mistake{'' if sharing else ' about hosts'}"

    def scope(self) -> dict[str, t.Any]:
        """What a run takes back: by host, the guests from which alone it does, or ``all``."""
        found = _scope.scope(self.inventory, self.by_host())
        for problem in found.problems:
            self._mistake(f"{problem} Nothing was taken back.")
        named = {guest for guests in found.guests.values() if guests != _scope.ALL for guest in guests}
        for one, other, machine in self._twins():
            if (one in named) != (other in named):
                self._mistake(
                    f"{_modes.twins(one, other, machine)} Else one of them loses what is the other's.", one, other
                )
        return found.guests

    def look(self, sharing: bool = True) -> None:
        """Collect the mistakes: without ``sharing``, those about hosts alone."""
        self._look_for_hosts()
        self._look_for_strangers(sharing)
        kinds = {host: self._look_at_host(host, sharing) for host in self.hosts}
        if sharing:
            self._look_for_guests()
            self._look_for_homeless()
            for name, guest in self.guests.items():
                self._look_at(name, guest, kinds)
            for one, other, machine in self._twins():
                self._mistake(_modes.twins(one, other, machine), one, other, self.guests[other].host)
        self._look_at_variables(sharing)

    def _mistake(self, text: str, *machines: str) -> None:
        self.mistakes.append(Mistake(text, frozenset(machines)))

    def _guest(self, name: str) -> Guest:
        said = self.inventory.said(name, (_modes.HOST, *_modes.VARIABLES))
        host = str(said.values.get(_modes.HOST, ""))
        broken = {variable: said.refused[variable] for variable in sorted(said.broken)}
        unknown = frozenset(said.refused) - said.broken - frozenset(said.values)
        return Guest(host, {**_roles.defaults("cache_guest"), **said.values}, unknown, broken)

    def _look_for_hosts(self) -> None:
        if not self.hosts:
            self._mistake(
                f"No machine of the inventory is a host: {HOSTS} is '{self.patterns[HOSTS]}', which matches none."
                f" Correct the name of the group, or set {HOSTS} to the name of yours with -e."
            )

    def _look_for_strangers(self, sharing: bool) -> None:
        """Ansible adds ``localhost`` where a pattern names it. No play for all machines has it."""
        for variable, names in ((HOSTS, self.hosts), (GUESTS, self.names if sharing else [])):
            for name in names:
                if not self.inventory.has(name):
                    self._mistake(f"'{name}', which {variable} names, is not in the inventory. Add it there.")

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

    def _look_at_host(self, host: str, sharing: bool) -> str:
        """The kind of a host's store, or empty if that is wrong."""
        said = self.inventory.said(host, (KIND, ARRANGEMENT, OWN_GUESTS))
        for variable in sorted(said.broken - {OWN_GUESTS}):
            self._mistake(f"host '{host}': {said.refused[variable]}", host)
        own = said.values.get(OWN_GUESTS, [])
        if sharing and not isinstance(own, (list, tuple)):
            self._mistake(f"host '{host}' has {OWN_GUESTS} '{own}', which is no list. Write a list of names.", host)
        name = said.values.get(ARRANGEMENT, _names.DEFAULT_ARRANGEMENT)
        if not isinstance(name, str):
            self._mistake(f"host '{host}' has {ARRANGEMENT} '{name}', which is no text. Write text, in quotes.", host)
        try:
            _names.check_arrangement(str(name), ARRANGEMENT)
        except Failure as error:
            self._mistake(f"host '{host}': {error}", host)
        kind = str(said.values.get(KIND, _KINDS[0]))
        if kind not in _KINDS:
            self._mistake(f"host '{host}' has {KIND} '{kind}': set it to one of {', '.join(_KINDS)}.", host)
            return ""
        return "" if KIND in said.refused else kind

    def _look_for_homeless(self) -> None:
        """Guests without a host. Those that name the same one are one mistake: it may have another name now."""
        by_host = self.by_host()
        found: dict[str, list[str]] = {}
        for name, guest in self.guests.items():
            if guest.host not in by_host and (guest.host or _modes.HOST not in guest.unknown):
                found.setdefault(guest.host, []).append(name)
        for host, names in found.items():
            listed = _words.quoted(names, MOST_NAMES)
            who = f"guest {listed}" if len(names) == 1 else f"{len(names)} guests ({listed})"
            if not host:
                self._mistake(f"{who}: {_modes.HOST} is not set. Set it to the inventory name of the host.", *names)
            elif self.hosts:
                near = _roles.nearest(host, self.hosts)
                self._mistake(
                    f"{who}: {_modes.HOST} is '{host}', which is none of the hosts that match {HOSTS}"
                    f" ('{self.patterns[HOSTS]}'). {near or 'Correct it, or add the host.'}",
                    *names,
                )

    def _look_at(self, name: str, guest: Guest, kinds: t.Mapping[str, str]) -> None:
        for reason in guest.broken.values():
            self._mistake(f"guest '{name}': {reason}", name, guest.host)
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

    def _twins(self) -> t.Iterator[tuple[str, str, str]]:
        """Two guests of a host, and the machine that both name."""
        first: dict[tuple[str, str], str] = {}
        for name, guest in self.guests.items():
            machine = guest.variables.get(_modes.MACHINE)
            if not guest.host or not isinstance(machine, str) or not machine:
                continue
            other = first.setdefault((guest.host, _identity.as_uuid(machine) or machine), name)
            if other != name:
                yield other, name, machine

    def _look_at_variables(self, sharing: bool) -> None:
        """Names that no role has, and variables of guests on hosts and the other way round."""
        self._look_at_command_line()
        by_host = self.by_host()
        for host, guests in by_host.items():
            self._look_at_spelling("host", host)
            if sharing:
                self._look_for_others("host", host, "guest", guests)
        for name, guest in self.guests.items():
            if name not in by_host:
                if sharing:
                    self._look_at_spelling("guest", name)
                self._look_for_others("guest", name, "host", [guest.host] if guest.host in by_host else [])

    def _look_at_command_line(self) -> None:
        """The names of variables that the command line sets for all."""
        if PURPOSE in self.inventory.extra_names:
            self._mistake(f"{PURPOSE} is for the playbooks alone. Leave it out of the command line.")
        if _modes.HOST in self.inventory.extra_names and len(self.hosts) > 1:
            self._mistake(f"{_modes.HOST} is set with -e, and so for the guests of all hosts. Set it in the inventory.")
        if _roles.misspelt(self.inventory.extra_names, surely=True, of_playbooks=True):
            beside = {name for name in self.patterns if self.patterns[name] != name}
            beside.update(*map(self.inventory.written, {*self.hosts, *self.names}))
            for text in _roles.misspelt(self.inventory.extra_names, True, beside, of_playbooks=True).values():
                self._mistake(text)

    def _look_at_spelling(self, kind: str, name: str) -> None:
        """The names of one machine's variables, without those that the command line sets for all."""
        for variable, text in _roles.misspelt(self.inventory.written(name), surely=True).items():
            if variable not in self.inventory.extra_names:
                self._mistake(f"{kind} '{name}': {text}", name)

    def _look_for_others(self, kind: str, name: str, other: str, others: t.Sequence[str]) -> None:
        """Variables of the ``other`` kind, which may come from a group that has both."""
        variables = self.inventory.written(name)
        odd = [key for key in sorted(variables) if key.startswith(f"cache_{other}_") and _roles.is_variable(key)]
        for key in odd:
            if others and not any(key in self.inventory.written(one) for one in others):
                self._mistake(
                    f"{kind} '{name}' has {key}, which is a variable of {other}s. Nothing reads it there. Set it for"
                    f" the {other}s that it is meant for.",
                    name,
                    *(others if other == "host" else ()),
                )


def is_compared(inventory: Inventory, guest: str) -> bool:
    """Whether the inventory wants a verification to compare a guest with its host."""
    return bool(boolean(inventory.said(guest, [COMPARED]).values.get(COMPARED, False), strict=False))


def left_out_guests(names: t.Collection[str], host: str) -> list[str]:
    """The doubt about machines that follows from guests of a host that a list or pattern leaves out, if any."""
    return (
        [
            f"{_words.quoted(names, MOST_NAMES)}: {_modes.HOST} is '{host}', and {OWN_GUESTS} or {GUESTS} does not have"
            " that. Correct one of them."
        ]
        if names
        else []
    )


def homeless_guests(names: t.Collection[str]) -> list[str]:
    """The doubt about machines that follows from guests without a host in the inventory, if there are any."""
    return (
        [f"{_modes.HOST} of {_words.quoted(names, MOST_NAMES)} is no host of the inventory. Correct it."]
        if names
        else []
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
