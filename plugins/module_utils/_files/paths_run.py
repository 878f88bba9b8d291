# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over paths: what is to be at each, placed all or none, and whether sudo then allows what it should."""

from __future__ import annotations

import base64
from typing import Any, Callable, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import placing, sudo
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked


def run(
    asked: Asked, run_command: Callable[..., Any], backup: Callable[[str], str], label: Callable[[str, bool], Any]
) -> dict[str, Any]:
    """Look at all paths, then change what is to be changed, unless in check mode.

    ``run_command``, ``backup``, and ``label``, which gives a path its default SELinux context, are Ansible's own. The
    result, with ``msg`` where sudo does not allow what it should. Failure: nothing was changed.
    """
    params = asked.params
    changes = placing.plan(_wanted(params), asked.check_mode)
    diff = [placing.difference(change) for change in changes]
    kept = [] if asked.check_mode else placing.carry_out(changes, run_command, backup)
    for change in changes:
        if change.words == [placing.CREATED] and not asked.check_mode:
            label(change.wanted.path, True)
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
    present = [_at_path(item, f"present[{number}].") for number, item in enumerate(params["present"])]
    absent = [
        placing.Wanted(path, "absent", where=f"absent[{number}]: ") for number, path in enumerate(params["absent"])
    ]
    return present + absent


def _at_path(item: Mapping[str, Any], where: str) -> placing.Wanted:
    given = {name: value for name, value in item.items() if name != "base64"}
    text = _content(item, where)
    return placing.Wanted(**{**given, "content": text, "validate": tuple(item["validate"]), "where": where})


def _content(item: Mapping[str, Any], where: str) -> str:
    text: str = item["content"] or ""
    if not item["base64"]:
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape")
    except ValueError as error:
        raise Failure(f"{where}content of {item['path']} is no base64: {error}.") from error
