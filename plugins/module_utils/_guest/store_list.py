# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero Install's own list of stores, implementation-dirs, in which a guest's mounts are. Pure."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import wanted_mounts


def change_store_list(
    text: str, wanted: Sequence[wanted_mounts.Mount], remembered_lines: Sequence[str]
) -> tuple[str, list[str]]:
    """New text of Zero Install's ``implementation-dirs``, and which of its lines are ours after it.

    A store where Zero Install looks anyway needs no line. ``remembered_lines``: those that were ours before.
    """
    needed = [mount.path for mount in wanted if mount.store and mount.path != _names.SYSTEM_STORE]
    kept = [line for line in text.split("\n") if line in needed or line not in remembered_lines]
    new = "\n".join(kept)
    missing = [path for path in needed if path not in kept]
    if missing and new and not new.endswith("\n"):
        new += "\n"
    return new + "".join(path + "\n" for path in missing), [
        path for path in needed if path in missing or path in remembered_lines
    ]
