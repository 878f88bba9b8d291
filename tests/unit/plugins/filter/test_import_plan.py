# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the import service is made of, and what is to be done on its host."""

from __future__ import annotations

import base64

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.import_files import import_files
from ansible_collections.zeroinstall.virtualbox.plugins.filter.import_plan import import_plan
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs

OURS = "/usr/local/lib/zeroinstall.virtualbox"
SETTINGS = {
    "store": "/var/cache/0install.net/implementations", "user": "zeroinst", "group": "vm",
    "boxes_path": "/var/lib/zeroinstall.virtualbox/boxes", "boxes": ["b%20c", "a", "a"], "kept_boxes": ["k"],
    "shared_boxes": ["s"], "absent_boxes": "all", "arrangement": "default", "left_over": "report",
    "program": OURS + "/import", "python": "/usr/bin/python3", "service": "zi",
}  # fmt: skip
THERE = {"kind": "directory"}
UNITS = ["/etc/systemd/system/zi.path", "/etc/systemd/system/zi.service"]


def test_names_and_paths():
    plan = import_plan(SETTINGS)
    assert plan["problem"] == "" and plan["archive"] == f"{OURS}/import/{plan['archive_name']}"
    assert plan["watched"] == [f"{SETTINGS['boxes_path']}/{name}/*.tar" for name in ("a", "b%%20c")]
    assert [unit["path"] for unit in plan["units"]] == UNITS
    assert [unit.get("enabled") for unit in plan["units"]] == [False, None]
    assert (plan["staging"], plan["store_parent"]) == (SETTINGS["store"] + ".staging", "/var/cache/0install.net")
    assert plan["removed"] == [*UNITS, SETTINGS["program"], plan["staging"]]


def test_what_says_from_which_guests_packages_came_stays():
    staging = SETTINGS["store"] + ".staging"

    def removed(*names):
        staged = {"files": [{"path": f"{staging}/{name}"} for name in names]}
        return import_plan(SETTINGS, staged=staged)["removed"][3:]

    assert removed("turns", "origins", "refusals", "x") == [f"{staging}/turns", f"{staging}/x"]
    assert removed("origins") == []
    assert removed("turns", "refusals") == removed() == [staging], "no package came"


@pytest.mark.parametrize(
    "wrong",
    [
        {"store": "/srv/store"},
        {"store": "/home/x/0install.net/implementations"},
        {"store": "/a b/0install.net/implementations"},
        {"boxes_path": "/run/boxes"},
        {"boxes_path": "relative"},
        {"boxes_path": SETTINGS["store"] + "/boxes"},
        {"program": "/a\nb"},
        {"python": "python3"},
        {"user": "Root"},
        {"service": "a.b"},
        {"boxes": []},
        {"boxes": ["../x"]},
        {"boxes": [".hidden"]},
        {"kept_boxes": ["a/b"]},
        {"shared_boxes": ["a\n"]},
        {"boxes": ["lab@a"]},
        {"arrangement": "lab"},
        {"boxes": ["lab@a", "b"], "arrangement": "lab"},
    ],
)
def test_what_cannot_be_used_is_refused(wrong):
    assert "Correct the variables cache_import_*" in import_plan({**SETTINGS, **wrong})["problem"]


def test_what_was_seen():
    seen = {"/run/systemd/system": THERE, OURS: THERE, UNITS[1]: {"kind": "file"}, UNITS[0]: None}
    plan = import_plan(SETTINGS, seen)
    assert plan["systemd"] and [unit["name"] for unit in plan["units_there"]] == ["zi.service"]
    assert plan["parents"] == [OURS]
    assert not import_plan(SETTINGS)["systemd"]
    assert set(seen) <= set(plan["looked_at"])


def box(name, waiting=0, left_over=False, owner="zeroinst"):
    return {"name": name, "owner": owner, "waiting": waiting, "left_over": left_over}


def found(*boxes, removed=(), kept=(), gone=False):
    """What the module ``boxes`` answers."""
    kept = [{"name": name, "reason": "2 requests wait in it."} for name in kept]
    return {"boxes": list(boxes), "removed": list(removed), "kept": kept, "gone": gone}


def test_what_stays_whatever_happens():
    assert import_plan(SETTINGS)["keep"] == ["a", "b%20c", "k", "s"]


def test_boxes_of_an_arrangement():
    plan = import_plan({**SETTINGS, "boxes": ["lab@a"], "arrangement": "lab"})
    assert plan["problem"] == "" and plan["watched"] == [f"{SETTINGS['boxes_path']}/lab@a/*.tar"]


def test_every_box_that_stays_is_watched_if_the_service_serves_it():
    answer = found(
        box("a"), box("old", 2, True), box("gone", 0, True), box("lab@x"), box("roots", owner="root"),
        box(".leaving-x"), removed=["gone"],
    )  # fmt: skip
    watched = import_plan(SETTINGS, found=answer)["watched"]
    assert [path.split("/")[-2] for path in watched] == ["a", "b%%20c", "lab@x", "old"]


def test_what_is_left_over_is_named_with_what_waits_and_what_to_do():
    answer = found(box("a"), box("new", 0, True), box("one", 1, True), box("old", 2, True), box(".leaving-x", 0, True),
                   kept=["new", "one", "old", ".leaving-x"])  # fmt: skip
    plan = import_plan(SETTINGS, found=answer)
    new, one, old, half, remedy = plan["left_over"]
    start = SETTINGS["boxes_path"]
    assert new == f"{start}/new is left over: no guest in the inventory has this box. In it, no package waits."
    assert one.endswith("In it, 1 package waits.") and old.endswith("In it, 2 packages wait.")
    assert half.startswith(f"{start}/.leaving-x is left over: an earlier run began to remove this box")
    assert "set cache_host_left_over: remove" in remedy and "it has its box as it was" in remedy
    assert plan["service_left_over"] == plan["left_over"]
    plan = import_plan({**SETTINGS, "left_over": "remove"}, found=answer)
    assert plan["left_over"][2].endswith("has this box. 2 requests wait in it.")
    assert plan["left_over"][-1].startswith("If a package waits, let the service take it")
    assert import_plan(SETTINGS, found=found(box("a")))["left_over"] == []


NOBODY = {**SETTINGS, "boxes": [], "kept_boxes": [], "shared_boxes": []}


@pytest.mark.parametrize(
    ("answer", "keep", "ends", "left_over"),
    [
        (found(), [], True, True),
        (found(box("a", 0, True), removed=["a"], gone=True), [], True, True),
        (found(box("a", 2, True), kept=["a"]), [], False, True),
        (found(kept=["link"]), [], False, True),
        (found(box("lab@a")), [], False, False),
        (found(), ["shared"], True, False),
    ],
)
def test_the_service_goes_after_the_last_box_and_only_if_that_is_wanted(answer, keep, ends, left_over):
    settings = {**NOBODY, "shared_boxes": keep}
    plan = import_plan(settings, found=answer)
    assert (plan["ends"], plan["unneeded"], bool(plan["service_left_over"])) == (ends, False, left_over)
    if ends and not keep:
        (told,) = plan["service_left_over"]
        assert told.startswith(f"The import service zi of {SETTINGS['boxes_path']} is left over")
    plan = import_plan({**settings, "left_over": "remove"}, found=answer)
    assert plan["unneeded"] == (ends and not keep)
    assert bool(plan["service_left_over"]) == bool(answer["kept"])


def test_what_absence_removes():
    assert import_plan(NOBODY)["absence"] == {"all": True, "boxes": [], "keep": [], "told": [], "not_removed": ""}
    for absent in (["a"], []):
        absence = import_plan({**NOBODY, "absent_boxes": absent})["absence"]
        assert (absence["all"], absence["boxes"]) == (False, absent)
    for empty in ("", None, "a,b"):
        with pytest.raises(AnsibleFilterError, match=r"cache_import_absent_boxes is '.*', which is no list"):
            import_plan({**NOBODY, "absent_boxes": empty})


def test_what_absence_tells():
    answer = found(box("a", 2, True), box("b", 0, True), box("c", 1, True), box("lab@d", 1),
                   removed=["a", "b"], kept=["c"])  # fmt: skip
    absence = import_plan(NOBODY, found=answer)["absence"]
    assert absence["told"] == [
        f"{SETTINGS['boxes_path']}/a is removed with everything in it. In it, 2 packages wait.",
        "The import service stays for boxes of other arrangements: lab@d.",
    ]
    assert absence["not_removed"].endswith(f"{SETTINGS['boxes_path']}/c: 2 requests wait in it.")
    assert import_plan({**NOBODY, "absent_boxes": ["a"]}, found=answer)["absence"]["told"] == absence["told"][:1]


def test_a_unit_that_changes_is_started_anew():
    plan = import_plan(SETTINGS, changes={UNITS[1]: ["content"]})
    assert (plan["units_change"], plan["state"]) == (True, "restarted")
    plan = import_plan(SETTINGS, changes={SETTINGS["program"]: ["mode"]})
    assert (plan["units_change"], plan["state"]) == (False, "started")


def test_folders_in_which_nothing_is_left():
    beside = "/var/lib/zeroinstall.virtualbox"
    seen = {OURS: THERE, beside: THERE}
    files = [{"path": SETTINGS["program"]}, {"path": SETTINGS["boxes_path"]}]
    gone = found(gone=True)
    left = {"files": files, "skipped_paths": {}}
    assert import_plan(SETTINGS, seen, gone, left=left)["empty_parents"] == [OURS, beside]
    assert import_plan(SETTINGS, seen, found(), left=left)["empty_parents"] == [OURS]  # the boxes' folder has something
    files.append({"path": f"{OURS}/secure-add"})
    assert import_plan(SETTINGS, seen, gone, left={"files": files})["empty_parents"] == [beside]
    left = {"files": [], "skipped_paths": {OURS: "x"}}
    assert import_plan(SETTINGS, seen, gone, left=left)["empty_parents"] == [beside]
    assert import_plan({**SETTINGS, "program": "/opt/import", "boxes_path": "/srv/b"}, seen)["parents"] == []


def test_the_files():
    units = {"path": "p", "service": "s"}
    plan = import_plan(SETTINGS, {"/run/systemd/system": THERE})
    files = {item["path"]: item for item in import_files(SETTINGS, plan, units)}
    assert base64.b64decode(files[plan["archive"]]["content"]) == _programs.service()
    assert files[f"{SETTINGS['boxes_path']}/a"] == {
        "path": f"{SETTINGS['boxes_path']}/a", "state": "directory", "owner": "zeroinst", "group": "vm", "mode": "0770",
    }  # fmt: skip
    assert [files[path]["content"] for path in UNITS] == ["p", "s"]
    without = {item["path"] for item in import_files(SETTINGS, import_plan(SETTINGS), units)}
    assert without == files.keys() - set(UNITS)
