# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a guest's Guest Additions come from."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.additions_plan import additions_plan
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _packages

NONE = {"origin": None, "problem": "No Guest Additions were found.", "oracle": None, "tools": None, "restart": None}
MAINLINE = {**NONE, "origin": "mainline", "problem": None, "full": None}
ORACLE = {**MAINLINE, "origin": "oracle", "oracle": "7.0.6", "tools": "7.0.6r155176", "full": "7.0.6 r155176"}
BAD = {**ORACLE, "oracle": "5.0.2", "problem": "Guest Additions 5.0.2: bad."}


def guest(additions, name="debian", like=(), loadable=True):
    """What guest_info tells of a guest."""
    system = {"id": name, "like": list(like), "version": None, "kernel": "6.1.0-50-amd64", "headers": True}
    return {"additions": additions, "driver": {"loadable": loadable}, "system": system}


def planned(*arguments, source, **options):
    """What is used, and the packages."""
    plan = additions_plan(guest(*arguments, **options), source=source)
    assert plan["problem"] is None, plan
    return plan["source"], plan["packages"]


def refused(*arguments, source, **options):
    """Why nothing can be done."""
    plan = additions_plan(guest(*arguments, **options), source=source)
    assert (plan["source"], plan["packages"]) == ("none", []) and plan["problem"]
    return plan["problem"]


@pytest.mark.parametrize(
    ("name", "like", "packages"),
    [
        ("debian", [], ["virtualbox-guest-utils"]),
        ("ubuntu", ["debian"], ["virtualbox-guest-utils"]),
        ("linuxmint", ["ubuntu", "debian"], ["virtualbox-guest-utils"]),
        ("fedora", [], ["virtualbox-guest-additions"]),
        ("arch", [], ["virtualbox-guest-utils-nox"]),
        ("manjaro", ["arch"], ["virtualbox-guest-utils-nox"]),
        ("alpine", [], ["virtualbox-guest-additions"]),
        ("opensuse-tumbleweed", ["opensuse", "suse"], ["virtualbox-guest-tools"]),
        ("opensuse-leap", ["suse", "opensuse"], ["virtualbox-guest-tools"]),
    ],
)
def test_packages_of_the_distributions(name, like, packages):
    assert planned(MAINLINE, name, like, source="distribution") == ("distribution", packages)


@pytest.mark.parametrize(
    ("name", "like", "packages"),
    [
        ("debian", [], ["gcc", "make", "bzip2", "tar", "linux-headers-6.1.0-50-amd64"]),
        ("rocky", ["rhel", "centos", "fedora"], "kernel-devel-6.1.0-50-amd64"),
        ("arch", [], "linux-headers"),
        ("opensuse-leap", ["suse", "opensuse"], "kernel-default-devel"),
    ],
)
def test_what_the_installer_needs(name, like, packages):
    source, found = planned(MAINLINE, name, like, source="iso")
    assert source == "iso"
    assert found == packages or packages in found


@pytest.mark.parametrize("additions", [MAINLINE, ORACLE])
def test_what_is_good_is_left_alone(additions):
    assert planned(additions, source="auto") == ("none", [])


def test_the_mainline_driver_is_enough_where_it_is_wanted():
    assert planned(MAINLINE, source="mainline") == ("none", [])
    assert "7.0.6 are installed. Remove them" in refused(ORACLE, source="mainline")
    other = {**ORACLE, "oracle": None, "origin": "distribution", "full": "7.0.20_Debian"}
    assert "7.0.20_Debian" in refused(other, source="mainline")


@pytest.mark.parametrize("source", ["auto", "mainline", "distribution"])
def test_a_kernel_without_drivers_is_refused_with_what_to_do(source):
    problem = refused(NONE, source=source, loadable=False)
    assert "linux-image-amd64" in problem
    assert "vboxsf" in refused(MAINLINE, "ubuntu", source=source, loadable=False)


def test_packages_that_bring_drivers_are_taken_by_themselves():
    assert planned(NONE, "opensuse-leap", ["opensuse"], source="auto", loadable=False) == (
        "distribution",
        ["virtualbox-guest-tools"],
    )


def test_bad_ones_are_refused_with_what_to_do():
    problem = refused(BAD, source="auto")
    assert "5.0.2: bad." in problem and "guest_additions_source to 'iso'" in problem
    assert planned({**BAD, "restart": "Restart the guest."}, source="auto") == ("none", [])
    assert planned(BAD, source="iso")[0] == "iso"


def test_the_distributions_programs_are_right_where_they_are():
    there = {**MAINLINE, "tools": "7.2.22_Debianr175245"}
    assert planned(there, source="distribution") == ("none", [])
    assert "Remove their package first" in refused(there, source="iso")
    assert "vbox-uninstall-guest-additions" in refused(ORACLE, source="distribution")


def test_distributions_without_packages():
    assert "No packages of gentoo" in refused(MAINLINE, "gentoo", source="distribution")
    assert "not known to work on gentoo" in refused(MAINLINE, "gentoo", source="iso")
    assert "not known to work on Alpine Linux" in refused(MAINLINE, "alpine", source="iso")
    assert planned(MAINLINE, "gentoo", source="auto") == ("none", [])


def test_an_unknown_source():
    with pytest.raises(AnsibleFilterError, match="unknown source 'floppy'"):
        additions_plan(guest(MAINLINE), source="floppy")


def test_the_table_is_whole():
    for name, known in _packages.DISTRIBUTIONS.items():
        assert known.name and bool(known.tools) == bool(known.where), name
        assert not known.build or {"gcc", "make", "bzip2", "tar"} <= set(known.build), name
