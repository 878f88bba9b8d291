# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a store and drop boxes, of users who are nobody else on this machine."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import collection
import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass
from hosts import Host
from labkit.waiting import HANG

assert collection.FINDER, "it makes ansible_collections importable for the test modules"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for another pass, such as what is left of one that was killed, until it hangs."""
    monkeypatch.setattr(one_pass, "_PATIENCE", HANG)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that other users can reach, on a disk."""
    path = Path(tempfile.mkdtemp(prefix=f"zeroinstall-{request.function.__name__[:80]}-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    subprocess.run(["rm", "-rf", "--", path], check=True, timeout=HANG)


@pytest.fixture
def host(folder: Path) -> Host:
    """A host with the boxes of three guests."""
    return Host(folder)
