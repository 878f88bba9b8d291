# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times in records and reports."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:01Z", 1), ("2026-07-14T09:12:05Z", 1784020325), ("2024-02-29T23:59:59Z", 1709251199)],
)
def test_a_time_is_the_same_as_text_and_in_seconds(text, seconds):
    assert utc.is_time(text)
    assert utc.seconds(text) == seconds
    assert utc.text(seconds) == text


def test_it_is_now():
    before = utc.now()
    assert utc.seconds(before) > utc.seconds("2026-01-01T00:00:00Z")
    assert before <= utc.now()


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-07-14", "2026-07-14T09:12:05", "2026-07-14T09:12:05Z\n", " 2026-07-14T09:12:05Z"),
        *("2026-07-14 09:12:05Z", "2026-7-14T9:12:05Z", "٢٠٢٦-07-14T09:12:05Z", "2026-07-14T09:12:05+00:00"),
    ],
)
def test_anything_else_is_no_time(text):
    assert not utc.is_time(text)
    assert utc.seconds(text) == 0


def test_a_day_that_is_none_is_no_time():
    assert utc.seconds("2026-02-30T00:00:00Z") == 0
