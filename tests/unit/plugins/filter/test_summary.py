# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a run."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.filter.summary import MOST, summary

FLEET = {"guests": {"metal": ["a", "b"], "copper": ["c"]}, "modes": {"a": "readonly", "b": "verified", "c": "readonly"}}
PENDING = {"share": "ZeroInstall-trusted", "name": "web\x1b[31m", "reason": "it waits", "action": "restart"}


def test_a_right_fleet_is_told_in_a_line_for_hosts_and_one_for_each_mode(inventory_of):
    machines = ["metal", "copper", "a", "b", "c"]
    hostvars = inventory_of({name: {} for name in machines})
    assert summary(FLEET, machines, machines, hostvars) == [
        "guests of mode readonly: 2 done",
        "guests of mode verified: 1 done",
        "hosts: 2 done",
    ]


def test_what_failed_is_named_and_what_was_not_in_the_run_is_not(inventory_of):
    hostvars = inventory_of({"metal": {}, "a": {}, "b": {}})
    assert summary(FLEET, ["metal", "a", "b"], ["metal", "b"], hostvars) == [
        "guests of mode readonly: 0 done, 1 not: a",
        "guests of mode verified: 1 done",
        "hosts: 1 done",
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


def test_names_and_lines_are_bounded(inventory_of):
    names = [f"g{number}" for number in range(100)]
    tasks = {"metal": {"cache_host_shared": {"pending": [PENDING] * 100}}}
    fleet = {"guests": {"metal": names}, "modes": dict.fromkeys(names, "readonly")}
    lines = summary(fleet, ["metal", *names], ["metal"], inventory_of({"metal": {}}, tasks=tasks))
    assert "100 not: g0, " in lines[0] and lines[0].endswith("g9, and 90 more")
    assert (len(lines), lines[-1]) == (2 + MOST + 1, "and 90 more")
