# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying out changes of shares on machines in whatever state they are."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning, settings
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxapi import Live
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import (
    Busy,
    CommandFailed,
    VBoxManage,
)

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
"""Seconds between two tries at a machine that another VirtualBox client has locked."""


@dataclasses.dataclass
class Outcome:
    """What became of one machine.

    ``done``: the changes made; ``restart``: those of them that take full effect when the machine is started the next
    time; ``pending``: those that are still to be made, each with the reason; ``error``, if it failed.
    """

    done: list[planning.Change] = dataclasses.field(default_factory=list)
    restart: list[planning.Change] = dataclasses.field(default_factory=list)
    pending: list[tuple[planning.Change, str]] = dataclasses.field(default_factory=list)
    error: str = ""


class Applier:
    """Brings machines to what is wanted.

    ``when_busy`` says what is done where a machine cannot be changed for good now, because it runs without a usable
    API, is saved, or is locked for longer than ``lock_timeout`` seconds: ``later`` leaves the change to a later run,
    ``transient`` does too and gives a running machine a transient share meanwhile, ``fail`` refuses.
    """

    def __init__(self, virtualbox: VBoxManage, when_busy: str, lock_timeout: float, check_mode: bool) -> None:
        self._virtualbox = virtualbox
        self._when_busy = when_busy
        self._lock_timeout = lock_timeout
        self._check_mode = check_mode
        self._live: Live | None = None
        self._no_live: str | None = None

    @property
    def commands(self) -> list[list[str]]:
        """All calls that changed something."""
        return self._virtualbox.commands + (self._live.commands if self._live else [])

    def close(self) -> None:
        """Lets go of VirtualBox."""
        if self._live:
            self._live.close()

    def live(self) -> Live | None:
        """The API for running machines, or None; asked for once, and only where a running machine needs it."""
        if not self._live and not self._no_live:
            try:
                self._live = Live()
            except ImportError as error:
                self._no_live = str(error)
        return self._live

    def differences(self, machine: Machine, wanted: planning.Wanted) -> list[planning.Change]:
        """What is left to do for good on a machine."""
        return planning.differences(machine, wanted, self._virtualbox.can_modify)

    def obstacle(self, machine: Machine, change: planning.Change) -> str:
        """Why a change to this machine cannot be made for good now; empty if it can."""
        if machine.state in settings.OFFLINE or change.extradata_only or change.transient:
            return ""
        if machine.state in settings.ONLINE:
            return "" if self.live() else f"the machine is {machine.state}, and {self._no_live}"
        return f"the machine is {machine.state}"

    def bring(self, machine: Machine, wanted: planning.Wanted) -> Outcome:
        """One machine to what is wanted, with lock errors and other clients' changes in between."""
        outcome = Outcome()
        deadline, wait, again = time.monotonic() + self._lock_timeout, FIRST_WAIT, True
        try:
            while True:
                outcome.pending = []
                try:
                    for change in self.differences(machine, wanted):
                        self._one(machine, change, outcome)
                    return outcome
                except Busy as error:
                    if time.monotonic() + wait > deadline:
                        if self._when_busy == "fail":
                            raise
                        machine = self._virtualbox.machine(machine.uuid)
                        outcome.pending = [(change, str(error)) for change in self.differences(machine, wanted)]
                        return outcome
                    time.sleep(wait)
                    wait = min(2 * wait, LONGEST_WAIT)
                except CommandFailed:
                    if not again:
                        raise
                    again = False
                machine = self._virtualbox.machine(machine.uuid)
        except Failure as error:
            outcome.error = f"machine {machine.label}: {error}"
        return outcome

    def _one(self, machine: Machine, change: planning.Change, outcome: Outcome) -> None:
        reason, after = self.obstacle(machine, change), change.after
        if not reason:
            if not self._check_mode:
                self._carry_out(machine, change)
            outcome.done.append(change)
            started = machine.state not in settings.OFFLINE
            if started and planning.symlinks_change(machine, change):
                outcome.restart.append(change)
            return
        outcome.pending.append((change, reason))
        bridge = planning.as_transient(after) if after else None
        if self._when_busy == "transient" and after and bridge and machine.state in settings.ONLINE:
            live = machine.share(change.name, "transient")
            if live is None or not planning.stands_in(live, after):
                if not self._check_mode:
                    self._virtualbox.change(*planning.add_call(machine.uuid, bridge))
                outcome.done.append(planning.Change(change.name, None, bridge))

    def _carry_out(self, machine: Machine, change: planning.Change) -> None:
        calls = planning.calls(machine, change, self._virtualbox.can_modify)
        for call in calls.first:
            self._virtualbox.change(*call)
        live = self.live() if machine.state in settings.ONLINE and calls.folder and not change.transient else None
        if live:
            live.replace(machine.uuid, change.before, change.after)
        else:
            self._change_folder(machine, change, calls.folder)
        for call in calls.last:
            self._virtualbox.change(*call)

    def _change_folder(self, machine: Machine, change: planning.Change, calls: Iterable[list[str]]) -> None:
        """Run the calls; where a share was removed to be added anew and cannot be, put it back."""
        for position, call in enumerate(calls):
            try:
                self._virtualbox.change(*call)
            except CommandFailed:
                if position and change.before and change.after:
                    self._put_back(machine, change.before, change.after, added=position > 1)
                raise

    def _put_back(self, machine: Machine, old: Share, new: Share, added: bool) -> None:
        calls = [planning.remove_call(machine.uuid, new)] if added else []
        for call in calls + [planning.add_call(machine.uuid, old), *planning.policy_calls(machine.uuid, old)]:
            self._virtualbox.change(*call)
