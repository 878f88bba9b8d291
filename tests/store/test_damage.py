# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged implementations get the verdict that the real ``0store verify`` has for them, but for known exceptions."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import children
import pytest
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verifying
from damages import BASE, DAMAGES, TIME, Item
from labkit.waiting import HANG
from zero import File, Folder

STRICTER = {
    "setuid_file": "0store looks at the executable bits only",
    "setgid_file": "0store looks at the executable bits only",
    "setuid_directory": "0store does not look at the modes of directories",
    "setgid_directory": "0store does not look at the modes of directories",
    "setgid_root": "0store does not look at the modes of directories",
    "newline_in_a_file_name_that_hides_a_missing_file": "the specification forbids it, 0store accepts it",
    "newline_in_a_link_name_that_hides_a_missing_file": "the specification forbids it, 0store accepts it",
    "newline_in_a_file_name_that_was_added_so": "the specification forbids it, 0store accepts it",
    "newline_in_a_link_name_that_was_added_so": "the specification forbids it, 0store accepts it",
    "invalid_utf8_in_a_file_name_that_was_added_so": "the specification forbids it, 0store accepts it",
    "invalid_utf8_in_a_link_name_that_was_added_so": "the specification forbids it, 0store accepts it",
    "invalid_utf8_in_a_directory_name_that_was_added_so": "the specification forbids it, 0store accepts it",
    **dict.fromkeys(
        (
            *("write_bits", "file_that_everybody_may_write", "file_that_its_group_may_write"),
            *("directory_that_everybody_may_write", "root_that_everybody_may_write"),
            *("manifest_that_everybody_may_write", "file_with_capabilities", "file_of_another_owner"),
            *("access_control_list", "directory_of_another_owner", "manifest_of_another_owner", "other_owner"),
        ),
        "0store does not look at who may change or abuse it",
    ),
    "implementation_became_a_link_to_itself_elsewhere": "0store follows it; its target is outside what was checked",
}
"""What 0store verify calls OK, and this project does not."""
REPORTED = re.compile(rb"^(\S+) \((expected digest|actual contents|recorded in \.manifest)\)$", re.MULTILINE)


@pytest.fixture(scope="module")
def sound(space: Path) -> dict[str, Path]:
    """For each algorithm an implementation that the real 0store added."""
    tree = space / "base"
    zero.build(os.fsencode(tree), BASE)
    found = {}
    for algorithm in zero.ALGORITHMS:
        store = zero.store_under(space / f"sound-{algorithm}")
        found[algorithm] = store / zero.add(store, tree, algorithm)
    return found


@pytest.fixture
def item(folder: Path, sound: dict[str, Path], algorithm: str) -> Iterator[Item]:
    """A copy of a sound implementation, with all that belongs to its files."""
    store = zero.store_under(folder)
    subprocess.run(["cp", "-a", sound[algorithm], store], check=True, timeout=HANG)
    return Item(store / sound[algorithm].name, algorithm)


def judge(item: Item, as_nobody: bool) -> verifying.Verdict:
    """What this project says of it."""

    def look() -> verifying.Verdict:
        return verifying.verify_one(str(item.path.parent), item.path.name)

    return children.call(look, user=zero.NOBODY if as_nobody else None)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("algorithm", zero.ALGORITHMS)
def test_a_damage_has_the_verdict_of_0store(item: Item, kind: str) -> None:
    damage = DAMAGES[kind]
    damage.do(item)
    reason = damage.reason_for(item.algorithm)

    said = zero.verify(item.path, zero.AS_NOBODY if damage.as_nobody else ())
    verdict = judge(item, damage.as_nobody)

    assert verdict.reason == (reason or ""), verdict
    assert (verdict.status == "ok") == (reason is None), verdict
    assert (verdict.status == "exposed") == (reason in ("writable", "owner", "capabilities"))
    assert verdict.status in ("ok", "corrupt", "exposed", "error")
    assert bool(verdict.detail) == (reason is not None)
    if kind in STRICTER:
        assert (said.returncode, reason is None) == (0, False), STRICTER[kind]
    else:
        assert (said.returncode == 0) == (reason is None), (said.stdout, said.stderr, verdict)
    reported = {what.decode(): name.decode() for name, what in REPORTED.findall(said.stderr)}
    if verdict.actual and said.returncode:
        ours = {
            "expected digest": verdict.expected,
            "actual contents": verdict.actual,
            "recorded in .manifest": verdict.recorded,
        }
        assert {what: name for what, name in ours.items() if name} == reported
        assert verdict.expected == item.path.name
    elif reported:
        assert reason not in ("contents", "manifest", "renamed", "contents_and_manifest", "no_manifest")


EXPOSED = [kind for kind in DAMAGES if DAMAGES[kind].reason_for("sha256new") in ("writable", "owner", "capabilities")]


@pytest.mark.parametrize("kind", EXPOSED)
@pytest.mark.parametrize("algorithm", ["sha256new"])
def test_what_exposes_an_implementation_is_taken_away_by_the_commands_that_are_told(item: Item, kind: str) -> None:
    """As they stand, whatever the store's path is."""
    DAMAGES[kind].do(item)
    store = item.path.parent.rename(item.path.parent.with_name("it's $HOME, a store"))
    commands: list[str] = []
    while (verdict := verifying.verify_one(str(store), item.path.name)).status == "exposed":
        assert verdict.detail and "cache_verify_quarantine leaves it where it is" in verdict.detail
        (command,) = re.findall("`(.*)`", verdict.detail)
        assert command not in commands, "it does not help"
        subprocess.run(["sh", "-c", command], check=True, timeout=HANG, cwd="/")
        commands.append(command)
    assert verdict.status == "ok" and commands


def test_the_exceptions_are_of_known_kinds() -> None:
    assert STRICTER.keys() <= DAMAGES.keys()
    assert len(DAMAGES) >= 60


OTHERS = {
    "tmp-0123": "a temporary name of Zero Install's own tools",
    "optimise-1": "a temporary name of Zero Install's own tools",
    "0install-extract-1": "a temporary name of Zero Install's own tools",
    "README": "not the name of an implementation",
    "sha512=00": "not the name of an implementation",
    "two\nlines": "not the name of an implementation",
}


@pytest.fixture(scope="module")
def damaged(space: Path) -> tuple[Path, dict[str, str]]:
    """A store with an implementation of each kind of damage, and what is said of those that have one."""
    store = space / "damaged"
    store.mkdir()
    expected = {}
    # One algorithm for each, and never the same trees twice.
    for number, (kind, damage) in enumerate(DAMAGES.items()):
        if damage.as_nobody:
            continue
        algorithm = zero.ALGORITHMS[number % 4]
        home = space / f"damaged-{kind}"
        single = zero.store_under(home)
        tree = Folder({**BASE.entries, b"number": File(b"%d" % number, TIME)}, TIME)
        zero.build(os.fsencode(home / "tree"), tree)
        item = Item(single / zero.add(single, home / "tree", algorithm), algorithm)
        damage.do(item)
        if item.path.exists() or item.path.is_symlink():
            assert not os.path.lexists(store / item.path.name)
            item.path.rename(store / item.path.name)
            if reason := damage.reason_for(algorithm):
                expected[item.path.name] = reason
    for name in OTHERS:
        (store / name).mkdir()
    return store, expected


def check_summary(found: dict[str, Any], store: Path, expected: dict[str, str]) -> None:
    """The numbers are those of the whole store: nothing was left out after a problem."""
    names = [name for name in os.listdir(store) if name not in OTHERS]
    assert len(expected) > 90 and len(names) > len(expected) + 10
    assert found["implementations"] == len(names)
    assert found["ok"] == len(names) - len(expected)
    assert found["corrupt"] + found["exposed"] + found["error"] == len(expected) == found["problems"]
    assert found["skipped"] == len(OTHERS)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_store_full_of_damage_is_verified_to_its_end(damaged: tuple[Path, dict[str, str]], workers: int) -> None:
    store, expected = damaged
    report = verifying.verify([str(store)], verifying.Options(workers=workers))

    assert [name for _path, name, _verdict in report.problems] == sorted(expected, key=os.fsencode)
    assert {name: verdict.reason for _path, name, verdict in report.problems} == expected
    assert {name: why for _path, name, why in report.skipped} == OTHERS
    check_summary(report.summary, store, expected)
    for path, name, verdict in report.problems:
        assert path == str(store)
        assert verdict == verifying.verify_one(str(store), name)


def test_0store_audit_ends_at_the_first_of_them_that_it_cannot_read(damaged: tuple[Path, dict[str, str]]) -> None:
    """Why the test above is worth something: the real audit does not get to the end of this store."""
    store, expected = damaged
    said = zero.run(["0store", "audit", store])
    assert said.returncode
    unsaid = [name for name in expected if os.fsencode(name) not in said.stdout + said.stderr]
    assert len(unsaid) > len(expected) / 2


def test_the_module_lists_every_problem(
    damaged: tuple[Path, dict[str, str]], folder: Path, collections_path: Path
) -> None:
    store, expected = damaged
    arguments = json.dumps({"path": [str(store)], "max_details": 3, "fail_on_problem": False})
    done = subprocess.run(
        ["ansible", "localhost", "-m", "zeroinstall.virtualbox.store_verify", "-a", arguments],
        cwd=folder,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "ANSIBLE_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("localhost | SUCCESS => "), done.stdout[:1000]
    result, _end = json.JSONDecoder().raw_decode(done.stdout.partition(" => ")[2])

    names = [os.fsdecode(os.fsencode(problem["name"])) for problem in result["problems"]]
    assert len(names) == len(expected)
    # A name that is no name may not be written as it is: its newline would break lines.
    assert [name for name in names if name in expected] == [
        name for name in sorted(expected, key=os.fsencode) if name in names
    ]
    for problem in result["problems"]:
        assert problem["reason"] == expected.get(problem["name"], "name")
        assert problem["path"].startswith(str(store))
        assert problem["status"] in ("corrupt", "exposed", "error")
        assert len(problem["changes"]) <= 3
    assert {entry["name"].replace("\\n", "\n"): entry["reason"] for entry in result["skipped_names"]} == OTHERS
    check_summary(result["summary"], store, expected)
    assert not result["changed"]
