# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came from guests, who uses it, and which stores have it."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.revocation import MOST, revocation

STORE, LINKED = (f"/var/cache/0install.net/{name}implementations" for name in ("", "linked/vm1/0install.net/"))
A, B = ("sha1new=" + digit * 40 for digit in "ab")
AT = "2026-11-30T21:00:00Z"
INVENTORY = ["metal", "web", "b c", "w@x"]


def package(digest=A, box="web", stores=(STORE,), **more):
    named = {"program": "Edit", "version": "3"}
    return {"digest": digest, **named, "box": box, "since": AT, "stores": stores, **more}


def answer(*packages, programs=(), **more):
    return {"from_boxes": {"packages": list(packages), "left_out": 0, "problem": "", **more}, "programs": programs}


@pytest.mark.parametrize(
    ("name", "arrangement", "box"),
    [
        ("web", "default", "web"), ("b c", "default", "b%20c"), ("w@x", "default", "w%40x"),
        ("gone", "default", "gone"), ("b%20c", "default", "b%20c"),
        ("web", "lab", "lab@web"), ("b c", "lab", "lab@b%20c"), ("gone", "lab", "lab@gone"),
        ("lab@gone", "lab", "lab@gone"),
    ],
)  # fmt: skip
def test_names_alone_decide_which_boxes_are_meant(name, arrangement, box):
    plan = revocation([name], INVENTORY, arrangement)
    assert (plan["problem"], plan["boxes"], plan["nothing"]) == ("", [box], "")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["web", "../x"], "neither a name of the inventory nor the name of a box"),
        (["a/b"], "neither a name"), ([".x"], "neither a name"), ([""], "neither a name"), (["x\n"], "neither a name"),
        (["x" * 1000], "neither a name"), ([{}], "is no text"), ([True], "is no text"), (None, "is no text"),
        ({"web": 1}, "is no text"), (["lab@web"], "a box of the arrangement 'lab', and this inventory's is 'default'"),
    ],
)  # fmt: skip
def test_bad_names_are_refused_before_anything_is_touched(names, reason):
    plan = revocation(names, INVENTORY, answer=answer(package()))
    assert reason in plan["problem"] and plan["problem"].endswith("Nothing was moved.")
    assert plan["boxes"] == plan["names"] == plan["stores"] == plan["lines"] == []


@pytest.mark.parametrize("names", [[], "", " , "])
def test_an_empty_list_is_told(names):
    plan = revocation(names, INVENTORY)
    assert plan["nothing"] == "cache_import_revoke names no guest, so nothing is revoked."
    assert (plan["problem"], plan["boxes"]) == ("", [])


def test_a_text_is_a_list_with_commas():
    assert revocation("web, b c", INVENTORY)["boxes"] == ["web", "b%20c"]


def test_who_uses_what_came_is_told_with_its_program():
    plan = revocation(
        ["web", "b c", "gone"],
        INVENTORY,
        host="metal",
        answer=answer(
            package(stores=[STORE, LINKED]),
            package(B, "b%20c", program="", version=""),
            programs=[{"name": "edit", "digests": [A]}],
        ),
        used=[{"name": A, "by": ["process 7 (edit)", "0install of the user ann"]}],
    )
    assert plan["lines"] == [
        f"Edit 3 ({A}) came from guest 'web' on {AT}, and is in {STORE}, {LINKED}. Used by: the program 'edit' of"
        " guests, process 7 (edit), 0install of the user ann.",
        f"{B} came from guest 'b c' on {AT}, and is in {STORE}. Used by: nothing that is known on this host.",
        "No store of metal has a package from guest 'gone'.",
    ]
    assert plan["names"] == [A, B] and plan["left"] == ""
    assert plan["stores"] == [{"path": STORE, "names": [A, B]}, {"path": LINKED, "names": [A]}]


def test_what_came_from_others_stays():
    plan = revocation(["web"], INVENTORY, host="metal", answer=answer(package(box="other")))
    assert plan["stores"] == plan["names"] == []
    assert plan["lines"] == ["No store of metal has a package from guest 'web'."]


def test_what_may_be_left_is_told():
    plan = revocation(["web"], answer=answer(package(), left_out=3, problem="Not read."))
    assert plan["left"] == "Not read. 3 more packages came from these guests. Run again to move them."
    assert plan["stores"] != []


@pytest.mark.parametrize("wrong", [
    {"from_boxes": None}, {"from_boxes": {"packages": ["x"]}}, answer(package(stores=7)), answer({"box": "web"}),
    answer(package(), programs="x"), answer(package(digest=[])), answer(package(since=None)),
])  # fmt: skip
def test_an_answer_that_is_none_moves_nothing(wrong):
    plan = revocation(["web"], answer=wrong)
    assert "is none that the module gives" in plan["left"] and plan["stores"] == []
    assert plan["boxes"] == ["web"], "so the task that fails is run"


def test_what_was_moved_is_told():
    moves = [{"moved": [{"name": A, "from": "/a", "to": "/b"}], "moved_left_out": 2}, {"failed": True}]
    assert revocation(["web"], moves=moves)["moved"] == ["/a was moved to /b.", "2 more were moved."]
    told = revocation(["web"], moves=moves, check_mode=True)["moved"]
    assert told == ["/a would be moved to /b.", "2 more would be moved."]
    many = [package(f"sha1new={number:040x}") for number in range(MOST + 2)]
    assert revocation(["web"], answer=answer(*many))["lines"][MOST:] == ["and 2 more"]
