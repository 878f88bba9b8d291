# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verifying stores, and saying of what is not sound what it is called."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verify_report


def run(asked: Asked) -> dict[str, Any]:
    """Verify. Failure: an option is wrong, or a store cannot be opened."""
    result = verify_report.run(asked)
    number = result["summary"]["problems"]
    if number:
        _name(result["problems"], asked.params)
    if number and asked.params["fail_on_problem"]:
        result["msg"] = verify_report.message(result["problems"], number)
    return result


def _name(problems: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
    """Add to each problem what the implementation is called, or empty texts."""
    # Loading this takes as long as looking at many files: not where all is sound.
    from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import known_names, record

    programs = record.Record()
    if options["programs"]:
        try:
            programs = record.load(options["programs"])
        except Failure:
            pass  # a name that is not known is no problem of the store
    known = known_names.known(options["feeds"], programs)
    for problem in problems:
        what = known.get(problem["name"], known_names.NOTHING)
        problem.update(program=what.program, version=what.version)
