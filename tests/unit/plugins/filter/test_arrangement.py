# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a guest's variables to its mounts and helper."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.arrangement import arrangement

STORE = "/var/cache/0install.net/implementations"
BESIDE = "/var/cache/0install.net/host-implementations"
GUEST = {
    "cache_guest_share": "Z",
    "cache_guest_group": "g",
    "cache_guest_path": "",
    "cache_guest_sees": "store",
    "cache_guest_host": "metal",
    "cache_guest_machine": "m",
}


@pytest.fixture
def arranged(inventory_of):
    """What a guest of a mode has. C(kind) is its host's store; without it, the host is not in the inventory."""

    def arrange(mode, sharing=False, options=(), kind="", play=(), facts=None, **variables):
        guest = {**GUEST, "cache_guest_mode": mode, **variables}
        host = {"metal": {"cache_host_store": kind}} if kind else {}
        hostvars = inventory_of({"w": guest, **host}, facts)
        of_play = {name[len("cache_guest_") :]: value for name, value in {**guest, **dict(play)}.items()}
        return arrangement("w", hostvars, sharing=sharing, options=options, **of_play)

    return arrange


def mount(share, path, *options, store=True, **more):
    """One of its mounts."""
    return {"share": share, "path": path, "store": store, "options": list(options), **more}


OWNED = {"writable": True, "owner": "zeroinst"}


@pytest.mark.parametrize(
    "mode, sharing, helper, mounts",
    [
        ("readonly", False, "none", [mount("Z", STORE)]),
        ("readonly", True, "own", [mount("Z", BESIDE)]),
        ("trusted", False, "own", [mount("Z-trusted", STORE, **OWNED)]),
        ("guests", False, "own", [mount("Z-guests-g", STORE, **OWNED), mount("Z", BESIDE)]),
        (
            "verified",
            False,
            "box",
            [
                mount("Z", STORE),
                mount("Z-box", "/var/lib/zeroinstall.virtualbox/box", "dmask=0077", "fmask=0077", store=False, **OWNED),
            ],
        ),
    ],
)
def test_the_mounts_of_each_mode(arranged, mode, sharing, helper, mounts):
    found = arranged(mode, sharing=sharing)
    path = BESIDE if any(one["path"] == BESIDE for one in mounts) else STORE
    assert found == {"host": "metal", "path": path, "mounts": mounts, "helper": helper}
    if mode != "readonly":
        assert arranged(mode, sharing=True) == found


@pytest.mark.parametrize("mode", ["readonly", "guests"])
def test_a_guest_that_sees_its_programs_alone_has_another_share(arranged, mode):
    found = arranged(mode, cache_guest_sees="programs")
    assert "Z-programs" in [one["share"] for one in found["mounts"]]
    assert {**found, "mounts": 0} == {**arranged(mode), "mounts": 0}
    paths = [[one["path"] for one in each["mounts"]] for each in (found, arranged(mode))]
    assert paths[0] == paths[1]


def test_a_users_options_are_for_stores_only(arranged):
    found = arranged("verified", options=["ttl=5"])["mounts"]
    assert [one["options"] for one in found] == [["ttl=5"], ["dmask=0077", "fmask=0077"]]
    assert [one["options"] for one in arranged("guests", options=["ttl=5"])["mounts"]] == [["ttl=5"], ["ttl=5"]]


@pytest.mark.parametrize("mode", ["readonly", "guests", "verified"])
def test_the_hosts_store_may_be_elsewhere(arranged, mode):
    found = arranged(mode, cache_guest_path="/srv/z")
    assert (found["path"], [one["path"] for one in found["mounts"] if one["share"] == "Z"]) == ("/srv/z", ["/srv/z"])


@pytest.mark.parametrize(
    "mode, options, words",
    [
        ("trusted", {"kind": "system"}, "guest 'w' .* set cache_host_store: user for its host 'metal'"),
        ("trusted", {"cache_guest_path": "/srv/z"}, "Remove cache_guest_path"),
        ("open", {}, "guest 'w' has the unknown mode 'open'"),
        ("readonly", {"cache_guest_sees": "all"}, "cache_guest_sees 'all': set it to one of store, programs"),
        ("verified", {"cache_guest_sees": "programs"}, "has to see them.*cache_guest_mode to readonly or guests"),
        ("trusted", {"cache_guest_sees": "programs"}, "has to see them.*cache_guest_mode to readonly or guests"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_guest_too(arranged, mode, options, words):
    with pytest.raises(AnsibleFilterError, match=words):
        arranged(mode, **options)


def test_a_host_that_is_not_known_is_not_asked(arranged):
    assert arranged("trusted", kind="")["helper"] == "own"


@pytest.mark.parametrize(
    "play, words",
    [
        (
            {"cache_guest_mode": "guests"},
            "guest 'w': cache_guest_mode is 'guests' in its play and 'readonly' in the inv",
        ),
        ({"cache_guest_host": "copper"}, "cache_guest_host is 'copper' in its play and 'metal' in the inventory"),
    ],
)
def test_a_play_that_says_something_else_than_the_inventory_is_refused(arranged, play, words):
    with pytest.raises(AnsibleFilterError, match=words):
        arranged("readonly", kind="system", play=play)


def test_a_play_says_what_it_likes_where_no_host_goes_by_the_inventory(arranged):
    found = arranged("readonly", play={"cache_guest_host": "localhost", "cache_guest_share": "V"})
    assert (found["host"], found["mounts"][0]["share"]) == ("localhost", "V")


def test_facts_of_guest_and_host_decide_nothing(arranged):
    with pytest.raises(AnsibleFilterError, match="guest 'w': cache_guest_mode is a fact"):
        arranged("readonly", kind="system", facts={"w": {"cache_guest_mode": "readonly"}})
    with pytest.raises(AnsibleFilterError, match="host 'metal': cache_host_store is a fact"):
        arranged("readonly", kind="system", facts={"metal": {"cache_host_store": "user"}})
