# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``guest_plan``: reads a guest by the module ``guest_info``, and says what is to be done in it."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.zeroinstall.virtualbox.plugins.filter.arrangement import arrangement
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _identity, _modes, _programs, _roles
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._action import CleanAction
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import plain
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._explained import explained
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._guest_plan import guest_plan
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

OPTIONS: dict[str, dict[str, t.Any]] = {
    "program": {"type": "str", "required": True},
    "bad_versions": {"type": "list", "elements": "str", "default": []},
}
ROLE, SHARING = "cache_guest", "sharing"
"""The role whose variables are read, and the one for the guest's own store, of which they are read, too."""
_INTERPRETER = "ansible_python_interpreter"


class ActionModule(CleanAction):
    """Runs ``guest_info``. Nothing is asked of a guest whose variables are wrong.

    It reads the variables of the roles by itself, for Ansible compiles each template by which a task hands one over.
    """

    _supports_async = False
    name = "guest_info"
    options = ("minimum_version", "bad_versions")

    def _run(
        self, tmp: str | None, task_vars: dict[str, t.Any] | None, module_args: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        variables = task_vars or {}
        _checked, options = self.validate_argument_spec(OPTIONS)
        program = options["program"]
        said = self._said(variables)
        name, hostvars = variables["inventory_hostname"], variables["hostvars"]
        problem = _roles.wrong(
            ROLE, {variable: said[variable] for variable in _roles.options(ROLE) if variable in said}
        )
        if problem:
            return {"failed": True, "msg": plain(f"{name}: {problem}")}
        ours = {**_roles.defaults(SHARING), **_roles.defaults(ROLE), **said}
        wanted = explained(arrangement)(
            name,
            hostvars=hostvars,
            **{variable.removeprefix("cache_guest_"): ours[variable] for variable in (_modes.HOST, *_modes.VARIABLES)},
            sharing=boolean(ours["cache_guest_sharing"]),
            options=ours["cache_guest_mount_options"],
            explain=True,
        )
        if "problem" in wanted:
            return {"failed": True, "msg": plain(wanted["problem"])}
        result = super()._run(
            tmp,
            variables,
            {
                "minimum_version": ours["cache_guest_minimum_version"],
                "bad_versions": options["bad_versions"],
                "sudoers": ours["sharing_sudoers"],
                "paths": [ours["sharing_helper"], ours["sharing_sudoers"], program, _programs.PYTHON],
            },
        )
        if result.get("failed"):
            return result
        settings = {
            "name": name,
            "program": program,
            "pythons": self._pythons(variables, result),
            **{option: ours[f"cache_guest_{option}"] for option in ("machine", "mode", "zero_install")},
            **{option: ours[f"sharing_{option}"] for option in ("user", "store", "helper", "sudoers", "secure_add")},
        }
        listed = _identity.answered(Inventory(hostvars), wanted["host"], "listed")
        plan = guest_plan(result.get("guest") or {}, wanted, settings, listed)
        if "problem" in plan:
            result.pop("guest", None)  # Ansible prints all of a result that failed
            return {**result, "failed": True, "msg": plan["problem"]}
        return {**result, **plan, "mounts": wanted["mounts"], "time_limit": int(self._task.timeout)}

    def _said(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """The variables of both roles that are set in this task."""
        names = [name for role in (ROLE, SHARING) for name in _roles.options(role) if name in variables]
        templated: t.Callable[[t.Any], dict[str, t.Any]] = self._templar.template
        return templated({name: variables[name] for name in names})

    def _pythons(self, variables: dict[str, t.Any], result: dict[str, t.Any]) -> list[str]:
        """The interpreter that is set for the guest, and the one that Ansible has found, which may be empty."""
        templated: t.Callable[[t.Any], t.Any] = self._templar.template
        facts = {**variables.get("ansible_facts", {}), **result.get("ansible_facts", {})}
        return [str(templated(variables.get(_INTERPRETER, ""))), str(facts.get("discovered_interpreter_python", ""))]
