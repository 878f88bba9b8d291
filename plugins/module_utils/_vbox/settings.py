# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VirtualBox's settings files, read as VirtualBox reads them, and the folder that they are in."""

from __future__ import annotations

import dataclasses
import os
import pwd
import sys
import time
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import plain_xml

SYMLINKS_KEY = "VBoxInternal2/SharedFoldersEnableSymlinksCreate/"
OWNER_KEY = _names.MARK + "/share/"
"""Extradata of a machine: ``OWNER_KEY + NAME`` marks the share NAME as set up by this collection.

Its value names the arrangement, and is ``1`` for the default one.
"""
WAITS_KEY = _names.MARK + "/waits/"
"""Extradata of a machine: ``WAITS_KEY + NAME`` is the run of the machine (see ``runs``) in which a right to create
symlinks was changed, which takes effect in the next one."""

OFFLINE = ("poweroff", "aborted")
"""States in which VirtualBox lets a machine's settings be changed."""
ONLINE = ("running", "paused")
"""States in which VirtualBox changes transient shares, and by its API permanent ones too."""

_FIRMWARE_UUIDS = {f"VBoxInternal/Devices/{firmware}/0/Config/DmiSystemUuid" for firmware in ("pcbios", "efi")}
"""Extradata by which a machine's firmware tells its guest another UUID."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A shared folder as VirtualBox has it.

    ``kind`` is ``machine``, ``global`` or ``transient``. ``symlink_policy`` is ``none``, ``forbidden``, ``subtree``,
    ``relative`` or ``any``. ``symlinks`` says whether the guest may create symlinks at all (extradata).
    ``arrangement`` is the one by whose mark this collection set it up, and empty if it has no mark.
    """

    name: str
    path: str
    kind: str = "machine"
    writable: bool = False
    automount: bool = False
    mount_point: str = ""
    symlink_policy: str = "none"
    symlinks: bool = False
    arrangement: str = ""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine as VirtualBox has it registered; ``problem`` says why an inaccessible one is so.

    ``hardware_uuid`` is the UUID that its guest sees, and ``os_type`` the kind of its guest (``Debian_64``). Both
    are empty for an inaccessible machine. ``run`` identifies the run in which a machine is that is not off.
    """

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
    hardware_uuid: str = ""
    os_type: str = ""
    run: str = ""

    @property
    def marks(self) -> dict[str, str]:
        """The arrangements of the machine's marks, by the names of the shares, whether those are there or not."""
        found = {
            key[len(OWNER_KEY) :]: _names.marked_by(value) for key, value in self.extradata if key.startswith(OWNER_KEY)
        }
        return {name: arrangement for name, arrangement in found.items() if arrangement}

    @property
    def waits(self) -> dict[str, str]:
        """The runs of the machine in which rights were changed, by the names of the shares."""
        return {key[len(WAITS_KEY) :]: value for key, value in self.extradata if key.startswith(WAITS_KEY)}

    @property
    def label(self) -> str:
        """The name for messages, with the UUID, since names need not be unique."""
        return "{} ({})".format(self.name or "?", self.uuid)

    def share(self, name: str, kind: str = "machine") -> Share | None:
        """The share of this name and kind, or None."""
        return next((s for s in self.shares if s.name == name and s.kind == kind), None)


def _children(element: ElementTree.Element, *names: str) -> list[ElementTree.Element]:
    """The elements at this path below, whatever their XML namespace (it changed with VirtualBox's owners)."""
    if not names:
        return [element]
    same = [child for child in element if child.tag.rpartition("}")[2] == names[0]]
    return [found for child in same for found in _children(child, *names[1:])]


def _tree(text: str | bytes) -> ElementTree.Element:
    """The top element of a settings file. Failure or ParseError if it cannot be read.

    VirtualBox writes no document type. It reads entities by halves: of ``hostPath="/&x;"`` it shares ``/``, whatever
    ``x`` stands for.
    """
    try:
        return plain_xml.parse(
            text,
            "with which VirtualBox may read other values than are written. Remove it while no program of VirtualBox"
            " runs",
        )
    except (ValueError, LookupError) as error:
        raise Failure(f"it has an encoding that Python cannot read ({error})") from error


def _value(element: ElementTree.Element, name: str, default: str = "") -> str:
    """An attribute's value. As for elements, the first of this name counts, whatever its XML namespace."""
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), default)


def _flag(element: ElementTree.Element, name: str) -> bool:
    """An attribute's value where it says yes or no. VirtualBox takes whatever else is written there for a no."""
    return _value(element, name) in ("true", "yes", "1")


def _uuid(element: ElementTree.Element) -> str:
    """An element's UUID. VirtualBox takes the one that is all zeros for none."""
    uuid = _value(element, "uuid").strip("{}").lower()
    return uuid if uuid.strip("0-") else ""


def _shares(element: ElementTree.Element, kind: str) -> tuple[Share, ...]:
    return tuple(
        Share(
            name=_value(folder, "name"),
            path=_value(folder, "hostPath").rstrip("/") or "/",
            kind=kind,
            writable=_flag(folder, "writable"),
            automount=_flag(folder, "autoMount"),
            mount_point=_value(folder, "autoMountPoint"),
            symlink_policy=_value(folder, "symlinkPolicy", "none"),
        )
        for folder in _children(element, "SharedFolders", "SharedFolder")
    )


def with_shares(machine: Machine, shares: tuple[Share, ...]) -> Machine:
    """The machine with these shares besides its own, each with what the machine's extradata says of its name."""
    known, marks = dict(machine.extradata), machine.marks
    return dataclasses.replace(
        machine,
        shares=machine.shares
        + tuple(
            dataclasses.replace(
                share,
                symlinks=known.get(SYMLINKS_KEY + share.name) == "1",
                arrangement="" if share.kind == "global" else marks.get(share.name, ""),
            )
            for share in shares
        ),
    )


def parse_registry(text: str | bytes) -> tuple[dict[str, str], tuple[Share, ...]]:
    """``VirtualBox.xml``: UUID to settings file (as written: may be relative to its folder), and the global shares."""
    entries: dict[str, str] = {}
    shares: tuple[Share, ...] = ()
    for element in _children(_tree(text), "Global"):
        for entry in _children(element, "MachineRegistry", "MachineEntry"):
            entries[_uuid(entry)] = _value(entry, "src")
        shares += _shares(element, "global")
    return entries, shares


def _hardware_uuid(hardware: list[ElementTree.Element], extradata: Iterable[tuple[str, str]], uuid: str) -> str:
    """The UUID that the machine's guest sees. VirtualBox writes it down where it is not that of the machine itself."""
    for_firmware = {value.rpartition(":")[2].lower() for name, value in extradata if name in _FIRMWARE_UUIDS}
    if for_firmware:
        return for_firmware.pop() if len(for_firmware) == 1 else ""
    written = _value(hardware[0], "uuid").strip("{}").lower() if hardware else ""
    return written if written.strip("0-") else uuid


def parse_machine(text: str | bytes, uuid: str, settings_file: str) -> Machine:
    """A machine from its settings file, as it is while it does not run. Its snapshots' own settings are left alone."""
    found = _children(_tree(text), "Machine")
    if len(found) != 1:
        raise Failure(
            "it has no readable machine in it: it is encrypted, or not a settings file"
            if not found
            else "it has several machines in it, of which VirtualBox takes the last"
        )
    element = found[0]
    saved, aborted = _value(element, "stateFile") != "", _flag(element, "aborted")
    state = {
        (False, False): "poweroff",
        (True, False): "saved",
        (False, True): "aborted",
        (True, True): "aborted-saved",
    }
    hardware = _children(element, "Hardware")[:1]
    shares = tuple(share for one in hardware for share in _shares(one, "machine"))
    extradata = tuple(
        (_value(item, "name"), _value(item, "value")) for item in _children(element, "ExtraData", "ExtraDataItem")
    )
    machine = Machine(
        uuid,
        _value(element, "name"),
        settings_file,
        state[saved, aborted],
        extradata=extradata,
        hardware_uuid=_hardware_uuid(hardware, extradata, uuid),
        os_type=_value(element, "OSType"),
    )
    return with_shares(machine, shares)


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
    """Where VirtualBox keeps this user's ``VirtualBox.xml``: the same search as VirtualBox's own."""
    environ = os.environ if environ is None else environ
    told = environ.get("VBOX_USER_HOME")
    if told == "":
        raise Failure(
            "VBOX_USER_HOME is set and empty, with which VirtualBox does not start. Name a folder in it, or"
            " leave it out."
        )
    if told:
        return os.path.abspath(told)
    home = _home_folder(environ)
    if sys.platform == "darwin":
        places = [os.path.join("Library", "VirtualBox")]
    else:
        places = [".VirtualBox", os.path.join(environ.get("XDG_CONFIG_HOME", ".config"), "VirtualBox")]
    folders = [os.path.join(home, place) for place in places if home or os.path.isabs(place)]
    if not folders:
        raise Failure(
            "this user has no home folder, neither in HOME ('{}') nor in the account database, so VirtualBox"
            " has no settings for it. Run as the user who owns the machines, or set VBOX_USER_HOME.".format(
                environ.get("HOME", "")
            )
        )
    return next((folder for folder in folders if os.path.isdir(folder)), folders[-1])
