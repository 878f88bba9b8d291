# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over the machines of a VirtualBox user: what is asked, what follows from it, what was done, what is left."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from typing import Any, Iterable, Mapping, Sequence, Tuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import machine_report, planning, recognizing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.applying import Applier, Outcome
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.planning import Wanted
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.recognizing import Folders, Other
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import VBoxManage

SYMLINKS_LATER = "the right to create symlinks changes when the machine is started the next time"
STRAYS = ("ignore", "report", "remove")


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
            fields = {key: value for key, value in item.items() if key != "state"}
            share = Share(**{**fields, "path": recognizing.at_home(fields["path"])})
            planning.check_share(share, place)
            present.append(share)
    absent = tuple(item["name"] for item in entry["shares"] if item["state"] == "absent")
    guest = entry.get("guest") or ""
    return planning.Wanted(tuple(present), absent, exclusive, folders, guest, entry["machine"])


@dataclasses.dataclass
class Plan:
    """What is to be done: ``machines``, read once, with what is wanted of each. ``registered`` are all that there are.

    ``listed`` are those of ``machines`` that the user named. ``strays`` are machines that he did not, and that have
    shares or settings of ours, each with their names. ``doubt`` says why some stray may be a machine that he named.
    ``unresolved``, ``inaccessible`` and ``unreadable`` are messages about machines that are not known, that cannot be
    read, and that cannot be read and were not named. ``missing_paths`` are the folders that do not exist, ``others``
    pairs of a machine and a share of it that gives its guest what others should not, and ``refused`` messages about
    machines that are left alone for that.
    """

    arrangement: str = ""
    registered: list[Machine] = dataclasses.field(default_factory=list)
    machines: list[tuple[Machine, Wanted]] = dataclasses.field(default_factory=list)
    listed: list[tuple[Machine, Wanted]] = dataclasses.field(default_factory=list)
    strays: list[tuple[Machine, list[str]]] = dataclasses.field(default_factory=list)
    doubt: str = ""
    unresolved: list[str] = dataclasses.field(default_factory=list)
    inaccessible: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)
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
    params, folders = asked.params, recognizing.folders_of(asked.params["folders"])
    made = Plan(folders.arrangement)
    if params["strays"] != "ignore" and not params["exclusive"]:
        raise Failure(f"strays is '{params['strays']}', which is about what exclusive removes. Set exclusive: true.")
    wanted: dict[str, Wanted] = {}
    for number, entry in enumerate(params["machines"]):
        where, name = f"machines[{number}]", entry["machine"]
        if name in wanted:
            raise Failure(f"{where}: machine '{name}' is listed twice. List it once, with all its shares.")
        wanted[name] = wanted_of(entry, where, params["exclusive"], folders)
    made.missing_paths = check_folders(wanted.values(), asked.check_mode)
    made.registered = virtualbox.machines()
    found = find(made, wanted.values())
    made.inaccessible = [
        planning.inaccessible(machine, want.whose) for machine, want in found.values() if not machine.accessible
    ]
    if params["when_inaccessible"] == "refuse" and (made.unresolved or made.inaccessible):
        raise Failure(" ".join([*made.unresolved, *made.inaccessible]))
    made.listed = [(machine, want) for machine, want in found.values() if machine.accessible]
    made.machines = list(made.listed)
    if params["strays"] != "ignore":
        look_for_strays(asked, made, folders, found)
    look_for_others(asked, made, folders, frozenset(found))
    return made


def find(made: Plan, wanted: Iterable[Wanted]) -> dict[str, tuple[Machine, Wanted]]:
    """The machines that the user named, by UUID, with what is wanted of them. Failure: one is named twice."""
    found: dict[str, tuple[Machine, Wanted]] = {}
    for want in wanted:
        try:
            machine = planning.resolve(made.registered, want.machine)
        except Failure as error:
            made.unresolved.append(f"{want.whose}{error}")
            continue
        if machine.uuid in found:
            _machine, before = found[machine.uuid]
            guests = f" of guests '{before.guest}' and '{want.guest}'" if before.guest and want.guest else ""
            raise Failure(
                f"machine {machine.label}{guests} is listed twice, as '{before.machine}' and as '{want.machine}': list"
                " it once."
            )
        found[machine.uuid] = (machine, want)
    return found


def look_for_strays(asked: Asked, made: Plan, folders: Folders, found: Mapping[str, tuple[Machine, Wanted]]) -> None:
    """Fills in what of the Plan is about machines that the user did not name, and has them lose what is ours.

    A stray may be a machine that the user named by a name that it has no more. So where such a name is of no machine,
    or of one whose settings cannot be read, no stray loses anything.
    """
    nothing = Wanted(exclusive=True, folders=folders)
    rest = [machine for machine in made.registered if machine.uuid not in found]
    made.unreadable = [planning.inaccessible(machine) for machine in rest if not machine.accessible]
    rest = [machine for machine in rest if machine.accessible]
    for machine in rest:
        names = [change.name for change in planning.differences(machine, nothing)]
        if names:
            made.strays.append((machine, list(dict.fromkeys(names))))
    unsure = [
        planning.inaccessible(machine, want.whose)
        for machine, want in found.values()
        if not machine.accessible and want.machine.lower() != machine.uuid
    ]
    made.doubt = " ".join([*made.unresolved, *unsure])
    if asked.params["strays"] == "remove" and not made.doubt:
        made.machines += [(machine, nothing) for machine in rest]


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


def remedy(machine: Machine, share: Share) -> str:
    """How a share goes that is not ours."""
    if share.arrangement:
        return f"Have the arrangement '{share.arrangement}' take it back."
    return f"As the user who owns the machine, remove it: {removal(machine, share)}."


def look_for_others(asked: Asked, made: Plan, folders: Folders, listed: frozenset[str]) -> None:
    """Fills in what of the Plan is about other shares, and leaves machines alone where that is to be so."""
    when = asked.params["when_shared_otherwise"]
    targets = recognizing.shared(folders, [share.path for _machine, want in made.machines for share in want.present])
    mounts = recognizing.read_mounts()
    left = set()
    for machine, want in made.machines:
        taken = planning.of_another_arrangement(machine, want)
        if taken:
            left.add(machine.uuid)
            made.refused.append(taken)
        for other in planning.others(machine, want, targets, mounts):
            other = dataclasses.replace(other, refused=other.refused and when != "warn" and machine.uuid in listed)
            made.others.append((machine, other))
            text = f"{want.whose}machine {machine.label}: {other.text}"
            if other.refused:
                left.add(machine.uuid)
                made.refused.append(f"{text}, where the guest must not write. {remedy(machine, other.share)}")
            else:
                asked.warn(text + ". It is left alone; remove it if nobody means it.")
    if made.refused and when_refused(asked.params) == "refuse":
        raise Failure(" ".join(made.refused))
    made.machines = [(machine, want) for machine, want in made.machines if machine.uuid not in left]


def when_refused(params: Mapping[str, Any]) -> str:
    """What is done about machines that are left alone: a share of another arrangement cannot be allowed."""
    when = params["when_shared_otherwise"]
    return str(params["when_inaccessible"] if when == "warn" else when)


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


Done = Tuple[Machine, Wanted, Outcome]
"""A machine, what was wanted of it, and what became of it."""


def result_of(outcomes: Sequence[Done]) -> dict[str, Any]:
    """What was done and what is left, as the module returns it."""
    return {
        "changed": any(outcome.done for _machine, _want, outcome in outcomes),
        "machines": [
            {
                "uuid": machine.uuid,
                "name": machine.name,
                "guest": want.guest,
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
            for machine, want, outcome in outcomes
            if outcome.done or outcome.pending
        ],
        "pending": [
            {
                "uuid": machine.uuid,
                "name": machine.name,
                "guest": want.guest,
                "share": share,
                "action": action,
                "reason": reason,
            }
            for machine, want, outcome in outcomes
            for share, action, reason in [
                *((change.name, change.action, reason) for change, reason in outcome.pending),
                *((name, "restart", SYMLINKS_LATER) for name in waiting(machine, want, outcome)),
            ]
        ],
        "diff": planning.diff({machine.label: outcome.done for machine, _want, outcome in outcomes}),
    }


def waiting(machine: Machine, want: Wanted, outcome: Outcome) -> list[str]:
    """The wanted shares of a machine of which the right to create symlinks waits, from now or from an earlier run."""
    left = [change.name for change, _reason in outcome.pending]
    before = [share.name for share in want.present if planning.waits(machine, share.name) and share.name not in left]
    return list(dict.fromkeys([*(change.name for change in outcome.restart), *before]))


def still_used(made: Plan, folders: Folders, outcomes: Sequence[Done]) -> list[str]:
    """The paths in the folders of groups, of boxes and of linked stores that machines share after what was done."""
    done = {
        (machine.uuid, change.before)
        for machine, _want, outcome in outcomes
        for change in outcome.done
        if change.before and (change.after is None or change.after.path != change.before.path)
    }
    paths = [share.path for machine in made.registered for share in machine.shares if (machine.uuid, share) not in done]
    ways = [folders.groups, folders.boxes, folders.linked]
    return sorted({found for path in paths for found in recognizing.within(path, ways)})


def unfinished(
    applier: Applier,
    virtualbox: VBoxManage,
    outcomes: Sequence[Done],
) -> list[str]:
    """What a fresh look says is neither as wanted nor pending, in words."""
    uuids = {machine.uuid for machine, _want, outcome in outcomes if outcome.done and not outcome.error}
    if not uuids:
        return []
    wanted = {machine.uuid: want for machine, want, _outcome in outcomes}
    pending = {
        (machine.uuid, change.name) for machine, _want, outcome in outcomes for change, _reason in outcome.pending
    }
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
    outcomes: list[Done] = []
    made, errors = Plan(), []
    try:
        with alone(virtualbox.folder, params["lock_timeout"]):
            made = plan(asked, virtualbox)
            if params["when_busy"] == "fail":
                refuse_busy(applier, made.machines)
            outcomes = [(machine, want, applier.bring(machine, want)) for machine, want in made.machines]
            errors = [*failures(params, made, outcomes)]
            if not asked.check_mode:
                errors += unfinished(applier, virtualbox, outcomes)
    except Failure as error:
        if not applier.commands:
            raise
        errors.append(str(error))
    finally:
        applier.close()
    result = {
        **result_of(outcomes),
        **told(made, outcomes),
        "in_use": still_used(made, recognizing.folders_of(params["folders"]), outcomes),
        "commands": applier.commands,
    }
    if params["return_machines"]:
        result["version"] = ".".join(map(str, virtualbox.version))
        result["registered"] = machine_report.listed(made.registered, recognizing.folders_of(params["folders"]))
    for item in result["pending"]:
        asked.warn(waits(item))
    return {**result, "msg": "; ".join(errors)} if errors else result


def failures(params: Mapping[str, Any], made: Plan, outcomes: Sequence[Done]) -> list[str]:
    """What a run fails for: machines that could not be changed, and those left alone where the user wants it so."""
    found = [outcome.error for _machine, _want, outcome in outcomes if outcome.error]
    if params["when_inaccessible"] == "fail":
        found += [*made.unresolved, *made.inaccessible]
        found += made.unreadable if params["strays"] == "remove" else []
    if when_refused(params) == "fail":
        found += made.refused
    return found


def told(made: Plan, outcomes: Sequence[Done]) -> dict[str, Any]:
    """What is told of a plan beside what was done."""
    gone = {machine.uuid for machine, _want, outcome in outcomes if not outcome.pending and not outcome.error}
    return {
        "unresolved": made.unresolved,
        "inaccessible": made.inaccessible,
        "unreadable": made.unreadable,
        "missing_paths": made.missing_paths,
        "refused": made.refused,
        "doubt": made.doubt,
        "listed": [
            {
                "guest": want.guest,
                "machine": want.machine,
                "name": machine.name,
                "uuid": machine.uuid,
                "hardware_uuid": machine.hardware_uuid,
            }
            for machine, want in made.listed
        ],
        "strays": [
            {
                "uuid": machine.uuid,
                "name": machine.name,
                "shares": names,
                "arrangement": made.arrangement,
                "removed": machine.uuid in gone,
            }
            for machine, names in made.strays
        ],
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
    whose = f"guest '{item['guest']}': " if item["guest"] else ""
    return f"{whose}share '{item['share']}' of machine {item['name']} ({item['uuid']}): {text}."
