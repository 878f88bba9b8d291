# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``guest_plan``: whom it asks, and what it makes of the answer."""

from __future__ import annotations

import ast
import re
import types
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.zeroinstall.virtualbox.plugins.action import guest_plan

MODULES = Path(guest_plan.__file__).parents[1] / "modules"
STORE, HELPER, SUDOERS = (
    "/var/cache/0install.net/implementations", "/usr/local/bin/0store-secure-add-helper", "/etc/sudoers.d/zeroinstall"
)  # fmt: skip
MOUNTS = [{"share": "ZeroInstall", "path": STORE, "store": True, "options": []}]
VARIABLES = {"cache_guest_host": "metal", "cache_guest_machine": "m"}
GUEST = {
    "virtualbox": {"guest": True, "product": "VirtualBox"},
    "additions": {"problem": None},
    "zero_install": {"0install": "/usr/bin/0install", "package": None},
    "fstab": {"entries": []},
    "sharing": {
        "sudo": True,
        "user": True,
        "store": True,
        "ours": False,
        "helper": None,
        "sudoers": False,
        "problem": None,
    },
    "paths": {HELPER: None, SUDOERS: None, "/p": None, "/usr/bin/python3": {}},
    "errors": {},
}


@pytest.fixture
def planned(inventory_of, monkeypatch):
    """What the action makes of this answer of ``guest_info``; by default, that guest must not be asked."""
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})

    def run(answer=None, options=None, **variables):
        made = guest_plan.ActionModule.__new__(guest_plan.ActionModule)
        made._task = types.SimpleNamespace(
            action="zeroinstall.virtualbox.guest_plan",
            args={"program": "/p"} if options is None else options,
            async_val=0,
            timeout=60,
            become=False,
            _role=None,
        )
        made._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
        made._templar = types.SimpleNamespace(template=lambda value: value)
        made._load_name = "guest_plan"  # which Ansible gives it
        made._discovered_interpreter_key = None
        made._remove_tmp_path = lambda _path: None

        def execute(module_name, module_args, **_more):
            assert answer is not None, "it was asked"
            made.asked = module_name, module_args
            return dict(answer)

        made._execute_module = execute
        said = {**VARIABLES, **variables}
        hostvars = inventory_of({"metal": {}, "g": {n: v for n, v in said.items() if n.startswith("cache_")}})
        found = made._run(None, {"inventory_hostname": "g", "hostvars": hostvars, **said})
        return found, made

    return run


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"cache_guest_mode": "verfied"}, "^g: value of cache_guest_mode must be one of: readonly, .*, got: verfied."),
        ({"cache_guest_sharing": "maybe"}, "'cache_guest_sharing' is of type"),
        ({"cache_guest_mount_options": {"a": 1}}, "'cache_guest_mount_options' is of type"),
        ({"cache_guest_mode": "x\x1b[31m"}, r"got: x\\u001b\[31m"),
        ({"cache_guest_share": "a b"}, "'a b'"),
        ({"cache_guest_mode": "trusted"}, "cache_host_store: user"),
    ],
)
def test_a_guest_whose_variables_are_wrong_is_not_asked(planned, variables, words):
    found, _made = planned(**variables)
    assert found["failed"] and re.search(words, found["msg"]), found


def test_a_guest_is_read_once_and_its_plan_is_returned(planned):
    found, made = planned({"changed": False, "guest": GUEST}, cache_guest_minimum_version="5.0")
    assert made.asked == (
        "zeroinstall.virtualbox.guest_info",
        {
            "minimum_version": "5.0",
            "bad_versions": [],
            "sudoers": SUDOERS,
            "paths": [HELPER, SUDOERS, "/p", "/usr/bin/python3"],
        },
    )
    assert (found["right"], found["mounts"], found["time_limit"]) == (True, MOUNTS, 60)
    assert found["guest"] == GUEST


def test_what_cannot_be_done_fails(planned):
    found, _made = planned({"changed": False, "guest": {**GUEST, "additions": {"problem": "Bad."}}})
    assert (found["failed"], found["msg"], "guest" in found) == (True, "Bad.", False)
    assert "right" not in found


def test_a_guest_that_cannot_be_read_is_told_as_it_is(planned):
    answer = {"failed": True, "msg": "no Python"}
    found, _made = planned(answer)
    assert found.items() >= answer.items() and "right" not in found


@pytest.mark.parametrize("guest", [{}, {"guest": None}, {"guest": {}}, {"guest": {**GUEST, "sharing": None}}])
def test_an_answer_without_what_is_needed_fails(planned, guest):
    found, _made = planned({"changed": False, **guest})
    assert found["failed"] and found["msg"].startswith("What g says of itself is not all that is needed")


@pytest.mark.parametrize(
    ("variables", "interpreter"),
    [
        ({}, "/usr/bin/python3"),
        ({"ansible_python_interpreter": "/opt/python3"}, "/opt/python3"),
        ({"ansible_facts": {"discovered_interpreter_python": "/found/python3"}}, "/found/python3"),
    ],
)
def test_what_hands_packages_over_runs_with_the_python_of_the_guest(planned, variables, interpreter):
    there = {} if interpreter == "/usr/bin/python3" else None
    guest = {**GUEST, "paths": {**GUEST["paths"], "/usr/bin/python3": there}}
    found, _made = planned({"changed": False, "guest": guest}, cache_guest_mode="verified", **variables)
    assert found["program"][-1]["content"].startswith(f"#!{interpreter}")


@pytest.mark.parametrize("sharing", [True, "yes", "true"])
def test_the_variables_of_both_roles_decide(planned, sharing):
    variables = {"sharing_user": "x", "sharing_helper": "/h", "sharing_sudoers": "/d"}
    guest = {**GUEST, "paths": {**GUEST["paths"], "/h": None, "/d": None}}
    found, made = planned({"changed": False, "guest": guest}, cache_guest_sharing=sharing, **variables)
    assert found["share"] and not found["right"]
    assert made.asked[1]["paths"][:2] == ["/h", "/d"]


@pytest.mark.parametrize("options", [{}, {"program": "/p", "programm": "/q"}])
def test_options_are_checked(planned, options):
    with pytest.raises(AnsibleActionFail, match="program"):
        planned(options=options)


def test_the_documentation_has_what_is_returned(planned):
    texts = {
        node.targets[0].id: yaml.safe_load(ast.literal_eval(node.value))
        for node in ast.parse((MODULES / "guest_plan.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
    }
    found, _made = planned({"changed": False, "guest": GUEST})
    assert texts["RETURN"].keys() == found.keys() - {"changed"}
