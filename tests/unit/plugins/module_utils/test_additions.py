# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading and judging versions of the Guest Additions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _additions

PROGRAMS = json.loads((Path(__file__).parent / "fixtures/guest_programs.json").read_text(encoding="utf-8"))
MINIMUM = _additions.parse(_additions.MINIMUM)


@pytest.mark.parametrize("printed", [case["output"] for case in PROGRAMS["versions"]])
def test_what_the_programs_print_is_read(printed):
    version = _additions.parse(printed)
    assert version == ("7.2.22_Debianr175245", (7, 2, 22), ("Debian",), 175245)
    assert (version.text, version.origin, version.prerelease) == ("7.2.22", "distribution", False)


@pytest.mark.parametrize(
    ("text", "number", "revision", "origin"),
    [
        ("5.2.42 r137960", "5.2.42", 137960, "oracle"),
        ("7.0.10r158379", "7.0.10", 158379, "oracle"),
        ("6.1.50_Ubuntu r161033", "6.1.50", 161033, "distribution"),
        ("4.1.18-OSE", "4.1.18", None, "distribution"),
        ("4.1.18_Debian_OSE r78361", "4.1.18", 78361, "distribution"),
        ("7.2.0_BETA1 r169000", "7.2.0", 169000, "oracle"),
        ("VirtualBox Guest Additions 5.0.4r102546 (driver)", "5.0.4", 102546, "oracle"),
    ],
)
def test_forms_of_a_version(text, number, revision, origin):
    version = _additions.parse(text)
    assert (version.text, version.revision, version.origin) == (number, revision, origin)


@pytest.mark.parametrize("text", ["", "7.2", "r175245", "10.0.0.5", "No value set!", "7.2.x"])
def test_what_is_no_version(text):
    assert _additions.parse(text) is None


@pytest.mark.parametrize("version", ["4.2.0", "4.3.40", "5.0.6", "5.2.42 r137960", "7.2.22_Debianr175245", "10.0.0"])
def test_good_versions(version):
    assert _additions.problem(_additions.parse(version), "oracle", MINIMUM) is None


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("4.0.4", "symbolic links"),
        ("3.2.10-OSE", "older than 4.2.0"),
        ("4.1.99", "older than 4.2.0"),
        ("4.2.0_RC2", "older than 4.2.0"),
        ("5.0.0", "Protocol error"),
        ("5.0.4r102546", "Protocol error"),
    ],
)
def test_bad_versions_are_named_with_fault_and_remedy(version, named):
    problem = _additions.problem(_additions.parse(version), "oracle", MINIMUM)
    assert version in problem
    assert named in problem
    assert "Install Guest Additions" in problem


def test_the_minimum_can_be_raised():
    assert "older than 7.0.0" in _additions.problem(_additions.parse("6.1.50"), "oracle", _additions.parse("7.0.0"))


def test_a_known_bad_version_stays_bad_under_a_lower_minimum():
    assert _additions.problem(_additions.parse("4.0.4"), "oracle", _additions.parse("3.0.0"))


def test_the_kernels_own_driver_is_not_judged_by_a_version():
    for version in (None, _additions.parse("6.0.0"), _additions.parse("4.0.4")):
        assert _additions.problem(version, "mainline", MINIMUM) is None


def test_nothing_there_is_a_problem():
    assert "No Guest Additions" in _additions.problem(None, None, MINIMUM)
    assert "cannot be told" in _additions.problem(None, "oracle", MINIMUM)
