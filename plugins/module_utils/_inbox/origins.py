# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From which box each implementation came, and what was refused: two files in the folder beside a store.

    origins     {"digest": …, "box": …, "at": …}                    before an implementation is moved into the store
    refusals    {"box": …, "digest": …, "reason": …, "at": …}       after a request was refused

Each line is one object. In ``origins``, the last line about a digest counts. One with an empty box takes the line
before it back, because the implementation did not get into the store after all. A line that is damaged, such as the
last one of a pass that was killed, says nothing, and the next one begins on a line of its own.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import Any, Callable, Collection, Iterable, Iterator, Mapping, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import private_files, replacing, utc
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import extracting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, quarantine

SUFFIX = ".staging"
"""What the name of the folder beside a store has after that of the store."""
ORIGINS, REFUSALS = FILES = ("origins", "refusals")
"""Names of the files."""
LARGEST = 64 << 20
"""Bytes beyond which no file is read, and nothing is added to it."""
LONGEST = 8192
"""Bytes beyond which a line is none."""
COMPACTED = 4 << 20
"""Bytes of ``origins`` up to which it is not made smaller."""
ROOM = 512
"""Bytes for each implementation in the store or aside up to which it is not either: more than twice of what is used."""
MOST_ASIDE = 10_000
"""Digests that the store does not have, of which lines are kept if nobody can tell which of them are in quarantine."""
MOST_REFUSALS = 200
"""Refusals that are kept, the last ones."""
REFUSALS_SIZE = 1 << 20
"""Bytes of ``refusals`` beyond which it is made smaller."""

_APPENDING = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Origin(NamedTuple):
    """From which box something came, and when that was, in UTC."""

    box: str
    at: str


class Refusal(NamedTuple):
    """A request that was refused."""

    box: str
    digest: str
    reason: str
    at: str


class Record(NamedTuple):
    """By digest its origin, and the last refusals, both in the order of time; how many lines were damaged."""

    origins: Mapping[str, Origin]
    refusals: list[Refusal]
    damaged: int = 0


def staging_folder(store: str) -> str:
    """The folder beside a store that has these files, and in which archives are unpacked."""
    return store + SUFFIX


def is_kept(name: str, folder: int) -> bool:
    """Whether something in a folder is one of the files."""
    if name not in FILES:
        return False
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def note(folder: int, boxes: Mapping[str, str], at: str) -> None:
    """Note of digests the boxes that they come from. It is on disk then. OSError: it is not, and nothing was noted."""
    _append(folder, ORIGINS, [{"digest": digest, "box": box, "at": at} for digest, box in boxes.items()], to_disk=True)
    os.fsync(folder)


def take_back(folder: int, digests: Iterable[str], at: str) -> None:
    """Take the last note about digests back, because they did not get into the store. OSError: it could not be."""
    _append(folder, ORIGINS, [{"digest": digest, "box": "", "at": at} for digest in digests])


def note_refusal(folder: int, refusal: Refusal) -> None:
    """Note that a request was refused. What cannot be noted is lost."""
    with contextlib.suppress(Failure, OSError, ValueError):
        if _append(folder, REFUSALS, [refusal._asdict()]) > REFUSALS_SIZE:
            kept, _damaged = _refusals(folder, {os.geteuid()})
            _replace(folder, REFUSALS, _text(one._asdict() for one in kept))


def compact(folder: int, store: int, path: str, fits: Callable[[int], bool]) -> None:
    """Make ``origins`` smaller if it has grown much larger than what the store at this path, and what is aside, need.

    ``fits``: whether so many bytes may be written. Failure, OSError, ValueError: the file is as it was.
    """
    try:
        size = os.stat(ORIGINS, dir_fd=folder, follow_symlinks=False).st_size
    except FileNotFoundError:
        return
    if size <= COMPACTED:
        return
    there = set(os.listdir(store))
    aside = _aside(path)
    if size <= ROOM * len(there | (aside or set())):
        return
    found, _damaged = _origins(folder, {os.geteuid()})
    text = _text([{"digest": digest, **found[digest]._asdict()} for digest in _needed(found, there, aside)])
    if len(text) < size and fits(len(text)):
        _replace(folder, ORIGINS, text)


def _needed(found: Iterable[str], there: Collection[str], aside: Collection[str] | None) -> list[str]:
    """The digests of which lines are kept. ``aside``: what is in quarantine, or None if nobody can tell."""
    digests = list(found)
    if aside is None:
        aside = {*[digest for digest in digests if digest not in there][-MOST_ASIDE:]}
    return [digest for digest in digests if digest in there or digest in aside]


def _aside(store: str) -> set[str] | None:
    """The names in the quarantine of a store. None: this user may not see them, for it is root's."""
    try:
        with quarantine.opened(store) as (_folder, found):
            return {*found}
    except FileNotFoundError:
        return set()
    except OSError:
        return None


def read(folder: str | int, owners: Collection[int]) -> Record:
    """What is noted in a folder, by its path or open. Nothing is, if there is no folder or no file.

    ``owners``: the users who may have written it. ValueError: others can write it, or it is too large. OSError: it
    cannot be read.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(folder, str):
            try:
                folder = private_files.open_folder(folder, owners)
            except FileNotFoundError:
                return Record({}, [])
            stack.callback(os.close, folder)
        found, damaged = _origins(folder, owners)
        refusals, more = _refusals(folder, owners)
        return Record(found, refusals, damaged + more)


def _origins(folder: int, owners: Collection[int]) -> tuple[dict[str, Origin], int]:
    """By digest its origin, whatever was noted last at the end; how many lines are damaged."""
    found: dict[str, Origin] = {}
    before: dict[str, Origin | None] = {}
    damaged = 0
    for entry in _entries(folder, ORIGINS, owners):
        if not _is_origin(entry):
            damaged += 1
            continue
        digest = entry["digest"]
        last = found.pop(digest, None)
        if entry["box"]:
            before[digest] = last
            found[digest] = Origin(entry["box"], entry["at"])
        else:
            earlier = before.pop(digest, None)
            if earlier:
                found[digest] = earlier
    return found, damaged


def _refusals(folder: int, owners: Collection[int]) -> tuple[list[Refusal], int]:
    """The last refusals; how many lines are damaged."""
    entries = list(_entries(folder, REFUSALS, owners))
    right = [Refusal(**entry) for entry in entries if _is_refusal(entry)]
    return right[-MOST_REFUSALS:], len(entries) - len(right)


def _is_origin(entry: Any) -> bool:
    return _has(entry, ("digest", "box", "at")) and manifests.is_name(entry["digest"])


def _is_refusal(entry: Any) -> bool:
    return _has(entry, Refusal._fields) and bool(entry["box"])


def _has(entry: Any, keys: Collection[str]) -> bool:
    """Whether it is an object that has texts under these keys, which can be printed, and a time."""
    return (
        isinstance(entry, dict)
        and set(entry) == set(keys)
        and all(isinstance(value, str) and value.isprintable() for value in entry.values())
        and utc.is_time(entry["at"])
    )


def _entries(folder: int, name: str, owners: Collection[int]) -> Iterator[Any]:
    """What the lines of a file say, each that is damaged as None. What is after the last newline was not written whole.

    ValueError, OSError: it cannot be read.
    """
    try:
        text = private_files.read_bytes(folder, name, owners, LARGEST)
    except FileNotFoundError:
        return
    start = 0
    while True:
        end = text.find(b"\n", start)
        if end < 0:
            return
        yield _parsed(text[start : min(end, start + LONGEST + 1)])
        start = end + 1


def _parsed(line: bytes) -> Any:
    if len(line) > LONGEST:
        return None
    try:
        return json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return None


def _text(entries: Iterable[Mapping[str, str]]) -> bytes:
    """The lines of entries."""
    return b"".join(json.dumps(entry).encode("ascii") + b"\n" for entry in entries)


def _append(folder: int, name: str, entries: Iterable[Mapping[str, str]], to_disk: bool = False) -> int:
    """Add lines to a file; how many bytes it has then. OSError: it is as it was."""
    text = _text(entries)
    fd = os.open(name, _APPENDING, 0o600, dir_fd=folder)
    try:
        size = os.fstat(fd).st_size
        if size + len(text) + 1 > LARGEST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if size and os.pread(fd, 1, size - 1) != b"\n":
            text = b"\n" + text
        try:
            extracting.write(fd, text)
            if to_disk:
                os.fsync(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
            raise
        return size + len(text)
    finally:
        os.close(fd)


def _replace(folder: int, name: str, text: bytes) -> None:
    """Replace a file at once and whole. Failure: it is as it was."""
    replacing.replace_within(folder, name, text.decode("ascii"), 0o600)
