# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over paths: what is to be at each, placed all or none, and whether sudo then allows what it should."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import placing, sudo
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked


def run(asked: Asked, run_command: Callable[..., Any], backup: Callable[[str], str]) -> dict[str, Any]:
    """Look at all paths, then change what is to be changed, unless in check mode.

    ``run_command`` and ``backup`` are Ansible's own. The result, with ``msg`` where sudo does not allow what it
    should. Failure: nothing was changed.
    """
    params = asked.params
    changes = placing.plan(_wanted(params), asked.check_mode)
    diff = [placing.difference(change) for change in changes]
    kept = [] if asked.check_mode else placing.carry_out(changes, run_command, backup)
    if params["sudo"] and not (changes and asked.check_mode):
        problem = sudo.problem(sudo.Rule(**params["sudo"]))
        if problem:
            return {"msg": problem, "changed": bool(changes), "diff": diff}
    return {
        "changed": bool(changes),
        "changes": {change.wanted.path: change.words for change in changes},
        "missing_users": sorted({change.wanted.owner for change in changes if change.owner_is_missing}),
        "kept": kept,
        "diff": diff,
    }


def _wanted(params: Mapping[str, Any]) -> list[placing.Wanted]:
    present = [
        {**item, "content": item["content"] or "", "validate": tuple(item["validate"]), "where": f"present[{number}]."}
        for number, item in enumerate(params["present"])
    ]
    absent = [
        placing.Wanted(path, "absent", where=f"absent[{number}]: ") for number, path in enumerate(params["absent"])
    ]
    return [placing.Wanted(**item) for item in present] + absent
