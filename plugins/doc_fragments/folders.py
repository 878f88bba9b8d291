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
      - The folders that this host shares. With them, the module recognizes writable shares of this collection that have
        lost their mark. It also finds shares that somebody else set up and that give a guest the same folders.
      - A share belongs to this collection if it shares the store under the name V(NAME) or V(NAME-trusted), the store
        of a group under V(NAME-guests-GROUP), or a box under V(NAME-box).
      - V(~/) at the beginning of a path is the home of the user who runs the module.
    type: dict
    suboptions:
      names:
        description:
          - The names that V(NAME) may stand for, if a share has lost its mark. The names of listed shares and of marked
            ones count, too.
        type: list
        elements: str
        default: [ZeroInstall]
      store:
        description: Path of the store that the host shares.
        type: str
        default: ""
      groups:
        description: Folder with the stores of groups of guests.
        type: str
        default: ""
      boxes:
        description: Folder with the guests' boxes.
        type: str
        default: ""
      arrangement:
        description:
          - Name of the arrangement to which shares of this collection belong. It has 1 to 32 letters, digits, V(.),
            V(_) and V(-), and is not V(1).
          - Give each of several inventories that manage one host an arrangement of its own. The mark of a share names
            its arrangement. The module never corrects or removes a share of another arrangement.
          - If a machine only has marks of other arrangements, a share of it without a mark does not belong to this
            arrangement. A box belongs to the arrangement that its folder names, which is V(default) for V(GUEST), and
            V(ARRANGEMENT) for V(ARRANGEMENT@GUEST).
        type: str
        default: default
"""
