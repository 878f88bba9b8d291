# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file has the Zero Install part, and whose fault it is that it cannot be used."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.vagrantfile_blame import vagrantfile_blame
from ansible_collections.zeroinstall.virtualbox.plugins.filter.vagrantfile_place import vagrantfile_place

PLACE = {"path": "/p/Vagrantfile", "target": "/p/V.zero"}


def place(placement="block", path="/p/Vagrantfile", file="V.zero", text=""):
    """What is said of these settings."""
    return vagrantfile_place({"placement": placement, "path": path, "file": file}, text)


@pytest.mark.parametrize(
    ("settings", "path", "target", "environment"),
    [
        ({}, "/p/Vagrantfile", "/p/Vagrantfile", {}),
        ({"placement": "file"}, "/p/Vagrantfile", "/p/V.zero", {}),
        ({"placement": "home", "path": ""}, "~/.vagrant.d/Vagrantfile", "~/.vagrant.d/Vagrantfile", {}),
        ({"placement": "home", "path": "/v/V"}, "/v/V", "/v/V", {"VAGRANT_HOME": "/v"}),
    ],
)
def test_the_paths(settings, path, target, environment):
    found = place(**settings)
    assert (found["problem"], found["path"], found["target"]) == ("", path, target)
    assert found["environment"] == environment


@pytest.mark.parametrize("settings", [{"path": ""}, {"path": "Vagrantfile"}, {"file": ""}, {"file": "../x"}])
def test_no_file(settings):
    assert "name no file" in place(**settings)["problem"]


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ("x\nload File.expand_path('../V.zero', __FILE__)\n", True),
        ("# load File.expand_path('../V.zero')", False),
        ("load 'Vxzero'", False),
        ("", False),
    ],
)
def test_a_line_that_loads_it(text, loads):
    assert place("file", text=text)["loads"] is loads


@pytest.mark.parametrize(
    ("failure", "options", "text"),
    [
        (
            {"stderr": "in /t/probe.rb ", "stdout": "", "msg": "non-zero"},
            {},
            "/p/V.zero on m cannot be used with the Zero Install part in it. /p/V.zero is as it was before."
            " Correct what is said of it: in /p/Vagrantfile",
        ),
        (
            {"msg": "why"},
            {"was_bad": True, "had_part": True},
            "An empty Vagrantfile on m cannot be read without the Zero Install part either, so that is not to blame."
            " /p/V.zero is as it was before, with the part that an earlier run wrote: tasks_from: absent takes it out."
            " Correct what is said of it: why",
        ),
    ],
)
def test_the_blame(failure, options, text):
    given = {"was_read": "", "was_bad": False, "had_part": False, "probe": "/t/probe.rb", **options}
    assert vagrantfile_blame(failure, PLACE, "m", **given) == text
