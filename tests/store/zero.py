# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Zero Install programs, and the trees that they and this project read."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from labkit.waiting import HANG

ALGORITHMS = ("sha1", "sha1new", "sha256", "sha256new")
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
# Homes with nothing in them: no stores, no configuration of whoever runs the tests.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a tree; ``mtime`` is in nanoseconds."""

    content: bytes = b""
    mtime: int = 0
    mode: int = 0o644


@dataclasses.dataclass(frozen=True)
class Link:
    """A symbolic link of a tree."""

    target: bytes


@dataclasses.dataclass(frozen=True)
class Folder:
    """A directory of a tree; ``mtime`` is in nanoseconds."""

    entries: dict[bytes, File | Link | Folder] = dataclasses.field(default_factory=dict)
    mtime: int = 0


def build(path: bytes, node: File | Link | Folder) -> None:
    """Make the tree on disk."""
    if isinstance(node, Link):
        os.symlink(node.target, path)
        return
    if isinstance(node, Folder):
        os.mkdir(path)
        for name, entry in node.entries.items():
            build(os.path.join(path, name), entry)
    else:
        with open(path, "xb") as file:
            file.write(node.content)
        os.chmod(path, node.mode)
    os.utime(path, ns=(node.mtime, node.mtime))


def run(command: Sequence[str | bytes | Path]) -> subprocess.CompletedProcess[bytes]:
    """Run a program of Zero Install's, away from the user's stores and settings."""
    return subprocess.run(
        command,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
    )


def digest(path: str | bytes | Path, algorithm: str) -> str:
    """The implementation name that the real program computes."""
    done = run(["0install", "digest", f"--algorithm={algorithm}", path])
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def verify(path: str | bytes | Path, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
    """What the real ``0store verify`` says; ``prefix`` may be a program that changes the user."""
    return run([*prefix, "0store", "verify", path])


def add(store: Path, tree: Path, algorithm: str) -> str:
    """Let the real ``0store add`` put a copy of the tree into the store; the implementation's name.

    0store adds to the store of the user, or of root to that of the system; the ends of both paths are fixed.
    """
    name = digest(tree, algorithm)
    home = store.parent.parent
    assert store == home / "0install.net" / "implementations"
    done = subprocess.run(
        ["0store", "add", name, tree],
        cwd="/",
        env={**ENVIRONMENT, "XDG_CACHE_HOME": str(home), "XDG_CACHE_DIRS": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (store / name / ".manifest").is_file()
    return name


def store_under(home: Path) -> Path:
    """Make the store that ``add`` takes below a folder."""
    store = home / "0install.net" / "implementations"
    store.mkdir(parents=True)
    return store


def name_of(manifest: bytes, algorithm: str) -> str:
    """The implementation name for the text of a manifest, written a second time here to have two to compare."""
    if algorithm == "sha256new":
        encoded = base64.b32encode(hashlib.sha256(manifest).digest()).decode().rstrip("=")
        return f"sha256new_{encoded}"
    kind = "sha256" if algorithm == "sha256" else "sha1"
    return f"{algorithm}={hashlib.new(kind, manifest).hexdigest()}"


@functools.cache
def is_root() -> bool:
    """Whether the tests run as root, who can make devices and read everything."""
    return os.geteuid() == 0
