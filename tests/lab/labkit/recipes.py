# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How everything the lab needs is made, each from what, all of it kept in the cache.

host -> boot medium -> booted state -> warm state: the last is a guest with Ansible loaded, which new guests adopt.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from . import debian, guests, kernel, runs, warm
from .cache import Cache, code, files
from .console import LabError, run, say

HERE = Path(__file__).resolve().parents[1]
LAUNCHER, WARM = HERE / "launcher", HERE / "warm"

HOST_SUITE, HOST_COMPONENTS = "sid", "main,contrib"
HOST_PACKAGES = (
    "virtualbox-source",
    "virtualbox",
    "virtualbox-guest-utils",
    "0install-core",
    "python3",
    "python3-apt",
    "sudo",
    "acl",
)
GUEST_SUITE, GUEST_COMPONENTS = "bookworm", "main"
GUEST_PACKAGES = ("python3", "python3-apt", "0install-core", "sudo", "mount", "kmod", "systemd")
GUEST_MODULES = ("vboxguest", "vboxsf", "overlay", "autofs4")
GUEST_SCRIPTS = ("fetch-kernel.sh", "trim-systemd.sh")
GUEST_USERS = ("somebody", "vagrant")
ADDITIONS = ("VBoxControl", "VBoxService")


@dataclass(frozen=True)
class Host:
    """What a run without guests needs: the folders of the host's root and of the launcher."""

    root: Path
    launcher: Path


@dataclass(frozen=True)
class Booted:
    """What a guest needs besides: userland and medium, and the state to go on from."""

    userland: Path
    boot: Path
    state: Path


@dataclass(frozen=True)
class Guests(Booted):
    """The same with what lies over the userland."""

    layer: Path


def host(cache: Cache) -> Host:
    """The host's root file system and the launcher of machines."""
    root = cache.make(
        "host",
        "the VirtualBox host's root",
        [code(debian), HOST_SUITE, HOST_COMPONENTS, *HOST_PACKAGES],
        _host_root,
    )
    launcher = cache.make(
        "launcher", "the launcher of machines", [code(_compile_launcher), *files(LAUNCHER)], _compile_launcher
    )
    return Host(root / "root", launcher)


def guest_template(cache: Cache, ansible: warm.Ansible) -> tuple[Host, Guests]:
    """All that a run with guests needs."""
    made_host, made = booted_template(cache, ansible)
    state = cache.make(
        "warm",
        "the state of a guest with Ansible loaded",
        [
            code(_warm_up),
            code(guests.PREPARE),
            *(folder.name for folder in (made.state.parent, made.layer, made.userland)),
        ],
        lambda folder: _warm_up(folder, cache, made_host, made),
    )
    return made_host, replace(made, state=state / "state.sav")


def booted(cache: Cache) -> tuple[Host, Booted]:
    """The same, with the state of a guest that has just booted, and nothing over its userland."""
    with ThreadPoolExecutor(2) as pool:
        making_userland = pool.submit(guest_userland, cache)
        made_host = host(cache)
        userland = making_userland.result()
    boot = cache.make(
        "boot",
        "the guests' boot medium",
        [code(_boot_medium), code(kernel), *files(guests.BOOT), made_host.root.parent.name, userland.name],
        lambda folder: _boot_medium(folder, made_host.root, userland),
    )
    state = cache.make(
        "booted",
        "the state of a booted guest",
        [
            code(_boot),
            code(guests.create),
            str(guests.HEARTBEAT),
            str(guests.CLOCK),
            boot.name,
            made_host.root.parent.name,
            made_host.launcher.name,
        ],
        lambda folder: _boot(folder, cache, made_host, boot),
    )
    return made_host, Booted(userland, boot, state / "state.sav")


def booted_template(cache: Cache, ansible: warm.Ansible) -> tuple[Host, Guests]:
    """The same, with the warm interpreter over the userland."""
    made_host, made = booted(cache)
    return made_host, Guests(**vars(made), layer=_layer(cache, made_host, made.userland, ansible))


def _host_root(folder: Path) -> None:
    debian.root(folder, HOST_SUITE, HOST_COMPONENTS, HOST_PACKAGES)


def guest_userland(cache: Cache) -> Path:
    """root: the guests' root file system; vmlinux: its kernel; modules: the kernel modules for the initrd."""
    return cache.make(
        "userland",
        "the guests' userland and kernel",
        [
            code(debian),
            code(_guest_root),
            GUEST_SUITE,
            GUEST_COMPONENTS,
            *GUEST_PACKAGES,
            *GUEST_MODULES,
            *GUEST_USERS,
            *((guests.BOOT / script).read_bytes() for script in GUEST_SCRIPTS),
        ],
        _guest_root,
    )


def _guest_root(folder: Path) -> None:
    hooks = [debian.hook("customize", guests.BOOT / script) for script in GUEST_SCRIPTS]
    debian.root(folder, GUEST_SUITE, GUEST_COMPONENTS, GUEST_PACKAGES, *hooks)
    root, package, modules = folder / "root", folder / "package", folder / "modules"
    downloaded = root / "kernel-package"
    run("dpkg", "-x", next(downloaded.glob("*.deb")), package)
    shutil.rmtree(downloaded)
    image = next((package / "boot").glob("vmlinuz-*"))
    (folder / "vmlinux").write_bytes(kernel.unpack_image(image.read_bytes()))
    version = image.name.partition("-")[2]
    source, target = package / "lib/modules" / version, root / "lib/modules" / version
    modules.mkdir()
    for name in GUEST_MODULES:
        file = next(source.rglob(name + ".ko"))
        shutil.copy(file, modules)
        (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / file.relative_to(source))
    for index in source.glob("modules.*"):
        shutil.copy(index, target)
    run("chroot", root, "/sbin/depmod", version)
    for user in GUEST_USERS:
        run("chroot", root, "/usr/sbin/useradd", "--create-home", user)
    (root / "etc/hostname").unlink(missing_ok=True)
    shutil.rmtree(package)


def _compile_launcher(folder: Path) -> None:
    run("gcc", "-O1", "-Wall", "-o", folder / "vblaunch", LAUNCHER / "vblaunch.c", "-ldl")


def _boot_medium(folder: Path, host_root: Path, userland: Path) -> None:
    """guest.iso: isolinux, the kernel (unpacked), and an initrd with busybox, the agent and the guest drivers."""
    tree, initrd = folder / "tree", folder / "initrd"
    (tree / "isolinux").mkdir(parents=True)
    (tree / "kernel.pak").write_bytes(kernel.pack((userland / "vmlinux").read_bytes()))
    for source in ("start.S", "shim.c"):
        run(
            "gcc",
            "-m32",
            "-c",
            "-O1",
            "-ffreestanding",
            "-fno-pic",
            "-fno-stack-protector",
            "-mno-sse",
            "-mno-mmx",
            "-o",
            folder / (source + ".o"),
            guests.BOOT / source,
        )
    run(
        "ld",
        "-m",
        "elf_i386",
        "--no-warn-rwx-segments",
        "-T",
        guests.BOOT / "shim.ld",
        "-o",
        tree / "shim.elf",
        folder / "start.S.o",
        folder / "shim.c.o",
    )

    libraries = "usr/lib/x86_64-linux-gnu"
    for name in ("bin", "sbin", "usr/sbin", "proc", "sys", "dev", "lib", "lib64", libraries, "etc", "run", "tmp"):
        (initrd / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", initrd / "bin")
    (initrd / "bin/sh").symlink_to("busybox")
    for module in GUEST_MODULES:
        shutil.copy(userland / "modules" / (module + ".ko"), initrd / "lib")
    for tool in ADDITIONS:
        shutil.copy(host_root / "usr/sbin" / tool, initrd / "usr/sbin")
    for library in ("libc.so.6", "libz.so.1"):
        shutil.copy(os.path.realpath(host_root / libraries / library), initrd / libraries / library)
    shutil.copy(os.path.realpath(host_root / libraries / "ld-linux-x86-64.so.2"), initrd / "lib64/ld-linux-x86-64.so.2")
    (initrd / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (initrd / "etc/group").write_text("root:x:0:\n")
    shutil.copy(guests.BOOT / "guest-init.sh", initrd / "init")
    (initrd / "init").chmod(0o755)
    shutil.copy(guests.BOOT / "guest-agent.sh", initrd)
    os.mknod(initrd / "dev/console", 0o600 | 0o020000, os.makedev(5, 1))
    run("sh", "-c", 'find . | cpio -o -H newc --quiet >"$0"', tree / "initrd", cwd=initrd)

    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
    for module in ("ldlinux", "mboot", "libcom32"):
        shutil.copy("/usr/lib/syslinux/modules/bios/%s.c32" % module, tree / "isolinux")
    shutil.copy(guests.BOOT / "isolinux.cfg", tree / "isolinux")
    run(
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-R",
        "-o",
        folder / "guest.iso",
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        tree,
    )
    for leftover in (tree, initrd):
        shutil.rmtree(leftover)


def _layer(cache: Cache, made_host: Host, userland: Path, ansible: warm.Ansible) -> Path:
    """What lies over the guests' userland: the warm interpreter and the Additions' programs."""

    def build(folder: Path) -> None:
        (folder / "usr/sbin").mkdir(parents=True)
        for tool in ADDITIONS:
            shutil.copy(made_host.root / "usr/sbin" / tool, folder / "usr/sbin")
        warm.build(folder / "opt/warm", userland / "root", WARM, ansible)

    return cache.make(
        "layer",
        "the warm interpreter",
        [
            *map(code, (build, warm.build, warm.payloads, warm.compile_sources, warm.LEARN_FROM)),
            *files(WARM),
            made_host.root.parent.name,
            userland.name,
            ansible.key,
        ],
        build,
    )


def _boot(folder: Path, cache: Cache, made_host: Host, boot: Path) -> None:
    """state.sav: a guest saved after its cold boot, once its agent has answered (else it never would again)."""
    with runs.temporary(cache, "booting", made_host) as lab:
        lab.offer("boot", boot)
        guests.create(lab, "booting", {})
        guests.launch(lab, "booting")
        say("a cold boot takes about three minutes, once; watch it in %s" % (guests.folder(lab, "booting") / "console"))
        guests.await_answer(lab, "booting")
        guests.save(lab, "booting", folder / "state.sav")


def _warm_up(folder: Path, cache: Cache, made_host: Host, made_guests: Guests) -> None:
    """state.sav: a guest saved in its userland, with the warm interpreter's server running."""
    with runs.temporary(cache, "warming", made_host, made_guests) as lab:
        guests.create(lab, "warming", guests.own_shares("warming"))
        guests.start(lab, "warming", prepared=False)
        shutil.copy(WARM / "prepare.sh", guests.folder(lab, "warming") / "work")
        status, output = guests.ask(lab, "warming", guests.PREPARE)
        if status or "ready" not in output:
            raise LabError("the warm interpreter did not start in the guest:\n" + output)
        say(output.strip().splitlines()[-1])
        guests.save(lab, "warming", folder / "state.sav")
