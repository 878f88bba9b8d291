# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's modules on a real VirtualBox: each scenario of each integration target, and two controllers at once."""

from __future__ import annotations

import concurrent.futures
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet import Fleet

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "setup_virtualbox_manage": "/usr/lib/virtualbox/VBoxManage",
    "setup_virtualbox_launcher": "/srv/lab/launcher/vblaunch",
    "setup_virtualbox_modify": ["--vm-execution-engine=interpreter"],
}
"""What the lab's host needs to run machines without VirtualBox's driver; see targets/setup_virtualbox/defaults."""


def scenarios() -> list[tuple[str, str]]:
    """Targets and their scenarios."""
    return [
        (path.parts[-3], scenario)
        for path in sorted(HERE.glob("targets/*/defaults/main.yml"))
        for scenario in yaml.safe_load(path.read_text(encoding="utf-8")).get(f"{path.parts[-3]}_scenarios", [])
    ]


@pytest.fixture(scope="module")
def host() -> Iterator[Fleet]:
    """A VirtualBox host of the lab without guests."""
    with Fleet("integration", ()).running(quiet=True) as made:
        yield made


@pytest.mark.parametrize(("target", "scenario"), scenarios())
def test_target(host: Fleet, target: str, scenario: str) -> None:
    variables = {**SETTINGS, "target": target, "scenarios": [scenario]}
    play = host.play(str(HERE / "targets/target.yml"), "-e", json.dumps(variables))
    if play.status:
        pytest.fail(play.messages("vbox") or play.output, pytrace=False)
    assert play.hosts["vbox"]["ok"] > 10, play.output


def share(host: Fleet, name: str, **variables: Any) -> dict[str, Any]:
    """The result of the playbook with one ``shares`` task; ``name`` is that of its log."""
    folder = host.folder / name
    folder.mkdir()
    alone = copy.copy(host)
    alone.folder = folder
    (folder / "ansible.cfg").symlink_to(host.folder / "ansible.cfg")
    play = alone.play(str(HERE / "shares.yml"), "-e", json.dumps(variables))
    if play.status:
        pytest.fail(play.messages("vbox") or play.output, pytrace=False)
    return play.results("vbox", "zeroinstall.virtualbox.shares")[0]


@pytest.mark.parametrize("identical", [False, True])
def test_two_controllers_at_once_lose_nothing(host: Fleet, identical: bool) -> None:
    names = [f"{'same' if identical else 'other'}{number}" for number in range(4)]
    for name in names:
        host.vbox("createvm", "--name", name, "--register")
    count = 0
    for round_ in range(3):
        wishes = [
            [{"name": f"s{round_}{'' if identical else side}", "path": "/srv", "writable": bool(round_ % 2)}]
            for side in ("a", "b")
        ]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = list(
                pool.map(
                    lambda pair: share(
                        host, f"{names[0]}-{pair[0]}", machines=[{"machine": name, "shares": pair[1]} for name in names]
                    ),
                    [(f"{round_}{side}", wish) for side, wish in zip("ab", wishes, strict=True)],
                )
            )
        added = [
            (item["name"], change["share"])
            for result in results
            for item in result["machines"]
            for change in item["changes"]
        ]
        assert len(added) == len(set(added)) == len(names) * (1 if identical else 2), results
        count += 1 if identical else 2
        assert not any(result["pending"] for result in results)
    for name in names:
        assert host.vbox("showvminfo", name).count("(machine mapping)") == count
