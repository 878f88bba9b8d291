# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``zeroinstall.virtualbox.guest_plan``."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity, _programs
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import harmless
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._sharing import Sharing, is_there

DOCUMENTATION = r"""
name: guest_plan
short_description: Say what is to be done in a guest by what was read of it
version_added: 0.2.0
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
description:
  - Compares what a guest has with what its mode means for it, and says which steps of the role C(cache_guest) it needs.
  - If the guest's host was part of this run, refuses a guest whose hardware UUID is not that of its machine.
options:
  _input:
    description: The guest, as RV(zeroinstall.virtualbox.guest_info#module:guest) has it.
    type: dict
    required: true
  arrangement:
    description: What the guest's mode means for it, by P(zeroinstall.virtualbox.arrangement#filter).
    type: dict
    required: true
  settings:
    description:
      - C(name), the guest's inventory name; C(machine), C(mode) and C(zero_install), as the role's variables have them.
      - C(program), the path of the program that sends packages to the host; C(pythons), the interpreters that Ansible
        may use.
      - C(user), C(store), C(helper), C(sudoers) and C(secure_add), as the role C(sharing) has them for the guest's own
        store.
    type: dict
    required: true
  hostvars:
    description:
      - The variables of all hosts, C(hostvars). The filter reads from them what the guest's host answered in this run.
      - Without this option, the filter does not look which machine the guest is.
    type: dict
"""

EXAMPLES = r"""
- name: See whether a guest needs anything
  ansible.builtin.debug:
    msg: >-
      {{ cache_guest_info.guest | zeroinstall.virtualbox.guest_plan(arrangement=cache_guest_wanted,
      settings=cache_guest_settings) }}
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:problem), why nothing can be done and what to do, or empty; RV(ignore:right), whether the role only has
      to compare the mounts.
    - RV(ignore:package), the package of Zero Install that is to be installed, or empty; RV(ignore:unmount), whether the
      shares of this collection are to be unmounted before.
    - RV(ignore:create_user), whether the user who owns the guest's packages is missing.
    - RV(ignore:program), the files of the program that sends packages to the host, if the role has to write them;
      RV(ignore:remove_program), whether the role has to remove that program.
    - RV(ignore:share), whether sharing is to be set up for the program RV(ignore:secure_add) and the guest's own store
      RV(ignore:store), which is empty where packages go to the host; RV(ignore:unshare), whether it is to be undone;
      RV(ignore:sharing_problem), why sudo does not allow it although all is in place, or empty.
  type: dict
"""

_FILE = {"owner": "root", "group": "root", "mode": "0755"}


class _Guest:
    """A guest beside what its mode wants of it."""

    def __init__(
        self, guest: t.Mapping[str, t.Any], arrangement: t.Mapping[str, t.Any], settings: t.Any, hostvars: t.Any
    ) -> None:
        self.found = guest
        self.listed = (
            _identity.answered(Inventory(hostvars), arrangement["host"], "listed") if hostvars is not None else ()
        )
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
            product = found["virtualbox"]["product"] or "nothing"
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
    hostvars: t.Any = None,
) -> dict[str, t.Any]:
    """What is to be done in a guest."""
    try:
        return _plan(_Guest(guest, arrangement, settings, hostvars))
    except (AttributeError, KeyError, TypeError):
        errors = guest.get("errors")
        return _refused(f"What {settings['name']} says of itself is not all that is needed: {errors}.")


def _plan(guest: _Guest) -> dict[str, t.Any]:
    problem = guest.problem()
    if problem:
        return _refused(problem)
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
    return {"problem": "", "right": not any(steps.values()), **steps, **how}


def _refused(problem: str) -> dict[str, t.Any]:
    """Where nothing can be done."""
    return {"problem": problem, "right": False}


class FilterModule:
    """The collection's filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name and function."""
        return {"guest_plan": harmless(guest_plan)}
