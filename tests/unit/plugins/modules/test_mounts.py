# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``mounts``: what reaches the code below it, and what it returns."""

from __future__ import annotations

import contextlib
import pwd

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    mount_planning,
    mount_records,
    mount_running,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount
from ansible_collections.zeroinstall.virtualbox.plugins.modules import mounts

PLAN = mount_planning.Plan(
    waits=False,
    load_driver=True,
    files=[],
    reload=False,
    unmount={},
    make=[],
    mount=[],
    remove=[],
    record=mount_records.Record([], {}, []),
    reports={"/p": {"share": "s", "path": "/p", "state": "present", "changes": ["mounted"], "reasons": []}},
    diff=[{"before": "", "after": "x"}],
    warnings=["careful"],
)


@pytest.fixture
def call(monkeypatch, run_module):
    """Run the module with options; its answer, and the calls to the code below it."""
    calls = {"locks": [], "requests": [], "runs": 0}
    plan = {"plan": PLAN, "failures": ()}

    @contextlib.contextmanager
    def locked(path):
        calls["locks"].append(path)
        yield

    def survey(_guest, request):
        calls["requests"].append(request)
        return plan["plan"]

    def carry_out(run):
        calls["runs"] += 1
        run.commands.append(["mount", "x"])
        for failure in plan["failures"]:
            raise failure

    monkeypatch.setattr(replacing, "locked", locked)
    monkeypatch.setattr(mount_planning, "survey", survey)
    monkeypatch.setattr(mount_running.Run, "carry_out", carry_out)
    warnings = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _module, text: warnings.append(text))

    def run(failures=(), planned=PLAN, **options):
        plan.update(failures=failures, plan=planned)
        return run_module(mounts.main, **options)[1], dict(calls, warnings=warnings)

    return run


def test_options_reach_the_survey(call):
    _answer, calls = call(
        mounts=[
            {"share": "s", "path": "/p", "writable": True, "options": ["uid=5"], "store": True},
            {"path": "/q", "state": "absent"},
        ],
        exclusive=True,
        driver=False,
        fstab="/x/fstab",
    )
    wanted, gone = [Mount("s", "/p", True, ("uid=5",), True, "mounts[0].")], [Gone("/q", None, "mounts[1].")]
    assert calls["requests"] == [mount_planning.Request(wanted, gone, True, False, "/x/fstab")]


def test_an_owner_becomes_numbers(call, monkeypatch):
    users = {"zeroinst": pwd.struct_passwd(("zeroinst", "x", 998, 987, "", "/", "/bin/false"))}
    monkeypatch.setattr(pwd, "getpwnam", users.__getitem__)
    _answer, calls = call(
        mounts=[{"share": "s", "path": "/p", "options": ["ttl=1"], "owner": "zeroinst"}, {"share": "t", "path": "/q"}]
    )
    assert [mount.options for mount in calls["requests"][0].wanted] == [("ttl=1", "uid=998", "gid=987"), ()]


def test_an_owner_who_is_not_there_is_refused_and_told_in_check_mode(call):
    wanted = [{"share": "s", "path": "/p", "owner": "no such user"}]
    answer, calls = call(mounts=wanted)
    assert answer["msg"].startswith("mounts[0].owner 'no such user' is no user") and calls["requests"] == []
    _answer, calls = call(mounts=wanted, _ansible_check_mode=True)
    assert calls["requests"][0].wanted == [Mount("s", "/p", where="mounts[0].")]
    assert any("no user 'no such user' yet" in warning for warning in calls["warnings"])


def test_the_defaults_are_read_only_and_not_exclusive(call):
    _answer, calls = call(mounts=[{"share": "s", "path": "/p"}])
    assert calls["requests"] == [
        mount_planning.Request([Mount("s", "/p", where="mounts[0].")], [], False, True, "/etc/fstab")
    ]


def test_a_run_acts_under_a_lock_and_tells_what_was_run(call):
    answer, calls = call(mounts=[{"share": "s", "path": "/p"}])
    assert calls["locks"] == [mount_planning.LOCK]
    assert calls["runs"] == 1
    assert calls["warnings"] == ["careful"]
    assert answer == {
        "changed": True,
        "mounts": list(PLAN.reports.values()),
        "commands": [["mount", "x"]],
        "diff": PLAN.diff,
    }


def test_check_mode_predicts_and_neither_acts_nor_locks(call):
    answer, calls = call(mounts=[{"share": "s", "path": "/p"}], _ansible_check_mode=True)
    assert (calls["runs"], calls["locks"]) == (0, [])
    assert (answer["changed"], answer["commands"], answer["diff"]) == (True, [["modprobe", "vboxsf"]], PLAN.diff)


def test_nothing_to_do(call):
    answer, calls = call(planned=PLAN._replace(load_driver=False, diff=[]))
    assert (answer["changed"], answer["commands"], calls["runs"]) == (False, [], 0)


def test_a_failure_tells_what_was_run(call):
    answer, _calls = call(failures=[Failure("it broke")], mounts=[{"share": "s", "path": "/p"}])
    assert answer == {"msg": "it broke", "commands": [["mount", "x"]]}


def test_a_mount_that_is_wanted_needs_a_share(call):
    answer, calls = call(mounts=[{"path": "/p"}])
    assert "share" in answer["msg"]
    assert calls["requests"] == []


def test_the_result_is_as_documented(call):
    documented = yaml.safe_load(mounts.RETURN)
    answer, _calls = call(mounts=[{"share": "s", "path": "/p"}])
    assert set(documented) == set(answer) - {"changed", "diff"}
    assert set(documented["mounts"]["contains"]) == set(answer["mounts"][0])


def test_the_options_are_as_documented():
    documented = yaml.safe_load(mounts.DOCUMENTATION)["options"]["mounts"]["suboptions"]
    for name, spec in mounts.MOUNT.items():
        assert {key: documented[name].get(key) for key in spec} == spec


def test_new_files_get_the_default_context_of_selinux(call, monkeypatch):
    labelled = []
    monkeypatch.setattr(
        basic.AnsibleModule, "set_default_selinux_context", lambda _module, path, _changed: labelled.append(path)
    )
    files = [mount_planning.FileChange("/etc/fstab", "", "line"), mount_planning.FileChange("/etc/new", None, "text")]
    planned = PLAN._replace(files=files)
    call(planned=planned, mounts=[{"share": "s", "path": "/p"}], _ansible_check_mode=True)
    assert labelled == []
    call(planned=planned, mounts=[{"share": "s", "path": "/p"}])
    assert labelled == ["/etc/new"]
