# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a guest: its files in /proc, /sys, /etc and /lib/modules, and one program where no file will do."""

from __future__ import annotations

import functools
import os
import pwd
import re
import shlex
import subprocess
from typing import Any, Callable, Iterable

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import (
    inspecting,
    live_mounts,
    replacing,
    sudo,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    additions_versions,
    boot_modules,
    effective_options,
    fstab,
    mount_messages,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked

_VIRTUALBOX_DEVICE = ("0x80ee", "0xcafe")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Fedora gave its package up, and Arch, Alpine and openSUSE have none in their own repositories.
_PACKAGE = "0install-core"
_FAMILIES_WITH_PACKAGE = {"debian", "ubuntu"}
_MODULES_FOLDERS = tuple(f"{folder}/modules-load.d" for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
_RECORDED = re.compile(r"^INSTALL_VER='([^'\n]*)'$", re.MULTILINE)
_CALLED = re.compile(r"^\s*(?:exec\s+)?(?:\S*/)?sudo\s+(?:-\S+\s+)*?-u\s+(\S+)\s+(?:--\s+)?(/\S+)", re.MULTILINE)
_ASSIGNED = re.compile("[A-Z0-9_]+")
_ZERO_INSTALL = re.compile(r"0install \(zero-install\) ([0-9][0-9A-Za-z.-]{0,30})$", re.MULTILINE)


class Guest:
    """The guest as its files show it. ``root``: its root folder, for a guest that is looked at from outside."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")

    def at(self, path: str) -> str:
        """Where a path of the guest is."""
        return self.root + path

    def text(self, path: str) -> str | None:
        """A file's text, or None where there is none or it cannot be read."""
        try:
            return replacing.read(self.at(path))
        except OSError:
            return None

    def word(self, path: str) -> str | None:
        """The text of a file of one line, without its ends."""
        text = self.text(path)
        return None if text is None else text.strip()

    def names(self, path: str) -> list[str]:
        """What is in a folder; nothing where it cannot be read."""
        try:
            return sorted(os.listdir(self.at(path)))
        except OSError:
            return []

    def is_there(self, path: str) -> bool:
        """Whether a path exists."""
        return os.path.exists(self.at(path))

    # --- VirtualBox and its drivers

    def virtualbox(self) -> dict[str, Any]:
        """``guest``: whether this is a VirtualBox guest; ``product``: the machine's name for itself; ``uuid``: its
        hardware's.
        """
        product = self.word("/sys/class/dmi/id/product_name")
        uuid = (self.word("/sys/class/dmi/id/product_uuid") or "").lower()
        devices = (
            tuple(self.word(f"/sys/bus/pci/devices/{device}/{part}") for part in ("vendor", "device"))
            for device in self.names("/sys/bus/pci/devices")
        )
        return {
            "guest": product == "VirtualBox" or _VIRTUALBOX_DEVICE in devices,
            "product": product,
            "uuid": uuid if _UUID.fullmatch(uuid) else "",
        }

    def mounts(self) -> list[live_mounts.Live]:
        """The live mounts."""
        return live_mounts.parse_mountinfo(self.text("/proc/self/mountinfo") or "")

    def wake(self, paths: Iterable[str]) -> dict[str, str]:
        """Access the paths where systemd waits for the first access, as any use would: those that fail, and how."""
        mounts = self.mounts()
        waiting = [
            path for path in paths if any(map(effective_options.automounted, live_mounts.stack(mounts, path)[-1:]))
        ]
        errors = {path: silence(self.at(path)) for path in waiting}
        return {path: error for path, error in errors.items() if error}

    def driver_loaded(self) -> bool:
        """Whether the kernel can mount vboxsf now."""
        return fstab.TYPE in (self.text("/proc/filesystems") or "").split()

    def modules_folder(self) -> str | None:
        """The folder of the running kernel's modules."""
        release = self.word("/proc/sys/kernel/osrelease")
        folders = [f"{folder}/{release}" for folder in ("/lib/modules", "/usr/lib/modules")]
        return next((folder for folder in folders if release and self.is_there(folder)), None)

    def module_file(self, module: str) -> str | None:
        """A kernel module's file, relative to the running kernel's folder, or None: from ``modules.dep``,
        ``.builtin``."""
        folder = self.modules_folder()
        for index in ("modules.dep", "modules.builtin"):
            file = indexed(self.text(f"{folder}/{index}") or "", module) if folder else None
            if file:
                return file
        return None

    def driver_at_boot(self) -> list[str]:
        """The files by which the driver is loaded at every boot."""
        files: dict[str, str] = {}
        for folder in _MODULES_FOLDERS:
            for name in self.names(folder):
                if name.endswith(".conf"):
                    files.setdefault(name, f"{folder}/{name}")  # it hides those of its name in later folders
        systemd = self.init() == "systemd"
        return [
            path
            for path in [*files.values(), "/etc/modules"]
            if fstab.TYPE in boot_modules.modules(self.text(path) or "", systemd)
        ]

    def driver(self) -> dict[str, Any]:
        """``loaded``, ``loadable`` and ``at_boot`` of vboxsf."""
        loaded = self.driver_loaded()
        return {
            "loaded": loaded,
            "loadable": loaded or self.module_file(fstab.TYPE) is not None,
            "at_boot": self.driver_at_boot(),
        }

    def loaded_driver(self) -> additions_versions.Driver | None:
        """The vboxguest that is loaded."""
        version = self.word("/sys/module/vboxguest/version")
        if version is not None:
            return _driver(additions_versions.parse(version))
        return (
            additions_versions.Driver(additions_versions.MAINLINE) if self.is_there("/sys/module/vboxguest") else None
        )

    def installed_driver(self, programs: bool = True) -> additions_versions.Driver | None:
        """The vboxguest that the running kernel would load now; without ``programs``, its version is not read."""
        file = self.module_file("vboxguest")
        if file is None:
            return None
        if file.startswith("kernel/drivers/"):
            return additions_versions.Driver(additions_versions.MAINLINE)
        command = ("modinfo", "-F", "version", self.at(f"{self.modules_folder()}/{file}"))
        return _driver(additions_versions.parse(answer(*command) or "") if programs else None)

    def origin(self) -> str | None:
        """Whose vboxguest this is: ``oracle``, ``distribution``, ``mainline``, or None where there is none."""
        driver = self.loaded_driver() or self.installed_driver(programs=False)
        return driver.origin if driver else None

    def oracle(self) -> str | None:
        """The version of Oracle's Guest Additions by what their installer wrote down, whatever is loaded."""
        record = self.text("/var/lib/VBoxGuestAdditions/config") or ""
        found = _RECORDED.search(record)
        return found.group(1) if found else None

    def additions(self, refused: additions_versions.Limits, tools: bool = True) -> dict[str, Any]:
        """Version, origin and problem of the Guest Additions, and what is installed beside what is loaded."""
        loaded, installed = self.loaded_driver(), self.installed_driver(tools)
        driver = loaded or installed
        program = _version_of_tools() if tools else None
        version = (driver.version if driver else None) or additions_versions.parse(program or "")
        origin = driver.origin if driver else None
        problem, restart = (
            additions_versions.problem(version, origin, refused),
            additions_versions.restart(loaded, installed),
        )
        return {
            "version": version.text if version else None,
            "full": version.full if version else None,
            "revision": version.revision if version else None,
            "origin": origin,
            "tools": program,
            "installed": installed.version.full if installed and installed.version else None,
            "oracle": self.oracle(),
            "restart": restart,
            "problem": f"{problem} {restart}" if problem and restart else problem,
        }

    @functools.cached_property
    def release(self) -> dict[str, str]:
        """The assignments in the guest's os-release file."""
        return os_release(self.text("/etc/os-release") or self.text("/usr/lib/os-release") or "")

    def system(self) -> dict[str, Any]:
        """The distribution by its os-release, the running kernel, and whether modules can be built for it."""
        folder = self.modules_folder()
        return {
            "id": self.release.get("ID", "linux"),
            "like": self.release.get("ID_LIKE", "").split(),
            "version": self.release.get("VERSION_ID"),
            "kernel": self.word("/proc/sys/kernel/osrelease"),
            "headers": folder is not None and self.is_there(f"{folder}/build/include"),
        }

    # --- mounts

    def live(self) -> list[dict[str, Any]]:
        """The visible vboxsf mounts, and whether each answers."""
        found = []
        for mount in live_mounts.visible(self.mounts()):
            if mount.type == fstab.TYPE:
                error = silence(self.at(mount.path))
                found.append(
                    {
                        "share": mount.source,
                        "path": mount.path,
                        "writable": not mount.readonly,
                        "options": sorted(set(mount.flags) | set(mount.details)),
                        "answers": error is None,
                        "error": error,
                    }
                )
        return found

    def fstab(self, path: str) -> dict[str, Any]:
        """The vboxsf entries of fstab, and the numbers of its malformed lines."""
        lines = fstab.parse_fstab(replacing.read(self.at(path)) or "")
        places = {line.number: _names.normal(line.entry.path) for line in lines if line.entry}
        errors = self.wake(places[line.number] for line in lines if line.entry and line.entry.type == fstab.TYPE)
        mounts = self.mounts()

        def mounted(item: fstab.Entry, place: str) -> bool:
            top = live_mounts.stack(mounts, place)[-1:]
            return bool(top) and (top[0].type, top[0].source) == (fstab.TYPE, item.source)

        return {
            "entries": [
                {
                    "line": line.number,
                    "share": line.entry.source,
                    "path": line.entry.path,
                    "options": list(line.entry.options),
                    "ours": line.entry.ours,
                    "mounted": mounted(line.entry, places[line.number]),
                    "error": errors.get(places[line.number]),
                }
                for line in lines
                if line.entry and line.entry.type == fstab.TYPE
            ],
            "malformed": [line.number for line in lines if line.malformed],
        }

    # --- Zero Install

    def implementation_dirs(self) -> list[str]:
        """The lines that Zero Install reads in the system's ``implementation-dirs``."""
        lines = (self.text(_names.STORE_LIST) or "").split("\n")
        return [line for line in lines if line and not line.startswith("#")]

    def stores(self) -> list[dict[str, Any]]:
        """The stores that root's Zero Install has, in its order."""
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~").rstrip("/") + "/.cache"
        system = (os.environ.get("XDG_CACHE_DIRS") or "/var/cache").split(":")
        places: list[tuple[str, str]] = [("user", home + _names.STORE)]
        places += [("system", folder + _names.STORE) for folder in system if folder]
        places += [("implementation-dirs", line) for line in self.implementation_dirs()]
        return [dict(self.store(path), kind=kind) for kind, path in places]

    def store(self, path: str) -> dict[str, Any]:
        """One store: ``path``, ``exists``, ``owner``, ``mode``, ``empty``, and ``error`` where it cannot be read."""
        found: dict[str, Any] = {
            "path": path,
            "exists": False,
            "link": False,
            "owner": None,
            "mode": None,
            "empty": None,
            "error": None,
        }
        try:
            found["link"] = os.path.islink(self.at(path))
            status = os.stat(self.at(path))
            found["exists"] = True
            found["owner"] = inspecting.user_name(status.st_uid)
            found["mode"] = f"{status.st_mode & 0o7777:04o}"
            with os.scandir(self.at(path)) as entries:
                found["empty"] = next(entries, None) is None
        except FileNotFoundError:
            pass
        except OSError as error:
            live = live_mounts.above(self.mounts(), path)
            found["error"] = (
                mount_messages.dead(live, str(error.strerror))
                if live and silence(self.at(live.path))
                else error.strerror
            )
        return found

    def sharing(self, sudoers: str, ask: bool = True) -> dict[str, Any]:
        """Whether the users of this guest share one store, as Zero Install's documentation describes it.

        ``ask``: whether to ask sudo for what the helper does.
        """
        user = _user(_names.STORE_OWNER)
        store = self.store(_names.SYSTEM_STORE)
        helper = self.program(_names.SECURE_ADD_HELPER)
        found = {
            "sudo": self.program("visudo") is not None,
            "user": user is not None,
            "helper": helper,
            "ours": any(_names.MARK in (self.text(path) or "") for path in (helper, sudoers) if path),
            "sudoers": self.is_there(sudoers),
            "store": user is not None and store["owner"] == _names.STORE_OWNER and store["mode"] == "0755",
        }
        called = _CALLED.search(self.text(helper) or "") if helper else None
        found["problem"] = None
        if called and ask and not self.root and found["sudoers"]:
            found["problem"] = sudo.problem(sudo.Rule(called.group(2), called.group(1), sudoers))
        parts = ("user", "helper", "sudoers", "store")
        found["ready"] = all(found[part] for part in parts) and found["problem"] is None
        return found

    def paths(self, paths: Iterable[str]) -> dict[str, dict[str, Any] | None]:
        """What is at each of these paths, as ``inspecting.look`` tells it."""
        return {path: inspecting.look(self.at(path)) for path in paths}

    def zero_install(self, version: bool = False) -> dict[str, str | None]:
        """Paths of ``0install`` and ``0store``, and the name of the distribution's ``package`` of them.

        With ``version``, 0install is asked for its own.
        """
        found = {name: self.program(name) for name in ("0install", "0store")}
        families = {self.release.get("ID"), *self.release.get("ID_LIKE", "").split()}
        told = _ZERO_INSTALL.match(answer("0install", "--version") or "") if version else None
        return {
            **found,
            "package": _PACKAGE if families & _FAMILIES_WITH_PACKAGE else None,
            "version": told[1] if told else None,
        }

    def program(self, name: str) -> str | None:
        """Where a program is, in PATH and in the usual folders."""
        for folder in (os.environ.get("PATH", "") + ":" + _names.SEARCH_PATH).split(":"):
            path = f"{folder}/{name}"
            if folder.startswith("/") and os.access(self.at(path), os.X_OK) and os.path.isfile(self.at(path)):
                return path
        return None

    def init(self) -> str:
        """The init system: ``systemd``, ``openrc``, ``sysvinit`` or ``other``."""
        if os.path.isdir(self.at("/run/systemd/system")):
            return "systemd"
        if os.path.isdir(self.at("/run/openrc")):
            return "openrc"
        if self.is_there("/etc/inittab") and self.is_there("/etc/init.d/rc"):
            return "sysvinit"
        return "other"

    def waits_for_accesses(self) -> bool:
        """Whether systemd can wait here for the first access to a mount. The kernel has autofs then.

        The file is the one that systemd itself looks for: ``automount_supported`` in its src/core/automount.c.
        """
        return self.init() == "systemd" and self.is_there("/dev/autofs")

    def everything(
        self,
        refused: additions_versions.Limits,
        fstab_path: str,
        sudoers: str,
        tools: bool,
        paths: Iterable[str] = (),
        version: bool = False,
    ) -> dict[str, Any]:
        """All of it. A part that cannot be read is None, and ``errors`` says why; the others stay."""
        parts: dict[str, Callable[[], Any]] = {
            "virtualbox": self.virtualbox,
            "additions": lambda: self.additions(refused, tools),
            "driver": self.driver,
            "fstab": lambda: self.fstab(fstab_path),  # before the mounts: it makes those that systemd waits to make
            "mounts": self.live,
            "stores": self.stores,
            "implementation_dirs": self.implementation_dirs,
            "sharing": lambda: self.sharing(sudoers, tools),
            "paths": lambda: self.paths(paths),
            "zero_install": lambda: self.zero_install(version),
            "init": self.init,
            "system": self.system,
        }
        found: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for name, part in parts.items():
            try:
                found[name] = part()
            except Exception as error:  # one part that cannot be read must not lose the others
                found[name] = None
                errors[name] = f"{type(error).__name__}: {error}"
        found["errors"] = errors
        return found


def run(asked: Asked) -> dict[str, Any]:
    """Read the guest. Failure: an option is no version."""
    options = asked.params
    refused = additions_versions.limits(options["minimum_version"], options["bad_versions"])
    guest = Guest().everything(
        refused,
        options["fstab"],
        options["sudoers"],
        options["tools"],
        options["paths"],
        options["zero_install_version"],
    )
    restart = (guest["additions"] or {}).get("restart")
    if restart:
        asked.warn(restart)
    return {"changed": False, "guest": guest}


def silence(path: str) -> str | None:
    """Why a mounted folder does not answer, or None where it does. No right to list it is an answer."""
    try:
        os.statvfs(path)
        with os.scandir(path) as entries:
            next(entries, None)
    except PermissionError:
        return None
    except OSError as error:
        return error.strerror
    return None


def indexed(text: str, module: str) -> str | None:
    """The file of a module in a text of the form of ``modules.dep`` or ``modules.builtin``."""
    for found in re.finditer(re.escape(module) + r"\.ko[^:\s]*", text):
        start = text.rfind("\n", 0, found.start()) + 1
        before = text[start : found.start()]
        if ":" not in before and before[-1:] in ("", "/"):
            return text[start : found.end()]
    return None


def os_release(text: str) -> dict[str, str]:
    """The assignments in an os-release file."""
    words: dict[str, str] = {}
    for line in text.splitlines():
        name, _equals, value = line.strip().partition("=")
        if _ASSIGNED.fullmatch(name):
            try:
                words[name] = "".join(shlex.split(value))
            except ValueError:  # an open quotation mark
                continue
    return words


def _driver(version: additions_versions.Version | None) -> additions_versions.Driver:
    """The driver of a version that is not the kernel's own."""
    return additions_versions.Driver(version.origin if version else additions_versions.ORACLE, version)


def answer(name: str, *arguments: str) -> str | None:
    """What a program prints, or None where there is none, or where it fails."""
    for folder in _names.SEARCH_PATH.split(":"):
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            try:
                # AnsibleModule.run_command has no time-out.
                done = subprocess.run(  # pylint: disable=ansible-bad-function
                    [path, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    errors="replace",
                    timeout=60,
                    check=False,
                )
            except (OSError, subprocess.SubprocessError):
                continue
            if done.returncode == 0:
                return done.stdout
    return None


def _version_of_tools() -> str | None:
    for name in ("VBoxService", "VBoxControl"):
        version = additions_versions.parse(answer(name, "--version") or "")
        if version:
            return version.full
    return None


def _user(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
