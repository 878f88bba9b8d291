# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux kernel in a form that boots without being unpacked by the guest (which would take over ten minutes there)."""

from __future__ import annotations

import lzma
import struct

PAGE = 4096
MAGIC = 0x4B434150  # "PACK", see boot/shim.c
ZERO_FILL = 0x80000000


def unpack_image(image: bytes) -> bytes:
    """The ELF file vmlinux in a bzImage whose payload is XZ-compressed (Debian's is).  ValueError if there is none."""
    return lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0") :])


def pack(elf: bytes) -> bytes:
    """A flat list of runs from an ELF64 file's loadable segments, for boot/shim.c.

    u32 magic, u32 entry point, u32 number of runs; for every run u32 physical address and u32 length (bit 31: zeros,
    no data); then the data of the other runs.
    """
    entry, program_headers = struct.unpack_from("<QQ", elf, 24)
    header_size, header_count = struct.unpack_from("<HH", elf, 54)
    runs: list[list[int]] = []
    data: list[bytes] = []
    for index in range(header_count):
        kind, _flags, offset, _virtual, physical, file_size, memory_size, _align = struct.unpack_from(
            "<IIQQQQQQ", elf, program_headers + index * header_size
        )
        if kind != 1:  # PT_LOAD
            continue
        segment = elf[offset : offset + file_size] + bytes(memory_size - file_size)
        first = len(runs)
        for at in range(0, len(segment), PAGE):
            page = segment[at : at + PAGE]
            zero = 0 if any(page) else ZERO_FILL
            if len(runs) > first and runs[-1][2] == zero:
                runs[-1][1] += len(page)
            else:
                runs.append([physical + at, len(page), zero])
            if not zero:
                data.append(page)
    table = b"".join(struct.pack("<II", address, length | zero) for address, length, zero in runs)
    return struct.pack("<III", MAGIC, entry, len(runs)) + table + b"".join(data)
