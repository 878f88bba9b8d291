# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over the machines of a VirtualBox user: what is asked, what follows from it, what was done, what is left."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning, recognizing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.applying import Applier, Outcome
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.planning import Wanted
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.recognizing import Folders, Other
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import VBoxManage

SYMLINKS_LATER = "the right to create symlinks changes when the machine is started the next time"


def wanted_of(entry: Mapping[str, Any], where: str, exclusive: bool, folders: Folders) -> Wanted:
    """What is wanted of one machine, by an entry of the option ``machines``. Failure where it is wrong in itself."""
    names = [item["name"] for item in entry["shares"]]
    present = []
    for number, item in enumerate(entry["shares"]):
        place = f"{where}.shares[{number}]."
        if item["name"] in names[:number]:
            raise Failure(
                "{}name: machine '{}' has share '{}' twice. List it once.".format(place, entry["machine"], item["name"])
            )
        if item["state"] == "present":
            share = Share(**{key: value for key, value in item.items() if key != "state"})
            planning.check_share(share, place)
            present.append(share)
    absent = tuple(item["name"] for item in entry["shares"] if item["state"] == "absent")
    return planning.Wanted(tuple(present), absent, exclusive, folders)


@dataclasses.dataclass
class Plan:
    """What is to be done: ``machines``, read once, with what is wanted of each.

    ``inaccessible`` are messages about machines that cannot be read, ``missing_paths`` the folders that do not
    exist, ``others`` pairs of a machine and a share of it that gives its guest what others should not, and
    ``refused`` messages about machines that are left alone for that.
    """

    machines: list[tuple[Machine, Wanted]] = dataclasses.field(default_factory=list)
    inaccessible: list[str] = dataclasses.field(default_factory=list)
    missing_paths: list[str] = dataclasses.field(default_factory=list)
    others: list[tuple[Machine, Other]] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)


def check_folders(wanted: Iterable[Wanted], check_mode: bool) -> list[str]:
    """The folders of shares that do not exist, which is a Failure unless this is check mode."""
    missing = []
    for share in dict.fromkeys(share for want in wanted for share in want.present):
        try:
            planning.check_folder(share)
        except FileNotFoundError as error:
            if not check_mode:
                raise Failure(f"{error}: create it, or correct the path.") from error
            missing.append(share.path)
    return missing


def plan(asked: Asked, virtualbox: VBoxManage) -> Plan:
    """What is to be done. Failure: something in what is asked is wrong."""
    params, made, folders = asked.params, Plan(), recognizing.folders_of(asked.params["folders"])
    wanted: dict[str, Wanted] = {}
    for number, entry in enumerate(params["machines"]):
        where, name = f"machines[{number}]", entry["machine"]
        if name in wanted:
            raise Failure(f"{where}: machine '{name}' is listed twice. List it once, with all its shares.")
        wanted[name] = wanted_of(entry, where, params["exclusive"], folders)
    made.missing_paths = check_folders(wanted.values(), asked.check_mode)
    machines = virtualbox.machines()
    listed = [(planning.resolve(machines, identifier), want) for identifier, want in wanted.items()]
    uuids = [machine.uuid for machine, _want in listed]
    for machine, _want in listed:
        if uuids.count(machine.uuid) > 1:
            raise Failure(f"machine {machine.label} is listed twice, by name and by UUID: list it once.")
    if params["exclusive"] and params["whole_host"]:
        listed += [
            (machine, planning.Wanted(exclusive=True, folders=folders))
            for machine in machines
            if machine.uuid not in uuids
        ]
    made.inaccessible = [planning.inaccessible(machine) for machine, _want in listed if not machine.accessible]
    if made.inaccessible and params["when_inaccessible"] == "refuse":
        raise Failure(" ".join(made.inaccessible))
    made.machines = [(machine, want) for machine, want in listed if machine.accessible]
    look_for_others(asked, made, folders, frozenset(uuids))
    return made


def removal(machine: Machine, share: Share) -> str:
    """The command by which a user removes a share that is not ours. A global one is no machine's."""
    words = [
        "VBoxManage",
        "sharedfolder",
        "remove",
        "global" if share.kind == "global" else machine.uuid,
        "--name=" + share.name,
        *(["--transient"] if share.kind == "transient" else []),
    ]
    return " ".join(map(shlex.quote, words))


def look_for_others(asked: Asked, made: Plan, folders: Folders, listed: frozenset[str]) -> None:
    """Fills in what of the Plan is about other shares, and leaves machines alone where that is to be so."""
    when = asked.params["when_shared_otherwise"]
    targets = recognizing.shared(folders, [share.path for _machine, want in made.machines for share in want.present])
    mounts = recognizing.read_mounts()
    left = set()
    for machine, want in made.machines:
        for other in planning.others(machine, want, targets, mounts):
            other = dataclasses.replace(other, refused=other.refused and when != "warn" and machine.uuid in listed)
            made.others.append((machine, other))
            text = f"machine {machine.label}: {other.text}"
            if other.refused:
                left.add(machine.uuid)
                made.refused.append(
                    f"{text}, where the guest must not write. As the user who owns the machine, remove it:"
                    f" {removal(machine, other.share)}."
                )
            else:
                asked.warn(text + ". It is left alone; remove it if nobody means it.")
    if made.refused and when == "refuse":
        raise Failure(" ".join(made.refused))
    made.machines = [(machine, want) for machine, want in made.machines if machine.uuid not in left]


def refuse_busy(applier: Applier, plans: Iterable[tuple[Machine, Wanted]]) -> None:
    """For ``when_busy: fail``: refuses before anything is touched."""
    obstacles = [
        f"share '{change.name}' of machine {machine.label}: {reason}"
        for machine, want in plans
        for change in applier.differences(machine, want)
        for reason in [applier.obstacle(machine, change)]
        if reason
    ]
    if obstacles:
        raise Failure(
            "{}. Power the machine off, or set when_busy to 'later' or 'transient'.".format("; ".join(obstacles))
        )


def result_of(outcomes: Sequence[tuple[Machine, Outcome]]) -> dict[str, Any]:
    """What was done and what is left, as the module returns it."""
    return {
        "changed": any(outcome.done for _machine, outcome in outcomes),
        "machines": [
            {
                "uuid": machine.uuid,
                "name": machine.name,
                "state": machine.state,
                "changes": [
                    {
                        "share": change.name,
                        "action": change.action,
                        "fields": change.fields,
                        "transient": "transient" in (s.kind for s in (change.before, change.after) if s),
                    }
                    for change in outcome.done
                ],
            }
            for machine, outcome in outcomes
            if outcome.done or outcome.pending
        ],
        "pending": [
            {"uuid": machine.uuid, "name": machine.name, "share": change.name, "action": action, "reason": reason}
            for machine, outcome in outcomes
            for change, action, reason in [
                *((change, change.action, reason) for change, reason in outcome.pending),
                *((change, "restart", SYMLINKS_LATER) for change in outcome.restart),
            ]
        ],
        "diff": planning.diff({machine.label: outcome.done for machine, outcome in outcomes}),
    }


def unfinished(
    applier: Applier,
    virtualbox: VBoxManage,
    outcomes: Iterable[tuple[Machine, Outcome]],
    plans: Iterable[tuple[Machine, Wanted]],
) -> list[str]:
    """What a fresh look says is neither as wanted nor pending, in words."""
    uuids = {machine.uuid for machine, outcome in outcomes if outcome.done and not outcome.error}
    if not uuids:
        return []
    wanted = {machine.uuid: want for machine, want in plans}
    pending = {(machine.uuid, change.name) for machine, outcome in outcomes for change, _reason in outcome.pending}
    return [
        f"machine {machine.label}: share '{change.name}' is not as wanted although VirtualBox reported no error. Run"
        " again."
        for machine in virtualbox.machines(only=lambda uuid, _name: uuid in uuids)
        for change in applier.differences(machine, wanted[machine.uuid])
        if (machine.uuid, change.name) not in pending
    ]


def alone(folder: str, timeout: float) -> contextlib.AbstractContextManager[None]:
    """A lock on VirtualBox's settings folder, so that two runs do not cross."""
    return replacing.locked(
        folder,
        timeout,
        "VirtualBox's settings folder",
        folder=True,
        unopened="Run as the user who owns the machines, or set VBOX_USER_HOME.",
        held="Wait until it ends, or raise lock_timeout.",
    )


def run(asked: Asked) -> dict[str, Any]:
    """The whole run: reads, plans, changes, looks again. The result, with ``msg`` where something failed."""
    params, virtualbox = asked.params, VBoxManage(asked.params["vboxmanage"])
    applier = Applier(virtualbox, params["when_busy"], params["lock_timeout"], asked.check_mode)
    outcomes: list[tuple[Machine, Outcome]] = []
    made, errors = Plan(), []
    try:
        with alone(virtualbox.folder, params["lock_timeout"]):
            made = plan(asked, virtualbox)
            if params["when_busy"] == "fail":
                refuse_busy(applier, made.machines)
            outcomes = [(machine, applier.bring(machine, want)) for machine, want in made.machines]
            errors = [*failures(params, made, outcomes)]
            if not asked.check_mode:
                errors += unfinished(applier, virtualbox, outcomes, made.machines)
    except Failure as error:
        if not applier.commands:
            raise
        errors.append(str(error))
    finally:
        applier.close()
    result = {**result_of(outcomes), **told(made), "commands": applier.commands}
    for item in result["pending"]:
        asked.warn(waits(item))
    return {**result, "msg": "; ".join(errors)} if errors else result


def failures(params: Mapping[str, Any], made: Plan, outcomes: Iterable[tuple[Machine, Outcome]]) -> list[str]:
    """What a run fails for: machines that could not be changed, and those left alone where the user wants it so."""
    found = [outcome.error for _machine, outcome in outcomes if outcome.error]
    if params["when_inaccessible"] == "fail":
        found += made.inaccessible
    if params["when_shared_otherwise"] == "fail":
        found += made.refused
    return found


def told(made: Plan) -> dict[str, Any]:
    """What is told of a plan beside what was done."""
    return {
        "inaccessible": made.inaccessible,
        "missing_paths": made.missing_paths,
        "refused": made.refused,
        "others": [
            {
                "uuid": machine.uuid,
                "name": machine.name,
                "share": other.share.name,
                "kind": other.share.kind,
                "path": other.share.path,
                "writable": other.share.writable,
                "folder": other.folder,
                "refused": other.refused,
            }
            for machine, other in made.others
        ],
    }


def waits(item: Mapping[str, str]) -> str:
    """The warning of something that is left for later."""
    text = item["reason"]
    if item["action"] != "restart":
        text = f"to {item['action']} it has to wait, {text}. Run again when it is off"
    return f"share '{item['share']}' of machine {item['name']} ({item['uuid']}): {text}."
