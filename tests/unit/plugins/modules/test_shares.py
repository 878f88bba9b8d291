# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``shares`` makes of its options, and of what became of the machines. VirtualBox is a stand-in."""

from __future__ import annotations

import dataclasses
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import sharing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.applying import Outcome
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.planning import Change, Wanted
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.recognizing import Folders
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine, Share, with_shares
from ansible_collections.zeroinstall.virtualbox.plugins.modules import shares

STORE = "/srv/0install.net/implementations"
ONE, TWO = Machine("00-1", "one", "/1.vbox"), Machine("00-2", "two", "/2.vbox", "saved")


def item(name, state="present", **fields):
    """One element of a machine's option ``shares``, with its defaults."""
    defaults = {key: spec.get("default") for key, spec in shares.SHARE_SPEC.items()}
    return {**defaults, "name": name, "state": state, **fields}


class StandIn:
    """A stand-in for the running module and for VirtualBox."""

    def __init__(self, *entries, check_mode=False):
        self.params = {
            "machines": [{"machine": name, "shares": items} for name, items in entries],
            "exclusive": False,
            "strays": "ignore",
            "when_inaccessible": "fail",
            "when_shared_otherwise": "warn",
            "folders": {
                "names": ["ZeroInstall"],
                "store": STORE,
                "groups": "",
                "boxes": "",
                "arrangement": "default",
            },
        }
        self.check_mode = check_mode
        self.warnings = []
        self.warn = self.warnings.append
        self.registered = [ONE, TWO]

    def machines(self, only=None):
        return [machine for machine in self.registered if only is None or only(machine.uuid, machine.name)]

    def plan(self):
        return sharing.plan(self, self)


def test_an_entry_becomes_what_is_wanted():
    entry = {"machine": "one", "shares": [item("a", path="/a", writable=True), item("b", "absent")]}
    folders = Folders(store=STORE)
    wanted = sharing.wanted_of(entry, "machines[0]", True, folders)
    assert wanted == Wanted((Share("a", "/a", writable=True),), ("b",), True, folders, "", "one")
    assert sharing.wanted_of({**entry, "guest": "web"}, "machines[0]", True, folders).whose == "guest 'web': "


def test_a_share_listed_twice_is_refused():
    entry = {"machine": "one", "shares": [item("a", path="/a"), item("a", "absent")]}
    with pytest.raises(Failure, match=r"^machines\[4\]\.shares\[1\]\.name: machine 'one' has share 'a' twice"):
        sharing.wanted_of(entry, "machines[4]", False, Folders())


def test_machines_are_planned_in_the_order_of_the_option(tmp_path):
    path = os.path.realpath(tmp_path)
    made = StandIn(("00-2", [item("a", path=path)]), ("one", [])).plan()
    names = [(machine, [share.name for share in want.present]) for machine, want in made.machines]
    assert names == [(TWO, ["a"]), (ONE, [])]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("one", []), ("one", [])], r"^machines\[1\]: machine 'one' is listed twice"),
        ([("one", []), ("00-1", [])], r"machine one \(00-1\) is listed twice, as 'one' and as '00-1'"),
        ([("one", [item("b", path="/"), item("a b", path="/")])], r"^machines\[0\]\.shares\[1\]\.name 'a b' has"),
        ([("one", [item("a", path="rel")])], r"^machines\[0\]\.shares\[0\]\.path 'rel' is not absolute"),
        ([("one", [item("a", path="/no/such/folder")])], "'/no/such/folder' of share 'a' does not exist"),
    ],
)
def test_what_is_wrong_is_refused_by_name(entries, words):
    with pytest.raises(Failure, match=words):
        StandIn(*entries).plan()


def test_check_mode_names_folders_that_an_earlier_task_would_have_made():
    module = StandIn(("one", [item("a", path="/no/such/folder")]), check_mode=True)
    made = module.plan()
    assert (len(made.machines), made.missing_paths, module.warnings) == (1, ["/no/such/folder"], [])


LOST = Machine("00-9", "lost", "/9.vbox", accessible=False, problem="no such file")


def test_a_machine_that_cannot_be_read_keeps_nothing_from_the_others():
    module = StandIn(("one", []), ("lost", []))
    module.registered.append(LOST)
    made = module.plan()
    assert [machine.name for machine, _want in made.machines] == ["one"]
    assert made.inaccessible == ["machine lost (00-9) is inaccessible: no such file. Repair it or unregister it."]
    module.params["when_inaccessible"] = "refuse"
    with pytest.raises(Failure, match=r"machine lost .* is inaccessible"):
        module.plan()


def test_a_machine_that_is_not_known_keeps_nothing_from_the_others():
    module = StandIn(("one", []), ("twoo", []), ("twin", []))
    module.params["machines"][1]["guest"] = "web"
    module.registered += [dataclasses.replace(TWO, uuid=f"00-{number}", name="twin") for number in (3, 4)]
    made = module.plan()
    assert [machine.name for machine, _want in made.machines] == ["one"]
    unknown, twin = made.unresolved
    assert unknown.startswith("guest 'web': machine 'twoo' is not registered with VirtualBox for this user (nearest: ")
    assert "'two'" in unknown and "become_user" in unknown
    assert twin == "machine name 'twin' is not unique: name the machine by its UUID, one of 00-3, 00-4."
    for when, told in (("fail", made.unresolved), ("report", [])):
        module.params["when_inaccessible"] = when
        assert sharing.failures(module.params, made, []) == told
    module.params["when_inaccessible"] = "refuse"
    with pytest.raises(Failure, match=r"'twoo' is not registered .* 'twin' is not unique"):
        module.plan()


def test_two_guests_of_one_machine_are_both_named():
    module = StandIn(("one", []), ("00-1", []))
    for number, guest in enumerate("ab"):
        module.params["machines"][number]["guest"] = guest
    with pytest.raises(Failure, match="of guests 'a' and 'b' is listed twice, as 'one' and as '00-1'"):
        module.plan()


# Strays

OURS = Share("ZeroInstall", STORE, arrangement="default")
MARK = ("zeroinstall.virtualbox/share/", "1")
STRAY = with_shares(
    Machine("00-5", "stray", "/5.vbox", extradata=((MARK[0] + "ZeroInstall", "1"), (MARK[0] + "gone", "1"))),
    (Share("ZeroInstall", STORE), Share("ZeroInstall-trusted", STORE, writable=True), Share("own", "/home")),
)
OF_B = with_shares(
    Machine("00-6", "of-b", "/6.vbox", extradata=((MARK[0] + "ZeroInstall", "b"),)),
    (Share("ZeroInstall", STORE), Share("ZeroInstall-trusted", STORE, writable=True)),
)


def with_strays(strays, *entries):
    module = StandIn(*entries)
    module.registered += [STRAY, OF_B, LOST]
    module.params.update(exclusive=True, strays=strays)
    return module


def told(made):
    return [(machine.name, names) for machine, names in made.strays]


FOUND = [("stray", ["ZeroInstall", "ZeroInstall-trusted", "gone"])]


def test_strays_are_named_and_left_or_lose_what_is_ours():
    assert told(with_strays("ignore", ("one", [])).plan()) == []
    made = with_strays("report", ("one", [])).plan()
    assert (told(made), [machine.name for machine, _want in made.machines]) == (FOUND, ["one"])
    made = with_strays("remove", ("one", [])).plan()
    assert told(made) == FOUND and STRAY in [machine for machine, _want in made.machines]
    assert [message.partition(":")[0] for message in made.unreadable] == ["machine lost (00-9) is inaccessible"]
    assert made.inaccessible == [] and made.doubt == ""
    module = with_strays("remove")
    assert sharing.failures(module.params, made, []) == made.unreadable
    module.params["strays"] = "report"
    assert sharing.failures(module.params, made, []) == []
    told_of = sharing.told(made, [(STRAY, Wanted(), Outcome())])["strays"]
    assert told_of == [
        {"uuid": "00-5", "name": "stray", "shares": FOUND[0][1], "arrangement": "default", "removed": True}
    ]
    assert not sharing.told(made, [])["strays"][0]["removed"]


def test_a_machine_of_another_arrangement_is_its_stray_alone():
    module = with_strays("report", ("one", []))
    module.params["folders"]["arrangement"] = "b"
    assert (
        told(module.plan()) == [("of-b", ["ZeroInstall", "ZeroInstall-trusted"])] or told(module.plan())[0][0] == "of-b"
    )


@pytest.mark.parametrize("name", ["renamed", "lost"])
def test_a_stray_that_may_be_a_listed_machine_loses_nothing(name):
    made = with_strays("remove", ("one", []), (name, [])).plan()
    assert (told(made), [machine.name for machine, _want in made.machines]) == (FOUND, ["one"])
    assert f"machine '{name}'" in made.doubt or f"machine {name} " in made.doubt
    made = with_strays("remove", ("one", []), ("00-9", [])).plan()
    assert made.doubt == "" and STRAY in [machine for machine, _want in made.machines], "a UUID leaves no doubt"


def test_strays_are_about_what_exclusive_removes():
    module = with_strays("report")
    module.params["exclusive"] = False
    with pytest.raises(Failure, match=r"strays is 'report'.*Set exclusive: true"):
        module.plan()


def test_a_name_that_is_no_arrangement_is_refused():
    for name in ("", "1", "a b", "x" * 33, "a\n", "ä"):
        module = StandIn()
        module.params["folders"]["arrangement"] = name
        with pytest.raises(Failure, match=r"^folders\.arrangement '.*' cannot name an arrangement: write 1 to 32"):
            module.plan()


@pytest.mark.parametrize("when", ["warn", "fail", "report", "refuse"])
@pytest.mark.parametrize("inaccessible", ["fail", "report", "refuse"])
def test_a_machine_whose_share_is_of_another_arrangement_is_left_alone(tmp_path, when, inaccessible):
    path = os.path.realpath(tmp_path)
    module = StandIn(("of-b", [item("ZeroInstall", path=path)]), ("one", []))
    module.registered.append(with_shares(dataclasses.replace(OF_B, shares=()), (Share("ZeroInstall", path),)))
    module.params.update(when_shared_otherwise=when, when_inaccessible=inaccessible)
    what = inaccessible if when == "warn" else when
    if what == "refuse":
        with pytest.raises(Failure, match="share 'ZeroInstall' belongs to the arrangement 'b'"):
            module.plan()
        return
    made = module.plan()
    assert [machine.name for machine, _want in made.machines] == ["one"]
    assert len(made.refused) == 1 and "belongs to the arrangement 'b'" in made.refused[0]
    assert sharing.failures(module.params, made, []) == (made.refused if what == "fail" else [])


def test_what_machines_still_share_of_groups_and_boxes_is_told():
    gone, kept = Share("a", "/g/a/s"), Share("b", "/g/b/s", "transient")
    machine = dataclasses.replace(ONE, shares=(gone, kept, Share("c", "/home"), Share("d", "/boxes/w")))
    made = sharing.Plan(registered=[machine])
    folders = Folders(groups="/g", boxes="/boxes")
    done = [(machine, Wanted(), Outcome(done=[Change("a", gone)]))]
    assert sharing.still_used(made, folders, []) == ["/boxes/w", "/g/a/s", "/g/b/s"]
    assert sharing.still_used(made, folders, done) == ["/boxes/w", "/g/b/s"]


def test_listed_machines_are_told_with_their_guests():
    module = StandIn(("one", []))
    module.params["machines"][0]["guest"] = "web"
    module.registered[0] = dataclasses.replace(ONE, hardware_uuid="00-77")
    assert sharing.told(module.plan(), [])["listed"] == [
        {"guest": "web", "machine": "one", "name": "one", "uuid": "00-1", "hardware_uuid": "00-77"}
    ]


def test_what_waits_is_told_by_each_run(tmp_path):
    path = os.path.realpath(tmp_path)
    extradata = (("zeroinstall.virtualbox/waits/a", "now"), ("zeroinstall.virtualbox/waits/b", "now"))
    machine = dataclasses.replace(TWO, extradata=extradata, run="now")
    want = Wanted((Share("a", path),), guest="web")
    assert sharing.waiting(machine, want, Outcome()) == ["a"]
    assert sharing.waiting(machine, want, Outcome(pending=[(Change("a"), "saved")])) == []
    assert sharing.waiting(machine, want, Outcome(restart=[Change("a", None, want.present[0])])) == ["a"]
    assert sharing.waiting(dataclasses.replace(machine, run="later"), want, Outcome()) == []
    (pending,) = sharing.result_of([(machine, want, Outcome())])["pending"]
    assert (pending["share"], pending["action"], pending["guest"]) == ("a", "restart", "web")
    assert sharing.waits(pending) == f"guest 'web': share 'a' of machine two (00-2): {sharing.SYMLINKS_LATER}."


def test_the_result_names_what_was_done_and_what_is_left():
    share = Share("a", "/a")
    add, correct = Change("a", None, share), Change("a", Share("a", "/b", writable=True), share)
    result = sharing.result_of(
        [
            (ONE, Wanted(), Outcome(done=[add], restart=[add])),
            (TWO, Wanted(guest="web"), Outcome(pending=[(correct, "the machine is saved")])),
            (Machine("00-3", "three", "/3"), Wanted(), Outcome()),
        ]
    )
    assert result["changed"] is True
    assert result["machines"] == [
        {
            "uuid": "00-1",
            "name": "one",
            "guest": "",
            "state": "poweroff",
            "changes": [{"share": "a", "action": "add", "fields": [], "transient": False}],
        },
        {"uuid": "00-2", "name": "two", "guest": "web", "state": "saved", "changes": []},
    ]
    assert result["pending"] == [
        {
            "uuid": "00-1",
            "name": "one",
            "guest": "",
            "share": "a",
            "action": "restart",
            "reason": sharing.SYMLINKS_LATER,
        },
        {
            "uuid": "00-2",
            "name": "two",
            "guest": "web",
            "share": "a",
            "action": "correct",
            "reason": "the machine is saved",
        },
    ]
    assert result["diff"]["after"] == "one (00-1)\n  a: /a, read-only\n"
    assert sharing.result_of([(ONE, Wanted(), Outcome())])["changed"] is False


class Applier:
    """A stand-in for the Applier: the machine ``two`` differs whatever was done."""

    def differences(self, machine, _want):
        return [Change("a", None, Share("a", "/a"))] if machine is TWO else []


def test_what_a_fresh_look_finds_is_an_error_unless_it_is_pending():
    change = Change("b", None, Share("b", "/b"))

    def found(*outcomes):
        return sharing.unfinished(Applier(), StandIn(), list(zip((ONE, TWO), (Wanted(), Wanted()), outcomes)))

    assert found(Outcome(done=[change]), Outcome()) == []
    assert found(Outcome(), Outcome(done=[change], pending=[(Change("a"), "later")])) == []
    assert found(Outcome(), Outcome(done=[change], error="known")) == []
    assert "machine two (00-2): share 'a' is not as wanted" in found(Outcome(), Outcome(done=[change]))[0]


def test_a_settings_folder_that_cannot_be_opened_names_the_user(tmp_path):
    with pytest.raises(Failure) as failure, sharing.alone(str(tmp_path / "none"), 1):
        pytest.fail("entered")
    assert str(failure.value) == (
        f"VirtualBox's settings folder {tmp_path}/none cannot be opened: No such file or directory."
        " Run as the user who owns the machines, or set VBOX_USER_HOME."
    )
    assert os.listdir(tmp_path) == []


def test_two_runs_do_not_cross(tmp_path):
    again = sharing.alone(str(tmp_path), 0.1)
    words = "settings folder .* has been held by another run .*lock_timeout"
    with sharing.alone(str(tmp_path), 1), pytest.raises(Failure, match=words), again:
        pytest.fail("entered")


# Shares that somebody else set up


@pytest.mark.parametrize("when", ["warn", "fail", "report", "refuse"])
def test_a_machine_whose_guest_could_write_to_the_store_otherwise_is_left_alone(when):
    module = StandIn(("one", []), ("two", []))
    module.registered = [dataclasses.replace(ONE, shares=(Share("src", "/srv", writable=True),)), TWO]
    module.params["when_shared_otherwise"] = when
    if when == "refuse":
        with pytest.raises(Failure, match=r"machine one \(00-1\): share 'src'.*VBoxManage sharedfolder remove 00-1 "):
            module.plan()
        return
    made = module.plan()
    assert [machine.name for machine, _want in made.machines] == (["one", "two"] if when == "warn" else ["two"])
    assert [(other.share.name, other.folder, other.refused) for _machine, other in made.others] == [
        ("src", STORE, when != "warn")
    ]
    assert (len(made.refused), len(module.warnings)) == ((0, 1) if when == "warn" else (1, 0))
    assert "'src' (path '/srv', writable)" in (made.refused + module.warnings)[0]


def test_other_machines_of_the_host_are_told_and_never_refused():
    module = StandIn()
    module.registered = [dataclasses.replace(ONE, shares=(Share("src", "/srv", writable=True),))]
    module.params.update(exclusive=True, strays="remove", when_shared_otherwise="refuse")
    made = module.plan()
    assert (len(made.machines), made.refused, len(module.warnings)) == (1, [], 1)


def test_a_guest_that_may_write_the_store_is_only_told_of_another_way(tmp_path):
    store = f"{os.path.realpath(tmp_path)}/0install.net/implementations"
    os.makedirs(store)
    module = StandIn(("one", [item("ZeroInstall-trusted", path=store, writable=True)]))
    module.params["folders"]["store"] = store
    module.params["when_shared_otherwise"] = "refuse"
    module.registered = [dataclasses.replace(ONE, shares=(Share("home", str(tmp_path), writable=True),))]
    made = module.plan()
    assert (made.refused, len(made.machines), len(module.warnings)) == ([], 1, 1)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("machine", "remove 00-1 '--name=two words'"),
        ("transient", "remove 00-1 '--name=two words' --transient"),
        ("global", "remove global '--name=two words'"),
    ],
)
def test_the_command_that_removes_anothers_share_can_be_typed(kind, words):
    assert sharing.removal(ONE, Share("two words", "/srv", kind)) == "VBoxManage sharedfolder " + words
