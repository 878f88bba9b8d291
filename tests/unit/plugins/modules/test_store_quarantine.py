# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_quarantine``: what reaches the code below it, and what it returns."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _quarantine
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_quarantine

STORE = "/s/0install.net/implementations"
MOVE = {"name": "sha1=x", "from": "/s/a", "to": "/s/b"}


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options; its answer, and the calls to the code below it."""
    calls = []

    def run(moves=(MOVE,), failure=None, **options):
        def carry_out(request, moved, dry):
            calls.append((request, dry))
            moved.extend(moves)
            if failure:
                raise failure

        monkeypatch.setattr(_quarantine, "run", carry_out)
        return run_module(store_quarantine.main, **options)[1], calls

    return run


def test_by_default_it_moves_beside_the_store(call):
    answer, calls = call(path=STORE, names=["sha1=x"])
    assert calls == [(_quarantine.Request(STORE, ["sha1=x"], STORE + ".quarantine", False), False)]
    assert answer == {"changed": True, "moved": [MOVE], "diff": {"before": "/s/a\n", "after": "/s/b\n"}}


def test_options_reach_the_code(call):
    _answer, calls = call(path=STORE, names=["sha1=x"], state="restored", folder="/s/q", _ansible_check_mode=True)
    assert calls == [(_quarantine.Request(STORE, ["sha1=x"], "/s/q", True), True)]


def test_nothing_moved_is_no_change(call):
    answer, _calls = call(moves=(), path=STORE, names=[])
    assert answer == {"changed": False, "moved": [], "diff": {"before": "", "after": ""}}


def test_a_failure_tells_what_was_moved_before(call):
    answer, _calls = call(failure=Failure("it broke"), path=STORE, names=["sha1=x"])
    assert answer == {"msg": "it broke", "changed": True, "moved": [MOVE]}


def test_the_result_is_as_documented(call):
    documented = yaml.safe_load(store_quarantine.RETURN)
    answer, _calls = call(path=STORE, names=["sha1=x"])
    assert set(documented) == set(answer) - {"changed", "diff"}
    assert set(documented["moved"]["contains"]) == set(answer["moved"][0])
