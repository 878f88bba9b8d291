# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of the guests: Debian 12 with its generic kernel and systemd, and a stand-in for vboxsf. Made once."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from labkit import kept_code, tools
from labkit.cache import Cache, default_folder
from labkit.console import run
from labkit.recipes import _debian_root, _source, _texts

HERE = Path(__file__).resolve().parent
# the file that shows a package is there, and the package
NEEDED = {
    "/usr/bin/qemu-system-x86_64": "qemu-system-x86",
    "/usr/bin/qemu-img": "qemu-utils",
    "/usr/bin/ssh": "openssh-client",
    "/usr/bin/setpriv": "util-linux",
    "/sbin/mkfs.ext4": "e2fsprogs",
    **{file: tools.NEEDED[file] for file in ("/usr/bin/mmdebstrap", "/usr/share/keyrings/debian-archive-keyring.gpg")},
}
SUITE = "bookworm"
PACKAGES = (
    "linux-image-amd64",
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
WITHOUT = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("man", "doc", "locale")]


def image() -> Path:
    """The folder with guest.ext4, vmlinuz, initrd.img and id, the private key of the guests' root."""
    tools.install(NEEDED)
    cache = Cache(default_folder().with_name("qemu"))
    parts = [_source(_debian_root), _source(_build), _source(kept_code), SUITE, *PACKAGES, *WITHOUT]
    return cache.make(
        "image", "the QEMU guests' disk", [*parts, *_texts(HERE / "standin"), _hook().read_bytes()], _build
    )


def _hook() -> Path:
    return HERE / "prepare.sh"


def _build(folder: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", folder / "id")
    words = ("sh", str(_hook()), str(HERE / "standin"), str(folder / "id.pub"))
    hook = '{} {} "$1" {} {}'.format(*map(shlex.quote, words))
    _debian_root(folder, SUITE, "main", PACKAGES, *WITHOUT, "--customize-hook=" + hook)
    root = folder / "root"
    kept_code.install(root)
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
        (found,) = (root / "boot").glob(pattern)
        shutil.copy(found, folder / name)
    disk = folder / "guest.ext4"
    with disk.open("wb") as file:
        file.truncate(2 << 30)
    run("mkfs.ext4", "-q", "-d", root, disk)
    shutil.rmtree(root)
