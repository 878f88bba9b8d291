# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of the guests: Debian 12 with its generic kernel and systemd, and stand-ins for two drivers. Made once."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from labkit import debian, kept_code, oracle, recipes, tools
from labkit.cache import Cache, code, default_folder, files
from labkit.console import LabError, end_with_signals, run

HERE = Path(__file__).resolve().parent
INITRAMFS, PREPARE = HERE / "initramfs.sh", HERE / "prepare.sh"
PACKAGES = (
    "initramfs-tools",
    "lz4",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "openssh-server",
    "python3",
    "iproute2",
    "procps",
)


def image() -> Path:
    """The folder with guest.ext4, vmlinux, initrd.img and id, the private key of the guests' root.

    The kernel is that of the lab's guests, so that the lab's root for building modules can build the stand-ins.
    """
    tools.require("qemu")
    lab = Cache()
    userland = recipes.guest_userland(lab)
    release = oracle.kernel_release(userland)
    headers = oracle.root(lab, userland)

    def build(folder: Path) -> None:
        drivers = _standins(folder, headers, release)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", folder / "id")
        hooks = (
            debian.hook("essential", INITRAMFS),
            debian.hook("customize", PREPARE, drivers, folder / "id.pub"),
        )
        debian.root(folder, recipes.GUEST_SUITE, "main", (*PACKAGES, "linux-image-" + release), *hooks)
        root = folder / "root"
        kept_code.install(root)
        shutil.copy(userland / "vmlinux", folder)
        shutil.copy(root / f"boot/initrd.img-{release}", folder / "initrd.img")
        disk = folder / "guest.ext4"
        with disk.open("wb") as file:
            file.truncate(2 << 30)
        run("mkfs.ext4", "-q", "-d", root, disk)
        shutil.rmtree(root)

    parts = [*map(code, (debian, build, _standins, kept_code)), *PACKAGES, headers.parent.name]
    texts = [*files(HERE / "standin"), INITRAMFS.read_bytes(), PREPARE.read_bytes()]
    cache = Cache(default_folder().with_name("qemu"))
    return cache.make("image", "the QEMU guests' disk", [*parts, *texts], build)


def _standins(folder: Path, headers: Path, release: str) -> Path:
    """Build the stand-ins' modules in FOLDER/standin, mounted in a root that has the kernel's headers."""
    source = Path(shutil.copytree(HERE / "standin", folder / "standin"))
    make = 'mount --bind "$0" "$1/mnt" && exec chroot "$1" make -s -C "/lib/modules/$2/build" M=/mnt modules'
    without = {**os.environ, "CCACHE_DISABLE": "1"}
    run("unshare", "--mount", "sh", "-c", make, source, headers, release, env=without)
    return source


def main() -> int:
    """Make the image and name its folder; the exit status."""
    end_with_signals()
    try:
        print("artefact", image())
    except LabError as error:
        print(f"qemu: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
