# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between versions of ansible-core.

``requires_ansible`` in ``meta/runtime.yml`` makes Ansible warn, and go on. So each filter and action calls ``check``.
Ansible would only call it unknown if it failed earlier, when it is loaded.
"""

from __future__ import annotations

import re
import typing as t

from ansible import template
from ansible.errors import AnsibleError
from ansible.release import __version__
from ansible.utils.unsafe_proxy import wrap_var

T = t.TypeVar("T")

OLDEST = (2, 16)
"""As in ``requires_ansible``."""


def check(version: str = __version__) -> None:
    """AnsibleError if this version of ansible-core is too old."""
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise AnsibleError(
            f"The collection zeroinstall.virtualbox needs ansible-core {needed} or later, and this is {version}."
            " Upgrade ansible-core, such as by: python3 -m pip install --upgrade ansible-core"
        )


def no_template(value: T) -> T:
    """The value, in which Ansible takes no text for a template, whoever wrote it.

    Since ansible-core 2.19 a text is a template only where it is marked as one. Before, it is unless it is marked.
    """
    harmless: T = value if hasattr(template, "trust_as_template") else wrap_var(value)
    return harmless
