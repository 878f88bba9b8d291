# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Oracle's installer of Guest Additions: what is to be done, doing it, and what came of it.

Its exit status is not believed. 0 and 2 also stand for a driver of the Linux kernel that was there before, 1 for
everything from a missing program to modules that were built and not loaded, and 2 for a damaged installer as well. What
counts is the driver's file for the running kernel, and the driver that is loaded.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import signal
import subprocess
import tempfile
from typing import Callable, Iterator, NamedTuple, TypeVar

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    additions_image,
    additions_versions,
    fstab,
    reading,
)

T = TypeVar("T")

NOTHING, INSTALL, SETUP = "nothing", "install", "setup"
LOG = "/var/log/vboxadd-setup.log"

_TREE = "/opt/VBoxGuestAdditions-"
_PROGRAMS = ("/usr/sbin/VBoxService", "/usr/bin/VBoxService")
_CONTROL = "/sbin/rcvboxadd"
_TOOLS = ("tar", "bzip2", "make", "gcc")
_LARGEST = 1 << 30  # bytes; the real images have 50 to 60 MB

# What the installer prints, and what it means. The first that is found is told.
_REASONS = (
    (r"Kernel headers not found for target kernel (\S+?)\.?\s", "The headers of kernel {} are missing. Install them"),
    (r"^Cancelling installation", "Files of other Guest Additions are there, and it asked what to do. Remove them"),
    (r"(?:^|\s)(\S+) not found\.\s+Please install", "The program {} is missing. Install it"),
    (r"checksum[^\n]*is different from", "It is damaged: its checksum is wrong. Get the image anew"),
    (r"Detected unsupported (.+) machine type", "It is not for {}"),
    (r"not set up to build kernel modules", "What builds kernel modules is missing. Install gcc, make and perl"),
    (
        r"You must sign|Unable to sign|Secure Boot mode|Unable to find signing tool",
        "This kernel loads signed modules only. Enrol a key, as VirtualBox's manual says, or switch Secure Boot off",
    ),
    (r"[Cc]annot unmount vboxsf|unable to unmount shared folders", "Shared folders are in use. End what uses them"),
    (r"(?:modprobe vboxguest failed|unable to load vboxguest)", "The kernel does not load vboxguest. See dmesg"),
    (r"Look at (\S+) to find out what went wrong", "The modules cannot be built for this kernel. See {}"),
)


class Situation(NamedTuple):
    """What is installed and loaded."""

    record: str | None
    installed: additions_versions.Driver | None
    loaded: additions_versions.Driver | None


class Outcome(NamedTuple):
    """What came of it: why the guest must be restarted, and what is wrong; None where nothing is."""

    restart: str | None
    problem: str | None


def look(guest: reading.Guest) -> Situation:
    """What a guest has."""
    return Situation(guest.oracle(), guest.installed_driver(), guest.loaded_driver())


def operation(wanted: additions_versions.Version, found: Situation) -> str:
    """What is to be done: ``nothing``, ``setup`` (build the drivers for the running kernel) or ``install``."""
    if found.record != wanted.text:
        return INSTALL
    return NOTHING if _is_installed(wanted, found) else SETUP


def _is_installed(wanted: additions_versions.Version, found: Situation) -> bool:
    driver = found.installed
    return driver is not None and driver.version is not None and driver.version.numbers == wanted.numbers


def judge(
    wanted: additions_versions.Version, found: Situation, status: int, output: str, in_virtualbox: bool
) -> Outcome:
    """What came of a run of the installer, which ended with this status."""
    if not _is_installed(wanted, found) or found.record != wanted.text:
        return Outcome(
            None,
            f"Guest Additions {wanted.text} are not installed: the installer ended with status {status}. "
            f"{reason(output)}. What it did is in {LOG}.",
        )
    if found.loaded is None and in_virtualbox:
        return Outcome(
            None, f"Guest Additions {wanted.text} are installed, but their driver is not loaded. {reason(output)}."
        )
    return Outcome(additions_versions.restart(found.loaded, found.installed), None)


def reason(output: str) -> str:
    """Why the installer failed and what to do, by what it printed: a sentence without its full stop."""
    text = output.replace("\b", "").replace(" \n", " ")  # long lines are folded behind a blank
    for pattern, meaning in _REASONS:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return meaning.format(*found.groups())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"Its last line was: {lines[-1].rstrip('.')}" if lines else "It printed nothing"


def missing(guest: reading.Guest) -> list[str]:
    """What the installer needs and the guest does not have, each with what to do."""
    system = guest.system()
    found = [] if system["headers"] else [f"The headers of the running kernel {system['kernel']} are missing."]
    found += [f"The program {tool} is missing." for tool in _TOOLS if guest.program(tool) is None]
    return [f"{text} Install {'them' if 'headers' in text else 'it'}." for text in found]


def check_foreign(guest: reading.Guest) -> None:
    """Failure where there are Guest Additions that are not Oracle's."""
    for path in _PROGRAMS:
        if guest.is_there(path) and not os.path.realpath(guest.at(path)).startswith(guest.at(_TREE)):
            raise Failure(
                f"{path} belongs to Guest Additions that are not Oracle's, whose installer would take them to pieces. "
                "Remove the distribution's package first, or stay with it."
            )


# --- the image


class Source(NamedTuple):
    """An installer on an image: its version and its bytes, and the name of where it is from."""

    name: str
    version: additions_versions.Version
    extent: additions_image.Extent
    image: additions_image.Image

    def content(self) -> bytes:
        """The installer itself."""
        return _named(self.name, lambda: self.image.content(self.extent))


def from_file(path: str, sha256: str, machine: str) -> Source:
    """The installer on an image file, whose digest is checked before anything else is done with it.

    The file is read into memory once: what is looked at later are the bytes that were checked.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise Failure(f"{path} is too large for an image of Guest Additions.")
            data = file.read()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256.strip().lower():
        raise Failure(f"{path} has the SHA-256 {found}, not {sha256}. Nothing was run. Get the image anew.")
    return _source(path, lambda offset, size: data[offset : offset + size], machine)


@contextlib.contextmanager
def from_drive(guest: reading.Guest, machine: str) -> Iterator[Source | None]:
    """The installer on the first CD in a drive that has one, or None."""
    with contextlib.ExitStack() as opened:
        found = None
        for name in guest.names("/sys/class/block"):
            path = f"/dev/{name}"
            if found is None and re.fullmatch(r"sr\d+", name):
                with contextlib.suppress(OSError, Failure):  # no CD in it, or another one
                    descriptor = os.open(guest.at(path), os.O_RDONLY | os.O_CLOEXEC)
                    opened.callback(os.close, descriptor)
                    found = _source(path, functools.partial(_pread, descriptor), machine)
        yield found


def _pread(descriptor: int, offset: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def _source(name: str, read: additions_image.Read, machine: str) -> Source:
    def make() -> Source:
        image = additions_image.Image(read)
        extent, version = image.installer(machine)
        return Source(name, version, extent, image)

    return _named(name, make)


def _named(name: str, what: Callable[[], T]) -> T:
    """What a function returns. Failure: the image of this name is not one."""
    try:
        return what()
    except ValueError as error:
        raise Failure(f"{name} is no image of Guest Additions: {error}.") from error
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}.") from error


# --- running it


class Ran(NamedTuple):
    """A run: its exit status and what it printed."""

    status: int
    output: str


def install(source: Source, timeout: float) -> Ran:
    """Run the installer, out of a folder that only root can enter."""
    with tempfile.TemporaryDirectory(prefix="zeroinstall.virtualbox.") as folder:
        path = os.path.join(folder, "VBoxLinuxAdditions.run")
        with open(path, "wb") as file:
            file.write(source.content())
        return _run(["/bin/sh", path, "--nox11"], timeout)


def set_up(timeout: float) -> Ran:
    """Have the installed Guest Additions build their drivers for the running kernel, and load them."""
    return _run([_CONTROL, "setup"], timeout)


def _run(command: list[str], timeout: float) -> Ran:
    """Run a program, which may leave services behind: so it writes to a file, and only its own end is waited for."""
    environment = {"PATH": _names.SEARCH_PATH, "LC_ALL": "C", "HOME": "/root"}
    with tempfile.TemporaryFile() as output:
        # AnsibleModule.run_command has no time-out, and waits for what keeps its pipes open.
        with subprocess.Popen(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        ) as process:
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise Failure(f"{command[0]} did not end within {timeout:.0f} s and was ended. See {LOG}.") from None
        output.seek(0)
        return Ran(status, output.read().decode("utf-8", "replace"))


def shared_folders(guest: reading.Guest) -> list[str]:
    """Where shared folders are mounted."""
    return [mount.path for mount in guest.mounts() if mount.type == fstab.TYPE]
