# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that are asked by several processes."""

from __future__ import annotations

import os
import select
import signal

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import forked_questions


def no_child_is_left() -> bool:
    """Whether this process has no children."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def idle():
    """Nothing to do meanwhile."""


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("items", [[], [1], list(range(1000))])
def test_every_item_is_answered_once(count, items):
    found = list(forked_questions.answers(items, lambda item: item % 3 == 0, count, idle))
    assert sorted(found) == [(item, item % 3 == 0) for item in items]
    assert no_child_is_left()


def test_so_many_processes_share_the_work(tmp_path):
    def ask(item):
        (tmp_path / f"{os.getpid()} {item}").touch()
        return True

    assert len(list(forked_questions.answers(list(range(99)), ask, 3, idle))) == 99
    asked = [path.name.split()[0] for path in tmp_path.iterdir()]
    assert [asked.count(process) for process in set(asked)] == [33, 33, 33]


def test_whoever_waits_is_called_meanwhile(monkeypatch, hang):
    """At least once a second: no wait is longer, and the answer comes only after three calls."""
    waits = []
    wait = select.select
    read, write = os.pipe()
    monkeypatch.setattr(
        forked_questions.select, "select", lambda *arguments: waits.append(arguments[3]) or wait(*arguments)
    )

    def ask(_item):
        return all(wait([read], [], [], hang)[0] and os.read(read, 1) for _call in range(3))

    assert list(forked_questions.answers([1], ask, 1, lambda: os.write(write, b"x"))) == [(1, True)]
    assert len(waits) >= 3 and max(waits) <= 1
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("ending", ["killed", "raised"])
def test_what_an_ended_process_did_not_answer_is_left_out(ending):
    def ask(item):
        if item == 5:
            if ending == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError(item)
        return True

    found = sorted(item for item, _answer in forked_questions.answers(list(range(10)), ask, 2, idle))
    assert found == [0, 1, 2, 3, 4, 6, 8]
    assert no_child_is_left()


def test_an_error_of_whoever_waits_ends_the_processes():
    def stop():
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        list(forked_questions.answers(list(range(10)), lambda item: signal.pause(), 3, stop))
    assert no_child_is_left()


def test_whoever_stops_listening_ends_the_processes():
    answers = forked_questions.answers(list(range(10)), bool, 3, idle)
    next(answers)
    answers.close()
    assert no_child_is_left()
