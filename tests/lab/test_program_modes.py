# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in guests that may add packages themselves: one of mode ``guests``, and one of mode ``verified``.

VirtualBox's machines belong to root here, who never downloads. So no guest of mode ``trusted`` can get a program.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from feed_server import serving
from fleet import Fleet
from sites import Site

pytestmark = pytest.mark.thorough

PLACES = {
    "guests": "/var/cache/0install.net/host-implementations",
    "verified": "/var/cache/0install.net/implementations",
}
"""Where a guest of each mode has the host's store."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A host with a guest of each mode, which have their shares and no programs."""
    with serving() as server, Fleet("program-modes", tuple(PLACES)).running(quiet=True) as fleet:
        made = Site(fleet, server, [])
        for mode in PLACES:
            made.set(mode, cache_guest_mode=mode)
        assert fleet.play("zeroinstall.virtualbox.share").status == 0
        yield made


def test_the_guests_run_what_the_host_downloaded(site: Site) -> None:
    site.list.append(site.serve("edit", "1"))
    site.run()
    assert site.both("edit") == "edit 1"
    (name,) = site.fleet.host("ls", PLACES["verified"]).stdout.split()
    for guest, place in PLACES.items():
        assert site.fleet.guest(guest, f"ls {place}")[1].split() == [name]
        mounted = site.fleet.guest(guest, f"grep ' {place} ' /proc/mounts")[1]
        assert mounted.startswith("ZeroInstall ") and " vboxsf ro," in mounted
    assert site.run().changed == 0


def test_root_of_the_host_does_not_download(site: Site) -> None:
    play = site.play("--limit", "zeroinstall_hosts", "-e", "cache_host_store=user", "-e", "cache_guest_mode=readonly")
    assert play.status != 0 and "never downloaded as root" in play.messages("vbox")
