# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``paths_info``: what it returns and refuses."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.modules import paths_info


@pytest.fixture
def call(run_module):
    """Run the module on paths; its answer."""
    return lambda *paths: run_module(paths_info.main, paths=paths)[1]


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
