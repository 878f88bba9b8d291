# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all modules do alike: they hand their options to the code below, and give Ansible its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Asked(NamedTuple):
    """What a module is asked: its options, whether it is only to tell, and who hears of warnings."""

    params: Mapping[str, Any]
    check_mode: bool = False
    warn: Callable[[str], None] = lambda text: None


def answer(module: AnsibleModule, run: Callable[[Asked], Mapping[str, Any]]) -> None:
    """Give Ansible the result of ``run``, and end. The module fails at a Failure, and if the result has a ``msg``."""
    try:
        result = run(Asked(module.params, module.check_mode, module.warn))
    except Failure as failure:
        result = {"msg": str(failure)}
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)
