# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero Install's manifests and digests: pure, bytes in, bytes out.

The format is that of Zero Install's specification "Manifest" (https://docs.0install.net/specifications/manifest/), as
0install 2.18 reads and writes it:

    F HEX MTIME SIZE LEAF      a file; X in place of F where it is executable
    S HEX SIZE LEAF            a symbolic link: hash and length of its target
    D /PATH                    a directory; the lines after it are what is in it
    D MTIME /PATH              the same for the algorithm sha1

Every line ends in a newline. The root has no line. A directory's leaves are sorted as bytes; all algorithms but sha1
put its files and links before its sub-directories.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import heapq
import itertools
import re
from typing import Any, Callable, Iterable, NamedTuple

COMPARED = 32 << 20
"""Manifests whose differences need about so many bytes of memory are not compared."""
KEPT = 300
"""Bytes that a line in memory needs besides itself, about."""


class Algorithm(NamedTuple):
    """A way to digest a tree.

    ``hash`` makes a hash object like hashlib's; ``one_pass`` says whether sub-directories sort among the files, and
    have times, as only ``sha1`` does.
    """

    name: str
    separator: str
    hash: Callable[..., Any]
    one_pass: bool

    def implementation(self, digest: bytes) -> str:
        """The name of an implementation whose manifest has this digest (binary)."""
        if self.separator == "_":
            return self.name + "_" + base64.b32encode(digest).decode().rstrip("=")
        return self.name + self.separator + digest.hex()


def _not_for_security(name: str) -> Callable[..., Any]:
    """A hash function that a system in FIPS mode gives out, too, where Python can ask for it (3.9 and later)."""
    function: Callable[..., Any] = getattr(hashlib, name)
    try:
        function(usedforsecurity=False)
    except TypeError:
        return function
    return functools.partial(function, usedforsecurity=False)


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("sha1", "=", _not_for_security("sha1"), True),
        Algorithm("sha1new", "=", _not_for_security("sha1"), False),
        Algorithm("sha256", "=", hashlib.sha256, False),
        Algorithm("sha256new", "_", hashlib.sha256, False),
    )
}

_NAME = re.compile(r"(?:(sha1(?:new)?)=[0-9a-f]{40}|(sha256)=[0-9a-f]{64}|(sha256new)_[A-Z2-7]{51}[AQ])\Z")
_PREFIX = re.compile(r"(?:sha1|sha1new|sha256)=|sha256new_")


def algorithm_of(name: str) -> Algorithm | None:
    """The algorithm of an implementation's name, or None if it is not exactly such a name."""
    match = _NAME.match(name)
    return ALGORITHMS[match.group(match.lastindex or 0)] if match else None


def required_algorithm(name: str) -> Algorithm:
    """The algorithm of an implementation's name.

    ValueError: it is not exactly such a name.
    """
    algorithm = algorithm_of(name)
    if algorithm is None:
        raise ValueError(f"{name!r} is not the name of an implementation")
    return algorithm


def is_name(name: str) -> bool:
    """Whether this is exactly a name of an implementation."""
    return _NAME.match(name) is not None


def claims_to_be_name(name: str) -> bool:
    """Whether this begins as names of implementations do."""
    return _PREFIX.match(name) is not None


def seconds(nanoseconds: int) -> int:
    """Whole seconds, truncated toward zero as 0install does it: before 1970 its sum of floating-point numbers rounds.

    OCaml's ``Unix.lstat`` adds seconds and fraction as floats, and keeps the sum below the next second.
    """
    whole, rest = divmod(nanoseconds, 10**9)
    return whole if whole >= 0 else int(whole + rest / 1e9)


def file_line(digest: bytes, mode: int, mtime: int, size: int, leaf: bytes) -> bytes:
    """The line of a file: binary hash, ``st_mode``, time in nanoseconds, size in bytes."""
    kind = b"X" if mode & 0o111 else b"F"
    return b"%b %b %d %d %b\n" % (kind, binascii.hexlify(digest), seconds(mtime), size, leaf)


def link_line(algorithm: Algorithm, target: bytes, leaf: bytes) -> bytes:
    """The line of a symbolic link."""
    return b"S %b %d %b\n" % (binascii.hexlify(algorithm.hash(target).digest()), len(target), leaf)


def directory_line(algorithm: Algorithm, path: bytes, mtime: int) -> bytes:
    """The line of a directory below the root: path from the root (``/a/b``), time in nanoseconds."""
    return b"D %d %b\n" % (seconds(mtime), path) if algorithm.one_pass else b"D %b\n" % path


class Line(NamedTuple):
    """A line of a manifest: kind ``F``, ``X``, ``S`` or ``D``; size in bytes; leaf, or path of a directory."""

    kind: bytes
    size: int
    name: bytes


_NUMBER = rb"(?:0|-?[1-9][0-9]{0,18})"


@functools.lru_cache(maxsize=None)
def _form(length: int, timed: bool) -> re.Pattern[bytes]:
    """What matches a line with digests of so many hexadecimal digits, and directories with or without times."""
    return re.compile(
        rb"(?:([FX]) [0-9a-f]{%d} %b (0|[1-9][0-9]{0,18}) |(S) [0-9a-f]{%d} (0|[1-9][0-9]{0,18}) )([^/\x00\n]+)\n\Z"
        rb"|(D) %b((?:/[^/\x00\n]+)+)\n\Z" % (length, _NUMBER, length, _NUMBER + b" " if timed else b"")
    )


def parse_line(line: bytes, algorithm: Algorithm) -> Line:
    """Read one line with its newline.

    ValueError: it is no line of a manifest by this algorithm.
    """
    match = _form(algorithm.hash().digest_size * 2, algorithm.one_pass).match(line)
    if not match:
        raise ValueError(f"{line!r} is no line of a manifest of {algorithm.name}")
    file, size, link, length, leaf, directory, path = match.groups()
    if not {b".", b".."}.isdisjoint((path or leaf).split(b"/")):
        raise ValueError(f"{line!r} has a name that no file can have")
    if directory:
        return Line(directory, 0, path)
    return Line(file or link, int(size or length), leaf)


_SIZES = re.compile(rb"^[FX] [0-9a-f]+ -?[0-9]+ ([0-9]{1,18}) ", re.MULTILINE)


def sizes(lines: Iterable[bytes], least: int, most: int) -> set[int] | None:
    """The sizes of at least so many bytes that files have by a manifest; None if that are too many to keep."""
    found: set[int] = set()
    for line in lines:
        found.update(size for size in map(int, _SIZES.findall(line)) if size >= least)
        if len(found) > most:
            return None
    return found


def weight(manifest: bytes) -> tuple[int, int]:
    """Files, and bytes in them, by a manifest that nobody has checked."""
    found = _SIZES.findall(manifest)
    return len(found), sum(map(int, found))


class Differences(NamedTuple):
    """Lines that only one manifest has, each with ``-`` or ``+`` before it, and the number of those left out."""

    lines: list[str]
    left_out: int


def differences(recorded: Iterable[bytes], generated: Iterable[bytes], most: int) -> Differences | None:
    """How the lines of two manifests differ, ``-`` for those that only the recorded one has; at most so many.

    None: that would need too much memory. A line stands for one in the same directory only.
    """
    only: dict[tuple[bytes, bytes], int] = {}
    memory = 0
    for count, lines in ((-1, recorded), (1, generated)):
        directory = b""
        for line in lines:
            if line.startswith(b"D "):
                directory = line[line.find(b"/") :]
                memory += len(directory)
            key = (directory, line)
            before = only.pop(key, 0)
            if before + count:
                only[key] = before + count
            memory += (KEPT + len(line)) * (bool(before + count) - bool(before))
            if memory > COMPARED:
                return None
    changed = heapq.nsmallest(most, only.items(), lambda item: (item[0][0], item[0][1].split(b" ")[-1], item[1]))
    written = itertools.chain.from_iterable([_shown(key[1], count)] * abs(count) for key, count in changed)
    total = sum(map(abs, only.values()))
    return Differences(list(itertools.islice(written, most)), max(0, total - most))


def _shown(line: bytes, count: int) -> str:
    text = line[:-1] if line.endswith(b"\n") else line + b" (no newline)"
    return ("-" if count < 0 else "+") + readable(text)


def readable(name: bytes) -> str:
    """A name for people: what is no UTF-8 or would break the line appears as ``\\xNN``."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
