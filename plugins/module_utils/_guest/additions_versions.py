# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guest Additions: reading a version, and what is known to be wrong with one.

Pure. The forms of a version are those of ``VBoxService --version``, of /sys/module/vboxguest/version and of the guest
property /VirtualBox/GuestAdd/Version.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

ORACLE = "oracle"
DISTRIBUTION = "distribution"
MAINLINE = "mainline"

MINIMUM = "4.2.0"

_VERSION = re.compile(
    r"(?<![\w.])(?P<numbers>\d+\.\d+\.\d+)"
    r"(?P<suffix>(?:[-_][A-Za-z][A-Za-z0-9]*?)*)"
    r"(?:[ _-]?r(?P<revision>\d+))?(?![\w.])"
)
_PRERELEASE = re.compile(r"(?:ALPHA|BETA|RC)\d*", re.IGNORECASE)

# First and last bad version, and what was seen with them.
_BROKEN = (
    ((4, 0, 4), (4, 0, 4), "breaks symbolic links in shared folders: a sound archive is reported as corrupted"),
    ((5, 0, 0), (5, 0, 4), "fails symbolic links in shared folders with 'Protocol error'"),
)


class Version(NamedTuple):
    """A version of the Guest Additions, such as ``7.2.22_Debianr175245``."""

    full: str
    numbers: tuple[int, ...]
    suffixes: tuple[str, ...]
    revision: int | None

    @property
    def text(self) -> str:
        """The bare number, such as ``7.2.22``."""
        return ".".join(map(str, self.numbers))

    @property
    def prerelease(self) -> bool:
        """Whether it came before the release of this number: an alpha, beta or release candidate."""
        return any(_PRERELEASE.fullmatch(suffix) for suffix in self.suffixes)

    @property
    def origin(self) -> str:
        """``oracle`` for Oracle's own build, ``distribution`` where a distribution put its name behind the number."""
        named = [suffix for suffix in self.suffixes if not _PRERELEASE.fullmatch(suffix)]
        return DISTRIBUTION if named else ORACLE


def parse(text: str) -> Version | None:
    """The first version in a text, or None: 7.2.22_Debianr175245, 5.2.42 r137960, 4.1.18-OSE, 7.2.0_BETA1."""
    found = _VERSION.search(text)
    if found is None:
        return None
    numbers = tuple(int(number) for number in found.group("numbers").split("."))
    suffixes = tuple(part for part in re.split("[-_]", found.group("suffix")) if part)
    revision = found.group("revision")
    return Version(found.group(0), numbers, suffixes, int(revision) if revision else None)


class Driver(NamedTuple):
    """A vboxguest: whose it is, and its version. The kernel's own has none, nor has one whose file is not read."""

    origin: str
    version: Version | None = None

    @property
    def text(self) -> str:
        """What it is, in a message."""
        if self.origin == MAINLINE:
            return "the Linux kernel's own vboxguest"
        return f"vboxguest {self.version.full}" if self.version else "a vboxguest of unknown version"


def restart(loaded: Driver | None, installed: Driver | None) -> str | None:
    """That the loaded driver is not the one that the next start loads, and what to do; None if it is, or unknown."""
    if loaded is None or installed is None:
        return None
    if MAINLINE in (loaded.origin, installed.origin):
        same = loaded.origin == installed.origin
    elif loaded.version is None or installed.version is None:
        same = True
    else:
        same = loaded.version[1:] == installed.version[1:]
    if same:
        return None
    what = loaded.text
    return f"{what[0].upper()}{what[1:]} is still loaded, while {installed.text} is installed. Restart the guest."


class Range(NamedTuple):
    """Versions from the first to the last, both included; release numbers without suffixes."""

    first: tuple[int, ...]
    last: tuple[int, ...]


def parse_range(text: str) -> Range:
    """A version, such as ``6.1.0``, or a range of them, such as ``6.1.0-6.1.8``.

    Failure: it is neither.
    """
    found = re.fullmatch(r"\s*(\d+\.\d+\.\d+)\s*(?:-\s*(\d+\.\d+\.\d+)\s*)?", text)
    if not found:
        raise Failure(f"bad_versions: '{text}' is no version or range of versions. Write 6.1.0 or 6.1.0-6.1.8.")
    first, last = (tuple(map(int, part.split("."))) for part in (found[1], found[2] or found[1]))
    if first > last:
        raise Failure(f"bad_versions: '{text}' ends before it begins. Write the lower version first.")
    return Range(first, last)


class Limits(NamedTuple):
    """What is refused: versions below the minimum, and bad ones."""

    minimum: Version
    bad: tuple[Range, ...] = ()


def required(text: str, option: str) -> Version:
    """The version that a text is.

    Failure: it is none; named as that option.
    """
    version = parse(text)
    if version is None or version.full != text:
        raise Failure(f"{option} '{text}' is no version. Write it as 4.2.0.")
    return version


def limits(minimum: str, bad: Iterable[str] = ()) -> Limits:
    """What a user's options refuse.

    Failure: one of them is no version.
    """
    return Limits(required(minimum, "minimum_version"), tuple(map(parse_range, bad)))


def problem(version: Version | None, origin: str | None, refused: Limits) -> str | None:
    """What is wrong with these Guest Additions and what to do, or None.

    The driver of the Linux kernel itself calls itself 6.0.0 for ever, and no version of it is known to be bad: with
    origin ``mainline`` the version is not judged.
    """
    if origin is None:
        return "No Guest Additions were found. Install them, or a kernel that has the drivers vboxguest and vboxsf."
    if origin == MAINLINE:
        return None
    if version is None:
        return (
            "The version of the Guest Additions cannot be told. Run 'VBoxService --version' in the guest, and install "
            "Guest Additions of the host's version if it fails."
        )
    remedy = "Install Guest Additions of the host's version."
    for first, last, fault in (*_BROKEN, *((*range_, "is one of bad_versions") for range_ in refused.bad)):
        if first <= version.numbers <= last:
            return f"Guest Additions {version.full}: this version {fault}. {remedy}"
    minimum = refused.minimum
    if (version.numbers, not version.prerelease) < (minimum.numbers, not minimum.prerelease):
        return f"Guest Additions {version.full} are older than {minimum.full}. {remedy}"
    return None


def distance(guest: Version | None, origin: str | None, host: Version) -> str | None:
    """How Guest Additions and their host's VirtualBox differ too much, and what to do; None if they do not.

    Oracle's manual wants them of the same version. Neighbouring minor versions work together; newer Guest Additions
    than their host's minor version may ask for what it does not have. The kernel's own driver has no such version.
    """
    if origin == MAINLINE or guest is None:
        return None
    remedy = "Install Guest Additions of the host's version."
    if guest.numbers[:2] > host.numbers[:2]:
        return f"Guest Additions {guest.full} are newer than the host's VirtualBox {host.full}. {remedy}"
    if guest.numbers[0] < host.numbers[0]:
        return f"Guest Additions {guest.full} are a major version behind the host's VirtualBox {host.full}. {remedy}"
    return None
