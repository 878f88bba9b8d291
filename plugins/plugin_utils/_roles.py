# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of this collection's roles, as the roles' own files have them."""

from __future__ import annotations

import difflib
import functools
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load
from ansible.utils.display import Display

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

_FOLDER = Path(__file__).parents[2] / "roles"
_ORDINARY = ("sharing", "vagrantfile")
"""Roles whose names are ordinary words."""
_ALIKE = 0.75
"""How alike a misspelt name is to the one that is meant. What is less so may be a variable of somebody else's role."""


@functools.lru_cache(maxsize=None)
def defaults(role: str) -> dict[str, t.Any]:
    """What the variables of a role are where nothing sets them."""
    found: dict[str, t.Any] = _read(_FOLDER / role / "defaults" / "main.yml")
    return found


def default(variable: str) -> t.Any:
    """What a variable of a role is where nothing sets it."""
    return defaults(_role_of(variable))[variable]


def warn_of_misspelt(inventory: Inventory, machine: str) -> None:
    """Warn of variables that the inventory sets for a machine, and whose names are nearly those of a role's."""
    for message in misspelt(inventory.names(machine)) if inventory.has(machine) else ():
        Display().warning(message)


def nearest(name: str, names: t.Iterable[str]) -> str:
    """A question for a name that is none of these, and is nearly one of them; or empty."""
    found = difflib.get_close_matches(name, sorted(names), 1)
    return f"Is '{found[0]}' meant?" if found else ""


def is_variable(name: str) -> bool:
    """Whether a role has a variable of this name."""
    role = _role_of(name)
    return bool(role) and name in _variables(role)


def misspelt(variables: t.Collection[str], surely: bool = False) -> list[str]:
    """A message for each name that begins as those of a role, is none of them, and is nearly one of them.

    ``surely``: without those that may be a variable of the user's own. Such a one may be set beside the one that it
    looks like, or begin with a role's name that is an ordinary word.
    """
    messages = []
    for variable in sorted(variables):
        role = _role_of(variable)
        if not role or variable in _variables(role) or (surely and role in _ORDINARY):
            continue
        for meant in difflib.get_close_matches(variable[len(role) :], _endings(role), 1, _ALIKE):
            if surely and role + meant in variables:
                continue
            messages.append(
                f"The role {role} has no variable {variable}, so what the inventory sets it to has no effect. Is"
                f" {role}{meant} meant?"
            )
    return messages


def _role_of(variable: str) -> str:
    """The role whose variables begin as this one, or empty."""
    return next((role for role in _names() if variable.startswith(role + "_")), "")


@functools.lru_cache(maxsize=None)
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in _FOLDER.iterdir()))


@functools.lru_cache(maxsize=None)
def _variables(role: str) -> frozenset[str]:
    """All variables that a user may set for a role."""
    entries = _read(_FOLDER / role / "meta" / "argument_specs.yml")["argument_specs"].values()
    return frozenset(name for entry in entries for name in entry.get("options", {}))


def _endings(role: str) -> list[str]:
    return [name[len(role) :] for name in sorted(_variables(role)) if name.startswith(role + "_")]


def _read(path: Path) -> t.Any:
    read: t.Callable[[str], t.Any] = yaml_load
    return read(path.read_text(encoding="utf-8"))
