# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run that brings a guest to the Guest Additions of an image: what is found, planned, done, and what came of it."""

from __future__ import annotations

import contextlib
import os
from typing import Any, ContextManager, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    additions_installer,
    additions_versions,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.additions_installer import Situation, Source
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked

_NO_CD = (
    "No CD with Guest Additions is in the guest's drive. Put it there on the host, with "
    "'VBoxManage storageattach MACHINE --storagectl CONTROLLER --port PORT --device DEVICE --type dvddrive "
    "--medium additions', or name an image."
)


def run(asked: Asked) -> dict[str, Any]:
    """Install, unless in check mode. The result, with ``msg`` where the installer failed.

    Failure: an option is wrong, the image is not such as is allowed, or something that the installer needs is
    missing.
    """
    options, guest = asked.params, Guest()
    limits = additions_versions.limits(options["minimum_version"], options["bad_versions"])
    with _image(guest, options) as source:
        if source is None:
            raise Failure(_NO_CD)
        problem = additions_versions.problem(source.version, additions_versions.ORACLE, limits)
        if problem:
            raise Failure(f"{source.name}: {problem}")
        return _bring(guest, source, asked)


def _image(guest: Guest, options: Mapping[str, Any]) -> ContextManager[Source | None]:
    machine = os.uname().machine
    if options["image"]:
        return contextlib.nullcontext(additions_installer.from_file(options["image"], options["sha256"], machine))
    return additions_installer.from_drive(guest, machine)


def _bring(guest: Guest, source: Source, asked: Asked) -> dict[str, Any]:
    before = additions_installer.look(guest)
    operation = additions_installer.operation(source.version, before)
    plan = _plan(source, before, operation)
    if plan["changed"]:
        if operation == additions_installer.INSTALL:
            additions_installer.check_foreign(guest)
        plan["missing"] = additions_installer.missing(guest)
    if asked.check_mode or not plan["changed"]:
        if plan["restart"]:
            asked.warn(plan["restart"])
        return plan
    if plan["missing"]:
        raise Failure(" ".join(plan["missing"]))
    done = _carry_out(guest, source, operation, asked.params["timeout"])
    if done["restart"]:
        asked.warn(done["restart"])
    if done["unmounted"]:
        asked.warn("The installer unmounted {}. Mount them again.".format(", ".join(done["unmounted"])))
    return {**plan, **done}


def _plan(source: Source, before: Situation, operation: str) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "changed": operation != additions_installer.NOTHING,
        "operation": operation,
        "version": source.version.text,
        "previous": before.record,
        "restart": additions_versions.restart(before.loaded, before.installed),
        "missing": [],
        "unmounted": [],
    }
    if plan["changed"]:
        drivers = ", drivers built for this kernel" if operation == additions_installer.SETUP else ""
        plan["diff"] = {
            "before": "Guest Additions: {}\n".format(before.record or "none of Oracle's"),
            "after": f"Guest Additions: {source.version.text}{drivers}\n",
        }
    return plan


def _carry_out(guest: Guest, source: Source, operation: str, timeout: int) -> dict[str, Any]:
    mounted = additions_installer.shared_folders(guest)
    if operation == additions_installer.SETUP:
        ran = additions_installer.set_up(timeout)
    else:
        ran = additions_installer.install(source, timeout)
    outcome = additions_installer.judge(
        source.version, additions_installer.look(guest), ran.status, ran.output, guest.virtualbox()["guest"]
    )
    still = additions_installer.shared_folders(guest)
    done = {
        "restart": outcome.restart,
        "unmounted": [path for path in mounted if path not in still],
        "status": ran.status,
        "output": ran.output,
    }
    return {**done, "msg": outcome.problem} if outcome.problem else done
