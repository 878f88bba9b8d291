# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of a guest's own distribution, as the guest's own 0install finds them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from typing import Any, Mapping

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import feeds, xml_trees

_DATABASES = {
    "Debian": ("/var/lib/dpkg/status",),
    "RPM": ("/var/lib/rpm", "/usr/lib/sysimage/rpm"),
    "Arch": ("/var/lib/pacman",),
    "Gentoo": ("/var/db/pkg",),
}
"""Where the package managers have their lists, by the names that feeds give to families of distributions."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_:-]*", re.ASCII)
_PATIENCE = 300
_TOLD = 1000


class NotInstalled(Exception):
    """The guest has no package that will do. The message is 0install's."""


def family() -> str:
    """The name that feeds give to this machine's family of distributions; empty for one that is not known."""
    found = [name for name, paths in _DATABASES.items() if any(map(os.path.exists, paths))]
    return found[0] if found else ""


def package_names(feed: str, family_name: str) -> list[str]:
    """The packages of a family of distributions that a feed names."""
    named = [
        element.get("package", "")
        for element in feeds.packages(xml_trees.read(feed.encode("utf-8")))
        if family_name in element.get("distributions", family_name).split()
    ]
    return [name for name in dict.fromkeys(named) if _NAME.fullmatch(name)]


def command_paths(program: str, package: Mapping[str, Any]) -> dict[str, str]:
    """The paths of a package's commands, if the guest has it in a version that will do.

    Args:
        program: 0install.
        package: its ``commands``, the expressions of ``versions`` that all have to hold, and its ``feed``.

    NotInstalled: the guest has no such package. Failure: 0install cannot be asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "package.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(package["feed"])
        found = {}
        for command in package["commands"] or [""]:
            for version in package["versions"] or [""]:
                options = [f"--command={command}", *([f"--version={version}"] if version else [])]
                document = _asked([program, "select", "--offline", "--console", "--xml", *options, path], folder)
                for element in xml_trees.named(xml_trees.read(document), "command"):
                    found[element.get("name", "")] = element.get("path", "")
    for name, place in found.items():
        if not os.path.exists(place):
            raise NotInstalled(f"the package has no {place}, which is to be its command {name}")
    return found


def _asked(command: list[str], folder: str) -> bytes:
    variables = {
        "PATH": _names.SEARCH_PATH,
        "LC_ALL": "C.UTF-8",
        **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), folder),
    }
    try:
        # AnsibleModule.run_command has no time-out.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, capture_output=True, env=variables, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not answer for {_PATIENCE} s.") from None
    except OSError as error:
        raise Failure(f"0install was not found as '{command[0]}' ({error.strerror}).") from error
    if done.returncode:
        raise NotInstalled(" ".join(done.stderr.decode("utf-8", "replace").split())[:_TOLD])
    return done.stdout
