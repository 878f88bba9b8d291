# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done in a guest."""

from __future__ import annotations

import hashlib
import re

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity, _programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._guest_plan import guest_plan
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._sharing import Sharing

STORE = "/var/cache/0install.net/implementations"
PROGRAM, ADD, HELPER, SUDOERS = "/l/secure-add", "/usr/bin/0store-secure-add", "/h", "/s"
SETTINGS = {
    "name": "g", "machine": "m", "mode": "readonly", "zero_install": "present", "program": PROGRAM,
    "pythons": ["", "/opt/python3"],
    "user": "zeroinst", "store": STORE, "helper": HELPER, "sudoers": SUDOERS, "secure_add": ADD,
}  # fmt: skip
NOTHING = {
    "right": True,
    "package": "", "unmount": False, "create_user": False, "program": [], "remove_program": False,
    "share": False, "secure_add": ADD, "store": STORE, "unshare": False, "sharing_problem": "",
}  # fmt: skip
MOUNT = {"share": "Z", "path": STORE}
WRITABLE = {**MOUNT, "writable": True}


def file(text, mode):
    """What paths_info tells of a file of root's."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"kind": "file", "owner": "root", "group": "root", "mode": mode, "sha256": digest}


def shared(program):
    """The two files for a program, as they are there."""
    sudoers, helper = Sharing("zeroinst", program, HELPER, SUDOERS).files()
    return {HELPER: file(helper["content"], "0755"), SUDOERS: file(sudoers["content"], "0440")}


def guest(paths=(), sharing=(), **more):
    """What guest_info tells of a guest."""
    return {
        "virtualbox": {"guest": True, "product": "VirtualBox"},
        "additions": {"problem": None},
        "zero_install": {"0install": "/usr/bin/0install", "package": "0install-core"},
        "fstab": {"entries": []},
        "sharing": {
            "sudo": True, "user": True, "store": True, "ours": True, "helper": HELPER, "sudoers": True, "problem": None,
            **dict(sharing),
        },
        "paths": {HELPER: None, SUDOERS: None, PROGRAM: None, "/usr/bin/python3": {"kind": "link"}, **dict(paths)},
        "errors": {},
        **more,
    }  # fmt: skip


def planned(found, helper="none", mounts=(MOUNT,), **settings):
    """What differs from nothing to be done."""
    plan = guest_plan(found, {"helper": helper, "mounts": list(mounts)}, {**SETTINGS, **settings})
    steps = {name: value for name, value in plan.items() if value != NOTHING[name] and name != "right"}
    assert plan["right"] == (steps.keys() <= {"secure_add", "store"})
    return steps


def test_a_guest_that_is_right_needs_nothing():
    assert guest_plan(guest(sharing={"ours": False}), {"helper": "none", "mounts": []}, SETTINGS) == NOTHING
    assert planned(guest(shared(ADD)), "own") == {}
    right = {**shared(PROGRAM), PROGRAM: file(_programs.secure_add("/usr/bin/python3"), "0755")}
    assert planned(guest(right), "box", [MOUNT, WRITABLE]) == {"secure_add": PROGRAM, "store": ""}


@pytest.mark.parametrize(
    ("found", "helper", "settings", "words"),
    [
        (
            {"virtualbox": {"guest": False, "product": None}},
            "none",
            {},
            "g is no VirtualBox guest: .* itself 'nothing'",
        ),
        ({"additions": {"problem": "Bad."}}, "none", {}, "^Bad.$"),
        ({"zero_install": {"0install": None, "package": None}}, "none", {}, "has no package of it"),
        ({"sharing": {"sudo": False}}, "own", {}, "g has no sudo, .* with cache_guest_sharing: true"),
        ({"sharing": {"sudo": False}}, "box", {"mode": "verified"}, "g has no sudo, .* in mode verified"),
        ({"sharing": None, "errors": {"sharing": "OSError: x"}}, "own", {}, "What g says of itself .*OSError: x"),
    ],
)
def test_what_cannot_be_done_is_said(found, helper, settings, words):
    plan = guest_plan({**guest(), **found}, {"helper": helper, "mounts": []}, {**SETTINGS, **settings})
    assert plan == {"problem": plan["problem"]}
    assert re.search(words, plan["problem"]), plan


def test_zero_install_is_installed_where_nothing_of_ours_is_mounted():
    missing = {"zero_install": {"0install": None, "package": "0install-core"}}
    quiet = {"ours": False}
    assert planned(guest(sharing=quiet, **missing)) == {"package": "0install-core"}
    entries = {"fstab": {"entries": [{"ours": False}, {"ours": True}]}}
    assert planned(guest(sharing=quiet, **missing, **entries)) == {"package": "0install-core", "unmount": True}
    assert planned(guest(sharing=quiet, **missing, **entries), zero_install="ignored") == {}
    assert planned(guest(sharing=quiet, **entries)) == {}


def test_what_hands_packages_over_is_written_where_it_is_missing_or_another_one():
    drifted = {**shared(PROGRAM), PROGRAM: file(_programs.secure_add("/usr/bin/python3"), "0700")}
    plan = planned(guest(drifted), "box", [MOUNT, WRITABLE])
    folder, program = plan["program"]
    assert (folder["path"], folder["state"]) == ("/l", "directory")
    assert program["content"].startswith("#!/usr/bin/python3 -IS\n")
    elsewhere = guest({**shared(PROGRAM), "/usr/bin/python3": None})
    assert planned(elsewhere, "box", [WRITABLE])["program"][1]["content"].startswith("#!/opt/python3 -IS\n")
    assert planned(guest({PROGRAM: file("x", "0755")}, sharing={"ours": False})) == {"remove_program": True}


@pytest.mark.parametrize(
    ("paths", "sharing", "helper", "mounts", "wanted"),
    [
        ({}, {"ours": False, "helper": None}, "own", [MOUNT], {"share": True}),
        ({}, {"user": False, "ours": False}, "own", [MOUNT], {"share": True, "create_user": True}),
        ({}, {"ours": False}, "own", [MOUNT], {}),
        ({}, {"ours": False, "sudoers": False}, "own", [MOUNT], {"share": True}),
        (shared(ADD), {"store": False}, "own", [MOUNT], {"share": True}),
        (shared(ADD), {"store": False}, "own", [WRITABLE], {"store": ""}),
        (shared("/other"), {}, "own", [MOUNT], {"share": True}),
        (shared(ADD), {"problem": "No."}, "own", [MOUNT], {"sharing_problem": "No."}),
        (shared(ADD), {}, "none", [MOUNT], {"unshare": True}),
        (shared(ADD), {"problem": "No."}, "none", [MOUNT], {"unshare": True}),
    ],
)
def test_sharing(paths, sharing, helper, mounts, wanted):
    assert planned(guest(paths, sharing=sharing), helper, mounts) == wanted


def test_a_helper_of_somebody_else_does_not_hand_packages_to_the_host():
    plan = planned(guest(sharing={"ours": False}), "box", [WRITABLE])
    assert plan["share"] and plan["secure_add"] == PROGRAM


def answered(hostvars):
    """What the guests' host answered in this run about its machines."""
    return _identity.answered(Inventory(hostvars), "metal", "listed")


OWN, OTHER = "245e6cf0-313d-4fca-8046-1ff7e17a1bb7", "96aaf015-03eb-4991-a08e-fb0a25ca043e"
LISTED = [
    {"guest": name, "machine": name, "name": name, "uuid": uuid, "hardware_uuid": uuid}
    for name, uuid in (("g", OWN), ("other", OTHER))
]


@pytest.mark.parametrize(
    ("listed", "uuid", "words"),
    [
        (LISTED, OTHER, "g is the machine 'other' .* cache_guest_machine 'm'. Correct cache_guest_machine"),
        (LISTED, OWN, "^$"),
        (LISTED, "", "^$"),
        (LISTED, {"of": "another kind"}, "^$"),
        (None, OTHER, "^$"),
        (["of", "another", "kind"], OTHER, "^$"),
    ],
)
def test_a_guest_that_is_another_machine_is_refused(inventory_of, listed, uuid, words):
    """Before its Guest Additions are looked at. Only what the host answered in this run counts."""
    found = guest(virtualbox={"guest": True, "product": "VirtualBox", "uuid": uuid})
    tasks = {"metal": {"cache_host_outlook": {"listed": listed}}}
    facts = {"g": {"cache_host_outlook": {"listed": []}}, "metal": {"cache_host_shared": {"listed": []}}}
    arrangement = {"host": "metal", "helper": "none", "mounts": []}
    plan = guest_plan(found, arrangement, SETTINGS, answered(inventory_of({"metal": {}, "g": {}}, facts, tasks)))
    assert re.search(words, plan.get("problem", ""))


def test_a_guest_that_lies_about_its_hardware_harms_only_itself(inventory_of):
    """The other guest's plan is the same, whatever this one says of itself, in facts too."""
    facts = {"g": {"ansible_product_uuid": OTHER, "cache_host_shared": {"listed": []}}}
    tasks = {"metal": {"cache_host_outlook": {"listed": LISTED}}}
    hostvars = inventory_of({"metal": {}, "g": {}, "other": {}}, facts, tasks)
    arrangement = {"host": "metal", "helper": "none", "mounts": []}

    def problem(name, uuid):
        found = guest(virtualbox={"guest": True, "product": "VirtualBox", "uuid": uuid})
        return guest_plan(found, arrangement, {**SETTINGS, "name": name}, answered(hostvars)).get("problem")

    assert "g is the machine 'other'" in problem("g", OTHER)
    assert problem("other", OTHER) is None
