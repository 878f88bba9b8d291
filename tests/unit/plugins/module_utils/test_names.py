# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names shares and boxes can have."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "'' is empty"),
        ("a b", "'a b' has white space"),
        ("a\tb", r"'a\\tb' has white space"),
        ("a\nb", r"'a\\nb' has white space"),
        ("a\u00a0b", "white space"),
        ("a\0b", "control"),
        ("a\x07", "control"),
        ("a\x7fb", "control"),
        ("n" * 256, f"'{'n' * 40}…' is longer than 255 bytes"),
        ("ü" * 128, "longer than 255 bytes"),
        ("#a", "'#a' begins as a comment"),
        ("LABEL=a", "'LABEL=a' begins as a device"),
    ],
)
def test_names_that_host_or_guest_would_not_take_are_refused(name, reason):
    with pytest.raises(Failure, match=f"^share name .*{reason}.*Choose another name.$"):
        _names.check_share_name(name)


@pytest.mark.parametrize(
    "name", ["ZeroInstall", "a/b", "ü", "it's", 'q"', "-x", "a\\b", "a,b", "a#", "n" * 255, "ü" * 127]
)
def test_names_that_both_take_are_taken(name):
    _names.check_share_name(name)


@pytest.mark.parametrize(
    ("name", "arrangement"),
    [
        ("web1", "default"),
        ("%2Eb%20c", "default"),
        ("-_.", "default"),
        ("lab@web1", "lab"),
        ("a" * 32 + "@b", "a" * 32),
    ],
)
def test_boxes_and_the_arrangements_that_they_belong_to(name, arrangement):
    assert _names.is_box(name) and _names.arrangement_of(name) == arrangement


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "a/b", "a\n", "a b", "a@b@c", "@a", "a@", ".a@b", "a@.b", "a" * 33 + "@b", "ü", "b" * 256],
)
def test_names_that_no_box_can_have(name):
    assert not _names.is_box(name)
