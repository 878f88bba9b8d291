# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all filters of this collection have in common."""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._core import check, no_template


def harmless(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The same filter, whose result Ansible never takes for a template, whatever guests wrote into it."""

    @functools.wraps(function)
    def run(*arguments: t.Any, **options: t.Any) -> t.Any:
        check()
        return no_template(_typed(function, *arguments, **options))

    return run


def _typed(function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
    """What a filter returns. AnsibleFilterError says in its own words that a value is of a wrong type."""
    try:
        return function(*arguments, **options)
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise AnsibleFilterError(
            f"zeroinstall.virtualbox.{function.__name__} got an option that is missing or has a value of a wrong type"
            f" ({type(error).__name__}: {error}). See which variables the task hands to it, and correct them."
        ) from error


def explained(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The same filter, harmless, with the option ``explain``: it then returns its message as ``problem``.

    What a filter raises, Ansible would wrap into what it was about to do.
    """

    @functools.wraps(function)
    def run(*arguments: t.Any, explain: bool = False, **options: t.Any) -> t.Any:
        try:
            return _typed(function, *arguments, **options)
        except AnsibleFilterError as error:
            if not explain:
                raise
            cause = error.__cause__ if isinstance(error.__cause__, ValueError) else None
            return {"problem": str(cause or error)}

    return harmless(run)
