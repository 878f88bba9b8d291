# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guest_additions, with Oracle's real installer and images and Debian's real packages.

They are installed in roots of Debian that take themselves for VirtualBox guests: their kernel is a stand-in
(lab/install), their folder of modules is that of Debian's 6.1 kernel. What Oracle's drivers do in a real guest is in
test_oracle.py. The tests of a root build on each other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet, Play
from labkit import oracle, recipes, runs
from labkit.agent import LOGIN
from labkit.cache import Cache
from labkit.console import run
from pages import block
from setup import REPOSITORY, run_name

pytestmark = pytest.mark.thorough

HERE = Path(__file__).resolve().parent
ROLE = "- hosts: all\n  gather_facts: false\n  roles: [zeroinstall.virtualbox.guest_additions]\n"
INSTALL, INFO = "zeroinstall.virtualbox.additions_install", "zeroinstall.virtualbox.guest_info"
TOOLS = "virtualbox-guest-utils"
EVERYTHING = (
    "find /etc /opt /usr /var/lib /lib/modules/ -xdev ! -path '/var/lib/apt/*' ! -path '*/__pycache__*'"
    " -printf '%p %y %m %s %l %T@\\n' | sort"
)


class Root(Fleet):
    """A root of Debian that takes itself for a VirtualBox guest, which Ansible reaches as ``guest``."""

    def __init__(self, lab: runs.Run, modules: Path) -> None:
        super().__init__("install", ())
        self.lab_run = lab
        self.folder = lab.folder
        self.modules = self._stand_in(modules)
        enter = self.folder / "enter-guest"
        words = " ".join(f"{name}={value}" for name, value in LOGIN.items())
        enter.write_text(
            f'#!/bin/sh\nexec env -i {words} setpriv --bounding-set=-sys_module /usr/sbin/chroot "$@"\n',
            encoding="utf-8",
        )
        enter.chmod(0o755)
        variables = {
            "ansible_connection": "community.general.chroot",
            "ansible_host": str(lab.root),
            "ansible_chroot_exe": str(enter),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        self.inventory = self.folder / "inventory.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {"guest": variables}}}), encoding="utf-8")
        (self.folder / "ansible.cfg").write_text("[connection]\npipelining = true\n", encoding="utf-8")
        (self.folder / "role.yml").write_text(ROLE, encoding="utf-8")

    @property
    def release(self) -> str:
        """The release of the kernel that the root runs on, which is this machine's."""
        return os.uname().release

    def _stand_in(self, modules: Path) -> Path:
        """Put the stand-ins into place, and the modules of Debian's kernel; where these are."""
        root = self.lab_run.root
        run("umount", root / "sys")
        run("mount", "-t", "tmpfs", "sys", root / "sys")
        for folder in ("module", "class/block", "class/dmi/id", "bus/pci/devices"):
            (root / "sys" / folder).mkdir(parents=True)
        (root / "sys/class/dmi/id/product_name").write_text("VirtualBox\n")
        for name in ("vboxguest", "vboxuser"):
            os.mknod(root / "dev" / name, 0o600 | 0o020000, os.makedev(1, 3))
        for name in ("lsmod", "modprobe", "shutdown"):
            (root / "usr/sbin" / name).unlink(missing_ok=True)
            shutil.copy(HERE / "install" / name, root / "usr/sbin")
        (root / "run/boot_id").write_text("first\n")
        run("mount", "--bind", root / "run/boot_id", root / "proc/sys/kernel/random/boot_id")
        folder = root / "lib/modules" / modules.name
        shutil.copytree(modules, folder, dirs_exist_ok=True, symlinks=True)
        return oracle.link_kernel(self.lab_run, modules.name)

    def command(self, *words: str, check: bool = True) -> str:
        """What a program in the root prints."""
        command = ("setpriv", "--bounding-set=-sys_module", "chroot", self.lab_run.root, *words)
        done = run(*command, check=check, env=LOGIN)
        return done.stdout + done.stderr

    def path(self, path: str) -> Path:
        """Where a path of the root is."""
        return self.lab_run.root / path.lstrip("/")

    def role(self, *options: str, **variables: Any) -> Play:
        """Run the role with these variables (without their prefix)."""
        named = json.dumps({f"guest_additions_{name}": value for name, value in variables.items()})
        return self.play(str(self.folder / "role.yml"), "-e", named, *options)

    def restart(self) -> None:
        """What a restart does to what is loaded."""
        self.command("shutdown")

    def loaded(self) -> str:
        """The version of the driver that is loaded; nothing for the kernel's own."""
        version = self.path("/sys/module/vboxguest/version")
        return version.read_text().strip() if version.exists() else ""

    def image(self, suite: str) -> dict[str, str]:
        """The role's variables for an image."""
        path = f"/srv/additions/{suite}.iso"
        return {"source": "iso", "image": path, "sha256": hashlib.sha256(self.path(path).read_bytes()).hexdigest()}


def succeed(play: Play) -> Play:
    """The play, which must not have failed."""
    assert play.status == 0, play.messages("guest") or play.output
    return play


def refused(play: Play) -> str:
    """Why the play failed, which it must have; nothing was changed."""
    assert play.status != 0 and play.changed == 0, play.output
    return play.messages("guest")


def right(play: Play, module_runs: int) -> None:
    """Assert that a run found nothing to do, and how many module runs it took for that."""
    succeed(play)
    assert play.changed == 0, play.output
    assert play.module_runs.total() == module_runs, play.module_runs


def warnings(play: Play) -> str:
    """What the modules warned of."""
    return json.dumps([task["hosts"].get("guest", {}).get("warnings", []) for task in play.tasks])


@pytest.fixture(scope="module")
def cache() -> Cache:
    """The lab's cache."""
    return Cache()


@pytest.fixture(scope="module")
def userland(cache: Cache) -> Path:
    """The userland of the lab's guests, for the modules of its kernel."""
    return recipes.guest_userland(cache)


@pytest.fixture(scope="module")
def guest(cache: Cache, userland: Path) -> Iterator[Root]:
    """Debian 12 with what builds kernel modules."""
    base = recipes.Host(oracle.root(cache, userland), recipes.host(cache).launcher)
    with runs.temporary(cache, run_name("install"), base) as lab:
        oracle.offer_compiled(cache, lab)
        root = Root(lab, userland / "root/lib/modules" / oracle.kernel_release(userland))
        root.restart()
        yield root


def version_on(root: Root, suite: str) -> str:
    """The version of an image, by its label."""
    label = root.path(f"/srv/additions/{suite}.iso").read_bytes()[16 * 2048 + 40 :][:32].decode().split("_")
    return label[1]


def test_the_kernels_own_driver_is_enough(guest: Root) -> None:
    assert guest.loaded() == ""
    right(guest.role(), 1)
    right(guest.role(source="mainline"), 1)


def test_a_kernel_without_drivers_is_refused_with_the_package_that_has_them(guest: Root) -> None:
    shutil.rmtree(guest.path("/sys/module/vboxguest"))
    kernel, hidden = guest.modules / "kernel", guest.path("/root/kernel")
    kernel.rename(hidden)
    guest.command("depmod", guest.release)
    try:
        for source in ("auto", "mainline", "distribution"):
            assert "linux-image-amd64" in refused(guest.role(source=source)), source
    finally:
        hidden.rename(kernel)
        guest.command("depmod", guest.release)
        guest.restart()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, ("has the SHA-256", "Nothing was run")),
        ({"sha256": ""}, ("belong together",)),
        ({"image": "/srv/none.iso"}, ("/srv/none.iso cannot be read",)),
        (
            {"image": "/dev/null", "sha256": hashlib.sha256().hexdigest()},
            ("/dev/null is no image of Guest Additions", "no ISO 9660"),
        ),
        ({"minimum_version": "99.0.0"}, ("older than 99.0.0",)),
        ({"image": "", "sha256": ""}, ("No CD with Guest Additions", "storageattach")),
        ({"source": "floppy"}, ("floppy",)),
    ],
    ids=["another digest", "no digest", "no file", "no image", "too old", "no CD", "unknown source"],
)
def test_bad_input_is_refused_and_nothing_is_changed(
    guest: Root, change: dict[str, str], words: tuple[str, ...]
) -> None:
    before = guest.command("sh", "-c", EVERYTHING)
    message = refused(guest.role(**{**guest.image(oracle.OLD), **change}))
    assert all(word in message for word in words), message
    assert guest.command("sh", "-c", EVERYTHING) == before


def test_check_mode_tells_what_would_be_installed_and_changes_nothing(guest: Root) -> None:
    before = guest.command("sh", "-c", EVERYTHING)
    play = succeed(guest.role("--check", "--diff", **guest.image(oracle.OLD)))
    (_look, would) = play.results("guest", INSTALL)
    assert would["changed"] and would["operation"] == "install"
    assert version_on(guest, oracle.OLD) in would["diff"]["after"]
    assert guest.command("sh", "-c", EVERYTHING) == before


def test_the_installer_is_run_and_the_kernels_driver_is_told_to_be_loaded_still(guest: Root) -> None:
    old = version_on(guest, oracle.OLD)
    guest.path("/sys/module/vboxguest/busy").touch()
    play = succeed(guest.role(**guest.image(oracle.OLD)))
    done = play.results("guest", INSTALL)[-1]
    assert (done["operation"], done["version"], done["status"]) == ("install", old, 2)
    assert "kernel's own vboxguest is still loaded" in done["restart"] and old in done["restart"]
    assert "Restart the guest" in warnings(play)
    assert guest.loaded() == ""
    again = guest.role(**guest.image(oracle.OLD))
    right(again, 2)
    assert "Restart the guest" in warnings(again)
    assert not list(guest.path("/tmp").glob("zeroinstall*"))


def test_what_was_installed_is_right_after_a_restart(guest: Root) -> None:
    guest.restart()
    assert guest.loaded().startswith(version_on(guest, oracle.OLD))
    play = guest.role(**guest.image(oracle.OLD))
    right(play, 2)
    additions_found = play.results("guest", INFO)[0]["guest"]["additions"]
    assert (additions_found["origin"], additions_found["restart"]) == ("oracle", None)
    assert additions_found["oracle"] == additions_found["version"] == version_on(guest, oracle.OLD)
    assert "Restart" not in warnings(play)
    right(guest.role(), 1)


def test_other_sources_do_not_touch_oracles(guest: Root) -> None:
    for source in ("mainline", "distribution"):
        assert "vbox-uninstall-guest-additions" in refused(guest.role(source=source))


def test_after_a_kernel_upgrade_only_the_drivers_are_built(guest: Root) -> None:
    shutil.rmtree(guest.modules / "misc")
    guest.command("depmod", guest.release)
    play = succeed(guest.role(**guest.image(oracle.OLD)))
    assert play.results("guest", INSTALL)[-1]["operation"] == "setup"
    assert (guest.modules / "misc/vboxsf.ko").exists()
    right(guest.role(**guest.image(oracle.OLD)), 2)


def test_missing_headers_are_named(guest: Root) -> None:
    shutil.rmtree(guest.modules / "misc")
    guest.command("depmod", guest.release)
    build = guest.modules / "build"
    target = os.readlink(build)
    build.unlink()
    try:
        message = refused(guest.role(**guest.image(oracle.OLD)))
        assert f"linux-headers-{guest.release}" in message and "upgrade the kernel" in message, message
    finally:
        build.symlink_to(target)


def test_an_upgrade_from_the_drive_tells_that_the_older_driver_is_still_loaded(guest: Root) -> None:
    old, new = version_on(guest, oracle.OLD), version_on(guest, oracle.NEW)
    guest.path("/sys/class/block/sr0").mkdir()
    guest.path("/dev/sr0").symlink_to(f"/srv/additions/{oracle.NEW}.iso")
    guest.path("/sys/module/vboxguest/busy").touch()
    play = succeed(guest.role(source="iso"))
    done = play.results("guest", INSTALL)[-1]
    assert (done["operation"], done["previous"], done["version"], done["status"]) == ("install", old, new, 2)
    assert f"Vboxguest {old}" in done["restart"] and f"vboxguest {new}" in done["restart"], done["restart"]
    assert guest.loaded().startswith(old)
    check = succeed(guest.role())
    assert "still loaded" in warnings(check) and check.changed == 0


def test_the_guest_is_restarted_where_that_is_needed_and_allowed(guest: Root) -> None:
    new = version_on(guest, oracle.NEW)
    started = guest.path("/run/boot_id").read_text()
    assert succeed(guest.role("--check", source="iso", reboot=True)).changed == 1
    assert not guest.loaded().startswith(new)
    assert guest.path("/run/boot_id").read_text() == started
    assert succeed(guest.role(source="iso", reboot=True)).changed == 1
    assert guest.loaded().startswith(new)
    again = guest.path("/run/boot_id").read_text()
    assert again != started
    right(guest.role(source="iso", reboot=True), 2)
    assert guest.path("/run/boot_id").read_text() == again


def test_the_printed_play_finds_that_right(guest: Root) -> None:
    image = guest.image(oracle.NEW)
    shutil.copy(guest.path(image["image"]), guest.path("/var/tmp/VBoxGuestAdditions.iso"))
    play, more = guest.folder / "printed.yml", guest.folder / "more.json"
    play.write_text(block(REPOSITORY / "docs" / "guest-additions.md", "yaml"), encoding="utf-8")
    variables = {"additions_sha256": image["sha256"], "ansible_become": False}
    more.write_text(json.dumps({"zeroinstall_guests": {"hosts": {"guest": variables}}}), encoding="utf-8")
    right(guest.play(str(play), "-i", str(more)), 2)


def test_programs_of_the_distribution_are_not_taken_to_pieces(guest: Root) -> None:
    guest.command("vbox-uninstall-guest-additions")
    program = guest.path("/usr/sbin/VBoxService")
    assert not program.is_symlink()
    program.write_text("#!/bin/sh\necho 7.0.20_Debianr163906\n", encoding="utf-8")
    program.chmod(0o755)
    before = guest.command("sh", "-c", EVERYTHING)
    assert "Remove their package first" in refused(guest.role(source="iso"))
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert "Remove the distribution's package first" in refused(guest.role(source="iso"))
    program.unlink()
    assert guest.command("sh", "-c", EVERYTHING) != before


@pytest.fixture(scope="module")
def sid(cache: Cache, userland: Path) -> Iterator[Root]:
    """Debian unstable without the package."""
    with runs.temporary(cache, run_name("install-sid"), recipes.host(cache)) as lab:
        root = Root(lab, userland / "root/lib/modules" / oracle.kernel_release(userland))
        for name in ("vboxguest", "vboxsf"):
            root.path(f"/sys/module/{name}").mkdir()
        root.command("dpkg", "--remove", TOOLS)
        os.utime(root.path("/var/lib/apt/lists"))  # empty, as the lab's root was made, and new as it seems
        yield root


def test_the_distributions_package_is_installed(sid: Root) -> None:
    right(sid.role(), 1)
    assert not sid.path("/usr/sbin/VBoxService").exists()
    play = succeed(sid.role(source="distribution"))
    assert play.changed == 1, play.output
    assert "ii " in sid.command("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", TOOLS)
    right(sid.role(source="distribution"), 1)
    (found,) = sid.role().results("guest", INFO)
    assert found["guest"]["additions"]["tools"].split("_")[1].startswith("Debian")


def test_a_repository_that_is_not_enabled_is_named(sid: Root) -> None:
    sid.command("dpkg", "--purge", TOOLS)
    sources = sid.path("/etc/apt/sources.list")
    text = sources.read_text()
    sources.write_text(re.sub(" main.*", " non-free", text))
    for file in sid.path("/var/lib/apt/lists").glob("*Packages*"):
        file.unlink()
    try:
        message = refused(sid.role(source="distribution"))
        assert f"No package matching '{TOOLS}'" in message, message
        assert "component contrib" in message and "enable it" in message, message
    finally:
        sources.write_text(text)
