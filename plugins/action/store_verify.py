# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_verify``, with lines that tell how far it is."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.progress import Progress
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._background import BackgroundAction, sizes


class ActionModule(BackgroundAction):
    """What Ansible looks for here."""

    remedy = ", and whether the store's disk answers"

    def line(self, progress: Progress) -> str:
        """What is shown of the progress."""
        return f"verified {progress.done} of {progress.total} implementations, {sizes(progress)}"
