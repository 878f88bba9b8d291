# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables in which facts have no say."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.without_facts import without_facts


@pytest.mark.parametrize(
    ("inventory", "facts", "value", "found"),
    [
        ({}, {}, 600, 600),
        ({"limit": 3}, {}, 3, 3),
        ({"limit": 3}, {}, 5, 5),
        ({"limit": 3}, {"other": 9}, 3, 3),
        ({"limit": 3}, {"limit": 9}, 9, 3),
        ({}, {"limit": 9}, 9, 60),
        ({"limit": 3}, {"limit": 3}, 3, 3),
    ],
)
def test_a_fact_has_no_say(inventory_of, inventory, facts, value, found):
    """What a play sets stays: C(hostvars) do not have it."""
    hostvars = inventory_of({"g": inventory}, {"g": facts})
    assert without_facts(value, "limit", hostvars, "g", 60) == found


def test_nor_has_one_in_a_template(inventory_of, trusted):
    hostvars = inventory_of({"g": {"limit": trusted("{{ other | default(3) }}")}}, {"g": {"other": 9}})
    assert int(without_facts(9, "limit", hostvars, "g", 60)) == 3  # before ansible-core 2.19, a template makes a text


def test_a_variable_of_a_role_has_the_roles_default(inventory_of):
    hostvars = inventory_of({"g": {}}, {"g": {"cache_guest_timeout": 9}})
    assert without_facts(9, "cache_guest_timeout", hostvars, "g") == 600
    assert without_facts("9", "cache_guest_timeout", inventory_of({"g": {}}), "g", plus=600) == 609
