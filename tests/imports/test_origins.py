# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host knows from which guest each package came, and what it refused: what a pass notes of that."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass, origins
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.origins import Origin
from hosts import KEPT, SERVICE, TREE, Host, digest, named, pack

NOTHING = "sha256=" + "0" * 64


def boxes(host: Host) -> dict[str, str]:
    """By digest the box that it came from."""
    return {name: origin.box for name, origin in host.record().origins.items()}


def test_each_package_has_the_box_and_the_time(host: Host, folder: Path) -> None:
    one, two = digest(named(1), folder), digest(named(2), folder)
    before = utc.now()
    host.put("good", one, pack(named(1)))
    host.put("other", two, pack(named(2)))
    assert {answer.status for answer in host.run()} == {"added"}
    assert boxes(host) == {one: "good", two: "other"}
    assert all(before <= origin.at <= utc.now() for origin in host.record().origins.values())
    # Who sends it later did not bring it.
    host.put("evil", one, pack(named(1)))
    assert [answer.status for answer in host.run()] == ["present"]
    assert boxes(host) == {one: "good", two: "other"}
    host.check()
    assert os.stat(host.staging / origins.ORIGINS).st_uid == SERVICE


def test_refusals_are_noted_with_their_reason(host: Host) -> None:
    host.put("evil", NOTHING, b"x")
    (answer,) = host.run()
    (refusal,) = host.record().refusals
    assert (refusal.box, refusal.digest, refusal.reason) == ("evil", NOTHING, answer.reason)
    assert host.record().origins == {}
    for name in ("x\x1b[2J\n", "\\", "\u202e", "sch\u00f6n"):
        host.put("evil", name, b"x")
    host.run()
    record = host.record()
    assert (len(record.refusals), record.damaged) == (5, 0)


def test_a_dry_run_notes_nothing(host: Host, folder: Path) -> None:
    host.put("good", digest(TREE, folder), pack(TREE))
    host.put("evil", "x", b"x")
    host.run(dry=True)
    assert os.listdir(host.staging) == []


def test_it_is_noted_before_it_is_in_the_store(host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = digest(TREE, folder)
    real = one_pass._Pass._move_in

    def move_in(*arguments: object) -> object:
        assert boxes(host) == {name: "good"}
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(one_pass._Pass, "_move_in", move_in)
    host.put("good", name, pack(TREE))
    assert [answer.status for answer in host.run()] == ["added"]


def test_what_did_not_get_into_the_store_is_taken_back(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a package that somebody else added meanwhile."""
    name = digest(TREE, folder)
    real = one_pass._Pass._move_in

    def move_in(*arguments: object) -> object:
        if not (host.store / name).exists():
            (host.store / name).mkdir()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(one_pass._Pass, "_move_in", move_in)
    host.put("good", name, pack(TREE))
    assert [answer.status for answer in host.run()] == ["present"]
    assert boxes(host) == {}
    # Then it is of whom it was of before.
    (host.store / name).rmdir()
    os.chown(host.staging / origins.ORIGINS, os.geteuid(), -1)
    fd = os.open(host.staging, os.O_RDONLY)
    origins.note(fd, {name: "other"}, "2026-01-01T00:00:00Z")
    os.close(fd)
    os.chown(host.staging / origins.ORIGINS, SERVICE, SERVICE)
    host.put("evil", name, pack(TREE))
    assert [answer.status for answer in host.run()] == ["present"]
    assert host.record().origins == {name: Origin("other", "2026-01-01T00:00:00Z")}


def full(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda host, patch: patch.setattr(origins, "_append", full), "No space left on device"),
        (lambda host, patch: (host.staging / origins.ORIGINS).touch(mode=0o600), "Permission denied"),
        (lambda host, patch: patch.setattr(origins, "LARGEST", 10), "File too large"),
    ],
)
def test_if_it_cannot_be_noted_nothing_gets_in(
    host: Host,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Host, pytest.MonkeyPatch], object],
    reason: str,
) -> None:
    with monkeypatch.context() as patch:
        spoil(host, patch)
        identities = [host.put("good", digest(named(one), folder), pack(named(one))) for one in range(2)]
        answers = host.run()
        assert [(one.status, one.reason) for one in answers] == 2 * [
            ("refused", f"The host cannot note from which guest it comes: {reason}.")
        ]
        answer = host.answer("good", identities[0])
        assert answer and "cannot note" in answer["reason"]
        assert host.check() == set()
    (host.staging / origins.ORIGINS).unlink(missing_ok=True)
    host.is_served("good", 3)
    assert set(boxes(host).values()) == {"good"}


def test_if_there_is_no_room_to_note_it_nothing_gets_in(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as for every other byte: the host keeps free what is to be kept free."""
    real = one_pass.unpack_all

    def unpack_all(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(one_pass.free_room, "RENAME", 1 << 60)

    monkeypatch.setattr(one_pass, "unpack_all", unpack_all)
    host.put("good", digest(TREE, folder), pack(TREE))
    assert [(one.status, one.reason) for one in host.run()] == [("refused", one_pass.free_room.NO_ROOM)]
    assert set(os.listdir(host.staging)) <= KEPT and boxes(host) == {} and host.record().refusals == []


def test_a_pass_makes_what_is_noted_smaller(host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "COMPACTED", 400)
    monkeypatch.setattr(origins, "ROOM", 200)
    names = [digest(named(number), folder) for number in range(6)]
    for number, name in enumerate(names):
        host.put("good", name, pack(named(number)))
    host.run()
    for name in names[1:]:
        os.rename(host.store / name, host.folder / name)
    size = (host.staging / origins.ORIGINS).stat().st_size
    host.run()
    assert boxes(host) == {names[0]: "good"}
    assert (host.staging / origins.ORIGINS).stat().st_size < size / 4
    host.is_served("evil", 9)
    assert list(boxes(host).values()) == ["good", "evil"]
