# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left free on the store's file system, by what the file system tells."""

from __future__ import annotations

import os
import types

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import free_room
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.free_room import INODES, STEP, Room

KEPT = Limits(keep_free=1000 * 512, keep_free_inodes=50)


@pytest.fixture
def told(monkeypatch):
    """What the file system tells."""
    found = types.SimpleNamespace(f_bavail=1 << 40, f_frsize=512, f_files=1000, f_favail=1000)
    monkeypatch.setattr(os, "fstatvfs", lambda _folder: found)
    return found


def test_bytes_and_inodes_are_kept_free(told):
    room = Room(0, KEPT, 1)
    assert room.lack(512, 950) == ""
    assert room.lack(512, 951) == free_room.NO_INODES
    told.f_bavail = 1001
    assert room.lack(512) == ""
    assert room.lack(513) == free_room.NO_ROOM


def test_a_file_system_without_a_number_of_inodes_is_not_out_of_them(told):
    told.f_files = told.f_favail = 0
    assert Room(0, KEPT, 1).lack(0, 10**9) == ""


def test_a_step_is_taken_only_while_every_process_has_room_for_one(told):
    told.f_bavail = 1000 + 3 * STEP // 512
    told.f_favail = 50 + 3 * INODES
    Room(0, KEPT, 3).step()
    with pytest.raises(Refused, match="no room"):
        Room(0, KEPT, 4).step()
    told.f_bavail *= 2
    with pytest.raises(Refused, match="no inodes"):
        Room(0, KEPT, 4).step()


def test_an_archive_is_copied_only_where_it_can_be_unpacked_beside_its_copy(told):
    room = Room(0, KEPT, 2)
    told.f_bavail = 1000 + 2 * STEP // 512 + 2 * 7
    assert room.lack_for(7 * 512) == ""
    assert room.lack_for(7 * 512 + 1) == free_room.NO_ROOM
