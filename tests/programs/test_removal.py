# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what no program needs any more, from a store that the real 0install filled, beside real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import OTHER, Machine
from feed_server import FeedServer
from labkit.waiting import HANG
from test_downloading import RUN, program

WAITS = "#!/bin/sh\necho started\nread line\n"


def downloaded(answer: dict[str, Any]) -> dict[str, str]:
    """The implementation that came for each program."""
    return {one["name"]: one["downloaded"][0] for one in answer["programs"] if one["downloaded"]}


def names(answer: dict[str, Any], key: str) -> list[str]:
    """The implementations of an answer."""
    return [one["name"] for one in answer[key]]


def test_only_what_no_program_needs_goes(machine: Machine, server: FeedServer) -> None:
    gone, kept = program(server, "gone", "1"), program(server, "kept", "1")
    came = downloaded(machine.download(gone, kept))
    foreign = machine.store / ("sha1=" + "0" * 40)
    foreign.mkdir()
    answer = machine.download(kept)
    every = [*came.values(), foreign.name]
    check = machine.remove(*every, check_mode=True)
    assert (names(check, "removed"), machine.names()) == ([came["gone"]], set(every))
    done = machine.remove(*every)
    assert {**done, "diff": None} == {**check, "diff": None} and done["changed"]
    assert done["removed"] == answer["unused"]
    assert machine.names() == {came["kept"], foreign.name}
    assert os.listdir(machine.store.parent) == [machine.store.name]
    assert (machine.remove(*every)["changed"], machine.download(kept)["unused"]) == (False, [])
    assert machine.said(machine.download(gone, kept)["programs"][0]["document"]) == "gone 1 *-*"


def test_only_what_was_asked_about_goes(machine: Machine, server: FeedServer) -> None:
    came = downloaded(machine.download(*(program(server, name, "1") for name in ("one", "two"))))
    machine.download()
    assert names(machine.remove(came["one"]), "removed") == [came["one"]]
    assert machine.names() == {came["two"]}


def test_what_a_program_can_go_back_to_is_needed_as_long_as_that_is_wanted(
    machine: Machine, server: FeedServer
) -> None:
    old = downloaded(machine.download(program(server, "edit", "1")))["edit"]
    new = program(server, "edit", "1", "2")
    assert machine.download(new, update=True)["unused"] == []
    assert names(machine.remove(old), "removed") == []
    assert names(machine.download(new, keep=1), "unused") == [old]
    assert names(machine.remove(old, keep=1), "removed") == [old]
    assert downloaded(machine.download({**new, "version": "1"})) == {"edit": old}
    assert "keep is 0. Write a number from 1 to 10." in machine.download(new, keep=0)["msg"]


def test_what_another_arrangement_ever_had_stays(machine: Machine, server: FeedServer) -> None:
    mine, theirs = program(server, "mine", "1"), program(server, "theirs", "1")
    came = {**downloaded(machine.download(mine)), **downloaded(machine.download(theirs, arrangement="other"))}
    newer = program(server, "theirs", "1", "2")
    came["newer"] = downloaded(machine.download(newer, arrangement="other", update=True))["theirs"]
    assert machine.download(arrangement="third")["unused"] == []
    machine.download(arrangement="other")
    assert names(machine.download(keep=1), "unused") == [came["mine"]]
    assert names(machine.remove(*came.values(), keep=1), "removed") == [came["mine"]]
    assert names(machine.remove(came["theirs"], arrangement="other"), "removed") == [came["theirs"]]


def test_what_is_forgotten_is_nobodys_to_remove(machine: Machine, server: FeedServer) -> None:
    both, mine = program(server, "both", "1"), program(server, "mine", "1")
    came = downloaded(machine.download(both, mine))
    machine.download(both, arrangement="other")
    forgotten = machine.download(state="absent")
    assert (forgotten["changed"], forgotten["arrangements"]) == (True, ["other"])
    assert machine.download(state="absent")["changed"] is False
    machine.download(arrangement="other")
    assert names(machine.remove(*came.values(), arrangement="other"), "removed") == [came["both"]]
    assert machine.download(state="absent", arrangement="other")["arrangements"] == []
    assert machine.names() == {came["mine"]}


def test_check_mode_knows_what_the_run_before_would_have_known(machine: Machine, server: FeedServer) -> None:
    gone, kept = program(server, "gone", "1"), program(server, "kept", "1")
    came = downloaded(machine.download(gone, kept))
    unused = machine.download(kept, check_mode=True)["unused"]
    assert [one["name"] for one in unused] == [came["gone"]]
    assert machine.remove(came["gone"], check_mode=True, unsaved=True)["removed"] == unused
    for check_mode, unsaved in ((True, False), (False, True), (False, False)):
        assert machine.remove(came["gone"], check_mode=check_mode, unsaved=unsaved)["removed"] == []


def test_where_not_all_programs_are_known_none_is_given_up(machine: Machine, server: FeedServer) -> None:
    known, unknown = program(server, "known", "1"), program(server, "unknown", "1")
    came = downloaded(machine.download(known, unknown))
    assert machine.download(known, exclusive=False)["unused"] == []
    assert machine.remove(*came.values())["removed"] == []
    assert names(machine.download(known), "unused") == [came["unknown"]]
    assert machine.download(known, exclusive=False)["unused"] != []


def test_what_runs_stays_until_it_ends(machine: Machine, server: FeedServer) -> None:
    element = server.implementation("wait", "1", {"run": WAITS}, RUN)
    asked = {"name": "wait", "uri": server.feed("wait", element), "trust": [server.fingerprint]}
    answer = machine.download(asked)
    (name,) = downloaded(answer).values()
    machine.download()
    document = machine.folder / "document.xml"
    document.write_text(answer["programs"][0]["document"], encoding="utf-8")
    home = machine.folder / "home"
    home.mkdir()
    shutil.chown(home, OTHER)
    with subprocess.Popen(
        ["0install", "run", "--console", "--offline", document],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_DIRS": str(machine.folder / "cache")},
        user=OTHER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout and running.stdout.readline() == "started\n"
        (used,) = machine.remove(name)["used"]
        assert used["name"] == name and used["by"][0].startswith(f"process {running.pid} (")
        assert machine.names() == {name}
        running.communicate("\n", timeout=HANG)
    assert names(machine.remove(name), "removed") == [name]


@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_what_a_killed_run_moved_out_is_ended(machine: Machine, server: FeedServer, used: bool) -> None:
    (name,) = downloaded(machine.download(program(server, "gone", "1"))).values()
    machine.download()
    out = Path(f"{machine.store}.removed")
    out.mkdir(mode=0o700)
    (machine.store / name).rename(out / name)
    with subprocess.Popen(["sleep", "infinity"], cwd=out / name if used else None) as process:
        answer = machine.remove(name)
        process.kill()
    assert (machine.names(), out.exists()) == ({name} if used else set(), False)
    assert names(answer, "used") == [name] * used


def test_bad_input_is_refused(machine: Machine) -> None:
    assert machine.remove(keep=0)["msg"] == "keep is 0. Write a number from 1 to 10."
    assert "cannot name an arrangement" in machine.remove(arrangement="a b")["msg"]
    assert "is not the name of an implementation" in machine.remove("../x")["msg"]
    assert machine.run("uses", {"names": ["--x"], "documents": []}, user="root")["msg"].startswith("'--x' is not")
