# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_verify``: what reaches the code below it, and what it returns."""

from __future__ import annotations

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verifying
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.judging import Verdict
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_verify

STORE = "/s/0install.net/implementations"
NAME = "sha1=" + "0" * 40
BAD = Verdict("corrupt", "contents", "It was changed.", NAME, "sha1=x", NAME)
SUMMARY = {"corrupt": 1, "problems": 1}
REPORT = verifying.Report(
    {STORE: [NAME]}, [NAME], [(STORE, "tmp-1", "temporary")], [(STORE + "/", NAME, BAD)], SUMMARY, {}, []
)
SOUND = REPORT._replace(problems=[], summary={"corrupt": 0, "problems": 0})


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options: whether it failed, its answer, and the calls to the code below it."""
    calls = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _module, text: calls.append(text))

    def run(report=SOUND, failure=None, **options):
        def carry_out(paths, chosen):
            calls.append((paths, chosen))
            if failure:
                raise failure
            return report

        monkeypatch.setattr(verifying, "verify", carry_out)
        return (*run_module(store_verify.main, **options), calls)

    return run


def test_defaults_are_those_of_the_code(call):
    failed, answer, ((paths, chosen),) = call(path=[STORE])
    assert (failed, answer["changed"], paths) == (False, False, [STORE])
    default = verifying.Options()
    assert chosen._replace(progress=default.progress) == default


def test_options_reach_the_code(call):
    _failed, _answer, ((_paths, chosen),) = call(
        path=[STORE], names=[NAME], workers=3, mode="changed", record="/r", max_details=5, max_holes=7,
        _ansible_check_mode=True,
    )  # fmt: skip
    assert chosen._replace(progress=None) == verifying.Options([NAME], 3, "/r", False, 5, None, 7)


@pytest.mark.parametrize(
    "options, why",
    [
        ({"workers": -1}, "workers is -1: it cannot be less than 0."),
        ({"max_details": -1}, "max_details is -1: it cannot be less than 0."),
        ({"max_holes": -2}, "max_holes is -2: it cannot be less than 0."),
        ({"progress": -0.5}, "progress is -0.5: it cannot be less than 0."),
        ({"path": []}, "path is empty: name at least one store."),
    ],
)
def test_bad_options_are_refused_before_anything_is_looked_at(call, options, why):
    assert call(**{"path": [STORE], **options}) == (True, {"msg": why}, [])


def test_problems_are_a_failure_unless_they_are_to_be_none(call):
    failed, answer, _calls = call(REPORT, path=[STORE])
    assert failed and answer["msg"] == f"1 implementation is not sound: {STORE}/{NAME}: It was changed."
    failed, answer, _calls = call(REPORT, path=[STORE], fail_on_problem=False)
    assert not failed and answer["problems"][0]["reason"] == "contents"


def test_a_failure_and_warnings_are_told(call):
    assert call(failure=Failure("it broke"), path=[STORE])[:2] == (True, {"msg": "it broke"})
    assert call(SOUND._replace(warnings=["a store"]), path=[STORE])[2][-1] == "a store"


def test_the_result_is_as_documented(call):
    documented = yaml.safe_load(store_verify.RETURN)
    _failed, answer, _calls = call(REPORT, path=[STORE], return_names=True, fail_on_problem=False)
    assert set(documented) == set(answer) - {"changed"}
    assert set(documented["problems"]["contains"]) == set(answer["problems"][0])
    assert set(documented["skipped_names"]["contains"]) == set(answer["skipped_names"][0])
    assert answer["corrupt"] == {STORE: [NAME]}
    _failed, answer, _calls = call(SOUND, path=[STORE])
    assert set(documented) - set(answer) == {"names", "names_by_store", "names_left_out"}
