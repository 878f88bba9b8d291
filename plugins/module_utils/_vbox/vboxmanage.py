# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VirtualBox through VBoxManage and its settings files.

VBoxManage says which machines there are and what runs; everything about permanent shares comes from the settings
files, which VBoxSVC replaces at each change, and which are the only place that tells all fields of a share without
ambiguity. So a look at any number of machines costs three calls, and one or two more for each running machine.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import runs, settings

TIMEOUT = 120.0

MINIMUM_VERSION = (6, 0)
"""``--auto-mount-point`` and the attributes of the settings files read here came with 6.0."""
MODIFY_VERSION = (7, 1)
"""``sharedfolder modify`` and symlink policies came with 7.1."""

_LISTED = re.compile(r'^(?P<name>.*)" \{(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}$', re.MULTILINE)
_FIELD = re.compile(r'^(?P<key>[^=\n]+)=(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^"\n]*))$', re.MULTILINE | re.DOTALL)
_NO_SERVER = b"Failed to create the VirtualBox object"
"""What a client says that meets a VBoxSVC which is just starting or leaving. It has done nothing then. In rare cases
such a client crashes instead (seen with VirtualBox 7.2 on a busy machine: signal 11)."""
_PATIENCE = 30.0
"""Seconds for which it is asked again. On a busy machine a VBoxSVC may take many to leave."""
_PAUSE = 0.5
_SIGNALLED = 128
"""A shell adds the number of the signal that ended its command to this, and ends with the sum."""
_BUSY = re.compile(r"\(0x80bb000[27]\)|already has a lock request pending|is not currently running")


class CommandFailed(Failure):
    """VBoxManage ended with an error: its first line is in the message."""


class Busy(CommandFailed):
    """The machine is running, saved, or locked by another VirtualBox client."""


def parse_list(text: str) -> dict[str, bool]:
    """The UUIDs in ``VBoxManage list vms``, each with whether VirtualBox calls the machine inaccessible.

    Names are printed as they are and may hold newlines, so one can imitate other machines' lines: there may be UUIDs
    too many, and there is never one missing.
    """
    inaccessible: dict[str, bool] = {}
    for match in _LISTED.finditer(text):
        inaccessible[match["uuid"]] = match["name"] == '"<inaccessible>' and inaccessible.get(match["uuid"], True)
    return inaccessible


def _scan(text: str) -> Iterator[tuple[str, str]]:
    for match in _FIELD.finditer(text):
        text = match["text"]
        yield match["key"], match["word"] if text is None else re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def parse_fields(text: str) -> dict[str, str]:
    """Keys and values from ``VBoxManage showvminfo --machinereadable``, without those of snapshots.

    VirtualBox escapes ``"`` and ``\\`` in values and leaves newlines as they are, but escapes nothing in what was
    written about snapshots, and says last what the guest says of itself. So of that part only the Guest Additions'
    keys count.
    """
    fields: dict[str, str] = {}
    for key, value in _scan(text):
        if key in ("SnapshotName", "GuestMemoryBalloon"):
            break
        fields.setdefault(key, value)
    _machine, found, guest = text.rpartition("\nGuestMemoryBalloon=")
    for key, value in _scan(guest if found else ""):
        if key.startswith("GuestAdditions"):
            fields.setdefault(key, value)
    return fields


def parse_transient(fields: Mapping[str, str], human: str) -> tuple[settings.Share, ...]:
    """The transient shares of a running machine.

    Their names and paths come from the machine-readable fields, the rest from the human text, which escapes nothing:
    so it is searched for just those names and paths. The worse case counts, writable, where such a line is not found
    or where another text imitates it.
    """
    shares = []
    for key, name in fields.items():
        if key.startswith("SharedFolderNameTransientMapping"):
            path = fields.get(key.replace("Name", "Path", 1), "")
            _before, *rest = human.split(f"Name: '{name}', Host path: '{path}' (transient mapping), ")
            words = rest[0].partition("\n")[0] if rest else ""
            policy = re.search(r", symlink-policy: (\w+)", words)
            point = re.search(r", mount-point: '(.*)'", words)
            shares.append(
                settings.Share(
                    name,
                    path,
                    "transient",
                    writable=not (rest and all(text.startswith("readonly") for text in rest)),
                    automount=", auto-mount" in words,
                    mount_point=point[1] if point else "",
                    symlink_policy=policy[1] if policy else "none",
                )
            )
    return tuple(shares)


def additions(text: str) -> tuple[str, str]:
    """Version and revision from what VirtualBox reports of a guest: ``6.0.0 r127566``, ``7.2.22_Debian r175245``."""
    match = re.match(r"(\S+?)(?:[ _]?r(\d+))?$", text)
    return (match[1], match[2] or "") if match else (text, "")


def _met_no_server(done: subprocess.CompletedProcess[bytes]) -> bool:
    return bool(done.returncode) and _NO_SERVER in done.stderr


def _crashed(done: subprocess.CompletedProcess[bytes]) -> bool:
    """Whether a signal ended the program, or what Debian's wrapper started."""
    return done.returncode < 0 or done.returncode > _SIGNALLED


class VBoxManage:
    """One VirtualBox user's machines. ``commands`` collects the calls that change something."""

    def __init__(self, program: str = "VBoxManage", timeout: float = TIMEOUT) -> None:
        """Finds ``program`` in PATH and refuses one that is missing or too old."""
        found = shutil.which(program)
        if not found:
            raise Failure(
                f"VBoxManage was not found as '{program}': install VirtualBox on this host, or name the program's"
                " path with the option 'vboxmanage'."
            )
        self.program = found
        self.timeout = timeout
        self.folder = settings.settings_folder()
        self.commands: list[list[str]] = []
        version = re.search(r"^(\d+)\.(\d+)\.(\d+)", self.read("--version"), re.MULTILINE)
        if not version:
            raise Failure(f"{found} does not say its version: is it VirtualBox's own VBoxManage?")
        self.version = tuple(int(part) for part in version.groups())
        if self.version < MINIMUM_VERSION:
            raise Failure(
                "VirtualBox {} on this host is too old: {} or later is needed. Upgrade VirtualBox.".format(
                    version[0], ".".join(map(str, MINIMUM_VERSION))
                )
            )

    @property
    def can_modify(self) -> bool:
        """Whether a share can be corrected in place and have a symlink policy."""
        return self.version >= MODIFY_VERSION

    def read(self, *args: str) -> str:
        """Standard output of a call that changes nothing. Debian's wrapper may have put warnings in front of it."""
        return self._call(args, lambda done: _met_no_server(done) or _crashed(done))

    def change(self, *args: str) -> None:
        """Run a call that changes something, and remember it. After a crash nobody knows what was done: a Failure."""
        self._call(args, _met_no_server)
        self.commands.append(["VBoxManage", *args])

    def _call(self, args: tuple[str, ...], again: Callable[[subprocess.CompletedProcess[bytes]], bool]) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("LC_") and key != "LANGUAGE"}
        environ["LANG"] = environ["LC_ALL"] = "C.UTF-8"
        deadline = time.monotonic() + _PATIENCE
        while True:
            done = self._run(args, environ)
            if not again(done) or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        if done.returncode:
            text = done.stderr.decode("utf-8", "replace")
            lines = [line.partition("error: ")[2] for line in text.splitlines() if "error: " in line]
            ended = "it crashed" if _crashed(done) else "it failed"
            reason = lines[0] if lines else text.strip() or f"{ended} (exit status {done.returncode})"
            raise (Busy if _BUSY.search(text) else CommandFailed)("VBoxManage {}: {}".format(" ".join(args), reason))
        return done.stdout.decode("utf-8", "surrogateescape")

    def _run(self, args: tuple[str, ...], environ: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        try:
            # AnsibleModule.run_command knows no time-out, and a VBoxSVC that hangs must not hang the play.
            return subprocess.run(  # pylint: disable=ansible-bad-function
                [self.program, *args],
                env=environ,
                stdin=subprocess.DEVNULL,
                timeout=self.timeout,
                check=False,
                capture_output=True,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                f"VBoxManage {' '.join(args)} gave no answer in {self.timeout:.0f} s: is VBoxSVC of this user stuck?"
            ) from error

    def machines(
        self, only: Callable[[str, str], bool] | None = None, details: str = "online"
    ) -> list[settings.Machine]:
        """All machines, or those for which ``only(uuid, name)`` holds, in the order of their registration.

        ``details``: ``all`` asks VirtualBox for the exact state of each machine, ``online`` only of those that run.
        """
        entries, listed, shared = self._registry()
        online = parse_list(self.read("list", "runningvms"))
        machines = []
        for uuid, settings_file in entries.items():
            machine = self._from_file(uuid, settings_file)
            if only is not None and not only(uuid, machine.name):
                continue
            if machine.accessible:
                machine = settings.with_shares(machine, shared)
                if details == "all" or uuid in online or listed[uuid]:
                    machine = self._with_details(machine)
                if machine.state not in settings.OFFLINE:
                    machine = dataclasses.replace(machine, run=runs.run_of(settings_file))
            machines.append(machine)
        return machines

    def machine(self, uuid: str) -> settings.Machine:
        """One machine, read anew. It is a Failure if it is gone or inaccessible."""
        found = self.machines(only=lambda this, _name: this == uuid)
        if not found or not found[0].accessible:
            problem = found[0].problem if found else "not registered"
            raise Failure(f"machine {uuid} is gone or inaccessible now: {problem}")
        return found[0]

    def _registry(self) -> tuple[dict[str, str], dict[str, bool], tuple[settings.Share, ...]]:
        """Settings files by UUID, UUIDs with whether VirtualBox calls them inaccessible, and the global shares."""
        path = os.path.join(self.folder, "VirtualBox.xml")
        for _attempt in range(5):
            listed = parse_list(self.read("list", "vms"))
            try:
                entries, shared = settings.parse_registry(settings.read_settings(path))
            except FileNotFoundError:
                entries, shared = {}, ()
            except (OSError, ElementTree.ParseError, Failure) as error:
                raise Failure(f"VirtualBox's registry {path} cannot be read: {error}") from error
            entries = {uuid: os.path.join(self.folder, source) for uuid, source in entries.items()}
            odd = set(listed) - set(entries)
            if odd:
                names = [self._from_file(uuid, source).name for uuid, source in entries.items()]
                odd = {uuid for uuid in odd if not any(f"{{{uuid}}}" in name for name in names)}
            odd |= set(entries) - set(listed)
            if not odd:
                return entries, listed, shared
            time.sleep(0.2)
        raise Failure(
            f"VBoxManage and {path} do not agree on machine {min(odd)}: VBoxSVC uses another settings folder."
            " Set VBOX_USER_HOME to that folder."
        )

    @staticmethod
    def _from_file(uuid: str, settings_file: str) -> settings.Machine:
        try:
            return settings.parse_machine(settings.read_settings(settings_file), uuid, settings_file)
        except OSError as error:
            problem = f"its settings file {settings_file} cannot be read: {error.strerror}"
        except (ElementTree.ParseError, Failure) as error:
            problem = f"its settings file {settings_file} cannot be read: {error}"
        name = os.path.splitext(os.path.basename(settings_file))[0]
        return settings.Machine(uuid, name, settings_file, state="inaccessible", accessible=False, problem=problem)

    def _with_details(self, machine: settings.Machine) -> settings.Machine:
        """With VirtualBox's own word on the state, the guest's Additions and the transient shares."""
        try:
            fields = parse_fields(self.read("showvminfo", machine.uuid, "--machinereadable"))
        except CommandFailed as error:
            return dataclasses.replace(
                machine,
                state="inaccessible",
                accessible=False,
                problem=f"VirtualBox reports it as inaccessible ({error})",
            )
        version, revision = additions(fields.get("GuestAdditionsVersion", ""))
        if any(key.startswith("SharedFolderNameTransient") for key in fields):
            machine = settings.with_shares(machine, parse_transient(fields, self.read("showvminfo", machine.uuid)))
        return dataclasses.replace(
            machine, state=fields.get("VMState", machine.state), additions_version=version, additions_revision=revision
        )
