# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action through which every module of this collection runs.

A guest answers what it likes. Ansible takes facts from an answer, which override the inventory, and prints warnings and
messages as they come. So an answer is cleaned before Ansible sees it.
"""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _answers, _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._core import check, no_template

COLLECTION = "zeroinstall.virtualbox."
UNREACHABLE_FAILS = "zeroinstall_unreachable_fails"
"""A variable of plays in which a machine that is not reached has failed: a rescue catches that, and nothing else."""
_MODULES = Path(__file__).parents[1] / "modules"


class CleanAction(ActionBase):
    """Runs the module of the task's name, and returns its answer without what it may not hold."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """The module's result. What a connection says in vain is a guest's word, too."""
        check()
        try:
            return self._run(tmp, task_vars)
        except AnsibleConnectionFailure as error:
            said = _answers.plain(str(error))
            if (task_vars or {}).get(UNREACHABLE_FAILS):
                return no_template({"failed": True, "msg": f"Not reached: {said}"})
            return no_template({"unreachable": True, "msg": said})

    def _run(
        self, tmp: str | None, task_vars: dict[str, t.Any] | None, module_args: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result = self._execute_clean(
            COLLECTION + self.name, module_args=module_args, task_vars=task_vars, wrap_async=wrap_async
        )
        if not wrap_async:
            remove: t.Callable[[str | None], None] = self._remove_tmp_path
            remove(self._connection._shell.tmpdir)
        return result

    @property
    def name(self) -> str:
        """The name of the module that is run, without its collection: the task's."""
        return str(self._task.action).rpartition(".")[2]

    def _execute_clean(self, module: str, **options: t.Any) -> dict[str, t.Any]:
        """The module's answer, cleaned. Facts are left of it only where Ansible itself found the interpreter."""
        variables = options.get("task_vars") or {}
        try:
            answer = self._execute_module(module_name=module, **options)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            told = self._no_user(str(error))
            if told is None:
                raise
            return {"failed": True, "msg": told}
        except BaseException as error:  # Ansible's class for the end of a task's time is none of its errors
            if type(error).__name__ != "TaskTimeoutError":
                raise
            return {"failed": True, "msg": self._too_long(variables)}
        try:
            result = _answers.cleaned(answer, self._documented)
        except (_answers.Odd, RecursionError) as error:
            return {"failed": True, "msg": f"The answer of {self.name} is none that this module gives: {error}."}
        if result.get("failed"):
            streams = "\n".join(str(result.get(key, "")) for key in ("module_stderr", "module_stdout"))
            told = self._no_user(streams) if streams.strip() else None
            if told is not None:
                return {"failed": True, "msg": told}
            result["msg"] = self._in_words(str(result.get("msg", "")), variables)
        for key in _words.LISTS:
            if result.get(key) and self._documented[key].elements == "str":
                result[key] = [self._in_words(message, variables) for message in result[key]]
        if self._discovered_interpreter_key:
            found = _answers.plain(str(self._discovered_interpreter))
            result["ansible_facts"] = {self._discovered_interpreter_key: found}
        return result

    @property
    def options(self) -> t.Iterable[str]:
        """The names of the module's options that a message may name."""
        return tuple(self._task.args)

    @functools.cached_property
    def _documented(self) -> dict[str, _answers.Kind]:
        """What the module returns."""
        return _answers.documented((_MODULES / f"{self.name}.py").read_text(encoding="utf-8"))

    @property
    def _role(self) -> str:
        """The role that the task belongs to, without its collection."""
        role = getattr(self._task, "_role", None)
        return role.get_name().rpartition(".")[2] if role else ""

    def _in_words(self, message: str, variables: t.Mapping[str, t.Any]) -> str:
        """A message of the module in the words of the role."""
        return _words.of_role(self._role, message, functools.partial(self._value, variables), self.options, variables)

    def _no_user(self, said: str) -> str | None:
        user = self._task.become_user if self._task.become else None
        return _words.no_user(self._role, str(user or ""), self.name, _answers.plain(said))

    def _too_long(self, variables: t.Mapping[str, t.Any]) -> str:
        templated: t.Callable[[t.Any], t.Any] = self._templar.template
        limit = int(self._task.timeout)
        return _words.too_long(self._role, self.name, limit, lambda name: templated(variables.get(name, "")))

    def _value(self, variables: t.Mapping[str, t.Any], name: str) -> t.Any:
        """A variable's value; of a template, what came of it in the task."""
        value = variables.get(name, "")
        if "{{" not in str(value):
            return value
        return self._task.become_user if name.endswith("_user") else self._task.args.get(name.rpartition("_")[2], value)

    def _parse_returned_data(self, res: dict[str, t.Any], *rest: t.Any) -> t.Any:
        """What Ansible makes of an answer, whose text is plain before: it prints some of it at once."""
        streams = {key: str(res.get(key) or "") for key in ("stdout", "stderr")}
        if sum(map(len, streams.values())) > _answers.LONGEST_ANSWER:
            streams = {"stdout": "", "stderr": f"more than {_answers.LONGEST_ANSWER} characters, which are not read"}
        said = _answers.trimmed(streams["stdout"], self._documented)
        streams = {"stdout": _answers.plain_json(said), "stderr": _answers.plain(streams["stderr"])}
        kept = {key: value for key, value in res.items() if not key.startswith(("stdout", "stderr"))}
        try:
            return super()._parse_returned_data({**kept, **streams}, *rest)
        except Exception as error:  # since ansible-core 2.19, an answer may be refused as it is read
            why = _answers.plain(str(error))[: _answers.LONGEST_WARNING]
            return {"failed": True, "msg": f"The answer of {self.name} cannot be read: {why}"}
