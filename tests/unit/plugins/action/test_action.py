# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of every module: what it makes of the end of a task's time, which Ansible raises in the midst of it."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.zeroinstall.virtualbox.plugins.action import guest_info, shares


class TaskTimeoutError(BaseException):
    """As Ansible's own class of this name, which is internal."""


def action(raised, role="cache_guest", limit=2):
    """An action in whose module this is raised."""
    task = types.SimpleNamespace(
        action="zeroinstall.virtualbox.guest_info",
        timeout=limit,
        _role=types.SimpleNamespace(get_name=lambda: f"zeroinstall.virtualbox.{role}"),
    )
    made = guest_info.ActionModule.__new__(guest_info.ActionModule)
    made._task = task
    made._templar = types.SimpleNamespace(template=lambda value: {"{{ mine }}": 2}.get(value, value))

    def run(**_options):
        raise raised

    made._execute_module = run
    return made


@pytest.mark.parametrize("value", [2, "2", "{{ mine }}"])
def test_the_end_of_a_tasks_time_names_the_variable(value):
    found = action(TaskTimeoutError())._execute_clean("m", task_vars={"cache_guest_timeout": value})
    assert found["failed"] and "raise cache_guest_timeout (now 2)" in found["msg"]


def test_without_a_variable_of_a_role_the_time_is_told():
    """In the same words whatever ansible-core it is."""
    found = action(TaskTimeoutError(), role="")._execute_clean("m", task_vars={"cache_guest_timeout": 2})
    assert found["failed"] and found["msg"].startswith("Timed out after 2 seconds: the module guest_info")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(1)])
def test_whatever_else_ends_a_task_is_left_to_ansible(raised):
    with pytest.raises(type(raised)):
        action(raised)._execute_clean("m", task_vars={"cache_guest_timeout": 2})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"unreachable": True, "msg": "gone\\u001b"}),
        ({"zeroinstall_unreachable_fails": True}, {"failed": True, "msg": "Not reached: gone\\u001b"}),
    ],
)
def test_a_machine_that_is_not_reached_has_failed_in_plays_that_want_that(monkeypatch, variables, expected):
    def lost(*_arguments):
        raise AnsibleConnectionFailure("gone\x1b")

    made = action(None)
    monkeypatch.setattr(made, "_run", lost)
    assert made.run(None, variables) == expected


def test_lists_of_messages_are_told_in_the_words_of_the_role():
    """They come with a result that is no failure, too."""
    made = shares.ActionModule.__new__(shares.ActionModule)
    made._task = types.SimpleNamespace(
        action="zeroinstall.virtualbox.shares",
        args={},
        become=False,
        become_user=None,
        _role=types.SimpleNamespace(get_name=lambda: "zeroinstall.virtualbox.cache_host"),
    )
    made._discovered_interpreter_key = None
    message = "Correct the machine's name. If another user registered the machine, set become_user to that user."
    made._execute_module = lambda **_options: {"changed": False, "unresolved": [message], "missing_paths": [message]}
    found = made._execute_clean("m", task_vars={"cache_host_user": "vm"})
    assert found["unresolved"] == [
        "Correct its cache_guest_machine. If another user registered the machine, set cache_host_user (now 'vm') to"
        " that user."
    ]
    assert found["missing_paths"] == [message]
