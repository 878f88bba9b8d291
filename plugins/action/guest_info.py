# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``guest_info``, whose answer is cleaned. A guest that must not be asked is refused without a connection."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._action import CleanAction
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import plain


class ActionModule(CleanAction):
    """What Ansible looks for here."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """The guest's answer, or the reason why it is not asked."""
        reason = self._task.args.get("refuse")
        return {"failed": True, "msg": plain(str(reason))} if reason else super().run(tmp, task_vars)
