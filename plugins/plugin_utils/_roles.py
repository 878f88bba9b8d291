# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of this collection's roles, as the roles' own files have them."""

from __future__ import annotations

import contextlib
import difflib
import functools
import typing as t
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.utils.display import Display

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

_FOLDER = Path(__file__).parents[2] / "roles"
_ORDINARY = ("sharing", "vagrantfile")
"""Roles whose names are ordinary words."""
_ALIKE = 0.75
"""How alike a misspelt name is to the one that is meant. What is less so may be a variable of somebody else's role."""
_VERY_ALIKE = 0.95
"""The same for a whole name whose beginning is misspelt."""
_BEGINNING, _PLAYBOOKS_BEGINNINGS = ("cach",), ("cach", "discover_", "zeroinstall_")
"""How those names begin that may be misspelt as a whole: those of roles alone, and with those of playbooks."""
_OF_PLAYBOOKS = ("discover_force", "discover_to", "zeroinstall_guests", "zeroinstall_hosts")
"""The variables of playbooks."""


@functools.lru_cache(maxsize=None)
def defaults(role: str) -> dict[str, t.Any]:
    """What the variables of a role are where nothing sets them."""
    found: dict[str, t.Any] = _read(_FOLDER / role / "defaults" / "main.yml")
    return found


def default(variable: str) -> t.Any:
    """What a variable of a role is where nothing sets it."""
    return defaults(_role_of(variable))[variable]


def read_all() -> None:
    """Read the variables of all roles, so that the processes that are forked off later have them."""
    for role in _names():
        with contextlib.suppress(OSError):  # what lies beside the roles is asked for by nobody
            _variables(role)
            defaults(role)


def kind(variable: str) -> str:
    """The type of a variable of a role, or empty for one that is none."""
    role = _role_of(variable)
    found = (entry.get("options", {}).get(variable, {}) for entry in (_specs(role).values() if role else ()))
    return next((str(option["type"]) for option in found if "type" in option), "")


def warn_of_misspelt(inventory: Inventory, machine: str) -> None:
    """Warn of variables that the inventory sets for a machine, and whose names are nearly those of a role's."""
    for message in misspelt(inventory.written(machine)).values() if inventory.has(machine) else ():
        Display().warning(message)


def nearest(name: str, names: t.Iterable[str]) -> str:
    """A question for a name that is none of these, and is nearly one of them alone; or empty."""
    best = difflib.get_close_matches(name, sorted(names), 2)
    alike = {difflib.SequenceMatcher(a=one, b=name).ratio() for one in best}
    return f"Is '{best[0]}' meant?" if best and len(alike) == len(best) else ""


def is_variable(name: str) -> bool:
    """Whether a role has a variable of this name."""
    role = _role_of(name)
    return bool(role) and name in _variables(role)


def misspelt(
    variables: t.Collection[str],
    surely: bool = False,
    beside: t.Collection[str] | None = None,
    of_playbooks: bool = False,
) -> dict[str, str]:
    """By name, a message for each name that is none of a role, and is nearly one of them.

    ``surely``: without those that may be a variable of the user's own. Such a one may be set beside the one that it
    looks like, or begin with a role's name that is an ordinary word. ``beside``: what is set, these variables if it is
    not given. ``of_playbooks``: whether variables of playbooks count, too, which only the command line may set.
    """
    messages = {}
    beside = variables if beside is None else beside
    beginnings = _PLAYBOOKS_BEGINNINGS if of_playbooks else _BEGINNING
    for variable in sorted(variables):
        role = _role_of(variable)
        if not role and variable.startswith(beginnings) and variable not in _OF_PLAYBOOKS:
            for meant in difflib.get_close_matches(variable, _long_names(), 1, _VERY_ALIKE):
                if not (surely and meant in beside):
                    messages[variable] = (
                        f"This collection has no variable {variable}, so it has no effect. Is {meant} meant?"
                    )
        if not role or variable in _variables(role) or (surely and role in _ORDINARY):
            continue
        for meant in difflib.get_close_matches(variable[len(role) :], _endings(role), 1, _ALIKE):
            if surely and role + meant in beside:
                continue
            messages[variable] = (
                f"The role {role} has no variable {variable}, so it has no effect. Is {role}{meant} meant?"
            )
    return messages


def _role_of(variable: str) -> str:
    """The role whose variables begin as this one, or empty."""
    return next((role for role in _names() if variable.startswith(role + "_")), "")


@functools.lru_cache(maxsize=None)
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in _FOLDER.iterdir()))


def options(role: str) -> dict[str, t.Any]:
    """The variables of a role's entry point ``main``, with their types."""
    found: dict[str, t.Any] = _specs(role)["main"].get("options", {})
    return found


def wrong(role: str, values: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the variables of a role that have these values, as Ansible checks them, or empty."""
    found = ArgumentSpecValidator(options(role)).validate({**values}, validate_role_argument_spec=True)
    return " ".join(f"{message}." for message in found.error_messages)


@functools.lru_cache(maxsize=None)
def _variables(role: str) -> frozenset[str]:
    """All variables that a user may set for a role."""
    return frozenset(name for entry in _specs(role).values() for name in entry.get("options", {}))


@functools.lru_cache(maxsize=None)
def _specs(role: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = _read(_FOLDER / role / "meta" / "argument_specs.yml")["argument_specs"]
    return found


@functools.lru_cache(maxsize=None)
def _long_names() -> tuple[str, ...]:
    """All variables of roles and playbooks whose names begin as one that may be misspelt as a whole."""
    names = {*_OF_PLAYBOOKS, *(name for role in _names() for name in _variables(role))}
    return tuple(sorted(name for name in names if name.startswith(_PLAYBOOKS_BEGINNINGS)))


def _endings(role: str) -> list[str]:
    return [name[len(role) :] for name in sorted(_variables(role)) if name.startswith(role + "_")]


def _read(path: Path) -> t.Any:
    read: t.Callable[[str], t.Any] = yaml_load
    return read(path.read_text(encoding="utf-8"))
