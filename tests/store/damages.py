# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of damage to an implementation, and what is none: each is a function that does it to a copy of a sound one."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import zero
from zero import File, Folder, Link

SECOND = 10**9
TIME = 1_600_000_000 * SECOND
BIG = 1_300_000  # more than the buffer of 1 MiB
NFC, NFD = "é".encode(), "e\u0301".encode()
BASE = Folder(
    {
        b"a": File(b"first", TIME),
        b"b": File(b"other", TIME),  # as long as a, and next to it in every manifest
        b"bin": Folder({b"run": File(b"#!/bin/sh\n", TIME, 0o755), b"tool": File(b"tool", TIME, 0o555)}, TIME),
        b"big": File(bytes(range(256)) * (BIG // 256), TIME),
        b"copy": Link(b"a"),
        b"directory": Link(b"lib"),
        b"empty": Folder({}, TIME),
        b"lib": Folder(
            {b"deep": Folder({b"er": Folder({b"leaf": File(b"leaf", TIME)}, TIME), b"x": File(b"", TIME)}, TIME)}, TIME
        ),
        b"nested": Folder({b".manifest": File(b"F 0 0 0 x\n", TIME)}, TIME),
        b"nothing": File(b"", TIME),
        b"readme": File(b"Read me.", TIME),
        b"zeros": File(bytes(200_000), TIME),
        NFC: File(b"normal", TIME),
    },
    TIME,
)


@dataclasses.dataclass
class Item:
    """A copy of a sound implementation: its path, and the algorithm of its name."""

    path: Path
    algorithm: str

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def manifest(self) -> Path:
        """Its record of its contents."""
        return self.path / ".manifest"

    @property
    def outside(self) -> Path:
        """A path next to it in the same store."""
        return self.path.parent / "outside"

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.path = self.path.rename(self.path.parent / name)


@dataclasses.dataclass(frozen=True)
class Damage:
    """A kind of damage.

    ``reason`` is what this project says: None for no damage. ``only`` names the algorithms for which it is damage.
    ``as_nobody``: both programs run as a user who owns nothing, since root reads everything.
    """

    do: Callable[[Item], None]
    reason: str | None
    only: tuple[str, ...]
    as_nobody: bool

    def reason_for(self, algorithm: str) -> str | None:
        """The reason with an algorithm."""
        return self.reason if algorithm in self.only else None


DAMAGES: dict[str, Damage] = {}

Do = Callable[[Item], None]


def damage(
    reason: str | None, *, only: tuple[str, ...] = zero.ALGORITHMS, as_nobody: bool = False
) -> Callable[[Do], Do]:
    """Register a kind of damage under its function's name."""

    def register(do: Do) -> Do:
        DAMAGES[do.__name__] = Damage(do, reason, only, as_nobody)
        return do

    return register


def rewrite(path: Path, content: bytes) -> None:
    """Put other content into a file, which keeps its time."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file's content, which must make a difference; the file keeps its time."""
    old = path.read_bytes()
    assert change(old) != old
    rewrite(path, change(old))


def flip(path: Path, offset: int) -> None:
    """Flip one bit of a file."""
    edit(path, lambda old: old[: offset % len(old)] + bytes([old[offset] ^ 1]) + old[offset % len(old) + 1 :])


def retime(path: Path, seconds: int = 0, nanoseconds: int = 0) -> None:
    """Move a file's time."""
    moved = path.lstat().st_mtime_ns + seconds * SECOND + nanoseconds
    os.utime(path, ns=(moved, moved), follow_symlinks=False)


def timed(path: Path) -> None:
    """Give something new the time that all the rest has."""
    os.utime(path, ns=(TIME, TIME), follow_symlinks=False)


def read_line(item: Item, ending: bytes) -> bytes:
    """The line of the manifest that ends so, without its newline."""
    (line,) = (line for line in item.manifest.read_bytes().split(b"\n") if line.endswith(ending))
    return line


def readd(item: Item, tree: Folder) -> None:
    """Let the real 0store add another tree to the store; it becomes the item."""
    store = item.path.parent
    source = store.parent / "source"
    zero.build(os.fsencode(source), tree)
    item.path = store / zero.add(store, source, item.algorithm)


# Contents of files


@damage(None)
def nothing_at_all(item: Item) -> None:
    """Sound as it was added."""


@damage("contents")
def bit_flipped_in_small_file(item: Item) -> None:
    flip(item / "a", 2)


@damage("contents")
def bit_flipped_at_start_of_big_file(item: Item) -> None:
    flip(item / "big", 0)


@damage("contents")
def bit_flipped_at_end_of_big_file(item: Item) -> None:
    flip(item / "big", -1)


@damage("contents")
def byte_appended_to_small_file(item: Item) -> None:
    edit(item / "a", lambda old: old + b"\n")


@damage("contents")
def byte_appended_to_big_file(item: Item) -> None:
    edit(item / "big", lambda old: old + b"\0")


@damage("contents")
def small_file_cut(item: Item) -> None:
    edit(item / "a", lambda old: old[:-1])


@damage("contents")
def big_file_cut(item: Item) -> None:
    edit(item / "big", lambda old: old[:-1])


@damage("contents")
def file_emptied(item: Item) -> None:
    edit(item / "big", lambda old: b"")


@damage("contents")
def empty_file_filled(item: Item) -> None:
    edit(item / "nothing", lambda old: b"\0")


@damage("contents")
def deep_file_changed(item: Item) -> None:
    flip(item / "lib/deep/er/leaf", 0)


@damage("contents")
def hole_appended(item: Item) -> None:
    os.truncate(item / "zeros", 200_001)
    timed(item / "zeros")


@damage(None)
def zeros_became_a_hole(item: Item) -> None:
    rewrite(item / "zeros", b"")
    os.truncate(item / "zeros", 200_000)
    timed(item / "zeros")


# Times


@damage("contents")
def second_later(item: Item) -> None:
    retime(item / "a", 1)


@damage("contents")
def second_earlier_in_big_file(item: Item) -> None:
    retime(item / "big", -1)


@damage("contents")
def time_zero(item: Item) -> None:
    os.utime(item / "a", (0, 0))


@damage("contents")
def time_before_1970(item: Item) -> None:
    os.utime(item / "a", (-5, -5))


@damage(None)
def fraction_of_a_second_later(item: Item) -> None:
    retime(item / "a", nanoseconds=SECOND - 1)


@damage("contents")
def nanosecond_earlier(item: Item) -> None:
    retime(item / "a", nanoseconds=-1)


@damage("contents", only=("sha1",))
def time_of_a_directory(item: Item) -> None:
    retime(item / "lib", 1)


@damage(None)
def time_of_the_root(item: Item) -> None:
    retime(item.path, 1)


@damage(None)
def time_of_a_link(item: Item) -> None:
    retime(item / "copy", 1)


@damage(None)
def time_of_the_manifest(item: Item) -> None:
    retime(item.manifest, 1)


@damage(None)
def time_of_access(item: Item) -> None:
    os.utime(item / "a", ns=(0, (item / "a").stat().st_mtime_ns))


# Modes and owners


@damage("contents")
def executable_bits_set(item: Item) -> None:
    (item / "a").chmod(0o555)


@damage("contents")
def executable_bit_set_for_the_group(item: Item) -> None:
    (item / "a").chmod(0o454)


@damage("contents")
def executable_bit_set_for_others(item: Item) -> None:
    (item / "big").chmod(0o445)


@damage("contents")
def executable_bits_cleared(item: Item) -> None:
    (item / "bin/run").chmod(0o444)


@damage(None)
def executable_by_others_only(item: Item) -> None:
    (item / "bin/run").chmod(0o445)


@damage(None)
def executable_bit_on_the_manifest(item: Item) -> None:
    item.manifest.chmod(0o555)


@damage(None)
def write_bits_for_the_owner(item: Item) -> None:
    for path in (item.path, item / "a", item / "lib", item / "lib/deep/x", item.manifest):
        path.chmod(path.stat().st_mode | 0o200)


@damage("writable")
def write_bits(item: Item) -> None:
    for path in (item.path, item / "a", item / "lib", item / "lib/deep/x"):
        path.chmod(path.stat().st_mode | 0o222)


@damage("writable")
def file_that_everybody_may_write(item: Item) -> None:
    (item / "lib/deep/er/leaf").chmod(0o446)


@damage("writable")
def file_that_its_group_may_write(item: Item) -> None:
    (item / "bin/run").chmod(0o575)


@damage("writable")
def directory_that_everybody_may_write(item: Item) -> None:
    (item / "empty").chmod(0o1777)


@damage("writable")
def root_that_everybody_may_write(item: Item) -> None:
    item.path.chmod(0o757)


@damage("writable")
def manifest_that_everybody_may_write(item: Item) -> None:
    item.manifest.chmod(0o446)


@damage("capabilities")
def file_with_capabilities(item: Item) -> None:
    """CAP_NET_RAW, permitted and effective, as setcap(8) sets it."""
    os.setxattr(item / "bin/run", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0))


@damage(None)
def sticky_bit_on_a_directory(item: Item) -> None:
    (item / "lib").chmod(0o1755)


@damage(None)
def no_permissions_for_others(item: Item) -> None:
    item.path.chmod(0o700)
    (item / "a").chmod(0o400)


@damage("mode_bits")
def setuid_file(item: Item) -> None:
    (item / "bin/run").chmod(0o4555)


@damage("mode_bits")
def setgid_file(item: Item) -> None:
    (item / "a").chmod(0o2444)


@damage("mode_bits")
def setuid_directory(item: Item) -> None:
    (item / "lib/deep").chmod(0o4755)


@damage("mode_bits")
def setgid_directory(item: Item) -> None:
    (item / "empty").chmod(0o2755)


@damage("mode_bits")
def setgid_root(item: Item) -> None:
    item.path.chmod(0o2755)


@damage("owner")
def file_of_another_owner(item: Item) -> None:
    os.chown(item / "lib/deep/er/leaf", zero.NOBODY, -1)


@damage("owner")
def directory_of_another_owner(item: Item) -> None:
    os.chown(item / "lib/deep", zero.NOBODY, -1)


@damage("owner")
def manifest_of_another_owner(item: Item) -> None:
    os.chown(item.manifest, zero.NOBODY, -1)


@damage("owner")
def other_owner(item: Item) -> None:
    for path in (item.path, item / "a", item / "copy", item / "lib"):
        os.chown(path, zero.NOBODY, zero.NOBODY, follow_symlinks=False)


@damage("writable")
def access_control_list(item: Item) -> None:
    subprocess.run(["setfacl", "-m", "u:nobody:rw", item / "a"], check=True)


@damage("contents")
def access_control_list_that_executes(item: Item) -> None:
    """The mask shows in the mode's bits of the group."""
    subprocess.run(["setfacl", "-m", "u:nobody:x", item / "a"], check=True)


@damage(None)
def extended_attribute(item: Item) -> None:
    for path in (item.path, item / "a"):
        subprocess.run(["setfattr", "-n", "user.note", "-v", "x", path], check=True)


@damage(None)
def hard_link_outside(item: Item) -> None:
    os.link(item / "a", item.outside)


@damage(None)
def equal_file_hard_linked(item: Item) -> None:
    """As 0store optimise does it."""
    shutil.copy2(item / "a", item.outside)
    (item / "a").unlink()
    os.link(item.outside, item / "a")
    timed(item.path)


# Links


@damage("contents")
def link_to_another_name_as_long(item: Item) -> None:
    (item / "copy").unlink()
    (item / "copy").symlink_to("b")


@damage("contents")
def link_to_a_longer_name(item: Item) -> None:
    (item / "copy").unlink()
    (item / "copy").symlink_to("./a")


@damage("contents")
def link_out_of_the_store(item: Item) -> None:
    (item / "copy").unlink()
    (item / "copy").symlink_to("/etc/passwd")


@damage("contents")
def link_became_a_text_file(item: Item) -> None:
    (item / "copy").unlink()
    (item / "copy").write_bytes(b"a")
    timed(item / "copy")


@damage("contents")
def link_became_a_copy(item: Item) -> None:
    (item / "copy").unlink()
    shutil.copy2(item / "a", item / "copy")


@damage("contents")
def link_became_a_hard_link(item: Item) -> None:
    (item / "copy").unlink()
    os.link(item / "a", item / "copy")


@damage("contents")
def link_became_a_directory(item: Item) -> None:
    (item / "copy").unlink()
    (item / "copy").mkdir()


@damage("contents")
def link_to_a_directory_became_a_copy(item: Item) -> None:
    (item / "directory").unlink()
    shutil.copytree(item / "lib", item / "directory")


@damage("contents")
def link_missing(item: Item) -> None:
    (item / "copy").unlink()


@damage("contents")
def link_extra(item: Item) -> None:
    (item / "another").symlink_to("a")


@damage("contents")
def link_extra_dangling(item: Item) -> None:
    (item / "lib/another").symlink_to("/nowhere")


@damage("contents")
def file_became_a_link_to_its_content(item: Item) -> None:
    (item / "a").rename(item.outside)
    (item / "a").symlink_to(item.outside)


@damage("contents")
def directory_became_a_link_to_its_content(item: Item) -> None:
    (item / "lib").rename(item.outside)
    (item / "lib").symlink_to(item.outside)


# Names and places


@damage("contents")
def file_missing(item: Item) -> None:
    (item / "a").unlink()


@damage("contents")
def deep_file_missing(item: Item) -> None:
    (item / "lib/deep/er/leaf").unlink()


@damage("contents")
def file_extra(item: Item) -> None:
    (item / "extra").write_bytes(b"")


@damage("contents")
def hidden_file_extra(item: Item) -> None:
    (item / ".nfs0001").write_bytes(b"")


@damage("contents")
def deep_file_extra(item: Item) -> None:
    (item / "lib/deep/er/extra").write_bytes(b"")


@damage("contents")
def file_renamed(item: Item) -> None:
    (item / "a").rename(item / "c")


@damage("contents")
def files_swapped(item: Item) -> None:
    (item / "a").rename(item / "c")
    (item / "b").rename(item / "a")
    (item / "c").rename(item / "b")


@damage("contents")
def file_moved_to_another_directory(item: Item) -> None:
    (item / "a").rename(item / "lib/a")


@damage("contents")
def case_changed(item: Item) -> None:
    (item / "readme").rename(item / "README")


@damage("contents")
def unicode_normalisation_changed(item: Item) -> None:
    (item / NFC.decode()).rename(item / NFD.decode())


@damage("contents")
def space_at_the_end_of_a_name(item: Item) -> None:
    (item / "a").rename(item / "a ")


@damage("contents")
def empty_directory_missing(item: Item) -> None:
    (item / "empty").rmdir()


@damage("contents")
def empty_directory_extra(item: Item) -> None:
    (item / "lib/another").mkdir()


@damage("contents")
def directory_extra_with_content(item: Item) -> None:
    shutil.copytree(item / "lib", item / "lib2")


@damage("contents")
def directory_renamed(item: Item) -> None:
    (item / "lib").rename(item / "library")


@damage("contents")
def directory_in_the_place_of_a_file(item: Item) -> None:
    (item / "a").unlink()
    (item / "a").mkdir()


@damage("contents")
def file_in_the_place_of_a_directory(item: Item) -> None:
    (item / "empty").rmdir()
    (item / "empty").write_bytes(b"")


@damage("contents")
def deep_subtree_replaced(item: Item) -> None:
    shutil.rmtree(item / "lib/deep/er")
    shutil.copytree(item / "bin", item / "lib/deep/er")


@damage("contents")
def deep_subtree_one_level_up(item: Item) -> None:
    (item / "lib/deep/er").rename(item / "lib/er")


@damage("contents")
def everything_missing_but_the_manifest(item: Item) -> None:
    for path in item.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != item.manifest:
            path.unlink()


@damage("no_manifest")
def everything_missing(item: Item) -> None:
    shutil.rmtree(item.path)
    item.path.mkdir()


# The manifest


@damage(None)
def manifest_missing(item: Item) -> None:
    item.manifest.unlink()


@damage("no_manifest")
def manifest_missing_and_content_changed(item: Item) -> None:
    item.manifest.unlink()
    flip(item / "a", 0)


@damage("manifest")
def manifest_edited(item: Item) -> None:
    edit(item.manifest, lambda old: old.replace(b" readme\n", b" Readme\n"))


@damage("manifest")
def manifest_with_another_number(item: Item) -> None:
    edit(item.manifest, lambda old: old.replace(b"1600000000", b"+1600000000", 1))


@damage("manifest")
def manifest_in_upper_case(item: Item) -> None:
    edit(item.manifest, lambda old: re.sub(rb" [0-9a-f]{40,64} ", lambda hex_: hex_[0].upper(), old))


@damage("manifest")
def manifest_cut_in_a_line(item: Item) -> None:
    edit(item.manifest, lambda old: old[: len(old) // 2])


@damage("manifest")
def manifest_cut_after_a_line(item: Item) -> None:
    edit(item.manifest, lambda old: b"".join(old.splitlines(keepends=True)[:-1]))


@damage("manifest")
def manifest_empty(item: Item) -> None:
    edit(item.manifest, lambda old: b"")


@damage("manifest")
def manifest_with_crlf(item: Item) -> None:
    edit(item.manifest, lambda old: old.replace(b"\n", b"\r\n"))


@damage("manifest")
def manifest_without_the_last_newline(item: Item) -> None:
    edit(item.manifest, lambda old: old[:-1])


@damage("manifest")
def manifest_with_an_empty_line(item: Item) -> None:
    edit(item.manifest, lambda old: old + b"\n")


@damage("manifest")
def manifest_with_an_extra_line(item: Item) -> None:
    edit(item.manifest, lambda old: old + b"D /zzz\n")


@damage("manifest")
def manifest_with_a_line_twice(item: Item) -> None:
    edit(item.manifest, lambda old: old + old.splitlines(keepends=True)[-1])


@damage("manifest")
def manifest_in_another_order(item: Item) -> None:
    edit(item.manifest, lambda old: b"".join(reversed(old.splitlines(keepends=True))))


@damage("manifest")
def manifest_with_a_byte_order_mark(item: Item) -> None:
    edit(item.manifest, lambda old: "\ufeff".encode() + old)


@damage("manifest")
def manifest_of_nonsense(item: Item) -> None:
    edit(item.manifest, lambda old: bytes(range(256)) * 10)


@damage("manifest")
def manifest_of_one_long_line(item: Item) -> None:
    edit(item.manifest, lambda old: b"F" * 3_000_000)


@damage("manifest")
def manifest_of_another_algorithm(item: Item) -> None:
    other = "sha256" if item.algorithm.startswith("sha1") else "sha1"
    done = zero.run(["0install", "digest", "--manifest", f"--algorithm={other}", item.path])
    edit(item.manifest, lambda old: done.stdout)


@damage("renamed")
def manifest_and_content_changed_alike(item: Item) -> None:
    (item / "a").unlink()
    edit(item.manifest, lambda old: old.replace(read_line(item, b" a") + b"\n", b""))


@damage("contents_and_manifest")
def manifest_and_content_changed_differently(item: Item) -> None:
    flip(item / "a", 0)
    edit(item.manifest, lambda old: old.replace(b" readme\n", b" Readme\n"))


@damage("manifest_type")
def manifest_became_a_link_to_itself_elsewhere(item: Item) -> None:
    item.manifest.rename(item.outside)
    item.manifest.symlink_to(item.outside)


@damage("manifest_type")
def manifest_became_a_link_within(item: Item) -> None:
    item.manifest.unlink()
    item.manifest.symlink_to("a")


@damage("manifest_type")
def manifest_became_a_dangling_link(item: Item) -> None:
    item.manifest.unlink()
    item.manifest.symlink_to("nowhere")


@damage("manifest_type")
def manifest_became_a_directory(item: Item) -> None:
    item.manifest.unlink()
    item.manifest.mkdir()


@damage("file_type")
def manifest_became_a_fifo(item: Item) -> None:
    item.manifest.unlink()
    os.mkfifo(item.manifest)


@damage("file_type")
def manifest_became_a_socket(item: Item) -> None:
    item.manifest.unlink()
    bind(item.manifest)


@damage("file_type")
def manifest_became_a_device(item: Item) -> None:
    item.manifest.unlink()
    os.mknod(item.manifest, 0o666 | stat.S_IFCHR, os.makedev(1, 5))


@damage("contents")
def nested_manifest_changed(item: Item) -> None:
    edit(item / "nested/.manifest", lambda old: b"")


@damage("contents")
def nested_manifest_missing(item: Item) -> None:
    (item / "nested/.manifest").unlink()


@damage("contents")
def nested_manifest_extra(item: Item) -> None:
    shutil.copy2(item.manifest, item / "lib/.manifest")


# The implementation's name, and what it is


def digest_part(item: Item) -> tuple[str, str]:
    """The name's parts before and after the separator, which ends the first."""
    name = item.path.name
    cut = name.index("_" if item.algorithm == "sha256new" else "=") + 1
    return name[:cut], name[cut:]


@damage("renamed")
def renamed_to_another_digest(item: Item) -> None:
    start, value = digest_part(item)
    first = "b" if value[0] == "a" else "a"
    item.rename(start + (first.upper() if item.algorithm == "sha256new" else first) + value[1:])


@damage("renamed")
def renamed_to_the_digest_of_nothing(item: Item) -> None:
    item.rename(zero.name_of(b"", item.algorithm))


@damage("contents", only=("sha1", "sha1new"))
def renamed_to_another_algorithm(item: Item) -> None:
    """Both with sha1 hash alike and have other manifests; sha256 and sha256new differ in how they write the digest."""
    other = {"sha1": "sha1new", "sha1new": "sha1", "sha256": "sha256new", "sha256new": "sha256"}[item.algorithm]
    item.rename(zero.name_of(item.manifest.read_bytes(), other))


@damage("name")
def renamed_to_upper_or_lower_case(item: Item) -> None:
    start, value = digest_part(item)
    item.rename(start + value.swapcase())


@damage("name")
def name_too_short(item: Item) -> None:
    item.rename(item.path.name[:-1])


@damage("name")
def name_too_long(item: Item) -> None:
    item.rename(item.path.name + "a")


@damage("name")
def name_with_a_newline(item: Item) -> None:
    item.rename(item.path.name + "\n")


@damage("name")
def name_with_a_space(item: Item) -> None:
    item.rename(item.path.name + " ")


@damage("name")
def name_without_a_digest(item: Item) -> None:
    item.rename(digest_part(item)[0])


@damage("not_a_directory")
def implementation_became_a_file(item: Item) -> None:
    shutil.rmtree(item.path)
    item.path.write_bytes(b"")


@damage("symlink")
def implementation_became_a_link_to_itself_elsewhere(item: Item) -> None:
    name = item.path
    item.path.rename(item.outside)
    name.symlink_to(item.outside)


@damage("symlink")
def implementation_became_a_dangling_link(item: Item) -> None:
    shutil.rmtree(item.path)
    item.path.symlink_to("nowhere")


@damage("not_a_directory")
def implementation_became_a_fifo(item: Item) -> None:
    shutil.rmtree(item.path)
    os.mkfifo(item.path)


@damage("not_a_directory")
def implementation_became_a_socket(item: Item) -> None:
    shutil.rmtree(item.path)
    bind(item.path)


@damage("not_a_directory")
def implementation_became_a_device(item: Item) -> None:
    shutil.rmtree(item.path)
    os.mknod(item.path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


@damage("missing")
def implementation_missing(item: Item) -> None:
    shutil.rmtree(item.path)


# What no implementation may have


def bind(path: Path) -> None:
    """Make a socket; its address may not be longer than 107 bytes, so it is made through the directory's number."""
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{parent}/socket")
        os.rename("socket", path.name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.close(parent)


@damage("file_type")
def fifo_extra(item: Item) -> None:
    os.mkfifo(item / "lib/fifo")


@damage("file_type")
def fifo_in_the_place_of_a_file(item: Item) -> None:
    (item / "a").unlink()
    os.mkfifo(item / "a")


@damage("file_type")
def socket_extra(item: Item) -> None:
    bind(item / "lib/socket")


@damage("file_type")
def character_device_extra(item: Item) -> None:
    os.mknod(item / "null", 0o444 | stat.S_IFCHR, os.makedev(1, 3))


@damage("file_type")
def character_device_in_the_place_of_a_file(item: Item) -> None:
    """/dev/null would read as the empty file that it replaces."""
    (item / "nothing").unlink()
    os.mknod(item / "nothing", 0o444 | stat.S_IFCHR, os.makedev(1, 3))
    timed(item / "nothing")


@damage("file_type")
def block_device_extra(item: Item) -> None:
    os.mknod(item / "lib/block", 0o444 | stat.S_IFBLK, os.makedev(7, 0))


# What cannot be read


@damage("unreadable", as_nobody=True)
def unreadable_file(item: Item) -> None:
    (item / "a").chmod(0o400)


@damage("unreadable", as_nobody=True)
def unreadable_deep_file(item: Item) -> None:
    (item / "lib/deep/er/leaf").chmod(0o000)


@damage("unreadable", as_nobody=True)
def unreadable_directory(item: Item) -> None:
    (item / "lib").chmod(0o711)


@damage("unreadable", as_nobody=True)
def unsearchable_directory(item: Item) -> None:
    (item / "lib").chmod(0o744)


@damage("unreadable", as_nobody=True)
def unsearchable_empty_directory(item: Item) -> None:
    (item / "empty").chmod(0o700)


@damage("unreadable", as_nobody=True)
def unreadable_root(item: Item) -> None:
    item.path.chmod(0o700)


@damage("unreadable", as_nobody=True)
def unreadable_manifest(item: Item) -> None:
    item.manifest.chmod(0o400)


@damage(None, as_nobody=True)
def nothing_at_all_as_nobody(item: Item) -> None:
    """Sound, and readable by everybody."""


# Names that this project refuses


@damage("file_name")
def newline_in_a_file_name_that_hides_a_missing_file(item: Item) -> None:
    """One file takes the lines of two: the manifest generated is the one recorded, but b is not there any more."""
    (item / "b").unlink()
    (item / "a").rename(item / ("a\n" + read_line(item, b" b").decode()))
    timed(item.path)


@damage("file_name")
def newline_in_a_link_name_that_hides_a_missing_file(item: Item) -> None:
    """The same by a link whose line is followed by that of a file."""
    readd(item, Folder({b"l": Link(b"x"), b"m": File(b"m", TIME)}))
    (item / "m").unlink()
    (item / "l").rename(item / ("l\n" + read_line(item, b" m").decode()))


@damage("file_name")
def newline_in_a_file_name_that_was_added_so(item: Item) -> None:
    readd(item, Folder({b"two\nlines": File(b"", TIME)}))


@damage("file_name")
def newline_in_a_link_name_that_was_added_so(item: Item) -> None:
    readd(item, Folder({b"two\nlines": Link(b"x")}))


@damage("file_name")
def newline_in_a_directory_name(item: Item) -> None:
    (item / "empty").rename(item / "two\nlines")


@damage("file_name")
def invalid_utf8_in_a_file_name_that_was_added_so(item: Item) -> None:
    readd(item, Folder({b"\xff": File(b"", TIME)}))


@damage("file_name")
def invalid_utf8_in_a_link_name_that_was_added_so(item: Item) -> None:
    readd(item, Folder({b"\xc3\x28": Link(b"x")}))


@damage("file_name")
def invalid_utf8_in_a_directory_name_that_was_added_so(item: Item) -> None:
    readd(item, Folder({b"\xed\xa0\x80": Folder()}))


@damage("file_name")
def invalid_utf8_in_an_extra_name(item: Item) -> None:
    with open(os.path.join(os.fsencode(item.path), b"lib", b"\xfe"), "xb"):
        pass


@damage(None)
def odd_names_that_are_allowed(item: Item) -> None:
    """Carriage return, tabulator, escape, quotes and the last code points are text."""
    names = ["\r", "\t", "\x1b[2J", "'\"", "\u2028", "\U0010ffff", "-rf", " ", "\x7f", "n" * 255]
    readd(item, Folder({name.encode(): File(b"", TIME) for name in names}))


@damage(None)
def targets_that_are_allowed(item: Item) -> None:
    """Targets of links are hashed, so any bytes are safe in them."""
    targets = [b"a\nb", b"\xff", b"/etc/passwd", b"..", b"x" * 4000]
    readd(item, Folder({b"%d" % number: Link(target) for number, target in enumerate(targets)}))
