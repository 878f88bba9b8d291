# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet: what it makes of what hosts and guests answered."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.filter.host_arrangement import host_arrangement
from ansible_collections.zeroinstall.virtualbox.plugins.filter.machines_off import machines_off
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _report, _report_attention, _report_texts
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

ROLES = Path(_report.__file__).parents[2] / "roles"
STORE = "/var/cache/0install.net/implementations"
MADE = "2026-11-30T21:00:00Z"
ONE, TWO, STRAY = (f"0000000{number}-313d-4fca-8046-1ff7e17a1bb7" for number in (1, 2, 3))
HELPER, SUDOERS = "/usr/local/bin/0store-secure-add-helper", "/etc/sudoers.d/zeroinstall"
SOUND, CORRUPT, GONE = ("sha1new=" + digit * 40 for digit in "012")
INVENTORY = {
    "metal": {},
    "web": {"cache_guest_host": "metal", "cache_guest_machine": "one"},
    "build": {"cache_guest_host": "metal", "cache_guest_machine": "two", "cache_guest_mode": "guests"},
}
GROUP_STORE = "~/groups/default/0install.net/implementations"


def share(name, path=STORE, **more):
    return {"name": name, "path": path, "kind": "machine", "writable": False, "symlinks": False, "ours": True, **more}


def machine(uuid, name, *shares, **more):
    return {"uuid": uuid, "name": name, "state": "running", "os_type": "Debian_64", "shares": list(shares), **more}


def package(digest, size=4096, program="Edit", version="3"):
    return {
        "digest": digest,
        "program": program,
        "version": version,
        "architecture": "*-*",
        "interface": "",
        "bytes": size,
    }


def store(kind="host", of="", path=STORE, packages=(), **more):
    size = sum(one["bytes"] for one in packages)
    return {
        "kind": kind, "of": of, "path": path, "problem": "", "implementations": len(packages), "bytes": size,
        "packages": list(packages), "packages_left_out": 0, "verified": None, "quarantine": [], **more,
    }  # fmt: skip


def verified(*findings, **more):
    named = [{"program": "Edit", "version": "3", "reason": "contents", **one} for one in findings]
    return {"at": MADE, "mode": "full", "implementations": 2, "ok": 2, "findings": named, **more}


def file(**more):
    return {"kind": "file", "owner": "root", "group": "root", "mode": "0755", **more}


def guest(*mounts, fstab=None, **more):
    """What a guest answers."""
    lines = [{"share": one["share"], "path": one["path"], "ours": True, "error": None} for one in mounts]
    return {
        "virtualbox": {"guest": True, "product": "VirtualBox", "uuid": None},
        "additions": {"version": "7.2.22", "origin": "oracle", "problem": None, "restart": None},
        "driver": {"loaded": True, "at_boot": ["/etc/modules-load.d/x.conf"]},
        "mounts": list(mounts),
        "fstab": {"entries": lines if fstab is None else fstab},
        "stores": [{"path": STORE, "error": None}],
        "sharing": {
            **dict.fromkeys(("user", "store", "ours", "sudoers"), False), "sudo": True, "helper": None, "problem": None,
        },
        "paths": {HELPER: None, SUDOERS: None, _report.PROGRAM: None, "/usr/bin/python3": file()},
        "zero_install": {"0install": "/usr/bin/0install", "package": "0install-core", "version": "2.18"},
        "system": {"id": "debian", "version": "12", "kernel": "6.1.0"},
        "errors": {},
        **more,
    }  # fmt: skip


def mount(share, path=STORE, **more):
    return {"share": share, "path": path, "writable": False, "answers": True, "error": None, **more}


def as_wanted():
    """What hosts and guests answer where all is as the inventory says."""
    build = guest(
        mount("ZeroInstall-guests-default", writable=True),
        mount("ZeroInstall", "/var/cache/0install.net/host-implementations"),
    )
    build["sharing"].update(user=True, store=True, helper=HELPER, sudoers=True)
    packages = [package(SOUND, 8192), package(CORRUPT)]
    return {
        "metal": {
            "cache_host_outlook": {
                "version": "7.2.22",
                "machines": [],
                "pending": [],
                "strays": [],
                "listed": [
                    {"guest": "web", "machine": "one", "name": "one", "uuid": ONE},
                    {"guest": "build", "machine": "two", "name": "two", "uuid": TWO},
                ],
                "registered": [
                    machine(ONE, "one", share("ZeroInstall")),
                    machine(
                        TWO,
                        "two",
                        share("ZeroInstall"),
                        share("ZeroInstall-guests-default", GROUP_STORE, writable=True),
                    ),
                    machine(STRAY, "three"),
                ],
            },
            "cache_report_stores": {
                "stores": [
                    store(packages=packages, verified=verified()),
                    store("group", "default", "/g/0install.net/implementations"),
                ],
                "programs": [],
                "unneeded": [],
                "errors": [],
            },
        },
        "web": {"cache_guest_read": {"guest": guest(mount("ZeroInstall"))}},
        "build": {"cache_guest_read": {"guest": build}},
    }


@pytest.fixture
def reported(inventory_of):
    """The report of what tasks registered."""

    def make(answers, said=None, facts=None, machines=("metal", "web", "build")):
        variables = said or INVENTORY
        hostvars = inventory_of(variables, facts, answers)
        names = [name for name in variables if "cache_guest_host" in variables[name]]
        wanted = host_arrangement(
            names, hostvars, "metal", STORE, groups="~/groups", boxes="/boxes", user="vm", at_home=True
        )
        answers.setdefault("metal", {})["cache_host_wanted"] = wanted
        hostvars = inventory_of(variables, facts, answers)
        return _report.report(Inventory(hostvars), _report.Run({"metal": names}, machines, MADE, "0.2.0"))

    return make


def told(report, *keys):
    """What needs attention."""
    return [tuple(one[key] for key in keys or ("kind", "guest", "subject")) for one in report["attention"]]


def test_a_fleet_that_is_as_it_should_be(reported):
    report = reported(as_wanted())
    assert told(report) == []
    assert [one["state"] for one in report["guests"]] == ["right", "right"]
    assert report["guests"][0]["system"] == "debian 12, 6.1.0"
    assert (report["guests"][0]["zero_install"], report["limited"]) == ("2.18", False)
    numbers = report["numbers"]
    assert (numbers["hosts_read"], numbers["guests_read"], numbers["machines"]) == (1, 2, 3)
    assert (numbers["bytes"], numbers["bytes_saved"], numbers["modes"]) == (12288, 12288, {"guests": 1, "readonly": 1})
    assert [one["name"] for one in report["guests"][1]["shares"]] == ["ZeroInstall-guests-default", "ZeroInstall"]
    assert [one["guest"] for one in report["hosts"][0]["machines"]] == ["web", "build", ""]
    assert json.loads(json.dumps(report)) == report


def with_change(answers, **change):
    of = {"uuid": ONE, "name": "one", "guest": "web", "state": "running", "changes": [{"fields": [], **change}]}
    answers["metal"]["cache_host_outlook"]["machines"] = [of]


def of_guest(answers, **changes):
    answers["web"]["cache_guest_read"]["guest"].update(changes)


def outlook(answers, **changes):
    answers["metal"]["cache_host_outlook"].update(changes)


def in_store(answers, **changes):
    answers["metal"]["cache_report_stores"]["stores"][0].update(changes)


PENDING = {"uuid": ONE, "name": "one", "guest": "web", "share": "ZeroInstall", "action": "restart", "reason": "later"}
FINDING = {"digest": CORRUPT, "status": "corrupt", "detail": "/file was changed."}
DEAD = mount("ZeroInstall", answers=False, error="Protocol error")


@pytest.mark.parametrize(
    ("spoil", "expected", "state"),
    [
        (lambda all_: with_change(all_, share="ZeroInstall", action="add"), ("share", "web", "ZeroInstall"), "wrong"),
        (lambda all_: with_change(all_, share="Z", action="forget"), ("share", "web", "Z"), "wrong"),
        (lambda all_: of_guest(all_, mounts=[]), ("mount", "web", STORE), "wrong"),
        (lambda all_: of_guest(all_, mounts=[mount("ZeroInstall", writable=True)]), ("mount", "web", STORE), "wrong"),
        (lambda all_: of_guest(all_, mounts=[mount("Other")]), ("mount", "web", STORE), "wrong"),
        (lambda all_: of_guest(all_, mounts=[DEAD]), ("mount", "web", STORE), "wrong"),
        (lambda all_: of_guest(all_, fstab={"entries": []}), ("mount", "web", STORE), "wrong"),
        (lambda all_: of_guest(all_, additions={"problem": "Too old."}), ("additions", "web", ""), "wrong"),
        (
            lambda all_: of_guest(all_, additions={"problem": None, "restart": "New."}),
            ("restart", "web", ""),
            "pending",
        ),
        (lambda all_: of_guest(all_, virtualbox={"guest": False, "product": "Q"}), ("guest_setup", "web", ""), "wrong"),
        (
            lambda all_: of_guest(all_, zero_install={"0install": None, "package": "0install-core"}),
            ("guest_setup", "web", ""),
            "wrong",
        ),
        (lambda all_: outlook(all_, pending=[PENDING]), ("restart", "web", "ZeroInstall"), "pending"),
        (
            lambda all_: outlook(all_, strays=[{"uuid": STRAY, "name": "three", "shares": ["ZeroInstall"]}]),
            ("stray", "", "three"),
            "right",
        ),
        (lambda all_: outlook(all_, refused=["Machine one has another share."]), ("share_of_others", "", ""), "right"),
        (lambda all_: outlook(all_, missing_paths=["/x"]), ("store", "", "/x"), "right"),
        (lambda all_: in_store(all_, verified=verified(FINDING)), ("unsound", "", CORRUPT), "right"),
        (lambda all_: in_store(all_, verified=verified({**FINDING, "digest": GONE})), None, "right"),
        (
            lambda all_: in_store(all_, verified=verified({**FINDING, "status": "exposed"})),
            ("exposed", "", CORRUPT),
            "right",
        ),
        (lambda all_: in_store(all_, verified=None), ("not_verified", "", STORE), "right"),
        (lambda all_: in_store(all_, quarantine=[package(GONE)]), ("quarantined", "", STORE), "right"),
        (lambda all_: in_store(all_, problem="Not read."), ("store", "", STORE), "right"),
        (
            lambda all_: all_["metal"]["cache_report_stores"].update(unneeded=[package(SOUND)]),
            ("unneeded", "", ""),
            "right",
        ),
        (lambda all_: all_["web"].clear(), ("guest_not_read", "web", ""), "unknown"),
        (
            lambda all_: all_["web"].update(cache_guest_read={"unreachable": True, "msg": "no route"}),
            ("guest_not_read", "web", ""),
            "unknown",
        ),
        (
            lambda all_: (
                all_["metal"]["cache_host_outlook"]["registered"][0].update(state="poweroff"),
                all_["web"].clear(),
            ),
            ("guest_off", "web", ""),
            "off",
        ),
        (lambda all_: of_guest(all_, mounts="x"), ("guest_not_read", "web", ""), "unknown"),
    ],
)
def test_what_needs_attention_is_named(reported, spoil, expected, state):
    answers = as_wanted()
    spoil(answers)
    report = reported(answers)
    assert expected in told(report) if expected else told(report) == []
    assert (report["guests"][0]["state"], report["guests"][1]["state"]) == (state, "right")
    for one in report["attention"]:
        assert one["text"] and one["remedy"].endswith("."), one


def answered(box="web", status="refused", at="2026-11-29T00:00:00Z", reason="It has holes"):
    named = {"program": "Edit", "version": "3"} if status == "added" else {"program": "", "version": ""}
    return {"box": box, "digest": GONE, "at": at, "status": status, "reason": reason, **named}


def imports(answers, *found):
    answers["metal"]["cache_report_stores"]["imports"] = list(found)


def test_packages_have_the_guests_whose_boxes_they_came_from(reported):
    said = {**INVENTORY, "b c": {"cache_guest_host": "metal", "cache_guest_machine": "three"}}
    late, early = "2026-11-29T00:00:00Z", "2026-11-28T00:00:00Z"
    answers = as_wanted()
    packages = [{**package(SOUND), "box": "b%20c", "since": late}, {**package(CORRUPT), "box": "", "since": None}]
    in_store(answers, packages=packages, quarantine=[{**package(GONE), "box": "gone", "since": early}])
    answers["metal"]["cache_report_stores"]["unneeded"] = [packages[0]]
    imports(answers, answered("b%20c", "added", late, ""), answered("lab@web", "added", early, ""))
    host = reported(answers, said)["hosts"][0]
    told_of = [(one["from_guest"], one["since"]) for one in host["stores"][0]["packages"]]
    assert told_of == [("b c", late), ("", None)]
    assert host["stores"][0]["quarantine"][0]["from_guest"] == "gone", "no guest of the inventory has this box"
    assert host["unneeded"][0]["from_guest"] == "b c"
    edit = {"program": "Edit", "version": "3", "status": "added", "reason": "", "digest": GONE}
    assert host["imports"] == [{"guest": "b c", "at": late, **edit}, {"guest": "lab@web", "at": early, **edit}]


def test_what_was_refused_lately_is_named_once_for_each_guest(reported):
    answers = as_wanted()
    imports(
        answers, answered(reason="Too large"), answered(at="2026-11-28T00:00:00Z"), answered(status="added"),
        answered("gone"), answered("build", at="2026-10-01T00:00:00Z"),
    )  # fmt: skip
    report = reported(answers)
    assert told(report) == [("import_refused", "", "gone"), ("import_refused", "web", "")]
    gone, web = report["attention"]
    assert web["text"] == (
        f"2 packages from guest web were refused, the last one on 2026-11-29T00:00:00Z, {GONE}: Too large."
    )
    assert gone["text"].startswith("1 package from the box gone was refused")
    assert (web["severity"], web["host"]) == ("notice", "metal") and "revoke" in web["remedy"]
    assert report["guests"][0]["state"] == "right"


@pytest.mark.parametrize("wrong", [{"at": "now"}, {"at": None}, {"status": "x"}, {"box": 1}, {"reason": []}])
def test_an_answer_to_a_guest_that_is_none_ends_nothing(reported, wrong):
    answers = as_wanted()
    imports(answers, {**answered(), **wrong})
    report = reported(answers)
    assert told(report) == [("host_not_read", "", "")]
    answers = as_wanted()
    in_store(answers, packages=[{**package(SOUND), "box": "web", "since": "<b>"}])
    assert told(reported(answers)) == [("host_not_read", "", "")]


LINKED = "/var/cache/0install.net/linked/{}/0install.net/implementations"


def test_what_is_left_of_guests_is_named(reported):
    said = copy.deepcopy(INVENTORY)
    said["web"].update(cache_guest_sees="programs")
    said["send"] = {"cache_guest_host": "metal", "cache_guest_machine": "three", "cache_guest_mode": "verified"}
    answers = as_wanted()
    stores = answers["metal"]["cache_report_stores"]
    stores["stores"] += [
        store("group", "old", "/old/0install.net/implementations"),
        store("group", "full", "/full/0install.net/implementations", [package(SOUND)]),
        store("group", "odd", "/odd/0install.net/implementations", problem="It is a link."),
        *(store("linked", name, LINKED.format(name)) for name in ("web", "build", "gone", "used")),
    ]
    stores["boxes"] = [{"name": name, "waiting": number} for number, name in enumerate(("send", "web", "left"))]
    outlook(answers, in_use=[LINKED.format("used"), "/elsewhere"])
    report = reported(answers, said)
    found = [one for one in report["attention"] if one["kind"] == "left_over"]
    linked = "The linked store {} is of no guest of this host."
    assert {one["subject"]: one["text"] for one in found} == {
        LINKED.format("build"): linked.format(LINKED.format("build")),
        LINKED.format("gone"): linked.format(LINKED.format("gone")),
        "/old/0install.net/implementations": "The store /old/0install.net/implementations is empty, and no guest of"
        " this host is in the group old.",
        "web": "The box web is of no guest of this host. 1 package waits in it.",
        "left": "The box left is of no guest of this host. 2 packages wait in it.",
    }
    assert {one["severity"] for one in found} == {"notice"}
    (remedy,) = {one["remedy"] for one in found}
    assert remedy.endswith("run ansible-playbook -i INVENTORY zeroinstall.virtualbox.share --limit metal"
                           " -e cache_host_left_over=remove.")  # fmt: skip
    assert report["hosts"][0]["boxes"][1] == {"name": "web", "guest": "web", "waiting": 1}


def test_what_a_refused_guest_may_have_is_not_left_over(reported):
    answers = as_wanted()
    answers["metal"]["cache_report_stores"]["boxes"] = [{"name": "web", "waiting": 0}]
    answers["metal"]["cache_report_stores"]["stores"].append(store("linked", "web", LINKED.format("web")))
    assert "left_over" not in dict(told(reported(answers, facts={"web": {"cache_guest_mode": "x"}}), "kind", "guest"))
    assert "left_over" in dict(told(reported(answers), "kind", "guest"))


@pytest.mark.parametrize("wrong", [{"refused": 5}, {"in_use": [1]}, {"strays": [{"name": []}]}, {"missing_paths": {}}])
def test_a_part_of_a_hosts_answer_that_is_none_ends_nothing(reported, wrong):
    answers = as_wanted()
    outlook(answers, **wrong)
    report = reported(answers)
    assert {kind for (kind,) in told(report, "kind")} <= {"host_not_read"}
    assert [one["state"] for one in report["guests"]] == ["right", "right"]


def test_a_host_speaks_of_its_own_guests_alone(reported):
    answers = as_wanted()
    outlook(answers, pending=[{**PENDING, "guest": "victim,web"}])
    answers["metal"]["cache_host_outlook"]["listed"].append({"guest": "victim", "uuid": STRAY, "name": "three"})
    report = reported(answers)
    assert told(report) == [("restart", "", "ZeroInstall")]
    assert "victim" not in json.dumps(report)


def test_a_guest_tells_of_as_many_mounts_as_are_shown(reported):
    answers = as_wanted()
    many = 30_000  # with a look at all for each of them, this would take hours
    lines = [{"share": "s", "path": f"/{number}", "ours": True, "error": None} for number in range(many)]
    right = mount("ZeroInstall")
    others = [mount("other", f"/{number}") for number in range(many)]
    of_guest(answers, mounts=[right, *others], fstab={"entries": [{**right, "ours": True, "error": None}, *lines]})
    found = reported(answers)["guests"][0]["mounts"]
    assert found[0]["problem"] == "" and len(found) <= 2 * 200


def test_what_a_guest_says_at_length_is_cut(reported):
    answers = as_wanted()
    of_guest(answers, virtualbox=None, errors={"virtualbox": "A" * 1_000_000})
    of_guest(answers, sharing=None)
    report = reported(answers)
    assert len(json.dumps(report)) < 50_000
    assert max(map(len, _report_texts.lines(report))) <= _report_texts.LONGEST + 1


def test_a_name_like_an_option_is_none_in_a_remedy():
    assert "--limit=--all " in _report_attention.run("share", "--all", options="-e x=y")
    assert "--limit web,db" in _report_attention.run("share", "web", "db")


def test_metrics_tell_of_each_store_once(reported):
    answers = as_wanted()
    answers["metal"]["cache_report_stores"]["stores"] *= 2
    samples = [one for one in _report_texts.metrics(reported(answers)).splitlines() if not one.startswith("#")]
    names = [one.rpartition(" ")[0] for one in samples]
    assert len(names) == len(set(names))


def test_a_share_that_is_not_wanted_any_more_is_named(reported):
    answers = as_wanted()
    answers["metal"]["cache_host_outlook"]["registered"][0]["shares"].append(share("ZeroInstall-box", "/b"))
    with_change(answers, share="ZeroInstall-box", action="remove")
    report = reported(answers)
    assert told(report) == [("share", "web", "ZeroInstall-box")]
    assert [one["wanted"] for one in report["guests"][0]["shares"]] == [True, False]


def test_another_machine_than_the_inventory_says_is_named(reported):
    answers = as_wanted()
    for one, uuid in zip(answers["metal"]["cache_host_outlook"]["listed"], (ONE, TWO)):
        one["hardware_uuid"] = uuid
    answers["web"]["cache_guest_read"]["guest"]["virtualbox"]["uuid"] = TWO
    assert told(reported(answers)) == [("wrong_machine", "web", "")]


def test_the_worst_comes_first(reported):
    answers = as_wanted()
    in_store(answers, verified=verified(FINDING), quarantine=[package(GONE)])
    outlook(answers, pending=[PENDING])
    of_guest(answers, mounts=[])
    report = reported(answers)
    assert told(report, "kind") == [("unsound",), ("mount",), ("restart",), ("quarantined",)]
    assert [report["numbers"][key] for key in ("problems", "pending", "notices", "unsound", "quarantined")] == [
        2,
        1,
        1,
        1,
        1,
    ]
    assert {kind.severity for kind in _report_attention.KINDS.values()} == set(_report_attention.SEVERITIES)


@pytest.mark.parametrize("answer", [None, "x", [], {}, {"registered": "x"}, {"registered": [{"shares": "x"}]}])
def test_a_host_that_answers_anything_ends_nothing(reported, answer):
    answers = as_wanted()
    answers["metal"]["cache_host_outlook"] = answer
    report = reported(answers)
    assert report["guests"][0]["read"]
    assert ("host_not_read", "", "") in told(report) or report["hosts"][0]["read"]


def test_what_failed_before_a_machine_was_asked_is_told(reported):
    answers = as_wanted()
    failure = {"cache_report_failure": "The variable x has no value."}
    answers.update(metal=dict(failure), web=dict(failure))
    report = reported(answers)
    assert [(one["kind"], one["text"]) for one in report["attention"] if one["guest"] != "build"] == [
        ("host_not_read", failure["cache_report_failure"]),
        ("guest_not_read", failure["cache_report_failure"]),
    ]


def test_hostile_texts_are_plain_and_bounded(reported):
    answers = as_wanted()
    of_guest(answers, system={"id": "\x1b[2J" + "x" * 100_000, "version": "\u202e", "kernel": "<b>"})
    outlook(answers, strays=[{"uuid": STRAY, "name": "a\nb\x07", "shares": ["'; rm -rf /"]}])
    report = reported(answers)
    text = json.dumps(report, ensure_ascii=False)
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert len(report["guests"][0]["system"]) < 10_000
    assert all("\x1b" not in line for line in _report_texts.lines(report))


def test_facts_decide_nothing(reported):
    facts = {"web": {"cache_guest_mode": "trusted", "cache_guest_machine": "two"}}
    report = reported(as_wanted(), facts=facts)
    web = report["guests"][0]
    assert (web["mode"], web["machine"]) == ("readonly", "one")
    assert ("guest_setup", "web", "") in told(report) or ("refused", "web", "") in told(report)


def test_machines_that_are_left_out_of_the_run_are_no_part_of_it(reported):
    report = reported(as_wanted(), machines=["metal", "web"])
    assert report["limited"] and [one["name"] for one in report["guests"]] == ["web"]
    report = reported(as_wanted(), machines=["web"])
    assert report["limited"] and report["hosts"] == [] and report["guests"][0]["read"]


def test_what_a_linked_store_saves(reported):
    said = copy.deepcopy(INVENTORY)
    said["web"]["cache_guest_sees"] = "programs"
    answers = as_wanted()
    answers["metal"]["cache_report_stores"]["stores"].append(
        store("linked", "web", STORE + "/l", [package(SOUND, 100)])
    )
    report = reported(answers, said)
    assert report["hosts"][0]["stores"][2]["of"] == "web"
    assert report["numbers"]["bytes_saved"] == 12288 + 100 - 12288
    assert report["numbers"]["bytes"] == 12288


def test_guests_whose_machines_are_off(inventory_of):
    answers = as_wanted()
    answers["metal"]["cache_host_outlook"]["registered"][1]["state"] = "saved"
    answers["metal"]["cache_host_outlook"]["registered"][2]["state"] = "poweroff"
    assert machines_off("metal", "web:build", inventory_of(INVENTORY, None, answers)) == ["build"]
    answers["metal"]["cache_host_outlook"]["registered"] = "x"
    assert machines_off("metal", "web:build", inventory_of(INVENTORY, None, answers)) == []


def test_the_program_is_where_the_role_puts_it():
    variables = yaml.safe_load((ROLES / "cache_guest" / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert variables["cache_guest_program"] == _report.PROGRAM


def test_lines_and_why_a_run_fails(reported):
    answers = as_wanted()
    assert _report_texts.lines(reported(answers)) == [
        "1 host, 1 read; 2 guests: 2 right; 2 packages, 0.01 MB",
        "0 problems, 0 pending, 0 notices",
    ]
    outlook(answers, pending=[PENDING])
    report = reported(answers)
    assert [bool(_report_texts.failure(report, on)) for on in ("nothing", "problems", "pending")] == [
        False,
        False,
        True,
    ]
    in_store(answers, verified=verified(FINDING))
    report = reported(answers)
    assert [bool(_report_texts.failure(report, on)) for on in ("nothing", "problems", "pending")] == [False, True, True]
    assert "cache_verify_quarantine" in _report_texts.lines(report)[2]


def test_metrics_are_those_of_the_report(reported):
    answers = as_wanted()
    in_store(answers, path='/a "b"\\c' + STORE, verified=verified(FINDING))
    text = _report_texts.metrics(reported(answers))
    assert text.startswith(_report_texts.HEAD) and text.endswith("\n")
    assert "zeroinstall_virtualbox_report_timestamp_seconds 1796072400\n" in text
    assert 'zeroinstall_virtualbox_guests{state="right"} 2\n' in text
    assert 'zeroinstall_virtualbox_store_unsound{host="metal",store="/a \\"b\\"\\\\c' + STORE + '"} 1\n' in text
