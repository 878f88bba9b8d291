# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes of a guest, and one walk through all switches between them."""

from __future__ import annotations

import itertools

MODES = ("readonly", "trusted", "guests", "verified")
WALK = (
    *("readonly", "trusted", "readonly", "guests", "readonly", "verified", "trusted"),
    *("guests", "trusted", "verified", "guests", "verified", "readonly"),
)
SWITCHES = list(itertools.pairwise(WALK))
assert sorted(SWITCHES) == sorted(itertools.permutations(MODES, 2))

SHARE = "zeroinstall.virtualbox.share"
UNSHARE = "zeroinstall.virtualbox.unshare"
VERIFY = "zeroinstall.virtualbox.verify"


def difference(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> list[str]:
    """The lines of each part of a snapshot that are only in one of the two."""
    return [
        f"{part}: {sign} {line}"
        for part in wanted
        for sign, ours, others in (("left over or changed:", found, wanted), ("missing:", wanted, found))
        for line in sorted(set(ours[part]) - set(others[part]))
    ]


def assert_same(found: dict[str, list[str]], wanted: dict[str, list[str]], where: str = "") -> None:
    """Fail with the lines that differ."""
    lines = difference(found, wanted)
    assert not lines, "\n".join([where, *lines])
