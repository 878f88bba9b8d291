# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``additions_check``: what it proves, what it calls a problem, and what it documents."""

from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import mount_probe
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.modules import additions_check

SOUND = {
    "version": "7.2.22",
    "full": "7.2.22_Debianr175245",
    "revision": 175245,
    "origin": "distribution",
    "tools": "7.2.22_Debianr175245",
    "installed": "7.2.22_Debianr175245",
    "oracle": None,
    "restart": None,
    "problem": None,
}


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options on a guest with sound Guest Additions."""
    monkeypatch.setattr(Guest, "additions", lambda _guest, _limits: dict(SOUND))
    return lambda **options: run_module(additions_check.main, **options)


def test_every_path_is_proved_and_the_result_is_as_documented(call, tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for path in paths:
        os.mkdir(path)
    failed, result = call(path=paths)
    assert (failed, result["problems"]) == (False, [])
    assert [(finding["path"], finding["check"]) for finding in result["proof"]] == [
        (path, check) for path in paths for check in mount_probe.CHECKS
    ]
    documented = yaml.safe_load(additions_check.RETURN)
    assert set(result) - {"changed"} == set(documented)
    assert all(set(finding) == set(documented["proof"]["contains"]) for finding in result["proof"])
    assert all(f"V({check})" in str(documented["proof"]["contains"]["check"]) for check in mount_probe.CHECKS)
    assert [os.listdir(path) for path in paths] == [[], []]


def test_one_path_needs_no_list(call, tmp_path):
    assert {finding["path"] for finding in call(path=str(tmp_path))[1]["proof"]} == {str(tmp_path)}


def test_check_mode_writes_nothing_and_proves_nothing(call, tmp_path, monkeypatch):
    monkeypatch.setattr(mount_probe, "prove", lambda _path: pytest.fail("it proved something"))
    assert call(path=[str(tmp_path)], _ansible_check_mode=True) == (
        False,
        {"changed": False, "additions": SOUND, "proof": [], "problems": []},
    )


def test_only_what_is_required_is_a_problem_and_the_rest_is_proved_all_the_same(call, tmp_path, monkeypatch):
    def broken(_folder):
        raise mount_probe.Broken("It is broken.")

    for check in ("rename", "early_times"):
        monkeypatch.setitem(mount_probe.CHECKS, check, broken)
    missing = str(tmp_path / "none")
    failed, result = call(path=[missing, str(tmp_path)])
    assert result["problems"] == [
        f"Nothing can be proved on {missing}: No such file or directory.",
        f"{tmp_path}: It is broken.",
    ]
    assert (failed, result["msg"]) == (True, " ".join(result["problems"]))
    assert [finding["check"] for finding in result["proof"] if not finding["kept"]] == ["early_times", "rename"]
    assert call(path=[missing], fail_on_problem=False)[0] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"minimum_version": "4"}, "minimum_version '4' is no version"),
        ({"bad_versions": ["6.1.8-6.1.0"]}, "ends before it begins"),
        ({"host_version": "new"}, "host_version 'new' is no version"),
    ],
)
def test_bad_input_is_refused(call, options, words):
    failed, result = call(**options)
    assert failed and words in result["msg"]


@pytest.mark.parametrize(("host", "words"), [("6.1.50r161033", "are newer than"), ("8.0.0", "a major version behind")])
def test_a_host_of_a_version_too_far_away(call, host, words):
    (problem,) = call(host_version=host)[1]["problems"]
    assert words in problem
