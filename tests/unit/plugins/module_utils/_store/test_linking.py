# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stores of hard links, in real folders."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import linking

A, B, C = (f"sha256new_{letter * 51}A" for letter in "ABC")


@pytest.fixture
def store(tmp_path):
    """A store with two implementations, of the modes and times that real ones have."""
    store = tmp_path / "0install.net" / "implementations"
    for name in (A, B):
        folder = store / name / "lib"
        folder.mkdir(parents=True)
        (folder / "data").write_text(name)
        (folder / "link").symlink_to("/etc/passwd")
        (store / name / ".manifest").write_text(f"D /lib\n{name}\n")
        os.utime(folder, (1, 1))
        os.chmod(folder, 0o555)
        os.chmod(store / name, 0o555)
    yield store
    subprocess.run(["chmod", "-R", "u+w", tmp_path], check=False)


def wanted(name, *implementations, exact=False, coming=()):
    return {"name": name, "implementations": list(implementations), "exact": exact, "coming": list(coming)}


def bring(store, *stores, absent=(), check_mode=False):
    """What a run does, after one in check mode has told the same, and before another finds nothing to do."""
    params = {"store": str(store), "stores": list(stores), "absent": list(absent)}
    told = linking.run(Asked(params, True))
    if check_mode:
        return told
    done = linking.run(Asked(params))
    if "msg" not in done:
        assert {**told, "found": 0} == {**done, "found": 0}
        assert not linking.run(Asked(params))["changed"]
    return done


def linked(store, name):
    return store.parent / "linked" / name / "0install.net" / "implementations"


def look(folder):
    """All that is in a folder: of files and links the inode, of directories mode and time."""
    found = {}
    for path, names, files in os.walk(folder):
        for name in [*names, *files]:
            whole = os.path.join(path, name)
            status = os.lstat(whole)
            is_folder = stat.S_ISDIR(status.st_mode)
            found[os.path.relpath(whole, folder)] = (
                (stat.S_IMODE(status.st_mode), status.st_mtime) if is_folder else status.st_ino
            )
    return found


def test_a_guest_sees_what_is_its_own_and_it_is_the_very_same(store):
    before = look(store)
    done = bring(store, wanted("web1", A), wanted("web2"))
    assert done["stores"][0] == {
        "name": "web1", "added": [A], "removed": [], "surplus": [], "missing": [], "present": [A],
    }  # fmt: skip
    assert os.listdir(linked(store, "web1")) == [A]
    assert os.listdir(linked(store, "web2")) == []
    assert look(linked(store, "web1") / A) == look(store / A)
    assert look(store) == before
    assert done["found"] == [{"name": name, "path": str(linked(store, name))} for name in ("web1", "web2")]
    assert done["diff"]["after"] == f"web1\nweb1/{A}\nweb2\n"


def test_others_stay_until_the_store_is_to_be_exact(store):
    bring(store, wanted("web1", A, B))
    done = bring(store, wanted("web1", A))
    assert (done["changed"], done["stores"][0]["surplus"]) == (False, [B])
    done = bring(store, wanted("web1", A, exact=True))
    assert (done["stores"][0]["removed"], os.listdir(linked(store, "web1"))) == ([B], [A])
    assert (store / B / "lib" / "data").read_text() == B
    assert os.listdir(linked(store, "web1").parent) == ["implementations"]


def test_another_copy_takes_the_place_of_the_old_one(store):
    bring(store, wanted("web1", A))
    manifest = (store / A / ".manifest").read_text()
    os.chmod(store / A, 0o755)
    (store / A / ".manifest").unlink()
    (store / A / ".manifest").write_text(manifest)
    os.chmod(store / A, 0o555)
    assert bring(store, wanted("web1", A))["stores"][0]["added"] == [A]
    assert look(linked(store, "web1") / A) == look(store / A)


def test_what_the_store_lacks_is_named_and_what_the_guest_has_of_it_stays(store):
    bring(store, wanted("web1", A))
    os.chmod(store / A, 0o755)
    os.rename(store / A, store.parent / "aside")
    done = bring(store, wanted("web1", B, C, exact=True))
    assert (done["stores"][0]["missing"], done["stores"][0]["surplus"]) == ([C], [A])
    assert done["msg"] == f"linked store 'web1': {C} is not in the store."
    assert sorted(os.listdir(linked(store, "web1"))) == [A, B]


def test_a_linked_store_goes_whole_and_the_last_one_takes_the_folder_with_it(store):
    bring(store, wanted("web1", A), wanted("web2", B))
    assert bring(store, absent=["web1", "web3"])["absent"] == ["web1"]
    assert os.listdir(store.parent / "linked") == ["web2"]
    assert bring(store, absent=["web2"])["found"] == []
    assert os.listdir(store.parent) == ["implementations"]
    assert sorted(os.listdir(store)) == [A, B]


def test_check_mode_touches_nothing(store):
    done = bring(store, wanted("web1", A, C, "sha256new_" + "D" * 51 + "A", coming=[C]), check_mode=True)
    assert (done["changed"], done["stores"][0]["added"]) == (True, [A, C])
    assert (len(done["stores"][0]["missing"]), "msg" in done) == (1, False)
    assert os.listdir(store.parent) == ["implementations"]
    bring(store, wanted("web1", A))
    done = bring(store, wanted("web1", B, exact=True), wanted("web2", A), absent=["x"], check_mode=True)
    assert [(one["added"], one["removed"]) for one in done["stores"]] == [([B], [A]), ([A], [])]
    assert os.listdir(store.parent / "linked") == ["web1"]
    assert os.listdir(linked(store, "web1")) == [A]


def test_what_a_killed_run_left_half_done_goes(store):
    bring(store, wanted("web1", A))
    (linked(store, "web1").parent / ".new-1" / "x").mkdir(parents=True)
    (store.parent / "linked" / ".gone-1").mkdir()
    bring(store, wanted("web1", A))
    assert os.listdir(linked(store, "web1").parent) == ["implementations"]
    assert os.listdir(store.parent / "linked") == ["web1"]


@pytest.mark.parametrize("place", ["", "/web1", "/web1/0install.net", "/web1/0install.net/implementations"])
def test_no_link_is_followed_in_the_folder_of_linked_stores(store, tmp_path, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = f"{store.parent}/linked{place}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(elsewhere, path)
    asked = Asked({"store": str(store), "stores": [wanted("web1", A), wanted("web2", A)], "absent": []})
    if place:
        assert "linked store 'web1': it could not be made: " in linking.run(asked)["msg"]
        assert os.listdir(linked(store, "web2")) == [A]
    else:
        with pytest.raises(Failure, match="linked cannot be used"):
            linking.run(asked)
    assert os.listdir(elsewhere) == []


def test_what_is_no_linked_store_is_left_alone(store):
    bring(store, wanted("web1", A))
    folder = store.parent / "linked"
    (folder / "notes").write_text("mine")
    (folder / "backup" / "important").mkdir(parents=True)
    done = bring(store, wanted("web2", A), absent=["web1", "notes", "backup"])
    assert ([one["name"] for one in done["found"]], done["absent"]) == (["web2"], ["web1"])
    assert sorted(os.listdir(folder)) == ["backup", "notes", "web2"]
    assert linking.present(str(store)) == {"web2": {A}}


def test_directories_get_the_rights_that_they_should_have(store):
    os.chmod(store, 0o750)
    old = os.umask(0o077)
    try:
        bring(store, wanted("web1", A))
    finally:
        os.umask(old)
    place = linked(store, "web1")
    ways = [place, place.parent, place.parent.parent, place.parent.parent.parent]
    assert [stat.S_IMODE(way.stat().st_mode) for way in ways] == [0o750, 0o755, 0o755, 0o755]
    os.chmod(place.parent, 0o700)
    assert bring(store, wanted("web1", A))["changed"]
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o755


def test_a_kill_before_a_linked_store_is_whole_is_made_good(store, monkeypatch):
    def killed(*_arguments, **_options):
        raise KeyboardInterrupt

    for step in ("rename", "fchmod"):
        with monkeypatch.context() as patch:
            patch.setattr(linking.os, step, killed)
            with pytest.raises(KeyboardInterrupt):
                linking.run(Asked({"store": str(store), "stores": [wanted("web1", A)], "absent": []}))
        bring(store, wanted("web1", A))
        assert os.listdir(store.parent / "linked") == ["web1"]
        bring(store, absent=["web1"])


def test_a_store_that_is_a_mount_of_its_own_is_refused_before_anything_is_made(store, monkeypatch):
    fds = iter(range(9))
    monkeypatch.setattr(linking, "_mount_of", lambda _fd: (next(fds), ""))
    for check_mode in (True, False):
        asked = Asked({"store": str(store), "stores": [wanted("web1", A)], "absent": []}, check_mode)
        with pytest.raises(Failure, match="is a mount of its own"):
            linking.run(asked)
    assert os.listdir(store.parent) == ["implementations"]


def test_no_link_is_followed_in_the_store(store, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / ".manifest").write_text("secret")
    (store / C).symlink_to(tmp_path / "secret")
    done = bring(store, wanted("web1", A, C))
    assert os.listdir(linked(store, "web1")) == [A]
    assert done["msg"].startswith(f"linked store 'web1': {C} could not be linked: ")


def test_one_that_cannot_be_linked_keeps_nothing_from_the_others(store):
    os.chmod(store / B, 0o755)
    os.mkfifo(store / B / "pipe")
    done = bring(store, wanted("web1", B, A), wanted("web2", A))
    assert (
        done["msg"] == f"linked store 'web1': {B} could not be linked: something in it is no file, link or directory."
    )
    assert (os.listdir(linked(store, "web1")), os.listdir(linked(store, "web2"))) == ([A], [A])
    assert os.listdir(linked(store, "web1").parent) == ["implementations"]


def test_what_is_too_much_is_not_linked(store, monkeypatch):
    monkeypatch.setattr(linking, "BUDGET", 2)
    assert "too much is in it" in bring(store, wanted("web1", A))["msg"]
    assert os.listdir(linked(store, "web1").parent) == ["implementations"]


def test_a_folder_into_which_others_may_write_is_refused(store):
    (store.parent / "linked").mkdir()
    os.chmod(store.parent / "linked", 0o777)
    with pytest.raises(Failure, match="mode 0777"):
        bring(store, wanted("web1", A))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": "/srv/packages"}, "'/srv/packages' is not a store"),
        ({"stores": [wanted("../x")]}, "'../x' cannot name a linked store"),
        ({"stores": [wanted(".new-1")]}, "'.new-1' cannot name"),
        ({"absent": ["a/b"]}, "'a/b' cannot name"),
        ({"stores": [wanted("a", "../../etc")]}, "'../../etc' is not the name of an implementation"),
        ({"stores": [wanted("a"), wanted("a")]}, "'a' is listed twice"),
        ({"stores": [wanted("a")], "absent": ["a"]}, "'a' is listed twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(store, options, message):
    with pytest.raises(Failure, match=message):
        linking.run(Asked({"store": str(store), "stores": [], "absent": [], **options}))
    assert os.listdir(store.parent) == ["implementations"]
