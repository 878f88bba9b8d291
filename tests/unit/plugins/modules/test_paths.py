# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``paths``: what it puts in place, removes, refuses and leaves alone."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import sudo
from ansible_collections.zeroinstall.virtualbox.plugins.modules import paths

NOBODY = "no-such-user"


@pytest.fixture
def call(run_module):
    """Run the module: whether it failed, and its result."""

    def run(present=(), absent=(), check_mode=False):
        options = {"present": list(present), "absent": list(absent), "_ansible_check_mode": check_mode}
        return run_module(paths.main, **options)

    return run


def program(folder, status, said=""):
    """A program that writes what it is given into a file, and ends with this status."""
    path = folder / "validate"
    path.write_text(f'#!/bin/sh\necho "{said} $1"\ncat "$1" > {folder}/validated\nexit {status}\n')
    path.chmod(0o755)
    return str(path)


def everything(folder):
    """All that is in a folder: paths, modes, contents and targets."""
    return {
        str(path.relative_to(folder)): (
            oct(path.lstat().st_mode),
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def mode(path):
    """The permissions of what is at a path."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_and_folders_are_put_in_place_and_the_next_run_changes_nothing(call, tmp_path):
    place = tmp_path / "a b'\"\n" / "ü"
    present = [
        {"path": str(place), "state": "directory", "mode": "0700"},
        {"path": str(place / "--file"), "content": "text\n", "mode": "0440"},
        {"path": str(place / "plain"), "content": ""},
    ]
    failed, result = call(present)
    assert (failed, result["changed"]) == (False, True)
    created = [str(place.parent), *(item["path"] for item in present)]
    assert result["changes"] == {path: ["created"] for path in created}
    assert set(result) - {"diff", "changed"} == set(yaml.safe_load(paths.RETURN))
    assert (mode(place), mode(place.parent)) == (0o700, 0o755)
    assert ((place / "--file").read_text(), mode(place / "--file")) == ("text\n", 0o440)
    assert ((place / "plain").read_text(), mode(place / "plain")) == ("", 0o644)
    before = everything(tmp_path)
    assert call(present)[1]["changes"] == {}
    assert everything(tmp_path) == before


def test_drift_is_told_shown_in_check_mode_too_and_put_right(call, tmp_path):
    (tmp_path / "file").write_text("old\n")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "mode").write_text("same\n")
    (tmp_path / "folder").mkdir(mode=0o777)
    (tmp_path / "folder").chmod(0o777)
    present = [
        {"path": f"{tmp_path}/file", "content": "new\n", "mode": "644"},
        {"path": f"{tmp_path}/mode", "content": "same\n", "mode": "0755"},
        {"path": f"{tmp_path}/folder", "state": "directory", "mode": "0755"},
    ]
    before = everything(tmp_path)
    _failed, told = call(present, check_mode=True)
    assert everything(tmp_path) == before
    _failed, done = call(present)
    assert done["diff"] == told["diff"] and done["changes"] == told["changes"]
    assert list(done["changes"].values()) == [["content", "mode"], ["mode"], ["mode"]]
    assert (done["diff"][0]["before"], done["diff"][0]["after"]) == ("mode: 0600\nold\n", "mode: 0644\nnew\n")
    assert (done["diff"][2]["before"], done["diff"][2]["after"]) == ("mode: 0777\n", "mode: 0755\n")
    assert [mode(tmp_path / name) for name in ("file", "mode", "folder")] == [0o644, 0o755, 0o755]
    assert (tmp_path / "file").read_text() == "new\n"


def test_owner_and_mode_that_are_not_named_stay(call, tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o751)
    assert call([{"path": f"{tmp_path}/file", "content": "new"}])[1]["changes"] == {f"{tmp_path}/file": ["content"]}
    assert mode(tmp_path / "file") == 0o751


def test_an_owner_by_number_is_the_same_as_by_name(call, tmp_path):
    file = {"path": f"{tmp_path}/file", "content": "", "owner": str(os.geteuid()), "group": str(os.getegid())}
    assert call([file])[1]["changed"]
    assert not call([file])[1]["changed"]


def test_what_is_removed_and_what_stays(call, tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone/file").write_text("text\n")
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/other").touch()
    absent = [f"{tmp_path}/{name}" for name in ("gone/file", "gone/link", "gone", "kept", "none")]
    _failed, told = call(absent=absent, check_mode=True)
    assert (tmp_path / "gone/file").exists()
    _failed, done = call(absent=absent)
    assert list(done["changes"]) == list(told["changes"]) == absent[:3]
    assert done["diff"][0]["before"].endswith("text\n") and done["diff"][0]["after"] == ""
    assert sorted(everything(tmp_path)) == ["kept", "kept/other"]
    assert not call(absent=absent)[1]["changed"]


def test_a_validated_file_is_put_in_place(call, tmp_path):
    validate = [program(tmp_path, 0)]
    assert call([{"path": f"{tmp_path}/file", "content": "new", "validate": validate}], check_mode=True)[1]["changed"]
    assert not (tmp_path / "validated").exists()
    call([{"path": f"{tmp_path}/file", "content": "new", "validate": validate}])
    assert (tmp_path / "validated").read_text() == (tmp_path / "file").read_text() == "new"


def test_a_program_that_validates_is_to_be_there_even_where_the_file_is_right(call, tmp_path):
    (tmp_path / "file").write_text("right")
    failed, result = call([{"path": f"{tmp_path}/file", "content": "right", "validate": ["/no/such"]}])
    assert failed and "/no/such is missing, which is to validate" in result["msg"]


def test_where_one_file_is_refused_nothing_is_changed(call, tmp_path):
    (tmp_path / "first").write_text("old")
    validate = [program(tmp_path, 1, "line 1: wrong:")]
    present = [
        {"path": f"{tmp_path}/new/deep", "state": "directory"},
        {"path": f"{tmp_path}/first", "content": "new"},
        {"path": f"{tmp_path}/new/deep/file", "content": "new", "validate": validate},
    ]
    before = everything(tmp_path)
    failed, result = call(present)
    assert failed and f"{tmp_path}/new/deep/file was not written" in result["msg"]
    assert result["msg"].endswith(f"line 1: wrong: {tmp_path}/new/deep/file")
    assert everything(tmp_path) == {**before, "validated": everything(tmp_path)["validated"]}


def test_a_file_of_somebody_elses_is_kept_beside_the_new_one(call, tmp_path):
    (tmp_path / "file").write_text("theirs")
    _failed, result = call([{"path": f"{tmp_path}/file", "content": "ours, 1", "mark": "ours"}])
    (copy,) = result["kept"]
    with open(copy) as file:
        assert file.read() == "theirs"
    assert call([{"path": f"{tmp_path}/file", "content": "ours, 2", "mark": "ours"}])[1]["kept"] == []
    assert (tmp_path / "file").read_text() == "ours, 2"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"path": "a/b", "content": ""}, "path 'a/b' is not absolute: write it from '/' on"),
        ({"path": "{}/../b", "content": ""}, "is not normalised: write '"),
        ({"path": "{}/b\0", "content": ""}, "write it from '/' on"),
        ({"path": "{}/folder", "content": ""}, "{}/folder is a directory, where a file is to be. Move it away."),
        ({"path": "{}/link", "content": ""}, "{}/link is a symbolic link, where a file is to be. Move it away."),
        ({"path": "{}/link", "state": "directory"}, "{}/link is a symbolic link, where a directory is to be."),
        ({"path": "{}/none/file", "content": ""}, "{}/none/file cannot be written: there is no folder {}/none."),
        ({"path": "{}/new", "content": "", "owner": NOBODY}, "There is no user 'no-such-user', to whom {}/new"),
        ({"path": "{}/new", "content": "", "group": NOBODY}, "There is no group 'no-such-user', to whom {}/new"),
        ({"path": "{}/new", "content": "", "mode": "rw"}, "mode 'rw' of {}/new: write three or four octal digits"),
        ({"path": "{}/new", "content": "", "mode": "0o644"}, "mode '0o644'"),
        ({"path": "{}/new", "content": "", "validate": ["/no/such"]}, "/no/such is missing, which is to validate"),
        ({"path": "{}/new"}, "content"),
        ({"path": "{}/first", "content": ""}, "path {}/first is named twice."),
        ({"path": "{}/" + "n" * 300, "content": ""}, "cannot be reached: File name too long."),
    ],
)
def test_bad_input_is_refused_before_anything_is_touched(call, tmp_path, item, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    before = everything(tmp_path)
    item = {**item, "path": item["path"].format(tmp_path)}
    failed, result = call([{"path": f"{tmp_path}/first", "content": "first"}, item])
    assert failed and said.replace("{}", str(tmp_path)) in result["msg"], result
    assert everything(tmp_path) == before


def test_in_check_mode_a_user_who_is_missing_is_told(call, tmp_path):
    failed, result = call([{"path": f"{tmp_path}/new", "content": "", "owner": NOBODY}], check_mode=True)
    assert (failed, result["missing_users"]) == (False, [NOBODY])
    assert call([{"path": f"{tmp_path}/new", "content": ""}], check_mode=True)[1]["missing_users"] == []


@pytest.mark.parametrize("content", [b"x" * 102401, b"\0\xff\n"], ids=["large", "binary"])
def test_bytes_in_base64_are_written_and_shown_by_their_digest(call, tmp_path, content):
    item = {"path": f"{tmp_path}/file", "content": base64.b64encode(content).decode(), "base64": True}
    (diff,) = call([item])[1]["diff"]
    assert (tmp_path / "file").read_bytes() == content
    assert diff["after"] == f"({len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})\n"
    assert call([item])[1]["changes"] == {}


def test_what_is_no_base64_is_refused(call, tmp_path):
    failed, result = call([{"path": f"{tmp_path}/file", "content": "é", "base64": True}])
    assert failed and f"content of {tmp_path}/file is no base64" in result["msg"]


def test_a_full_disk_leaves_everything_as_it_was(call, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_text("old")
    before = everything(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    present = [{"path": f"{tmp_path}/new", "state": "directory"}, {"path": f"{tmp_path}/file", "content": "new"}]
    failed, result = call(present)
    assert (failed, result["msg"]) == (True, f"{tmp_path}/file cannot be written: No space left on device.")
    assert everything(tmp_path) == before


def test_sudo_is_asked_once_all_is_in_place(run_module, monkeypatch, tmp_path):
    """Also where nothing is to be changed; not where check mode leaves something out."""
    asked = []
    rule = {"program": "/p", "user": "u", "file": str(tmp_path / "drop-in")}
    options = {"present": [{"path": rule["file"], "content": "x"}], "sudo": rule}

    def problem(found):
        asked.append((found._asdict(), (tmp_path / "drop-in").exists()))
        return "it is not read"

    monkeypatch.setattr(sudo, "problem", problem)
    assert run_module(paths.main, **options, _ansible_check_mode=True)[0] is False
    assert asked == []
    failed, result = run_module(paths.main, **options)
    assert (failed, result["msg"], result["changed"]) == (True, "it is not read", True)
    assert asked == [(rule, True)]
    failed, result = run_module(paths.main, **options, _ansible_check_mode=True)
    assert (failed, result["msg"], result["changed"]) == (True, "it is not read", False)
    monkeypatch.setattr(sudo, "problem", lambda _rule: None)
    assert run_module(paths.main, **options)[0] is False


def test_what_is_new_gets_the_default_context_of_selinux(call, tmp_path, monkeypatch):
    labelled = []
    monkeypatch.setattr(
        basic.AnsibleModule, "set_default_selinux_context", lambda _module, path, _changed: labelled.append(path)
    )
    folder, file = str(tmp_path / "folder"), str(tmp_path / "folder" / "file")
    present = [{"path": folder, "state": "directory"}, {"path": file, "content": "one"}]
    call(present, check_mode=True)
    assert labelled == []
    call(present)
    assert labelled == [folder, file]
    call([*present[:1], {"path": file, "content": "two"}])
    assert labelled == [folder, file]


@pytest.mark.parametrize("name", ["4294967295", "4294967296", "9" * 30, "a\0b"])
@pytest.mark.parametrize("what", ["owner", "group"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_no_user_or_group_is_refused_and_leaves_nothing(call, tmp_path, what, name, check_mode):
    present = [{"path": f"{tmp_path}/f", "content": "x", what: name}]
    failed, told = call(present=present, check_mode=check_mode)
    assert failed and f"{what} {name!r} of {tmp_path}/f is none" in told["msg"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_folder_into_which_something_is_put_stays(call, tmp_path, check_mode):
    (tmp_path / "e").mkdir()
    (tmp_path / "old").touch()
    present = [{"path": f"{tmp_path}/e/y", "content": "a"}]
    failed, told = call(present=present, absent=[f"{tmp_path}/e", f"{tmp_path}/old"], check_mode=check_mode)
    assert not failed and list(told["changes"]) == [f"{tmp_path}/e/y", f"{tmp_path}/old"]
    if not check_mode:
        assert sorted(everything(tmp_path)) == ["e", "e/y"]
