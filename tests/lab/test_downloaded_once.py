# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host downloads for few guests and for many. The machines are real and off: only the host's part is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import vagrants
from feed_server import serving
from fleet import Fleet

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
FEW, MANY = 2, 20


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host with many machines."""
    with vagrants.machines_without_guests("once") as made:
        for number in range(FEW, MANY):
            made.vbox("createvm", "--name", f"g{number + 1}", "--ostype", "Debian_64", "--register")
        for name in ("g1", "g2"):
            made.vbox("modifyvm", name, "--ostype", "Debian_64")
        yield made


def test_twenty_guests_cost_the_server_as_many_bytes_as_two(fleet: Fleet, tmp_path: Path) -> None:
    sent = {}
    with serving() as server:
        run = '<command name="run" path="run"/>'
        wanted = []
        for name in ("edit", "show"):
            element = server.implementation(name, "1", {"run": f"#!/bin/sh\necho {name}\n", "data": "x" * 100_000}, run)
            wanted.append({"name": name, "uri": server.feed(name, element), "trust": [server.fingerprint]})
        for count in (FEW, MANY):
            inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
            guests = {f"g{number}": {"cache_guest_machine": f"g{number}"} for number in range(1, count + 1)}
            variables = {"cache_guest_host": "vbox", "cache_programs_list": wanted}
            inventory["all"]["children"]["zeroinstall_guests"] = {"vars": variables, "hosts": guests}
            path = tmp_path / f"{count}.json"
            path.write_text(json.dumps(inventory), encoding="utf-8")
            shared = fleet.play("zeroinstall.virtualbox.share", "--limit", "vbox", inventory=path)
            assert shared.status == 0, shared.output
            server.requests.clear()
            play = fleet.play(
                "zeroinstall.virtualbox.programs",
                "--limit",
                "vbox",
                inventory=path,
                variables={"no_proxy": "127.0.0.1"},
            )
            assert play.status == 0, play.output
            (answer,) = play.results("vbox", "zeroinstall.virtualbox.programs")
            assert [one["name"] for one in answer["programs"]] == ["edit", "show"]
            sent[count] = sum(one.sent for one in server.requests)
            assert server.fetched(".tgz") == ["edit-1-any-any.tgz", "show-1-any-any.tgz"]
            fleet.play(
                "zeroinstall.virtualbox.programs",
                "-e",
                "cache_programs_state=absent",
                "--limit",
                "vbox",
                inventory=path,
            )
            fleet.host("find", STORE, "-mindepth", "1", "-delete")
    assert sent[MANY] == sent[FEW] > 0
