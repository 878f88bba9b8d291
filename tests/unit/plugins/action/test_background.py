# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Actions in the background: their lines, its estimates, and how they watch a background process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.zeroinstall.virtualbox.plugins.action import programs, store_verify
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.progress import Progress
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _background as action
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._background import Look

HALF = Progress(37, 200, 420_000_000, 1_400_000_000, 5.0, False)


def line(plugin, progress):
    """What an action shows."""
    return object.__new__(plugin.ActionModule).line(progress)


def test_a_line():
    assert line(store_verify, HALF) == "verified 37 of 200 implementations, 0.42 of 1.40 GB, about 12 s left"
    assert line(programs, HALF._replace(done=1, total=3)) == (
        "1 of 3 programs are done. Of the next one came 0.42 of 1.40 GB, about 12 s left"
    )
    assert line(programs, HALF._replace(done=1, total=3, bytes=0, bytes_total=0)) == (
        "1 of 3 programs are done, choosing the next one"
    )


def test_a_line_before_anything_was_read_has_no_estimate():
    start = Progress(0, 3, 0, 1_500_000, 0.1, False)
    assert line(store_verify, start) == "verified 0 of 3 implementations, 0.00 of 1.50 MB"


@pytest.mark.parametrize(
    ("check_mode", "state", "wants"), [(False, "present", True), (True, "present", False), (False, "absent", False)]
)
def test_programs_show_progress_where_they_download(check_mode, state, wants):
    plugin = object.__new__(programs.ActionModule)
    plugin._task = types.SimpleNamespace(check_mode=check_mode, args={"state": state})
    assert plugin.wants_progress() is wants


@pytest.mark.parametrize(
    "progress, left",
    [
        (HALF, 11.67),
        (HALF._replace(bytes=1_400_000_000), 0),
        (HALF._replace(bytes=1_500_000_000), 0),
        (HALF._replace(bytes_total=0), 22.03),
        (HALF._replace(bytes=0), None),
        (HALF._replace(done=0, bytes_total=0), None),
        (HALF._replace(seconds=0.0), None),
    ],
)
def test_the_time_left(progress, left):
    estimate = action.seconds_left(progress)
    assert estimate is left is None or estimate == pytest.approx(left, abs=0.01)


def test_more_than_was_estimated_is_no_more_than_all():
    assert "1.50 of 1.50 GB, about 0 s left" in line(store_verify, HALF._replace(bytes=1_500_000_000))


@pytest.mark.parametrize(
    "seconds, text", [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5990, "100 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert action.duration(seconds) == text


@pytest.mark.parametrize(
    "value, seconds",
    [("0.2", 0.2), (10, 10.0), (0, 0.0), (-1, 0.0), ("none", 0.0), (None, 0.0), ([1], 0.0), ("nan", 0.0)],
)
def test_the_interval(value, seconds):
    assert action.interval(value) == seconds


def test_a_pause_grows_but_misses_neither_the_end_nor_the_next_line():
    assert action.pause(0.2, None, 10) == pytest.approx(0.3)
    assert action.pause(100, None, 1000) == action.LONGEST_PAUSE
    assert action.pause(20, None, 3) == 3
    assert action.pause(20, HALF, 15) == pytest.approx(11.67, abs=0.01)
    assert action.pause(20, HALF._replace(bytes=0), 15) == 15
    assert action.pause(20, HALF._replace(finished=True), 15) == action.FIRST_LOOK


RUNNING = json.dumps({"started": True, "finished": False, "ansible_job_id": "j1.2"})


@pytest.mark.parametrize(
    "progress_text, job_text, look",
    [
        (None, None, Look("missing", None)),
        (None, RUNNING, Look("running", None)),
        (json.dumps(HALF._asdict()), RUNNING, Look("running", HALF)),
        (json.dumps(HALF._asdict()), json.dumps({"changed": False, "started": 1}), Look("running", HALF)),
        (json.dumps(HALF._asdict()), json.dumps({"changed": False, "summary": {}}), Look("finished", HALF)),
        (json.dumps(HALF._asdict())[:30], RUNNING, Look("running", None)),
        ('{"done": 1}', RUNNING, Look("running", None)),
        ("[]", "x", Look("finished", None)),
    ],
)
def test_a_look_by_a_real_shell(tmp_path, progress_text, job_text, look):
    for name, text in (("it's progress", progress_text), ("job; exit", job_text)):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
    command = action.look_command(str(tmp_path / "it's progress"), str(tmp_path / "job; exit"))
    shown = subprocess.run(["sh", "-c", "echo Welcome; " + command], stdout=subprocess.PIPE, check=False)
    assert action.parse(shown.stdout.decode()) == look


@pytest.fixture
def watch(monkeypatch):
    """Watch a background process whose looks are given by functions of the time; the result, and what was shown."""
    clock = [0.0]
    shown = []
    monkeypatch.setattr(action.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(action.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(action.display, "display", shown.append)

    def run(look, result=None, ended=False):
        def execute(plugin, module_name, module_args, task_vars):
            assert task_vars is plugin._variables
            assert not plugin._task.check_mode  # in it, async_status of ansible-core 2.16 does nothing
            assert (module_name, module_args["jid"]) == ("ansible.legacy.async_status", "j1")
            assert module_args["_async_dir"] == "/a"
            done = result and (ended or look(clock[0]).job == "finished")
            return dict(result) if done else {"finished": False, "started": True}

        def command(_self, _command):
            seen = look(clock[0])
            if isinstance(seen, Exception):
                raise seen
            progress = json.dumps(seen.progress._asdict()) if seen.progress else ""
            job = {"missing": "", "running": RUNNING, "finished": "{}"}[seen.job]
            return {"stdout": f"{progress}\n{action.SEPARATOR}\n{job}"}

        monkeypatch.setattr(store_verify.ActionModule, "_execute_module", execute)
        monkeypatch.setattr(store_verify.ActionModule, "_low_level_execute_command", command)
        plugin = object.__new__(store_verify.ActionModule)
        plugin._variables = {"inventory_hostname": "metal1"}
        plugin._task = types.SimpleNamespace(action="zeroinstall.virtualbox.store_verify", check_mode=True)
        plugin._discovered_interpreter_key = None
        waited = plugin._wait(10.0, "j1", "/a/j1", "/a/progress"), shown, clock[0]
        assert plugin._task.check_mode
        return waited

    return run


def until(end):
    """A process that reads 100 MB a second until `end`."""
    return lambda now: Look(
        "running" if now < end else "finished",
        Progress(int(now), int(end), int(now * 1e8), int(end * 1e8), now, now >= end),
    )


DONE = {
    "finished": True,
    "ansible_job_id": "j1",
    "changed": False,
    "summary": {"ok": 1},
    "invocation": {"module_args": {"path": ["/s"], "progress_file": "/a/progress"}},
}


def test_a_long_run_is_shown_and_its_result_is_the_modules_own(watch):
    result, shown, end = watch(until(35), DONE)
    assert result == {"changed": False, "summary": {"ok": 1}, "invocation": {"module_args": {"path": ["/s"]}}}
    assert len(shown) == 3
    assert shown[0].startswith("metal1: verified 10 of 35 implementations, 1.0")
    assert end < 36


def test_a_short_run_shows_nothing_and_is_not_waited_for_much_longer(watch):
    _result, shown, end = watch(until(4), DONE)
    assert (shown, end < 4.5) == ([], True)


def test_a_process_that_did_not_start_is_no_result(watch):
    result, _shown, end = watch(lambda _now: Look("missing", None))
    assert result is None
    assert action.START < end < 2 * action.START


def test_a_process_that_died_is_an_error_that_says_how_far_it_came(watch):
    with pytest.raises(AnsibleActionFail, match=r"died, or hangs: for 60 s.*metal1: verified 5 of 100 .*run again"):
        watch(lambda now: until(100)(min(now, 5)))


def test_a_job_that_vanished_is_an_error(watch):
    with pytest.raises(AnsibleActionFail, match="has died"):
        watch(lambda now: until(100)(now) if now < 5 else Look("missing", None))


def test_a_process_that_is_silent_because_it_ended_just_now_is_no_error(watch):
    result, _shown, _end = watch(lambda now: until(100)(min(now, 5)), DONE, ended=True)
    assert result["summary"] == {"ok": 1}


def test_a_connection_that_comes_back_does_no_harm(watch):
    lost = AnsibleConnectionFailure("lost")
    result, _shown, _end = watch(lambda now: lost if 10 < now < 69.5 else until(200)(now), DONE)
    assert result["summary"] == {"ok": 1}


def test_a_connection_that_does_not_come_back_is_its_own_error(watch):
    with pytest.raises(AnsibleConnectionFailure, match="gone"):
        watch(lambda now: AnsibleConnectionFailure("gone") if now > 10 else until(70)(now))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up_and_is_not_disturbed_in_that(number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cleaned = []

    def run():
        with action.interruptible():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
                cleaned.append(True)

    with pytest.raises(SystemExit):
        run()
    assert cleaned == [True]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
