# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that sees its programs alone, beside one that sees all of the store, on a real host with the real 0install.

The tests of this file go on with what those before them have left.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from feed_server import serving
from fleet import Fleet, Play
from sites import RUN, Site

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
LINKED = "/var/cache/0install.net/linked"
OWN = f"{LINKED}/g1/0install.net/implementations"
SHARE, VERIFY, UNSHARE = (f"zeroinstall.virtualbox.{name}" for name in ("share", "verify", "unshare"))


def names(site: Site, store: str) -> list[str]:
    """The implementations in a store on the host."""
    return site.fleet.host("ls", store).stdout.split()


def seen(site: Site, guest: str) -> list[str]:
    """The implementations that a guest sees."""
    return site.fleet.guest(guest, f"ls {STORE}")[1].split()


def play(site: Site, playbook: str, *options: str, changes: bool = True) -> Play:
    """A run that has to succeed, and to change something or nothing."""
    done = site.fleet.play(playbook, *options, variables={"no_proxy": "127.0.0.1"})
    assert done.status == 0, "\n".join(done.messages(host) for host in done.hosts) or done.output
    assert (done.changed > 0) == changes, done.output
    return done


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A host with an empty store. The guest g1 is to see its program alone, g2 all of the store."""
    with serving() as server, Fleet("linked", ("g1", "g2")).running(quiet=True) as fleet:
        made = Site(fleet, server, [])
        shell = server.feed(
            "shell", server.implementation("shell", "1", {"run": '#!/bin/sh\nexec /bin/sh "$@"\n'}, RUN)
        )
        runner = f'<command name="run" path="run"><runner interface="{shell}"/></command>'
        mine = made.serve("mine", "1", inside=runner, text="echo mine 1\n")
        made.set("g1", cache_guest_sees="programs", cache_programs_list=[mine])
        made.set("g2", cache_programs_list=[made.serve("other", "1")])
        yield made


def test_share_makes_an_empty_store_for_the_guest(site: Site) -> None:
    play(site, SHARE, "--check")
    assert site.fleet.host("ls", LINKED, check=False).returncode != 0
    play(site, SHARE)
    assert seen(site, "g1") == []
    play(site, SHARE, changes=False)


def test_the_guest_sees_its_closure_alone_and_the_host_has_no_more(site: Site) -> None:
    play(site, "zeroinstall.virtualbox.programs")
    assert (len(names(site, STORE)), len(seen(site, "g1"))) == (3, 2)
    assert sorted(seen(site, "g2")) == sorted(names(site, STORE))
    assert sorted(seen(site, "g1")) == sorted(names(site, OWN))
    first, second = site.said("mine"), site.said("other")
    assert first[0] == "mine 1" and first[1].startswith("127:")
    assert second[0].startswith("127:") and second[1] == "other 1"
    assert site.fleet.host("0store", "audit", OWN).returncode == 0
    owners = site.fleet.host("find", OWN, "-type", "f", "-links", "1").stdout
    assert owners == "", "each file in the linked store is one of the host's store"
    folders = site.fleet.host("find", LINKED, "-type", "d", "-printf", "x").stdout
    room = site.fleet.host("du", "-sk", STORE, LINKED).stdout.splitlines()[1].split()[0]
    assert int(room) <= 4 * len(folders), "only directories take room"
    play(site, "zeroinstall.virtualbox.programs", changes=False)


def test_after_an_update_the_guest_does_not_see_the_old_version(site: Site) -> None:
    old = seen(site, "g1")
    mine = site.serve("mine", "1", "2")
    site.set("g1", cache_programs_list=[mine])
    play(site, "zeroinstall.virtualbox.programs", "-e", "cache_programs_update=true")
    assert site.said("mine")[0] == "mine 2"
    assert len(seen(site, "g1")) == 1 and not set(seen(site, "g1")) & set(old)
    assert set(old) < set(names(site, STORE)), "the host keeps it, to go back"
    assert sorted(names(site, OWN)) == sorted(seen(site, "g1"))


def test_what_no_program_needs_leaves_the_linked_store_and_then_the_hosts(site: Site) -> None:
    remove = ("-e", "cache_programs_unused=remove", "-e", "cache_programs_keep=1")
    before = names(site, STORE)
    check = play(site, "zeroinstall.virtualbox.programs", "--check", *remove)
    assert any(
        "would be removed" in line for one in check.results("vbox", "ansible.builtin.debug") for line in one["msg"]
    )
    assert names(site, STORE) == before
    play(site, "zeroinstall.virtualbox.programs", *remove)
    assert (len(names(site, STORE)), site.said("mine")[0]) == (2, "mine 2")


def test_what_is_corrupt_goes_from_both_stores(site: Site) -> None:
    options = ("-e", "cache_verify_guests=true")
    play(site, VERIFY, *options, changes=False)
    (mine,) = names(site, OWN)
    site.fleet.host("sh", "-euc", f"echo spoilt >> {STORE}/{mine}/run")
    done = site.fleet.play(VERIFY, *options, "-e", "cache_verify_quarantine=true")
    assert done.status != 0
    for store in (STORE, OWN):
        assert f"{store}/{mine}" in done.messages("vbox")
        assert mine not in names(site, store)
    play(site, "zeroinstall.virtualbox.programs")
    assert (site.said("mine")[0], names(site, OWN)) == ("mine 2", [mine])
    play(site, VERIFY, *options, changes=False)


def test_a_guest_that_sees_all_again_leaves_its_linked_store_to_be_removed(site: Site) -> None:
    site.set("g1", cache_guest_sees="store")
    left = play(site, SHARE)
    assert any(f"The linked store 'g1', {OWN}" in str(one) for one in left.results("vbox", "ansible.builtin.debug"))
    assert sorted(seen(site, "g1")) == sorted(names(site, STORE))
    play(site, SHARE, "-e", "cache_host_left_over=remove")
    assert site.fleet.host("ls", LINKED, check=False).returncode != 0
    assert site.said("mine")[0] == "mine 2"


def test_undo_removes_linked_stores(site: Site) -> None:
    site.set("g1", cache_guest_sees="programs")
    play(site, SHARE)
    play(site, "zeroinstall.virtualbox.programs")
    assert len(seen(site, "g1")) == 1
    kept = names(site, STORE)
    play(site, UNSHARE)
    assert site.fleet.host("ls", LINKED, check=False).returncode != 0
    assert names(site, STORE) == kept
    play(site, UNSHARE, changes=False)
