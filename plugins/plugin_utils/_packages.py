# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The distributions' packages for VirtualBox guests, the one table; and the rule where Guest Additions come from."""

from __future__ import annotations

import typing as t


class Distribution(t.NamedTuple):
    """What a distribution has for VirtualBox guests.

    ``tools`` have the programs of the Guest Additions, for shared folders the helper ``mount.vboxsf``; ``driver``
    says whether they bring kernel modules, too. ``build`` is what Oracle's installer needs, with ``{kernel}`` for
    the release of the running kernel; nothing where it cannot work. ``where`` tells the repository, ``kernel`` the
    kernel that has the drivers.
    """

    name: str
    tools: tuple[str, ...] = ()
    where: str = ""
    driver: bool = False
    kernel: str = ""
    build: tuple[str, ...] = ()


_RED_HAT = ("gcc", "make", "bzip2", "tar", "perl", "elfutils-libelf-devel", "kernel-devel-{kernel}")
_DEBIAN = ("gcc", "make", "bzip2", "tar", "linux-headers-{kernel}")

# By ID in os-release. docs/guest-additions.md says where each name is from, and what was tried.
DISTRIBUTIONS = {
    "debian": Distribution(
        "Debian",
        ("virtualbox-guest-utils",),
        "Debian unstable, component contrib; Debian 12 and 13 do not have it",
        kernel="linux-image-amd64; linux-image-cloud-amd64 does not have it",
        build=_DEBIAN,
    ),
    "ubuntu": Distribution("Ubuntu", ("virtualbox-guest-utils",), "Ubuntu's component multiverse", build=_DEBIAN),
    "fedora": Distribution("Fedora", ("virtualbox-guest-additions",), "Fedora's own repository", build=_RED_HAT),
    "rhel": Distribution("Red Hat Enterprise Linux", build=_RED_HAT),
    "centos": Distribution("CentOS", build=_RED_HAT),
    "arch": Distribution(
        "Arch Linux",
        ("virtualbox-guest-utils-nox",),
        "the repository extra",
        build=("gcc", "make", "bzip2", "tar", "linux-headers"),
    ),
    "alpine": Distribution("Alpine Linux", ("virtualbox-guest-additions",), "Alpine's repository community"),
    "opensuse": Distribution(
        "openSUSE",
        ("virtualbox-guest-tools",),
        "openSUSE's own repository",
        driver=True,
        build=("gcc", "make", "bzip2", "tar", "kernel-default-devel"),
    ),
}

_KERNEL_TOO_OLD = "Headers are there for current kernels only: upgrade the kernel and restart the guest."
_UNINSTALL = "Remove them with 'vbox-uninstall-guest-additions' and restart the guest"


class Refused(Exception):
    """Why a source cannot be used for a guest, and what to do."""


def distribution(system: t.Mapping[str, t.Any]) -> Distribution:
    """The distribution of a guest, by its ID or the first known one that it is like."""
    for name in (system["id"], *system["like"]):
        if name in DISTRIBUTIONS:
            return DISTRIBUTIONS[name]
    return Distribution(system["id"])


def build_packages(system: t.Mapping[str, t.Any]) -> list[str]:
    """What Oracle's installer needs in a guest."""
    return [name.format(kernel=system["kernel"]) for name in distribution(system).build]


def is_good(guest: t.Mapping[str, t.Any]) -> bool:
    """Whether a guest can mount shared folders, by a driver that is not known to break packages."""
    return guest["additions"]["problem"] is None and guest["driver"]["loadable"]


def plan(guest: t.Mapping[str, t.Any], source: str) -> dict[str, t.Any]:
    """What is to be done in a guest, which is as guest_info tells it.

    ``source`` is what is to be used: ``none``, ``distribution`` or ``iso``. ``packages`` are what it needs
    installed, and ``where`` is the repository that has them. ``by_apt`` says whether apt installs them, and ``hint``
    what to do where they cannot be installed. ``problem`` says why nothing can be done and what to do, or is None.
    """
    if source not in SOURCES:
        raise ValueError(f"unknown source '{source}': set guest_additions_source to one of {', '.join(SOURCES)}.")
    known = distribution(guest["system"])
    try:
        chosen, problem = SOURCES[source](guest, known), None
    except Refused as refusal:
        chosen, problem = "none", str(refusal)
    packages = {"distribution": list(known.tools), "iso": build_packages(guest["system"])}.get(chosen, [])
    return {
        "source": chosen,
        "packages": packages,
        "named": ", ".join(packages),
        "where": known.where,
        "by_apt": "debian" in (guest["system"]["id"], *guest["system"]["like"]),
        "hint": _KERNEL_TOO_OLD if chosen == "iso" else f"They are in {known.where}: enable it.",
        "problem": problem,
    }


def _auto(guest: t.Mapping[str, t.Any], known: Distribution) -> str:
    if is_good(guest) or guest["additions"]["restart"]:
        return "none"
    if guest["additions"]["origin"] is None and known.driver:
        return "distribution"
    problem = guest["additions"]["problem"] or _no_driver(guest)
    raise Refused(f"{problem}{_hint(known)} Or install Oracle's Guest Additions: set guest_additions_source to 'iso'.")


def _mainline(guest: t.Mapping[str, t.Any], known: Distribution) -> str:
    additions = guest["additions"]
    if additions["oracle"]:
        raise Refused(f"Oracle's Guest Additions {additions['oracle']} are installed. {_UNINSTALL}.")
    if additions["origin"] != "mainline" and additions["origin"] is not None:
        what = additions["full"] or "of an unknown version"
        raise Refused(f"Drivers {what} that are not the kernel's are installed. Remove them and restart the guest.")
    if not is_good(guest):
        raise Refused(_no_driver(guest) + _hint(known))
    return "none"


def _distribution(guest: t.Mapping[str, t.Any], known: Distribution) -> str:
    additions = guest["additions"]
    if additions["oracle"]:
        raise Refused(f"Oracle's Guest Additions {additions['oracle']} are installed. {_UNINSTALL}.")
    if not known.tools:
        raise Refused(f"No packages of {known.name} for guests are known. Set guest_additions_source to another one.")
    if not known.driver and not is_good(guest):
        raise Refused(
            f"{additions['problem'] or _no_driver(guest)} The packages of {known.name} bring no drivers.{_hint(known)}"
        )
    return "none" if additions["tools"] and is_good(guest) else "distribution"


def _iso(guest: t.Mapping[str, t.Any], known: Distribution) -> str:
    additions = guest["additions"]
    if additions["tools"] and not additions["oracle"]:
        raise Refused(
            f"Guest Additions {additions['tools']} of {known.name} are installed. Oracle's installer would take them "
            "to pieces. Remove their package first, or set guest_additions_source to 'distribution'."
        )
    if not known.build:
        raise Refused(f"Oracle's Guest Additions are not known to work on {known.name}. Use another source.")
    return "iso"


def _no_driver(guest: t.Mapping[str, t.Any]) -> str:
    return f"The running kernel {guest['system']['kernel']} has no driver vboxsf."


def _hint(known: Distribution) -> str:
    return f" The kernel package that has them is {known.kernel}." if known.kernel else ""


SOURCES: dict[str, t.Callable[[t.Mapping[str, t.Any], Distribution], str]] = {
    "auto": _auto,
    "distribution": _distribution,
    "mainline": _mainline,
    "iso": _iso,
}
"""For each source that a user may choose: what is to be used in a guest."""
