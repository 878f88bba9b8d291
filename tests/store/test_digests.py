# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests of trees are those that the real ``0install digest`` computes."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import pytest
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, trees, verifying
from hypotheses import examples
from hypothesis import example, given
from hypothesis import strategies as st
from labkit.waiting import HANG
from zero import ALGORITHMS, File, Folder, Link

EXAMPLES = 80
SECOND = 10**9
BILLION = 10**18  # 1e9 seconds
LIMIT = 128 * 1024
BUFFER = 1024 * 1024

VECTOR = Folder(
    {
        b"MyDir": Folder(
            {
                b"Hello": File(b"Hello World", 30 * SECOND),
                b"Run me": File(b"Bang!", 40 * SECOND, 0o755),
                b"Sym link": Link(b"Hello"),
            },
            20 * SECOND,
        ),
        b"a": Folder({b"n": File()}, 10 * SECOND),
        b"a-file": File(b"x", -3 * SECOND // 2),
    }
)
ADDABLE = Folder({**VECTOR.entries, b"a-file": File(b"x", 3 * SECOND // 2)})
"""The same tree without what 0store 2.18 cannot add: a time before 1970 with a fraction of a second."""
VECTORS = {
    "sha1": "sha1=3c58d58c2fe7a841157fc93d007fc04e39e61366",
    "sha1new": "sha1new=5d590bfb4dc3057617fbf5f72e4cfd088911661e",
    "sha256": "sha256=1b4d1473a71135ece93d26cd38665330f27374307898125f2beaed45342be6b8",
    "sha256new": "sha256new_DNGRI45HCE26Z2J5E3GTQZSTGDZHG5BQPCMBEXZL5LWUKNBL424A",
}
EMPTY = {
    "sha1": "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha1new": "sha1new=da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha256": "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256new": "sha256new_4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ",
}

TRAPS = """
    a|a.d|a-|a b|a0|A|ab|a.|.a|..a|...| | a|a |-|--|-rf|--help|'|"|a"b|$HOME|`id`|\\|\\n|*|?|#|%|;|~|a\tb|a\rb|\x01|\x7f
    |.manifest|.manifest2|D|D 1|F|F 1 1 1 a|S|é|e\u0301|Å|A\u030a|\u212b|ﬁ|ß|İ|\u202e|\ufeff|\ud7ff|\ue000|\uffff|\ufffd
    |\U00010000|\U0010ffff|\U0001f600|日本|\u00a0|\u2028
"""
NAMES = st.one_of(
    st.sampled_from([trap.strip("\n").encode() for trap in TRAPS.replace("\n    ", "").strip("\n").split("|")]),
    st.text(st.characters(exclude_characters="/\0\n", codec="utf-8"), min_size=1, max_size=12).map(str.encode),
    st.sampled_from([b"n" * 255, "é".encode() * 127]),
).filter(lambda name: name not in (b".", b"..") and b"\n" not in name)
TIMES = st.builds(
    lambda seconds, nanoseconds: seconds * SECOND + nanoseconds,
    st.one_of(
        st.sampled_from([0, -1, -2, 1, 2**31 - 1, 2**31, -(2**31), 2**32, 2**33, 1_700_000_000, -(10**9), -(2**23)]),
        st.integers(-(2**31), 2**33),
    ),
    st.one_of(
        st.sampled_from([0, 1, 30, 59, 60, 61, 120, 499_999_999, 500_000_000, 999_999_880, 999_999_940, 999_999_999]),
        st.integers(0, SECOND - 1),
    ),
)
SIZES = st.one_of(
    st.integers(0, 40),
    st.sampled_from([n + d for n in (4096, 65536, LIMIT, 2 * LIMIT, BUFFER, 2 * BUFFER) for d in (-1, 0, 1)]),
)
CONTENTS = st.builds(lambda seed, size: (seed * (size // len(seed) + 1))[:size], st.binary(min_size=1), SIZES)
MODES = st.sampled_from([0o644, 0o755, 0o444, 0o555, 0o100, 0o010, 0o001, 0o000, 0o666, 0o777, 0o654, 0o641])
FILES = st.builds(File, CONTENTS, TIMES, MODES)
TARGETS = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda target: target.replace(b"\0", b"0")),
    st.sampled_from([b"/etc/passwd", b"..", b".", b"a\nb", b"\n", b"\xff\xfe", b"x" * 4095, b" ", b"-", "é".encode()]),
)
LINKS = st.builds(Link, TARGETS)
LEAVES = st.one_of(FILES, LINKS, st.builds(Folder, mtime=TIMES))
TREES = st.recursive(
    st.builds(Folder, st.dictionaries(NAMES, LEAVES, max_size=6), TIMES),
    lambda folders: st.builds(Folder, st.dictionaries(NAMES, st.one_of(folders, LEAVES), max_size=6), TIMES),
    max_leaves=8,
).filter(lambda tree: isinstance(tree.entries.get(b".manifest", File()), File))


def compare(tree: Path) -> None:
    """All four digests of a tree on disk are those of the real program."""
    ours = {name: trees.digest(str(tree), algorithm) for name, algorithm in manifests.ALGORITHMS.items()}
    assert ours == {name: zero.digest(tree, name) for name in ALGORITHMS}


def remove(tree: Path) -> None:
    """Remove a tree of any depth and any names."""
    subprocess.run(["rm", "-rf", "--", tree], check=True, timeout=HANG)


@examples(EXAMPLES)
@given(tree=TREES)
@example(tree=VECTOR)
@example(tree=Folder({b"f": File(b"", -BILLION + 1)}))
@example(tree=Folder({b"f": File(b"", -BILLION + 59)}))
@example(tree=Folder({b"f": File(b"", -BILLION + 61)}))
@example(tree=Folder({b"f": File(b"", -BILLION - 1)}))
@example(tree=Folder({b"f": File(b"", BILLION - 1)}))
@example(tree=Folder({b"d": Folder(mtime=-BILLION + 1)}))
@example(tree=Folder({b".manifest": File(b"whatever"), b"d": Folder({b".manifest": File(b"kept")})}))
@example(tree=Folder({b"d": Folder({b".manifest": Link(b"x"), b"e": Folder({b".manifest": Folder()})})}))
@example(tree=Folder({b"a": Folder({b"b": File()}), b"a.d": File(), b"a-": Folder(), b"a0": Folder({b"a": File()})}))
@example(tree=Folder({"\ue000".encode(): File(), "\U00010000".encode(): File(), "\ud7ff".encode(): Folder()}))
@example(tree=Folder({b"big": File(b"0123456" * 300_000), b"limit": File(b"x" * LIMIT), b"over": File(b"yy" * LIMIT)}))
def test_a_generated_tree_has_the_digest_of_the_real_program(space: Path, tree: Folder) -> None:
    path = space / "generated"
    try:
        zero.build(os.fsencode(path), tree)
        compare(path)
    finally:
        remove(path)


FORK = Folder({b"x": Folder(), b"y": Folder()})
FORKED = functools.reduce(lambda below, _level: Folder({b"d": below}), range(6), FORK)
"""Below directories of which the upper ones are closed, one directory after another."""


@examples(EXAMPLES)
@given(tree=TREES, names=st.integers(1, 5), directories=st.integers(2, 4))
@example(tree=FORKED, names=5, directories=3)
def test_what_does_not_fit_into_memory_has_the_same_digest(
    space: Path, monkeypatch: pytest.MonkeyPatch, tree: Folder, names: int, directories: int
) -> None:
    """With room for a few names and open directories only, so that the rest waits on disk, or is opened again."""
    path = space / "unfitting"
    try:
        zero.build(os.fsencode(path), tree)
        for algorithm in manifests.ALGORITHMS.values():
            expected = trees.digest(str(path), algorithm)
            with monkeypatch.context() as patch:
                patch.setattr(trees, "SORTED_NAMES", names)
                patch.setattr(trees, "OPEN_DIRECTORIES", directories)
                assert trees.digest(str(path), algorithm) == expected
    finally:
        remove(path)


def deep() -> Folder:
    """400 levels with a file in each."""
    tree = Folder()
    for level in range(400):
        tree = Folder({b"d": tree, b"f": File(b"%d" % level, level * SECOND)}, level * SECOND)
    return tree


def wide() -> Folder:
    """5000 entries of all kinds in one directory."""
    kinds = (File(b"x"), Link(b"x"), Folder(), File(b"y", SECOND, 0o755))
    return Folder({b"%x.%d" % (number * 2654435761 % 2**32, number): kinds[number % 4] for number in range(5000)})


@pytest.mark.parametrize("tree", [deep(), wide()], ids=["deep", "wide"])
def test_a_deep_or_wide_tree_has_the_digest_of_the_real_program(folder: Path, tree: Folder) -> None:
    zero.build(os.fsencode(folder / "tree"), tree)
    compare(folder / "tree")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_fixed_vectors(folder: Path, algorithm: str) -> None:
    zero.build(os.fsencode(folder / "tree"), VECTOR)
    (folder / "empty").mkdir()
    assert trees.digest(str(folder / "tree"), manifests.ALGORITHMS[algorithm]) == VECTORS[algorithm]
    assert trees.digest(str(folder / "empty"), manifests.ALGORITHMS[algorithm]) == EMPTY[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("tree", [ADDABLE, Folder()], ids=["addable", "empty"])
def test_what_0store_added_is_verified(folder: Path, tree: Folder, algorithm: str) -> None:
    zero.build(os.fsencode(folder / "tree"), tree)
    store = zero.store_under(folder)
    name = zero.add(store, folder / "tree", algorithm)
    verdict = verifying.verify_one(str(store), name)
    assert (verdict.status, verdict.expected, verdict.actual, verdict.recorded) == ("ok", name, name, name)
    assert not verdict.changes


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_name_is_exactly_a_digest(algorithm: str) -> None:
    name = VECTORS[algorithm]
    assert manifests.is_name(name)
    assert manifests.algorithm_of(name) is manifests.ALGORITHMS[algorithm]
    swapped = name.swapcase() if algorithm != "sha256new" else "sha256new_" + name[10:].lower()
    for wrong in (name + "\n", name[:-1], name + "0", name + "A", " " + name, "/" + name, swapped, "", name + "\0"):
        assert not manifests.is_name(wrong), wrong
        assert manifests.algorithm_of(wrong) is None, wrong


@pytest.mark.parametrize("last", sorted(set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")))
def test_base32_has_no_bits_to_spare(last: str) -> None:
    """52 characters hold 260 bits, of which the last four are zero."""
    name = VECTORS["sha256new"][:-1] + last
    assert manifests.is_name(name) == (last in "AQ")
