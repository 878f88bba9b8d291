# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of ``unshare`` with ``--limit`` undoes on each host.

The terms of the limit decide, not what is left of them: where a term names guests and another one excludes them, the
host alone is left, and everything that it shares is not what was meant.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _words

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

ALL = "all"
SIGNS = ("!", "&")
MOST = 5
"""Terms or names that a message has."""


class Scope(t.NamedTuple):
    """``guests``: by host, the guests from which alone it takes something back, or ``all`` for everything.

    ``problems``: why nothing is to be taken back at all.
    """

    guests: dict[str, t.Any]
    problems: list[str]


def scope(inventory: Inventory, by_host: t.Mapping[str, t.Sequence[str]]) -> Scope:
    """The scope of a run. ``by_host``: the names of each host's guests.

    Without ``--limit``, or if all its terms match hosts alone, a host takes everything back. A term that excludes
    guests of other hosts is no matter of a host. A host that is a guest of another host of the limit counts as a guest.
    """
    terms = inventory.limits()
    limited = set(inventory.members("all", limited=True)) if terms else {*by_host}
    hosts = [host for host in by_host if host in limited]
    unmatched = [term for term, names in terms.items() if not (names or _is_empty_group(term, inventory))]
    # With host_pattern_mismatch = error, Ansible names no machine of a limit with such a term.
    if unmatched and (hosts or any(name in by_host for names in terms.values() for name in names)):
        listed = _words.quoted(map(_answers.plain, unmatched), MOST)
        return Scope({}, [f"--limit has {listed}, which matches nothing in the inventory. Correct --limit."])
    host_of = {guest: host for host, guests in by_host.items() for guest in guests}
    its_guests = {guest for host in hosts for guest in by_host[host]}
    named = {name for name in _names(terms, "") if name not in by_host or name in its_guests}
    if named:
        named |= _names(terms, "&") - {*by_host}
    excluded = {name for name in _names(terms, "!") if name not in by_host or name in its_guests}
    found: dict[str, t.Any] = {}
    without = []
    for host in hosts:
        about = named | {name for name in excluded if host_of.get(name, host) == host}
        guests = [guest for guest in by_host[host] if guest in limited]
        found[host] = guests if about else ALL
        if about and not guests and (by_host[host] or about - host_of.keys()):
            without.append((host, about))
    return Scope({}, [_nobody(without, host_of)]) if without else Scope(found, [])


def _names(terms: t.Mapping[str, t.Sequence[str]], sign: str) -> set[str]:
    """What the terms match that begin with ``!`` or ``&``, or, with an empty sign, with neither."""
    signs = {term: term[:1] if term.startswith(SIGNS) else "" for term in terms}
    return {name for term, names in terms.items() if signs[term] == sign for name in names}


def _is_empty_group(term: str, inventory: Inventory) -> bool:
    """Whether a term excludes a group that there is, and in which nobody is."""
    return term.startswith("!") and inventory.has_group(term[1:])


def _nobody(without: t.Sequence[tuple[str, set[str]]], host_of: t.Mapping[str, str]) -> str:
    """The message that the limit leaves no guest of hosts, although it is not about these hosts alone."""
    about = sorted(set().union(*(names for _host, names in without)))
    listed = [f"'{name}' ({f'a guest of {host_of[name]}' if name in host_of else 'no guest'})" for name in about]
    hosts = _words.quoted([host for host, _about in without], MOST)
    return (
        f"--limit has terms about {', '.join(_words.first(listed, MOST))}, and leaves no guest of {hosts}. Correct"
        " cache_guest_host of the guest, or --limit. To take everything back that hosts share, limit the run to hosts"
        " alone."
    )
