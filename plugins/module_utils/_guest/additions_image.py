# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image of Oracle's Guest Additions: the files on an ISO 9660 image, and the installer among them.

Pure. Read here and not mounted, so that what is run are the very bytes whose digest was checked, a killed run leaves no
mount, and the kernel is not handed an image that nobody has looked at.
"""

from __future__ import annotations

import re
from typing import Callable, Iterator, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_versions

Read = Callable[[int, int], bytes]

_SECTOR = 2048
_LARGEST = 256 << 20  # bytes of a folder or file; the real installers have 6 MB
_INSTALLERS = {"x86_64": "VBOXLINUXADDITIONS.RUN", "i686": "VBOXLINUXADDITIONS.RUN"}
_INSTALLERS.update(dict.fromkeys(("aarch64", "arm64"), "VBOXLINUXADDITIONSARM64.RUN"))
_LABEL = re.compile(rb'^label="VirtualBox (\S+) Guest Additions for Linux[^"\n]*"$', re.MULTILINE)


class Extent(NamedTuple):
    """Where a file's bytes are on the image."""

    offset: int
    size: int


class Image:
    """An image, read by ``read(offset, size)``. ValueError: it is none, or damaged."""

    def __init__(self, read: Read) -> None:
        self._read = read
        descriptor = read(16 * _SECTOR, _SECTOR)
        if descriptor[:6] != b"\x01CD001" or len(descriptor) < _SECTOR:
            raise ValueError("it is no ISO 9660 image")
        self.label = descriptor[40:72].decode("ascii", "replace").strip()
        self._files = dict(_entries(self.content(_extent(descriptor[156:190]))))

    def file(self, name: str) -> Extent | None:
        """A file of the top folder, by its ISO 9660 name without version."""
        return self._files.get(name)

    def content(self, extent: Extent, size: int | None = None) -> bytes:
        """The bytes of a file, or its first ones."""
        wanted = extent.size if size is None else min(size, extent.size)
        data = self._read(extent.offset, wanted) if wanted <= _LARGEST else b""
        if len(data) != wanted:
            raise ValueError("it is damaged: it ends before its files do")
        return data

    def installer(self, machine: str) -> tuple[Extent, additions_versions.Version]:
        """The installer for this machine (uname -m), and the version that it calls itself."""
        name = _INSTALLERS.get(machine)
        extent = self.file(name) if name else None
        if extent is None:
            raise ValueError(f"it has no installer of Guest Additions for Linux on {machine}")
        found = _LABEL.search(self.content(extent, 8192))
        version = additions_versions.parse(found.group(1).decode("ascii", "replace")) if found else None
        if version is None:
            raise ValueError("the installer on it does not tell its version")
        return extent, version


def _entries(folder: bytes) -> Iterator[tuple[str, Extent]]:
    """Name and place of each file in a folder."""
    at = 0
    while at < len(folder):
        length = folder[at]
        record = folder[at : at + length]
        if length == 0:  # entries do not cross sectors: the rest of this one is empty
            at = (at // _SECTOR + 1) * _SECTOR
            continue
        if length < 34 or len(record) < 33 + record[32]:
            raise ValueError("it is damaged: a folder on it cannot be read")
        name = record[33 : 33 + record[32]].decode("ascii", "replace").partition(";")[0]
        if not record[25] & 2:
            yield name, _extent(record)
        at += length


def _extent(record: bytes) -> Extent:
    return Extent(int.from_bytes(record[2:6], "little") * _SECTOR, int.from_bytes(record[10:14], "little"))
