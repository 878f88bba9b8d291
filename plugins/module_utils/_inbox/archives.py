# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading the archive of a guest that may be hostile: the few kinds of tar entries that an implementation needs.

It reads what ``secure_add.py`` writes, tar of POSIX.1-2001, once from beginning to end, in bounded memory. Python's
``tarfile`` reads much more than that, and differently from version to version; here, what is not needed is refused.
"""

from __future__ import annotations

import re
from typing import Any, Iterator, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import readable
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.trees import MANIFEST

BLOCK = 512
LONGEST_HEADER = 1 << 16
"""Bytes of an extended header, which holds what is too long for a header, such as a path."""
PIECE = 1 << 20
"""Bytes of a file that are read at once."""
LONGEST_TARGET = 4095
"""Bytes of a link's target, by Linux."""
LONGEST_SHOWN = 100
"""Characters of a path in a message."""
LONGEST_PATH = 3072
"""Bytes of a path in an implementation: with 1023 for that of its store, what a system call, and so 0store, takes."""

_KINDS = {b"0": b"f", b"5": b"d", b"2": b"l"}
_OTHER_KINDS = {b"1": "a hard link", b"3": "a device", b"4": "a device", b"6": "a FIFO"}
_OCTAL = re.compile(rb"([0-7]{1,11})[ \0]*\Z")
_LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")
_SIZE = re.compile(rb"[0-9]{1,18}\Z")
_TIME = re.compile(rb"-?[0-9]{1,18}\Z")
_EXTENSIONS = (b"path", b"linkpath", b"size", b"mtime")


class Refused(Exception):
    """Why a request is not granted, for the guest."""


def shown(path: bytes) -> str:
    """A path for messages, of which it leaves room for the reason."""
    text = readable(path[: LONGEST_SHOWN + 1])
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "\u2026"


class Member(NamedTuple):
    """An entry: its kind (``f``, ``d`` or ``l``), the names on its path, size, time in seconds, a link's target."""

    kind: bytes
    path: tuple[bytes, ...]
    size: int
    mtime: int
    executable: bool
    target: bytes

    @property
    def shown(self) -> str:
        """Its path for messages."""
        return shown(b"/" + b"/".join(self.path))


class Archive:
    """An archive, read from a buffered binary file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 0
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """The entries. What is in a file is to be had by ``pieces`` before the next one.

        ``Refused``: the archive has something that no implementation needs, or is damaged.
        """
        while True:
            header = self._header()
            if header is None:
                return
            extensions: dict[bytes, bytes] = {}
            if header[156:157] == b"x":
                extensions = _extensions(self._extended(_octal(header, 124, 12)))
                header = self._header()
                if header is None:
                    raise Refused("The archive ends after an extended header.")
            member = _member(header, extensions)
            self._left = member.size
            self._padding = -member.size % BLOCK
            yield member
            for _piece in self.pieces():
                pass
            self._read(self._padding)

    def pieces(self) -> Iterator[bytes]:
        """What is in the file that was read last."""
        while self._left:
            piece = self._file.read(min(self._left, PIECE))
            if not piece:
                raise Refused("The archive ends in the middle of a file.")
            self._left -= len(piece)
            yield piece

    def _read(self, size: int) -> bytes:
        text: bytes = self._file.read(size)
        if len(text) != size:
            raise Refused("The archive ends without its end mark.")
        return text

    def _header(self) -> bytes | None:
        """The next header, None at the end mark."""
        block = self._read(BLOCK)
        if not block.strip(b"\0"):
            return None
        if block[257:265] != b"ustar\x0000":
            raise Refused("The archive has something that is no header of a POSIX tar archive.")
        if _octal(block, 148, 8) != sum(block) - sum(block[148:156]) + 8 * 32:
            raise Refused("The archive has a header whose checksum is wrong.")
        return block

    def _extended(self, size: int) -> bytes:
        if size > LONGEST_HEADER:
            raise Refused(f"The archive has an extended header of more than {LONGEST_HEADER} bytes.")
        return self._read(size + -size % BLOCK)[:size]


def _octal(header: bytes, at: int, length: int) -> int:
    match = _OCTAL.match(header[at : at + length])
    if not match:
        raise Refused("The archive has a header with a number that is none.")
    return int(match.group(1), 8)


def _text(header: bytes, at: int, length: int) -> bytes:
    return header[at : at + length].split(b"\0", 1)[0]


def _extensions(text: bytes) -> dict[bytes, bytes]:
    """The fields of an extended header."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        match = _LENGTH.match(text, at)
        end = at + int(match.group(1)) if match else 0
        if not match or not match.end() < end <= len(text) or text[end - 1 : end] != b"\n":
            raise Refused("The archive has an extended header that is damaged.")
        name, equals, value = text[match.end() : end - 1].partition(b"=")
        if not equals or name not in _EXTENSIONS or name in found:
            raise Refused("The archive has an extended header with {}.".format(readable(name or b"nothing")))
        found[name] = value
        at = end
    return found


def _member(header: bytes, extensions: dict[bytes, bytes]) -> Member:
    flag = header[156:157]
    name, prefix = _text(header, 0, 100), _text(header, 345, 155)
    path = extensions.get(b"path", prefix + b"/" + name if prefix else name)
    kind = _KINDS.get(flag)
    if kind is None:
        raise Refused(
            "{} is {}: only files, directories and symbolic links are taken.".format(
                readable(path) or "An entry", _OTHER_KINDS.get(flag, "of a kind that no implementation has")
            )
        )
    if kind == b"d" and path.endswith(b"/"):
        path = path[:-1]
    member = Member(
        kind,
        _names(path),
        _number(extensions.get(b"size"), _SIZE, _octal(header, 124, 12)),
        _number(extensions.get(b"mtime"), _TIME, _octal(header, 136, 12)),
        bool(_octal(header, 100, 8) & 0o111),
        extensions.get(b"linkpath", _text(header, 157, 100)) if kind == b"l" else b"",
    )
    if kind != b"f" and member.size:
        raise Refused(f"{member.shown} has contents, and is no file.")
    if kind == b"l":
        _check_target(member)
    return member


def _number(text: bytes | None, form: re.Pattern[bytes], otherwise: int) -> int:
    if text is None:
        return otherwise
    if not form.match(text):
        raise Refused("The archive has a size or time that is no whole number.")
    return int(text)


def _names(path: bytes) -> tuple[bytes, ...]:
    """The names on a path, each such as an implementation may have."""
    names = tuple(path.split(b"/"))
    if not {b"", b".", b".."}.isdisjoint(names):
        raise Refused(
            f"'{shown(path)}' is no path of its own in the implementation: '..', '.', '//' and '/' are refused."
        )
    if len(path) > LONGEST_PATH:
        raise Refused(
            f"{shown(path)} has a path of more than {LONGEST_PATH} bytes, which Zero Install could not read in"
            " every store."
        )
    if b"\n" in path or b"\0" in path:
        raise Refused(f"{shown(path)} has a newline or a NUL in its name.")
    try:
        path.decode()
    except UnicodeDecodeError:
        raise Refused(f"{shown(path)} has a name that is not UTF-8.") from None
    if names == (MANIFEST,):
        raise Refused("The archive has a .manifest: the host makes its own.")
    return names


def _check_target(member: Member) -> None:
    """``Refused`` unless a link leads to somewhere in the implementation, whatever other links there are.

    A ``..`` after a name could lead out, if that name is a link itself; so it may only stand at the beginning.
    """
    target = member.target
    names = [name for name in target.split(b"/") if name not in (b"", b".")]
    ups = next((at for at, name in enumerate(names) if name != b".."), len(names))
    what = ""
    if not target or b"\0" in target or len(target) > LONGEST_TARGET:
        what = "to nothing"
    elif target.startswith(b"/"):
        what = "with an absolute target"
    elif ups > len(member.path) - 1:
        what = "that leads out of the implementation"
    elif b".." in names[ups:]:
        what = "with '..' after a name in its target"
    if what:
        raise Refused(f"{member.shown} is a symbolic link {what}: {shown(target)}.")
