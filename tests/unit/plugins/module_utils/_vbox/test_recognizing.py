# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which shares are ours without a mark, and which others give a guest what the host shares."""

from __future__ import annotations

import dataclasses
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import recognizing as k
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import OWNER_KEY, Machine, Share

END = "/0install.net/implementations"
STORE, GROUPS, BOXES = "/var/cache" + END, "/home/u/groups", "/srv/boxes"
FOLDERS = k.Folders(store=STORE, groups=GROUPS, boxes=BOXES)


def is_ours(name, path, marks=(), mine="default", **fields):
    share = Share(name, path, **{"writable": True, **fields})
    machine = Machine("u", "m", "/m", extradata=tuple((OWNER_KEY + name, value) for name, value in marks))
    return k.is_ours(share, dataclasses.replace(FOLDERS, arrangement=mine), machine)


OURS = [
    ("ZeroInstall-trusted", "/home/u/.cache" + END),
    ("x-trusted", STORE),
    ("x-trusted", STORE + "/sha256=1"),
    ("ZeroInstall-guests-a", "/old/a" + END),
    ("x-guests-a", GROUPS + "/a" + END),
    ("x-guests-y-guests-a", GROUPS + "/a" + END),
    ("ZeroInstall-box", "/var/lib/zeroinstall.virtualbox/boxes/g"),
    ("x-box", BOXES + "/g"),
    ("ZeroInstall", STORE),
    ("ZeroInstall", "/home/u/.cache" + END),
    ("ZeroInstall-trusted", STORE + "/"),
]
OTHERS = [
    ("ZeroInstall", "/home/u"),
    ("ZeroInstall-trusted", "/home/u"),
    ("x-trusted", "/home/u/.cache" + END),
    ("trusted", STORE),
    ("-trusted", STORE),
    ("x", STORE),
    ("x-guests-a", "/old/a" + END),
    ("x-guests-b", GROUPS + "/a" + END),
    ("ZeroInstall-guests-a", STORE),
    ("x-box", "/srv/boxes2/g"),
    ("x-box", STORE),
    ("ZeroInstallGuests", "/home/u/g" + END),
    ("lab-work", "/srv/lab/work"),
]


@pytest.mark.parametrize(("name", "path"), OURS)
def test_a_writable_share_is_ours_by_its_name_and_what_it_shares(name, path):
    assert is_ours(name, path)
    assert is_ours(name, path, kind="transient")
    assert not is_ours(name, path, kind="global")
    assert not is_ours(name, path, writable=False), "a Vagrantfile may have it"
    assert is_ours(name, path, writable=False, arrangement="default")


@pytest.mark.parametrize(("name", "path"), OTHERS)
def test_neither_the_name_nor_the_path_alone_makes_a_share_ours(name, path):
    assert not is_ours(name, path)


@pytest.mark.parametrize(("theirs", "ours"), [("default", True), ("b", False)])
def test_a_share_with_a_mark_belongs_to_the_arrangement_of_its_mark(theirs, ours):
    share = Share("x-trusted", STORE, writable=True, arrangement=theirs)
    machine = Machine("u", "m", "/m", shares=(share,))
    assert k.is_ours(share, FOLDERS, machine) is ours
    assert k.is_ours(share, dataclasses.replace(FOLDERS, arrangement="b"), machine) is not ours


@pytest.mark.parametrize(
    ("marks", "ours"),
    [([], True), ([("a", "b")], False), ([("a", "b"), ("c", "1")], True), ([("a", "no name")], True)],
)
def test_without_a_mark_it_is_not_ours_in_a_machine_of_other_arrangements_alone(marks, ours):
    assert is_ours("ZeroInstall-trusted", STORE, marks) is ours


@pytest.mark.parametrize("marks", [[], [("a", "b")], [("a", "1")]])
@pytest.mark.parametrize(("box", "arrangement"), [("g", "default"), ("b@g", "b"), ("b@g/x", "b"), ("x@g", "x")])
def test_a_box_says_whose_it_is(marks, box, arrangement):
    for folder in (BOXES, k.DEFAULT_BOXES):
        for mine in ("default", "b", "x"):
            assert is_ours("ZeroInstall-box", f"{folder}/{box}", marks, mine) is (mine == arrangement)


def test_a_path_is_told_as_it_is_below_a_folder(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "a").mkdir(parents=True)
    link.symlink_to(real)
    assert k.within(f"{real}/a", [str(link), "", "/srv"]) == [f"{link}/a"]
    assert k.within("/srv/x/../a/b", ["/srv/a", "/srv"]) == ["/srv/a/b", "/srv/a/b"]
    assert k.within("/srv/ab", ["/srv/a"]) == []


def test_names_are_known_that_are_wanted_or_marked():
    machine = Machine(
        "u", "m", "/m", extradata=((OWNER_KEY + "mine-guests-a", "1"), ("other", "1"), (OWNER_KEY + "of", "b"))
    )
    known = k.bases(FOLDERS, machine, [Share("his-trusted", "/x")])
    assert {"ZeroInstall", "mine", "his"} <= known and not {"other", "of"} & known


RESTORED = Share("ZeroInstall-trusted", "/home/u/.cache" + END, writable=True, symlinks=True, symlink_policy="relative")
PLAIN = Share("ZeroInstall", STORE)


@pytest.mark.parametrize("state", ["poweroff", "running"])
@pytest.mark.parametrize("kind", ["machine", "transient"])
def test_a_share_that_a_snapshot_brought_back_goes(state, kind):
    restored = Share(RESTORED.name, RESTORED.path, kind, True)
    live = Machine("u", "m", "/m", state, shares=(PLAIN, restored))
    for present in ((PLAIN,), ()):
        changes = planning.differences(live, planning.Wanted(present, exclusive=True, folders=FOLDERS))
        assert [(change.action, change.name) for change in changes] == [("remove", RESTORED.name)]
    assert planning.differences(live, planning.Wanted((PLAIN,), folders=FOLDERS)) == [], "where that is not asked for"
    if kind == "machine":
        assert planning.differences(live, planning.Wanted((PLAIN, restored), exclusive=True)) == [], "it is wanted"


def told(*shares, present=(), exclusive=True, targets=(STORE,), mounts=()):
    machine = Machine("u", "m", "/m", shares=shares)
    wanted = planning.Wanted(tuple(present), exclusive=exclusive, folders=FOLDERS)
    return [(other.share.name, other.how, other.refused) for other in planning.others(machine, wanted, targets, mounts)]


@pytest.mark.parametrize("kind", ["machine", "global", "transient"])
def test_another_share_of_the_store_is_told_from_whatever_side(kind):
    for path, how in ((STORE, "at"), (STORE + "/x", "in"), ("/var", "above"), ("/", "above"), ("/var/x/..", "above")):
        assert told(Share("o", path, kind, True)) == [("o", how, True)]
    for path in ("/var/cache/0install.net/implementations2", "/var/cachet", "/home", "/var/lib"):
        assert told(Share("o", path, kind, True)) == []


def test_a_read_only_share_is_told_where_it_is_just_the_store_or_makes_links():
    assert told(Share("o", STORE)) == [("o", "at", False)]
    assert told(Share("o", "/var")) == []
    assert told(Share("o", "/var", symlinks=True)) == [("o", "above", False)]
    assert told(PLAIN, present=[PLAIN]) == []
    assert told(PLAIN) == [("ZeroInstall", "at", False)], "a Vagrantfile may have it"


def test_what_goes_and_what_is_ours_is_not_told():
    assert told(RESTORED) == []
    assert told(Share("z", STORE, writable=True, arrangement="default"), exclusive=False) == []


def test_a_guest_that_may_write_there_breaks_no_promise():
    trusted = Share("ZeroInstall-trusted", STORE, writable=True)
    assert told(Share("o", "/var", writable=True), present=[trusted]) == [("o", "above", False)]
    group = Share("ZeroInstall-guests-a", GROUPS + "/a" + END, writable=True)
    for path, how, refused in (
        (GROUPS, "at", True),
        ("/home/u", "above", True),
        (GROUPS + "/b" + END, "in", True),
        (GROUPS + "/a", "in", True),
        (GROUPS + "/a" + END + "/x", "in", False),
    ):
        assert told(Share("o", path, writable=True), present=[group], targets=[GROUPS]) == [("o", how, refused)]
    assert told(Share("o", STORE, writable=True), present=[group], targets=[GROUPS, STORE]) == [("o", "at", True)]


MOUNTINFO = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /home rw - ext4 /dev/sda2 rw
3 1 8:1 /var/cache /srv/bind rw - ext4 /dev/sda1 rw
4 1 8:3 / /srv/boxes/g rw - ext4 /dev/sda3 rw
5 7 8:1 /var/cache/0install.net/implementations /home/u/a\\040b rw - ext4 /dev/sda1 rw
6 1 8:3 /x /mnt/x rw - ext4 /dev/sda3 rw
7 2 8:2 / /home rw - ext4 /dev/sda2 rw
"""


def mounted(monkeypatch, tmp_path, text):
    """The mounts of a host where the kernel says this of them."""
    (tmp_path / "mountinfo").write_bytes(text.encode("utf-8", "surrogateescape"))
    monkeypatch.setattr(k, "MOUNTS", str(tmp_path / "mountinfo"))
    return k.read_mounts()


@pytest.mark.parametrize(
    ("path", "folder", "how"),
    [
        ("/srv/bind/0install.net/implementations", STORE, "at"),
        ("/srv/bind", STORE, "above"),
        ("/home/u/a b", STORE, "at"),
        ("/home/u/a b/x", STORE, "in"),
        ("/home/u", STORE, "above"),
        ("/home/v", STORE, ""),
        ("/home", "/home/u", "above"),
        ("/srv/bind/other", STORE, ""),
        ("/mnt/x", "/srv/boxes", "in"),
        ("/mnt/x", "/srv/boxes/g/y", ""),
        ("/srv/boxes/g/x", "/mnt/x", "at"),
        ("/mnt", "/srv/boxes", "above"),
        ("/", "/home/u", "above"),
        ("/home/u", "/home/u", "at"),
        ("/opt", "/home/u", ""),
    ],
)
def test_a_folder_is_found_by_what_is_mounted(path, folder, how, monkeypatch, tmp_path):
    assert k.relation(path, folder, mounted(monkeypatch, tmp_path, MOUNTINFO)) == how


@pytest.mark.parametrize("odd", ["\x0c", "\x1c", "\x85", "\u2028", "\r", "\udcff"])
def test_the_kernel_ends_a_line_with_a_newline_alone(odd, monkeypatch, tmp_path):
    text = f"9 1 8:4 /a{odd}b /mnt/x{odd}y rw - ext4 /dev/x rw\n"
    mounts = mounted(monkeypatch, tmp_path, MOUNTINFO + text)
    assert k.places(f"/mnt/x{odd}y/z", mounts) == [("8:4", f"/a{odd}b/z")]


def test_what_another_mount_hides_is_no_place_of_a_folder(monkeypatch, tmp_path):
    """A bind mount of the store, under a disk that was mounted over the folder above it later."""
    text = MOUNTINFO + "8 1 8:1 /var/cache /media/old/b rw - ext4 /dev/sda1 rw\n"
    assert k.relation("/media", STORE, mounted(monkeypatch, tmp_path, text)) == "above"
    text += "9 1 8:9 / /media rw - ext4 /dev/sdb rw\n"
    mounts = mounted(monkeypatch, tmp_path, text)
    assert k.relation("/media", STORE, mounts) == ""
    assert k.relation("/media/old/b/0install.net/implementations", STORE, mounts) == ""


def test_a_host_that_does_not_tell_its_mounts_has_none(monkeypatch):
    monkeypatch.setattr(k, "MOUNTS", "/no/such/file")
    assert k.read_mounts() == []


def test_a_folder_is_found_through_links(tmp_path):
    base = os.path.realpath(tmp_path)
    os.makedirs(base + "/store/in")
    os.symlink("store", base + "/link")
    for path, how in (("/link", "at"), ("/link/in", "in"), ("/.", "above"), ("/store/../x", "")):
        assert k.relation(base + path, base + "/store", ()) == how
    assert k.relation("/", base + "/link", k.read_mounts()) == "above"


def test_folders_that_are_not_there_yet_are_nothing_that_a_share_could_give(tmp_path):
    folders = k.Folders(store=STORE, groups=str(tmp_path / "none"), boxes=str(tmp_path))
    assert k.shared(folders, ["/a" + END, "/b", "/a" + END]) == [STORE, str(tmp_path), "/a" + END]
    assert k.shared(k.Folders()) == []


def test_folders_that_will_be_there_count_before_they_are_made(tmp_path):
    folders = k.Folders(groups=str(tmp_path / "groups"), boxes=str(tmp_path / "boxes"))
    group, box = str(tmp_path / "groups/g") + END, str(tmp_path / "boxes/web1")
    assert k.shared(folders, [group]) == [folders.groups, group]
    assert k.shared(folders, [box]) == [folders.boxes]
    assert k.relation(str(tmp_path), folders.groups, ()) == "above"
