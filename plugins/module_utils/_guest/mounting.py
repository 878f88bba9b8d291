# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over a guest's mounts: what is asked, what follows from it, and what was done."""

from __future__ import annotations

import contextlib
import pwd
from typing import Any, Callable, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import mount_planning, mount_running
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked


def run(asked: Asked, label: Callable[[str, bool], Any]) -> dict[str, Any]:
    """Look at the guest, decide, and unless in check mode act. The result, with ``msg`` where something failed.

    ``label`` is Ansible's own way to give a path its default SELinux context.
    """
    commands: list[list[str]] = []
    try:
        with contextlib.nullcontext() if asked.check_mode else replacing.locked(mount_planning.LOCK):
            guest = Guest()
            plan = mount_planning.survey(guest, _request(asked))
            if asked.check_mode or not plan.changed:
                commands = plan.commands
            else:
                mount_running.Run(guest, plan, commands).carry_out()
                for change in plan.files:
                    if change.before is None:
                        label(change.path, True)
    except Failure as failure:
        return {"msg": str(failure), "commands": commands}
    for warning in plan.warnings:
        asked.warn(warning)
    return {"changed": plan.changed, "mounts": list(plan.reports.values()), "commands": commands, "diff": plan.diff}


def _request(asked: Asked) -> mount_planning.Request:
    """What the user asks for. Failure: there is no such user as an owner, which is only a warning in check mode."""
    entries = [dict(entry, where=f"mounts[{number}].") for number, entry in enumerate(asked.params["mounts"])]
    missing = {entry["owner"]: entry["where"] for entry in entries if entry["owner"] and not _user(entry["owner"])}
    for name, where in missing.items():
        if not asked.check_mode:
            raise Failure(f"{where}owner '{name}' is no user of this machine. Create the user first.")
        asked.warn(f"There is no user '{name}' yet, whose numbers the options of a mount will have.")
    return mount_planning.Request(
        [_mount(entry) for entry in entries if entry["state"] == "present"],
        [Gone(entry["path"], entry["share"], entry["where"]) for entry in entries if entry["state"] == "absent"],
        asked.params["exclusive"],
        asked.params["driver"],
        asked.params["fstab"],
    )


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _mount(entry: Mapping[str, Any]) -> Mount:
    user = _user(entry["owner"]) if entry["owner"] else None
    owner = (f"uid={user.pw_uid}", f"gid={user.pw_gid}") if user else ()
    options = (*entry["options"], *owner)
    return Mount(entry["share"], entry["path"], entry["writable"], options, entry["store"], entry["where"])
