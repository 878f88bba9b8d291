# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the collection importable as Ansible does, and keep what the tests put on disk."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import collection
import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verified_before
from labkit.waiting import HANG

assert collection.FINDER, "it makes ansible_collections importable for the test modules"


@pytest.fixture(scope="session")
def space() -> Iterator[Path]:
    """A folder that other users can reach, for trees that pytest cannot remove: too deep, or with odd names."""
    path = Path(tempfile.mkdtemp(prefix="zeroinstall-store-"))
    path.chmod(0o755)
    yield path
    subprocess.run(["rm", "-rf", "--", path], check=False, timeout=HANG)


@pytest.fixture
def folder(space: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder in ``space`` for one test, which removes it at its end."""
    path = Path(tempfile.mkdtemp(prefix=f"{request.function.__name__[:100]}-", dir=space))
    path.chmod(0o755)
    yield path
    subprocess.run(["rm", "-rf", "--", path], check=False, timeout=HANG)


@pytest.fixture(scope="session")
def disk(space: Path) -> Iterator[Path]:
    """A folder on a file system for which records are kept: that of temporary files, or else an image's."""
    fd = os.open(space, os.O_RDONLY)
    fits = verified_before.file_system(fd) in verified_before.FILE_SYSTEMS
    os.close(fd)
    disk = space / "disk"
    disk.mkdir()
    if not fits:
        image = space / "image"
        with image.open("wb") as file:
            file.truncate(4 << 30)
        subprocess.run(["mkfs.ext4", "-q", image], check=True, timeout=HANG)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True, timeout=HANG)
    yield disk
    if not fits:
        subprocess.run(["umount", "--lazy", disk], check=True, timeout=HANG)


def pytest_configure(config: pytest.Config) -> None:
    """Register this folder's marker."""
    config.addinivalue_line("markers", "real_pause: with the library's own wait for the times of file systems")
