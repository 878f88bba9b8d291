# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that talk to VirtualBox need and take."""

from __future__ import annotations


class ModuleDocFragment:
    """Shared options and requirements of the host's modules."""

    DOCUMENTATION = r"""
requirements:
  - VirtualBox 6.0 or later on the host
options:
  vboxmanage:
    description:
      - Name or path of the VBoxManage program.
    type: str
    default: VBoxManage
"""
