# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say of the Guest Additions of a real guest, and what they prove on real writable shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet

PLAYBOOK = str(Path(__file__).with_name("additions.yml"))
CHECK = "zeroinstall.virtualbox.additions_check"
SYMLINKS = "VBoxInternal2/SharedFoldersEnableSymlinksCreate"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A guest with the writable shares ``plain``, and ``links`` where its host allows symbolic links."""
    with Fleet("additions", ("g1",)).running(quiet=True) as made:
        made.lab("stop", "g1")
        for name in ("plain", "links"):
            made.host("mkdir", f"/srv/{name}")
            made.vbox("sharedfolder", "add", "g1", f"--name={name}", f"--hostpath=/srv/{name}")
        made.vbox("sharedfolder", "modify", "g1", "--name=links", "--symlink-policy=relative")
        made.vbox("setextradata", "g1", f"{SYMLINKS}/links", "1")
        made.lab("start", "g1")
        for name in ("plain", "links"):
            made.guest("g1", f"mkdir /mnt/{name} && mount -t vboxsf {name} /mnt/{name}")
        yield made


@pytest.fixture(scope="module")
def results(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """The results of the playbook's tasks, by task."""
    play = fleet.play(PLAYBOOK)
    assert play.status == 0, play.output
    return {task["task"]["name"]: result for task in play.tasks for result in task["hosts"].values()}


def test_guest_and_host_tell_the_same_version(fleet: Fleet, results: dict[str, dict[str, Any]]) -> None:
    """The mainline driver: it tells its host 6.0.0, whatever the kernel, and has no version in the guest."""
    told = fleet.vbox("showvminfo", "g1", "--machinereadable")
    (machine,) = results["Read the host"]["machines"]
    assert f'GuestAdditionsVersion="{machine["additions_version"]}' in told
    found = results["Check without a path"]["additions"]
    assert (found["origin"], found["problem"], machine["additions_version"]) == ("mainline", None, "6.0.0")
    assert found["version"] in (None, "6.0.0")


def test_a_share_without_symlinks_is_told_and_all_else_is_kept(results: dict[str, dict[str, Any]]) -> None:
    result = results["Prove plain"]
    lost = {finding["check"]: finding["detail"] for finding in result["proof"] if not finding["kept"]}
    assert list(lost) == ["symlinks"], result
    assert "The host refuses symbolic links" in lost["symlinks"] and "symlinks: true" in lost["symlinks"]
    assert result["problems"] == [f"/mnt/plain: {lost['symlinks']}"]


def test_a_share_with_symlinks_keeps_everything(results: dict[str, dict[str, Any]]) -> None:
    result = results["Prove links"]
    assert [finding["kept"] for finding in result["proof"]] == [True] * 5, result
    assert result["problems"] == []


def test_nothing_is_left_behind(fleet: Fleet, results: dict[str, dict[str, Any]]) -> None:
    assert results
    assert fleet.host("ls", "-A", "/srv/plain", "/srv/links").stdout == "/srv/links:\n\n/srv/plain:\n"


def test_check_mode_writes_nothing_and_proves_nothing(fleet: Fleet) -> None:
    play = fleet.play(PLAYBOOK, "--check", "--limit", "g1", "--tags", "plain")
    (result,) = play.results("g1", CHECK)
    assert (play.status, result["proof"], result["problems"]) == (0, [], [])
