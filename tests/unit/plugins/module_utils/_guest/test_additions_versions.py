# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading and judging versions of the Guest Additions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_versions

PROGRAMS = json.loads((Path(__file__).parents[1] / "fixtures/guest_programs.json").read_text(encoding="utf-8"))
MINIMUM = additions_versions.limits(additions_versions.MINIMUM)


@pytest.mark.parametrize("printed", [case["output"] for case in PROGRAMS["versions"]])
def test_what_the_programs_print_is_read(printed):
    version = additions_versions.parse(printed)
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
    version = additions_versions.parse(text)
    assert (version.text, version.revision, version.origin) == (number, revision, origin)


@pytest.mark.parametrize("text", ["", "7.2", "r175245", "10.0.0.5", "No value set!", "7.2.x"])
def test_what_is_no_version(text):
    assert additions_versions.parse(text) is None


@pytest.mark.parametrize("version", ["4.2.0", "4.3.40", "5.0.6", "5.2.42 r137960", "7.2.22_Debianr175245", "10.0.0"])
def test_good_versions(version):
    assert additions_versions.problem(additions_versions.parse(version), "oracle", MINIMUM) is None


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
    problem = additions_versions.problem(additions_versions.parse(version), "oracle", MINIMUM)
    assert version in problem
    assert named in problem
    assert "Install Guest Additions" in problem


def test_the_minimum_can_be_raised():
    assert "older than 7.0.0" in additions_versions.problem(
        additions_versions.parse("6.1.50"), "oracle", additions_versions.limits("7.0.0")
    )


def test_a_known_bad_version_stays_bad_under_a_lower_minimum():
    assert additions_versions.problem(additions_versions.parse("4.0.4"), "oracle", additions_versions.limits("3.0.0"))


def test_the_kernels_own_driver_is_not_judged_by_a_version():
    for version in (None, additions_versions.parse("6.0.0"), additions_versions.parse("4.0.4")):
        assert additions_versions.problem(version, "mainline", MINIMUM) is None


def test_nothing_there_is_a_problem():
    assert "No Guest Additions" in additions_versions.problem(None, None, MINIMUM)
    assert "cannot be told" in additions_versions.problem(None, "oracle", MINIMUM)


@pytest.mark.parametrize(
    ("version", "refused"),
    [("6.0.9", False), ("6.1.0", True), ("6.1.8_Ubuntur1", True), ("6.1.9", False), ("7.0.2", True), ("7.0.3", False)],
)
def test_a_users_own_bad_versions(version, refused):
    limits = additions_versions.limits("4.2.0", ["6.1.0-6.1.8", " 7.0.2"])
    problem = additions_versions.problem(additions_versions.parse(version), "oracle", limits)
    assert ("bad_versions" in (problem or "")) == refused
    assert additions_versions.problem(additions_versions.parse(version), "mainline", limits) is None


@pytest.mark.parametrize(
    ("minimum", "bad", "named"),
    [
        ("old", [], "minimum_version 'old'"),
        ("x 4.2.0", [], "minimum_version"),
        ("4.2.0", ["5"], "bad_versions: '5'"),
        ("4.2.0", ["5.0.0-"], "bad_versions"),
        ("4.2.0", ["5.0.4-5.0.0"], "ends before it begins"),
    ],
)
def test_limits_that_are_none(minimum, bad, named):
    with pytest.raises(Failure, match=named):
        additions_versions.limits(minimum, bad)


@pytest.mark.parametrize(
    ("guest", "origin", "host", "words"),
    [
        ("7.2.22", "oracle", "7.2.22r175245", None),
        ("7.2.30", "oracle", "7.2.22", None),
        ("7.0.10", "distribution", "7.2.22", None),
        ("7.2.0", "oracle", "7.0.30", "newer than"),
        ("6.1.50", "oracle", "7.0.30", "a major version behind"),
        ("6.0.0", "mainline", "7.2.22", None),
        (None, "oracle", "7.2.22", None),
    ],
)
def test_how_far_guest_and_host_may_differ(guest, origin, host, words):
    told = additions_versions.distance(additions_versions.parse(guest or ""), origin, additions_versions.parse(host))
    assert (told is None) if words is None else (words in told and "Install" in told)
