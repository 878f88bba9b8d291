# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stores of implementations: what is in them, and whether it is sound."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import (
    access_rights,
    manifests,
    sparse_files,
    trees,
    verified_before,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.access_rights import Access, Finding
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.manifests import Algorithm
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.trees import Problem
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.verified_before import Known, Stamp

TEMPORARY = ("tmp-", "optimise-", "0install-extract", "0install-remove-")
"""How the names begin under which Zero Install's tools work in a store."""
LONGEST = 1 << 20
"""Bytes of a line of a recorded manifest that are read."""
SHOWN = 500
"""Characters of a changed line that are shown."""
FEW_HOLES = 1 << 20
"""Bytes of holes in a file up to which it is read without a look at what the recorded manifest says of its size."""
MOST_SIZES = 100_000
"""Sizes of files with more holes that are taken from a recorded manifest."""


class Verdict(NamedTuple):
    """What is known of one implementation: ``status`` is ok, corrupt, exposed or error, ``reason`` a code, empty if ok.

    ``actual`` and ``recorded`` are the names that its contents and its ``.manifest`` would have.
    """

    status: str = "ok"
    reason: str = ""
    detail: str | None = None
    expected: str | None = None
    actual: str | None = None
    recorded: str | None = None
    changes: Sequence[str] = ()
    changes_left_out: int = 0
    files: int = 0
    bytes: int = 0
    stamp: str | None = None
    unchanged: bool = False

    @classmethod
    def of(cls, problem: Problem, name: str) -> Verdict:
        """The verdict on an implementation with a problem."""
        return cls(problem.status, problem.reason, problem.detail, name if manifests.is_name(name) else None)


class Open(NamedTuple):
    """A store that is open: its path, and a file descriptor of it."""

    path: str
    fd: int


class Task(NamedTuple):
    """An implementation to verify: position of its store, and name."""

    store: int
    name: str


def open_store(path: str) -> Open:
    """Open a store.

    Failure: it is no directory, or a link, or cannot be read.
    """
    try:
        fd = os.open(path, trees.DIRECTORY)
    except FileNotFoundError:
        raise Failure(f"The store {path} does not exist. Correct the path, or create it.") from None
    except OSError as error:
        if os.path.islink(path):
            raise Failure(
                f"The store {path} is a symbolic link, which is not followed. Give the path of the store itself,"
                f" {os.path.realpath(path)}."
            ) from None
        if not os.path.isdir(path):
            raise Failure(f"The store {path} is not a directory. Correct the path.") from None
        raise Failure(f"The store {path} cannot be read: {error.strerror}. Run as root, or as its owner.") from error
    return Open(path, fd)


def sort_names(fd: int) -> tuple[list[str], list[tuple[str, str]]]:
    """The names in a store: those to verify in byte order, and those that are none of implementations, with why."""
    names, skipped = [], []
    for entry in sorted(map(os.fsencode, os.listdir(fd))):
        name = os.fsdecode(entry)
        if manifests.claims_to_be_name(name):
            names.append(name)
        elif name.startswith(TEMPORARY):
            skipped.append((name, "a temporary name of Zero Install's own tools"))
        else:
            skipped.append((name, "not the name of an implementation"))
    return names, skipped


def shown(name: str) -> str:
    """A name in a store, for people, and for ``_store.quarantine`` to know it by: no two names are shown alike.

    What is no UTF-8 or cannot be printed appears as its bytes, ``\\xNN``, but for a newline and its like; a backslash
    is doubled.
    """
    if name.isascii():
        return name.encode("unicode_escape").decode()
    return "".join(map(_shown, name))


def _shown(char: str) -> str:
    if char == "\\" or char in "\n\r\t":
        return char.encode("unicode_escape").decode()
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


def misnamed() -> Problem:
    """The problem of a name that begins like a digest and is none."""
    return Problem("corrupt", "name", "Its name is not exactly a digest.")


def open_implementation(store: Open, name: str) -> int:
    """A file descriptor of an implementation.

    ``Problem``: it is none, or cannot be read.
    """
    if not manifests.is_name(name):
        raise misnamed()
    try:
        return os.open(name, trees.DIRECTORY, dir_fd=store.fd)
    except FileNotFoundError:
        raise Problem("error", "missing", "The store does not have it.") from None
    except OSError as error:
        with contextlib.suppress(OSError):
            mode = os.stat(name, dir_fd=store.fd, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                raise Problem("corrupt", "symlink", "It is a symbolic link.") from None
            if not stat.S_ISDIR(mode):
                raise Problem("corrupt", "not_a_directory", "It is not a directory.") from None
        raise trees.unreadable(b"", error) from error


class Recorded:
    """A recorded manifest that is open. No more of it is read than it had when it was opened, whoever adds to it."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, most: int) -> bytes:
        """At most so many bytes of what was not read yet."""
        return self._taken(self._file.read(min(most, self._left)))

    def lines(self) -> Iterator[bytes]:
        """The lines that were not read yet, cut where they are too long for memory."""
        while self._left:
            line = self._taken(self._file.readline(min(LONGEST, self._left)))
            if not line:
                return
            yield line

    def _taken(self, text: bytes) -> bytes:
        self._left -= len(text)
        return text


@contextlib.contextmanager
def recorded_manifest(root: int) -> Iterator[Recorded]:
    """The recorded manifest of an implementation, open for reading.

    ``Problem``: there is none, it has holes, or it cannot be read. That is looked at each time it is opened: whoever
    writes the store may have put another there.
    """
    try:
        fd = os.open(trees.MANIFEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except OSError as error:
        raise trees.unreadable(b"/" + trees.MANIFEST, error) from error
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise trees.changed(b"/" + trees.MANIFEST)
        check_manifest(fd, status)
        yield Recorded(file, status.st_size)


def _reason(name: str, actual: str, recorded: str | None) -> tuple[str, str]:
    if recorded is None:
        return "no_manifest", "Its contents do not match its name, and it has no .manifest to compare them with."
    if recorded == name:
        return "contents", "Its contents were changed: its .manifest matches its name, and they do not."
    if actual == name:
        return "manifest", "Its contents are right, and its .manifest is not."
    if recorded == actual:
        return "renamed", "Its contents and its .manifest match each other, and not its name."
    return "contents_and_manifest", "Neither its contents nor its .manifest match its name, nor each other."


def recorded_digest(root: int, algorithm: Algorithm, reader: trees.Reader, stamp: Stamp | None) -> str | None:
    """The name that an implementation would have by its recorded manifest; None if it has none.

    ``Problem``: it cannot be read.
    """
    try:
        os.stat(trees.MANIFEST, dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return None
    status, digest = reader.digest(root, trees.MANIFEST, b"", algorithm.hash)
    if stamp:
        stamp.add(status)
    return algorithm.implementation(digest)


def check_manifest(file: int, status: os.stat_result) -> None:
    """``Problem`` where a recorded manifest, which is open, has holes: no name can have the zeros of one in it."""
    if sparse_files.holes(file, status):
        raise Problem("corrupt", "manifest", "Its .manifest has holes, which no manifest has. It was not read.")


class Look:
    """Looks at what is in one implementation before it is read: at who may change it, and at its holes.

    ``exposed``: the first place that others may change, and how.
    """

    def __init__(self, access: Access | None, take: Callable[[int], bool]) -> None:
        self._access = access
        self._take = take
        self.exposed: tuple[bytes, Finding] | None = None

    def __call__(self, fd: int, status: os.stat_result, path: bytes, leaf: bytes) -> None:
        """``Problem``: it is not to be read."""
        if self._access and not self.exposed:
            finding = self._access.finding(status, access_rights.attributes_of(fd))
            if finding:
                self.exposed = (path + b"/" + leaf if leaf else path, finding)
        if not leaf:
            return
        if leaf == trees.MANIFEST and not path:
            check_manifest(fd, status)
            return
        count = sparse_files.holes(fd, status)
        if count > FEW_HOLES:
            self._check_size(path + b"/" + leaf, status.st_size, count)
        if count and not self._take(count):
            raise self._refused(path + b"/" + leaf, count)

    def _refused(self, path: bytes, count: int) -> Problem:
        """The problem of more holes than may be read."""
        return Problem(
            "error",
            "sparse",
            f"{trees.place(path)} has holes of {count} bytes, and was not read: a run reads as many bytes of holes as"
            " max_holes says (in the role cache_verify: cache_verify_max_holes), which was not enough. Set that higher"
            " to verify it.",
        )

    def _check_size(self, path: bytes, size: int, count: int) -> None:
        """``Problem`` where a file with so many bytes of holes cannot be right."""


class _Batch(Look):
    """For a part of an implementation: what is odd is left to whoever looks at the whole."""

    def _check_size(self, path: bytes, size: int, count: int) -> None:
        raise Problem("error", "sparse", "left to a single worker")


class _Whole(Look):
    """For all of an implementation, whose root is open."""

    def __init__(self, access: Access | None, take: Callable[[int], bool], root: int, name: str) -> None:
        super().__init__(access, take)
        self._root = root
        self._name = name
        self._sizes: set[int] | None = None
        self._is_read = False
        self._has_manifest = True

    def _refused(self, path: bytes, count: int) -> Problem:
        """Zero Install leaves nothing without a manifest: what has none and cannot be read is not taken for sound."""
        if self._has_manifest:
            return super()._refused(path, count)
        return _cannot_be_sound(path, 0, count, "there is no .manifest that tells of it")

    def _check_size(self, path: bytes, size: int, count: int) -> None:
        """What the recorded manifest says is asked first: if it is wrong, or has no such file, none of it is read."""
        if not self._is_read:
            self._read(path, count)
            self._is_read = True
        if self._sizes is not None and size not in self._sizes:
            raise _cannot_be_sound(path, size, count, "its .manifest has no file of that size")

    def _read(self, path: bytes, count: int) -> None:
        algorithm = manifests.required_algorithm(self._name)
        recorded = recorded_digest(self._root, algorithm, trees.Reader(look=self), None)
        if recorded is None:
            self._has_manifest = False
            return
        if recorded != self._name:
            raise _cannot_be_sound(path, 0, count, "its .manifest does not match its name")
        try:
            with recorded_manifest(self._root) as manifest:
                self._sizes = manifests.sizes(manifest.lines(), FEW_HOLES, MOST_SIZES)
        except OSError as error:
            raise trees.unreadable(b"/" + trees.MANIFEST, error) from error


def _cannot_be_sound(path: bytes, size: int, count: int, why: str) -> Problem:
    in_all = f" in {size}" if size else ""
    detail = f"{trees.place(path)} has holes of {count} bytes{in_all}, and {why}. It was not read."
    return Problem("corrupt", "size", detail)


class Judge:
    """Judges implementations in this process. At most ``most`` changed lines are told; ``stamped``: with stamps.

    ``take`` says whether so many bytes of holes may be read.
    """

    def __init__(
        self,
        most: int = 10,
        stamped: bool = False,
        tick: Callable[[int], None] = lambda count: None,
        take: Callable[[int], bool] | None = None,
    ) -> None:
        self._most = most
        self._stamped = stamped
        self._budget = sparse_files.Budget()
        self._take = take or self._take_of_own
        self._accesses: dict[int, Access | None] = {}
        self._reader = trees.Reader(tick)

    def _take_of_own(self, count: int) -> bool:
        return self._budget.take(0, count)

    def access(self, store: Open) -> Access | None:
        """Who may change what is in a store."""
        if store.fd not in self._accesses:
            self._accesses[store.fd] = access_rights.access_of(store.fd)
        return self._accesses[store.fd]

    def part_reader(self, store: Open) -> tuple[trees.Reader, Look]:
        """What reads a part of an implementation, and what looks at it."""
        self._reader.look = look = _Batch(self.access(store), self._take)
        return self._reader, look

    def verdict(self, store: Open, name: str) -> Verdict:
        """What is to be said of an implementation, whatever is wrong with it."""
        try:
            root = open_implementation(store, name)
        except Problem as problem:
            return Verdict.of(problem, name)
        try:
            self._reader.look = look = _Whole(self.access(store), self._take, root, name)
            return self._verify(store, root, name, look)
        except Problem as problem:
            return Verdict.of(problem, name)
        finally:
            os.close(root)

    def _verify(self, store: Open, root: int, name: str, look: Look) -> Verdict:
        algorithm = manifests.required_algorithm(name)
        stamp = Stamp() if self._stamped else None
        totals, hash_ = trees.Totals(), algorithm.hash()
        for line in trees.lines(root, algorithm, self._reader, totals, stamp.add if stamp else None):
            hash_.update(line)
        actual = algorithm.implementation(hash_.digest())
        recorded = recorded_digest(root, algorithm, self._reader, stamp)
        sound = Verdict(expected=name, actual=actual, recorded=recorded, files=totals.files, bytes=totals.bytes)
        if actual == name and recorded in (None, name):
            if look.exposed:
                return _exposed(sound, os.path.join(store.path, name), *look.exposed)
            return sound._replace(stamp=stamp.value() if stamp else None)
        reason, detail = _reason(name, actual, recorded)
        verdict = sound._replace(status="corrupt", reason=reason, detail=detail)
        return verdict if recorded in (None, actual) else self._compared(root, algorithm, verdict)

    def _compared(self, root: int, algorithm: Algorithm, verdict: Verdict) -> Verdict:
        """The verdict with the lines that differ, as far as they can be told."""
        try:
            with recorded_manifest(root) as recorded:
                generated = trees.lines(root, algorithm, self._reader, trees.Totals())
                found = manifests.differences(recorded.lines(), generated, self._most)
        except (Problem, OSError):
            return verdict
        if found is None:
            return verdict._replace(detail=f"{verdict.detail} Its manifests are too long to be compared.")
        lines = [line if len(line) <= SHOWN else line[:SHOWN] + "…" for line in found.lines]
        return verdict._replace(changes=lines, changes_left_out=found.left_out)


def _exposed(sound: Verdict, path: str, place: bytes, finding: Finding) -> Verdict:
    remedy = finding.remedy % shlex.quote(path if path.isprintable() else shown(path))
    detail = (
        f"Its contents are right now, but {trees.place(place)} {finding.what}. Take that away with"
        f" `{remedy}`, or move it aside with the module store_quarantine, so that Zero Install fetches it anew."
        " cache_verify_quarantine leaves it where it is."
    )
    return sound._replace(status="exposed", reason=finding.reason, detail=detail)


def unchanged(store: Open, name: str, known: Known) -> bool:
    """Whether an implementation has the stamp by which it is known to be sound."""
    try:
        root = open_implementation(store, name)
    except Problem:
        return False
    try:
        return verified_before.stamp_of(root) == known.stamp
    finally:
        os.close(root)
