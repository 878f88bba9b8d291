# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is at a path: every kind of thing."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting

SHA256_OF_A = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
OWN = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


def test_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    path.chmod(0o4750)
    assert inspecting.look(str(path)) == {**OWN, "kind": "file", "mode": "4750", "sha256": SHA256_OF_A}


def test_a_directory(tmp_path):
    tmp_path.chmod(0o700)
    assert inspecting.look(str(tmp_path)) == {**OWN, "kind": "directory", "mode": "0700", "sha256": None}


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to("a")
    found = inspecting.look(str(tmp_path / "link"))
    assert (found["kind"], found["sha256"]) == ("link", None)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert inspecting.look(str(tmp_path / "pipe"))["kind"] == "other"


def test_nothing(tmp_path):
    (tmp_path / "a").write_text("a")
    assert inspecting.look(str(tmp_path / "b")) is None
    assert inspecting.look(str(tmp_path / "a/b")) is None


def test_what_cannot_be_reached(tmp_path):
    with pytest.raises(OSError, match="too long"):
        inspecting.look(str(tmp_path / ("n" * 300)))


def test_a_file_that_cannot_be_read_has_no_checksum(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError

    (tmp_path / "a").write_text("a")
    monkeypatch.setattr(os, "open", refuse)
    assert inspecting.look(str(tmp_path / "a"))["sha256"] is None


def test_users_and_groups_without_a_name_have_their_number():
    assert inspecting.user_name(2**31 - 7) == inspecting.group_name(2**31 - 7) == str(2**31 - 7)
