# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that a role can ask for what is wrong. What a filter raises, Ansible wraps into what it was about to do."""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError


def explained(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The same filter with the option C(explain): it then returns its message as C(problem) instead of raising it."""

    @functools.wraps(function)
    def run(*arguments: t.Any, explain: bool = False, **options: t.Any) -> t.Any:
        try:
            return function(*arguments, **options)
        except AnsibleFilterError as error:
            if not explain:
                raise
            return {"problem": str(error.__cause__ or error)}

    return run
