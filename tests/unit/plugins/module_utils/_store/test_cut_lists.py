# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists of a result, cut to a number and a size."""

from __future__ import annotations

import json

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.cut_lists import capped


def test_a_list_that_fits_is_whole():
    assert capped(["a", "b"], 2, 100) == ["a", "b"]
    assert capped([], 0, 0) == []


def test_a_list_is_cut_to_a_number_and_to_a_size():
    assert capped(["a", "b", "c"], 2, 100) == ["a", "b"]
    kept = capped(["x" * 10] * 100, 100, 200)
    assert 1 < len(kept) < 100 and len(json.dumps(kept)) <= 200


def test_nothing_is_made_of_what_is_left_out():
    made = []
    capped(range(1000), 3, 100, lambda number: made.append(number) or number)
    assert made == [0, 1, 2]


def test_less_is_made_of_what_does_not_fit():
    kept = capped(["x" * 40, "y" * 40, "z" * 400], 9, 70, less=lambda made: made[:5])
    assert kept == ["x" * 40, "yyyyy", "zzzzz"]
