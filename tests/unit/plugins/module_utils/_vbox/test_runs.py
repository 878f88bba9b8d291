# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which run of a machine it is, by the head of VirtualBox's log."""

from __future__ import annotations

import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import runs

FIRST = "00:00:00.042126 VirtualBox VM 7.2.22_Debian r175245 linux.amd64 (Oct 22 2026 07:33:03) release log\n"
TIME = "2026-11-29T00:46:40.646179000Z"


@pytest.fixture
def log(tmp_path):
    """The log of a machine, in its folder."""
    (tmp_path / "Logs").mkdir()
    return tmp_path / "Logs" / "VBox.log"


def told(log):
    return runs.run_of(str(log.parents[1] / "m.vbox"))


@pytest.mark.parametrize("words", ["Log opened", "Log continuation - Log started"])
def test_a_run_is_the_time_at_which_its_log_was_opened(log, words):
    log.write_text(f"{FIRST}00:00:00.042128 {words} {TIME}\n00:00:00.1 Build Type: release\n")
    assert told(log) == TIME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Log opened now\n",
        FIRST + "00:00:00.1 Build Type: release\n00:00:00.2 Log opened " + TIME + "\n",
        "x" * 5000 + f" Log opened {TIME}\n",
        f"{FIRST}00:00:00 Log opened {TIME[:-1] + '0' * 50}Z\n",
    ],
    ids=["empty", "no time", "later", "too long", "long time"],
)
def test_what_is_no_head_of_a_log_tells_no_run(log, text):
    log.write_text(text)
    assert told(log) == ""


def test_no_link_is_followed_and_nothing_else_than_a_file_is_read(log, tmp_path):
    other = tmp_path / "other"
    other.write_text(f"{FIRST}00:00:00.042128 Log opened {TIME}\n")
    log.symlink_to(other)
    assert told(log) == ""
    log.unlink()
    os.mkfifo(log)
    assert told(log) == ""
    log.unlink()
    log.mkdir()
    assert told(log) == ""
    log.rmdir()
    log.parent.rmdir()
    (tmp_path / "elsewhere").mkdir()
    os.rename(other, tmp_path / "elsewhere" / "VBox.log")
    log.parent.symlink_to(tmp_path / "elsewhere")
    assert told(log) == "" and runs.run_of("/no/such/folder/m.vbox") == ""
