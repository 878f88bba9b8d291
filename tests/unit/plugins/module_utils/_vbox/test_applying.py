# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying out changes, against a stand-in for VirtualBox that keeps one machine's shares in memory."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import applying
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.planning import Wanted
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import (
    OWNER_KEY,
    SYMLINKS_KEY,
    WAITS_KEY,
    Machine,
    Share,
    with_shares,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import Busy, CommandFailed

STORE = Share("store", "/srv/store")
OURS = dataclasses.replace(STORE, arrangement="default")
WRITABLE = dataclasses.replace(STORE, writable=True)


class StandIn:
    """A stand-in for VBoxManage and VBoxSVC with one machine.

    ``failures``: errors for the next calls, None for none.
    """

    can_modify = True

    def __init__(self, *shares, state="poweroff", failures=()):
        self.state = state
        self.shares = {(share.name, share.kind): share for share in shares}
        self.extradata = {OWNER_KEY + share.name: "1" for share in shares if share.arrangement}
        self.commands = []
        self.failures = list(failures)
        self.reads = 0

    def machine(self, uuid):
        self.reads += 1
        bare = Machine(uuid, "m", "/m.vbox", self.state, extradata=tuple(self.extradata.items()))
        return with_shares(bare, tuple(self.shares.values()))

    def change(self, *call):
        error = self.failures.pop(0) if self.failures else None
        if error is not None:
            raise error
        if call[0] == "setextradata":
            self.extradata.update({call[2]: call[3]} if len(call) > 3 else {})
            if len(call) == 3:
                self.extradata.pop(call[2], None)
        else:
            self.folder(*call[1:])
        self.commands.append([word for word in call if word != "u"])

    def folder(self, action, _uuid, *words):
        options = dict(word.lstrip("-").partition("=")[::2] for word in words)
        key = (options["name"], "transient" if "transient" in options else "machine")
        if action == "remove":
            del self.shares[key]
        elif action == "modify":
            fields = {"writable": options["readonly"] == "off"} if "readonly" in options else {}
            fields.update({"symlink_policy": options["symlink-policy"]} if "symlink-policy" in options else {})
            self.shares[key] = dataclasses.replace(self.shares[key], **fields)
        else:
            assert key not in self.shares
            self.shares[key] = Share(key[0], options["hostpath"], key[1], "readonly" not in options)


class StandInApi:
    """A stand-in for VirtualBox's API that changes the stand-in's running machine."""

    def __init__(self, virtualbox, error=None):
        self.virtualbox = virtualbox
        self.error = error
        self.commands = []
        self.closed = False

    def replace(self, _uuid, before, after):
        if self.error:
            raise self.error
        if before:
            del self.virtualbox.shares[before.name, "machine"]
        if after:
            self.virtualbox.shares[after.name, "machine"] = after
        self.commands.append(["replace", before and before.name, after and after.name])

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def slept(monkeypatch):
    """The waits, which are not waited for: the clock is the sum of them."""
    waits = []
    monkeypatch.setattr(applying.time, "sleep", waits.append)
    monkeypatch.setattr(applying.time, "monotonic", lambda: sum(waits))
    return waits


@pytest.fixture(autouse=True)
def no_api(monkeypatch):
    def fail():
        raise ImportError("no API here")

    monkeypatch.setattr(applying, "Live", fail)


def bring(virtualbox, *present, when_busy="later", timeout=10, check=False, exclusive=False, absent=()):
    applier = applying.Applier(virtualbox, when_busy, timeout, check)
    return applier.bring(virtualbox.machine("u"), Wanted(present, tuple(absent), exclusive)), applier


def done(outcome):
    return [
        (change.action, change.transient or (change.after is not None and change.after.kind == "transient"))
        for change in outcome.done
    ]


def test_nothing_to_do_calls_nothing():
    virtualbox = StandIn(STORE)
    outcome, applier = bring(virtualbox, STORE)
    assert outcome == applying.Outcome()
    assert applier.commands == []
    assert virtualbox.reads == 1


def test_check_mode_says_what_a_run_does_and_calls_nothing():
    for state in ("poweroff", "saved"):
        checked = StandIn(WRITABLE, state=state)
        expected, applier = bring(checked, STORE, check=True)
        assert applier.commands == []
        outcome, _applier = bring(StandIn(WRITABLE, state=state), STORE)
        assert (expected.done, expected.pending) == (outcome.done, outcome.pending)


def test_a_locked_machine_is_tried_again_with_growing_waits(slept):
    virtualbox = StandIn(OURS, failures=[Busy("locked")] * 6)
    outcome, applier = bring(virtualbox, WRITABLE, timeout=30)
    assert done(outcome) == [("correct", False)]
    assert slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert applier.commands == [["sharedfolder", "modify", "--name=store", "--readonly=off"]]


def test_a_machine_that_stays_locked_is_left_for_later():
    virtualbox = StandIn(OURS, failures=[Busy("already locked")] * 99)
    outcome, applier = bring(virtualbox, WRITABLE, timeout=3)
    assert [(change.action, reason) for change, reason in outcome.pending] == [("correct", "already locked")]
    assert (outcome.done, outcome.error, applier.commands) == ([], "", [])


def test_a_machine_that_stays_locked_fails_where_that_was_asked_for():
    stand_in = StandIn(OURS, failures=[Busy("already locked")] * 99)
    outcome, _applier = bring(stand_in, WRITABLE, when_busy="fail", timeout=3)
    assert outcome.error == "machine m (u): already locked"
    assert outcome.pending == []


def test_what_somebody_else_did_meanwhile_is_not_done_again():
    virtualbox = StandIn()
    plain = virtualbox.change

    def overtaken(*call):
        if call[0] == "sharedfolder" and not virtualbox.shares:
            virtualbox.shares["store", "machine"] = STORE
            raise CommandFailed("Shared folder named 'store' already exists")
        plain(*call)

    virtualbox.change = overtaken
    outcome, _applier = bring(virtualbox, STORE)
    assert (outcome.error, virtualbox.shares) == ("", {("store", "machine"): STORE})


@pytest.mark.parametrize("errors", [["no", "no"], ["no", "never"]])
def test_an_error_is_reported_after_one_more_try(errors):
    virtualbox = StandIn(OURS, failures=[CommandFailed(text) for text in errors * 50])
    outcome, _applier = bring(virtualbox, WRITABLE)
    assert outcome.error == f"machine m (u): {errors[1]}"
    assert len(virtualbox.failures) == 98


def test_a_machine_that_is_gone_meanwhile_is_an_error_of_its_own():
    virtualbox = StandIn(OURS, failures=[Busy("locked")])
    applier = applying.Applier(virtualbox, "later", 10, False)
    machine = virtualbox.machine("u")

    def gone(uuid):
        raise Failure(f"machine {uuid} is gone")

    virtualbox.machine = gone
    assert applier.bring(machine, Wanted((WRITABLE,))).error == "machine m (u): machine u is gone"


ELSEWHERE = dataclasses.replace(OURS, path="/elsewhere", symlink_policy="relative")


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_share_that_cannot_be_added_anew_is_put_back(fails_at):
    failing = [None] * fails_at + [CommandFailed("refused")]
    virtualbox = StandIn(ELSEWHERE, failures=[*failing, None, None, *([None] if fails_at == 2 else []), *failing])
    outcome, _applier = bring(virtualbox, dataclasses.replace(STORE, symlink_policy="subtree"))
    assert outcome.error == "machine m (u): refused"
    assert dataclasses.replace(virtualbox.shares["store", "machine"], arrangement="default") == ELSEWHERE


@pytest.mark.parametrize("state", ["saved", "starting", "livesnapshotting"])
@pytest.mark.parametrize("when_busy", ["later", "transient"])
def test_a_state_that_allows_no_change_leaves_it_for_later(state, when_busy):
    outcome, applier = bring(StandIn(state=state), STORE, when_busy=when_busy)
    assert [(change.action, reason) for change, reason in outcome.pending] == [("add", f"the machine is {state}")]
    assert (outcome.done, applier.commands) == ([], [])


def test_a_saved_machine_still_loses_the_right_to_symlinks():
    virtualbox = StandIn(OURS, state="saved")
    virtualbox.extradata[SYMLINKS_KEY + "store"] = "1"
    outcome, _applier = bring(virtualbox, STORE)
    assert (done(outcome), outcome.pending) == ([("correct", False)], [])
    assert [change.name for change in outcome.restart] == ["store"]
    assert SYMLINKS_KEY + "store" not in virtualbox.extradata


@pytest.mark.parametrize("state", ["running", "paused"])
def test_without_the_api_a_running_machine_waits_or_gets_a_transient_share(state):
    virtualbox = StandIn(state=state)
    outcome, applier = bring(virtualbox, STORE)
    assert [reason for _change, reason in outcome.pending] == [f"the machine is {state}, and no API here"]
    assert (outcome.done, applier.commands) == ([], [])
    outcome, _applier = bring(virtualbox, STORE, when_busy="transient")
    assert (done(outcome), len(outcome.pending)) == ([("add", True)], 1)
    assert list(virtualbox.shares) == [("store", "transient")]


@pytest.mark.parametrize("wanted", [STORE, dataclasses.replace(STORE, symlinks=True)])
def test_the_transient_share_is_given_once(wanted):
    virtualbox = StandIn(WRITABLE, state="running")
    first, _applier = bring(virtualbox, wanted, when_busy="transient")
    assert done(first) == [("add", True)]
    second, _applier = bring(virtualbox, wanted, when_busy="transient")
    assert (done(second), len(second.pending)) == ([], 1)


def test_a_wrong_transient_share_is_replaced():
    virtualbox = StandIn(WRITABLE, dataclasses.replace(WRITABLE, kind="transient"), state="running")
    outcome, _applier = bring(virtualbox, STORE, when_busy="transient")
    assert done(outcome) == [("remove", True), ("add", True)]
    assert not virtualbox.shares["store", "transient"].writable


def test_with_the_api_a_running_machine_is_changed_for_good(monkeypatch):
    virtualbox = StandIn(WRITABLE, state="running")
    api = StandInApi(virtualbox)
    monkeypatch.setattr(applying, "Live", lambda: api)
    outcome, applier = bring(virtualbox, dataclasses.replace(STORE, symlinks=True))
    assert (done(outcome), outcome.pending, outcome.error) == ([("correct", False)], [], "")
    assert applier.commands == [
        ["setextradata", OWNER_KEY + "store", "1"],
        ["setextradata", SYMLINKS_KEY + "store", "1"],
        ["replace", "store", "store"],
    ]
    assert [change.name for change in outcome.restart] == ["store"], "VirtualBox reads the right at the start"
    applier.close()
    assert api.closed


def test_what_waits_for_a_start_is_noted_with_the_machines_run(monkeypatch):
    virtualbox = StandIn(OURS, state="running")
    machine = dataclasses.replace(virtualbox.machine("u"), run="2026-11-29T00:46:40Z")
    monkeypatch.setattr(applying, "Live", lambda: StandInApi(virtualbox))
    wish = Wanted((dataclasses.replace(STORE, symlinks=True),))
    outcome = applying.Applier(virtualbox, "later", 10, check_mode=False).bring(machine, wish)
    assert [change.name for change in outcome.restart] == ["store"]
    assert virtualbox.extradata[WAITS_KEY + "store"] == "2026-11-29T00:46:40Z"


def test_a_symlink_policy_that_changes_live_is_told_to_need_a_restart(monkeypatch):
    link = dataclasses.replace(OURS, writable=True, symlinks=True)
    virtualbox = StandIn(link, state="running")
    virtualbox.extradata[SYMLINKS_KEY + "store"] = "1"
    monkeypatch.setattr(applying, "Live", lambda: StandInApi(virtualbox))
    outcome, _applier = bring(virtualbox, dataclasses.replace(link, symlink_policy="relative"))
    assert ([change.fields for change in outcome.done], [change.name for change in outcome.restart]) == (
        [["symlink_policy"]],
        ["store"],
    )


def test_an_error_of_the_api_fails_the_machine(monkeypatch):
    virtualbox = StandIn(OURS, state="running")
    monkeypatch.setattr(applying, "Live", lambda: StandInApi(virtualbox, CommandFailed("the API says no")))
    outcome, _applier = bring(virtualbox, WRITABLE)
    assert outcome.error == "machine m (u): the API says no"
