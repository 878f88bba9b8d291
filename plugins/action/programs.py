# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``programs``, with lines that tell how far it is."""

from __future__ import annotations

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.progress import Progress
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._background import BackgroundAction, sizes


class ActionModule(BackgroundAction):
    """What Ansible looks for here."""

    def wants_progress(self) -> bool:
        """Check mode downloads nothing, and neither does a run that forgets."""
        return not self._task.check_mode and self._task.args.get("state", "present") == "present"

    def line(self, progress: Progress) -> str:
        """What is shown of the progress. Its bytes are those of the program that is downloaded now."""
        done = f"{progress.done} of {progress.total} programs are done"
        return (
            f"{done}. Of the next one came {sizes(progress)}"
            if progress.bytes_total
            else f"{done}, choosing the next one"
        )
