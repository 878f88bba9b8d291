# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading Oracle's image of Guest Additions (fixture: parts of the real one, see guest_note.md)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_image

REAL = json.loads((Path(__file__).parents[1] / "fixtures/additions_image.json").read_text(encoding="utf-8"))
FOLDER, INSTALLER = 19 * 2048, 20191 * 2048
MACHINES = ["x86_64", "i686", "aarch64"]


def parts():
    return {offset: base64.b64decode(text) for offset, text in REAL["parts"]}


def reader(changed=(), size=REAL["size"]):
    """A reader of the real image with bytes changed; what the fixture leaves out is zeros."""
    known = {**parts(), **dict(changed)}

    def read(offset, length):
        data = bytearray(max(0, min(length, size - offset)))
        for start, part in known.items():
            if start < offset + length and offset < start + len(part):
                low = max(offset, start)
                piece = part[low - start : offset + length - start]
                data[low - offset : low - offset + len(piece)] = piece
        return bytes(data[:length])

    return read


@pytest.mark.parametrize("machine", MACHINES)
def test_the_real_image(machine):
    image = additions_image.Image(reader())
    assert image.label == "VBOXADDITIONS_7.2.22_175245"
    extent, version = image.installer(machine)
    assert (version.text, version.origin) == ("7.2.22", "oracle")
    assert extent.size == (2866880 if machine == "aarch64" else 6440619)
    assert image.content(extent, 9) == b"#!/bin/sh"


def test_another_machine_has_no_installer():
    with pytest.raises(ValueError, match="no installer of Guest Additions for Linux on s390x"):
        additions_image.Image(reader()).installer("s390x")


def test_folders_are_no_files():
    image = additions_image.Image(reader())
    assert image.file("CERT") is None and image.file("AUTORUN.SH") == additions_image.Extent(23339 * 2048, 7114)


@pytest.mark.parametrize("descriptor", [b"", b"\x02CD001", b"\x01CD002" + bytes(3000)])
def test_what_is_no_image(descriptor):
    with pytest.raises(ValueError, match="no ISO 9660 image"):
        additions_image.Image(lambda offset, size: descriptor[:size])


@pytest.mark.parametrize("size", [FOLDER, FOLDER + 100, INSTALLER + 4000])
def test_an_image_that_ends_early(size):
    with pytest.raises(ValueError, match="ends before its files do"):
        additions_image.Image(reader(size=size)).installer("x86_64")


@pytest.mark.parametrize(
    "record",
    [b"\x01", b"\x20" + bytes(31), b"\x22" + bytes(31) + b"\xff" + b"A", bytes([255]) * 200],
    ids=["too short", "without a name", "name longer than its record", "all ones"],
)
def test_a_damaged_folder_ends_in_words(record):
    with pytest.raises(ValueError, match=r"it is damaged|no installer"):
        additions_image.Image(reader({FOLDER: record + bytes(2924 - len(record))})).installer("x86_64")


def test_a_folder_that_claims_to_be_huge_is_not_read():
    asked = []

    def read(offset, size):
        asked.append(size)
        return reader({16 * 2048 + 156 + 10: b"\xff\xff\xff\xff"})(offset, size)

    with pytest.raises(ValueError, match="damaged"):
        additions_image.Image(read)
    assert asked == [2048]


def test_an_installer_without_a_version():
    with pytest.raises(ValueError, match="does not tell its version"):
        additions_image.Image(reader({INSTALLER: b"#!/bin/sh\nexit 0\n" + bytes(2000)})).installer("x86_64")
