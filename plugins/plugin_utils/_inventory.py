# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory says of a machine, whatever the machine says of itself.

Whatever module runs in a guest, its answer may carry facts. Ansible prefers facts to the variables of the inventory,
in this run and, from a cache, in later ones. So ``hostvars[guest]`` is in part the guest's own word.

Ansible has no public way to ask without them. ``HostVars.raw_get`` gives the variables as they are written, with the
facts among them and the names of all facts in ``ansible_facts``. What the inventory has under these names, a
``VariableManager`` tells whose cache of facts is empty. Seen with ansible-core 2.16 to 2.21.
"""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.inventory.manager import IGNORED, split_host_pattern
from ansible.module_utils.common.text.converters import to_text
from ansible.template import Templar
from ansible.utils.path import unfrackpath
from ansible.vars.manager import VariableManager

_FACTS = "ansible_facts"

_IS_A_FACT = (
    "{variable} is a fact, which is what the machine says of itself, and nothing may follow from that. Remove the fact:"
    " set inject_facts_as_vars = false in ansible.cfg, or clear the cache of facts (ansible-playbook --flush-cache)."
    " Set {variable} in the inventory, or by set_fact without cacheable."
)
_FOLLOWS_FROM_A_FACT = (
    "{variable} follows from facts, which are what the machine says of itself, and nothing may follow from that. Write"
    " {variable} in the inventory so that no fact is in it."
)
_COLON = re.compile(r":(?![^\[]*\])")
"""A colon that is in no range."""
_HAS_NO_VALUE = "{variable} cannot be read from the inventory: {error}. Correct it."


class Said(t.NamedTuple):
    """What is said of a machine: ``values`` of variables, by the inventory alone; ``refused``, the reasons for which
    a variable is not only the inventory's word; ``claimed``, the values that those have with all that is said;
    ``broken``, those of the refused for which the inventory itself has no value, whatever a machine says.
    """

    values: dict[str, t.Any]
    refused: dict[str, str]
    claimed: dict[str, t.Any]
    broken: set[str]


class _Written(t.NamedTuple):
    """Variables as they are written: those of the ``inventory``, and ``all``, whoever said them."""

    inventory: dict[str, t.Any]
    all: dict[str, t.Any]
    facts: frozenset[str]


class _Answer(t.NamedTuple):
    """The ``value`` of a variable, or the ``problem`` that it has none."""

    value: t.Any = None
    problem: str = ""


def _injected() -> bool:
    """Whether Ansible makes variables of facts."""
    read: t.Callable[[str], t.Any] = constants.config.get_config_value
    return bool(read("INJECT_FACTS_AS_VARS"))


def _fact_names(variables: dict[str, t.Any]) -> frozenset[str]:
    """The names under which facts are among these variables."""
    facts = variables.get(_FACTS) or {}
    named = {*facts, *("ansible_" + name for name in facts)} if _injected() else set()
    return frozenset({*named, _FACTS, "ansible_local"})


def _empty_terms(limit: str) -> list[str]:
    """The terms of a --limit in which nothing is named: empty ones, and files without a line."""
    if "," in limit:
        terms = limit.split(",")
    else:
        terms = [limit] if split_host_pattern(limit) == [limit.strip()] else _COLON.split(limit)
    empty = [""] if any(not term.strip() for term in terms) else []
    return empty + [term for term in split_host_pattern(limit) if term.startswith("@") and not _has_lines(term[1:])]


def _has_lines(path: str) -> bool:
    """Whether a file of terms has one. Ansible has read it before."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip() != ""
    except OSError:
        return False


def _files(source: str) -> t.Iterator[str]:
    """The sources of an inventory in a source of it, as Ansible takes them: it may be a folder, which is not empty."""
    path = str(unfrackpath(source, follow=False))
    if "," in source and not os.path.exists(path):
        yield source
        return
    names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    inside = [os.path.join(path, name) for name in names if not IGNORED.search(os.fsencode(name))]
    if not inside:
        yield path
    for one in inside:
        yield from _files(one)


def _is_plain(value: t.Any) -> bool:
    """Whether a value is what it is written as: no template, and nothing that may have one in it."""
    return isinstance(value, (bool, int)) or (isinstance(value, str) and not ("{" in value or value.startswith("#")))


class Inventory:
    """The inventory of a run, by its ``hostvars``."""

    def __init__(self, hostvars: t.Any) -> None:
        self._hostvars = hostvars
        self._manager: t.Any = None
        self._read_before: dict[str, _Written] = {}

    def members(self, pattern: str, limited: bool = False) -> list[str]:
        """The names of the machines that a pattern matches, in the whole inventory or within ``--limit``."""
        find = self._hostvars._inventory.get_hosts
        try:
            return [str(host.name) for host in find(pattern, ignore_limits=not limited, ignore_restrictions=True)]
        except AnsibleError:  # with host_pattern_mismatch = error; whoever asks has a better word for it
            return []

    def said(self, name: str, variables: t.Iterable[str]) -> Said:
        """What is said of a machine in these variables, without those of which nothing is said."""
        written = self._written(name)
        found = Said({}, {}, {}, set())
        for variable in variables:
            if variable in written.all or variable in written.inventory:
                self._read(variable, written, found)
        return found

    def set_by_tasks(self, machine: str, variables: t.Iterable[str]) -> dict[str, t.Any]:
        """What tasks of this run registered or set of a machine in these variables. Its facts are not among it."""
        by_tasks = self._by_tasks(machine)
        return {name: by_tasks[name] for name in variables if name in by_tasks}

    def extra(self, name: str, default: t.Any = None) -> t.Any:
        """What the command line sets a variable to."""
        return self._hostvars._variable_manager.extra_vars.get(name, default)

    @property
    def extra_names(self) -> set[str]:
        """The names of the variables that the command line sets."""
        return {str(name) for name in self._hostvars._variable_manager.extra_vars}

    def limits(self) -> dict[str, list[str]]:
        """The terms of --limit, each with the names that it matches in the inventory, whatever other terms exclude.

        Ansible passes over a term that matches nothing, over an empty one, and over an empty file of terms.
        """
        given = context.CLIARGS.get("subset")
        terms = [str(term) for term in self._hostvars._inventory._subset or () if str(term)]
        empty = _empty_terms(str(given)) if given is not None else []
        return {**{term: [] for term in empty}, **{term: self._matched(term) for term in terms}}

    def _matched(self, term: str) -> list[str]:
        """What a pattern without separators matches, as Ansible looks for it within --limit."""
        try:
            hosts = self._hostvars._inventory._evaluate_patterns([term.lstrip("!&")])
        except AnsibleError:
            return []
        return [name for name in (str(host.name) for host in hosts) if self.has(name)]

    def unread_sources(self) -> list[str]:
        """The files of the inventory that Ansible could not read. It only warns of them."""
        read = set(map(to_text, self._hostvars._inventory._inventory.processed_sources))
        sources = [source for source in self._hostvars._inventory._sources if source]
        return [one for source in sources for one in _files(source) if one not in read]

    def written(self, machine: str) -> dict[str, t.Any]:
        """A machine's variables as they are written, without its facts and without what tasks of this run set.

        What is called by a number is none of ours.
        """
        own, by_tasks = self._written(machine).inventory, self._by_tasks(machine)
        return {name: value for name, value in own.items() if isinstance(name, str) and name not in by_tasks}

    def _by_tasks(self, machine: str) -> t.Mapping[str, t.Any]:
        found: t.Mapping[str, t.Any] = self._hostvars._variable_manager._nonpersistent_fact_cache.get(machine, {})
        return found

    def has(self, name: str) -> bool:
        """Whether it has a machine of this name. Ansible itself adds ``localhost`` where it has none."""
        return name in self._hostvars._inventory.hosts

    def has_group(self, name: str) -> bool:
        """Whether it has a group of this name."""
        return name in self._hostvars._inventory.groups

    def _written(self, name: str) -> _Written:
        """A machine's variables, which take Ansible half a millisecond to put together: so that is done once."""
        if name not in self._read_before:
            everything = dict(self._hostvars.raw_get(name))
            facts = _fact_names(everything)
            own = self._alone(name, facts) if everything.get(_FACTS) else everything
            self._read_before[name] = _Written(own, everything, facts)
        return self._read_before[name]

    def _read(self, variable: str, written: _Written, found: Said) -> None:
        claimed = self._template(variable, written.all)
        own = claimed if written.inventory is written.all else self._template(variable, written.inventory)
        if not own.problem:
            found.values[variable] = own.value
        if variable in written.facts:
            reason = _IS_A_FACT
        elif own != claimed:
            reason = _FOLLOWS_FROM_A_FACT
        elif own.problem:
            reason = _HAS_NO_VALUE
            found.broken.add(variable)
        else:
            return
        found.refused[variable] = reason.format(variable=variable, error=own.problem)
        if not claimed.problem:
            found.claimed[variable] = claimed.value

    def _template(self, variable: str, variables: dict[str, t.Any]) -> _Answer:
        if variable not in variables:
            return _Answer(problem="nothing sets it")
        if _is_plain(variables[variable]):
            return _Answer(variables[variable])
        known = {_FACTS: {}, **variables}
        try:
            return _Answer(Templar(loader=self._hostvars._loader, variables=known).template(known[variable]))
        except Exception as error:  # before ansible-core 2.19, what a filter raises comes as it is
            return _Answer(problem=str(error).strip().rstrip("."))

    def _alone(self, name: str, facts: frozenset[str]) -> dict[str, t.Any]:
        """The variables of a machine without its facts, and with what tasks of this run set under other names."""
        now = self._hostvars._variable_manager
        if self._manager is None:
            self._manager = VariableManager(loader=self._hostvars._loader, inventory=self._hostvars._inventory)
            self._manager._options_vars = now._options_vars
            self._manager._vars_cache = now._vars_cache
        tasks = now._nonpersistent_fact_cache.get(name, {})
        self._manager._fact_cache = {name: {}}
        self._manager._nonpersistent_fact_cache = {name: {key: tasks[key] for key in tasks.keys() - facts}}
        found = self._manager.get_vars(host=self._hostvars._inventory.get_host(name), include_hostvars=False)
        return dict(found)
