# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which boxes are left over, which of them go, and what a guest can do against that."""

from __future__ import annotations

import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import box_removal, guest_boxes
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["web1", "web2", "lab@web1", "other@web1", "b%20c", ".leaving-web1", ".leaving-lab@web2"]


@pytest.fixture
def boxes(tmp_path):
    path = tmp_path / "boxes"
    path.mkdir()
    return path


def fill(boxes, *names, requests=0):
    for name in names:
        (boxes / name).mkdir()
        for number in range(requests):
            (boxes / name / f"{number:032x}.sha256=1.tar").touch()


def run(boxes, check_mode=False, **options):
    return box_removal.run(Asked({**box_removal.Wish(str(boxes))._asdict(), **options}, check_mode))


def go(boxes, **options):
    """What a run does. Check mode foresees it, and a second run changes nothing."""
    before = sorted(os.listdir(boxes))
    foreseen = run(boxes, check_mode=True, **options)
    assert sorted(os.listdir(boxes)) == before
    done = run(boxes, **options)
    assert foreseen == done
    again = run(boxes, **options)
    assert not again["changed"] and again["removed"] == [] and again["diff"]["before"] == ""
    return done


def kept(answer):
    return {one["name"]: one["reason"] for one in answer["kept"]}


def test_without_a_word_nothing_goes(boxes):
    fill(boxes, "web1")
    answer = go(boxes, exclusive=True)
    assert kept(answer) == {"web1": "Nothing was to be removed: remove is false."}
    assert (answer["changed"], answer["diff"]["before"], os.listdir(boxes)) == (False, "", ["web1"])


def test_an_empty_box_goes_and_one_in_which_something_waits_stays(boxes):
    fill(boxes, "web1", "web2", "web3")
    fill(boxes, "full", requests=2)
    fill(boxes, "one", requests=1)
    (boxes / "web2/half.part").touch()
    answer = go(boxes, exclusive=True, keep=["web1"], remove=True)
    assert answer["removed"] == ["web2", "web3"] and answer["changed"]
    assert kept(answer) == {"full": "2 requests wait in it.", "one": "1 request waits in it."}
    assert [(box["name"], box["waiting"], box["left_over"]) for box in answer["boxes"]] == [
        ("full", 2, True), ("one", 1, True), ("web1", 0, False), ("web2", 0, True), ("web3", 0, True),
    ]  # fmt: skip
    assert answer["diff"]["before"] == f"{boxes}/web2\n{boxes}/web3\n"
    assert sorted(os.listdir(boxes)) == ["full", "one", "web1"]
    assert sorted(os.listdir(boxes / "full")) == [f"{number:032x}.sha256=1.tar" for number in range(2)]


def test_with_force_it_goes_with_what_waits_in_it_and_with_the_last_one_the_folder(boxes):
    fill(boxes, "full", requests=2)
    (boxes / "link").symlink_to("/etc")
    (boxes / "file").touch()
    (boxes / "lost+found").mkdir()
    answer = go(boxes, exclusive=True, remove=True)
    assert set(kept(answer)) == {"file", "full", "link"} and "no folder" in kept(answer)["link"]
    answer = go(boxes, exclusive=True, remove=True, force=True)
    assert answer["removed"] == ["file", "full", "link"] and os.listdir(boxes) == ["lost+found"]
    (boxes / "lost+found").rmdir()
    assert run(boxes, exclusive=True)["changed"] is False
    answer = run(boxes, exclusive=True, remove=True, check_mode=True)
    assert (answer["changed"], answer["diff"]["before"]) == (True, f"{boxes}\n") and boxes.exists()
    assert run(boxes, exclusive=True, remove=True) == answer and not boxes.exists()
    assert run(boxes, exclusive=True, remove=True)["changed"] is False


def test_the_folder_stays_where_a_box_is_wanted(boxes):
    assert not go(boxes, exclusive=True, keep=["web1"], remove=True, force=True)["changed"]


def test_only_what_is_named_is_left_over_without_exclusive(boxes):
    fill(boxes, "web1", "web2")
    assert go(boxes, absent=["web1", "never"], remove=True)["removed"] == ["web1"]
    assert os.listdir(boxes) == ["web2"]


def test_a_box_of_another_arrangement_is_nobodys_else(boxes):
    fill(boxes, "web1", "lab@web1", "old@web1", ".leaving-old@web2", ".leaving-web3")
    answer = go(boxes, exclusive=True, remove=True, force=True)
    assert answer["removed"] == [".leaving-web3", "web1"]
    answer = go(boxes, exclusive=True, arrangement="old", keep=["old@other"], remove=True)
    assert answer["removed"] == [".leaving-old@web2", "old@web1"]
    assert os.listdir(boxes) == ["lab@web1"] and len(answer["boxes"]) == 3


@given(
    keep=st.sets(st.sampled_from(NAMES[:5])), absent=st.sets(st.sampled_from(["web1", "web2", "b%20c"])),
    found=st.sets(st.sampled_from(NAMES)), full=st.sets(st.sampled_from(NAMES)), exclusive=st.booleans(),
    remove=st.booleans(), force=st.booleans(),
)  # fmt: skip
def test_nothing_goes_that_somebody_keeps_or_needs(
    keep, absent, found, full, exclusive, remove, force, tmp_path_factory
):
    boxes = tmp_path_factory.mktemp("boxes")
    absent -= keep
    fill(boxes, *sorted(found - full))
    fill(boxes, *sorted(found & full), requests=1)
    options = {"keep": sorted(keep), "absent": sorted(absent), "exclusive": exclusive, "remove": remove, "force": force}
    foreseen = run(boxes, check_mode=True, **options)
    done = run(boxes, **options)
    assert done == foreseen
    left = set(os.listdir(boxes)) if boxes.exists() else set()
    assert left == found - set(done["removed"])
    assert keep & found <= left and {"lab@web1", "other@web1", ".leaving-lab@web2"} & found <= left
    assert remove or left == found
    assert force or full & found <= left
    assert {one["name"] for one in done["kept"]} <= left


def test_a_run_that_was_killed_is_gone_on_with_though_the_guest_is_back(boxes, monkeypatch):
    fill(boxes, "web1")
    (boxes / "web1/a/b").mkdir(parents=True)

    class Killed(BaseException):
        pass

    def kill(*_arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(removing, "remove", kill)
        with pytest.raises(Killed):
            run(boxes, exclusive=True, remove=True)
    assert os.listdir(boxes) == [".leaving-web1"]
    assert kept(run(boxes, keep=["web1"])) == {".leaving-web1": "Nothing was to be removed: remove is false."}
    fill(boxes, "web1")
    answer = go(boxes, keep=["web1"], remove=True)
    assert answer["removed"] == [".leaving-web1"] and os.listdir(boxes) == ["web1"]


def test_what_cannot_be_removed_is_told_and_does_not_keep_others(boxes, monkeypatch):
    fill(boxes, "web1", "web2")
    (boxes / "web1/a/b").mkdir(parents=True)
    monkeypatch.setattr(box_removal, "BUDGET", 2)
    answer = run(boxes, exclusive=True, remove=True)
    assert answer["removed"] == ["web2"] and answer["changed"]
    assert kept(answer)["web1"].startswith("It cannot be removed: too much is in it. Correct that, and run again")
    monkeypatch.setattr(box_removal, "BUDGET", 1)
    fill(boxes, "web1")
    answer = run(boxes, exclusive=True, remove=True)
    assert kept(answer)["web1"] == "What an earlier run left of a box of this name is still there, as .leaving-web1."
    monkeypatch.undo()
    answer = run(boxes, exclusive=True, remove=True)
    assert answer["removed"] == [".leaving-web1", "web1"] and not boxes.exists()


def test_a_request_that_comes_in_at_the_last_moment_keeps_its_box(boxes, monkeypatch):
    fill(boxes, "web1")
    rename = box_removal.replacing.rename_new

    def send(name, folder, new_name, new_folder):
        if name == "web1":
            (boxes / "web1/x.tar").touch()
        rename(name, folder, new_name, new_folder)

    monkeypatch.setattr(box_removal.replacing, "rename_new", send)
    answer = run(boxes, exclusive=True, remove=True)
    assert kept(answer) == {"web1": "1 request waits in it."} and not answer["changed"]
    assert os.listdir(boxes) == ["web1"] and os.listdir(boxes / "web1") == ["x.tar"]


@pytest.mark.parametrize("force", [False, True])
def test_a_box_that_becomes_a_link_in_the_middle_is_not_followed(boxes, tmp_path, monkeypatch, force):
    fill(boxes, "web1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    rename = box_removal.replacing.rename_new

    def swap(name, folder, new_name, new_folder):
        if name == "web1":
            os.rename(boxes / "web1", tmp_path / "away")
            (boxes / "web1").symlink_to(outside)
        rename(name, folder, new_name, new_folder)

    monkeypatch.setattr(box_removal.replacing, "rename_new", swap)
    answer = run(boxes, exclusive=True, remove=True, force=force)
    assert os.listdir(outside) == ["kept"]
    if force:
        assert answer["removed"] == ["web1"]
    else:
        assert "no folder that can be looked into" in kept(answer)["web1"] and os.listdir(boxes) == ["web1"]


def test_another_run_may_be_faster(boxes, monkeypatch):
    fill(boxes, "web1")

    def gone(name, *_more):
        os.rmdir(boxes / name)
        raise FileNotFoundError

    monkeypatch.setattr(box_removal.replacing, "rename_new", gone)
    assert run(boxes, exclusive=True, remove=True)["removed"] == ["web1"]


def test_where_something_is_mounted_nothing_is_touched(boxes, tmp_path, monkeypatch):
    fill(boxes, "web1", "web2", "web")
    line = "30 20 8:1 / {} rw - ext4 /dev/sda1 rw\n"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(line.format(f"{boxes}/web1/in\\040it") + line.format(f"{boxes}/web2"))
    monkeypatch.setattr(box_removal, "MOUNTS", str(mounts))
    answer = go(boxes, exclusive=True, remove=True, force=True)
    assert answer["removed"] == ["web"]
    assert kept(answer)["web1"] == f"Something is mounted at {boxes}/web1/in it: unmount it, and run again."
    assert f"{boxes}/web2:" in kept(answer)["web2"]
    mounts.write_text(line.format(boxes))
    answer = go(boxes, exclusive=True, remove=True)
    assert answer["removed"] == ["web1", "web2"] and boxes.exists()


def test_names_are_counted_up_to_a_bound(boxes, monkeypatch):
    fill(boxes, "web1")
    for number in range(5):
        (boxes / "web1" / f"a\n{number}").touch()
    monkeypatch.setattr(box_removal, "LOOKED_AT", 4)
    answer = run(boxes, exclusive=True, remove=True)
    assert kept(answer) == {"web1": "It has more than 4 names, so requests may wait in it."}
    monkeypatch.setattr(box_removal, "LOOKED_AT", 5)
    assert run(boxes, exclusive=True, remove=True)["removed"] == ["web1"]


def test_a_name_as_long_as_can_be_goes_too(boxes):
    fill(boxes, "a" * 255)
    assert len(box_removal.leaving_name("a" * 255)) == 255
    assert go(boxes, exclusive=True, keep=["b"], remove=True)["removed"] == ["a" * 255]


def test_the_service_serves_no_box_that_is_being_removed(boxes):
    fill(boxes, "web1", ".leaving-web2")
    warnings = []
    opened = guest_boxes.open_boxes(str(boxes), warnings)
    for box in opened:
        os.close(box.fd)
    assert ([box.name for box in opened], warnings) == (["web1"], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "boxes"}, "path 'boxes' is not absolute"),
        ({"path": "/"}, "path '/' is no folder of its own"),
        ({"keep": ["a/b"]}, "keep has 'a/b', which is no name of a box"),
        ({"absent": ["."]}, "absent has '.', which is no name"),
        ({"absent": ["a\n"]}, "which is no name of a box"),
        ({"absent": [".leaving-a"]}, "which is no name of a box"),
        ({"absent": ["a"], "keep": ["a"]}, "box 'a' is in keep and in absent"),
        ({"absent": ["lab@a"]}, "a box of the arrangement 'lab', and this is 'default'"),
        ({"arrangement": "a b"}, "arrangement 'a b' cannot be before"),
        ({"arrangement": "a@b"}, "arrangement 'a@b' cannot be before"),
        ({"arrangement": ".a"}, "arrangement '.a' cannot be before"),
        ({"arrangement": "a" * 33}, "cannot be before the names of boxes: choose at most 32"),
    ],
)
def test_what_does_not_fit_is_refused(boxes, options, message):
    fill(boxes, "a")
    with pytest.raises(Failure, match=message):
        run(boxes, **{"exclusive": True, "remove": True, "force": True, "path": str(boxes), **options})
    assert os.listdir(boxes) == ["a"]


def test_a_folder_that_is_none_is_refused(boxes, tmp_path):
    (tmp_path / "link").symlink_to(boxes)
    with pytest.raises(Failure, match="cannot be opened"):
        run(tmp_path / "link")
    assert run(tmp_path / "missing", exclusive=True, remove=True)["boxes"] == []
