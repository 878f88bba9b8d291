# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.failure``."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import told
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._words import sentence

DOCUMENTATION = r"""
name: failure
short_description: Say in a text why tasks failed
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Joins the messages of what failed, of a task, of each turn of a task with a loop, or of several tasks.
options:
  _input:
    description: The result of a task, or a list of such results. What is no such result is passed over.
    type: raw
    required: true
  key:
    description: Which results count, those with C(failed) or those with C(unreachable).
    type: str
    default: failed
  only_timed_out:
    description: Whether to tell only of what failed because its time was up.
    type: bool
    default: false
  raise_limit:
    description: >-
      The variable that the user can raise if a task took too long. The message names it. Without this option, the
      message says nothing of that.
    type: str
    default: ""
  limit:
    description: The value of that variable.
    type: raw
  otherwise:
    description: What to say where the time was not up.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Do what may fail
  block:
    - name: Install a package
      ansible.builtin.package:
        name: sudo
  rescue:
    - name: Say why it could not be done
      ansible.builtin.fail:
        msg: "sudo is missing: {{ ansible_failed_result | zeroinstall.virtualbox.failure }}"
"""

RETURN = r"""
_value:
  description: The messages, each once and with a full stop. Empty if nothing failed.
  type: str
"""

NO_REASON = "no reason was given"

_TIMED_OUT = re.compile("Timed out after|failed to execute in the expected time frame")
"""What Ansible says, in the words of today and of before ansible-core 2.19."""


def turns(result: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    """The turns of a task with a loop, or the task's one result."""
    found = result.get("results")
    loop = [turn for turn in found if isinstance(turn, t.Mapping)] if isinstance(found, (list, tuple)) else []
    return loop or [result]


def timed_out(result: t.Mapping[str, t.Any]) -> bool:
    """Whether the time of its task was up."""
    return "timedout" in result or bool(_TIMED_OUT.search(str(result.get("msg", ""))))


def failure(
    results: t.Any,
    key: str = "failed",
    only_timed_out: bool = False,
    raise_limit: str = "",
    limit: t.Any = None,
    otherwise: str = "",
) -> str:
    """Why they failed."""
    each = results if isinstance(results, (list, tuple)) else [results]
    counted = [turn for result in each if isinstance(result, t.Mapping) for turn in turns(result) if turn.get(key)]
    if only_timed_out:
        counted = [turn for turn in counted if timed_out(turn)]
    text = told(" ".join(dict.fromkeys(sentence(str(result.get("msg") or NO_REASON).rstrip()) for result in counted)))
    if not raise_limit:
        return text
    hint = otherwise
    if any(map(timed_out, counted)):
        hint = f"Where the package manager needs longer, raise {raise_limit} (now {limit}). It may still be at work."
    return " ".join([text, hint]).rstrip()


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"failure": harmless(failure)}
