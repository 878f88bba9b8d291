# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines patterns match, and to what a run with --limit confines the undoing on a host."""

from __future__ import annotations

import pytest
from ansible import context
from ansible_collections.zeroinstall.virtualbox.plugins.filter.members import members
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._scope import scope


@pytest.fixture
def limited(inventory_of, monkeypatch):
    """An inventory of two hosts and their guests in a run with --limit."""

    def limit(pattern):
        hostvars = inventory_of({name: {} for name in ("metal", "copper", "a", "b", "c")})
        hostvars._inventory.subset(pattern)
        monkeypatch.setattr(context, "CLIARGS", {"subset": pattern})
        return Inventory(hostvars)

    return limit


GUESTS = {"metal": ["a", "b"], "copper": ["c"]}


@pytest.mark.parametrize(
    "limit",
    [
        None,
        "metal",
        "metal,copper",
        "metal,&metal",
        "*e*:&metal",
        "metal[0]",
        "metal,&all",
        "metal,!c",
    ],
)
def test_without_a_limit_or_with_hosts_alone_everything_is_taken_back(limited, limit):
    found = scope(limited(limit), GUESTS)
    assert (found.guests["metal"], found.problems) == ("all", [])


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("metal,a", {"metal": ["a"]}),
        ("all:!b", {"metal": ["a"], "copper": ["c"]}),
        ("metal,a,b", {"metal": ["a", "b"]}),
        ("metal,copper,b,c", {"metal": ["b"], "copper": ["c"]}),
        ("a", {}),
    ],
)
def test_a_limit_that_names_guests_is_about_these_alone(limited, limit, expected):
    assert scope(limited(limit), GUESTS) == (expected, [])


@pytest.mark.parametrize(
    ("guests", "who"),
    [({"metal": ["b"], "copper": ["a"]}, "a guest of copper"), ({"metal": []}, "no guest")],
    ids=["moved", "no guest is known"],
)
def test_a_guest_that_is_not_the_hosts_never_stands_for_all(limited, guests, who):
    (problem,) = scope(limited("metal,a"), guests).problems
    assert f"--limit has terms about 'a' ({who}), and leaves no guest of 'metal'." in problem
    assert "limit the run to hosts alone" in problem


@pytest.mark.parametrize(
    "limit", ["metal,!a", "metal:a:!a", "metal,copper,!a", "metal,a,&metal", "metal:a:![abc]", "*e*,&*e*,!b"]
)
def test_a_term_that_takes_guests_out_never_stands_for_all(limited, limit):
    """Of these limits, hosts alone are left."""
    found = scope(limited(limit), GUESTS)
    assert (found.guests, len(found.problems)) == ({}, 1)


@pytest.mark.parametrize(
    "limit", ["metal,d", "metal,a,d", "metal:!d", "metal,~nobody.*", "metal,localhost", "metal,copper:"]
)
def test_a_part_of_the_limit_that_matches_nothing_never_stands_for_all(limited, limit):
    """Ansible only warns of it, and goes on with the host alone."""
    found = scope(limited(limit), GUESTS)
    assert (found.guests, len(found.problems)) == ({}, 1) and "matches nothing in the inventory" in found.problems[0]


@pytest.mark.parametrize("file", ["metal\na,d\n", "metal\na:b\n"])
def test_a_line_of_a_file_that_matches_nothing_never_stands_for_all(limited, file, tmp_path):
    """Ansible does not split it."""
    (tmp_path / "limit").write_text(file, encoding="utf-8")
    found = scope(limited(f"@{tmp_path}/limit"), GUESTS)
    assert found.guests == {} and "matches nothing in the inventory" in found.problems[0]


@pytest.mark.parametrize("limit", ["{}", "metal,{}", "{}:metal"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_never_stands_for_all(limited, tmp_path, limit, text):
    """Ansible passes over it, or takes it for no limit."""
    (tmp_path / "limit").write_text(text, encoding="utf-8")
    found = scope(limited(limit.format(f"@{tmp_path}/limit")), GUESTS)
    assert found.guests == {} and "limit', which matches nothing in the inventory" in found.problems[0]


def test_hosts_that_the_limit_leaves_without_a_guest_are_one_mistake(inventory_of, monkeypatch):
    guests = {f"metal{number:02}": [f"g{number:02}"] for number in range(20)}
    hostvars = inventory_of({**{name: {} for name in guests}, **{one: {} for (one,) in guests.values()}})
    monkeypatch.setattr(context, "CLIARGS", {"subset": "metal*,g00"})
    hostvars._inventory.subset("metal*,g00")
    (problem,) = scope(Inventory(hostvars), guests).problems
    assert "'g00' (a guest of metal00), and leaves no guest of 'metal01', 'metal02'" in problem and "14 more" in problem


@pytest.mark.parametrize(("limit", "expected"), [("metal,copper,a,b", ["a", "b"]), ("metal,copper,b", ["b"])])
def test_a_host_without_guests_is_no_matter_of_the_guests_of_others(limited, limit, expected):
    assert scope(limited(limit), {"metal": ["a", "b"], "copper": []}) == ({"metal": expected, "copper": []}, [])


def test_a_group_that_is_empty_may_be_excluded(inventory_of, monkeypatch):
    hostvars = inventory_of({"metal": {}, "a": {}})
    hostvars._inventory._inventory.add_group("retired")
    monkeypatch.setattr(context, "CLIARGS", {"subset": "metal,!retired"})
    hostvars._inventory.subset("metal,!retired")
    assert scope(Inventory(hostvars), {"metal": ["a"]}) == ({"metal": "all"}, [])


@pytest.mark.parametrize("limit", ["metal,", ",metal", "metal, ,a", "metal:", ":metal", "metal::", "", " "])
def test_an_empty_part_of_the_limit_never_stands_for_all(limited, limit):
    """As a variable of the shell may leave one."""
    found = scope(limited(limit), GUESTS)
    assert found.guests == {} and "--limit has ''" in found.problems[0]


def test_colons_before_a_name_never_stand_for_all(limited):
    """Ansible of before ansible-core 2.19 takes them for a part of the name."""
    assert scope(limited("::metal"), GUESTS).guests == {}


@pytest.mark.parametrize("limit", ["metal", "metal,copper", "metal:copper", "*e*:&metal", "fe80::1,metal", "::1,metal",
                                   "metal,::1", "metal,fe80::"])  # fmt: skip
def test_a_whole_limit_has_no_empty_part(limited, limit):
    assert "" not in limited(limit).limits()


def test_guests_alone_are_no_matter_of_a_host(limited):
    """Whatever else the limit has: nothing is taken back on hosts."""
    assert scope(limited("a,d"), GUESTS) == ({}, [])


def test_a_host_that_is_a_guest_of_another_one_counts_as_its_guest(limited):
    guests = {"metal": ["a", "copper"], "copper": ["c"]}
    found = scope(limited("metal,copper"), guests)
    assert found.guests == {} and "leaves no guest of 'copper'" in found.problems[0]
    assert scope(limited("copper"), guests) == ({"copper": "all"}, [])


@pytest.mark.parametrize(
    ("pattern", "expected"), [("a,c", ["a", "c"]), ("all:!metal", ["copper", "a", "b", "c"]), ("none", [])]
)
def test_a_pattern_matches_whatever_the_limit_is(limited, pattern, expected):
    assert members(pattern, limited("metal")._hostvars) == expected
