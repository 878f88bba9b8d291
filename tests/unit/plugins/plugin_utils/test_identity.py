# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine a guest is, by the UUID of its hardware."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

WEB, WEB_SWAPPED = "245e6cf0-313d-4fca-8046-1ff7e17a1bb7", "f06c5e24-3d31-ca4f-8046-1ff7e17a1bb7"
DB, NOBODYS = "96aaf015-03eb-4991-a08e-fb0a25ca043e", "033af8cb-943d-46fa-bef5-a2868d7b681c"
ZEROS = "00000000-0000-0000-0000-000000000000"


def entry(guest, name, hardware_uuid, **more):
    """What a host tells of a machine."""
    return {"guest": guest, "machine": name, "name": name, "uuid": name, "hardware_uuid": hardware_uuid, **more}


LISTED = [entry("web1", "web", WEB), entry("db1", "db", DB)]


def test_a_uuid_has_two_orders_of_bytes():
    assert _identity.forms(WEB) == _identity.forms(WEB_SWAPPED.upper()) == {WEB, WEB_SWAPPED}
    assert _identity.forms(WEB) != _identity.forms(WEB[:-1] + "8")


@pytest.mark.parametrize(
    "uuid",
    [
        "", None, 7, [WEB], WEB[:-1], WEB + "0", WEB + "\n", "Not Settable", ZEROS, ZEROS.replace("0", "F"),
        "fefefefe-fefe-fefe-fefe-fefefefefefe", "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009", "03020100-0504-0706-0809-0A0B0C0D0E0F",
    ],
)  # fmt: skip
def test_what_is_no_uuid_or_a_placeholder_is_nobodys(uuid):
    assert _identity.forms(uuid) == frozenset()
    assert _identity.refusal("web1", "web", LISTED, uuid) == ""


@pytest.mark.parametrize(
    "listed",
    [
        LISTED,
        (),
        None,
        "listed",
        ["x", None, {}],
        [{"guest": "web1"}, *LISTED[1:]],
        [entry("web1", "web", ""), LISTED[1]],
        [entry("web1", "web", ZEROS), LISTED[1]],
        [entry("web1", "web", 7), LISTED[1]],
        [entry("db1", "db", DB)],
        [entry("web1", "web", WEB), entry("db1", "db", WEB)],
        [entry("db1", "db", WEB_SWAPPED), entry("web1", "web", WEB)],
    ],
)
@pytest.mark.parametrize("uuid", [WEB, WEB_SWAPPED, WEB.upper()])
def test_a_guest_is_refused_for_nothing_that_is_not_known(listed, uuid):
    """Its own machine in either order, no answer, no UUID, clones with one UUID."""
    assert _identity.refusal("web1", "web", listed, uuid) == ""


@pytest.mark.parametrize(
    ("listed", "uuid", "words"),
    [
        (LISTED, DB, ["web1 is the machine 'db' (guest db1) by its hardware UUID " + DB]),
        (LISTED[1:], DB, ["web1 is the machine 'db' (guest db1)"]),
        ([*LISTED, entry("db2", "copy", DB)], DB, ["'db' (guest db1) or 'copy' (guest db2)"]),
        (LISTED, NOBODYS, ["web1 is another machine", f"has the hardware UUID {NOBODYS}", "switch it off"]),
    ],
)
def test_a_guest_that_is_another_machine_is_refused_with_both_names(listed, uuid, words):
    told = _identity.refusal("web1", "web", listed, uuid)
    remedy = "Correct cache_guest_machine or cache_guest_host."
    for word in (*words, "the inventory says cache_guest_machine 'web'", remedy):
        assert word in told


def test_what_a_host_answered_last_counts_and_no_fact(inventory_of):
    outlook, shared = {"listed": LISTED}, {"listed": LISTED[:1]}
    facts = {"metal": {"cache_host_shared": shared}}

    def answered(host="metal", facts=None, **tasks):
        return _identity.answered(Inventory(inventory_of({"metal": {}}, facts, {"metal": tasks})), host, "listed")

    assert answered(cache_host_outlook=outlook, cache_host_shared=shared) == LISTED[:1]
    assert answered(cache_host_outlook=outlook, cache_host_shared={"skipped": True}) == LISTED
    assert not answered(cache_host_outlook={"failed": True})
    assert not answered(cache_host_outlook="listed")
    assert not answered()
    assert not answered("elsewhere", cache_host_outlook=outlook)
    assert not answered(facts=facts)
