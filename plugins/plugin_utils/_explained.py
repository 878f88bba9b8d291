# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all filters of this collection have in common."""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._core import no_template


def harmless(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The same filter, whose result Ansible never takes for a template, whatever guests wrote into it."""

    @functools.wraps(function)
    def run(*arguments: t.Any, **options: t.Any) -> t.Any:
        return no_template(function(*arguments, **options))

    return run


def explained(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The same filter, harmless, with the option ``explain``: it then returns its message as ``problem``.

    What a filter raises, Ansible would wrap into what it was about to do.
    """

    @functools.wraps(function)
    def run(*arguments: t.Any, explain: bool = False, **options: t.Any) -> t.Any:
        try:
            return function(*arguments, **options)
        except AnsibleFilterError as error:
            if not explain:
                raise
            return {"problem": str(error.__cause__ or error)}

    return harmless(run)
