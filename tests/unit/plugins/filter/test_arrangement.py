# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a guest's variables to its mounts and helper."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.arrangement import arrangement

STORE = "/var/cache/0install.net/implementations"
BESIDE = "/var/cache/0install.net/host-implementations"
GUEST = {"cache_guest_share": "Z", "cache_guest_group": "g", "cache_guest_path": ""}


def arranged(mode, sharing=False, options=(), kind="", **variables):
    """What a guest of this mode has."""
    return arrangement(
        {**GUEST, "cache_guest_mode": mode, **variables}, "w", "metal", sharing=sharing, options=options, kind=kind)


def mount(share, path, *options, store=True, **more):
    """One of its mounts."""
    return {"share": share, "path": path, "store": store, "options": list(options), **more}


OWNED = {"writable": True, "owner": "zeroinst"}


@pytest.mark.parametrize("mode, sharing, helper, mounts", [
    ("readonly", False, "none", [mount("Z", STORE)]),
    ("readonly", True, "own", [mount("Z", BESIDE)]),
    ("trusted", False, "own", [mount("Z-trusted", STORE, **OWNED)]),
    ("guests", False, "own", [mount("Z-guests-g", STORE, **OWNED), mount("Z", BESIDE)]),
    ("verified", False, "box", [
        mount("Z", STORE),
        mount("Z-box", "/var/lib/zeroinstall.virtualbox/box", "dmask=0077", "fmask=0077", store=False, **OWNED)]),
])
def test_the_mounts_of_each_mode(mode, sharing, helper, mounts):
    found = arranged(mode, sharing=sharing)
    path = BESIDE if any(one["path"] == BESIDE for one in mounts) else STORE
    assert found == {"path": path, "mounts": mounts, "helper": helper}
    if mode != "readonly":
        assert arranged(mode, sharing=True) == found


def test_a_users_options_are_for_stores_only():
    found = arranged("verified", options=["ttl=5"])["mounts"]
    assert [one["options"] for one in found] == [["ttl=5"], ["dmask=0077", "fmask=0077"]]
    assert [one["options"] for one in arranged("guests", options=["ttl=5"])["mounts"]] == [["ttl=5"], ["ttl=5"]]


@pytest.mark.parametrize("mode", ["readonly", "guests", "verified"])
def test_the_hosts_store_may_be_elsewhere(mode):
    found = arranged(mode, cache_guest_path="/srv/z")
    assert (found["path"], [one["path"] for one in found["mounts"] if one["share"] == "Z"]) == ("/srv/z", ["/srv/z"])


@pytest.mark.parametrize("mode, options, words", [
    ("trusted", {"kind": "system"}, "guest 'w' .* set cache_host_store: user for its host 'metal'"),
    ("trusted", {"cache_guest_path": "/srv/z"}, "Remove cache_guest_path"),
    ("open", {}, "guest 'w' has the unknown mode 'open'"),
])
def test_what_does_not_fit_is_refused_in_the_guest_too(mode, options, words):
    with pytest.raises(AnsibleFilterError, match=words):
        arranged(mode, **options)


def test_a_host_that_is_not_known_is_not_asked():
    assert arranged("trusted", kind="")["helper"] == "own"
