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
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

TIMEOUT = 120.0
SYMLINKS_KEY = "VBoxInternal2/SharedFoldersEnableSymlinksCreate/"
OWNER_KEY = "zeroinstall.virtualbox/share/"
"""Extradata of a machine: ``OWNER_KEY + NAME`` = ``1`` marks the share NAME as set up by this collection."""

MINIMUM_VERSION = (6, 0)
"""``--auto-mount-point`` and the attributes of the settings files read here came with 6.0."""
MODIFY_VERSION = (7, 1)
"""``sharedfolder modify`` and symlink policies came with 7.1."""

_LISTED = re.compile(r'^(?P<name>.*)" \{(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}$', re.MULTILINE)
_FIELD = re.compile(r'^(?P<key>[^=\n]+)=(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^"\n]*))$', re.MULTILINE | re.DOTALL)
_NO_SERVER = b"Failed to create the VirtualBox object"
"""What a client says that meets a VBoxSVC which is just starting or leaving. It has done nothing then."""
_ATTEMPTS = 5
_BUSY = re.compile(r"\(0x80bb000[27]\)|already has a lock request pending|is not currently running")


class CommandFailed(Failure):
    """VBoxManage ended with an error: its first line is in the message."""


class Busy(CommandFailed):
    """The machine is running, saved, or locked by another VirtualBox client."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A shared folder as VirtualBox has it.

    ``kind`` is C(machine), C(global) or C(transient). ``symlink_policy`` is C(none), C(forbidden), C(subtree),
    C(relative) or C(any). ``symlinks`` says whether the guest may create symlinks at all (extradata).
    ``ours`` says whether this collection set it up.
    """

    name: str
    path: str
    kind: str = "machine"
    writable: bool = False
    automount: bool = False
    mount_point: str = ""
    symlink_policy: str = "none"
    symlinks: bool = False
    ours: bool = False


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine as VirtualBox has it registered; ``problem`` says why an inaccessible one is so."""

    uuid: str
    name: str
    settings_file: str
    state: str = "poweroff"
    accessible: bool = True
    problem: str = ""
    additions_version: str = ""
    additions_revision: str = ""
    shares: tuple[Share, ...] = ()
    extradata: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The name for messages, with the UUID, since names need not be unique."""
        return "%s (%s)" % (self.name or "?", self.uuid)

    def share(self, name: str, kind: str = "machine") -> Share | None:
        """The share of this name and kind, or None."""
        return next((s for s in self.shares if s.name == name and s.kind == kind), None)


def parse_list(text: str) -> dict[str, bool]:
    """The UUIDs in C(VBoxManage list vms), each with whether VirtualBox calls the machine inaccessible.

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
    """Keys and values from C(VBoxManage showvminfo --machinereadable), without those of snapshots.

    VirtualBox escapes C(") and C(\\) in values and leaves newlines as they are, but escapes nothing in what was written
    about snapshots, and says last what the guest says of itself. So of that part only the Guest Additions' keys count.
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


def parse_transient(fields: Mapping[str, str], human: str) -> tuple[Share, ...]:
    """The transient shares of a running machine.

    Their names and paths come from the machine-readable fields, the rest from the human text, which escapes nothing:
    so it is searched for just those names and paths. The worse case counts, writable, where such a line is not found
    or where another text imitates it.
    """
    shares = []
    for key, name in fields.items():
        if key.startswith("SharedFolderNameTransientMapping"):
            path = fields.get(key.replace("Name", "Path", 1), "")
            _before, *rest = human.split("Name: '%s', Host path: '%s' (transient mapping), " % (name, path))
            words = rest[0].partition("\n")[0] if rest else ""
            policy = re.search(r", symlink-policy: (\w+)", words)
            point = re.search(r", mount-point: '(.*)'", words)
            shares.append(Share(
                name, path, "transient", writable=not (rest and all(text.startswith("readonly") for text in rest)),
                automount=", auto-mount" in words, mount_point=point[1] if point else "",
                symlink_policy=policy[1] if policy else "none"))
    return tuple(shares)


def _children(element: ElementTree.Element, *names: str) -> list[ElementTree.Element]:
    """The elements at this path below, whatever their XML namespace (it changed with VirtualBox's owners)."""
    if not names:
        return [element]
    same = [child for child in element if child.tag.rpartition("}")[2] == names[0]]
    return [found for child in same for found in _children(child, *names[1:])]


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a file without a document type, as all are that VirtualBox writes.

    VirtualBox reads entities by halves: of ``hostPath="/&x;"`` it shares ``/``, whatever ``x`` stands for.
    """

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise Failure("it has a document type (<!DOCTYPE), with which VirtualBox may read other values than are"
                      " written. Remove it while no program of VirtualBox runs")


def _tree(text: str | bytes) -> ElementTree.Element:
    """The top element of a settings file. Failure or ParseError if it cannot be read."""
    try:
        return ElementTree.fromstring(text, parser=ElementTree.XMLParser(target=_Builder()))
    except (ValueError, LookupError) as error:
        raise Failure("it has an encoding that Python cannot read (%s)" % error) from error


def _value(element: ElementTree.Element, name: str, default: str = "") -> str:
    """An attribute's value. As for elements, the first of this name counts, whatever its XML namespace."""
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), default)


def _flag(element: ElementTree.Element, name: str) -> bool:
    """An attribute's value where it says yes or no. VirtualBox takes whatever else is written there for a no."""
    return _value(element, name) in ("true", "yes", "1")


def _shares(element: ElementTree.Element, kind: str) -> tuple[Share, ...]:
    return tuple(
        Share(name=_value(folder, "name"), path=_value(folder, "hostPath").rstrip("/") or "/", kind=kind,
              writable=_flag(folder, "writable"), automount=_flag(folder, "autoMount"),
              mount_point=_value(folder, "autoMountPoint"), symlink_policy=_value(folder, "symlinkPolicy", "none"))
        for folder in _children(element, "SharedFolders", "SharedFolder"))


def with_shares(machine: Machine, shares: tuple[Share, ...]) -> Machine:
    """The machine with these shares besides its own, each with what the machine's extradata says of its name."""
    known = dict(machine.extradata)
    return dataclasses.replace(machine, shares=machine.shares + tuple(
        dataclasses.replace(share, symlinks=known.get(SYMLINKS_KEY + share.name) == "1",
                            ours=share.kind != "global" and known.get(OWNER_KEY + share.name) == "1")
        for share in shares))


def parse_registry(text: str | bytes) -> tuple[dict[str, str], tuple[Share, ...]]:
    """C(VirtualBox.xml): UUID to settings file (as written: may be relative to its folder), and the global shares."""
    entries: dict[str, str] = {}
    shares: tuple[Share, ...] = ()
    for element in _children(_tree(text), "Global"):
        for entry in _children(element, "MachineRegistry", "MachineEntry"):
            entries[_value(entry, "uuid").strip("{}").lower()] = _value(entry, "src")
        shares += _shares(element, "global")
    return entries, shares


def parse_machine(text: str | bytes, uuid: str, settings_file: str) -> Machine:
    """A machine from its settings file, as it is while it does not run. Its snapshots' own settings are left alone."""
    found = _children(_tree(text), "Machine")
    if len(found) != 1:
        raise Failure("it has no readable machine in it: it is encrypted, or not a settings file" if not found
                      else "it has several machines in it, of which VirtualBox takes the last")
    element = found[0]
    saved, aborted = _value(element, "stateFile") != "", _flag(element, "aborted")
    state = {(False, False): "poweroff", (True, False): "saved",
             (False, True): "aborted", (True, True): "aborted-saved"}
    shares = tuple(share for hardware in _children(element, "Hardware")[:1] for share in _shares(hardware, "machine"))
    extradata = tuple((_value(item, "name"), _value(item, "value"))
                      for item in _children(element, "ExtraData", "ExtraDataItem"))
    return with_shares(
        Machine(uuid, _value(element, "name"), settings_file, state[saved, aborted], extradata=extradata), shares)


def read_settings(path: str) -> bytes:
    """The bytes of a settings file. VBoxSVC puts the old one aside for a moment before the new one takes its place."""
    for wait in (0.01, 0.03, 0.1):
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            time.sleep(wait)
    with open(path, "rb") as file:
        return file.read()


def _home_folder(environ: Mapping[str, str]) -> str:
    """The user's home as VirtualBox finds it; empty if there is none.

    Root's comes from the account database first, since sudo may leave HOME as it was, and anybody else's from HOME.
    """
    try:
        account = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        account = ""
    candidates = [environ.get("HOME", ""), account]
    if os.geteuid() == 0:
        candidates.reverse()
    return next((candidate for candidate in candidates if candidate and os.path.isdir(candidate)), "")


def settings_folder(environ: Mapping[str, str] | None = None) -> str:
    """Where VirtualBox keeps this user's C(VirtualBox.xml): the same search as VirtualBox's own."""
    environ = os.environ if environ is None else environ
    told = environ.get("VBOX_USER_HOME")
    if told == "":
        raise Failure("VBOX_USER_HOME is set and empty, with which VirtualBox does not start. Name a folder in it, or"
                      " leave it out.")
    if told:
        return os.path.abspath(told)
    home = _home_folder(environ)
    if sys.platform == "darwin":
        places = [os.path.join("Library", "VirtualBox")]
    else:
        places = [".VirtualBox", os.path.join(environ.get("XDG_CONFIG_HOME", ".config"), "VirtualBox")]
    folders = [os.path.join(home, place) for place in places if home or os.path.isabs(place)]
    if not folders:
        raise Failure("this user has no home folder, neither in HOME ('%s') nor in the account database, so VirtualBox"
                      " has no settings for it. Run as the user who owns the machines, or set VBOX_USER_HOME."
                      % environ.get("HOME", ""))
    return next((folder for folder in folders if os.path.isdir(folder)), folders[-1])


def additions(text: str) -> tuple[str, str]:
    """Version and revision from what VirtualBox reports of a guest: C(6.0.0 r127566), C(7.2.22_Debian r175245)."""
    match = re.match(r"(\S+?)(?:[ _]?r(\d+))?$", text)
    return (match[1], match[2] or "") if match else (text, "")


class VBoxManage:
    """One VirtualBox user's machines. ``commands`` collects the calls that change something."""

    def __init__(self, program: str = "VBoxManage", timeout: float = TIMEOUT) -> None:
        """Finds C(program) in PATH and refuses one that is missing or too old."""
        found = shutil.which(program)
        if not found:
            raise Failure("VBoxManage was not found as '%s': install VirtualBox on this host, or name the program's"
                          " path with the option 'vboxmanage'." % program)
        self.program = found
        self.timeout = timeout
        self.folder = settings_folder()
        self.commands: list[list[str]] = []
        version = re.search(r"^(\d+)\.(\d+)\.(\d+)", self.read("--version"), re.MULTILINE)
        if not version:
            raise Failure("%s does not say its version: is it VirtualBox's own VBoxManage?" % found)
        self.version = tuple(int(part) for part in version.groups())
        if self.version < MINIMUM_VERSION:
            raise Failure("VirtualBox %s on this host is too old: %s or later is needed. Upgrade VirtualBox."
                          % (version[0], ".".join(map(str, MINIMUM_VERSION))))

    @property
    def can_modify(self) -> bool:
        """Whether a share can be corrected in place and have a symlink policy."""
        return self.version >= MODIFY_VERSION

    def read(self, *args: str) -> str:
        """Standard output of a call that changes nothing. Debian's wrapper may have put warnings in front of it."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("LC_") and key != "LANGUAGE"}
        environ["LANG"] = environ["LC_ALL"] = "C.UTF-8"
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt / 2)
            done = self._run(args, environ)
            if not done.returncode or _NO_SERVER not in done.stderr:
                break
        if done.returncode:
            text = done.stderr.decode("utf-8", "replace")
            lines = [line.partition("error: ")[2] for line in text.splitlines() if "error: " in line]
            reason = lines[0] if lines else text.strip() or "exit status %d" % done.returncode
            raise (Busy if _BUSY.search(text) else CommandFailed)("VBoxManage %s: %s" % (" ".join(args), reason))
        return done.stdout.decode("utf-8", "surrogateescape")

    def _run(self, args: tuple[str, ...], environ: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        try:
            # AnsibleModule.run_command knows no time-out, and a VBoxSVC that hangs must not hang the play.
            return subprocess.run(  # pylint: disable=ansible-bad-function
                [self.program, *args], env=environ, stdin=subprocess.DEVNULL, timeout=self.timeout,
                check=False, capture_output=True)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed("VBoxManage %s gave no answer in %d s: is VBoxSVC of this user stuck?"
                                % (" ".join(args), self.timeout)) from error

    def change(self, *args: str) -> None:
        """Run a call that changes something, and remember it."""
        self.read(*args)
        self.commands.append(["VBoxManage", *args])

    def machines(self, only: Callable[[str, str], bool] | None = None, details: str = "online") -> list[Machine]:
        """All machines, or those for which C(only(uuid, name)) holds, in the order of their registration.

        ``details``: C(all) asks VirtualBox for the exact state of each machine, C(online) only of those that run.
        """
        entries, listed, shared = self._registry()
        online = parse_list(self.read("list", "runningvms"))
        machines = []
        for uuid, settings_file in entries.items():
            machine = self._from_file(uuid, settings_file)
            if only is not None and not only(uuid, machine.name):
                continue
            if machine.accessible:
                machine = with_shares(machine, shared)
                if details == "all" or uuid in online or listed[uuid]:
                    machine = self._with_details(machine)
            machines.append(machine)
        return machines

    def machine(self, uuid: str) -> Machine:
        """One machine, read anew. It is a Failure if it is gone or inaccessible."""
        found = self.machines(only=lambda this, _name: this == uuid)
        if not found or not found[0].accessible:
            problem = found[0].problem if found else "not registered"
            raise Failure("machine %s is gone or inaccessible now: %s" % (uuid, problem))
        return found[0]

    def _registry(self) -> tuple[dict[str, str], dict[str, bool], tuple[Share, ...]]:
        """Settings files by UUID, UUIDs with whether VirtualBox calls them inaccessible, and the global shares."""
        path = os.path.join(self.folder, "VirtualBox.xml")
        for _attempt in range(5):
            listed = parse_list(self.read("list", "vms"))
            try:
                entries, shared = parse_registry(read_settings(path))
            except FileNotFoundError:
                entries, shared = {}, ()
            except (OSError, ElementTree.ParseError, Failure) as error:
                raise Failure("VirtualBox's registry %s cannot be read: %s" % (path, error)) from error
            entries = {uuid: os.path.join(self.folder, source) for uuid, source in entries.items()}
            odd = set(listed) - set(entries)
            if odd:
                names = [self._from_file(uuid, source).name for uuid, source in entries.items()]
                odd = {uuid for uuid in odd if not any("{%s}" % uuid in name for name in names)}
            odd |= set(entries) - set(listed)
            if not odd:
                return entries, listed, shared
            time.sleep(0.2)
        raise Failure("VBoxManage and %s do not agree on machine %s: VBoxSVC uses another settings folder."
                      " Set VBOX_USER_HOME to that folder." % (path, min(odd)))

    @staticmethod
    def _from_file(uuid: str, settings_file: str) -> Machine:
        try:
            return parse_machine(read_settings(settings_file), uuid, settings_file)
        except OSError as error:
            problem = "its settings file %s cannot be read: %s" % (settings_file, error.strerror)
        except (ElementTree.ParseError, Failure) as error:
            problem = "its settings file %s cannot be read: %s" % (settings_file, error)
        name = os.path.splitext(os.path.basename(settings_file))[0]
        return Machine(uuid, name, settings_file, state="inaccessible", accessible=False, problem=problem)

    def _with_details(self, machine: Machine) -> Machine:
        """With VirtualBox's own word on the state, the guest's Additions and the transient shares."""
        try:
            fields = parse_fields(self.read("showvminfo", machine.uuid, "--machinereadable"))
        except CommandFailed as error:
            return dataclasses.replace(machine, state="inaccessible", accessible=False,
                                       problem="VirtualBox reports it as inaccessible (%s)" % error)
        version, revision = additions(fields.get("GuestAdditionsVersion", ""))
        if any(key.startswith("SharedFolderNameTransient") for key in fields):
            machine = with_shares(machine, parse_transient(fields, self.read("showvminfo", machine.uuid)))
        return dataclasses.replace(machine, state=fields.get("VMState", machine.state),
                                   additions_version=version, additions_revision=revision)
