# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes users share, and what of it is there."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.sharing_plan import sharing_plan

SETTINGS = {
    "user": "zeroinst",
    "store": "/var/cache/0install.net/implementations",
    "helper": "/h",
    "sudoers": "/s",
    "secure_add": "/usr/bin/0store-secure-add",
    "secure_add_before": "",
}
HELPER = """\
#!/bin/sh
# Ansible managed: zeroinstall.virtualbox.sharing
exec sudo -S -u zeroinst /usr/bin/0store-secure-add "$@" < /dev/null
"""
SUDOERS = """\
# Ansible managed: zeroinstall.virtualbox.sharing
Defaults>zeroinst env_reset,always_set_home
ALL ALL=(zeroinst) NOPASSWD: /usr/bin/0store-secure-add
"""


def found(text):
    """What paths_info tells of a file with this text."""
    return {"kind": "file", "sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_what_is_to_be_there():
    plan = sharing_plan(SETTINGS)
    assert plan["present"] == [
        {"path": SETTINGS["store"], "state": "directory", "owner": "zeroinst", "mode": "0755"},
        {
            "path": "/s", "content": SUDOERS, "owner": "root", "group": "root", "mode": "0440",
            "validate": ["/usr/sbin/visudo", "-cf"],
        },
        {
            "path": "/h", "content": HELPER, "owner": "root", "group": "root", "mode": "0755",
            "mark": "zeroinstall.virtualbox",
        },
    ]  # fmt: skip
    assert plan["rule"] == {"program": "/usr/bin/0store-secure-add", "user": "zeroinst", "file": "/s"}
    assert plan["home"] == "/var/cache/0install.net"


def test_without_a_store_there_are_two_files():
    plan = sharing_plan({**SETTINGS, "store": ""})
    assert [file["path"] for file in plan["present"]] == ["/s", "/h"]
    assert plan["home"] == "/var/cache/0install.net"


@pytest.mark.parametrize(
    ("before", "files", "left"),
    [
        ("", {"/h": found(HELPER), "/s": found(SUDOERS)}, ["/h", "/s"]),
        ("", {"/h": found("somebody else's"), "/s": None}, []),
        ("", {"/h": {"kind": "directory"}, "/s": found(SUDOERS)}, ["/s"]),
        ("", {"/h": found(HELPER.replace("/usr/bin/0store-secure-add", "/p"))}, []),
        ("/p", {"/h": found(HELPER.replace("/usr/bin/0store-secure-add", "/p"))}, ["/h"]),
    ],
)
def test_only_what_the_role_wrote_is_left(before, files, left):
    assert sharing_plan({**SETTINGS, "secure_add_before": before}, files)["left"] == left
