# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile guest puts into its box: it is refused, and others are served as ever.

After each attack, the whole store is verified, nothing is left beside it, nothing outside the box was opened or
changed, and another guest's package is added.
"""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import os
import re
import select
import socket
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import archives, guest_boxes, one_pass
from hosts import GUEST, SECOND, SERVICE, TREE, Host, digest, pack
from zero import File, Folder, Link

IN_ACCESS, IN_OPEN, IN_MODIFY, IN_ATTRIB = 0x1, 0x20, 0x2, 0x4
LIBC = ctypes.CDLL(None, use_errno=True)
BLOCK = 512
CANARY, ESCAPED = (Path(f"/var/tmp/zeroinstall-{what}-{uuid.uuid4().hex}") for what in ("canary", "escaped"))


@contextlib.contextmanager
def untouched(*canaries: Path) -> Iterator[None]:
    """Fail if anybody opens, reads, writes or changes one of these files, by what the kernel tells."""
    watch = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for canary in canaries:
            events = IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB
            assert LIBC.inotify_add_watch(watch, os.fsencode(canary), events) > 0
        yield
        assert not select.select([watch], [], [], 0)[0], "something outside the box was touched"
    finally:
        os.close(watch)


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> tuple:
    """An entry for the end of an archive."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def bare(archive: bytes) -> bytes:
    """An archive without its end mark."""
    return archive[: len(archive.rstrip(b"\0")) + -len(archive.rstrip(b"\0")) % BLOCK]


def header(**fields: bytes) -> bytes:
    """A header block of a file ``x`` with some fields as given, and a right checksum."""
    places = {"name": 0, "mode": 100, "size": 124, "mtime": 136, "type": 156, "link": 157, "magic": 257}
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(text: bytes, kind: bytes = b"x") -> bytes:
    """An extended header, and the file ``x`` for which it is."""
    size = b"%011o\0" % len(text)
    return header(type=kind, size=size) + text + bytes(-len(text) % BLOCK) + header()


def record(text: bytes) -> bytes:
    """A field of an extended header."""
    length = len(text) + 2
    length = len(text) + 2 + len(str(length + len(str(length))))
    assert len(b"%d %b\n" % (length, text)) == length
    return b"%d %b\n" % (length, text)


END = bytes(2 * BLOCK)
D, L, H = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def files(*extra: tuple) -> bytes:
    return pack(TREE, extra)


def globals_() -> bytes:
    return pack(TREE, pax_headers={"comment": "for all"})


def changed(node: File | Link) -> bytes:
    """The archive with another file "read me" than the name says."""
    return pack(Folder({**TREE.entries, b"read me": node}))


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a path with ..": (lambda: files(entry("../escaped")), "no path of its own"),
    "a path with .. in the middle": (lambda: files(entry("bin/../../escaped")), "no path of its own"),
    "an absolute path": (lambda: header(name=b"%s\0" % bytes(ESCAPED)) + END, "no path of its own"),
    "a path with .": (lambda: files(entry("./x")), "no path of its own"),
    "a path with two slashes": (lambda: files(entry("bin//x")), "no path of its own"),
    "an entry for the root": (lambda: header(name=b"./\0", type=b"5") + END, "no path of its own"),
    "an empty name": (lambda: header(name=b"\0\0") + END, "no path of its own"),
    "a hard link inside": (lambda: files(entry("hard", H, linkname="read me")), "hard is a hard link"),
    "a hard link to the host's file": (lambda: files(entry("hard", H, linkname=str(CANARY))), "is a hard link"),
    "a character device": (lambda: files(entry("dev", tarfile.CHRTYPE, devmajor=1, devminor=3)), "is a device"),
    "a block device": (lambda: files(entry("dev", tarfile.BLKTYPE, devmajor=8)), "is a device"),
    "a FIFO": (lambda: files(entry("fifo", tarfile.FIFOTYPE)), "is a FIFO"),
    "a sparse file of GNU tar": (lambda: header(type=b"S") + END, "of a kind that no implementation has"),
    "a long name of GNU tar": (
        lambda: pack(Folder({b"n" * 200: File()}), format=tarfile.GNU_FORMAT),
        "no header of a POSIX tar archive",
    ),
    "an unknown kind": (lambda: header(type=b"Z") + END, "of a kind that no implementation has"),
    "global fields": (globals_, "of a kind that no implementation has"),
    "fields of a sparse file": (
        lambda: extended(record(b"GNU.sparse.major=1")) + END, "extended header with GNU.sparse.major"),
    "extended attributes": (
        lambda: extended(record(b"SCHILY.xattr.user.x=1")) + END, "extended header with SCHILY.xattr"),
    "a field twice": (lambda: extended(record(b"path=a") + record(b"path=../b")) + END, "extended header with path"),
    "a field of no length": (lambda: extended(b"0 path=a\n") + END, "extended header that is damaged"),
    "a field longer than its header": (lambda: extended(b"999 path=a\n") + END, "extended header that is damaged"),
    "a field without an end": (lambda: extended(b"8 path=aa") + END, "extended header that is damaged"),
    "a path with a NUL": (lambda: extended(record(b"path=a\0b")) + END, "a newline or a NUL"),
    "a time that is none": (lambda: extended(record(b"mtime=1e999")) + END, "no whole number"),
    "a time beyond all": (lambda: extended(record(b"mtime=" + b"9" * 18)) + END, "cannot be unpacked|do not match"),
    "an extended header of 1 GiB": (
        lambda: header(type=b"x", size=b"10000000000\0") + END, "extended header of more than"),
    "two extended headers": (
        lambda: header(type=b"x", size=b"%011o\0" % 0) * 2 + header() + END, "of a kind that no implementation has"),
    "an extended header at the end": (lambda: header(type=b"x", size=b"%011o\0" % 0) + END, "after an extended header"),
    "an absolute link": (lambda: files(entry("l", L, linkname=str(CANARY))), "with an absolute target"),
    "a link that leads out": (lambda: files(entry("bin/l", L, linkname="../../x")), "leads out of the implementation"),
    "a link that leads out by another": (
        lambda: files(entry("d", D), entry("d/up", L, linkname=".."), entry("l", L, linkname="d/up/..")),
        "'..' after a name",
    ),
    "a link to nothing": (lambda: header(type=b"2") + END, "symbolic link to nothing"),
    "a link with contents": (lambda: header(type=b"2", size=b"00000000005\0", link=b"x") + END, "has contents"),
    "a directory with contents": (lambda: header(type=b"5", size=b"00000000005\0") + END, "has contents"),
    "a file through a link": (
        lambda: files(entry("l", L, linkname="bin"), entry("l/x")), "in a directory that does not come before"),
    "a directory through a link": (
        lambda: files(entry("l", L, linkname="bin"), entry("l/d", D)), "in a directory that does not come before"),
    "a file in a file": (lambda: files(entry("f"), entry("f/x")), "in a directory that does not come before"),
    "a file without its directory": (lambda: files(entry("no/x")), "in a directory that does not come before"),
    "a file in a directory that was complete": (lambda: files(entry("bin/x")), "complete before"),
    "a file twice": (lambda: files(entry("f"), entry("f")), "/f is in the archive twice"),
    "a directory where a file is": (lambda: files(entry("f"), entry("f", D)), "/f is in the archive twice"),
    "a link where a file is": (lambda: files(entry("f"), entry("f", L, linkname="big")), "is in the archive twice"),
    "a file where a link is": (lambda: files(entry("f", L, linkname="big"), entry("f")), "is in the archive twice"),
    "a manifest": (lambda: files(entry(".manifest")), "has a .manifest"),
    "a directory .manifest": (lambda: files(entry(".manifest", D)), "has a .manifest"),
    "a newline in a name": (lambda: files(entry("a\nb")), "a newline or a NUL"),
    "a newline in a directory's name": (lambda: files(entry("a\nb", D)), "a newline or a NUL"),
    "a name that is not UTF-8": (lambda: header(name=b"\xff\xfe") + END, "not UTF-8"),
    "a name of 300 bytes": (lambda: files(entry("n" * 300)), "cannot be unpacked: File name too long"),
    "a path that 0store could not read": (
        lambda: files(*(entry("/".join(["d" * 240] * depth), D) for depth in range(1, 14))),
        "a path of more than 3072 bytes"),
    "too many directories in each other": (
        lambda: files(*(entry("/".join("d" * depth), D) for depth in range(1, 25))), "more than 20 directories deep"),
    "too many entries": (lambda: files(*(entry(f"f{number}") for number in range(1100))), "more than 1000 files"),
    "too large": (lambda: bytes(1) * ((1 << 26) + 1), "more than the 67108864 that are allowed"),
    "cut in the middle of a file": (lambda: pack(TREE)[:20_000], "ends in the middle of a file"),
    "cut in the middle of a header": (lambda: pack(Folder({b"x": File()}))[:700], "ends without its end mark"),
    "without an end mark": (lambda: bare(pack(TREE)), "ends without its end mark"),
    "a file larger than the archive": (lambda: header(size=b"77777777777\0") + END, "ends in the middle of a file"),
    "a size in base 256": (lambda: header(size=b"\x80" + bytes(10) + b"\1") + END, "number that is none"),
    "a negative size": (lambda: header(size=b"-0000000001\0") + END, "number that is none"),
    "a wrong checksum": (lambda: header()[:148] + b"000000\0 " + header()[156:] + END, "checksum is wrong"),
    "an old tar": (lambda: header(magic=bytes(8)) + END, "no header of a POSIX tar archive"),
    "compressed": (lambda: gzip.compress(bytes(1 << 26)), "no header of a POSIX tar archive"),
    "noise": (lambda: os.urandom(100_000), "no header of a POSIX tar archive"),
    "nothing": (lambda: b"", "ends without its end mark"),
    "zeros": (lambda: bytes(1 << 20), "do not match its name"),
    "another content": (lambda: changed(File(b"hellO\n", 7 * SECOND)), "do not match"),
    "another time": (lambda: changed(File(b"hello\n", 8 * SECOND)), "do not match"),
    "another x bit": (lambda: changed(File(b"hello\n", 7 * SECOND, 0o755)), "do not match"),
    "another kind": (lambda: changed(Link(b"big")), "do not match"),
}  # fmt: skip


@pytest.fixture
def canary() -> Iterator[Path]:
    """The file outside to which hostile archives link."""
    CANARY.write_bytes(b"x")
    yield CANARY
    CANARY.unlink()


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(host: Host, folder: Path, canary: Path, name: str) -> None:
    """It has the name of a sound package, which it is not."""
    make, why = ARCHIVES[name]
    wanted = digest(TREE, folder)
    before = sorted(os.listdir(folder))
    with untouched(canary):
        identity = host.put("evil", wanted, make())
        (answer,) = host.run()
    assert (answer.box, answer.status, answer.digest) == ("evil", "refused", wanted)
    assert re.search(why, answer.reason), answer.reason
    assert host.answer("evil", identity) == {"status": "refused", "reason": answer.reason}
    assert host.check() == set()
    assert sorted(os.listdir(folder)) == before
    assert not ESCAPED.exists()
    host.is_served("good", 1)
    assert wanted not in host.check()


def test_what_is_sent_with_special_bits_does_not_keep_them(host: Host, folder: Path) -> None:
    info, content = entry("suid", content=b"x", mode=0o6755, uid=0, gid=0, uname="root")
    wanted = digest(Folder({b"suid": File(b"x", 0, 0o755)}), folder)
    host.put("evil", wanted, pack(Folder(), [(info, content)]))
    assert [answer.status for answer in host.run()] == ["added"]
    assert host.check() == {wanted}
    assert (host.store / wanted / "suid").stat().st_mode & 0o7777 == 0o555


def test_zero_install_reads_the_longest_path_that_is_taken(host: Host, folder: Path) -> None:
    names = [b"d" * 255] * 12
    node: File | Folder = File(b"deep")
    for name in reversed(names):
        node = Folder({name: node})
    assert isinstance(node, Folder)
    assert len(b"/".join(names)) == archives.LONGEST_PATH - 1
    wanted = digest(node, folder)
    host.put("evil", wanted, pack(node))
    assert [answer.reason for answer in host.run()] == [""]
    done = subprocess.run(
        ["0store", "audit", host.store],
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Corrupted or modified implementations: 0" in done.stdout, done


IDENTITY = "0123456789abcdef" * 2


class Box:
    """What an attack on the box itself works with; ``secret`` is an archive that only the service may read."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.path = host.boxes / "evil"
        self.wanted = digest(TREE, folder)
        self.archive = pack(TREE)
        self.secret = folder / "secret"
        self.secret.write_bytes(self.archive)
        os.chown(self.secret, SERVICE, SERVICE)
        self.secret.chmod(0o600)
        self.own = folder / "own"
        self.own.write_bytes(self.archive)
        os.chown(self.own, GUEST, GUEST)
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "file").write_bytes(b"x")
        for path in (self.outside, self.outside / "file"):
            os.chown(path, SERVICE, SERVICE)

    def request(self, identity: str = IDENTITY, wanted: str = "") -> Path:
        return self.path / f"{identity}.{wanted or self.wanted}.tar"


def a_link_to_a_secret(box: Box) -> None:
    box.request().symlink_to(box.secret)


def a_link_to_a_folder(box: Box) -> None:
    box.request().symlink_to(box.outside)


def a_hard_link(box: Box) -> None:
    os.link(box.own, box.request())


def a_fifo(box: Box) -> None:
    os.mkfifo(box.request())


def a_socket(box: Box) -> None:
    os.chdir(box.path)
    socket.socket(socket.AF_UNIX).bind("s")
    os.rename("s", box.request().name)


def a_directory(box: Box) -> None:
    box.request().mkdir()


def a_directory_with_a_link(box: Box) -> None:
    box.request().mkdir()
    (box.request() / "link").symlink_to(box.outside)


def a_directory_that_cannot_be_read(box: Box) -> None:
    box.request().mkdir()
    (box.request() / "file").touch()
    box.request().chmod(0)


def a_deep_directory(box: Box) -> None:
    box.request().mkdir()
    os.chdir(box.request())
    for _depth in range(1000):
        os.mkdir("d")
        os.chdir("d")


def a_directory_of_many(box: Box) -> None:
    box.request().mkdir()
    for number in range(12_000):
        (box.request() / str(number)).touch()
    box.request().chmod(0o777)


def a_file_that_cannot_be_read(box: Box) -> None:
    box.request().write_bytes(box.archive)
    box.request().chmod(0)


def sha1(box: Box) -> None:
    box.request(wanted="sha1=" + "0" * 40).write_bytes(box.archive)


def a_digest_that_is_a_path(box: Box) -> None:
    box.request(wanted="..").write_bytes(box.archive)


def a_digest_in_capitals(box: Box) -> None:
    box.request(wanted="SHA256=" + "0" * 64).write_bytes(box.archive)


def a_digest_with_more(box: Box) -> None:
    box.request(wanted=box.wanted + ".tar").write_bytes(box.archive)


def a_digest_with_a_newline(box: Box) -> None:
    box.request(wanted=box.wanted + "\n").write_bytes(box.archive)


def a_digest_that_is_not_utf8(box: Box) -> None:
    Path(os.fsdecode(os.fsencode(box.path) + b"/" + IDENTITY.encode() + b".\xff.tar")).write_bytes(box.archive)


def a_temporary_name(box: Box) -> None:
    box.request(wanted="tmp-import-1").write_bytes(box.archive)


def no_id(box: Box) -> None:
    (box.path / f"{box.wanted}.tar").write_bytes(box.archive)


def a_bare_suffix(box: Box) -> None:
    (box.path / ".tar").write_bytes(box.archive)


def an_id_in_capitals(box: Box) -> None:
    box.request(identity=IDENTITY.upper()).write_bytes(box.archive)


def an_answer_that_is_a_link(box: Box) -> None:
    box.request(wanted="sha1=0").write_bytes(box.archive)
    (box.path / f"{IDENTITY}.answer").symlink_to(box.outside / "file")


def an_answer_that_is_a_folder(box: Box) -> None:
    box.request(wanted="sha1=0").write_bytes(box.archive)
    (box.path / f"{IDENTITY}.answer").mkdir()
    (box.path / f"{IDENTITY}.answer" / "x").mkdir()


def an_answer_that_is_a_fifo(box: Box) -> None:
    box.request(wanted="sha1=0").write_bytes(box.archive)
    os.mkfifo(box.path / f"{IDENTITY}.answer")


def more_requests_than_may_wait(box: Box) -> None:
    for number in range(100):
        box.request(identity=f"{number:032x}", wanted="sha256=" + f"{number:064x}").write_bytes(b"x" * 10)


def thousands_of_names(box: Box) -> None:
    for number in range(3000):
        (box.path / f"{number}.part").touch()


ATTACKS: dict[Callable[[Box], None], str] = {
    a_link_to_a_secret: "cannot be opened: Too many levels of symbolic links",
    a_link_to_a_folder: "cannot be opened: Too many levels of symbolic links",
    a_hard_link: "hard links are refused",
    a_fifo: "no regular file",
    a_socket: "cannot be opened: No such device or address",
    a_directory: "no regular file",
    a_directory_with_a_link: "no regular file",
    a_directory_that_cannot_be_read: "cannot be opened: Permission denied",
    a_deep_directory: "no regular file",
    a_directory_of_many: "no regular file",
    a_file_that_cannot_be_read: "cannot be opened: Permission denied",
    sha1: "algorithm sha1 are refused",
    a_digest_that_is_a_path: "'..' is not the name of an implementation",
    a_digest_in_capitals: "is not the name of an implementation",
    a_digest_with_more: "is not the name of an implementation",
    a_digest_with_a_newline: "is not the name of an implementation",
    a_digest_that_is_not_utf8: "is not the name of an implementation",
    a_temporary_name: "is not the name of an implementation",
    no_id: "name is none of a request",
    a_bare_suffix: "name is none of a request",
    an_id_in_capitals: "name is none of a request",
    an_answer_that_is_a_link: "is not the name of an implementation",
    an_answer_that_is_a_folder: "is not the name of an implementation",
    an_answer_that_is_a_fifo: "is not the name of an implementation",
    more_requests_than_may_wait: "More than 64 requests|without its end mark",
    thousands_of_names: "",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_box(host: Host, folder: Path, attack: Callable[[Box], None]) -> None:
    """Something in a box that is no request of the guest's program."""
    box = Box(host, folder)
    with untouched(box.secret, box.own, box.outside, box.outside / "file"):
        inode = os.stat(box.path).st_ino
        # A hard link changes the file's own state before the pass runs.
        if attack is not a_hard_link:
            host.as_guest(lambda: attack(box))
            answers = host.run()
    if attack is a_hard_link:
        host.as_guest(lambda: attack(box))
        with untouched(box.secret, box.outside, box.outside / "file"):
            answers = host.run()
    assert {answer.status for answer in answers} == ({"refused"} if ATTACKS[attack] else set())
    assert all(re.search(ATTACKS[attack], answer.reason) for answer in answers), answers
    if attack is more_requests_than_may_wait:
        assert sum("More than 64 requests" in answer.reason for answer in answers) == 100 - 64
    assert os.stat(box.path).st_ino == inode
    assert host.check() == set()
    assert (box.outside / "file").read_bytes() == b"x"
    assert not host.as_guest(lambda: contains(box.path, box.archive))
    host.is_served("good", 1)


def contains(box: Path, text: bytes) -> bool:
    """Whether a file of a box that its guest can read has these contents: what was outside must not get there."""
    return any(path.is_file() and path.read_bytes() == text for path in box.iterdir())


def test_the_canary_sings(folder: Path) -> None:
    canary = folder / "canary"
    canary.touch()
    with pytest.raises(AssertionError, match="was touched"), untouched(canary):
        canary.read_bytes()


def test_a_guest_can_neither_open_its_box_to_others_nor_reach_those_of_others(host: Host) -> None:
    box = host.boxes / "evil"
    attempts: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (os.chmod, (box, 0o777)),
        (os.rename, (box, host.boxes / "good")),
        (os.rmdir, (box,)),
        (os.mkdir, (host.boxes / "new",)),
        (os.mkdir, (host.store / "x",)),
        (os.listdir, (host.staging,)),
    ]
    for attempt, arguments in attempts:

        def refused(do: Callable[..., object] = attempt, arguments: tuple[object, ...] = arguments) -> bool:
            try:
                do(*arguments)
            except PermissionError:
                return True
            return False

        assert host.as_guest(refused), attempt


def removed(host: Host, dry: bool = False) -> int:
    """How many things a pass says that it removed."""
    return one_pass.run(host.options, lambda answer: None, dry).removed


def test_what_is_old_is_removed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request, an answer that nobody fetched, and what has no business there; what is young stays."""

    def leave() -> None:
        for name in ("a.part", "b.answer", "c", "d.junk"):
            (host.boxes / "evil" / name).touch()
        (host.boxes / "evil" / "folder" / "inside").mkdir(parents=True)

    host.as_guest(leave)
    host.run()
    assert len(os.listdir(host.boxes / "evil")) == 5
    monkeypatch.setattr(guest_boxes, "OLD", -1)
    assert removed(host) == 4
    # What is in a folder of another user cannot be removed; then it has a name that is none of a request.
    (left,) = os.listdir(host.boxes / "evil")
    assert left.endswith(".junk")
    # That is told only of what is gone, or whoever runs it would see a change for ever.
    assert (removed(host), removed(host, dry=True)) == (0, 0)
    assert os.listdir(host.boxes / "evil") == [left]
    host.is_served("evil", 2)
