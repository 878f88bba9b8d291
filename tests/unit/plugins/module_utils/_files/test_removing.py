# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removing trees that a guest has made."""

from __future__ import annotations

import errno
import os
import resource

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import extracting
from hypothesis import given
from hypothesis import strategies as st

TREES = st.recursive(
    st.sampled_from(["file", "link", "fifo"]),
    lambda trees: st.dictionaries(st.sampled_from(["a", "b\n", "c\udcff", "d" * 255]), trees, max_size=4),
    max_leaves=30,
)


@pytest.fixture
def root(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def make(name, tree, folder, outside):
    """A tree in an open folder."""
    if tree == "file":
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0, dir_fd=folder))
    elif tree == "link":
        os.symlink(outside, name, dir_fd=folder)
    elif tree == "fifo":
        os.mkfifo(name, dir_fd=folder)
    else:
        os.mkdir(name, dir_fd=folder)
        fd = os.open(name, os.O_RDONLY, dir_fd=folder)
        for each, below in tree.items():
            make(each, below, fd, outside)
        os.fchmod(fd, 0o555)
        os.close(fd)


def make_deep(name, depth, folder, below="d"):
    """Directories in each other, each with a file; a file descriptor of the lowest."""
    os.mkdir(name, dir_fd=folder)
    fd = os.open(name, os.O_RDONLY, dir_fd=folder)
    for _level in range(depth):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.mkdir(below, dir_fd=fd)
        lower = os.open(below, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = lower
    return fd


@given(tree=TREES, levels=st.integers(1, 3))
def test_any_tree_goes_and_what_links_lead_to_stays(tree, levels, tmp_path_factory):
    top = tmp_path_factory.mktemp("top")
    (top / "outside").mkdir()
    (top / "outside/kept").touch()
    fd = os.open(top, os.O_RDONLY)
    make("tree", tree, fd, top / "outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removing, "LEVELS", levels)
        removing.remove("tree", fd)
    os.close(fd)
    assert sorted(os.listdir(top)) == ["outside"] and os.listdir(top / "outside") == ["kept"]


def test_depth_costs_neither_descriptors_nor_calls_in_each_other(tmp_path, root):
    """And paths get far longer than a system call takes."""
    os.close(make_deep("deep", 5000, root, "d" * 200))
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (root + 2 * removing.LEVELS + 8, hard))
    try:
        removing.remove("deep", root)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    assert os.listdir(tmp_path) == []


def test_what_is_gone_already_is_told(tmp_path, root):
    with pytest.raises(FileNotFoundError):
        removing.remove("gone", root)
    (tmp_path / b"bytes".decode()).touch()
    removing.remove(b"bytes", root)
    assert os.listdir(tmp_path) == []


def test_a_budget_ends_it_and_the_next_run_goes_on(tmp_path, root):
    for name in "abcdef":
        (tmp_path / "tree" / name / name).mkdir(parents=True)
        (tmp_path / "tree" / name / name / "file").touch()
    left = [removing.Budget(12), removing.Budget(12)]
    for budget in left:
        with pytest.raises(OSError, match="too much is in it"):
            removing.remove("tree", root, budget)
    removing.remove("tree", root, removing.Budget(20))
    assert os.listdir(tmp_path) == []


def test_who_goes_on_writing_ends_it(tmp_path, root, monkeypatch):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/0").touch()
    unlink = os.unlink

    def write_more(name, **options):
        unlink(name, **options)
        (tmp_path / "tree" / f"{name}1").touch()

    monkeypatch.setattr(removing.os, "unlink", write_more)
    monkeypatch.setattr(removing, "PATIENCE", 3)
    with pytest.raises(OSError, match="somebody goes on writing into it"):
        removing.remove("tree", root, removing.Budget(1000))


@pytest.mark.parametrize("put", ["link", "file", None])
def test_a_directory_that_becomes_something_else_meanwhile_is_not_followed(tmp_path, root, monkeypatch, put):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").touch()
    (tmp_path / "tree/victim/file").mkdir(parents=True)
    rmdir = os.rmdir

    def swap(name, **options):
        if name == "victim" and (tmp_path / "tree/victim").is_dir() and not (tmp_path / "away").exists():
            os.rename(tmp_path / "tree/victim", tmp_path / "away")
            if put:
                make("victim", put, os.open(tmp_path / "tree", os.O_RDONLY), tmp_path / "outside")
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        rmdir(name, **options)

    monkeypatch.setattr(removing.os, "rmdir", swap)
    removing.remove("tree", root)
    assert sorted(os.listdir(tmp_path)) == ["away", "outside"] and os.listdir(tmp_path / "outside") == ["kept"]


def test_a_tree_no_deeper_than_a_package_is_removed_where_it_is(root, monkeypatch):
    """So that no directory grows, which would take of the room that is to stay free."""
    assert removing.LEVELS > extracting.DEEPEST
    os.close(make_deep("deep", extracting.DEEPEST, root))
    monkeypatch.delattr(removing.os, "rename")
    removing.remove("deep", root)


def test_nobody_else_can_write_into_what_is_being_removed(tmp_path, root, monkeypatch):
    (tmp_path / "tree/a/b").mkdir(parents=True)
    (tmp_path / "tree/a/b/c").touch()
    for path in ("tree", "tree/a", "tree/a/b"):
        (tmp_path / path).chmod(0o777)
    modes = []
    monkeypatch.setattr(removing.os, "fchmod", lambda fd, mode: modes.append((os.fstat(fd).st_ino, mode)))
    wanted = {(os.stat(tmp_path / path).st_ino, 0o700) for path in ("tree", "tree/a", "tree/a/b")}
    removing.remove("tree", root)
    assert set(modes) == wanted
