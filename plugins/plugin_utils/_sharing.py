# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two files by which the users of a machine add packages to a store: a helper, and a rule of sudo for it."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs

_HELPER = """\
#!/bin/sh
# Ansible managed: zeroinstall.virtualbox.sharing
exec sudo -S -u {user} {program} "$@" < /dev/null
"""
_SUDOERS = """\
# Ansible managed: zeroinstall.virtualbox.sharing
Defaults>{user} env_reset,always_set_home
ALL ALL=({user}) NOPASSWD: {program}
"""


class Sharing(t.NamedTuple):
    """Which ``program`` every user may run as which ``user``, and the paths of the files that make it so."""

    user: str
    program: str
    helper: str
    sudoers: str

    def files(self) -> list[dict[str, t.Any]]:
        """The files as the module ``paths`` takes them."""
        names = {"user": self.user, "program": self.program}
        root = {"owner": "root", "group": "root"}
        return [
            {"path": self.sudoers, "content": _SUDOERS.format(**names), **root, "mode": "0440",
             "validate": ["/usr/sbin/visudo", "-cf"]},
            {"path": self.helper, "content": _HELPER.format(**names), **root, "mode": "0755", "mark": _names.MARK},
        ]  # fmt: skip

    def rule(self) -> dict[str, str]:
        """What sudo then has to allow, as the module ``paths`` takes it."""
        return {"program": self.program, "user": self.user, "file": self.sudoers}


def is_there(file: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any] | None) -> bool:
    """Whether a file that is wanted is at its path, by what the module ``paths_info`` tells of it."""
    kept = {name: file[name] for name in ("owner", "group", "mode")}
    return found == {"kind": "file", "sha256": _programs.sha256(file["content"]), **kept}
