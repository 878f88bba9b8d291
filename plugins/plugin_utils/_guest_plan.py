# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done in a guest, by what was read of it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity, _programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._sharing import Sharing, is_there

LONGEST = 1000
"""Characters of what a guest says that a message has."""
_FILE = {"owner": "root", "group": "root", "mode": "0755"}


class _Guest:
    """A guest beside what its mode wants of it."""

    def __init__(
        self,
        guest: t.Mapping[str, t.Any],
        arrangement: t.Mapping[str, t.Any],
        settings: t.Mapping[str, t.Any],
        listed: t.Any,
    ) -> None:
        self.found = guest
        self.listed = listed
        self.settings = settings
        self.mounts = arrangement["mounts"]
        self.helper = arrangement["helper"]
        self.adds = self.helper != "none"
        self.sharing = guest["sharing"]

    @property
    def needs_zero_install(self) -> bool:
        """Whether it is wanted and not there."""
        return self.settings["zero_install"] == "present" and self.found["zero_install"]["0install"] is None

    @property
    def secure_add(self) -> str:
        """What checks a package and adds it."""
        return str(self.settings["program" if self.helper == "box" else "secure_add"])

    @property
    def store(self) -> str:
        """The guest's own store, to which packages are added; none where a share takes them."""
        return "" if any(mount.get("writable") for mount in self.mounts) else str(self.settings["store"])

    def problem(self) -> str:
        """Why nothing can be done, or empty."""
        name, found = self.settings["name"], self.found
        if not found["virtualbox"]["guest"]:
            product = str(found["virtualbox"]["product"] or "nothing")[:LONGEST]
            return (
                f"{name} is no VirtualBox guest: it has no VirtualBox device and calls itself '{product}'. Correct the"
                " inventory: this role is for guests."
            )
        uuid = found["virtualbox"].get("uuid")
        other = _identity.refusal(name, self.settings.get("machine", ""), self.listed, uuid)
        if other:
            return other
        if found["additions"]["problem"] is not None:
            return str(found["additions"]["problem"])
        if self.needs_zero_install and found["zero_install"]["package"] is None:
            return (
                f"{name} has no Zero Install, and its distribution has no package of it. Install it as"
                " https://get.0install.net/#linux says, or leave it out with cache_guest_zero_install: ignored."
            )
        if self.adds and not self.sharing["sudo"]:
            mode = self.settings["mode"]
            by = "with cache_guest_sharing: true" if mode == "readonly" else f"in mode {mode}"
            return (
                f"{name} has no sudo, by which its users add packages {by}. Install the package sudo, or choose"
                " cache_guest_mode: readonly without cache_guest_sharing."
            )
        return ""

    def program(self) -> list[dict[str, t.Any]]:
        """What hands packages to the host, if it is wanted and not there."""
        if self.helper != "box":
            return []
        path = self.settings["program"]
        has_python = self.found["paths"].get(_programs.PYTHON) is not None
        text = _programs.secure_add(_programs.interpreter(has_python, *self.settings["pythons"]))
        file = {"path": path, "content": text, **_FILE}
        if is_there(file, self.found["paths"][path]):
            return []
        return [{"path": os.path.dirname(path), "state": "directory", **_FILE}, file]

    def shares(self) -> bool:
        """Whether users share as wanted. A helper of somebody else's is as good where the store is the guest's own."""
        sharing, settings = self.sharing, self.settings
        if not sharing["user"] or (self.store and not sharing["store"]):
            return False
        wanted = Sharing(settings["user"], self.secure_add, settings["helper"], settings["sudoers"])
        if all(is_there(file, self.found["paths"][file["path"]]) for file in wanted.files()):
            return True
        others = not sharing["ours"] and sharing["helper"] is not None and sharing["sudoers"]
        return self.helper == "own" and bool(others)


def guest_plan(
    guest: t.Mapping[str, t.Any],
    arrangement: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    listed: t.Any = (),
) -> dict[str, t.Any]:
    """What is to be done in a guest, as the module ``guest_plan`` returns it but for the mounts, or ``problem`` alone.

    ``guest`` is as the module ``guest_info`` has it, ``arrangement`` as the filter ``arrangement`` has it, and
    ``listed`` what the guest's host answered in this run about its machines.
    ``settings``: ``name``, the guest's inventory name; ``machine``, ``mode`` and ``zero_install``, as the role's
    variables have them; ``program``, the path of the program that sends packages to the host; ``pythons``, the
    interpreters that Ansible may use; ``user``, ``store``, ``helper``, ``sudoers`` and ``secure_add``, as the role
    ``sharing`` has them for the guest's own store.
    """
    try:
        return _plan(_Guest(guest, arrangement, settings, listed))
    except (AttributeError, KeyError, TypeError):
        errors = str(guest.get("errors"))[:LONGEST]
        return {"problem": f"What {settings['name']} says of itself is not all that is needed: {errors}."}


def _plan(guest: _Guest) -> dict[str, t.Any]:
    problem = guest.problem()
    if problem:
        return {"problem": problem}
    entries = guest.found["fstab"]["entries"]
    sharing, shares = guest.sharing, guest.adds and guest.shares()
    steps = {
        "package": guest.found["zero_install"]["package"] if guest.needs_zero_install else "",
        "unmount": guest.needs_zero_install and any(entry["ours"] for entry in entries),
        "create_user": guest.adds and not sharing["user"],
        "program": guest.program(),
        "remove_program": guest.helper != "box" and guest.found["paths"][guest.settings["program"]] is not None,
        "share": guest.adds and not shares,
        "unshare": not guest.adds and sharing["ours"],
        "sharing_problem": (sharing["problem"] or "") if shares else "",
    }
    how = {"secure_add": guest.secure_add, "store": guest.store}
    return {"right": not any(steps.values()), **steps, **how}
