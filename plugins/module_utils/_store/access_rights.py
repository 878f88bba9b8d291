# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may change or abuse what is in a store, beside the users that the store's own owner and mode admit."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verified_before

FILE_SYSTEMS = (*verified_before.FILE_SYSTEMS, "tmpfs", "overlay", "zfs", "bcachefs", "jfs", "reiserfs")
"""File systems on which owners and modes are what this kernel enforces, and not what somebody else or a mount says."""
ACCOUNTS = 1000
"""Users below are the system's: a store of theirs is for all users."""
CAPABILITY, ACL = "security.capability", "system.posix_acl_access"


class Finding(NamedTuple):
    """What lets others change or abuse something: a code, what it is, and the command that takes it away.

    The command has a ``%s`` in place of the quoted path of the implementation.
    """

    reason: str
    what: str
    remedy: str


class Access(NamedTuple):
    """The owner of a store, the users who may own what is in it, and the groups that may write it."""

    owner: int
    owners: frozenset[int]
    groups: frozenset[int]

    def fingerprint(self) -> str:
        """What tells it from others: a change of who is in a group shows here."""
        found = [self.owner, sorted(self.owners), sorted(self.groups)]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    def finding(self, status: os.stat_result, attributes: Sequence[str]) -> Finding | None:
        """What is wrong with the owner, the mode and the extended attributes of a file or directory."""
        mode = stat.S_IMODE(status.st_mode)
        if mode & stat.S_IWOTH:
            return Finding("writable", f"can be written by everybody (mode {mode:04o})", "chmod -R o-w %s")
        if mode & stat.S_IWGRP and (status.st_gid not in self.groups or ACL in attributes):
            who = "users or groups in its ACL" if ACL in attributes else f"group {status.st_gid}"
            # In a file with an ACL, it is the mask that loses the bit.
            return Finding("writable", f"can be written by {who} (mode {mode:04o})", "chmod -R g-w %s")
        if status.st_uid not in self.owners:
            what = f"belongs to user {status.st_uid}, who can change it"
            return Finding("owner", what, f"chown -hR {self.owner} %s")
        if CAPABILITY in attributes:
            remedy = "find %s -type f -execdir setcap -q -r {} ';'"
            return Finding("capabilities", "gives capabilities to whoever runs it", remedy)
        return None


def access_of(store: int) -> Access | None:
    """Who may own and write what is in an open store; None where its file system does not say who may."""
    if verified_before.file_system(store) not in FILE_SYSTEMS:
        return None
    status = os.fstat(store)
    owners = {0, status.st_uid}
    groups: set[int] = set()
    if status.st_mode & stat.S_IWGRP:
        groups.add(status.st_gid)
        owners |= _members(status.st_gid)
    elif status.st_uid >= ACCOUNTS:
        groups.add(_own_group(status))
    return Access(status.st_uid, frozenset(owners), frozenset(groups))


def attributes_of(fd: int) -> Sequence[str]:
    """The names of the extended attributes of an open file; none where there can be none."""
    try:
        return os.listxattr(fd)
    except OSError:
        return ()


def _members(group: int) -> set[int]:
    import grp
    import pwd

    try:
        names = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        names = set()
    return {user.pw_uid for user in pwd.getpwall() if user.pw_gid == group or user.pw_name in names}


def _own_group(status: os.stat_result) -> int:
    """The group that a user has for itself alone, as it is usual; -1 if there is none."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(status.st_uid)
    except KeyError:
        return status.st_gid
    try:
        return user.pw_gid if grp.getgrgid(user.pw_gid).gr_name == user.pw_name else -1
    except KeyError:
        return user.pw_gid
