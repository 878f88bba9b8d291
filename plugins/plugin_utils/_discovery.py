# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which guest is which machine, and the inventory that follows from that.

What guests answer is only a proposal to the admin. Nothing but the text of an inventory is made of it.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.utils.addresses import parse_address
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _identity, _modes, _words

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

MACHINES, GUEST = "cache_host_discovered", "cache_guest_discovered"
"""The variables with what a host and a guest answered."""
HOST, MACHINE = _modes.HOST, _modes.MACHINE

LONGEST = 300
"""Characters of a machine's or a module's text in a line of the report."""
MOST_LINES = 500
_HEADER = "#jinja2:"
"""So begins a text that says itself which of its characters begin a template, in Ansible before ansible-core 2.19."""
_LONGEST_NAME = 128
_MOST_NAMED = 3


class Machine(t.NamedTuple):
    """A machine that a host told of. ``said``: how an inventory names it, by its name or else by its UUID."""

    host: str
    uuid: str
    name: str
    said: str
    forms: frozenset[str]

    def __str__(self) -> str:
        """For the report."""
        return f"'{shown(self.name)}' ({self.uuid}) of {self.host}"


class Found(t.NamedTuple):
    """The machine of each guest that has one; for each other guest, and each host that was not read, the reason."""

    machines: dict[str, Machine]
    reasons: dict[str, str]
    hosts: list[str]


def shown(value: object) -> str:
    """A text of an answer in a line for people."""
    text = " ".join(_answers.plain(str(value)).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def find(names: t.Iterable[str], inventory: Inventory) -> Found:
    """What the hosts and guests among these machines of the inventory answered in this run."""
    hosts: dict[str, t.Any] = {}
    guests: dict[str, t.Any] = {}
    for name in names:
        answers = inventory.set_by_tasks(name, (MACHINES, GUEST))
        if MACHINES in answers:
            hosts[name] = answers[MACHINES]
        elif GUEST in answers:
            guests[name] = answers[GUEST]
    reasons: dict[str, str] = {}
    machines: list[Machine] = []
    read = []
    for host, answer in hosts.items():
        try:
            machines += machines_of(host, answer)
            read.append(host)
        except _answers.Odd as error:
            reasons[host] = str(error)
    claims: dict[str, Machine] = {}
    for guest, answer in guests.items():
        try:
            claims[guest] = _machine_of(_uuid_of(answer), machines, read)
        except _answers.Odd as error:
            reasons[guest] = str(error)
    return Found(_only_ones(claims, reasons), reasons, read)


def machines_of(host: str, answer: object) -> list[Machine]:
    """The machines of a host. Odd says why there are none."""
    told = _told(answer, "machines")
    found = []
    for one in _answers.items(told, "its answer has no list of machines"):
        machine = _answers.mapping(one, "its answer has a machine that is none")
        found.append([_answers.word(machine.get(key), f"its answer has a machine without {key}")
                      for key in ("uuid", "name", "hardware_uuid")])  # fmt: skip
    names = [name for _uuid, name, _hardware in found]
    return [
        Machine(host, uuid, name, name if sayable(name) and names.count(name) == 1 else uuid, _identity.forms(hardware))
        for uuid, name, hardware in found
        if _identity.as_uuid(uuid)
    ]


def sayable(name: str) -> bool:
    """Whether an inventory may have a machine's name: as it is, no template, and taken for no UUID.

    Of control characters, only their escapes are known. A template in an inventory would be run.
    """
    return (
        name.isprintable()
        and name == name.strip() != ""
        and len(name) <= _LONGEST_NAME
        and not any(part in name for part in ("\\", "{{", "{%", "{#", _HEADER))
        and not _identity.as_uuid(name)
    )


def writable(name: str) -> bool:
    """Whether Ansible reads a machine's inventory name from YAML as it is: without a range or a port in it."""
    try:
        whole = parse_address(name, allow_ranges=True) == (name, None)
    except AnsibleError:  # no address, so Ansible does not look for a port in it
        whole = True
    return whole and name.isprintable() and not any(part in name for part in ("[", "{{", "{%", "{#", _HEADER))


def _told(answer: object, key: str) -> t.Any:
    """A value of an answer. Odd says why there is none."""
    result = _answers.mapping(answer, "it gave no answer")
    if result.get("unreachable"):
        raise _answers.Odd(f"it was not reached: {shown(result.get('msg'))}")
    if result.get(key) is None:
        raise _answers.Odd(f"it could not be read: {shown(result.get('msg') or 'no reason was given')}")
    return result[key]


def _uuid_of(answer: object) -> str:
    guest = _answers.mapping(_told(answer, "guest"), "its answer has no guest")
    virtualbox = _answers.mapping(guest.get("virtualbox"), "its answer has nothing of VirtualBox")
    if virtualbox.get("guest") is not True:
        raise _answers.Odd(f"it is no VirtualBox guest, and calls itself '{shown(virtualbox.get('product'))}'.")
    uuid = virtualbox.get("uuid")
    if not isinstance(uuid, str) or not uuid:
        raise _answers.Odd(
            "the UUID of its hardware cannot be read, which only root can read. Set ansible_become: true for it, or"
            f" write {HOST} and {MACHINE} yourself."
        )
    if not _identity.forms(uuid):
        raise _answers.Odd(
            f"the UUID of its hardware, {shown(uuid)}, is a placeholder. Write {HOST} and {MACHINE} yourself."
        )
    return uuid


def _machine_of(uuid: str, machines: t.Iterable[Machine], hosts: list[str]) -> Machine:
    forms = _identity.forms(uuid)
    found = [machine for machine in machines if machine.forms & forms]
    if not found:
        raise _answers.Odd(
            f"no machine has its hardware UUID {uuid} on the {len(hosts)} hosts that answered: {_first(hosts)}."
            " See whether its host is among them, and cache_host_user the user who registered the machine."
        )
    if len(found) > 1:
        raise _answers.Odd(
            f"several machines have its hardware UUID {uuid}, as clones may: {_first(list(map(str, found)))}. Write"
            f" {HOST} and {MACHINE} yourself, or give the clones other UUIDs while they are switched off:"
            " VBoxManage modifyvm NAME --hardware-uuid UUID"
        )
    return found[0]


def _only_ones(claims: dict[str, Machine], reasons: dict[str, str]) -> dict[str, Machine]:
    """The guests of machines that no other guest claims; the others get a reason."""
    claimants: dict[tuple[str, str], list[str]] = {}
    for guest, machine in claims.items():
        claimants.setdefault((machine.host, machine.uuid), []).append(guest)
    for guest, machine in claims.items():
        others = [other for other in claimants[machine.host, machine.uuid] if other != guest]
        if others:
            reasons[guest] = (
                f"it and {_first(others)} say that they are the machine {machine}, so neither gets it. One of them is"
                " not what it says, or one guest has two names in the inventory."
            )
    return {guest: machine for guest, machine in claims.items() if guest not in reasons}


def _first(texts: list[str]) -> str:
    """The first of many names, for a message."""
    return ", ".join(_words.first(texts, _MOST_NAMED)) or "none"


def variables(name: str, machine: Machine, inventory: Inventory) -> dict[str, str]:
    """The two variables of a guest. Odd tells what the inventory has instead, which is not overridden."""
    said = inventory.said(name, (HOST, MACHINE))
    for reason in said.refused.values():
        raise _answers.Odd(f"it is the machine {machine}, and nothing is written for it: {reason}")
    host, own = (str(said.values.get(variable) or "") for variable in (HOST, MACHINE))
    if host not in ("", machine.host) or (own not in ("", machine.said) and own.lower() != machine.uuid):
        raise _answers.Odd(
            f"by its hardware UUID it is the machine {machine}, and the inventory says {HOST} '{shown(host)}' and"
            f" {MACHINE} '{shown(own)}', which stays. Correct the inventory if that is wrong."
        )
    return {HOST: machine.host, MACHINE: own or machine.said}
