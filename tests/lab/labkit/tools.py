# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian packages that building the lab needs, and installing such packages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .console import LabError, run, say, step

# the file that shows a package is there, and the package
NEEDED = {
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/bin/gcc": "gcc",
    "/usr/bin/ld": "binutils",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/bin/xorriso": "xorriso",
    "/usr/lib/ISOLINUX/isolinux.bin": "isolinux",
    "/usr/lib/syslinux/modules/bios/mboot.c32": "syslinux-common",
    "/bin/busybox": "busybox-static",
    "/usr/bin/cpio": "cpio",
    "/usr/bin/mount": "mount",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
APT_OPTIONS = ("-o", "Acquire::Check-Valid-Until=false", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


def missing(needed: Mapping[str, str]) -> list[str]:
    """Names of the packages that are not there."""
    return sorted({package for file, package in needed.items() if not Path(file).exists()})


def install(needed: Mapping[str, str]) -> None:
    """Install what is missing.  Raises LabError where this is not possible."""
    packages = missing(needed)
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise LabError(
            "missing: %s, and this is no Debian machine (no apt-get): install them, or use Debian 12 or 13"
            % ", ".join(packages)
        )
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    say("missing packages: " + " ".join(packages))
    with step("installing them"):
        run("apt-get", *APT_OPTIONS, "update", timeout=600, env=environment)
        run(
            "apt-get",
            *APT_OPTIONS,
            "install",
            "-y",
            "--no-install-recommends",
            *packages,
            timeout=1200,
            env=environment,
        )


def check_machine() -> None:
    """LabError unless this is a machine that can build and run the lab."""
    if os.geteuid():
        raise LabError("the lab mounts file systems and changes roots: run it as root")
    if os.uname().machine != "x86_64":
        raise LabError("VirtualBox's interpreter needs an x86_64 machine, this one is " + os.uname().machine)
