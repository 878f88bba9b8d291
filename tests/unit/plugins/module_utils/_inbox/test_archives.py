# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading archives: what tarfile writes is read as it was meant, and unpacked so. Attacks are in tests/imports."""

from __future__ import annotations

import io
import os
import random
import stat
import subprocess
import tarfile

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import archives, extracting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.archives import Member, Refused
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests


def info(name, kind=tarfile.REGTYPE, **fields):
    """A header of tarfile's."""
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def archive(*entries):
    """What tarfile writes for headers with contents."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for header, content in entries:
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return output.getvalue()


def read(text):
    """The members with their contents."""
    reader = archives.Archive(io.BytesIO(text))
    return [(member, b"".join(reader.pieces())) for member in reader.members()]


@pytest.mark.parametrize(
    "header, content, member",
    [
        (info("a", mode=0o644, mtime=5), b"x", Member(b"f", (b"a",), 1, 5, False, b"")),
        (info("a/b", mode=0o100, mtime=-5), b"", Member(b"f", (b"a", b"b"), 0, -5, True, b"")),
        (info("a", mtime=2**40), b"", Member(b"f", (b"a",), 0, 2**40, False, b"")),
        (info("d", tarfile.DIRTYPE, mode=0o700), b"", Member(b"d", (b"d",), 0, 0, True, b"")),
        (info("l", tarfile.SYMTYPE, linkname="x/y", mode=0), b"", Member(b"l", (b"l",), 0, 0, False, b"x/y")),
        (info("d/l", tarfile.SYMTYPE, linkname="../x", mode=0), b"", Member(b"l", (b"d", b"l"), 0, 0, False, b"../x")),
        (info("n" * 200), b"xyz", Member(b"f", (b"n" * 200,), 3, 0, False, b"")),
        (info("p" * 90 + "/" + "n" * 60), b"", Member(b"f", (b"p" * 90, b"n" * 60), 0, 0, False, b"")),
        (info("\u00e4" * 60), b"", Member(b"f", ("\u00e4".encode() * 60,), 0, 0, False, b"")),
        (
            info("l", tarfile.SYMTYPE, linkname="\u00e4" * 99, mode=0),
            b"",
            Member(b"l", (b"l",), 0, 0, False, "\u00e4".encode() * 99),
        ),
    ],
)
def test_what_tarfile_writes_is_read(header, content, member):
    assert read(archive((header, content))) == [(member, content)]


def test_contents_that_nobody_reads_are_passed_over():
    text = archive((info("a"), b"x" * 1000), (info("b"), b"y" * 513))
    members = archives.Archive(io.BytesIO(text)).members()
    assert [member.path for member in members] == [(b"a",), (b"b",)]


@pytest.mark.parametrize("target", ["x", "./x", "x/", "x//y", "..", "../a", "./../a", "../..", "a b\nc", "\\x"])
def test_links_that_stay_inside_are_taken(target):
    ((member, _content),) = read(archive((info("d/e/l", tarfile.SYMTYPE, linkname=target), b"")))
    assert member.target == target.encode()


@pytest.mark.parametrize("target", ["", "/", "/x", "../../..", "./../.././../x", "x/..", "../x/../y", "t" * 4096])
def test_links_that_may_lead_out_are_refused(target):
    with pytest.raises(Refused):
        read(archive((info("d/e/l", tarfile.SYMTYPE, linkname=target), b"")))


def test_any_damage_to_a_header_is_refused_or_changes_nothing_else():
    """Single bits: never another exception than the refusal, and never a name that leads out."""
    text = archive((info("d", tarfile.DIRTYPE), b""), (info("d/" + "n" * 120, mtime=-1), b"content"))
    chance = random.Random(1)
    for _turn in range(4000):
        damaged = bytearray(text)
        for _bit in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(text))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            # With a right checksum more of the code is reached.
            for at in range(0, len(damaged) - 512, 512):
                if bytes(damaged[at + 257 : at + 262]) == b"ustar":
                    damaged[at + 148 : at + 156] = b" " * 8
                    damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + 512])
        try:
            found = read(bytes(damaged))
        except Refused:
            continue
        for member, _content in found:
            assert {b"", b".", b".."}.isdisjoint(member.path)


@pytest.fixture
def root(tmp_path):
    """An open directory."""
    fd = os.open(str(tmp_path), os.O_RDONLY)
    yield fd
    os.close(fd)
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)


def test_it_is_unpacked_as_an_implementation_is(tmp_path, root):
    text = archive(
        (info("d", tarfile.DIRTYPE, mode=0), b""),
        (info("d/run", mode=0o711, mtime=7), b"x" * 3_000_000),
        (info("d/empty", tarfile.DIRTYPE), b""),
        (info("l", tarfile.SYMTYPE, linkname="d/run"), b""),
        (info("read", mode=0o6660, mtime=-7), b"y"),
    )
    ticks = []
    extracting.unpack(io.BytesIO(text), root, Limits(), lambda: ticks.append(1))
    found = {
        str(path.relative_to(tmp_path)): (stat.S_IMODE(os.lstat(str(path)).st_mode), int(os.lstat(str(path)).st_mtime))
        for path in tmp_path.rglob("*")
        if not path.is_symlink()
    }
    assert found["d/run"] == (0o555, 7) and found["read"] == (0o444, -7)
    assert found["d"][0] == found["d/empty"][0] == 0o555
    assert os.readlink(str(tmp_path / "l")) == "d/run"
    assert len(ticks) > 5
    name = extracting.make_manifest(root, manifests.ALGORITHMS["sha256new"])
    text = (tmp_path / ".manifest").read_bytes()
    assert text.startswith(b"S ") and b"\nD /d/empty\n" in text
    assert name == manifests.ALGORITHMS["sha256new"].implementation(manifests.hashlib.sha256(text).digest())
    assert stat.S_IMODE((tmp_path / ".manifest").stat().st_mode) == 0o444


@pytest.mark.parametrize(
    "limits, why",
    [(Limits(max_entries=2), "more than 2 files"), (Limits(max_depth=2), "more than 2 directories deep")],
)
def test_limits(root, limits, why):
    text = archive(*((info("/".join("abc"[:depth]), tarfile.DIRTYPE), b"") for depth in (1, 2, 3)))
    with pytest.raises(Refused, match=why):
        extracting.unpack(io.BytesIO(text), root, limits)
