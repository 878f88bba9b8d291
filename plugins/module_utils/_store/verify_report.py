# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``store_verify`` is asked and tells, with lists that no store can make longer than a bound."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterable, Mapping, Sequence, Tuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import progress, utc
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    judging,
    last_results,
    quarantine,
    verifying,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.cut_lists import capped
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.judging import Verdict

TOLD = 3
"""Problems that a message names."""

# How many entries of a list are in the result, and of how many bytes.
MOST = verifying.IN_FULL
ROOM = 2 << 20
MOST_SKIPPED = 1000
ROOM_SKIPPED = 1 << 18
MOST_CORRUPT = 50_000
ROOM_CORRUPT = 4 << 20
MOST_NAMES = 100_000

Problem = Tuple[str, str, Verdict]
"""The path of a store, the name of an implementation, and what is wrong with it."""


def run(asked: Asked) -> dict[str, Any]:
    """Verify. Failure: an option is wrong, or a store cannot be opened."""
    options = asked.params
    _check(options)
    report = verifying.verify(options["path"], _chosen(options, keep=not asked.check_mode))
    unkept = _keep(options, report) if options["keep_result"] and not asked.check_mode else []
    for warning in [*report.warnings, *unkept]:
        asked.warn(warning)
    return _result(report, options["return_names"])


def _check(options: Mapping[str, Any]) -> None:
    for name in ("workers", "max_details", "max_holes", "progress"):
        if options[name] < 0:
            raise Failure(f"{name} is {options[name]}: it cannot be less than 0.")
    if not options["path"]:
        raise Failure("path is empty: name at least one store.")
    progress.check(options["progress_file"])


def _keep(options: Mapping[str, Any], report: verifying.Report) -> list[str]:
    """Keep what was found in each store, if all of it was verified. That it cannot be kept is a warning."""
    warnings: list[str] = []
    if options["names"] is not None:
        return warnings
    at = utc.now()
    found: dict[str, list[dict[str, Any]]] = {store: [] for store in report.by_store}
    for problem in _by_weight(report.problems):
        if len(found[problem[0]]) < last_results.MOST_FINDINGS:
            found[problem[0]].append(_in_full(*problem))
    for store, counts in report.by_store.items():
        try:
            last_results.keep(options["record"], store, last_results.of(options["mode"], counts, found[store], at))
        except Failure as error:
            warnings.append(f"what was found in {store} is not kept for reports: {error}")
    return warnings


def _chosen(options: Mapping[str, Any], keep: bool) -> verifying.Options:
    return verifying.Options(
        names=options["names"],
        workers=options["workers"],
        records=options["record"] if options["mode"] == "changed" else "",
        keep=keep,
        most=options["max_details"],
        progress=progress.teller(options["progress_file"]),
        holes=options["max_holes"],
    )


def _result(report: verifying.Report, return_names: bool) -> dict[str, Any]:
    listed = _names_of(report) if return_names else {}
    return {
        "changed": False,
        "summary": report.summary,
        **_lists(report),
        "quarantined": _quarantined(report),
        "names_digest": report.names_digest,
        **listed,
    }


def _quarantined(report: verifying.Report) -> dict[str, int]:
    """How many implementations wait in the quarantine of each store that has any there."""
    found = {}
    for store in report.listed:
        with contextlib.suppress(OSError):
            found[store] = quarantine.waiting(store)
    return {store: number for store, number in found.items() if number}


def _names_of(report: verifying.Report) -> dict[str, Any]:
    names, room, left_out = report.names[:MOST_NAMES], MOST_NAMES, 0
    by_store = {}
    for path, each in report.listed.items() if len(report.listed) > 1 else ():
        by_store[path] = each[:room]
        room -= len(by_store[path])
        left_out += len(each) - len(by_store[path])
    return {
        "names": names,
        "names_by_store": by_store,
        "names_left_out": max(left_out, len(report.names) - len(names)),
    }


def _lists(report: verifying.Report) -> dict[str, Any]:
    problems = _by_weight(report.problems)
    kept = capped(problems, MOST, ROOM, lambda problem: _in_full(*problem), _without_changes)
    in_order = sorted(zip(problems, kept), key=lambda pair: (os.fsencode(pair[0][1]), pair[0][0]))
    return {
        "problems": [problem for _found, problem in in_order],
        "corrupt": _corrupt(problems),
        "skipped_names": capped(report.skipped, MOST_SKIPPED, ROOM_SKIPPED, _passed_over),
    }


def _by_weight(problems: Iterable[Problem]) -> list[Problem]:
    """The problems, first those of what Zero Install would run."""
    return sorted(problems, key=lambda problem: verifying.first_by_weight(problem[1]))


def _in_full(store: str, name: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "name": judging.shown(name),
        "path": judging.shown(os.path.join(store, name)),
        "status": verdict.status,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "expected": verdict.expected,
        "actual": verdict.actual,
        "recorded": verdict.recorded,
        "changes": list(verdict.changes),
        "changes_left_out": verdict.changes_left_out,
    }


def _without_changes(problem: Mapping[str, Any]) -> dict[str, Any]:
    return dict(problem, changes=[], changes_left_out=problem["changes_left_out"] + len(problem["changes"]))


def _corrupt(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """The names of what is corrupt, for each store, as the quarantine takes them."""
    corrupt = [(path, name) for path, name, verdict in problems if verdict.status == "corrupt"]
    found: dict[str, list[str]] = {}
    for path, name in capped(corrupt, MOST_CORRUPT, ROOM_CORRUPT, lambda one: (one[0], judging.shown(one[1]))):
        found.setdefault(path.rstrip("/") or "/", []).append(name)
    return found


def _passed_over(skipped: tuple[str, str, str]) -> dict[str, str]:
    store, name, reason = skipped
    return {"name": judging.shown(name), "path": judging.shown(os.path.join(store, name)), "reason": reason}


def message(problems: Sequence[Mapping[str, Any]], total: int) -> str:
    """What is wrong, with the first problems. ``total``: how many there are."""
    told = [f"{problem['path']}{_called(problem)}: {problem['detail']}" for problem in problems[:TOLD]]
    more = total - len(told)
    return "{} {} not sound: {}{}".format(
        total,
        "implementation is" if total == 1 else "implementations are",
        " ".join(told),
        f" And {more} more, see problems." if more > 0 else "",
    )


def _called(problem: Mapping[str, Any]) -> str:
    """What it is called, in brackets, if that is known."""
    called = f"{problem['program']} {problem['version']}".strip()
    return f" ({called})" if called else ""
