# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules run in the tests' own process."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic


class _Answer(Exception):
    """What a module returns: whether it failed, and its result."""


@pytest.fixture
def run_module(monkeypatch):
    """Run a module's ``main`` with options: whether it failed, and its result."""

    def succeed(_module, **result):
        raise _Answer(False, result)

    def fail(_module, **result):
        raise _Answer(True, result)

    monkeypatch.setattr(basic.AnsibleModule, "exit_json", succeed)
    monkeypatch.setattr(basic.AnsibleModule, "fail_json", fail)

    def run(main, **options):
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(_Answer) as raised:
            main()
        return raised.value.args

    return run
