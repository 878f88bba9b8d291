# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real sudo on a host with the real VirtualBox: drop-ins that it does not read, and users that it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import Fleet

SHARE = "zeroinstall.virtualbox.share"
LINE = "@includedir /etc/sudoers.d\n"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host that is set up, with a machine that is no guest."""
    with Fleet("sudo", ()).running(quiet=True) as made:
        made.vbox("createvm", "--name", "other", "--register")
        inventory = json.loads(made.inventory.read_text(encoding="utf-8"))
        inventory["all"]["children"]["zeroinstall_hosts"]["hosts"]["vbox"]["cache_host_guests_may_be_empty"] = True
        made.inventory.write_text(json.dumps(inventory), encoding="utf-8")
        play = made.play(SHARE)
        assert play.status == 0, play.output
        yield made


def test_a_drop_in_that_sudo_does_not_read_is_no_sharing(fleet: Fleet, tmp_path: Path) -> None:
    """Named by line and file, in check mode too; the next run after it was put right changes nothing."""
    role = {"hosts": "vbox", "gather_facts": False, "roles": ["zeroinstall.virtualbox.sharing"]}
    (tmp_path / "sharing.yml").write_text(json.dumps([role]), encoding="utf-8")
    sudoers = fleet.root / "etc/sudoers"
    before = sudoers.read_text(encoding="utf-8")
    assert before.count(LINE) == 1
    cases = {
        LINE + "ALL ALL=(ALL) ALL\n": "asks for one, and the last one counts",
        LINE + "ALL ALL=(ALL) /usr/bin/*\n": "give zeroinstall a name that comes after that of the other one",
        LINE + "ALL ALL=(ALL) !ALL\n": "although /etc/sudoers.d/zeroinstall says so",
        LINE + "ALL ALL=(ALL) NOPASSWD: !/usr/bin/0store*\n": "although /etc/sudoers.d/zeroinstall says so",
        "": "/etc/sudoers has no line '@includedir /etc/sudoers.d'",
    }
    for lines, words in cases.items():
        sudoers.write_text(before.replace(LINE, lines), encoding="utf-8")
        play = fleet.play(str(tmp_path / "sharing.yml"))
        assert (play.status, play.changed) == (2, 0), play.output
        assert "sudo does not let user nobody run /usr/bin/0store-secure-add as zeroinst" in play.messages("vbox")
        assert words in play.messages("vbox")
    for options in ((), ("--check",)):
        assert words in fleet.play(SHARE, *options).messages("vbox")
    sudoers.write_text(before, encoding="utf-8")
    play = fleet.play(SHARE)
    assert (play.status, play.changed) == (0, 0), play.output


@pytest.mark.parametrize(
    "rules",
    [
        "ALL ALL=(zeroinst) TIMEOUT=5s NOPASSWD: /usr/bin/0store-secure-add\n",
        "ALL ALL=(%zeroinst) NOPASSWD: /usr/bin/\n",
        "Defaults !authenticate\nALL ALL=(ALL) ALL\n",
    ],
)
def test_another_rule_may_let_users_share_as_well(fleet: Fleet, rules: str) -> None:
    sudoers = fleet.root / "etc/sudoers"
    before = sudoers.read_text(encoding="utf-8")
    sudoers.write_text(before.replace(LINE, rules), encoding="utf-8")
    play = fleet.play(SHARE)
    sudoers.write_text(before, encoding="utf-8")
    assert (play.status, play.changed) == (0, 0), play.output


@pytest.mark.parametrize("kind", ["system", "user"])
def test_a_user_of_the_host_who_is_not_there_is_named_by_the_variable(fleet: Fleet, kind: str) -> None:
    play = fleet.play(SHARE, "-e", f"cache_host_user=ghost cache_host_store={kind}")
    assert play.status == 2 and play.changed == 0, play.output
    message = play.messages("vbox")
    assert message.startswith("cache_host_user: 'ghost' is no user of this machine"), message


def test_messages_name_the_variables_of_the_role(fleet: Fleet) -> None:
    play = fleet.play(SHARE, "-e", "cache_host_vboxmanage=/no/such")
    assert "with cache_host_vboxmanage (now '/no/such')" in play.messages("vbox"), play.messages("vbox")
