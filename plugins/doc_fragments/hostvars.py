# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of an option that several filters have."""

from __future__ import annotations


class ModuleDocFragment:
    """The variables of an inventory."""

    DOCUMENTATION = r"""
options:
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
"""
