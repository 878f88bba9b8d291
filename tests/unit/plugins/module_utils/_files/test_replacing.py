# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replacing files whole or not at all, on real files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing

COLLECTIONS = str(Path(replacing.__file__).parents[6])


def test_bytes_that_are_no_utf8_and_line_ends_survive(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"a\xff\r\nb\rc\n")
    text = replacing.read(str(file))
    replacing.replace(str(file), text + "d")
    assert file.read_bytes() == b"a\xff\r\nb\rc\nd"


def test_no_file_is_none(tmp_path):
    assert replacing.read(str(tmp_path / "none")) is None


def test_mode_owner_and_attributes_stay(tmp_path):
    file = tmp_path / "f"
    file.write_text("old")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(str(file), 12, 34)
    try:
        os.setxattr(str(file), "user.mark", b"x")
        marked = True
    except OSError:  # the file system has none
        marked = False
    before = file.stat()
    replacing.replace(str(file), "new")
    after = file.stat()
    assert file.read_text() == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert not marked or os.getxattr(str(file), "user.mark") == b"x"
    assert os.listdir(str(tmp_path)) == ["f"]


def test_a_new_file_has_the_mode_that_is_asked_for(tmp_path):
    replacing.replace(str(tmp_path / "f"), "new", 0o600)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_link_is_replaced_and_never_followed(tmp_path):
    target, link = tmp_path / "target", str(tmp_path / "link")
    target.write_text("theirs")
    target.chmod(0o600)
    replacing.replace(link, replacing.Link(str(target)))
    assert replacing.content(link) == replacing.Link(str(target))
    replacing.replace(link, "ours")
    assert (replacing.content(link), target.read_text()) == ("ours", "theirs")
    assert stat.S_IMODE(os.stat(link).st_mode) == 0o644
    replacing.replace(link, replacing.Link("/nowhere"))
    assert os.readlink(link) == "/nowhere"
    assert sorted(os.listdir(str(tmp_path))) == ["link", "target"]


def test_what_is_at_a_path(tmp_path):
    assert replacing.content(str(tmp_path / "none")) is None
    with pytest.raises(Failure, match="is no regular file"):
        replacing.content(str(tmp_path))


def test_nothing_is_changed_before_the_commit_nor_by_a_discard(tmp_path):
    file = tmp_path / "f"
    file.write_text("old")
    replacement = replacing.Replacement(str(file), "new")
    assert file.read_text() == "old"
    replacement.discard()
    replacement.discard()
    assert file.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["f"]


def test_a_replacement_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failure, match="folder"):
        replacing.replace(str(tmp_path / "folder"), "new")
    assert os.listdir(str(tmp_path)) == ["folder"]
    with pytest.raises(Failure, match="No such file"):
        replacing.replace(str(tmp_path / "none/f"), "new")


def test_a_link_is_followed_only_if_it_and_its_target_can_be_trusted(tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("")
    link.symlink_to("target")
    assert replacing.real(str(link)) == str(target)
    assert replacing.real(str(target)) == str(target)
    assert replacing.real(str(tmp_path / "none")) == str(tmp_path / "none")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(Failure, match="does not exist"):
        replacing.real(str(tmp_path / "dangling"))
    with pytest.raises(Failure, match="no regular file"):
        replacing.real(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("given", ["link", "target"])
def test_a_link_of_somebody_elses_is_refused(tmp_path, given):
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to("target")
    os.chown(str(tmp_path / given), 1234, 1234, follow_symlinks=False)
    with pytest.raises(Failure, match="belongs to user 1234"):
        replacing.real(str(tmp_path / "link"))


def test_no_folder_is_found_without_writing(tmp_path):
    replacing.check_writable(str(tmp_path / "new"))
    with pytest.raises(Failure, match="there is no folder"):
        replacing.check_writable(str(tmp_path / "none/f"))
    assert os.listdir(str(tmp_path)) == []


HOLD = """
import sys
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing as _files
with _files.locked(sys.argv[1], folder=sys.argv[1].endswith("folder")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["file", "folder"])
def held(tmp_path, request):
    """A file or a folder that another process holds as a lock: its path, whether it is a folder, and how to let go."""
    lock = str(tmp_path / request.param)
    if request.param == "folder":
        os.mkdir(lock)
    command = [sys.executable, "-c", HOLD, lock]
    environment = dict(os.environ, PYTHONPATH=COLLECTIONS)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdout.readline() == b"held\n"
        yield lock, request.param == "folder", process.stdin.close


def test_a_lock_is_waited_for(held, monkeypatch, hang):
    """The other lets go only once somebody waits."""
    lock, folder, let_go = held
    waits = []
    sleep = time.sleep

    def wait(seconds):
        waits.append(seconds)
        let_go()
        sleep(seconds)

    monkeypatch.setattr(replacing.time, "sleep", wait)
    with replacing.locked(lock, hang, folder=folder):
        assert waits


def test_the_wait_for_a_lock_has_an_end(held):
    lock, folder, _let_go = held
    again = replacing.locked(lock, 0.1, "The thing", folder, held="Be patient.")
    with pytest.raises(Failure) as failure:
        again.__enter__()
    assert str(failure.value) == f"The thing {lock} has been held by another run for 0 s. Be patient."


def test_a_lock_file_is_no_link(tmp_path):
    (tmp_path / "lock").symlink_to("target")
    with pytest.raises(Failure, match="lock"), replacing.locked(str(tmp_path / "lock")):
        pytest.fail("a link was followed")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("folder", [True, False])
def test_a_lock_that_cannot_be_opened_says_what_to_do_and_makes_nothing(tmp_path, folder):
    lock = str(tmp_path / "none/lock")
    with pytest.raises(Failure) as failure, replacing.locked(lock, 1, "The thing", folder, unopened="Make it."):
        pytest.fail("entered")
    assert str(failure.value) == f"The thing {lock} cannot be opened: No such file or directory. Make it."
    assert os.listdir(str(tmp_path)) == []


def test_a_missing_folder_is_not_made(tmp_path):
    with pytest.raises(Failure), replacing.locked(str(tmp_path / "none"), 1, folder=True):
        pytest.fail("entered")
    assert os.listdir(str(tmp_path)) == []


def test_a_file_in_an_open_folder_is_replaced_there_wherever_its_path_leads(tmp_path):
    for name in ("folder", "trap"):
        (tmp_path / name).mkdir()
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "trap" / "f").symlink_to(tmp_path / "victim")
    path = str(tmp_path / "folder" / "f")
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / "trap").rename(tmp_path / "folder")
    try:
        for text in ("old", "new"):
            replacing.replace_within(folder, path, text, 0o600)
        with replacing.locked(str(tmp_path / "folder" / "lock"), within=folder):
            pass
    finally:
        os.close(folder)
    assert (tmp_path / "moved" / "f").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "moved" / "f").stat().st_mode) == 0o600
    assert sorted(os.listdir(str(tmp_path / "moved"))) == ["f", "lock"]
    assert os.listdir(str(tmp_path / "folder")) == ["f"] and (tmp_path / "victim").read_text() == "untouched"


def test_a_file_that_cannot_be_replaced_in_an_open_folder_is_as_it_was(tmp_path, monkeypatch):
    folder = os.open(str(tmp_path), os.O_RDONLY)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    try:
        replacing.replace_within(folder, "/somewhere/f", "old", 0o600)
        monkeypatch.setattr(replacing.os, "fsync", full)
        with pytest.raises(Failure, match="/somewhere/f cannot be written: No space left"):
            replacing.replace_within(folder, "/somewhere/f", "new", 0o600)
    finally:
        os.close(folder)
    assert os.listdir(str(tmp_path)) == ["f"] and (tmp_path / "f").read_text() == "old"


@pytest.mark.parametrize("there", [True, False])
def test_a_rename_needs_no_ctypes(tmp_path, monkeypatch, there):
    (tmp_path / "old").mkdir()
    if not there:
        monkeypatch.setitem(sys.modules, "ctypes", None)
    folder = os.open(str(tmp_path), os.O_RDONLY)
    try:
        replacing.rename_new("old", folder, "new", folder)
        with pytest.raises(FileNotFoundError):
            replacing.rename_new("old", folder, "newer", folder)
    finally:
        os.close(folder)
    assert os.listdir(str(tmp_path)) == ["new"]
