# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may change what is in a store: states of files in, findings out."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from types import SimpleNamespace

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import access_rights, verified_before

ROOT, SYSTEM, USER, OTHER = 0, 105, 1000, 1001
FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR


def state(mode, user, group):
    """The state of a file or a directory."""
    return os.stat_result((mode, 1, 1, 1, user, group, 0, 0, 0, 0))


@pytest.fixture
def access(monkeypatch):
    """Who may change what is in a store with this state."""
    users = [
        SimpleNamespace(pw_uid=number, pw_gid=number, pw_name=name)
        for number, name in ((ROOT, "root"), (SYSTEM, "zeroinst"), (USER, "ann"), (OTHER, "bob"))
    ]
    groups = [SimpleNamespace(gr_gid=user.pw_gid, gr_name=user.pw_name, gr_mem=[]) for user in users]
    groups.append(SimpleNamespace(gr_gid=50, gr_name="staff", gr_mem=["bob"]))

    def of(kind, key):
        def find(wanted):
            return {getattr(one, key): one for one in kind}[wanted]

        return find

    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(pwd, "getpwuid", of(users, "pw_uid"))
    monkeypatch.setattr(grp, "getgrgid", of(groups, "gr_gid"))

    def look(mode, user, group, kind="ext4"):
        monkeypatch.setattr(verified_before, "file_system", lambda _fd: kind)
        monkeypatch.setattr(access_rights.os, "fstat", lambda _fd: state(FOLDER | mode, user, group))
        return access_rights.access_of(3)

    return look


def reason(found, *arguments, attributes=()):
    finding = found.finding(state(*arguments), attributes)
    return finding.reason if finding else ""


@pytest.mark.parametrize("owner", [ROOT, SYSTEM])
def test_in_a_store_of_the_system_root_and_its_owner_may(access, owner):
    found = access(0o755, owner, owner)
    for user in (ROOT, owner):
        for mode in (0o444, 0o555, 0o644, 0o755, 0o700):
            assert reason(found, FILE | mode, user, user) == reason(found, FOLDER | mode, user, user) == ""
    for user in {ROOT, SYSTEM, USER} - {ROOT, owner}:
        assert reason(found, FILE | 0o444, user, user) == "owner"
    assert reason(found, FILE | 0o464, owner, owner) == "writable"
    assert reason(found, FOLDER | 0o775, owner, owner) == "writable"
    assert reason(found, FILE | 0o446, owner, owner) == "writable"
    assert reason(found, FOLDER | 0o1777, owner, owner) == "writable"


def test_in_a_user_s_store_the_group_that_the_user_has_alone_may(access):
    found = access(0o755, USER, USER)
    assert reason(found, FILE | 0o664, USER, USER) == ""
    assert reason(found, FILE | 0o664, USER, 50) == "writable"
    assert reason(found, FILE | 0o664, USER, USER, attributes=[access_rights.ACL]) == "writable"
    assert reason(found, FILE | 0o666, USER, USER) == "writable"
    assert reason(found, FILE | 0o444, OTHER, OTHER) == "owner"
    assert reason(found, FILE | 0o444, ROOT, ROOT) == ""


def test_where_a_group_may_write_the_store_its_members_may(access):
    found = access(0o2775, ROOT, 50)
    assert reason(found, FILE | 0o664, OTHER, 50) == reason(found, FOLDER | 0o775, ROOT, 50) == ""
    assert reason(found, FILE | 0o664, OTHER, OTHER) == "writable"
    assert reason(found, FILE | 0o444, USER, USER) == "owner"


def test_capabilities_are_nobody_s(access):
    found = access(0o755, ROOT, ROOT)
    assert reason(found, FILE | 0o555, ROOT, ROOT, attributes=["user.note", access_rights.CAPABILITY]) == "capabilities"
    assert reason(found, FILE | 0o555, ROOT, ROOT, attributes=["user.note", "security.selinux"]) == ""


@pytest.mark.parametrize("kind", ["vboxsf", "nfs4", "cifs", "9p", "fuse.sshfs", ""])
def test_where_somebody_else_says_who_may_nothing_is_said(access, kind):
    assert access(0o755, ROOT, ROOT, kind) is None


def test_a_user_without_an_account_is_one_too(access, monkeypatch):
    def nobody(_number):
        raise KeyError

    access(0o755, USER, USER)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    found = access(0o755, 64_999, 64_999)
    assert reason(found, FILE | 0o664, 64_999, 64_999) == ""
    assert reason(found, FILE | 0o444, USER, USER) == "owner"


def test_what_to_do_is_a_command_with_the_owner_of_the_store(access):
    found = access(0o755, SYSTEM, SYSTEM)
    assert found.finding(state(FILE | 0o444, USER, USER), ()).remedy % "P" == "chown -hR 105 P"
    assert found.finding(state(FILE | 0o446, SYSTEM, SYSTEM), ()).remedy % "P" == "chmod -R o-w P"
    assert found.finding(state(FILE | 0o464, SYSTEM, SYSTEM), [access_rights.ACL]).remedy % "P" == "chmod -R g-w P"
    capable = found.finding(state(FILE | 0o444, SYSTEM, SYSTEM), [access_rights.CAPABILITY])
    assert capable.remedy % "P" == "find P -type f -execdir setcap -q -r {} ';'"


def test_a_fingerprint_tells_who_is_in_the_group(access, monkeypatch):
    before = access(0o2775, ROOT, 50)
    assert before.fingerprint() == access(0o2775, ROOT, 50).fingerprint()
    others = [access(0o755, ROOT, 50), access(0o2775, SYSTEM, 50), access(0o2775, ROOT, USER)]
    monkeypatch.setattr(pwd, "getpwall", list)
    others.append(access(0o2775, ROOT, 50))
    assert len({found.fingerprint() for found in (before, *others)}) == 5
