# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_info``, whose answer is cleaned."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._action import CleanAction


class ActionModule(CleanAction):
    """What Ansible looks for here."""
