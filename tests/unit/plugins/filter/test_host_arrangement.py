# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From guests' variables to a host's shares."""

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.host_arrangement import host_arrangement
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _modes

STORE = "/var/cache/0install.net/implementations"
FOLDERS = {"groups": "/home/vm/groups", "boxes": "/var/lib/boxes"}


@pytest.fixture
def arranged(inventory_of):
    """What host metal has of its guests' modes, for an inventory of guests."""

    def arrange(guests, store=STORE, facts=None, tasks=None, **options):
        hostvars = inventory_of(guests, facts, tasks)
        return host_arrangement(list(guests), hostvars, "metal", store, **options)

    return arrange


@pytest.fixture
def derived(arranged):
    """The machines of host metal, for an inventory of guests."""
    return lambda guests, **options: arranged(guests, **options)["machines"]


def test_a_guest_names_its_host_and_machine_and_nothing_else(derived):
    assert derived({"web1": {"cache_guest_host": "metal", "cache_guest_machine": "Web 'eins'"}}) == [
        {"machine": "Web 'eins'", "guest": "web1", "shares": [{"name": "ZeroInstall", "path": STORE}]}
    ]


def test_guests_of_other_hosts_and_of_none_are_passed_over(derived):
    assert (
        derived(
            {
                "other": {"cache_guest_host": "copper", "cache_guest_machine": "x"},
                "none": {"cache_guest_machine": "y"},
            }
        )
        == []
    )


@pytest.mark.parametrize(
    "misplaced",
    [
        {"cache_guest_machine": "y"},
        {"cache_guest_host": "metel", "cache_guest_machine": "y"},
        {"cache_guest_host": "{{ named }}", "cache_guest_machine": "y"},
    ],
    ids=["no host", "a misspelt host", "a host that only a fact gives"],
)
def test_while_the_inventory_misplaces_a_guest_strays_are_only_named(arranged, trusted, misplaced):
    """One of them may be its machine."""
    guests = {"web1": {"cache_guest_host": "metal", "cache_guest_machine": "web"}, "metal": {}}
    guests["web2"] = {key: trusted(value) for key, value in misplaced.items()}
    for named in ("metal", "copper"):
        found = arranged(guests, facts={"web2": {"named": named}}, left_over="remove")
        assert found["strays"] == "report"
        assert "web2" in found["refused"] or "'web2'" in found["doubts"][0]


def test_with_a_doubt_strays_are_only_named(arranged):
    guests = {"web1": {"cache_guest_host": "metal", "cache_guest_machine": "web"}, "metal": {}}
    assert arranged(guests, left_over="remove", doubts=["why"])["strays"] == "report"


def test_a_host_whose_name_is_a_number_has_its_guests(inventory_of):
    hostvars = inventory_of({"1001": {}, "a": {"cache_guest_host": 1001, "cache_guest_machine": "a"}})
    found = host_arrangement(["a"], hostvars, "1001", STORE, left_over="remove")
    assert ([one["guest"] for one in found["machines"]], found["strays"]) == (["a"], "remove")


def test_a_guest_may_choose_its_share_name(derived):
    found = derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w", "cache_guest_share": "zi"}})
    assert [share["name"] for share in found[0]["shares"]] == ["zi"]


@pytest.mark.parametrize(("arrangement", "name"), [("default", "w"), ("lab", "lab@w")])
def test_a_guest_that_sees_its_programs_alone_has_a_store_of_its_own(arranged, arrangement, name):
    guests = {"w": guest("guests", cache_guest_sees="programs", cache_guest_group="g")}
    found = arranged(guests, arrangement=arrangement, **FOLDERS)
    assert found["linked"] == [name]
    _group, share = found["machines"][0]["shares"]
    path = f"{STORE.rpartition('/')[0]}/linked/{name}/0install.net/implementations"
    assert share == {"name": "ZeroInstall-programs", "path": path}


def test_no_share_is_writable_or_has_symlinks(derived):
    found = derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w"}})
    assert not any(share.get("writable") or share.get("symlinks") for share in found[0]["shares"])


@pytest.mark.parametrize(
    "variables, words",
    [
        ({}, "guest 'w' does not name its machine: set cache_guest_machine"),
        ({"cache_guest_machine": ""}, "guest 'w' does not name its machine"),
        ({"cache_guest_machine": ["w"]}, "guest 'w' does not name its machine"),
        ({"cache_guest_machine": "w", "cache_guest_mode": "open"}, "guest 'w' has the unknown mode 'open'"),
    ],
)
def test_a_guest_with_wrong_variables_is_named(derived, variables, words):
    with pytest.raises(AnsibleFilterError, match=words):
        derived({"w": dict(variables, cache_guest_host="metal")})


def test_two_guests_with_one_machine_are_refused(derived):
    with pytest.raises(AnsibleFilterError, match="guests 'a' and 'b' name the same machine 'w'"):
        derived({name: {"cache_guest_host": "metal", "cache_guest_machine": "w"} for name in "ab"})


def test_all_that_is_wrong_is_told_at_once(arranged):
    guests = {
        "a": guest("open"),
        "b": guest("readonly"),
        "c": {"cache_guest_host": "metal", "cache_guest_mode": "trusted"},
        "d": guest("readonly", cache_guest_machine="d"),
    }
    with pytest.raises(AnsibleFilterError) as raised:
        arranged(guests, store="/srv", arrangement="a b")
    told = str(raised.value)
    for words in (
        "'/srv' is not a store of implementations",
        "guest 'a' has the unknown mode 'open'",
        "guests 'a' and 'b' name the same machine 'm'",
        "guest 'c' does not name its machine",
        "guest 'c' has mode 'trusted', which needs",
    ):
        assert told.count(words) == 1, told
    assert "guest 'd'" not in told


@pytest.mark.parametrize("name", ["", "1", "a b", "x" * 33, "ä", "a@b", "a\n"])
def test_a_name_that_is_no_arrangement_is_refused(derived, name):
    with pytest.raises(
        AnsibleFilterError, match=r"^cache_host_arrangement '.*' cannot name an arrangement: write 1 to"
    ):
        derived({"w": guest("readonly")}, arrangement=name)


def test_guests_that_are_to_have_nothing_only_name_their_machines(arranged):
    found = arranged({"w": guest("open"), "v": guest("verified", cache_guest_machine="v")}, nothing=True)
    assert found["machines"] == [
        {"machine": "m", "guest": "w", "shares": []},
        {"machine": "v", "guest": "v", "shares": []},
    ]
    assert (found["groups"], found["boxes"], found["possible_boxes"]) == ([], [], ["w", "v"])


def test_a_guest_without_a_machine_keeps_none_of_the_others_from_having_nothing(arranged):
    found = arranged({"w": {"cache_guest_host": "metal"}, "v": guest("verified")}, nothing=True)
    assert [one["guest"] for one in found["machines"]] == ["v"]
    assert "guest 'w' does not name its machine" in found["refused"]["w"]


@pytest.mark.parametrize("fact", ["cache_guest_mode", "cache_guest_path", "cache_guest_machine", "cache_guest_host"])
def test_nothing_that_a_guest_says_keeps_its_share(arranged, fact):
    found = arranged({"w": guest("readonly")}, facts={"w": {fact: "x"}}, nothing=True)
    assert (found["machines"], found["refused"]) == ([{"machine": "m", "guest": "w", "shares": []}], {})


@pytest.mark.parametrize("names", ["", "w", None])
def test_names_that_are_no_list_are_refused(inventory_of, names):
    for nothing, variable in ((False, "cache_host_guests"), (True, "cache_host_only_guests")):
        with pytest.raises(AnsibleFilterError, match=f"{variable} is '{names}', which is no list"):
            host_arrangement(names, inventory_of({"w": guest("readonly")}), "metal", STORE, nothing=nothing)


def test_a_guest_of_the_whole_inventory_that_the_list_leaves_out_is_a_doubt(inventory_of):
    hostvars = inventory_of({"w": guest("readonly"), "v": guest("readonly", cache_guest_machine="v"), "metal": {}})
    found = host_arrangement(["w"], hostvars, "metal", STORE, left_over="remove", expected=["w", "v"])
    assert found["strays"] == "report" and found["doubts"][0].startswith("'v': cache_guest_host is 'metal', and")
    assert host_arrangement(["w", "v"], hostvars, "metal", STORE, left_over="remove", expected=["v"])["doubts"] == []


def test_all_guests_that_are_not_in_the_inventory_are_named_with_the_variable(inventory_of):
    for nothing, variable in ((False, "cache_host_guests"), (True, "cache_host_only_guests")):
        with pytest.raises(AnsibleFilterError) as raised:
            host_arrangement(["x", "y"], inventory_of({}), "metal", STORE, nothing=nothing)
        told = str(raised.value)
        assert f"guest 'x' is not in the inventory: correct {variable}," in told and "guest 'y'" in told


def test_boxes_of_another_arrangement_have_its_name(arranged):
    found = arranged({"w@x": guest("verified")}, arrangement="team-b", **FOLDERS)
    assert found["boxes"] == found["possible_boxes"] == ["team-b@w%40x"]
    assert found["machines"][0]["shares"][1]["path"] == "/var/lib/boxes/team-b@w%40x"
    with pytest.raises(AnsibleFilterError, match="too long for the name of its box"):
        arranged({"x" * 250: guest("verified")}, arrangement="team-b", **FOLDERS)


@pytest.mark.parametrize(
    "path",
    [
        "/var/cache/0install.net",
        "/var/cache/0install.net/",
        "/",
        "",
        "0install.net/implementations",
        "/srv/implementations",
        "/var/cache/x0install.net/implementations",
        "/var/cache/0install.net/implementations/..",
        "/var/cache/0install.net/implementations/",
    ],
)
def test_only_a_store_of_implementations_may_be_shared(derived, path):
    with pytest.raises(AnsibleFilterError, match="is not a store of implementations"):
        derived({"w": {"cache_guest_host": "metal", "cache_guest_machine": "w"}}, store=path)


def guest(mode, **variables):
    """The variables of one guest of host metal."""
    return {"cache_guest_host": "metal", "cache_guest_machine": "m", "cache_guest_mode": mode, **variables}


LINKS = {"writable": True, "symlinks": True, "symlink_policy": "relative"}


@pytest.mark.parametrize(
    "variables, kind, shares",
    [
        (guest("trusted"), "user", [{"name": "ZeroInstall-trusted", "path": STORE, **LINKS}]),
        (
            guest("guests"),
            "system",
            [
                {
                    "name": "ZeroInstall-guests-default",
                    "path": "/home/vm/groups/default/0install.net/implementations",
                    **LINKS,
                },
                {"name": "ZeroInstall", "path": STORE},
            ],
        ),
        (
            guest("guests", cache_guest_group=7),
            "user",
            [
                {"name": "ZeroInstall-guests-7", "path": "/home/vm/groups/7/0install.net/implementations", **LINKS},
                {"name": "ZeroInstall", "path": STORE},
            ],
        ),
        (
            guest("verified", cache_guest_share="{cache_guest_group}"),
            "system",
            [
                {"name": "{cache_guest_group}", "path": STORE},
                {"name": "{cache_guest_group}-box", "path": "/var/lib/boxes/w", "writable": True},
            ],
        ),
    ],
)
def test_the_shares_of_each_mode(derived, variables, kind, shares):
    assert derived({"w": variables}, kind=kind, **FOLDERS) == [{"machine": "m", "guest": "w", "shares": shares}]


def test_no_two_modes_have_different_folders_under_one_name(derived):
    """A share that is replaced by one of its name while it is mounted may be lost."""
    found = {}
    for mode, kind in [("readonly", "system"), ("trusted", "user"), ("guests", "system"), ("verified", "system")]:
        for share in derived({"w": guest(mode)}, kind=kind, **FOLDERS)[0]["shares"]:
            assert found.setdefault(share["name"], share) == share


@pytest.mark.parametrize(
    "variables, options, words",
    [
        (
            guest("trusted"),
            {"kind": "system"},
            "guest 'w' has mode 'trusted'.*set cache_host_store: user for .* 'metal'",
        ),
        (guest("verified"), {"kind": "user"}, "guest 'w' has mode 'verified'.*cache_host_store: system for .* 'metal'"),
        (guest("verified"), {"user": "zeroinst"}, "guest 'w' .* 'metal' belong to user 'zeroinst', who owns the store"),
        (guest("verified"), {"boxes": "/home/x/boxes"}, "guest 'w' .*'/home/x/boxes'.*Correct cache_host_boxes_path"),
        (guest("verified"), {"store": "/home/x/0install.net/implementations"}, "guest 'w'.*Correct cache_host_path"),
        (guest("verified"), {"boxes": "boxes"}, "cache_host_boxes_path 'boxes' is not absolute: write"),
        (guest("guests"), {"groups": "/srv/../x"}, "cache_host_groups_path '/srv/../x' is not normalised: write '/x'"),
        (guest("guests", cache_guest_group="../x"), {}, "guest 'w' has the group '../x'.*set cache_guest_group"),
        (guest("guests", cache_guest_group=""), {}, "guest 'w' has the group ''"),
        (guest("guests", cache_guest_group="a\n"), {}, "guest 'w' has the group 'a\n'"),
        (guest("guests", cache_guest_group="x" * 65), {}, "guest 'w' has the group 'x+'"),
        (guest("guests", cache_guest_path=STORE), {}, "guest 'w' has mode 'guests' and cache_guest_path"),
        (
            guest("trusted", cache_guest_path="/srv"),
            {"kind": "user"},
            "guest 'w' has mode 'trusted' and cache_guest_path",
        ),
        (guest("readonly", cache_guest_share="a b"), {}, "guest 'w': share name 'a b' .* Correct cache_guest_share"),
        (guest("guests", cache_guest_share="x" * 250), {}, "guest 'w': share name .* longer than 255"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(derived, variables, options, words):
    options = {**FOLDERS, **options}
    with pytest.raises(AnsibleFilterError, match=words):
        derived({"w": variables}, **options)


def test_the_default_group_and_the_boxes_are_the_hosts_folders(arranged):
    guests = {
        "a": guest("guests", cache_guest_machine="a"),
        "b": guest("guests", cache_guest_machine="b", cache_guest_group="g"),
        "c": guest("verified", cache_guest_machine="c"),
        "d": guest("readonly", cache_guest_machine="d"),
        "e": {**guest("verified"), "cache_guest_host": "copper"},
    }
    found = arranged(guests, **FOLDERS)
    assert (found["groups"], found["boxes"]) == (["default", "g"], ["c"])
    with pytest.raises(AnsibleFilterError, match="guest 'w' has the group"):
        arranged({"w": guest("guests", cache_guest_group="/")}, **FOLDERS)


@pytest.mark.parametrize(
    "name, box",
    [
        ("web1.example.com", "web1.example.com"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E."),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a b*[x]?", "a%20b%2A%5Bx%5D%3F"),
        ("gäst", "g%C3%A4st"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_a_box_is_named_by_its_guest(name, box):
    assert _modes.box_name(name) == box


def test_a_name_that_is_too_long_for_a_box_is_refused(derived):
    with pytest.raises(AnsibleFilterError, match="too long for the name of its box"):
        derived({"ä" * 43: guest("verified")}, **FOLDERS)


def test_a_guest_of_whom_a_variable_is_a_fact_is_refused_and_the_others_are_not(arranged):
    guests = {"w": guest("verified"), "v": guest("verified", cache_guest_machine="v")}
    found = arranged(guests, facts={"w": {"cache_guest_group": "others"}}, **FOLDERS)
    assert [one["machine"] for one in found["machines"]] == ["v"] and found["boxes"] == ["v"]
    assert list(found["refused"]) == found["kept_boxes"] == ["w"]
    assert found["refused"]["w"].startswith("guest 'w': cache_guest_group is a fact")


def test_facts_that_decide_nothing_are_no_harm(arranged):
    facts = {"w": {"ansible_distribution": "Debian", "site": "x"}}
    assert arranged({"w": guest("readonly", site="y")}, facts=facts)["refused"] == {}


@pytest.mark.parametrize(
    "variables, words",
    [
        (
            {"cache_guest_mode": "{{ no_such_variable }}"},
            "guest 'w': cache_guest_mode cannot be read .*no_such_variable",
        ),
        (
            {"cache_guest_host": "{{ 'metal' if true }}", "cache_guest_group": "{{ ("},
            "guest 'w': cache_guest_group cannot",
        ),
    ],
)
def test_a_guest_whose_variables_cannot_be_read_is_refused(arranged, trusted, variables, words):
    guests = {"w": {name: trusted(value) for name, value in guest("readonly", **variables).items()}}
    assert re.match(words, arranged(guests)["refused"]["w"])


def test_a_fact_with_which_a_filter_fails_is_that_guests_failure(arranged, trusted):
    template = trusted("{{ (site | default('{}') | from_json).group | default('g') }}")
    guests = {"w": guest("readonly", cache_guest_group=template), "v": guest("readonly", cache_guest_machine="v")}
    found = arranged(guests, facts={"w": {"site": "no JSON"}})
    assert "guest 'w': cache_guest_group follows from facts" in found["refused"]["w"]
    assert [one["machine"] for one in found["machines"]] == ["v"]


def test_a_guest_that_is_not_in_the_inventory_is_named(inventory_of):
    with pytest.raises(AnsibleFilterError, match="guest 'x' is not in the inventory: correct cache_host_guests"):
        host_arrangement(["x"], inventory_of({}), "metal", STORE)


def test_what_tasks_set_counts(arranged):
    found = arranged({"w": guest("readonly")}, tasks={"w": {"cache_guest_share": "Set"}})
    assert found["machines"][0]["shares"][0]["name"] == "Set"
    both = {"w": {"cache_guest_share": "Set"}}
    assert "cache_guest_share is a fact" in arranged({"w": guest("readonly")}, tasks=both, facts=both)["refused"]["w"]


@pytest.mark.parametrize("variable", ["cache_guest_mode", "cache_guest_share", "cache_guest_group", "cache_guest_path"])
@pytest.mark.parametrize("value", [["a"], {"a": 1}, None, 1.5])
def test_a_variable_of_a_wrong_type_is_named(derived, variable, value):
    with pytest.raises(AnsibleFilterError, match=f"guest 'w' has {variable} '.*', which is no text"):
        derived(
            {"w": guest("readonly", **{variable: value})}
            if variable != "cache_guest_mode"
            else {"w": {**guest("readonly"), "cache_guest_mode": value}}
        )
