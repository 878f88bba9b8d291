# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feed what reads manifests, names and records with generated input, in so many rounds or for so many minutes.

    python3 tests/tools/setup.py python tests/fuzz/fuzz_manifest.py (--rounds NUMBER | --minutes NUMBER) [--seed NUMBER]

The same rounds with the same seed have the same input. Without a seed, it is by chance.

Whatever the input, the readers return something right or raise ValueError with a text. Prints a line of summary;
the status is 1 after a failure, which is printed with the smallest input that shows it.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import itertools
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import collection
import hypotheses
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, verified_before
from hypothesis import assume, given, seed, settings
from hypothesis import strategies as st

assert collection.FINDER, "it makes ansible_collections importable"
assert hypotheses.PROFILE, "it loads the profile of property tests"

ROUND = 200  # examples of one target
ALGORITHMS = st.sampled_from(list(manifests.ALGORITHMS.values()))
LEAVES = st.binary(min_size=1, max_size=20).filter(
    lambda leaf: not set(leaf) & set(b"/\n\0") and leaf not in (b".", b"..")
)
COUNT: collections.Counter[str] = collections.Counter()


@st.composite
def good_lines(draw: st.DrawFn, algorithm: manifests.Algorithm) -> bytes:
    """A line as this project writes it."""
    digest = algorithm.hash(draw(st.binary(max_size=3))).digest()
    mode, size = draw(st.sampled_from([0o644, 0o755])), draw(st.integers(0, 9999))
    time_ = draw(st.integers(-(2**40), 2**60))
    leaf = draw(LEAVES)
    path = b"".join(b"/" + part for part in draw(st.lists(LEAVES, min_size=1, max_size=3)))
    lines = (
        manifests.file_line(digest, mode, time_, size, leaf),
        manifests.link_line(algorithm, b"x", leaf),
        manifests.directory_line(algorithm, path, time_),
    )
    return draw(st.sampled_from(lines))


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with pieces cut out, doubled or replaced."""
    for _number in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(whole)))
        end = draw(st.integers(at, min(len(whole), at + 8)))
        piece = draw(st.sampled_from([b"", b" ", b"\n", b"/", b"\0", b"-", b"0", b"F ", b"D "]))
        whole = whole[:at] + piece + whole[end:]
        if draw(st.booleans()):
            whole = whole[:at] + draw(st.binary(max_size=4)) + whole[at:]
    return whole


def is_line(line: bytes, algorithm: manifests.Algorithm) -> bool:
    """Whether this is a line of a manifest: the specification a second time, written without regular expressions."""

    def number(word: bytes, *, negative: bool = False) -> bool:
        digits = word[1:] if negative and word[:1] == b"-" else word
        plain = digits.isdigit() and digits.isascii() and len(digits) <= 19
        return plain and (digits[:1] != b"0" or word == b"0")

    def leaf(word: bytes) -> bool:
        return bool(word) and not set(word) & set(b"/\n\0") and word not in (b".", b"..")

    def digest(word: bytes) -> bool:
        return len(word) == algorithm.hash().digest_size * 2 and set(word) <= set(b"0123456789abcdef")

    if not line.endswith(b"\n"):
        return False
    kind, _space, rest = line[:-1].partition(b" ")
    if kind == b"D":
        if algorithm.one_pass:
            time_, _space, rest = rest.partition(b" ")
            if not number(time_, negative=True):
                return False
        first, *leaves = rest.split(b"/")
        return not first and bool(leaves) and all(map(leaf, leaves))
    if kind == b"S":
        words = rest.split(b" ", 2)
        return len(words) == 3 and digest(words[0]) and number(words[1]) and leaf(words[2])
    if kind in (b"F", b"X"):
        words = rest.split(b" ", 3)
        good = len(words) == 4 and digest(words[0]) and number(words[1], negative=True)
        return good and number(words[2]) and leaf(words[3])
    return False


def check_clear(error: ValueError) -> None:
    """Its text can be shown."""
    assert str(error).isprintable() and str(error)


@given(st.data(), ALGORITHMS)
def line(data: st.DataObject, algorithm: manifests.Algorithm) -> None:
    """A line is read if and only if it is one."""
    text = data.draw(st.one_of(st.binary(max_size=100), good_lines(algorithm).flatmap(damaged)))
    try:
        found = manifests.parse_line(text, algorithm)
    except ValueError as error:
        check_clear(error)
        assert not is_line(text, algorithm)
        return
    assert is_line(text, algorithm)
    assert text.endswith(found.name + b"\n") and text.startswith(found.kind + b" ") and found.size >= 0
    COUNT["lines read"] += 1


@given(st.data(), ALGORITHMS, st.integers(0, 5))
def differences(data: st.DataObject, algorithm: manifests.Algorithm, most: int) -> None:
    """Differences count the lines that only one manifest has, and are the same the other way round."""
    lines = st.lists(st.one_of(good_lines(algorithm), st.binary(max_size=20)), max_size=8)
    recorded = data.draw(lines)
    generated = data.draw(st.one_of(lines, st.permutations(recorded), st.just(recorded)))
    found = manifests.differences(recorded, iter(generated), most)
    assert found
    assert len(found.lines) <= most and found.left_out >= 0
    assert all(text[0] in "-+" and text.isprintable() for text in found.lines)
    first, second = generated, recorded
    other = manifests.differences(first, second, most)
    assert other and len(other.lines) + other.left_out == len(found.lines) + found.left_out
    total = collections.Counter(recorded)
    total.subtract(generated)
    assert len(found.lines) + found.left_out >= sum(map(abs, total.values()))
    if recorded == generated:
        assert found == ([], 0)


@given(st.binary(max_size=200))
def weight(text: bytes) -> None:
    """Work is estimated from anything."""
    files, size = manifests.weight(text)
    assert files >= 0 and size >= 0


@given(st.binary(max_size=50))
def readable(text: bytes) -> None:
    """Names for people are printable, and on one line."""
    assert manifests.readable(text).isprintable()


@st.composite
def names(draw: st.DrawFn) -> str:
    """A name, or nearly one."""
    algorithm = draw(ALGORITHMS)
    whole = algorithm.implementation(algorithm.hash(draw(st.binary(max_size=3))).digest())
    return whole if draw(st.booleans()) else draw(damaged(whole.encode())).decode("latin-1")


@given(st.one_of(st.text(max_size=80), names()))
def name(text: str) -> None:
    """A name is one of an algorithm that writes it so."""
    algorithm = manifests.algorithm_of(text)
    assert manifests.is_name(text) == (algorithm is not None)
    if algorithm:
        assert manifests.claims_to_be_name(text)
        assert text.startswith(algorithm.name) and text.isascii() and "\n" not in text
        COUNT["names"] += 1


STATUS = os.stat("/")
KNOWN = st.dictionaries(
    st.text(max_size=5),
    st.builds(verified_before.Known, st.text(max_size=5), st.integers(0), st.integers(0)),
    max_size=3,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)


def sign(body: str) -> str:
    """A record's text, with the right hash."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest() + "\n" + body + "\n"


@given(KNOWN)
def good_record(known: dict[str, verified_before.Known]) -> None:
    """What is written is read."""
    with contextlib.suppress(UnicodeEncodeError):
        assert (
            verified_before.decode(verified_before.encode(STATUS, "boot", "who", known), STATUS, "boot", "who") == known
        )
        COUNT["records read"] += 1


@given(st.data(), KNOWN)
def damaged_record(data: st.DataObject, known: dict[str, verified_before.Known]) -> None:
    """A record that was changed anywhere is refused."""
    text = verified_before.encode(STATUS, "boot", "who", known).encode()
    other = data.draw(damaged(text))
    assume(other != text)
    try:
        decoded = other.decode("utf-8")
    except UnicodeDecodeError:
        return
    try:
        verified_before.decode(decoded, STATUS, "boot", "who")
    except ValueError as error:
        check_clear(error)
    else:
        raise AssertionError("a damaged record was believed")


@given(st.one_of(JSON, st.fixed_dictionaries({"implementations": JSON})), st.booleans())
def signed_record(body: Any, fits: bool) -> None:
    """A record with the right hash holds what one holds, or is refused."""
    if fits and isinstance(body, dict):
        body = {**body, **verified_before._header(STATUS, "boot", "who")}
    try:
        found = verified_before.decode(sign(json.dumps(body)), STATUS, "boot", "who")
    except ValueError as error:
        check_clear(error)
        return
    for key, known in found.items():
        assert isinstance(key, str) and isinstance(known.stamp, str)
        assert not any(isinstance(number, bool) for number in known[1:]) and min(known[1:]) >= 0


@given(st.one_of(st.binary(max_size=200), JSON.map(json.dumps).map(sign).map(str.encode)))
def file(text: bytes) -> None:
    """The reader of the file itself never raises anything."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        fd = os.open(folder, os.O_RDONLY)
        try:
            record = verified_before.Record(folder, folder, fd, "who")
        finally:
            os.close(fd)
        with open(os.open(record._path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as written:
            written.write(text)
        assert record.read() == {}


TARGETS: list[Callable[[], None]] = [
    settings(max_examples=ROUND)(target)
    for target in (line, differences, weight, readable, name, good_record, damaged_record, signed_record, file)
]


def fuzz(first: int, goes_on: Callable[[int], bool]) -> int:
    """Run the targets in turn while it is to go on after so many rounds; how many rounds that were."""
    for rounds in itertools.count():
        if not goes_on(rounds):
            break
        seed(first + rounds)(TARGETS[rounds % len(TARGETS)])()
    return rounds


def main() -> int:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    much = parser.add_mutually_exclusive_group(required=True)
    much.add_argument("--rounds", type=int)
    much.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    started = time.monotonic()

    def goes_on(rounds: int) -> bool:
        if options.rounds is not None:
            return rounds < options.rounds
        return rounds < len(TARGETS) or time.monotonic() < started + options.minutes * 60

    try:
        rounds = fuzz(options.seed, goes_on)
    except BaseException:
        traceback.print_exc()
        print(f"fuzz: FAILED with --seed {options.seed}")
        return 1
    reached = ", ".join(f"{count} {what}" for what, count in COUNT.items())
    print(
        f"fuzz: {len(TARGETS)} targets, {rounds} rounds in {time.monotonic() - started:.0f} s,"
        f" no crash ({reached}; --seed {options.seed})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
