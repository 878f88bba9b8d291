# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of things that are slow to make, outside the repository, each named by a hash of what it is made from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .console import LabError, say, step
from .mounts import unmount_below

KEEP = 3  # versions of an artefact that are kept beside those that a run uses


def default_folder() -> Path:
    """ZEROINSTALL_VIRTUALBOX_CACHE, or zeroinstall.virtualbox in the user's cache folder; `lab` in it."""
    named = os.environ.get("ZEROINSTALL_VIRTUALBOX_CACHE")
    base = (
        Path(named)
        if named
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zeroinstall.virtualbox"
    )
    if not base.is_absolute():
        raise LabError(
            "the cache folder %s is not an absolute path: correct ZEROINSTALL_VIRTUALBOX_CACHE or XDG_CACHE_HOME" % base
        )
    return base / "lab"


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """A short hash of a sequence of texts; their borders count."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:16]


def code(thing: object) -> str:
    """The text of a function or module, as a part that an artefact is made from."""
    return thing if isinstance(thing, str) else inspect.getsource(thing)  # type: ignore[arg-type]


def files(folder: Path) -> list[bytes]:
    """Name and content of every file of a folder, as parts that an artefact is made from."""
    return [
        part for path in sorted(folder.iterdir()) if path.is_file() for part in (path.name.encode(), path.read_bytes())
    ]


@contextlib.contextmanager
def locked(path: Path, blocking: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file; it ends with the process at the latest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not blocking:
                raise LabError("%s is in use by another process" % path) from error
            say("waiting for another program or step that works on %s" % path.name)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


_held: dict[Path, int] = {}


def hold(path: Path) -> bool:
    """Keep an artefact from being removed as long as this program runs; False if it is not there."""
    if path in _held:
        return True
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    fcntl.flock(handle, fcntl.LOCK_SH)
    with contextlib.suppress(FileNotFoundError):  # it was just being removed
        if os.path.samestat(os.stat(path), os.fstat(handle)):
            _held[path] = handle
            return True
    os.close(handle)
    return False


@contextlib.contextmanager
def unheld(path: Path) -> Iterator[bool]:
    """Whether no program holds an artefact; none does before the end of the block."""
    with contextlib.ExitStack() as stack:
        free = True
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
        yield free


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, but first what is mounted there."""
    unmount_below(path)
    if path.exists():
        shutil.rmtree(path)


class Cache:
    """Artefacts (folders) in FOLDER/artefacts, runs in FOLDER/runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        self.artefacts = self.folder / "artefacts"
        self.runs = self.folder / "runs"

    def make(self, name: str, title: str, parts: Iterable[str | bytes], build: Callable[[Path], None]) -> Path:
        """The folder that holds the artefact NAME (for people: TITLE) made from PARTS; build(folder) fills a new one.

        It is built under another name and renamed when complete, so that an interrupted build is never taken for a
        finished one. It is not removed as long as this program runs.
        """
        key = fingerprint([name, *parts])
        path = self.artefacts / ("%s-%s" % (name, key))
        if hold(path):
            return path
        with locked(self.folder / "locks" / name):
            if hold(path):
                return path
            for stale in self._versions("." + name):
                remove_tree(stale)
            temporary = self.artefacts / (".%s-%s" % (name, key))
            temporary.mkdir(parents=True)
            try:
                with step("building " + title):
                    build(temporary)
                temporary.rename(path)
            finally:
                if temporary.exists():
                    remove_tree(temporary)
            hold(path)
            self._prune(name)
        return path

    def named_in(self, things: object) -> list[Path]:
        """The folders of artefacts that paths in dataclasses and tuples lie in."""
        if isinstance(things, Path):
            return [self.artefacts / things.relative_to(self.artefacts).parts[0]]
        values = things if isinstance(things, (tuple, list)) else vars(things).values()
        return sorted({folder for value in values for folder in self.named_in(value)})

    def _prune(self, name: str) -> None:
        """Remove all but the newest KEEP versions of an artefact, and those that programs hold or runs use."""
        for path in sorted(self._versions(name), key=lambda path: path.stat().st_mtime, reverse=True)[KEEP:]:
            with unheld(path) as free:
                if free and not self._used(path):
                    removed = path.with_name("." + path.name)
                    path.rename(removed)  # what is half removed has no name of an artefact
                    remove_tree(removed)

    def _versions(self, name: str) -> list[Path]:
        """The folders NAME-KEY; that of another artefact may begin with the same."""
        return [path for path in self.artefacts.glob(name + "-*") if len(path.name) == len(name) + 17]

    def _used(self, path: Path) -> bool:
        """Whether a run is made from an artefact."""
        for file in self.runs.glob("*/run.json"):
            with contextlib.suppress(FileNotFoundError):  # it was just taken down
                if path.name in file.read_text():
                    return True
        return False
