# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proving what a writable folder keeps; each fault is one that a share has been seen to have."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import mount_probe

CHECKS = ["symlinks", "executable", "times", "early_times", "rename", "names"]


def not_kept(path):
    return {finding.check: finding.detail for finding in mount_probe.prove(str(path)) if not finding.kept}


def refuse(number):
    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_plain_file_system_keeps_everything_and_is_left_as_it_was(tmp_path):
    assert mount_probe.prove(str(tmp_path)) == [
        mount_probe.Finding(str(tmp_path), check, True, check != "early_times", None) for check in CHECKS
    ]
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EPERM, "symlinks: true"), (errno.EPROTO, "5.0.0 to 5.0.4"), (errno.EIO, "Input/output")],
)
def test_refused_links(tmp_path, monkeypatch, number, words):
    monkeypatch.setattr(os, "symlink", refuse(number))
    assert words in not_kept(tmp_path)["symlinks"]
    assert os.listdir(str(tmp_path)) == []


def test_links_that_change(tmp_path, monkeypatch):
    real = os.symlink
    monkeypatch.setattr(os, "symlink", lambda target, path: real(target.replace("/", "\\"), path))
    assert "became one to" in not_kept(tmp_path)["symlinks"]


@pytest.mark.parametrize("set_", [0o100777, 0o100644])
def test_modes_that_are_flattened(tmp_path, monkeypatch, set_):
    real = os.chmod
    monkeypatch.setattr(os, "chmod", lambda path, _mode: real(path, set_))
    assert "fmode" in not_kept(tmp_path)["executable"]


def utime_by(change):
    real = os.utime
    return lambda path, ns: real(path, ns=tuple(map(change, ns)))


def test_coarse_times(tmp_path, monkeypatch):
    even = 2 * 10**9
    monkeypatch.setattr(os, "utime", utime_by(lambda time: time // even * even))
    assert "The time 1.000000000 s became 0.000000000 s" in not_kept(tmp_path)["times"]


def test_times_that_are_rounded_up(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "utime", utime_by(lambda time: round(time, -9)))
    assert "The time 1000000008.999999999 s became 1000000009.000000000 s" in not_kept(tmp_path)["times"]


def test_early_times_as_vboxsf_keeps_them(tmp_path, monkeypatch):
    """Whole seconds, rounded down; 0 is taken for no time at all. It is told, and no mount is blamed for it."""
    now = 1_700_000_000 * 10**9
    monkeypatch.setattr(os, "utime", utime_by(lambda time: time // 10**9 * 10**9 or now))
    (lost,) = (finding for finding in mount_probe.prove(str(tmp_path)) if not finding.kept)
    assert (lost.check, lost.required) == ("early_times", False)
    assert "The time 0.000000000 s became 1700000000.000000000 s" in lost.detail
    monkeypatch.setattr(mount_probe, "EARLY_TIMES", (-3 * 10**9 // 2,))
    assert "The time -1.500000000 s became -2.000000000 s" in not_kept(tmp_path)["early_times"]


def test_normalised_names(tmp_path, monkeypatch):
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [name.replace("A\u030a", "\u00c5") for name in real(path)])
    assert "iocharset" in not_kept(tmp_path)["names"]


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        mount_probe.prove(str(tmp_path / "none"))


def test_a_full_disk_is_not_written_to(tmp_path, monkeypatch):
    full = os.statvfs_result((4096, 4096, 1000, 500, 15, 9, 9, 9, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    monkeypatch.setattr(mount_probe.tempfile, "mkdtemp", lambda **_options: pytest.fail("it wrote something"))
    with pytest.raises(OSError, match="No space left"):
        mount_probe.prove(str(tmp_path))
