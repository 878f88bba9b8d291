# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``fleet_report``: writes on the controller what hosts and guests answered in this run."""

from __future__ import annotations

import itertools
import json
import typing as t
from pathlib import Path

import yaml
from ansible.plugins.action import ActionBase
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import (
    _fleet,
    _report,
    _report_files,
    _report_page,
    _report_texts,
    _roles,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._core import check, no_template
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

ROLE = "cache_report"
_COLLECTION = Path(__file__).parents[2]
_PAGE = _COLLECTION / "roles" / ROLE / "files"


class ActionModule(ActionBase):
    """Asks no machine. It reads the role's variables by itself, of the first host and without facts."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """What was written, and what it says."""
        check()
        super().run(tmp, task_vars)
        _checked, given = self.validate_argument_spec({"check_only": {"type": "bool", "default": False}})
        variables = task_vars or {}
        try:
            return no_template(self._run(Inventory(variables["hostvars"]), variables, given["check_only"]))
        except Failure as failure:
            return no_template({"failed": True, "msg": str(failure)})

    def _run(self, inventory: Inventory, variables: t.Mapping[str, t.Any], check_only: bool) -> dict[str, t.Any]:
        patterns = [str(inventory.extra(name, name)) for name in (_fleet.HOSTS, _fleet.GUESTS)]
        options = _options(inventory, inventory.members(patterns[0]))
        files = _files(options)
        for file in files.values():
            _report_files.check(file)
        if check_only:
            return {"changed": False, "lines": [], "paths": [file.path for file in files.values()], "problem": ""}
        guests = _fleet.Fleet(inventory, *patterns).by_host()
        run = _report.Run(guests, variables["ansible_play_hosts_all"], utc.now(), _version())
        report = _report.report(inventory, run)
        path = files["json"].path if "json" in files else ""
        before = _report_files.earlier(path, _report.FORM) if path else None
        if not self._task.check_mode:
            _report_files.write({files[kind].path: text for kind, text in _texts(report, before, files)})
        return {
            "changed": bool(files) and {**report, "made": ""} != {**(before or {}), "made": ""},
            "lines": _report_texts.lines(report),
            "paths": [file.path for file in files.values()],
            "problem": _report_texts.failure(report, str(options["cache_report_fail_on"])),
        }


def _options(inventory: Inventory, hosts: t.Sequence[str]) -> dict[str, t.Any]:
    """The role's variables. Failure: one of them has no right value."""
    said = inventory.said(hosts[0], _roles.options(ROLE)) if hosts else None
    if said and said.broken:
        raise Failure(" ".join(f"{hosts[0]}: {said.refused[name]}" for name in sorted(said.broken)))
    values = said.values if said else {}
    problem = _roles.wrong(ROLE, values)
    if problem:
        raise Failure(problem)
    return {**_roles.defaults(ROLE), **values}


def _files(options: t.Mapping[str, t.Any]) -> dict[str, _report_files.File]:
    """The files to write, by their kind. Failure: one of them cannot be written."""
    marks = {"json": f'"form": "{_report.FORM}"', "html": _report_page.MARK, "metrics": _report_texts.HEAD}
    found = {}
    for kind, mark in marks.items():
        variable = f"{ROLE}_{kind}"
        if options[variable]:
            found[kind] = _report_files.at(variable, str(options[variable]), mark)
    for one, other in itertools.combinations(found.values(), 2):
        if one.path == other.path:
            raise Failure(f"{one.variable} and {other.variable} are the same file, {one.path}. Choose another for one.")
    return found


def _texts(
    report: dict[str, t.Any], before: dict[str, t.Any] | None, kinds: t.Container[str]
) -> t.Iterator[tuple[str, str]]:
    """The texts of these kinds."""
    if "json" in kinds:
        yield "json", json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    if "html" in kinds:
        template, style, script = (
            (_PAGE / f"page.{end}").read_text(encoding="utf-8") for end in ("html.j2", "css", "js")
        )
        yield "html", _report_page.page(report, before, _report_page.Sources(template, style, script))
    if "metrics" in kinds:
        yield "metrics", _report_texts.metrics(report)


def _version() -> str:
    """The collection's version, where it was installed and in a checkout."""
    installed = _COLLECTION / "MANIFEST.json"
    if installed.is_file():
        return str(json.loads(installed.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml.safe_load((_COLLECTION / "galaxy.yml").read_text(encoding="utf-8"))["version"])
