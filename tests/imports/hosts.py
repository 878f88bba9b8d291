# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as the role cache_import sets it up, and guests that send to it.

A box is written by the user GUEST, as whom VirtualBox would run, and the pass is made as the user SERVICE.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import children
import zero
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass, origins, turn_taking
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests, verifying
from labkit.waiting import HANG
from setup import REPOSITORY
from zero import File, Folder, Link

SERVICE, GUEST = 64001, 64002
PYTHON = "/usr/bin/python3"
"""One that every user of this machine can run."""
SECURE_ADD = REPOSITORY / "plugins/module_utils/_guest/secure_add.py"
SECOND = 10**9
KEPT = {turn_taking.STATE, *origins.FILES}
"""What a pass may leave in the folder beside the store."""
LIMITS = Limits(
    max_size=1 << 26, max_entries=1000, max_depth=20, max_seconds=int(HANG), keep_free=0, keep_free_inodes=0
)
TREE = Folder(
    {
        b"bin": Folder({b"run": File(b"#!/bin/sh\necho run\n", 10**9 * SECOND, 0o755)}, SECOND),
        b"lib": Folder({b"deep": Folder({b"up": Link(b"../../bin/run")}, SECOND), b"empty": Folder()}, SECOND),
        b"read me": File(b"hello\n", 7 * SECOND),
        b"sch\xc3\xb6n" * 30: File(b"a long name that is not ASCII", SECOND),
        b"big": File(bytes(range(256)) * 1000, 3 * SECOND),
    }
)


def named(number: int) -> Folder:
    """A tree that differs from those of other numbers."""
    return Folder({**TREE.entries, b"number": File(b"%d\n" % number, SECOND)})


class Host:
    """A store, boxes, and what lies beside them."""

    def __init__(self, folder: Path, boxes: Iterable[str] = ("good", "evil", "other")) -> None:
        self.folder = folder
        self.store = zero.store_under(folder / "cache")
        self.staging = Path(origins.staging_folder(str(self.store)))
        self.staging.mkdir()
        self.boxes = folder / "boxes"
        self.boxes.mkdir()
        for path in (self.store, self.staging):
            os.chown(path, SERVICE, SERVICE)
        self.staging.chmod(0o700)
        for name in boxes:
            (self.boxes / name).mkdir()
            os.chown(self.boxes / name, SERVICE, GUEST)
            (self.boxes / name).chmod(0o770)
        self.limits = LIMITS

    @property
    def options(self) -> one_pass.Options:
        """What a pass is started with."""
        return one_pass.Options(str(self.store), str(self.boxes), self.limits, workers=2)

    def run(self, dry: bool = False) -> list[one_pass.Answer]:
        """One pass, as root starts it, which goes on as the store's owner."""
        answers: list[one_pass.Answer] = []
        one_pass.run(self.options, answers.append, dry)
        return answers

    def as_guest(self, do: Callable[[], Any], apart: bool = True) -> Any:
        """Do something with the rights that VirtualBox has."""
        return children.call(do, user=GUEST, apart=apart)

    def put(self, box: str, digest: str, archive: bytes) -> str:
        """Send an archive as a guest's program does; the request's ID."""
        identity = secrets.token_hex(16)
        path = self.boxes / box / f"{identity}.{digest}.tar"

        def write() -> None:
            part = path.with_name(f"{identity}.part")
            part.write_bytes(archive)
            part.rename(path)

        self.as_guest(write)
        return identity

    def answer(self, box: str, identity: str) -> dict[str, str] | None:
        """The answer to a request as the guest reads it."""
        import json

        path = self.boxes / box / f"{identity}.answer"
        text = self.as_guest(lambda: path.read_bytes() if path.exists() else None)
        return json.loads(text) if text is not None else None

    def check(self) -> set[str]:
        """Nothing is wrong in the store, and nothing is left over; the names in the store."""
        names = self.sound()
        assert set(os.listdir(self.store)) == names
        assert set(os.listdir(self.staging)) <= KEPT
        for box in filter(Path.is_dir, self.boxes.iterdir()):
            left = [name for name in os.listdir(os.fsencode(box)) if name.endswith(b".tar")]
            assert left == [], f"{box.name} still has {left}"
        return names

    def check_nothing_done(self) -> bool:
        """Nothing was added, and no answer was given."""
        answers = [name for box in self.boxes.iterdir() for name in os.listdir(box) if name.endswith(".answer")]
        return os.listdir(self.store) == os.listdir(self.staging) == answers == []

    def record(self) -> origins.Record:
        """What is noted of packages and refusals."""
        return origins.read(str(self.staging), {SERVICE})

    def sound(self) -> set[str]:
        """Every implementation in the store is sound, also in its modes; their names."""
        report = verifying.verify([str(self.store)], verifying.Options(workers=1))
        assert report.problems == []
        for name in report.names:
            for path, folders, files in os.walk(os.fsencode(self.store / name)):
                for leaf in [b".", *folders, *files]:
                    status = os.lstat(os.path.join(path, leaf))
                    assert status.st_uid == SERVICE
                    assert os.path.islink(os.path.join(path, leaf)) or not status.st_mode & 0o7222, (path, leaf)
        return set(report.names)

    def send(self, box: str, tree: Path, digest: str) -> subprocess.Popen[str]:
        """Start the guest's own program on a tree."""
        program = self.folder / "secure-add"
        if not program.exists():
            shutil.copy(SECURE_ADD, program)
        return subprocess.Popen(
            [PYTHON, "-IS", program, digest, "--box", self.boxes / box, "--store", self.store, "--timeout", str(HANG)],
            cwd=tree, user=GUEST, group=GUEST, extra_groups=[], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def is_served(self, box: str, number: int) -> None:
        """A good request of a package that is new is granted."""
        tree = self.folder / f"good-{number}-{secrets.token_hex(4)}"
        zero.build(os.fsencode(tree), named(number))
        digest = zero.digest(tree, "sha256new")
        identity = self.put(box, digest, pack(named(number)))
        answers = self.run()
        assert (identity, "added") in {(answer.id, answer.status) for answer in answers}, answers
        assert self.answer(box, identity) == {"status": "added", "reason": ""}
        assert zero.verify(self.store / digest).returncode == 0
        assert digest in self.check()
        self.as_guest((self.boxes / box / f"{identity}.answer").unlink)


def entries(tree: Folder, path: bytes = b"") -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    """The headers and contents of a tree's entries, parents first."""
    for name, node in sorted(tree.entries.items()):
        info = tarfile.TarInfo((path + name).decode())
        if isinstance(node, Link):
            info.type, info.linkname = tarfile.SYMTYPE, node.target.decode()
            yield info, b""
        elif isinstance(node, File):
            info.size, info.mtime, info.mode = len(node.content), manifests.seconds(node.mtime), node.mode
            yield info, node.content
        else:
            info.type = tarfile.DIRTYPE
            yield info, b""
            yield from entries(node, path + name + b"/")


def pack(tree: Folder, extra: Iterable[tuple[tarfile.TarInfo, bytes]] = (), **options: Any) -> bytes:
    """The archive of a tree as tarfile writes it, with more entries at its end."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", **{"format": tarfile.PAX_FORMAT, **options}) as archive:
        for info, content in [*entries(tree), *extra]:
            archive.addfile(info, io.BytesIO(content))
    return output.getvalue()


def digest(tree: Folder, folder: Path, algorithm: str = "sha256new") -> str:
    """The name of a tree by the real program."""
    path = folder / f"tree-{secrets.token_hex(4)}"
    zero.build(os.fsencode(path), tree)
    return zero.digest(path, algorithm)


@contextlib.contextmanager
def disk_of_24_mb(folder: Path, *options: str) -> Iterator[Path]:
    """A folder that is a file system of its own, made with these options of mkfs.ext4."""
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", *options, image], check=True, timeout=HANG)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True, timeout=HANG)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True, timeout=HANG)
