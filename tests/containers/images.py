# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the containers start from: Debian releases, and init systems. Each is made once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labkit import debian, kept_code
from labkit.cache import Cache, code, default_folder
from labkit.console import run

REPOSITORY = Path(__file__).with_name("repository.sh").resolve()
BASE = ("python3", "python3-apt", "apt-utils", "kmod", "procps", "mount", "bindfs", "sudo")
SYSTEMD = ("systemd", "systemd-sysv")
SYSVINIT = ("sysvinit-core", "initscripts")
PLATFORMS = {
    "debian11": ("bullseye", SYSTEMD),
    "debian12": ("bookworm", SYSTEMD),
    "debian13": ("trixie", SYSTEMD),
    "sid": ("sid", SYSTEMD),
    "sysvinit": ("trixie", (*SYSVINIT, "sysv-rc")),
    "openrc": ("trixie", (*SYSVINIT, "openrc")),
}


def cache() -> Cache:
    """Where the images and the runs are kept."""
    return Cache(default_folder().with_name("containers"))


def image(platform: str) -> Path:
    """The archive with the root file system of a platform; its folder's name changes with whatever it is made from."""
    suite, packages = PLATFORMS[platform]
    parts = [*map(code, (debian, _build, kept_code)), suite, *BASE, *packages]
    folder = cache().make(
        platform,
        f"the image {platform}",
        [*parts, REPOSITORY.read_bytes()],
        lambda folder: _build(folder, suite, packages),
    )
    return folder / "root.tar"


def images(platforms: set[str]) -> dict[str, Path]:
    """The images of several platforms, two at a time: much of it is waiting."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(sorted(platforms), pool.map(image, sorted(platforms)), strict=True))


def _build(folder: Path, suite: str, packages: tuple[str, ...]) -> None:
    debian.root(folder, suite, "main", (*BASE, *packages), debian.hook("customize", REPOSITORY))
    kept_code.install(folder / "root")
    run("tar", "--numeric-owner", "--xattrs", "-C", folder / "root", "-cf", folder / "root.tar", ".")
    shutil.rmtree(folder / "root")
