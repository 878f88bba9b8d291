# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that are asked by several processes."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _answers


def no_child_is_left() -> bool:
    """Whether this process has no children."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("items", [[], [1], list(range(1000))])
def test_every_item_is_answered_once(count, items):
    found = list(_answers.answers(items, lambda item: item % 3 == 0, count))
    assert sorted(found) == [(item, item % 3 == 0) for item in items]
    assert no_child_is_left()


def test_the_processes_share_the_work():
    asked = []

    def ask(item):
        asked.append(item)
        return True

    assert len(list(_answers.answers(list(range(100)), ask, 2))) == 100
    assert len(asked) == 50


@pytest.mark.parametrize("ending", ["killed", "raised"])
def test_what_an_ended_process_did_not_answer_is_left_out(ending):
    parent = os.getpid()

    def ask(item):
        if item == 5 and os.getpid() != parent:
            if ending == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError(item)
        return True

    found = sorted(item for item, _answer in _answers.answers(list(range(10)), ask, 2))
    assert found == [0, 1, 2, 3, 4, 6, 8]
    assert no_child_is_left()


def test_an_error_in_the_asking_process_ends_the_others():
    parent = os.getpid()

    def ask(item):
        if os.getpid() != parent:
            signal.pause()
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        list(_answers.answers(list(range(10)), ask, 3))
    assert no_child_is_left()


def test_whoever_stops_listening_ends_the_others():
    answers = _answers.answers(list(range(10)), bool, 3)
    next(answers)
    answers.close()
    assert no_child_is_left()
