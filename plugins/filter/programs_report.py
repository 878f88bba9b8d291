# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.programs_report``."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _unused, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import Odd, items, word
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._words import sentence

DOCUMENTATION = r"""
name: programs_report
short_description: Say in a text what came of programs
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Words what M(zeroinstall.virtualbox.programs) or M(zeroinstall.virtualbox.launchers) answered.
options:
  _input:
    description: The answer.
    type: dict
    required: true
  mine:
    description: What P(zeroinstall.virtualbox.guest_programs#filter) chose for the guest.
    type: dict
    default: {}
  install:
    description: Whether packages of the guest's distribution are installed where they are missing.
    type: bool
    default: true
  packages_problem:
    description: Why they could not be installed.
    type: str
    default: ""
  check_mode:
    description: Whether nothing was installed because of check mode.
    type: bool
    default: false
  linked:
    description: What M(zeroinstall.virtualbox.linked_stores) answered.
    type: dict
    default: {}
  remove:
    description: Whether what no program needs any more is to be removed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what is wrong with programs
  ansible.builtin.debug:
    msg: "{{ (downloaded | zeroinstall.virtualbox.programs_report).problem }}"
"""

RETURN = r"""
_value:
  description: >-
    RV(ignore:problem), what is wrong, or empty; RV(ignore:unused), what no program needs any more, in lines;
    RV(ignore:in_question), the names of what is to be removed of that; RV(ignore:packages), the packages that are to
    be installed.
  type: dict
"""

MOST = 100
"""Programs and implementations that are named."""


def programs_report(
    answer: t.Mapping[str, t.Any],
    mine: t.Mapping[str, t.Any] | None = None,
    install: bool = True,
    packages_problem: str = "",
    check_mode: bool = False,
    remove: bool = False,
    linked: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """What is to be said of an answer."""
    try:
        lacking = _entries(answer, "lacking")
        packages = sorted({word(name, "packages") for one in lacking for name in items(one["packages"], "packages")})
        if check_mode and install:
            lacking = [one for one in lacking if not one["packages"]]
        failed = [_failed(one) for one in _entries(answer, "failed_programs")]
        problems = [
            *failed,
            *([word(linked["msg"], "msg")] if linked and linked.get("msg") else []),
            *(mine or {}).get("problems", []),
            *(_lack(one, install, packages_problem) for one in lacking),
        ]
        unused = _entries(answer, "unused")
        no_more = _words.first([f"No program needs {_unused.sized(one)} any more." for one in unused], MOST)
        if unused and not remove:
            no_more.append("To remove that, run with -e cache_programs_unused=remove.")
        in_question = [_unused.name(one) for one in unused if remove]
    except (Odd, KeyError) as error:
        return {
            "problem": f"The answer is none that the module gives (see {error}).",
            "unused": [],
            "in_question": [],
            "packages": [],
        }
    return {
        "problem": " ".join(_words.first(problems, MOST)),
        "unused": no_more,
        "in_question": in_question,
        "packages": packages,
    }


def _entries(answer: t.Mapping[str, t.Any], key: str) -> list[t.Mapping[str, t.Any]]:
    return _unused.entries(answer, key) if answer.get(key) else []


def _failed(one: t.Mapping[str, t.Any]) -> str:
    return (
        f"{word(one['name'], 'name')} for {word(one['system'], 'system')}: {sentence(word(one['problem'], 'problem'))}"
    )


def _lack(one: t.Mapping[str, t.Any], install: bool, packages_problem: str) -> str:
    name, packages = word(one["name"], "name"), [word(each, "packages") for each in items(one["packages"], "packages")]
    said = sentence(word(one["problem"], "problem"))
    if not packages:
        return f"{name} cannot run here: its feeds name no package of this distribution. Zero Install said: {said}"
    if not install:
        return f"{name} needs a package of the distribution: {', '.join(packages)}. Install it: {said}"
    return f"{name} cannot run here: {', '.join(packages)} will not do. {packages_problem} Zero Install said: {said}"


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"programs_report": harmless(programs_report)}
