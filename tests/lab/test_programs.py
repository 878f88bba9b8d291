# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook programs between a real host and two real guests, with the real 0install in all of them.

The feeds are signed by the real GnuPG, and served on the loopback. The guests have no network. The tests of this file
go on with what those before them have left.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from feed_server import serving
from fleet import Fleet, Play
from labkit.waiting import until
from sites import RUN, USER, Site

pytestmark = pytest.mark.thorough

STORE = "/var/cache/0install.net/implementations"
DOWNLOADS, LAUNCHERS = "zeroinstall.virtualbox.programs", "zeroinstall.virtualbox.launchers"
KNOWN = "/var/lib/zeroinst-programs"
WAITS = """#!/bin/sh
# waits waits
touch /tmp/started
while [ -e /tmp/wait ]; do sleep 1; done
rm /tmp/started
"""


def told(play: Play) -> list[str]:
    """What the host tells at the end of what was removed, and of what was not."""
    return [line for one in play.results("vbox", "ansible.builtin.debug") for line in one["msg"]]


def implementations_of(site: Site, name: str) -> list[str]:
    """The implementations in the host's store of which a program says its name."""
    found = site.fleet.host("grep", "-rlE", f"echo {name} |{name} waits", STORE, check=False).stdout.splitlines()
    return sorted({path.removeprefix(f"{STORE}/").partition("/")[0] for path in found})


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A host whose store is empty, and two guests that have it mounted."""
    with serving() as server, Fleet("programs", ("g1", "g2")).running(quiet=True) as fleet:
        play = fleet.play("zeroinstall.virtualbox.share")
        assert play.status == 0, play.output
        made = Site(fleet, server, [])
        library = server.feed("library", server.implementation("library", "7", {"text": "from the library\n"}))
        needs = f'<requires interface="{library}"><environment name="TEXT" insert="text" mode="replace"/></requires>'
        shell = server.feed(
            "shell", server.implementation("shell", "1", {"run": '#!/bin/sh\nexec /bin/sh "$@"\n'}, RUN)
        )
        runner = f'<command name="run" path="run"><runner interface="{shell}"/></command>'
        made.list += [
            made.serve("edit", "1"),
            made.serve("show", "1", inside=needs + RUN, text='#!/bin/sh\ncat "$TEXT"\n'),
            made.serve("script", "1", inside=runner, text="echo by the runner\n"),
        ]
        yield made


def test_check_mode_downloads_nothing(site: Site) -> None:
    check = site.run("--check", "--diff")
    assert check.hosts["vbox"]["changed"] > 0 and site.server.fetched(".tgz") == []
    assert site.fleet.host("ls", STORE).stdout == ""
    assert not site.fleet.host("sh", "-c", f"ls -d {KNOWN} || true").stdout


def test_three_programs_run_offline_in_both_guests_and_came_once(site: Site) -> None:
    site.run()
    assert (site.both("edit a -b"), site.both("show"), site.both("script")) == (
        "edit 1 a -b",
        "from the library",
        "by the runner",
    )
    fetched = site.server.fetched(".tgz")
    assert len(fetched) == len(set(fetched)) == 5, fetched
    owners = site.fleet.host("find", STORE, "-mindepth", "1", "-printf", "%u\n").stdout.split()
    assert set(owners) == {"zeroinst"}
    assert site.fleet.host("0store", "audit", STORE).returncode == 0


def test_a_second_run_changes_and_fetches_nothing(site: Site) -> None:
    again = site.run()
    assert (again.changed, site.server.requests) == (0, [])
    assert all(again.module_runs[name] == 1 for name in site.fleet.guests), again.module_runs


def test_an_update_comes_when_it_is_wanted_and_an_older_version_comes_back(site: Site) -> None:
    site.serve("edit", "1", "2")
    assert (site.run().changed, site.both("edit")) == (0, "edit 1")
    check = site.run("--check", "--diff", "-e", "cache_programs_update=true")
    (answer,) = check.results("vbox", DOWNLOADS)
    assert (
        answer["diff"]["before"] == "edit for Linux-x86_64: 1\n"
        and "edit for Linux-x86_64: 2\n" in answer["diff"]["after"]
    )
    assert site.both("edit") == "edit 1"
    site.run("-e", "cache_programs_update=true")
    assert (site.both("edit"), site.server.fetched(".tgz")) == ("edit 2", ["edit-2-Linux-x86_64.tgz"])
    site.list[0]["version"] = "1"
    site.run()
    assert (site.both("edit"), site.server.requests) == ("edit 1", [])


def test_what_fails_is_named_and_every_guest_runs_what_it_had(site: Site) -> None:
    site.serve("edit", "1", "2", "3")
    site.serve("show", "2")
    site.server.cut.add("edit-3-Linux-x86_64.tgz")
    site.list[0].pop("version")
    play = site.play("-e", "cache_programs_update=true")
    assert play.status != 0 and "edit for Linux-x86_64" in play.messages("vbox")
    assert (site.both("edit"), site.both("show")) == ("edit 1", "show 2")
    site.server.cut.clear()
    site.run("-e", "cache_programs_update=true")
    assert site.both("edit") == "edit 3"


def test_a_guest_without_the_package_is_told_and_has_the_rest(site: Site) -> None:
    package = '<package-implementation package="no-such-package" main="/usr/bin/none" distributions="Debian"/>'
    interpreter = site.server.feed("interpreter", package)
    runner = f'<command name="run" path="run"><runner interface="{interpreter}"/></command>'
    site.list.append(site.serve("app", "1", inside=runner))
    play = site.play("-e", "cache_programs_install_packages=false")
    for name in site.fleet.guests:
        assert "app needs a package of the distribution: no-such-package" in play.messages(name), play.output
    assert (play.messages("vbox"), site.both("edit")) == ("", "edit 3")
    assert site.said("app")[0].startswith("127:")
    site.list.pop()


def test_what_is_off_the_list_loses_its_launchers_and_is_told_as_unused(site: Site) -> None:
    del site.list[1:]
    play = site.run()
    (answer,) = play.results("vbox", DOWNLOADS)
    assert len(answer["unused"]) >= 3 and all(one["size"] > 0 for one in answer["unused"])
    assert site.said("show")[0].startswith("127:") and site.both("edit") == "edit 3"
    names = site.fleet.host("ls", STORE).stdout.split()
    assert {one["name"] for one in answer["unused"]} < set(names)


def test_what_nothing_uses_goes_when_that_is_wanted(site: Site) -> None:
    remove = ("-e", "cache_programs_unused=remove", "-e", "cache_programs_keep=1")
    site.list.append(site.serve("waits", "1", text=WAITS))
    site.run()
    site.list.pop()
    site.fleet.guest("g1", f"touch /tmp/wait; runuser -l {USER} -c waits > /dev/null 2>&1 &")
    until(lambda: site.fleet.guest("g1", "ls /tmp/started", check=False)[0] == 0, "waits has not started")
    (answer,) = site.run().results("vbox", DOWNLOADS)
    (waits,) = {one["name"] for one in answer["unused"]} & set(implementations_of(site, "waits"))
    opened = site.fleet.host("sh", "-c", "ls -l /proc/[0-9]*/fd 2> /dev/null || true").stdout
    assert waits in opened, "VirtualBox has what a guest runs from the store open"

    before = site.fleet.host("ls", STORE).stdout.split()
    play = site.play("--limit", "vbox,g1", *remove)
    assert play.status and "these guests of vbox did not say what they still use: 'g2'" in play.messages("vbox")
    assert site.fleet.host("ls", STORE).stdout.split() == before

    check = site.run("--check", *remove)
    play = site.run(*remove)
    assert site.both("edit") == "edit 3"
    (stays,) = [line for line in told(play) if " stays" in line]
    assert f"{waits} stays, for guest 'g1' uses it: process" in stays
    assert len([line for line in told(check) if "would be removed" in line]) >= 5
    assert set(site.fleet.host("ls", STORE).stdout.split()) == {waits, *implementations_of(site, "edit")}
    assert site.fleet.host("ls", f"{STORE}/..").stdout.split() == ["implementations"]

    site.fleet.guest("g1", "rm /tmp/wait")
    until(lambda: site.fleet.guest("g1", "ls /tmp/started", check=False)[0] != 0, "waits has not ended")
    assert site.run(*remove).changed == 1
    assert set(site.fleet.host("ls", STORE).stdout.split()) == set(implementations_of(site, "edit"))
    assert (site.run(*remove).changed, site.both("edit")) == (0, "edit 3")


def test_everything_is_undone_and_the_packages_stay(site: Site) -> None:
    names = site.fleet.host("ls", STORE).stdout
    check = site.run("--check", "-e", "cache_programs_state=absent")
    play = site.run("-e", "cache_programs_state=absent")
    assert play.changed == check.changed > 0
    assert site.said("edit")[0].startswith("127:")
    assert site.fleet.guest("g1", "ls -d /var/lib/zeroinstall.virtualbox/programs", check=False)[0] != 0
    assert site.fleet.host("id", "zeroinst-programs", check=False).returncode != 0
    assert not site.fleet.host("sh", "-c", f"ls -d {KNOWN} || true").stdout
    assert site.fleet.host("ls", STORE).stdout == names
    assert site.run("-e", "cache_programs_state=absent").changed == 0
