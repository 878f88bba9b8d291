# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options and attributes of modules that tell how far they are."""

from __future__ import annotations


class ModuleDocFragment:
    """What a module has whose action is a ``BackgroundAction``."""

    DOCUMENTATION = r"""
options:
  progress:
    description:
      - Seconds between two lines that tell how far a long run is.
      - They appear in the output of C(ansible-playbook). With a callback that prints JSON, use V(0).
      - V(0) shows no such lines. Then the module need not run in the background, which needs a writable
        C(ansible_async_dir).
    type: float
    default: 10
  progress_file:
    description:
      - A file with a JSON object that says how far the run is. The module replaces it about once a second, and at the
        end, also in check mode. Its path is absolute. If you remove the file meanwhile, the run ends.
      - With O(progress), the default is a file in C(ansible_async_dir), which is removed at the end.
    type: path
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the
      controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details: Then the module shows no progress.
"""
