# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel modules that a guest loads at boot, by modules-load.d(5). Pure."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names

MODULES_LOAD = "/etc/modules-load.d/zeroinstall.virtualbox.conf"
MODULES_LOAD_TEXT = f"# VirtualBox shared folders. Written by the Ansible collection {_names.MARK}.\nvboxsf\n"


def modules(text: str, whole_lines: bool) -> list[str]:
    """The modules that a file of modules-load.d(5), or /etc/modules, has loaded at boot.

    systemd takes a whole line for a name; with ``whole_lines`` false, options may follow it, as other inits have it.
    """
    lines = [line.strip() for line in text.split("\n")]
    names = [line for line in lines if line and line[0] not in "#;"]
    return names if whole_lines else [line.split()[0] for line in names]
