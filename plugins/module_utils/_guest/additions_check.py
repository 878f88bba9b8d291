# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guest Additions beside what is wanted of them, and what mounts keep when it is tried."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_versions, mount_probe
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.mount_probe import Finding
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked


def run(asked: Asked) -> dict[str, Any]:
    """Check. Failure: an option is no version."""
    options = asked.params
    limits = additions_versions.limits(options["minimum_version"], options["bad_versions"])
    host = additions_versions.required(options["host_version"], "host_version") if options["host_version"] else None
    additions = Guest().additions(limits)
    if additions["restart"]:
        asked.warn(additions["restart"])
    findings, unproved = _prove([] if asked.check_mode else options["path"])
    lost = [f"{finding.path}: {finding.detail}" for finding in findings if finding.required and not finding.kept]
    problems = [problem for problem in (additions["problem"], _distance(additions, host), *unproved, *lost) if problem]
    result = {
        "changed": False,
        "additions": additions,
        "proof": [finding._asdict() for finding in findings],
        "problems": problems,
    }
    return {**result, "msg": " ".join(problems)} if problems and options["fail_on_problem"] else result


def _distance(additions: Mapping[str, Any], host: additions_versions.Version | None) -> str | None:
    if not host:
        return None
    return additions_versions.distance(additions_versions.parse(additions["full"] or ""), additions["origin"], host)


def _prove(paths: Iterable[str]) -> tuple[list[Finding], list[str]]:
    """What was found on the paths, and where nothing could be."""
    findings: list[Finding] = []
    problems: list[str] = []
    for path in paths:
        try:
            findings += mount_probe.prove(path)
        except OSError as error:
            problems.append(f"Nothing can be proved on {path}: {error.strerror}.")
    return findings, problems
