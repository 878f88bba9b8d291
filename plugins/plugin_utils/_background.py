# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that take long, run in the background, so that their progress can be shown.

Such a module has the options ``progress``, in seconds between two lines, and ``progress_file``.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import signal
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.progress import Progress
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._action import COLLECTION, CleanAction
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import number

display = Display()

DEFAULT_INTERVAL = 10.0
"""Default of the module's option ``progress``: seconds between two lines."""
FIRST_LOOK = 0.2
"""Seconds until the first look at the background process. The pauses between looks grow from there."""
LONGEST_PAUSE = 20.0
"""Seconds. Several looks fit into ``SILENCE``."""
START = 5.0
"""Seconds within which Ansible's wrapper, which waits half of it itself, has written its job file."""
SILENCE = 60.0
"""Seconds without a new progress file or without a connection, after which a background process is given up."""
LIMIT = 7 * 24 * 3600
"""Seconds after which Ansible's wrapper kills the background process."""
SEPARATOR = "--- job ---"
COUNTS = ("done", "total", "bytes", "bytes_total")
OF_THE_JOB = ("ansible_job_id", "results_file", "started", "finished")


class Look(t.NamedTuple):
    """What one look at the background process showed. ``job``: ``missing``, ``running`` or ``finished``."""

    job: str
    progress: Progress | None


def interval(value: t.Any) -> float:
    """The option ``progress`` in seconds; 0 for no progress, and for what the module will refuse."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 0.0
    return seconds if seconds > 0 else 0.0


def look_command(progress_file: str, job_file: str) -> str:
    """A command for the remote shell whose output ``parse`` understands."""
    return (
        f"head -c 4096 {shlex.quote(progress_file)} 2>/dev/null; echo; echo {shlex.quote(SEPARATOR)};"
        f" head -c 80 {shlex.quote(job_file)} 2>/dev/null"
    )


def parse(output: str) -> Look:
    """The output of ``look_command``. Until a module ends, its job file holds only that it was started."""
    progress_text, _separator, job_text = output.partition(SEPARATOR)
    job = "missing" if not job_text.strip() else "running" if '"started"' in job_text else "finished"
    try:
        found = json.loads(progress_text[progress_text.index("{") :])
        done, total, size, size_total = (int(number(found[key], key)) for key in COUNTS)
        seconds = number(found["seconds"], "seconds")
        progress = Progress(done, total, size, size_total, seconds, found["finished"] is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        progress = None
    return Look(job, progress)


def seconds_left(progress: Progress) -> float | None:
    """An estimate of the time left, None if there is nothing to tell it from."""
    done, total = (progress.bytes, progress.bytes_total)
    if total <= 0:
        done, total = (progress.done, progress.total)
    if done <= 0 or progress.seconds <= 0:
        return None
    return max(total - done, 0) * progress.seconds / done


def duration(seconds: float) -> str:
    """Seconds for people: ``12 s``, ``4 min`` or ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def sizes(progress: Progress) -> str:
    """How many bytes are done, of how many, and how long the rest may take."""
    total = max(progress.bytes_total, progress.bytes)
    unit, size = ("GB", 1e9) if total >= 1e8 else ("MB", 1e6)
    left = seconds_left(progress)
    return f"{progress.bytes / size:.2f} of {total / size:.2f} {unit}" + (
        "" if left is None else f", about {duration(left)} left"
    )


def pause(previous: float, progress: Progress | None, until_line: float) -> float:
    """Seconds until the next look: longer each time, but not much beyond the expected end or the next line."""
    limits = [previous * 1.5, LONGEST_PAUSE, until_line]
    if progress is not None:
        left = 0.0 if progress.finished else seconds_left(progress)
        limits += [] if left is None else [left]
    return max(min(limits), FIRST_LOOK)


@contextlib.contextmanager
def interruptible() -> t.Iterator[None]:
    """Raise where a signal would end Ansible's worker process at once, and then let it clean up undisturbed."""

    def stop(number: int, _frame: t.Any) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class BackgroundAction(CleanAction):
    """Runs the module in the background, unless the user does that, or wants no progress."""

    remedy = ""
    """What to look at where the background process has died."""

    def line(self, progress: Progress) -> str:
        """What is shown of the progress on a host."""
        raise NotImplementedError

    def wants_progress(self) -> bool:
        """Whether this run may take long."""
        return True

    def _run(
        self, tmp: str | None, task_vars: dict[str, t.Any] | None, module_args: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        self._variables = task_vars or {}
        every = interval(self._task.args.get("progress", DEFAULT_INTERVAL))
        asynchronous = bool(self._task.async_val)
        if (
            asynchronous
            or not every
            or not self.wants_progress()
            or self._task.args.get("progress_file")
            or self._connection.has_native_async
        ):
            return super()._run(tmp, task_vars, module_args)
        result = self._in_background(every)
        return super()._run(tmp, task_vars, module_args) if result is None else result

    def _in_background(self, every: float) -> dict[str, t.Any] | None:
        """The module's result, or None, with a warning, if it did not start."""
        folder = self.get_shell_option("async_dir", default="~/.ansible_async")
        name = f"{self.name}-{secrets.token_hex(16)}.json"
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        temporary = self._connection._shell.tmpdir
        temporary = temporary if self._should_remove_tmp_path(temporary) else None
        self._task.async_val = LIMIT
        try:
            # The folder is made by Ansible's wrapper, and a ~ in it means the same to wrapper and module.
            arguments = dict(self._task.args, progress_file=f"{folder}/{name}")
            started = self._execute_clean(
                COLLECTION + self.name, module_args=arguments, task_vars=self._variables, wrap_async=True
            )
        finally:
            self._task.async_val = 0
        job_file = started.get("results_file")
        if started.get("failed") or not job_file or not started.get("ansible_job_id"):
            self._remove(temporary)
            self._not_started(started.get("msg", "no job was returned"))
            return None
        progress_file = f"{job_file.rpartition('/')[0]}/{name}"
        with interruptible():
            try:
                result = self._wait(every, started["ansible_job_id"], job_file, progress_file)
            finally:
                files = " ".join(map(shlex.quote, (progress_file, job_file)))
                self._low_level_execute_command(f"rm -f {files}")
                self._remove(temporary)
        if result is None:
            self._not_started(f"there is no {job_file}")
        return result

    def _remove(self, temporary: str | None) -> None:
        """Remove what a module that runs as another user than that of the connection could not remove itself."""
        if temporary:
            command = self._connection._shell.remove(temporary, recurse=True)
            self._low_level_execute_command(command, sudoable=False)

    def _not_started(self, reason: str) -> None:
        display.warning(
            f"{self._host()}: {self.name} shows no progress, since it could not be started in the background:"
            f" {reason.rstrip('. ')}. Set ansible_async_dir to a folder that its user can write."
        )

    def _wait(self, every: float, job: str, job_file: str, progress_file: str) -> dict[str, t.Any] | None:
        """Show progress until the job is done; its result, or None if it did not start."""
        command = look_command(progress_file, job_file)
        began = renewed = time.monotonic()
        next_line = began + every
        nap = FIRST_LOOK
        last: Look | None = None
        while True:
            time.sleep(nap)
            try:
                look = parse(self._low_level_execute_command(command)["stdout"])
            except AnsibleConnectionFailure:
                if time.monotonic() - renewed > SILENCE:
                    raise
                continue
            now = time.monotonic()
            silent = look == last and now - renewed > SILENCE
            if look.job == "finished" or (silent and look.job == "running"):
                result = self._result(job, job_file)
                if result is not None:
                    return result
            if last is None and look.job == "missing":
                if now - began > START:
                    return None
                continue
            if silent:
                raise AnsibleActionFail(self._died(look.progress))
            new = look != last
            if new:
                last, renewed = look, now
            if new and look.progress and not look.progress.finished and now >= next_line:
                display.display(f"{self._host()}: {self.line(look.progress)}")
                next_line = now + every
            nap = pause(nap, look.progress, next_line - now)

    def _result(self, job: str, job_file: str) -> dict[str, t.Any] | None:
        """The module's own result; None while there is none."""
        arguments = {"jid": job, "mode": "status", "_async_dir": job_file.rpartition("/")[0]}
        checks, self._task.check_mode = self._task.check_mode, False  # ansible-core 2.16 would skip async_status
        try:
            result = self._execute_clean(
                "ansible.legacy.async_status", module_args=arguments, task_vars=self._variables
            )
        finally:
            self._task.check_mode = checks
        if not result.get("finished"):
            return None
        for key in OF_THE_JOB:
            result.pop(key, None)
        result.get("invocation", {}).get("module_args", {}).pop("progress_file", None)
        return result

    def _died(self, progress: Progress | None) -> str:
        reached = self.line(progress) if progress else "nothing"
        return (
            f"The background process of {self.name} has died, or hangs: for {SILENCE:.0f} s nothing was heard of it."
            f" Last: {self._host()}: {reached}. See the system's log for whether it was killed for want of memory"
            f"{self.remedy}; then run again."
        )

    def _host(self) -> str:
        return str(self._variables.get("inventory_hostname", "host"))
