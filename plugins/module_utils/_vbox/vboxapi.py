# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VirtualBox through its Python API, for the one thing that VBoxManage cannot do.

A running machine's permanent shares can be added and removed at once, since a shared lock is enough for it. The API
is part of VirtualBox's packages, but works only with the Python that it was built for.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Share
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import CommandFailed

POLICIES = {
    "none": "None",
    "forbidden": "Forbidden",
    "subtree": "AllowedInShareSubtree",
    "relative": "AllowedToRelativeTargets",
    "any": "AllowedToAnyTarget",
}
"""Names of the symlink policies here and in VirtualBox's ``SymlinkPolicy``."""


class Live:
    """The permanent shares of running machines. ``commands`` collects the calls that change something."""

    def __init__(self) -> None:
        """Fails with ImportError where this Python has no VirtualBox API."""
        self.commands: list[list[str]] = []
        with contextlib.redirect_stdout(sys.stderr):
            try:
                import vboxapi

                self._manager: Any = vboxapi.VirtualBoxManager(None, None)
            except Exception as error:
                raise ImportError(f"VirtualBox's Python API: {error}") from error

    def close(self) -> None:
        """Lets go of VirtualBox."""
        self._manager.deinit()

    def replace(self, uuid: str, before: Share | None, after: Share | None) -> None:
        """Remove the share ``before`` and add ``after``; either may be None. On failure ``before`` is put back."""
        name = next(share.name for share in (after, before) if share)
        constants = self._manager.constants
        try:
            session = self._manager.getSessionObject()
            self._manager.getVirtualBox().findMachine(uuid).lockMachine(session, constants.LockType_Shared)
            try:
                if before:
                    self._remove(session.machine, uuid, before)
                try:
                    if after:
                        self._add(session.machine, uuid, after)
                except Exception:
                    if before:
                        self._add(session.machine, uuid, before)
                    raise
                finally:
                    session.machine.saveSettings()
            finally:
                session.unlockMachine()
        except Exception as error:
            raise CommandFailed(
                "VirtualBox's API on machine {}, share '{}': {}".format(
                    uuid, name, getattr(error, "msg", None) or error
                )
            ) from error

    def _remove(self, machine: Any, uuid: str, share: Share) -> None:
        machine.removeSharedFolder(share.name)
        self.commands.append(["vboxapi", "removeSharedFolder", uuid, share.name])

    def _add(self, machine: Any, uuid: str, share: Share) -> None:
        machine.createSharedFolder(share.name, share.path, share.writable, share.automount, share.mount_point)
        self.commands.append(
            [
                "vboxapi",
                "createSharedFolder",
                uuid,
                share.name,
                share.path,
                "writable" if share.writable else "read-only",
            ]
        )
        if share.symlink_policy != "none":
            policy = getattr(self._manager.constants, "SymlinkPolicy_" + POLICIES[share.symlink_policy])
            folders = self._manager.getArray(machine, "sharedFolders")
            next(folder for folder in folders if folder.name == share.name).symlinkPolicy = policy
