# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's downloads with the real 0install and the real GnuPG, from a server on the loopback."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import USER, Machine
from feed_server import FeedServer
from labkit.waiting import until

BOTH = ["Linux-x86_64", "Linux-i686"]
RUN = '<command name="run" path="run"/>'


def shell(text: str) -> dict[str, str]:
    """The files of a program that says this, and then its arguments."""
    return {"run": f'#!/bin/sh\necho {text} "$@"\n'}


def program(server: FeedServer, name: str, *versions: str, systems: list[str] | None = None) -> dict[str, Any]:
    """Serve a program that says its name, version and system; what a user writes to have it."""
    elements = [
        server.implementation(name, version, shell(f"{name} {version} {system}"), RUN, system)
        for version in versions
        for system in systems or ["*-*"]
    ]
    return {"name": name, "uri": server.feed(name, "".join(elements)), "trust": [server.fingerprint]}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of two megabytes in the place of a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "small", folder], check=True)
    try:
        shutil.chown(folder, USER)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def versions(answer: dict[str, Any]) -> dict[str, str]:
    """The version of each program."""
    return {one["name"]: one["version"] for one in answer["programs"]}


def test_everything_is_downloaded_once_and_another_user_runs_it(machine: Machine, server: FeedServer) -> None:
    asked = {**program(server, "edit", "1", "2", systems=BOTH), "systems": BOTH}
    library = server.feed("library", server.implementation("library", "7", {"text": "from the library\n"}))
    needs = (
        f'<requires interface="{library}"><environment name="LIBRARY" insert="text" mode="replace"/></requires>'
        '<command name="run" path="run"/>'
    )
    files = {"run": '#!/bin/sh\ncat "$LIBRARY"\n'}
    other = {**asked, "name": "other", "uri": server.feed("other", server.implementation("other", "1", files, needs))}
    answer = machine.download(asked, other)
    assert (answer["changed"], answer["failed_programs"], answer["unused"]) == (True, [], [])
    assert [(one["name"], one["system"], one["version"], one["before"]) for one in answer["programs"]] == [
        ("edit", "Linux-x86_64", "2", ""),
        ("edit", "Linux-i686", "2", ""),
        ("other", "Linux-x86_64", "1", ""),
        ("other", "Linux-i686", "1", ""),
    ]
    assert sorted(server.fetched(".tgz")) == [
        "edit-2-Linux-i686.tgz",
        "edit-2-Linux-x86_64.tgz",
        "library-7-any-any.tgz",
        "other-1-any-any.tgz",
    ]
    assert machine.said(answer["programs"][0]["document"], "a b", "-c") == "edit 2 Linux-x86_64 a b -c"
    assert machine.said(answer["programs"][2]["document"]) == "from the library"
    assert len(machine.names()) == 4
    server.requests.clear()
    again = machine.download(asked, other)
    assert (again["changed"], server.requests) == (False, [])
    assert [one["document"] for one in again["programs"]] == [one["document"] for one in answer["programs"]]


def test_check_mode_tells_what_would_come_and_leaves_everything(machine: Machine, server: FeedServer) -> None:
    asked = program(server, "edit", "1")
    check = machine.download(asked, check_mode=True)
    assert (check["changed"], versions(check), check["diff"]["after"]) == (
        True,
        {"edit": "1"},
        "edit for Linux-x86_64: 1\n",
    )
    assert (server.fetched(".tgz"), machine.names(), os.listdir(machine.known)) == ([], set(), [])
    real = machine.download(asked)
    assert (real["diff"], real["programs"][0]["downloaded"]) == (check["diff"], check["programs"][0]["downloaded"])


def test_a_version_stays_until_another_is_wanted_and_an_older_one_comes_back_as_it_was(
    machine: Machine, server: FeedServer
) -> None:
    asked = program(server, "edit", "1")
    first = machine.download(asked)["programs"][0]["document"]
    program(server, "edit", "1", "2")
    assert (machine.download(asked)["changed"], server.fetched("2-any-any.tgz")) == (False, [])
    update = machine.download(asked, update=True)
    assert (update["programs"][0]["before"], versions(update)) == ("1", {"edit": "2"})
    assert (update["diff"]["before"], update["diff"]["after"]) == (
        "edit for Linux-x86_64: 1\n",
        "edit for Linux-x86_64: 2\n",
    )
    server.requests.clear()
    back = machine.download({**asked, "version": "1"})
    assert (back["changed"], back["programs"][0]["document"], server.requests) == (True, first, [])
    assert machine.said(first) == "edit 1 *-*"
    assert versions(machine.download(asked)) == {"edit": "1"}
    assert versions(machine.download(asked, update=True)) == {"edit": "2"}


def test_another_version_of_what_a_program_needs_is_a_change(machine: Machine, server: FeedServer) -> None:
    library = server.feed("library", server.implementation("library", "7", {"text": "seven"}))
    needs = f'<requires interface="{library}"/>{RUN}'
    uri = server.feed("edit", server.implementation("edit", "1", shell("edit"), needs))
    asked = {"name": "edit", "uri": uri, "trust": [server.fingerprint]}
    machine.download(asked)
    server.feed("library", server.implementation("library", "8", {"text": "eight"}))
    check = machine.download(asked, update=True, check_mode=True)
    assert (check["changed"], check["programs"][0]["before"], versions(check)) == (True, "1", {"edit": "1"})
    assert check["diff"]["before"] == f"edit for Linux-x86_64: 1\n  {library} 7\n"
    assert check["diff"]["after"] == f"edit for Linux-x86_64: 1\n  {library} 8\n"
    assert machine.download(asked, update=True)["diff"] == check["diff"]
    assert machine.download(asked, update=True)["changed"] is False


def test_what_is_lost_from_the_store_comes_again(machine: Machine, server: FeedServer) -> None:
    asked = program(server, "edit", "1")
    answer = machine.download(asked)
    (name,) = machine.names()
    (machine.store / name).rename(machine.folder / "lost")
    again = machine.download(asked)
    assert (again["changed"], again["programs"][0]["downloaded"], machine.names()) == (True, [name], {name})
    assert machine.said(answer["programs"][0]["document"]) == "edit 1 *-*"


def test_what_a_feed_leaves_to_a_distribution_is_left_to_the_guest(machine: Machine, server: FeedServer) -> None:
    """Whatever this machine has installed: the package of the test does not exist, and the system is another one."""
    package = '<package-implementation package="no-such-python" main="/usr/bin/python3" distributions="Debian RPM"/>'
    python = server.feed("python", package)
    bound = '<version not-before="3.1" before="4"/>'
    runner = f'<command name="run" path="run"><runner interface="{python}">{bound}</runner></command>'
    element = server.implementation("app", "1", {"run": "print('it ran')\n"}, runner)
    asked = {
        "name": "app",
        "uri": server.feed("app", element),
        "trust": [server.fingerprint],
        "systems": ["Linux-aarch64"],
    }
    answer = machine.download(asked)
    (one,) = answer["programs"]
    (needed,) = one["packages"]
    assert (needed["interface"], needed["commands"], needed["versions"]) == (python, ["run"], ["3.1..!4"])
    assert 'package="no-such-python"' in needed["feed"] and "Debian RPM" in needed["feed"]
    assert (server.fetched(".tgz"), len(machine.names())) == (["app-1-any-any.tgz"], 1)
    assert machine.download(asked)["programs"][0]["packages"] == one["packages"]


def test_a_feeds_own_implementation_is_better_than_a_package(machine: Machine, server: FeedServer) -> None:
    own = server.implementation("shell", "0.5", shell("own"), RUN)
    uri = server.feed("shell", f'<package-implementation package="dash" main="/bin/sh" distributions="Debian"/>{own}')
    answer = machine.download({"name": "shell", "uri": uri, "trust": [server.fingerprint]})
    assert (versions(answer), answer["programs"][0]["packages"]) == ({"shell": "0.5"}, [])


def unknown_key(server: FeedServer) -> str:
    """Sign by another key; what is said of it."""
    old = server.fingerprint
    key = server.new_key()
    program(server, "edit", "1", "2")
    server.fingerprint = old
    return f"is signed with {key}, which it does not trust"


def wrong_signature(server: FeedServer) -> str:
    """Change a feed that is signed."""
    program(server, "edit", "1", "2")
    server.change("edit.xml", b"<summary>edit", b"<summary>evil")
    return "BAD signature"


def corrupt_archive(server: FeedServer) -> str:
    """Serve another archive than the digest is of."""
    server.feed("edit", server.implementation("edit", "2", shell("edit 2"), RUN, digest="A" * 52))
    return "Incorrect manifest -- archive is corrupted"


def cut_connection(server: FeedServer) -> str:
    """End in the middle of an archive."""
    program(server, "edit", "1", "2")
    server.cut.add("edit-2-any-any.tgz")
    return "edit-2-any-any.tgz"


def no_archive(server: FeedServer) -> str:
    """Serve a feed whose archive is not there."""
    program(server, "edit", "1", "2")
    server.remove("edit-2-any-any.tgz")
    return "edit-2-any-any.tgz"


def test_a_proxy_of_the_environment_is_asked(machine: Machine, server: FeedServer) -> None:
    machine.proxy = server.own_address
    server.proxy_for = "http://feeds.example.com"
    asked = program(server, "edit", "1")
    assert asked["uri"] == "http://feeds.example.com/edit.xml"
    assert versions(machine.download(asked)) == {"edit": "1"}
    assert server.fetched(".tgz") == ["edit-1-any-any.tgz"]


@pytest.mark.parametrize("harm", [unknown_key, wrong_signature, corrupt_archive, cut_connection, no_archive])
def test_what_fails_keeps_its_old_version_and_nothing_from_the_others(
    machine: Machine, server: FeedServer, harm: Any
) -> None:
    asked = program(server, "edit", "1")
    first = machine.download(asked)
    other = program(server, "other", "1")
    words = harm(server)
    answer = machine.download(asked, other, update=True)
    assert [one["name"] for one in answer["failed_programs"]] == ["edit"]
    assert words in answer["failed_programs"][0]["problem"], answer
    assert versions(answer) == {"edit": "1", "other": "1"}
    assert answer["programs"][0]["document"] == first["programs"][0]["document"]
    assert machine.said(answer["programs"][0]["document"]) == "edit 1 *-*"
    assert len(machine.names()) == 2 and sorted(os.listdir(machine.known)) == ["lock", "record.json"]
    assert versions(machine.download(asked, other)) == {"edit": "1", "other": "1"}


@pytest.mark.parametrize("place", ["cache", "known"])
def test_a_full_disk_keeps_the_old_version_until_there_is_room(
    machine: Machine, server: FeedServer, place: str
) -> None:
    folder = machine.folder / place
    with small_disk(folder):
        for path in (machine.store, machine.known):
            path.mkdir(parents=True, exist_ok=True)
            shutil.chown(path, USER)
        asked = program(server, "edit", "1")
        machine.download(asked)
        big = {**shell("edit 2"), "data": "".join(f"{number}\n" for number in range(400_000))}
        server.feed("edit", server.implementation("edit", "2", big, RUN))
        answer = machine.download(asked, program(server, "other", "1"), update=True)
        assert versions(answer) == {"edit": "1", "other": "1"}
        assert f"the disk of {machine.store} or of {machine.known} is full" in answer["failed_programs"][0]["problem"]
        assert not [name for name in machine.names() if name.startswith("tmp")]
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        assert versions(machine.download(asked, update=True)) == {"edit": "2"}


def test_a_key_that_one_program_trusts_signs_nothing_for_another(machine: Machine, server: FeedServer) -> None:
    mine = program(server, "mine", "1")
    server.new_key()
    other = {**program(server, "other", "1"), "trust": mine["trust"]}
    answer = machine.download(mine, other)
    assert versions(answer) == {"mine": "1"} and "does not trust" in answer["failed_programs"][0]["problem"]


def test_a_server_that_says_nothing_is_given_up(machine: Machine, server: FeedServer) -> None:
    asked = program(server, "edit", "1")
    server.held.add("edit-1-any-any.tgz")
    answer = machine.download(asked, patience=1)
    assert "nothing came for 1 s" in answer["failed_programs"][0]["problem"]
    assert (machine.names(), os.listdir(machine.known)) == (set(), ["lock"])


def test_how_far_a_download_is_stands_in_a_file_whose_removal_ends_it(machine: Machine, server: FeedServer) -> None:
    asked = [program(server, name, "1") for name in ("first", "next", "last")]
    server.held.add("next-1-any-any.tgz")
    file = machine.known / "progress"

    def told() -> dict[str, Any] | None:
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return found if found.get("bytes_total") and found["done"] == 1 else None

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.download, *asked, progress_file=str(file))
        found = until(told, "no progress is told")
        file.unlink()
        answer = running.result()
    assert (found["total"], found["bytes"], found["finished"]) == (3, 0, False)
    assert found["bytes_total"] == server.size("next-1-any-any.tgz")
    assert answer == {"msg": f"{file} was removed, so the run was ended. Run again."}
    assert versions(machine.download(asked[0])) == {"first": "1"} and len(machine.names()) == 1
    assert "is not absolute" in machine.download(*asked, progress_file="progress")["msg"]


def test_what_a_killed_run_left_is_removed_and_nothing_runs_on(machine: Machine, server: FeedServer) -> None:
    left = machine.known / "session-killed" / "cache" / "half"
    left.mkdir(parents=True)
    left.chmod(0o555)
    for path in (left, left.parent, left.parent.parent):
        os.chown(path, machine.known.stat().st_uid, -1)
    machine.download(program(server, "edit", "1"))
    assert sorted(os.listdir(machine.known)) == ["lock", "record.json"]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if os.fsencode(machine.known) in command]


def test_what_no_program_needs_any_more_is_told_and_stays(machine: Machine, server: FeedServer) -> None:
    gone, kept = program(server, "gone", "1"), program(server, "kept", "1")
    names = {one["name"]: one["downloaded"][0] for one in machine.download(gone, kept)["programs"]}
    answer = machine.download(kept)
    assert [one["name"] for one in answer["unused"]] == [names["gone"]] and answer["unused"][0]["size"] > 0
    assert (answer["changed"], machine.names()) == (False, set(names.values()))
    assert machine.download(gone, kept)["unused"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../edit"}, "programs[0].name: '../edit' cannot name a launcher"),
        ({"name": "-rf"}, "programs[0].name: '-rf'"),
        ({"name": "two\nlines"}, "programs[0].name"),
        ({"uri": "/etc/passwd"}, "programs[0].uri: '/etc/passwd' is no address"),
        ({"uri": "file:///etc/passwd"}, "programs[0].uri"),
        ({"uri": "https://user:secret@example.com/a.xml"}, "programs[0].uri"),
        ({"uri": "--refresh"}, "programs[0].uri"),
        ({"version": "1; rm"}, "programs[0].version"),
        ({"command": "--run"}, "programs[0].command"),
        ({"trust": ["ABCD"]}, "programs[0].trust: 'ABCD' is no whole fingerprint"),
        ({"systems": ["Linux-x86_64", "Windows"]}, "programs[0].systems: 'Windows'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    machine: Machine, server: FeedServer, change: dict[str, Any], words: str
) -> None:
    answer = machine.download({**program(server, "edit", "1"), **change})
    assert words in answer["msg"]
    assert (server.requests, os.listdir(machine.known)) == ([], [])


def test_wrong_places_are_refused(machine: Machine, server: FeedServer) -> None:
    asked = program(server, "edit", "1")
    assert "There is no store" in machine.download(asked, store="/no/0install.net/implementations")["msg"]
    assert "is not a store" in machine.download(asked, store=str(machine.folder))["msg"]
    shutil.chown(machine.store, "root")
    assert "there is no 0store-secure-add-helper. Share the" in machine.download(asked)["msg"]
    shutil.chown(machine.store, USER)
    assert "not normalised" in machine.download(asked, path=f"{machine.known}/../known")["msg"]
    assert "never downloaded as root" in machine.download(asked, user="root")["msg"]
    assert (
        "0install was not found"
        in machine.download(asked, zero_install="/no/0install")["failed_programs"][0]["problem"]
    )
    (machine.known / "record.json").write_text("{}", encoding="utf-8")
    for text in ("{}", "[" * 200_000, json.dumps({"form": 1, "programs": [], "added": ["/etc"]})):
        (machine.known / "record.json").write_text(text, encoding="utf-8")
        assert "is no record of programs" in machine.download(asked)["msg"]
    (machine.known / "record.json").unlink()
    os.mkfifo(machine.known / "record.json")
    assert "record.json cannot be read: it is no regular file." in machine.download(asked)["msg"]
    assert USER != "root" and server.requests == []
