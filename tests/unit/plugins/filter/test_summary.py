# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a run."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.summary import MOST, summary

FLEET = {"guests": {"metal": ["a", "b"], "copper": ["c"]}, "modes": {"a": "readonly", "b": "verified", "c": "readonly"}}
ASKED = {
    **{name: {"cache_host_outlook": {}} for name in ("metal", "copper")},
    **{name: {"cache_guest_steps": {}} for name in ("a", "b", "c")},
}
PENDING = {"share": "ZeroInstall-trusted", "name": "web\x1b[31m", "reason": "it waits", "action": "restart"}


def test_a_right_fleet_is_told_in_a_line_for_hosts_and_one_for_each_mode(inventory_of):
    machines = ["metal", "copper", "a", "b", "c"]
    hostvars = inventory_of({name: {} for name in machines}, tasks=ASKED)
    assert summary(FLEET, machines, machines, hostvars) == [
        "guests of mode readonly: 2 done",
        "guests of mode verified: 1 done",
        "hosts: 2 done",
    ]


def test_what_failed_is_named_and_what_was_not_in_the_run_is_not(inventory_of):
    hostvars = inventory_of({"metal": {}, "a": {}, "b": {}}, tasks={name: ASKED[name] for name in ("metal", "b")})
    assert summary(FLEET, ["metal", "a", "b"], ["metal", "b"], hostvars) == [
        "guests of mode readonly: 0 done, 1 not: a",
        "guests of mode verified: 1 done",
        "hosts: 1 done",
    ]


def test_whom_a_tag_left_out_is_not_told_as_done(inventory_of):
    machines = ["metal", "copper", "a", "b", "c"]
    hosts = inventory_of({name: {} for name in machines}, tasks={name: ASKED[name] for name in ("metal", "copper")})
    assert summary(FLEET, machines, machines, hosts) == ["hosts: 2 done"]
    guests = inventory_of({name: {} for name in machines}, tasks={name: ASKED[name] for name in ("a", "b", "c")})
    assert summary(FLEET, machines, machines, guests) == [
        "guests of mode readonly: 2 done",
        "guests of mode verified: 1 done",
    ]


def test_a_host_whose_failure_is_kept_for_the_end_is_named(inventory_of):
    tasks = {"metal": {"share_host_failure": "no such store"}, "copper": {"share_host_failure": ""}}
    lines = summary(
        FLEET, ["metal", "copper"], ["metal", "copper"], inventory_of({"metal": {}, "copper": {}}, tasks=tasks)
    )
    assert lines == ["hosts: 1 done, 1 not: metal"]


def test_what_waits_is_told_without_control_characters(inventory_of):
    tasks = {"metal": {"cache_host_outlook": {"pending": []}, "cache_host_shared": {"pending": [PENDING]}}}
    lines = summary(FLEET, ["metal"], ["metal"], inventory_of({"metal": {}}, tasks=tasks))
    assert lines[1:] == ["Waiting on metal: share 'ZeroInstall-trusted' of machine web\\u001b[31m: it waits"]


@pytest.mark.parametrize("said", [{}, [{}], ["x"], "x", None, 7, [{"share": "s", "name": "n"}]])
def test_a_host_that_answers_something_else_keeps_nobody_from_being_named(inventory_of, said):
    tasks = {"metal": {"cache_host_shared": {"pending": said}}, "copper": {"share_host_failure": "no such store"}}
    names = ["metal", "copper"]
    lines = summary(FLEET, names, names, inventory_of({name: {} for name in names}, tasks=tasks))
    assert lines == ["hosts: 1 done, 1 not: copper"]


def test_names_and_lines_are_bounded(inventory_of):
    names = [f"g{number}" for number in range(100)]
    tasks = {"metal": {"cache_host_shared": {"pending": [PENDING] * 100}}}
    fleet = {"guests": {"metal": names}, "modes": dict.fromkeys(names, "readonly")}
    lines = summary(fleet, ["metal", *names], ["metal"], inventory_of({"metal": {}}, tasks=tasks))
    assert "100 not: g0, " in lines[0] and lines[0].endswith("g9, and 90 more")
    assert (len(lines), lines[-1]) == (2 + MOST + 1, "and 90 more")
