# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle's own Guest Additions: a root to install them in, their drivers for the guests' kernel, guests that run them.

additions -> oracle -> warm-oracle: the last is the lab's warm guest with Oracle's drivers in place of the kernel's.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

from . import agent, debian, guests, recipes, runs, warm
from .cache import Cache, code
from .console import LabError, run, say
from .mounts import mount

FETCH = recipes.HERE / "install/fetch.sh"
OLD, NEW = "bookworm", "sid"  # the releases of Debian whose images of Guest Additions are used
PACKAGES = ("python3", "python3-apt", "kmod", "mount", "procps", "bzip2", "gcc", "make", "ccache")
DRIVERS = ("vboxguest", "vboxsf")
COMPILED = "/srv/compiled"

# A line for the agent of a cold-booted guest: Oracle's drivers take the place of the kernel's.
REPLACE = (
    "mkdir -p /mnt /oracle && mount -t vboxsf lab-work /mnt && cp /mnt/*.ko /oracle && umount /mnt"
    " && rmmod vboxsf vboxguest && insmod /oracle/vboxguest.ko && insmod /oracle/vboxsf.ko"
    " && cat /sys/module/vboxguest/version"
)
# What is different in warm/prepare.sh. Of Oracle's vboxsf, an overlay cannot copy a file's content up (EINVAL): so what
# is written to is put there beforehand. After a restore, its files that were open are stale to whoever opens them again
# (ESTALE): so what the server has open is put there, too.
CHANGES = (
    ("-o lowerdir=", "-o metacopy=on,redirect_dir=on,lowerdir="),
    (
        "mkdir /upper/data /upper/work\n",
        "mkdir /upper/data /upper/work\n"
        "(cd /lower && tar c etc usr/bin/python3* usr/lib/python3*/lib-dynload usr/lib/*/lib*.so* usr/lib/*/ld-*"
        " usr/lib/*/gconv/gconv-modules.cache usr/lib/locale) | tar x -C /upper/data\n"
        "(cd /layer && tar c opt) | tar x -C /upper/data\n",
    ),
)


def root(cache: Cache, userland: Path) -> Path:
    """A Debian root with what builds modules for the kernel of the lab's guests, and /srv/additions/SUITE.iso."""
    release = kernel_release(userland)

    def build(folder: Path) -> None:
        packages = (*PACKAGES, "linux-headers-" + release)
        fetch = debian.hook("customize", FETCH, OLD, NEW)
        debian.root(folder, recipes.GUEST_SUITE, "main", packages, fetch)
        # Debian's headers have a switch for the program that keeps what was compiled.
        made = folder / "root"
        (made / "etc/ccache.conf").write_text(f"cache_dir = {COMPILED}\n")
        with (made / f"usr/src/linux-headers-{release}/.kernelvariables").open("a") as variables:
            variables.write("DEBIAN_KERNEL_USE_CCACHE = 1\n")

    parts = [code(build), code(debian), recipes.GUEST_SUITE, *PACKAGES, release]
    made = cache.make("additions", "a root for Oracle's Guest Additions", [*parts, OLD, NEW, FETCH.read_bytes()], build)
    return made / "root"


def kernel_release(userland: Path) -> str:
    """The release of the kernel of the lab's guests."""
    (folder,) = (userland / "root/lib/modules").iterdir()
    return folder.name


def without_modules(lab: runs.Run) -> tuple[str, ...]:
    """The beginning of a command in a run that must not load or unload modules of this machine's kernel."""
    return ("setpriv", "--bounding-set=-sys_module", "chroot", str(lab.root))


def link_kernel(lab: runs.Run, release: str) -> Path:
    """Have the folder of this machine's kernel's modules be that of the guests' kernel, in a run; where it is."""
    folder = lab.root / "lib/modules" / os.uname().release
    if not folder.exists():
        folder.symlink_to(release)
    return folder


def offer_compiled(cache: Cache, lab: runs.Run) -> None:
    """Have a run find what others have compiled, and keep what it compiles."""
    kept, place = cache.folder / "compiled", lab.root / COMPILED.lstrip("/")
    for folder in (kept, place):
        folder.mkdir(parents=True, exist_ok=True)
    mount("--bind", kept, place)


def oracle(cache: Cache, host: recipes.Host, userland: Path) -> Path:
    """modules/NAME.ko and opt/…, as Oracle's real installer builds and installs them."""
    base = root(cache, userland)

    def build(folder: Path) -> None:
        with runs.temporary(cache, "oracle", recipes.Host(base, host.launcher)) as lab:
            modules = link_kernel(lab, kernel_release(userland))
            offer_compiled(cache, lab)
            image, installer = lab.root / f"srv/additions/{NEW}.iso", lab.root / "root/installer"
            run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/VBoxLinuxAdditions.run", installer)
            words = (*without_modules(lab), "/bin/sh", "/root/installer", "--nox11")
            done = run(*words, check=False, env=agent.LOGIN)
            if not (modules / "misc").is_dir():
                raise LabError("Oracle's installer built no modules:\n" + done.stdout + done.stderr)
            (folder / "modules").mkdir()
            for name in DRIVERS:
                shutil.copy(modules / "misc" / (name + ".ko"), folder / "modules")
            shutil.copytree(lab.root / "opt", folder / "opt", symlinks=True)

    parts = [*map(code, (build, link_kernel, without_modules)), base.parent.name, *DRIVERS]
    return cache.make("oracle", "Oracle's drivers for the guests' kernel", parts, build)


def guest_template(cache: Cache, ansible: warm.Ansible) -> tuple[recipes.Host, recipes.Guests]:
    """What a run with guests needs, as recipes.guest_template has it, but with Oracle's drivers loaded."""
    host, made = recipes.booted_template(cache, ansible)
    drivers = oracle(cache, host, made.userland)

    def build(folder: Path) -> None:
        _warm_up(folder, cache, host, made, drivers)

    parts = [code(_warm_up), REPLACE, guests.PREPARE, *(text for change in CHANGES for text in change)]
    made_from = [path.name for path in (drivers, made.state.parent, made.layer, made.userland)]
    state = cache.make("warm-oracle", "the state of a guest with Oracle's drivers", [*parts, *made_from], build)
    return host, dataclasses.replace(made, state=state / "state.sav")


def _warm_up(folder: Path, cache: Cache, host: recipes.Host, made: recipes.Guests, drivers: Path) -> None:
    """state.sav: a guest saved in its userland, with Oracle's drivers and the warm interpreter's server running."""
    name = "oracle-guest"
    with runs.temporary(cache, name, host, made) as lab:
        guests.create(lab, name, guests.own_shares(name))
        guests.start(lab, name, prepared=False)
        work = guests.folder(lab, name) / "work"
        for driver in DRIVERS:
            shutil.copy(drivers / "modules" / (driver + ".ko"), work)
        prepare = (recipes.WARM / "prepare.sh").read_text()
        for old, new in CHANGES:
            if prepare.count(old) != 1:
                raise LabError("warm/prepare.sh has no %r any more: correct labkit/oracle.py" % old)
            prepare = prepare.replace(old, new)
        (work / "prepare.sh").write_text(prepare)
        for line, word in ((REPLACE, " r"), (guests.PREPARE, "ready")):
            status, output = guests.ask(lab, name, line)
            if status or word not in output:
                raise LabError("the guest with Oracle's drivers is not ready:\n" + output)
            say(output.strip().splitlines()[-1])
        guests.save(lab, name, folder / "state.sav")
