# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying out a plan of mounts, and undoing what was done where something fails."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import subprocess
from typing import Callable, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    effective_options,
    fstab,
    mount_commands,
    mount_messages,
    mount_planning,
    mount_points,
    mount_records,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest, silence
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Mount

_PATIENCE = 120.0


class Run:
    """Carries out a plan, step by step, and undoes the steps that were done when one fails.

    ``commands`` gets the programs that were run.
    """

    def __init__(self, guest: Guest, plan: mount_planning.Plan, commands: list[list[str]]) -> None:
        self.guest = guest
        self.plan = plan
        self.commands = commands
        self._undo: list[tuple[str, Callable[[], None]]] = []
        self._again: list[list[str]] = []
        self._made: list[str] = []
        self._dead: list[str] = []

    def carry_out(self) -> None:
        """Failure: a step failed. Its message says whether everything is as it was before."""
        try:
            self._steps()
        except BaseException as error:
            done = bool(self._undo)
            left = self._unwind()
            if not isinstance(error, Failure):
                raise
            after = "What this run had done before was undone." if done else "Nothing was changed."
            if left:
                after = "Not everything that this run had done could be undone: " + "; ".join(left) + "."
            elif self._dead:
                after = "What did not answer is unmounted: {}. Everything else is as before.".format(
                    ", ".join(self._dead)
                )
            raise Failure(f"{error} {after}") from error

    def _steps(self) -> None:
        plan = self.plan
        for folder in plan.make:
            self._make(folder)
        self._replace_files()
        if plan.reload:
            self._must(mount_commands.RELOAD)
        for path, unmounting in plan.unmount.items():
            if not unmounting.stop:
                self._unmount(path, unmounting)
        for mount in plan.mount:
            self._mount(mount)
        kept = [folder for folder in plan.remove if not self._remove(folder)]
        self._record(plan.record._replace(directories=sorted({*plan.record.directories, *kept, *self._made})))

    def _replace_files(self) -> None:
        plan = self.plan
        replacements: list[replacing.Replacement] = []
        try:
            for change in plan.files:
                if change.after is not None:
                    replacements.append(replacing.Replacement(change.path, change.after))
            if plan.load_driver:
                self._load_driver()
            if plan.reload and (plan.files or plan.unmount):
                self._later("systemd's units", self._reload_and_restart)
            # systemd 262 forgets an automount unit without its file, and then it cannot be stopped any more.
            for path, unmounting in plan.unmount.items():
                if unmounting.stop:
                    self._unmount(path, unmounting)
            for change in plan.files:
                self._later(change.path, functools.partial(_put_back, change.path, change.before))
                if change.after is None:
                    os.unlink(change.path)
            for replacement in replacements:
                replacement.commit()
        except OSError as error:
            raise Failure(f"{error.filename} cannot be removed: {error.strerror}.") from error
        finally:
            for replacement in replacements:
                replacement.discard()

    def _reload_and_restart(self) -> None:
        self._must(mount_commands.RELOAD)
        for command in reversed(self._again):
            self._must(command)

    def _record(self, record: mount_records.Record) -> None:
        before = replacing.read(mount_records.RECORD)
        self._later(mount_records.RECORD, lambda: _put_back(mount_records.RECORD, before))
        try:
            mount_records.write_record(record)
        except OSError as error:
            raise Failure(f"{mount_records.RECORD} cannot be written: {error.strerror}.") from error

    def _later(self, what: str, undo: Callable[[], None]) -> None:
        self._undo.append((what, undo))

    def _unwind(self) -> list[str]:
        left = []
        for what, undo in reversed(self._undo):
            try:
                undo()
            except (OSError, Failure) as error:
                left.append(f"{what} ({error})")
        self._undo.clear()
        return left

    def _program(self, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append(list(command))
        environment = dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", ""))
        try:
            # AnsibleModule.run_command has no time-out.
            answer = subprocess.run(  # pylint: disable=ansible-bad-function
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                timeout=_PATIENCE,
                check=False,
            )
        except FileNotFoundError as error:
            raise Failure(f"The program {command[0]} is not there. Install the package that has it.") from error
        except OSError as error:
            raise Failure(f"The program {command[0]} cannot be run: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise Failure("'{}' did not end in {:.0f} s.".format(" ".join(command), _PATIENCE)) from error
        return answer.returncode, answer.stdout.decode("utf-8", "replace").strip()

    def _must(self, command: Sequence[str]) -> None:
        status, output = self._program(command)
        if status:
            raise Failure("'{}' failed: {}.".format(" ".join(command), output or f"exit status {status}"))

    def _make(self, folder: str) -> None:
        try:
            os.mkdir(folder)
            self._later(f"the new folder {folder}", lambda: os.rmdir(folder))
            os.chmod(folder, 0o755)
        except OSError as error:
            raise Failure(f"The folder {folder} cannot be created: {error.strerror}.") from error

    def _remove(self, folder: str) -> bool:
        """Whether an empty folder of ours is gone. One that turns out not to be empty stays, and stays recorded."""
        try:
            mode = stat.S_IMODE(os.stat(folder).st_mode)
            os.rmdir(folder)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        self._later(f"the removed folder {folder}", lambda: os.mkdir(folder, mode))
        return True

    def _load_driver(self) -> None:
        status, output = self._program(["modprobe", fstab.TYPE])
        if status or not self.guest.driver_loaded():
            raise Failure(
                "The driver {} cannot be loaded: {} modprobe said: {}".format(
                    fstab.TYPE,
                    mount_messages.driver_missing(bool(self.guest.virtualbox()["guest"])),
                    output or "nothing",
                )
            )

    def _unmount(self, path: str, unmounting: mount_planning.Unmounting) -> None:
        for number, (layer, options) in enumerate(unmounting.layers):
            dead = unmounting.silent and number == 0
            status, output = self._program(mount_commands.unmount_command(path))
            if status and dead:
                status, output = self._program(["umount", "-l", "--", path])
            if status:
                raise Failure(f"{path} cannot be unmounted: {output.rstrip('.')}.{self._holders(path)}")
            if dead:
                self._dead.append(f"share {layer.source} at {path}")
            elif unmounting.stop:
                self._again.append(mount_commands.mount_command(layer.source, path, options))
            else:
                command = mount_commands.mount_command(layer.source, path, options)
                self._later(f"share {layer.source} at {path}", functools.partial(self._must, command))
        if unmounting.stop:
            self._must(mount_commands.stop_command(path))
            self._again.append(mount_commands.start_command(path)[:-1])
            self._program(mount_commands.forget_command(path))

    def _holders(self, path: str) -> str:
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            links = [f"/proc/{pid}/{name}" for name in ("cwd", "root", "exe")]
            with contextlib.suppress(OSError):
                links += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
            for link in links:
                with contextlib.suppress(OSError):
                    if (os.readlink(link) + "/").startswith(path + "/"):
                        found.append("{} ({})".format((self.guest.word(f"/proc/{pid}/comm") or "?"), pid))
                        break
        found += [f"the mount {live.path}" for live in self.guest.mounts() if live.path.startswith(path + "/")]
        if not found:
            return " End what uses it, and run again."
        some = ", ".join(found[: mount_points.SHOWN_ENTRIES]) + (", …" if found[mount_points.SHOWN_ENTRIES :] else "")
        return f" It is used by {some}. End that, and run again."

    def _mount(self, mount: Mount) -> None:
        for folder in mount_points.missing_folders(mount.path):
            self._make(folder)
            self._made.append(folder)
        waited = self._waits(mount.path)
        if not waited:
            mount_points.check_empty(mount.path)
        status, output = self._program(
            mount_commands.start_command(mount.path) if self.plan.waits else mount_commands.wanted_command(mount)
        )
        if self.plan.waits and not waited:
            self._later(f"systemd's unit for {mount.path}", lambda: self._end_waiting(mount.path))
        waits = self._waits(mount.path) or not self.plan.waits
        if self.plan.waits and waits and not self._visible(mount.path):
            # What mount said to systemd is only in the journal.
            status, output = self._program(mount_commands.wanted_command(mount))
        top = self._visible(mount.path)
        if top:
            self._later(
                f"the new mount at {mount.path}", lambda: self._must(mount_commands.unmount_command(mount.path))
            )
        if not waits:
            raise Failure(
                "systemd does not wait for accesses to {}. It says: {}".format(
                    mount.path, " ".join(output.split()) or "nothing."
                )
            )
        if status:
            raise Failure(mount_messages.mount_failure(mount, output, bool(self.guest.virtualbox()["guest"])))
        wish = effective_options.wanted_options(mount)
        item = fstab.entry(mount, systemd=False)
        has = effective_options.effective(top, item, mount_points.owner(mount.path)) if top else ()
        if not top or (top.source, has) != (mount.share, wish):
            raise Failure(
                "share {} was mounted at {}, and the kernel shows something else there: {}.".format(
                    mount.share, mount.path, f"{top.source} ({top.type}) {','.join(has)}" if top else "nothing"
                )
            )
        error = silence(mount.path)
        if error:
            raise Failure(f"share {mount.share} was mounted at {mount.path}, and does not answer: {error}.")

    def _visible(self, path: str) -> live_mounts.Live | None:
        """The share that is mounted at a path, and seen there."""
        top = live_mounts.stack(self.guest.mounts(), path)[-1:]
        return top[0] if top and top[0].type == fstab.TYPE else None

    def _waits(self, path: str) -> bool:
        """Whether systemd waits for accesses to a path."""
        return any(map(effective_options.automounted, live_mounts.stack(self.guest.mounts(), path)))

    def _end_waiting(self, path: str) -> None:
        if self._waits(path):
            self._must(mount_commands.stop_command(path))
        self._program(mount_commands.forget_command(path))


def _put_back(path: str, text: str | replacing.Link | None) -> None:
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replacing.replace(path, text)
