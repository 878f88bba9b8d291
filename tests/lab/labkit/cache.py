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
            say("waiting for another process that holds %s" % path)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


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
        finished one.
        """
        key = fingerprint([name, *parts])
        path = self.artefacts / ("%s-%s" % (name, key))
        if path.exists():
            return path
        with locked(self.folder / "locks" / name):
            if path.exists():
                return path
            for stale in self.artefacts.glob(".%s-*" % name):
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
            self._prune(name)
        return path

    def _prune(self, name: str) -> None:
        """Remove all but the newest KEEP versions of an artefact, and those that runs use."""
        used = "".join(file.read_text() for file in self.runs.glob("*/run.json"))
        versions = sorted(
            (path for path in self.artefacts.glob(name + "-*") if len(path.name) == len(name) + 17),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        for path in versions[KEEP:]:
            if path.name not in used:
                remove_tree(path)
