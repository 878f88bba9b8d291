# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a guest's mounts as they are wanted: `survey` looks and decides, a `Run` acts, and undoes what half worked."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import stat
import subprocess
from typing import Any, Callable, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    boot_modules,
    effective_options,
    fstab,
    mount_messages,
    store_list,
    systemd_units,
    wanted_mounts,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest, silence
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount

LOCK = "/run/zeroinstall.virtualbox.lock"
RECORD = "/var/lib/zeroinstall.virtualbox/mounts.json"

_PATIENCE = 120.0
_SHOWN_ENTRIES = 3
_MASKS = (replacing.Link("/dev/null"), "")


class Request(NamedTuple):
    """What the user asks for."""

    wanted: list[Mount]
    gone: list[Gone]
    exclusive: bool = False
    driver: bool = True
    fstab: str = "/etc/fstab"


class Record(NamedTuple):
    """What this collection made in a guest, so that it can take exactly that away again."""

    directories: list[str]
    mounts: dict[str, str]
    stores: list[str]


class FileChange(NamedTuple):
    """A file's text, or a link, before and after; None where there is nothing."""

    path: str
    before: str | replacing.Link | None
    after: str | replacing.Link | None


class Unmounting(NamedTuple):
    """What has to go from a path: its vboxsf mounts with their options, the visible one first.

    `silent`: the visible one does not answer. `stop`: systemd is to wait for no more accesses.
    """

    layers: list[tuple[live_mounts.Live, tuple[str, ...]]]
    silent: bool
    stop: bool


class Plan(NamedTuple):
    """What a run does, and what it reports.

    `systemd`: it mounts, at the first access. `reports`: path to share, state, changes and reasons.
    """

    systemd: bool
    load_driver: bool
    files: list[FileChange]
    reload: bool
    unmount: dict[str, Unmounting]
    make: list[str]
    mount: list[Mount]
    remove: list[str]
    record: Record
    reports: dict[str, dict[str, Any]]
    diff: list[dict[str, str]]
    warnings: list[str]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.load_driver or self.files or self.unmount or self.make or self.mount or self.remove)

    @property
    def commands(self) -> list[list[str]]:
        """The programs that it runs, in order, if nothing goes wrong."""
        found = [["modprobe", fstab.TYPE]] if self.load_driver else []
        for path, unmounting in self.unmount.items():
            if unmounting.stop:
                found += [_umount(path)] * len(unmounting.layers) + [_stop(path), _forget(path)]
        found += [_RELOAD] if self.reload else []
        for path, unmounting in self.unmount.items():
            found += [] if unmounting.stop else [_umount(path)] * len(unmounting.layers)
        return found + [_start(mount.path) if self.systemd else _mount_as_wanted(mount) for mount in self.mount]


def _umount(path: str) -> list[str]:
    return ["umount", "--", path]


def _mount(share: str, path: str, options: Sequence[str]) -> list[str]:
    return ["mount", "-t", fstab.TYPE, "-o", ",".join(options), "--", share, path]


def _mount_as_wanted(mount: Mount) -> list[str]:
    return _mount(mount.share, mount.path, wanted_mounts.mount_options(mount))


_RELOAD = ["systemctl", "daemon-reload"]


def _start(path: str) -> list[str]:
    return ["systemctl", "start", "--", systemd_units.unit(path, "automount"), systemd_units.unit(path, "mount")]


def _stop(path: str) -> list[str]:
    return ["systemctl", "stop", "--", systemd_units.unit(path, "automount")]


def _forget(path: str) -> list[str]:
    """Systemd keeps a unit that failed in its list, even where nothing is left of it."""
    return ["systemctl", "reset-failed", "--", systemd_units.unit(path, "mount")]


# --- looking and deciding -----------------------------------------------------------------------------------------


def read_record() -> tuple[Record, list[str]]:
    """What was made by earlier runs; nothing, and a warning, where the record is damaged or somebody else's."""
    nothing = Record([], {}, [])
    try:
        status = os.lstat(RECORD)
    except (FileNotFoundError, NotADirectoryError):
        return nothing, []
    warning = f"{RECORD} is %s: what earlier runs made is not known, and stays when mounts are removed."
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        return nothing, [warning % "no file that only root can write"]
    try:
        found = json.loads(replacing.read(RECORD) or "")
        record = Record(list(found["directories"]), dict(found["mounts"]), list(found["stores"]))
        for path in (*record.directories, *record.mounts, *record.stores):
            wanted_mounts.check_path(path)
        for share in record.mounts.values():
            _names.check_share_name(share)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, Failure):
        return nothing, [warning % "damaged"]
    return record, []


def _write_record(record: Record) -> None:
    if any(record):
        if not os.path.isdir(os.path.dirname(RECORD)):
            os.makedirs(os.path.dirname(RECORD))
            os.chmod(os.path.dirname(RECORD), 0o755)  # a mount point may be in it
        replacing.replace(RECORD, json.dumps(record._asdict(), indent=1, sort_keys=True) + "\n")
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(RECORD)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(RECORD))


class _OutOfReach(Failure):
    """What is at a path cannot be seen."""

    def __init__(self, path: str, way: str, error: OSError) -> None:
        super().__init__(f"path {path}: {way} cannot be looked at: {error.strerror}.")
        self.way, self.error = way, str(error.strerror)


def _missing_folders(path: str, mounted: bool = False) -> list[str]:
    """The folders on the way to a path that do not exist, outermost first. Failure: a link or a file is on the way."""
    parts = path.split("/")[1:]
    ways = ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
    for way in ways[:-1] if mounted else ways:
        try:
            mode = os.lstat(way).st_mode
        except FileNotFoundError:
            return ways[ways.index(way) :]
        except OSError as error:
            raise _OutOfReach(path, way, error) from error
        if stat.S_ISLNK(mode):
            raise Failure(
                f"path {path}: {way} is a symbolic link, and none is followed. "
                f"Write the path without it: {os.path.realpath(path)}."
            )
        if not stat.S_ISDIR(mode):
            raise Failure(f"path {path}: {way} is no folder. Move it away, or choose another path.")
    return []


def _check_empty(path: str) -> None:
    """Failure where something is in a folder that a mount would hide."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise Failure(f"path {path} cannot be listed: {error.strerror}.") from error
    if names:
        some = ", ".join(map(repr, names[:_SHOWN_ENTRIES])) + ", …" * bool(names[_SHOWN_ENTRIES:])
        raise Failure(
            f"path {path} is not empty: a mount would hide its {len(names)} entries ({some}). Move them away, or "
            "choose another path. If they are Zero Install packages of the guest's own, they can stay with "
            "cache_guest_mode: readonly and cache_guest_sharing: true, which mounts the host's store beside them."
        )


def _owner(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_uid, status.st_gid


class _Survey:
    """One look at a guest; `plan` says what has to be done for a request."""

    def __init__(self, guest: Guest, request: Request) -> None:
        self.guest = guest
        self.request = request
        wanted_mounts.check(request.wanted, request.gone, guest.origin() == "mainline")
        self.systemd = guest.init() == "systemd"
        self.virtualbox = bool(guest.virtualbox()["guest"])
        self.record, self.warnings = read_record()
        guest.wake([mount.path for mount in request.wanted])
        self.mounts = guest.mounts()
        self.files: list[FileChange] = []
        self.unmount: dict[str, Unmounting] = {}
        self.make: list[str] = []
        self.to_mount: list[Mount] = []
        self.units_change = False
        self.waiting_before: list[str] = []
        self.waiting_after: list[str] = []
        self.reports: dict[str, dict[str, Any]] = {}
        self.leaving: list[str] = []
        self.live_before: list[str] = []
        self.live_after: list[str] = []

    def plan(self) -> Plan:
        """Failure: something is in the way, and nothing may be touched."""
        request = self.request
        for mount in request.wanted:
            self._report(mount.path, mount.share, "present")
        for gone in request.gone:
            self._report(gone.path, gone.share or self.record.mounts.get(gone.path), "absent")
        lines = self._fstab()
        for mount in request.wanted:
            self._units(mount.path, self.systemd)
        load = self._driver()
        had_lines = [os.path.normpath(item.path) for item in lines.removed]
        gone_ones = self._gone(lines.removed)
        self.leaving = [gone.path for gone in gone_ones if self._going(gone, gone.path in had_lines)]
        for mount in request.wanted:
            self._want(mount)
        for gone in gone_ones:
            self._units(gone.path, False)
            self._unwant(gone, gone.path in had_lines)
        if request.driver:
            self._file(boot_modules.MODULES_LOAD, boot_modules.MODULES_LOAD_TEXT if lines.ours else None)
        stores = self._store_list()
        for change in self.files:
            if change.after is not None:
                self._make(os.path.dirname(change.path))
        remove = self._removable()
        for path in remove:
            if path in self.reports:
                self.reports[path]["changes"].append("folder removed")
        record = Record(
            sorted({*self.record.directories, *self.make} - {*remove, os.path.dirname(RECORD)}),
            {
                **{path: share for path, share in self.record.mounts.items() if self._stays(path)},
                **{mount.path: mount.share for mount in request.wanted},
            },
            stores,
        )
        stop = any(unmounting.stop for unmounting in self.unmount.values())
        reload = self.systemd and bool(lines.changed or self.units_change or self.to_mount or stop)
        return Plan(
            self.systemd, load, self.files, reload, self.unmount, self.make, self.to_mount, remove, record,
            self.reports, self._diff(load, remove), self.warnings,
        )  # fmt: skip

    def _stays(self, path: str) -> bool:
        return self.reports.get(path, {}).get("state") != "absent"

    def _report(self, path: str, share: str | None, state: str) -> None:
        self.reports[path] = {"share": share, "path": path, "state": state, "changes": [], "reasons": []}

    def _file(self, path: str, after: str | None) -> None:
        """Plan a file's new text. Failure: it cannot be written."""
        before = replacing.read(path)
        if before == after:
            return
        real = replacing.real(path)
        if os.path.isdir(os.path.dirname(real)):
            replacing.check_writable(real)
        self.files.append(FileChange(real, before, after))

    def _fstab(self) -> Any:
        request = self.request
        path = replacing.real(request.fstab)
        before = replacing.read(path)
        lines = fstab.parse_fstab(before or "")
        self.lines = lines
        malformed = [str(line.number) for line in lines if line.malformed]
        if malformed:
            self.warnings.append(
                "{} has malformed lines, which stay as they are: {}.".format(request.fstab, ", ".join(malformed))
            )
        change = fstab.change_fstab(lines, request.wanted, request.gone, request.exclusive, self.systemd)
        if change.text != (before or ""):
            self._file(path, change.text)
        for place, what in change.changes.items():
            if place not in self.reports:
                removed = next(item for item in change.removed if fstab.same_place(item, place))
                self._report(place, removed.source, "absent")
            self.reports[place]["changes"].append("fstab line " + what)
        return change

    def _units(self, path: str, wanted: bool) -> None:
        """Plan systemd's files for a path. Failure: somebody else's are there."""
        automount = systemd_units.automount_file(path)
        there = replacing.content(automount)
        ours = there is None or systemd_units.is_ours(there)
        if wanted:
            for file in (automount, *systemd_units.mount_files(path)):
                found = replacing.content(file)
                if not (found is None or found in _MASKS or (file == automount and ours)):
                    raise Failure(
                        f"{file} is somebody else's unit for the mount point {path}. Remove it, or choose another path."
                    )
                if file != automount:
                    self._unit_file(path, file, None, "mask")
        if wanted or ours:
            self._unit_file(path, automount, systemd_units.automount_text(path) if wanted else None, "automount unit")
            link = systemd_units.wanted_by(path)
            found = replacing.content(link)
            right = isinstance(found, replacing.Link) and automount == os.path.normpath(
                os.path.join(os.path.dirname(link), found.target)
            )
            if not (wanted and right):
                self._unit_file(path, link, replacing.Link(automount) if wanted else None, "link that enables it")
        text = systemd_units.MOUNT_DROP_IN_TEXT if wanted else None
        self._unit_file(path, systemd_units.mount_drop_in(path), text, "drop-in of the mount unit")

    def _unit_file(self, path: str, file: str, after: str | replacing.Link | None, what: str) -> None:
        before = replacing.content(file)
        if before == after:
            return
        if os.path.isdir(os.path.dirname(file)):
            replacing.check_writable(file)
        self.files.append(FileChange(file, before, after))
        self.units_change = True
        how = "added" if before is None else "removed" if after is None else "changed"
        self.reports[path]["changes"].append(f"{what} {how}")

    def _driver(self) -> bool:
        """Whether the driver is to be loaded. Failure: it is not there, or this is no VirtualBox guest."""
        if not self.request.wanted:
            return False
        if self.guest.driver_loaded():
            if not self.virtualbox and self.guest.is_there("/sys/module/" + fstab.TYPE):
                raise Failure("Shared folders cannot be mounted: " + mount_messages.driver_missing(False))
            return False
        if self.guest.module_file(fstab.TYPE) is None or not self.virtualbox:
            raise Failure("Shared folders cannot be mounted: " + mount_messages.driver_missing(self.virtualbox))
        return self.request.driver

    def _want(self, mount: Mount) -> None:
        report = self.reports[mount.path]
        layers = live_mounts.stack(self.mounts, mount.path)
        foreign = [layer for layer in layers if layer.type != fstab.TYPE and not effective_options.automounted(layer)]
        ours = [layer for layer in layers if layer.type == fstab.TYPE]
        waits = not self.systemd or any(map(effective_options.automounted, layers))
        if foreign and (not ours or foreign[-1] is layers[-1]):
            raise Failure(
                f"path {mount.path}: {foreign[-1].source} ({foreign[-1].type}) is mounted there. Unmount it, or choose "
                f"another path for share {mount.share}."
            )
        above = any(mount.path.startswith(path + "/") for path in self.leaving)
        # What is under a share that leaves is seen when it has left.
        missing = [] if above else self._missing(mount.path, bool(layers))
        if not ours:
            if not missing and not layers and not above:
                _check_empty(mount.path)
            self.make += [folder for folder in missing if folder not in self.make]
            report["changes"] += ["folder created"] * bool(missing) + ["mounted"]
            report["reasons"].append("it is not mounted")
        else:
            has = effective_options.effective(ours[-1], fstab.remembered(self.lines, mount.path), _owner(mount.path))
            wish = effective_options.wanted_options(mount)
            error = silence(mount.path)
            report["reasons"] += [f"share {ours[-1].source} is mounted"] * (ours[-1].source != mount.share)
            report["reasons"] += ["its options are " + ",".join(has)] * (has != wish)
            report["reasons"] += [f"it does not answer: {error}"] * bool(error)
            report["reasons"] += [f"{len(ours)} shares are mounted over one another"] * (len(ours) > 1)
            report["reasons"] += ["systemd does not wait for its first access"] * (not waits)
            report["reasons"] += ["the share that it is mounted in is unmounted"] * above
            if not report["reasons"]:
                return
            if foreign:
                raise Failure(
                    f"path {mount.path}: under the share there, {foreign[-1].source} ({foreign[-1].type}) is mounted. "
                    f"Unmount both, or choose another path for share {mount.share}."
                )
            stop = above and any(map(effective_options.automounted, layers))
            self._unmount(mount.path, ours, layers, stop)
            report["changes"] += ["unmounted", "mounted"]
            waits = waits and not stop
        self.to_mount.append(mount)
        self.waiting_after += [systemd_units.unit(mount.path, "automount") + "\n"] * (not waits)
        self.live_after.append(effective_options.line_of(mount.share, mount.path, effective_options.wanted_options(mount)))

    def _gone(self, removed: Sequence[fstab.Entry]) -> list[Gone]:
        """Everything that has to go: as asked for, by its removed fstab line, or, if exclusive, by the record."""
        found = {gone.path: gone for gone in self.request.gone}
        for item in removed:
            path = os.path.normpath(item.path)
            found.setdefault(path, Gone(path, item.source))
        if self.request.exclusive:
            for path, share in self.record.mounts.items():
                if path not in self.reports:
                    self._report(path, share, "absent")
                    found[path] = Gone(path, share)
        return list(found.values())

    def _missing(self, path: str, mounted: bool) -> list[str]:
        try:
            return _missing_folders(path, mounted)
        except _OutOfReach as failure:
            live = live_mounts.above(self.mounts, failure.way)
            if live is None:
                raise
            entries = [line.entry for line in self.lines if line.entry and fstab.same_place(line.entry, live.path)]
            ours = live.type == fstab.TYPE and live.source in (
                self.record.mounts.get(live.path),
                *(entry.source for entry in entries if entry.ours),
            )
            raise Failure(f"path {path}: {mount_messages.dead(live, failure.error, self.lines, ours)}") from failure

    def _going(self, gone: Gone, had_line: bool) -> list[live_mounts.Live]:
        """The mounts that go from a path, the visible one last."""
        share = gone.share or self.record.mounts.get(gone.path)
        going: list[live_mounts.Live] = []
        for layer in reversed(live_mounts.stack(self.mounts, gone.path)):
            if layer.type != fstab.TYPE or not (had_line or layer.source == share):
                break
            going.insert(0, layer)
        return going

    def _unwant(self, gone: Gone, had_line: bool) -> None:
        layers = live_mounts.stack(self.mounts, gone.path)
        going = self._going(gone, had_line)
        if going or had_line or gone.path in self.record.mounts:
            self._unmount(gone.path, going, layers, stop=any(map(effective_options.automounted, layers)))
        if going:
            self.reports[gone.path]["changes"].append("unmounted")

    def _unmount(
        self, path: str, going: Sequence[live_mounts.Live], layers: Sequence[live_mounts.Live], stop: bool = False
    ) -> None:
        if not going and not stop:
            return
        self.waiting_before += [systemd_units.unit(path, "automount") + "\n"] * stop
        silent = bool(going) and silence(path) is not None
        found = []
        for layer in reversed(going):
            visible = layer is layers[-1]
            made_with = fstab.remembered(self.lines, path) if visible else None
            options = effective_options.effective(layer, made_with, _owner(path) if visible else None)
            found.append((layer, options))
            line = effective_options.line_of(layer.source, path, options)
            self.live_before.append("# does not answer: " + line if silent and visible else line)
        self.unmount[path] = Unmounting(found, silent, stop)

    def _store_list(self) -> list[str]:
        before = replacing.read(store_list.STORE_LIST)
        after, stores = store_list.change_store_list(before or "", self.request.wanted, self._stale_stores())
        if after != (before or ""):
            self._file(store_list.STORE_LIST, after or None)
        return stores + [path for path in self.record.stores if path not in stores and path not in self._stale_stores()]

    def _stale_stores(self) -> list[str]:
        """Lines of ours that this run decides about: those of the mounts that it was told of."""
        return [path for path in self.record.stores if path in self.reports]

    def _make(self, folder: str) -> None:
        self.make += [way for way in _missing_folders(folder) if way not in self.make]

    def _removable(self) -> list[str]:
        """The folders of ours that are empty once this plan is carried out, innermost first."""
        going = [change.path for change in self.files if change.after is None]
        absent = [path for path, report in self.reports.items() if report["state"] == "absent"]
        stay = [mount.path for mount in self.request.wanted] + [
            change.path for change in self.files if change.after is not None
        ]
        removed: list[str] = []
        for folder in sorted(self.record.directories, key=len, reverse=True):
            concerned = any((path + "/").startswith(folder + "/") for path in going + absent)
            if not concerned or any((path + "/").startswith(folder + "/") for path in stay):
                continue
            layers = live_mounts.stack(self.mounts, folder)
            unmounted = self.unmount.get(folder)
            if layers and not (unmounted and len(unmounted.layers) + unmounted.stop >= len(layers)):
                continue
            try:
                names = [] if layers else os.listdir(folder)
            except OSError:
                continue
            if not {os.path.join(folder, name) for name in names} - {*removed, *going}:
                removed.append(folder)
        return removed

    def _diff(self, load: bool, remove: Sequence[str]) -> list[dict[str, str]]:
        found: list[tuple[str, str, str]] = []
        for change in self.files:
            before, after = map(_shown, (change.before, change.after))
            name = change.path
            if change.path == replacing.real(self.request.fstab):
                before, after = fstab.only_vboxsf(before), fstab.only_vboxsf(after)
                name += f" (lines of type {fstab.TYPE})"
            found.append((name, before, after))
        found.append(("driver", "not loaded\n" if load else "", "loaded\n" if load else ""))
        found.append(("systemd waits for accesses", "".join(self.waiting_before), "".join(self.waiting_after)))
        found.append(("live mounts", "".join(self.live_before), "".join(self.live_after)))
        before, after = ("".join(path + "\n" for path in sorted(paths)) for paths in (remove, self.make))
        found.append(("folders", before, after))
        return [
            {"before_header": name, "after_header": name, "before": _printable(before), "after": _printable(after)}
            for name, before, after in found
            if before != after
        ]


def _shown(content: str | replacing.Link | None) -> str:
    return f"link to {content.target}\n" if isinstance(content, replacing.Link) else content or ""


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def survey(guest: Guest, request: Request) -> Plan:
    """What has to be done for a request. Changes nothing. Failure: the request or the guest does not allow it."""
    try:
        return _Survey(guest, request).plan()
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}.") from error


# --- acting -------------------------------------------------------------------------------------------------------


class Run:
    """Carries out a plan, step by step, and undoes the steps that were done when one fails.

    `commands` gets the programs that were run.
    """

    def __init__(self, guest: Guest, plan: Plan, commands: list[list[str]]) -> None:
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
            self._must(_RELOAD)
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
        self._must(_RELOAD)
        for command in reversed(self._again):
            self._must(command)

    def _record(self, record: Record) -> None:
        before = replacing.read(RECORD)
        self._later(RECORD, lambda: _put_back(RECORD, before))
        try:
            _write_record(record)
        except OSError as error:
            raise Failure(f"{RECORD} cannot be written: {error.strerror}.") from error

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
                    fstab.TYPE, mount_messages.driver_missing(bool(self.guest.virtualbox()["guest"])), output or "nothing"
                )
            )

    def _unmount(self, path: str, unmounting: Unmounting) -> None:
        for number, (layer, options) in enumerate(unmounting.layers):
            dead = unmounting.silent and number == 0
            status, output = self._program(_umount(path))
            if status and dead:
                status, output = self._program(["umount", "-l", "--", path])
            if status:
                raise Failure(f"{path} cannot be unmounted: {output.rstrip('.')}.{self._holders(path)}")
            if dead:
                self._dead.append(f"share {layer.source} at {path}")
            elif unmounting.stop:
                self._again.append(_mount(layer.source, path, options))
            else:
                command = _mount(layer.source, path, options)
                self._later(f"share {layer.source} at {path}", functools.partial(self._must, command))
        if unmounting.stop:
            self._must(_stop(path))
            self._again.append(_start(path)[:-1])
            self._program(_forget(path))

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
        some = ", ".join(found[:_SHOWN_ENTRIES]) + (", …" if found[_SHOWN_ENTRIES:] else "")
        return f" It is used by {some}. End that, and run again."

    def _mount(self, mount: Mount) -> None:
        for folder in _missing_folders(mount.path):
            self._make(folder)
            self._made.append(folder)
        waited = self._waits(mount.path)
        if not waited:
            _check_empty(mount.path)
        status, output = self._program(_start(mount.path) if self.plan.systemd else _mount_as_wanted(mount))
        if self.plan.systemd and not waited:
            self._later(f"systemd's unit for {mount.path}", lambda: self._end_waiting(mount.path))
        waits = self._waits(mount.path) or not self.plan.systemd
        if self.plan.systemd and waits and not self._visible(mount.path):
            # What mount said to systemd is only in the journal.
            status, output = self._program(_mount_as_wanted(mount))
        top = self._visible(mount.path)
        if top:
            self._later(f"the new mount at {mount.path}", lambda: self._must(_umount(mount.path)))
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
        has = effective_options.effective(top, item, _owner(mount.path)) if top else ()
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
            self._must(_stop(path))
        self._program(_forget(path))


def _put_back(path: str, text: str | replacing.Link | None) -> None:
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replacing.replace(path, text)
