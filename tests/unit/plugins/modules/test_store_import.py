# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_import``: what reaches the code below it, and what it returns."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_import

STORE = "/s/0install.net/implementations"
ADDED = one_pass.Answer("g1", "sha256new_X", "added", "", "0" * 32)
NOTHING_ELSE = one_pass.Result([])
ANSWER = {"box": "g1", "digest": "sha256new_X", "status": "added", "reason": ""}


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options; its answer, and the calls to the code below it."""
    calls = []

    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _module, text: calls.append(text))

    def run(answers=(ADDED,), result=NOTHING_ELSE, failure=None, **options):
        def carry_out(request, tell, dry):
            calls.append((request, dry))
            for one in answers:
                tell(one)
            if failure:
                raise failure
            return result

        monkeypatch.setattr(one_pass, "run", carry_out)
        return run_module(store_import.main, **options)[1], calls

    return run


def test_defaults_are_those_of_the_code(call):
    answer, calls = call(store=STORE)
    assert calls == [(one_pass.Options(STORE, one_pass.BOXES, Limits(), 0), False)]
    assert answer == {"changed": True, "answers": [ANSWER], "answers_left_out": 0, "removed": 0, "left": 0}


def test_options_reach_the_code(call):
    limits = {name: number for number, name in enumerate(Limits._fields, 1)}
    _answer, calls = call(store=STORE, boxes="/b", workers=3, _ansible_check_mode=True, **limits)
    assert calls == [(one_pass.Options(STORE, "/b", Limits(**limits), 3), True)]


def test_nothing_answered_is_no_change_unless_something_was_removed(call):
    assert call(answers=(), store=STORE)[0]["changed"] is False
    assert call(answers=(), result=one_pass.Result([], 1), store=STORE)[0]["changed"] is True


def test_of_many_answers_the_first_are_told_with_the_number_of_the_others(call):
    answer, _calls = call(answers=[ADDED._replace(digest=str(number)) for number in range(1234)], store=STORE)
    assert [told["digest"] for told in answer["answers"]] == [str(number) for number in range(1000)]
    assert answer["answers_left_out"] == 234


def test_long_answers_make_no_long_result(call):
    long = ADDED._replace(box="\\x01" * 250, digest="\\x01" * 100, reason="\u2026" * 300)
    answer, _calls = call(answers=[long] * 1000, store=STORE)
    assert len(json.dumps(answer)) < 3 << 20
    assert 0 < len(answer["answers"]) < 1000
    assert len(answer["answers"]) + answer["answers_left_out"] == 1000


def test_warnings_are_told(call):
    _answer, calls = call(result=one_pass.Result(["a box"], 0, 2), store=STORE)
    assert calls[-1] == "a box"


def test_a_failure_tells_what_was_answered_before(call):
    answer, _calls = call(failure=Failure("it broke"), store=STORE)
    assert answer == {"msg": "it broke", "changed": True, "answers": [ANSWER], "answers_left_out": 0}


def test_the_result_and_the_defaults_are_as_documented(call):
    documented = yaml.safe_load(store_import.RETURN)
    answer, _calls = call(store=STORE)
    assert set(documented) == set(answer) - {"changed"}
    assert set(documented["answers"]["contains"]) == set(answer["answers"][0])
    options = yaml.safe_load(store_import.DOCUMENTATION)["options"]
    assert {name: options[name]["default"] for name in Limits._fields} == Limits()._asdict()
    assert options["boxes"]["default"] == one_pass.BOXES


@pytest.mark.parametrize(
    "change, why",
    [
        ({"store": "/s/elsewhere"}, "is not a store of implementations"),
        ({"boxes": "relative"}, "boxes 'relative' is not absolute"),
        ({"workers": -1}, "workers is -1"),
        ({"limits": Limits(max_size=0)}, "max_size is 0"),
        ({"limits": Limits(keep_free=-1)}, "keep_free is -1"),
        ({"limits": Limits(max_depth=201)}, "max_depth is 201: it cannot be more than 200"),
    ],
)
def test_bad_options_are_refused_before_anything_is_looked_at(change, why):
    with pytest.raises(Failure, match=why):
        one_pass.run(one_pass.Options(STORE, "/b")._replace(**change), lambda answer: None)
