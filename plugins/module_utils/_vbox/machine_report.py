# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines of a VirtualBox user, as the module ``machine_info`` tells them."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Collection, Mapping, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning, recognizing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.recognizing import Folders
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import VBoxManage


def run(asked: Asked) -> dict[str, Any]:
    """Read the machines. Failure: VirtualBox cannot be asked."""
    wanted = asked.params["machines"]
    virtualbox = VBoxManage(asked.params["vboxmanage"])
    machines = virtualbox.machines(
        only=None if wanted is None else lambda uuid, name: name in wanted or uuid in map(str.lower, wanted),
        details="all",
    )
    return {
        "changed": False,
        "version": ".".join(map(str, virtualbox.version)),
        "machines": told(machines, recognizing.folders_of(asked.params["folders"]), asked.warn),
    }


def told(machines: Sequence[Machine], folders: Folders, warn: Callable[[str], None]) -> list[dict[str, Any]]:
    """The machines for the result. Shares that somebody should know of are warned of."""
    ours = {
        machine.uuid: [share for share in machine.shares if recognizing.is_ours(share, folders, machine)]
        for machine in machines
    }
    targets = recognizing.shared(folders, [share.path for shares in ours.values() for share in shares])
    mounts, result = recognizing.read_mounts(), []
    for machine in machines:
        for share in ours[machine.uuid]:
            if not share.arrangement:
                warn(
                    f"machine {machine.label}: share '{share.name}' (path '{share.path}', writable) is one of this"
                    " collection by its name and path, and has no mark. A restored snapshot may have brought it back."
                    " The playbooks share and unshare put that right."
                )
        found = planning.others(machine, planning.Wanted(exclusive=True, folders=folders), targets, mounts)
        for other in found:
            warn(f"machine {machine.label}: {other.text}. Remove it if nobody means it.")
        result.append(as_dict(machine, ours[machine.uuid], {other.share: other.folder for other in found}))
    return result


def listed(machines: Sequence[Machine], folders: Folders) -> list[dict[str, Any]]:
    """The machines for the result, without a word about shares that somebody else set up."""
    return [
        as_dict(machine, [share for share in machine.shares if recognizing.is_ours(share, folders, machine)], {})
        for machine in machines
    ]


def as_dict(machine: Machine, ours: Collection[Share], gives: Mapping[Share, str]) -> dict[str, Any]:
    """A machine for the result: all fields but the extradata, and the run, which is only for comparison."""
    fields = dataclasses.asdict(machine)
    del fields["extradata"], fields["run"]
    for share, live in zip(fields["shares"], machine.shares):
        share.update(ours=live in ours, gives=gives.get(live, ""))
    return fields
