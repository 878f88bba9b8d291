# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Desired against live shares: pure differences, and the VBoxManage calls that make up for them."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import recognizing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import (
    OFFLINE,
    OWNER_KEY,
    SYMLINKS_KEY,
    WAITS_KEY,
    Machine,
    Share,
)

_NEAREST = 3
_LIKE_UUID = re.compile(r"[0-9a-f-]{30,40}", re.IGNORECASE | re.ASCII)

POLICIES = ("none", "forbidden", "subtree", "relative", "any")
COMPARED = ("path", "writable", "automount", "mount_point", "symlink_policy", "symlinks")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The shares that one machine should have (``present``) and should not have (``absent``: names).

    ``exclusive``: what this collection once set up and is not ``present`` goes too. ``folders`` tell what that is
    where it has no mark. ``guest`` and ``machine`` are the names that the user gave them, if he did.
    """

    present: tuple[Share, ...] = ()
    absent: tuple[str, ...] = ()
    exclusive: bool = False
    folders: recognizing.Folders = dataclasses.field(default_factory=recognizing.Folders)
    guest: str = ""
    machine: str = ""

    @property
    def whose(self) -> str:
        """What messages begin with."""
        return f"guest '{self.guest}': " if self.guest else ""

    def takes(self, machine: Machine, live: Share) -> bool:
        """Whether a share of this machine is to go."""
        if live.kind == "global" or any(share.name == live.name for share in self.present):
            return False
        if live.name in self.absent:
            return True
        return self.exclusive and recognizing.is_ours(live, self.folders, machine, self.present)


@dataclasses.dataclass(frozen=True)
class Change:
    """One share that differs: ``before`` is None for one that is missing, ``after`` for one that is to go.

    Both are None where only extradata is left over from a share that is gone.
    """

    name: str
    before: Share | None = None
    after: Share | None = None

    @property
    def action(self) -> str:
        """``add``, ``correct``, ``remove`` or ``forget``."""
        if self.after is None:
            return "remove" if self.before else "forget"
        return "correct" if self.before else "add"

    @property
    def fields(self) -> list[str]:
        """The fields that differ, for a correction."""
        return (
            []
            if not (self.before and self.after)
            else [field for field in COMPARED if getattr(self.before, field) != getattr(self.after, field)]
        )

    @property
    def transient(self) -> bool:
        """Whether it is a transient share that goes."""
        return self.before is not None and self.before.kind == "transient"

    @property
    def extradata_only(self) -> bool:
        """Whether no shared folder changes: extradata can be written in every state of a machine."""
        return self.action == "forget" or self.fields == ["symlinks"]


def check_share(share: Share, where: str = "") -> None:
    """Refuses a share whose fields are wrong in themselves, whatever the host's file system holds.

    ``where`` is its place in the user's lists, with a dot, as messages name it.
    """
    _names.check_share_name(share.name, where + "name")
    problem = _names.path_problem(share.path)
    if problem:
        raise Failure(f"{where}path {share.path!r} {problem}.")
    if share.mount_point and not share.automount:
        raise Failure(f"{where}mount_point is set without automount: set automount too, or leave mount_point out.")


def check_folder(share: Share) -> None:
    """Refuses a host path that is no directory or reached through a symlink; FileNotFoundError if it is missing."""
    real = os.path.realpath(share.path)
    if real != share.path:
        raise Failure(
            f"path '{share.path}' of share '{share.name}' is reached through a symlink, which VirtualBox does not"
            f" follow safely: name the directory itself, '{real}'."
        )
    if not os.path.lexists(share.path):
        raise FileNotFoundError(f"path '{share.path}' of share '{share.name}' does not exist on the host")
    if not os.path.isdir(share.path):
        raise Failure(f"path '{share.path}' of share '{share.name}' is not a directory.")


def nearest(machines: Sequence[Machine], identifier: str) -> list[str]:
    """The names of machines that are most like one that is not there, or of a UUID, the UUIDs."""
    names = [machine.uuid if _LIKE_UUID.fullmatch(identifier) else machine.name for machine in machines]
    lower = {name.lower(): name for name in names}
    return [lower[name] for name in difflib.get_close_matches(identifier.lower(), list(lower), _NEAREST)]


def resolve(machines: Sequence[Machine], identifier: str) -> Machine:
    """The one machine of this name or UUID."""
    found = [m for m in machines if m.uuid == identifier.lower()] or [m for m in machines if m.name == identifier]
    if not found:
        near = ", ".join(f"'{name}'" for name in nearest(machines, identifier))
        raise Failure(
            "machine '{}' is not registered with VirtualBox for this user ({}). Correct the machine's name. If another"
            " user registered the machine, set become_user to that user.".format(
                identifier,
                f"nearest: {near}" if near else f"registered: {len(machines)}, of which none has a similar name",
            )
        )
    if len(found) > 1:
        raise Failure(
            "machine name '{}' is not unique: name the machine by its UUID, one of {}.".format(
                identifier, ", ".join(m.uuid for m in found)
            )
        )
    return found[0]


def of_another_arrangement(machine: Machine, wanted: Wanted) -> str:
    """The message that a machine has a share of another arrangement under a name that is needed, or empty."""
    own = wanted.folders.arrangement
    needed = [*(share.name for share in wanted.present), *wanted.absent]
    taken = {name: machine.marks[name] for name in needed if machine.marks.get(name, own) != own}
    if not taken:
        return ""
    shares = " and ".join(f"share '{name}' belongs to the arrangement '{other}'" for name, other in taken.items())
    return (
        f"{wanted.whose}machine {machine.label}: {shares}, and this is the arrangement '{own}'. The machine is left"
        " alone. Choose another name for the share, or take the machine out of the inventory of the other arrangement"
        " and have that one take its share back."
    )


def inaccessible(machine: Machine, whose: str = "") -> str:
    """The message that nothing can be done with a machine."""
    return f"{whose}machine {machine.label} is inaccessible: {machine.problem}. Repair it or unregister it."


def as_transient(share: Share) -> Share | None:
    """The transient share that stands in for a permanent one, or None: it could not have a symlink policy."""
    return dataclasses.replace(share, kind="transient") if share.symlink_policy == "none" else None


def stands_in(live: Share, share: Share) -> bool:
    """Whether a transient share is as good as this permanent one. The right to create symlinks is not a part of it."""
    return as_transient(share) is not None and Change(share.name, live, share).fields in ([], ["symlinks"])


def may_symlink(machine: Machine, name: str) -> bool:
    """Whether the guest may create symlinks in shares of this name, whether there is one or not."""
    return dict(machine.extradata).get(SYMLINKS_KEY + name) == "1"


def symlinks_change(machine: Machine, change: Change) -> bool:
    """Whether a change is about which symlinks the guest may create: a machine takes that over when it is started."""
    before, after = change.before, change.after
    if after is None:
        return False
    policy = before is not None and before.symlink_policy != after.symlink_policy
    return after.symlinks != may_symlink(machine, change.name) or (after.symlinks and policy)


def waits(machine: Machine, name: str) -> bool:
    """Whether a change of the right to create symlinks waits for the next start of a machine.

    That is so in the run of the machine in which it was changed. A saved machine is in its last run. When its state is
    restored, VirtualBox begins a new run, and tells in its log that it reads the right anew. What cannot be told of the
    run counts as the same.
    """
    if machine.state in OFFLINE or name not in machine.waits:
        return False
    return machine.waits[name] == machine.run or not machine.run


def differences(machine: Machine, wanted: Wanted, can_modify: bool = True) -> list[Change]:
    """The changes that make a machine's shares as wanted, in the order in which they are to be made.

    A transient share hides the machine's own of the same name, so one that is not as wanted has to go.
    Where VirtualBox knows no symlink policies (before 7.1), they are not compared.
    """
    names = {
        share.name: share if can_modify else dataclasses.replace(share, symlink_policy="none")
        for share in wanted.present
    }
    own = wanted.folders.arrangement
    go: list[Change] = []
    come: list[Change] = []
    for live in machine.shares:
        want = names.get(live.name)
        if want and live.kind == "transient":
            if not stands_in(live, want):
                go.append(Change(live.name, live))
        elif wanted.takes(machine, live):
            go.append(Change(live.name, live))
    for share in names.values():
        change = Change(
            share.name, machine.share(share.name), dataclasses.replace(share, kind="machine", arrangement=own)
        )
        if change.before is None or change.fields:
            come.append(change)
    have = {share.name for share in machine.shares if share.kind != "global"}
    for name in dict.fromkeys([*machine.marks, *machine.waits]):
        left_over = name not in have and name not in names and machine.marks.get(name, own) == own
        if left_over and (wanted.exclusive or name in wanted.absent):
            go.append(Change(name))
    return go + come


def others(
    machine: Machine, wanted: Wanted, targets: Iterable[str], mounts: Sequence[live_mounts.Live]
) -> list[recognizing.Other]:
    """The shares of a machine that give its guest one of these folders, and that stay as they are.

    Those of another arrangement count where they let a guest write for which this one has shares.
    """

    def known(live: Share) -> bool:
        other = live.arrangement != wanted.folders.arrangement
        return live.arrangement != "" and not (other and live.writable and wanted.present)

    names = {share.name for share in wanted.present}
    own = {live.name for live in machine.shares if live.kind != "global"}
    stay = [
        live
        for live in machine.shares
        if (
            live.name not in own
            if live.kind == "global"
            else live.name not in names and not known(live) and not wanted.takes(machine, live)
        )
    ]
    return recognizing.others(stay, [share.path for share in wanted.present if share.writable], targets, mounts)


def _extradata(uuid: str, key: str, value: str | None) -> list[str]:
    """The call that sets extradata, or clears it (None)."""
    return ["setextradata", uuid, key, *([] if value is None else [value])]


def add_call(uuid: str, share: Share) -> list[str]:
    """The call that adds a share; a symlink policy is not part of it."""
    call = ["sharedfolder", "add", uuid, "--name=" + share.name, "--hostpath=" + share.path]
    call += [] if share.writable else ["--readonly"]
    call += ["--transient"] if share.kind == "transient" else []
    call += ["--automount"] if share.automount else []
    return call + (["--auto-mount-point=" + share.mount_point] if share.mount_point else [])


def remove_call(uuid: str, share: Share) -> list[str]:
    """The call that removes a share."""
    transient = ["--transient"] if share.kind == "transient" else []
    return ["sharedfolder", "remove", uuid, "--name=" + share.name, *transient]


def policy_calls(uuid: str, share: Share) -> list[list[str]]:
    """The call that gives a new share its symlink policy, if it has one."""
    if share.symlink_policy == "none":
        return []
    return [["sharedfolder", "modify", uuid, "--name=" + share.name, "--symlink-policy=" + share.symlink_policy]]


def _modify_call(uuid: str, before: Share, after: Share) -> list[str] | None:
    """The call that corrects a share in place, or None where VBoxManage cannot."""
    options = []
    for field, option in (
        ("writable", "--readonly"),
        ("automount", "--automount"),
        ("mount_point", "--auto-mount-point"),
        ("symlink_policy", "--symlink-policy"),
    ):
        if getattr(before, field) != getattr(after, field):
            value = getattr(after, field)
            text = {"writable": "off" if value else "on", "automount": "on" if value else "off"}.get(field, value)
            options.append(f"{option}={text}")
    if before.path != after.path or "--symlink-policy=none" in options:
        return None
    return ["sharedfolder", "modify", uuid, "--name=" + after.name, *options]


@dataclasses.dataclass(frozen=True)
class Calls:
    """The VBoxManage calls, as argument lists, of one change: extradata first, then the folder, then extradata again.

    Rights to create symlinks are taken away first and given last; the mark that a share is ours comes before the
    share and goes after it. So a run that ends in the middle leaves nothing that a later run would not put right.
    """

    first: list[list[str]] = dataclasses.field(default_factory=list)
    folder: list[list[str]] = dataclasses.field(default_factory=list)
    last: list[list[str]] = dataclasses.field(default_factory=list)


def calls(machine: Machine, change: Change, can_modify: bool = True) -> Calls:
    """The calls of one change to a machine that is off, or, for a transient share, that runs."""
    uuid, before, after = machine.uuid, change.before, change.after
    if before and change.transient:
        return Calls(folder=[remove_call(uuid, before)])
    symlinks, mark, wait = (key + change.name for key in (SYMLINKS_KEY, OWNER_KEY, WAITS_KEY))
    have_symlinks, marked = may_symlink(machine, change.name), machine.marks.get(change.name, "")
    first = [_extradata(uuid, symlinks, None)] if have_symlinks and not (after and after.symlinks) else []
    if after is None:
        return Calls(
            first=first,
            folder=[remove_call(uuid, before)] if before else [],
            last=[
                *([_extradata(uuid, wait, None)] if change.name in machine.waits else []),
                *([_extradata(uuid, mark, None)] if marked else []),
            ],
        )
    if marked != after.arrangement:
        first.append(_extradata(uuid, mark, _names.mark_of(after.arrangement)))
    later = machine.run and machine.state not in OFFLINE and symlinks_change(machine, change)
    if later and machine.waits.get(change.name) != machine.run:
        first.append(_extradata(uuid, wait, machine.run))
    modify = _modify_call(uuid, before, after) if can_modify and before else None
    if change.extradata_only:
        folder = []
    elif modify:
        folder = [modify]
    else:
        folder = ([remove_call(uuid, before)] if before else []) + [add_call(uuid, after), *policy_calls(uuid, after)]
    return Calls(
        first=first,
        folder=folder,
        last=[_extradata(uuid, symlinks, "1")] if after.symlinks and not have_symlinks else [],
    )


def describe(share: Share) -> str:
    """A share in one line, for messages and diffs."""
    words = [share.path, "writable" if share.writable else "read-only"]
    words += ["automount" + (" at " + share.mount_point if share.mount_point else "")] if share.automount else []
    words += ["symlink policy " + share.symlink_policy] if share.symlink_policy != "none" else []
    words += ["symlinks allowed"] if share.symlinks else []
    words += [share.kind] if share.kind != "machine" else []
    return "{}: {}".format(share.name, ", ".join(words))


def diff(changes_by_machine: Mapping[str, Iterable[Change]]) -> dict[str, str]:
    """Ansible's diff of ``{label: [Change]}``: the shares concerned, before and after."""
    texts = {"before": "", "after": ""}
    for label, changes in changes_by_machine.items():
        for side in texts:
            lines = [f"  {describe(getattr(change, side))}\n" for change in changes if getattr(change, side)]
            lines += [
                f"  {change.name}: settings left over from a share that is gone\n"
                for change in changes
                if change.action == "forget" and side == "before"
            ]
            texts[side] += "{}\n{}".format(label, "".join(lines)) if changes else ""
    return {"before_header": "VirtualBox shares", "after_header": "VirtualBox shares", **texts}
