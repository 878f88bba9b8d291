# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a guest's mounts as they are wanted: ``survey`` looks and decides, a ``Run`` acts, and undoes what half
worked."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    boot_modules,
    effective_options,
    fstab,
    mount_commands,
    mount_messages,
    mount_points,
    mount_records,
    store_list,
    systemd_units,
    wanted_mounts,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest, silence
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount

LOCK = "/run/zeroinstall.virtualbox.lock"

_MASKS = (replacing.Link("/dev/null"), "")


class Request(NamedTuple):
    """What the user asks for."""

    wanted: list[Mount]
    gone: list[Gone]
    exclusive: bool = False
    driver: bool = True
    fstab: str = "/etc/fstab"


class FileChange(NamedTuple):
    """A file's text, or a link, before and after; None where there is nothing."""

    path: str
    before: str | replacing.Link | None
    after: str | replacing.Link | None


class Unmounting(NamedTuple):
    """What has to go from a path: its vboxsf mounts with their options, the visible one first.

    ``silent``: the visible one does not answer. ``stop``: systemd is to wait for no more accesses.
    """

    layers: list[tuple[live_mounts.Live, tuple[str, ...]]]
    silent: bool
    stop: bool


class Plan(NamedTuple):
    """What a run does, and what it reports.

    ``waits``: systemd mounts, at the first access. ``reports``: path to share, state, changes and reasons.
    """

    waits: bool
    load_driver: bool
    files: list[FileChange]
    reload: bool
    unmount: dict[str, Unmounting]
    make: list[str]
    mount: list[Mount]
    remove: list[str]
    record: mount_records.Record
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
                found += [mount_commands.unmount_command(path)] * len(unmounting.layers) + [
                    mount_commands.stop_command(path),
                    mount_commands.forget_command(path),
                ]
        found += [mount_commands.RELOAD] if self.reload else []
        for path, unmounting in self.unmount.items():
            found += [] if unmounting.stop else [mount_commands.unmount_command(path)] * len(unmounting.layers)
        return found + [
            mount_commands.start_command(mount.path) if self.waits else mount_commands.wanted_command(mount)
            for mount in self.mount
        ]


# --- looking and deciding -----------------------------------------------------------------------------------------


class _Survey:
    """One look at a guest; ``plan`` says what has to be done for a request."""

    def __init__(self, guest: Guest, request: Request) -> None:
        self.guest = guest
        self.request = request
        wanted_mounts.check(request.wanted, request.gone, guest.origin() == "mainline")
        self.systemd = guest.init() == "systemd"
        self.waits = guest.waits_for_accesses()
        self.virtualbox = bool(guest.virtualbox()["guest"])
        self.record, self.warnings = mount_records.read_record()
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
        had_lines = [_names.normal(item.path) for item in lines.removed]
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
        record = mount_records.Record(
            sorted({*self.record.directories, *self.make} - {*remove, os.path.dirname(mount_records.RECORD)}),
            {
                **{path: share for path, share in self.record.mounts.items() if self._stays(path)},
                **{mount.path: mount.share for mount in request.wanted},
            },
            stores,
        )
        stop = any(unmounting.stop for unmounting in self.unmount.values())
        reload = self.systemd and bool(lines.changed or self.units_change or self.to_mount or stop)
        return Plan(
            self.waits, load, self.files, reload, self.unmount, self.make, self.to_mount, remove, record,
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
        waits, at_boot = wanted and self.waits, wanted and not self.waits
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
            self._unit_file(path, automount, systemd_units.automount_text(path) if waits else None, "automount unit")
            self._link(path, systemd_units.wanted_by(path, "automount"), automount, waits)
        at_boot_link, generated = systemd_units.wanted_by(path, "mount"), systemd_units.generated_file(path)
        if at_boot or _leads_to(at_boot_link, generated):
            self._link(path, at_boot_link, generated, at_boot)
        text = systemd_units.MOUNT_DROP_IN_TEXT if waits else systemd_units.AT_BOOT_DROP_IN_TEXT if at_boot else None
        self._unit_file(path, systemd_units.mount_drop_in(path), text, "drop-in of the mount unit")

    def _link(self, path: str, link: str, unit: str, wanted: bool) -> None:
        """Plan the link by which a boot wants a unit."""
        if not (wanted and _leads_to(link, unit)):
            self._unit_file(path, link, replacing.Link(unit) if wanted else None, "link that enables it")

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
        waits = not self.waits or any(map(effective_options.automounted, layers))
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
                mount_points.check_empty(mount.path)
            self.make += [folder for folder in missing if folder not in self.make]
            report["changes"] += ["folder created", "mounted"] if missing else ["mounted"]
            report["reasons"].append("it is not mounted")
        else:
            has = effective_options.effective(
                ours[-1], fstab.remembered(self.lines, mount.path), mount_points.owner(mount.path)
            )
            wish = effective_options.wanted_options(mount)
            error = silence(mount.path)
            reasons = [
                (f"share {ours[-1].source} is mounted", ours[-1].source != mount.share),
                ("its options are " + ",".join(has), has != wish),
                (f"it does not answer: {error}", error),
                (f"{len(ours)} shares are mounted over one another", len(ours) > 1),
                ("systemd does not wait for its first access", not waits),
                ("the share that it is mounted in is unmounted", above),
            ]
            report["reasons"] += [reason for reason, holds in reasons if holds]
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
        if not waits:
            self.waiting_after.append(systemd_units.unit(mount.path, "automount") + "\n")
        self.live_after.append(
            effective_options.line_of(mount.share, mount.path, effective_options.wanted_options(mount))
        )

    def _gone(self, removed: Sequence[fstab.Entry]) -> list[Gone]:
        """Everything that has to go: as asked for, by its removed fstab line, or, if exclusive, by the record."""
        found = {gone.path: gone for gone in self.request.gone}
        for item in removed:
            path = _names.normal(item.path)
            found.setdefault(path, Gone(path, item.source))
        if self.request.exclusive:
            for path, share in self.record.mounts.items():
                if path not in self.reports:
                    self._report(path, share, "absent")
                    found[path] = Gone(path, share)
        return list(found.values())

    def _missing(self, path: str, mounted: bool) -> list[str]:
        try:
            return mount_points.missing_folders(path, mounted)
        except mount_points.OutOfReach as failure:
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
            options = effective_options.effective(layer, made_with, mount_points.owner(path) if visible else None)
            found.append((layer, options))
            line = effective_options.line_of(layer.source, path, options)
            self.live_before.append("# does not answer: " + line if silent and visible else line)
        self.unmount[path] = Unmounting(found, silent, stop)

    def _store_list(self) -> list[str]:
        before = replacing.read(_names.STORE_LIST)
        after, stores = store_list.change_store_list(before or "", self.request.wanted, self._stale_stores())
        if after != (before or ""):
            self._file(_names.STORE_LIST, after or None)
        return stores + [path for path in self.record.stores if path not in stores and path not in self._stale_stores()]

    def _stale_stores(self) -> list[str]:
        """Lines of ours that this run decides about: those of the mounts that it was told of."""
        return [path for path in self.record.stores if path in self.reports]

    def _make(self, folder: str) -> None:
        self.make += [way for way in mount_points.missing_folders(folder) if way not in self.make]

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


def _leads_to(link: str, path: str) -> bool:
    """Whether a link is there that leads to a path."""
    found = replacing.content(link)
    return isinstance(found, replacing.Link) and path == os.path.normpath(
        os.path.join(os.path.dirname(link), found.target)
    )


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
