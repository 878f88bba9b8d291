# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_quarantine``: what reaches the code below it, and what it returns."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import quarantine, quarantine_report
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_quarantine

STORE = "/s/0install.net/implementations"
MOVE = {"name": "sha1=x", "from": "/s/a", "to": "/s/b"}
REST = {"moved_left_out": 0, "not_moved": [], "not_moved_left_out": 0}


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options; its answer, and the calls to the code below it."""
    calls = []

    def run(moves=(MOVE,), failure=None, left=(), **options):
        def carry_out(request, moved, dry):
            calls.append((request, dry))
            moved.extend(moves)
            if failure:
                raise failure
            return list(left)

        monkeypatch.setattr(quarantine, "run", carry_out)
        return run_module(store_quarantine.main, **options)[1], calls

    return run


def test_by_default_it_moves_beside_the_store(call):
    answer, calls = call(path=STORE, names=["sha1=x"])
    assert calls == [(quarantine.Request(STORE, ["sha1=x"], STORE + ".quarantine", False), False)]
    assert answer == {"changed": True, "moved": [MOVE], "diff": {"before": "/s/a\n", "after": "/s/b\n"}, **REST}


def test_options_reach_the_code(call):
    _answer, calls = call(path=STORE, names=["sha1=x"], state="restored", folder="/s/q", _ansible_check_mode=True)
    assert calls == [(quarantine.Request(STORE, ["sha1=x"], "/s/q", True), True)]


def test_nothing_moved_is_no_change(call):
    answer, _calls = call(moves=(), path=STORE, names=[])
    assert answer == {"changed": False, "moved": [], "diff": {"before": "", "after": ""}, **REST}


def test_a_failure_tells_what_was_moved_before(call):
    answer, _calls = call(failure=Failure("it broke"), path=STORE, names=["sha1=x"])
    assert (answer["msg"], answer["changed"], answer["moved"]) == ("it broke", True, [MOVE])


def test_what_was_not_moved_is_a_failure_that_names_the_first(call):
    left = [quarantine.Left(f"sha1={number}", "No room.") for number in range(5)]
    answer, _calls = call(left=left, path=STORE, names=["sha1=x"])
    assert answer["changed"] and answer["moved"] == [MOVE]
    assert answer["msg"] == (
        "5 of the names could not be moved: sha1=0: No room. sha1=1: No room. sha1=2: No room."
        " And 2 more, see not_moved."
    )
    assert answer["not_moved"][4] == {"name": "sha1=4", "reason": "No room."}


def test_forty_thousand_long_names_make_no_long_answer(call):
    moves = [{"name": "\\x01" * 250, "from": "\\x01" * 300, "to": "\\x01" * 300}] * 40_000
    left = [quarantine.Left("\\x01" * 250, "No room.")] * 40_000
    answer, _calls = call(moves=moves, left=left, path=STORE, names=["sha1=x"])
    assert len(json.dumps(answer)) < 6 << 20
    assert len(answer["moved"]) + answer["moved_left_out"] == 40_000
    assert len(answer["not_moved"]) + answer["not_moved_left_out"] == 40_000


def test_the_result_is_as_documented(call):
    documented = yaml.safe_load(store_quarantine.RETURN)
    answer, _calls = call(path=STORE, names=["sha1=x"])
    assert set(documented) == set(answer) - {"changed", "diff"}
    assert set(documented["moved"]["contains"]) == set(answer["moved"][0])
    assert set(documented["not_moved"]["contains"]) == set(quarantine.Left._fields)
    for cut in ("moved", "not_moved"):
        assert str(quarantine_report.MOST) in "".join(documented[cut]["description"])


def test_the_example_moves_all_that_is_corrupt():
    """The list of problems is cut long before that of what is corrupt."""
    moves = yaml.safe_load(store_quarantine.EXAMPLES)[1]["zeroinstall.virtualbox.store_quarantine"]
    assert f"verified.corrupt['{moves['path']}']" in moves["names"]
