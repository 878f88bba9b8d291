# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removing what is unused, where something happens meanwhile. tests/programs has a real store."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import record, removal, uses

NAMES = ["sha1new=" + digit * 40 for digit in "abc"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A store with three implementations that no program needs, and a record beside it."""
    store = tmp_path / "cache" / "0install.net" / "implementations"
    for name in NAMES:
        (store / name / "folder").mkdir(parents=True)
        (store / name / "folder" / "file").write_text("x", encoding="utf-8")
        (store / name / "folder").chmod(0o555)
        (store / name).chmod(0o555)
    (tmp_path / "known").mkdir()
    record.save(str(tmp_path / "known"), record.Record((), frozenset(NAMES)))
    monkeypatch.setattr(uses, "look", lambda names, folders=(): {})
    return tmp_path


def remove(place, check_mode=False, names=tuple(NAMES), unlinked=()):
    """What the module answers."""
    store = str(place / "cache" / "0install.net" / "implementations")
    params = {"path": str(place / "known"), "store": store, "names": list(names)}
    params.update(keep=10, arrangement="default", unsaved=False, unlinked=list(unlinked))
    return removal.run(Asked(params, check_mode))


def there(place):
    """What is in the store, and beside it."""
    above = place / "cache" / "0install.net"
    return sorted(path.name for path in (above / "implementations").iterdir()), sorted(
        path.name for path in above.iterdir()
    )


def test_what_begins_to_be_used_meanwhile_comes_back(place, monkeypatch):
    asked = []

    def look(names):
        asked.append(sorted(names))
        return {NAMES[1]: ["process 1 (x)"]} if len(asked) == 2 else {}

    monkeypatch.setattr(uses, "look", look)
    found = remove(place)
    assert [one["name"] for one in found["removed"]] == [NAMES[0], NAMES[2]]
    assert (found["used"], found["left"]) == ([{"name": NAMES[1], "by": ["process 1 (x)"]}], [])
    assert asked == [NAMES, NAMES]
    assert there(place) == ([NAMES[1]], ["implementations"])
    assert (place / "cache/0install.net/implementations" / NAMES[1] / "folder" / "file").read_text() == "x"


def test_what_cannot_be_removed_is_told_and_ends_with_the_next_run(place, monkeypatch):
    real = removal.removing.remove

    def fails(name, folder, budget=None):
        if name == NAMES[0]:
            raise OSError(5, "Input/output error")
        real(name, folder, budget)

    with monkeypatch.context() as patch:
        patch.setattr(removal.removing, "remove", fails)
        (left,) = remove(place)["left"]
    assert left["name"] == NAMES[0] and "implementations.removed/" in left["reason"]
    assert there(place) == ([], ["implementations", "implementations.removed"])
    assert remove(place)["left"] == []
    assert there(place) == ([], ["implementations"])


def test_what_is_used_and_cannot_go_back_is_kept_and_told(place, monkeypatch):
    asked = []

    def look(names):
        asked.append(names)
        return {NAMES[0]: ["process 1 (x)"]} if len(asked) == 2 else {}

    def full(*_names):
        raise OSError(28, "No space left on device")

    def move(move, store, aside, restore):
        return full() if restore else real(move, store, aside, restore)

    real = removal.quarantine._move
    monkeypatch.setattr(uses, "look", look)
    monkeypatch.setattr(removal.quarantine, "_move", move)
    found = remove(place)
    assert [one["name"] for one in found["left"]] == [NAMES[0]]
    assert (place / "cache/0install.net/implementations.removed" / NAMES[0] / "folder" / "file").read_text() == "x"


def test_what_else_is_in_the_folder_stays(place):
    folder = place / "cache" / "0install.net" / "implementations.removed"
    for name in ("my-backup", "sha1=junk"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o700)
    assert [one["name"] for one in remove(place)["removed"]] == NAMES
    assert sorted(path.name for path in folder.iterdir()) == ["my-backup", "sha1=junk"]


def test_check_mode_leaves_everything(place):
    before = there(place)
    assert [one["name"] for one in remove(place, check_mode=True)["removed"]] == NAMES
    assert there(place) == before


def test_without_a_record_nothing_goes(place):
    (place / "known" / "record.json").unlink()
    assert remove(place)["removed"] == []
    (place / "known" / "record.json").write_text("{}", encoding="utf-8")
    with pytest.raises(Failure, match="is no record"):
        remove(place)
    (place / "known").rename(place / "away")
    assert remove(place)["removed"] == []
    assert there(place)[0] == NAMES


def test_what_a_guest_sees_in_its_linked_store_stays(place):
    linked = place / "cache" / "0install.net" / "linked"
    for guest, name in (("web1", NAMES[0]), ("web2", NAMES[0]), ("web2", NAMES[1])):
        (linked / guest / "0install.net" / "implementations" / name).mkdir(parents=True)
    used = [{"name": NAMES[0], "by": ["the linked store web1", "the linked store web2"]}]
    gone = [{"name": "web2", "removed": [NAMES[1]]}]
    found = remove(place, check_mode=True, unlinked=gone)
    assert ([one["name"] for one in found["removed"]], found["used"]) == (NAMES[1:], used)
    found = remove(place, unlinked=gone)
    assert [one["name"] for one in found["removed"]] == NAMES[2:]
    assert found["used"] == [*used, {"name": NAMES[1], "by": ["the linked store web2"]}]
