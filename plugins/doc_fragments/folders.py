# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By what the modules that read shares know those of this collection."""

from __future__ import annotations


class ModuleDocFragment:
    """The option C(folders)."""

    DOCUMENTATION = r"""
options:
  folders:
    description:
      - What this host shares. By that, writable shares of this collection are known whose mark is lost, and other
        shares are found that give a guest the same.
      - Of a store, a share is this collection's with the name V(NAME) or V(NAME-trusted); of the store of a group,
        with V(NAME-guests-GROUP); of a box, with V(NAME-box).
    type: dict
    suboptions:
      names:
        description:
          - What V(NAME) may be where only the name tells that a share is this collection's. The names of shares that
            are wanted and of marked ones count, too.
        type: list
        elements: str
        default: [ZeroInstall]
      store:
        description: Path of the store that the host shares.
        type: str
        default: ""
      groups:
        description: Folder of the stores that groups of guests share.
        type: str
        default: ""
      boxes:
        description: Folder of the guests' boxes.
        type: str
        default: ""
"""
