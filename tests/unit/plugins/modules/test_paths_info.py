# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``paths_info``: what it returns and refuses."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.zeroinstall.virtualbox.plugins.modules import paths_info


class Answer(Exception):
    """What the module returns."""


@pytest.fixture
def call(monkeypatch):
    """Run the module on paths; its answer."""

    def answer(_module, **result):
        raise Answer(result)

    monkeypatch.setattr(basic.AnsibleModule, "exit_json", answer)
    monkeypatch.setattr(basic.AnsibleModule, "fail_json", answer)

    def run(*paths):
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"paths": paths}}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(Answer) as raised:
            paths_info.main()
        return raised.value.args[0]

    return run


def test_what_is_there_and_what_is_not(call, tmp_path):
    (tmp_path / "a 'b'").write_text("a")
    result = call(f"{tmp_path}/a 'b'", f"{tmp_path}/none")
    assert result["changed"] is False
    assert list(result["paths"]) == [f"{tmp_path}/a 'b'", f"{tmp_path}/none"]
    found, nothing = result["paths"].values()
    documented = yaml.safe_load(paths_info.RETURN)["paths"]["sample"]
    assert set(found) == set(documented["/etc/sudoers.d/zeroinstall"])
    assert nothing is None


@pytest.mark.parametrize("path", ["a/b", "", "~/a", "/a\0"])
def test_a_path_that_is_not_absolute_is_refused(call, path):
    assert "is not absolute: write it from '/' on" in call(path)["msg"]


def test_a_path_that_cannot_be_reached_is_told(call):
    path = "/" + "n" * 300
    assert call(path)["msg"] == f"{path} cannot be reached: File name too long."
