# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``guest_info`` finds in the files of a real guest (fixtures: guest_note.md), and in variants of them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_versions, reading
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.modules import guest_info

FILES = json.loads(
    (Path(__file__).parent.parent / "module_utils/fixtures/guest_files.json").read_text(encoding="utf-8")
)
MINIMUM = additions_versions.limits(additions_versions.MINIMUM)
STORE = "var/cache/0install.net/implementations"
UUID = "f06c5e24-3d31-ca4f-8046-1ff7e17a1bb7"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("XDG_CACHE_HOME", "XDG_CACHE_DIRS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/root")


@pytest.fixture
def root(tmp_path):
    """A folder with the files of a real guest with the kernel's own driver."""
    for path, text in FILES.items():
        put(tmp_path, path[1:], text)
    return tmp_path


def put(root, path, text, mode=0o644):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def read(root):
    return Guest(str(root)).everything(MINIMUM, "/etc/fstab", "/etc/sudoers.d/zeroinstall", False)


def same_fields(found, documented, where="guest"):
    """Assert that a result has just the fields that are documented, all the way down."""
    assert set(found) == set(documented), where
    for name, doc in documented.items():
        values = found[name] if isinstance(found[name], list) else [found[name]]
        for value in values:
            if "contains" in doc and isinstance(value, dict):
                same_fields(value, doc["contains"], f"{where}.{name}")


def test_a_real_guest(root):
    guest = read(root)
    assert guest["errors"] == {}
    assert guest["virtualbox"] == {"guest": True, "product": "VirtualBox", "uuid": UUID}
    assert guest["additions"] == {
        "version": None,
        "full": None,
        "revision": None,
        "origin": "mainline",
        "tools": None,
        "installed": None,
        "oracle": None,
        "restart": None,
        "problem": None,
    }
    assert guest["driver"] == {"loaded": True, "loadable": True, "at_boot": []}
    shown = [(mount["share"], mount["path"], mount["writable"]) for mount in guest["mounts"]]
    assert shown == [("gstrw", "/srv/rw", True), ("cache", "/mnt/sp ace\\b", False), ("gstrw", "/mnt/b", False)]


def test_the_result_is_as_documented(root):
    put(root, "etc/fstab", "a /mnt/b vboxsf ro 0 0\n")
    (root / "mnt/b").mkdir(parents=True)
    same_fields(read(root), yaml.safe_load(guest_info.RETURN)["guest"]["contains"])


def test_a_guest_is_known_by_its_device_alone(root):
    put(root, "sys/class/dmi/id/product_name", "Something else\n")
    assert read(root)["virtualbox"] == {"guest": True, "product": "Something else", "uuid": UUID}
    (root / "sys/bus/pci/devices/0000:00:04.0/device").write_text("0xbeef\n")
    assert read(root)["virtualbox"]["guest"] is False


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        (UUID.upper() + "\n", UUID),
        ("Not Settable\n", ""),
        ("", ""),
        (UUID + "0\n", ""),
        (f"{UUID}\n{UUID}\n", ""),
        ("\x1b]0;owned\x07", ""),
    ],
)
def test_the_uuid_of_the_hardware_is_a_uuid_or_nothing(root, text, uuid):
    put(root, "sys/class/dmi/id/product_uuid", text)
    assert read(root)["virtualbox"]["uuid"] == uuid


def test_nothing_there(tmp_path):
    guest = read(tmp_path)
    assert guest["errors"] == {}
    assert guest["virtualbox"] == {"guest": False, "product": None, "uuid": ""}
    assert guest["driver"] == {"loaded": False, "loadable": False, "at_boot": []}
    assert guest["additions"]["origin"] is None
    assert "No Guest Additions" in guest["additions"]["problem"]
    assert guest["fstab"] == {"entries": [], "malformed": []}
    assert guest["init"] == "other"
    assert guest["zero_install"] == {"0install": None, "0store": None, "package": None, "version": None}
    assert [store["exists"] for store in guest["stores"]] == [False, False]
    assert not guest["sharing"]["ready"]


@pytest.mark.parametrize(
    ("text", "origin", "version", "problem"),
    [
        ("5.2.42 r137960\n", "oracle", "5.2.42", None),
        ("6.1.50_Ubuntu r161033\n", "distribution", "6.1.50", None),
        ("5.0.2 r102096\n", "oracle", "5.0.2", "Protocol error"),
        ("4.1.44 r104071\n", "oracle", "4.1.44", "older than 4.2.0"),
    ],
)
def test_a_driver_that_is_not_the_kernels_tells_its_version(root, text, origin, version, problem):
    put(root, "sys/module/vboxguest/version", text)
    additions = read(root)["additions"]
    assert (additions["origin"], additions["version"]) == (origin, version)
    assert problem in additions["problem"] if problem else additions["problem"] is None


@pytest.mark.parametrize(
    ("index", "module", "origin"),
    [
        ("modules.dep", "kernel/drivers/virt/vboxguest/vboxguest.ko.xz:\n", "mainline"),
        ("modules.builtin", "kernel/drivers/virt/vboxguest/vboxguest.ko\n", "mainline"),
        ("modules.dep", "misc/vboxguest.ko:\n", "oracle"),
        ("modules.dep", "updates/dkms/vboxguest.ko.zst: kernel/x.ko\n", "oracle"),
        ("modules.dep", "kernel/drivers/virt/notvboxguest.ko:\n", None),
    ],
)
def test_a_driver_that_is_not_loaded_is_known_by_its_file(tmp_path, index, module, origin):
    put(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
    put(tmp_path, f"lib/modules/6.1.0-56-amd64/{index}", "kernel/a.ko:\n" + module)
    assert read(tmp_path)["additions"]["origin"] == origin


def test_a_driver_can_be_loaded_if_the_running_kernel_has_its_file(tmp_path):
    put(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
    put(tmp_path, "lib/modules/5.10.0/modules.dep", "kernel/fs/vboxsf/vboxsf.ko:\n")
    assert read(tmp_path)["driver"]["loadable"] is False
    put(tmp_path, "usr/lib/modules/6.1.0-56-amd64/modules.dep", "kernel/fs/vboxsf/vboxsf.ko:\n")
    assert read(tmp_path)["driver"] == {"loaded": False, "loadable": True, "at_boot": []}


def test_what_loads_the_driver_at_boot(root):
    put(root, "etc/modules-load.d/zeroinstall.virtualbox.conf", "# c\nvboxsf\n")
    put(root, "etc/modules-load.d/other.conf", "vboxguest\n")
    put(root, "etc/modules", "loop\nvboxsf\n")
    assert read(root)["driver"]["at_boot"] == ["/etc/modules-load.d/zeroinstall.virtualbox.conf", "/etc/modules"]


def test_a_comment_loads_nothing_at_boot(root):
    put(root, "etc/modules", "# vboxsf is for shares\n;vboxsf\nloop vboxsf\n")
    put(root, "etc/modules-load.d/a.conf", "  # vboxsf\n\n")
    put(root, "usr/lib/modules-load.d/b.conf", "vboxsf\n")
    put(root, "etc/modules-load.d/b.conf", "")  # takes the place of the one in /usr/lib
    assert read(root)["driver"]["at_boot"] == []
    put(root, "etc/modules", "vboxsf ttl=5\n")
    assert read(root)["driver"]["at_boot"] == ["/etc/modules"]
    put(root, "run/systemd/system/x", "")
    assert read(root)["driver"]["at_boot"] == []


def test_fstab(root):
    put(
        root,
        "etc/fstab",
        "# c\nbroken\nproc /proc proc defaults 0 0\na\\040b /mnt/a vboxsf ro,comment=zeroinstall.virtualbox 0 0\n"
        "hand /mnt/h vboxsf ro 0 0",
    )
    assert read(root)["fstab"] == {
        "entries": [
            {
                "line": 4,
                "share": "a b",
                "path": "/mnt/a",
                "options": ["ro", "comment=zeroinstall.virtualbox"],
                "ours": True,
                "mounted": False,
                "error": None,
            },
            {
                "line": 5,
                "share": "hand",
                "path": "/mnt/h",
                "options": ["ro"],
                "ours": False,
                "mounted": False,
                "error": None,
            },
        ],
        "malformed": [2],
    }


def test_fstab_tells_what_is_mounted_and_why_systemd_could_not(root, monkeypatch):
    put(root, "etc/fstab", "gstrw /mnt/b vboxsf ro 0 0\ncache /mnt/b/ vboxsf ro 0 0\nz /zi vboxsf noauto 0 0\n")
    waiting = "94 26 0:74 / /zi rw,relatime - autofs systemd-1 rw,fd=40,pgrp=1,timeout=0,direct\n"
    put(root, "proc/self/mountinfo", FILES["/proc/self/mountinfo"] + waiting)
    monkeypatch.setattr(reading, "silence", lambda path: "No such device" if path.endswith("/zi") else None)
    entries = read(root)["fstab"]["entries"]
    assert [(entry["mounted"], entry["error"]) for entry in entries] == [
        (True, None),
        (False, None),
        (False, "No such device"),
    ]


@pytest.mark.parametrize(
    ("helper", "asked"),
    [
        ('exec sudo -S -u zeroinst /usr/bin/0store-secure-add "$@" <&-', ("/usr/bin/0store-secure-add", "zeroinst")),
        ("  /usr/bin/sudo -n -u z -- /opt/add", ("/opt/add", "z")),
        ("# sudo -u zeroinst /usr/bin/x\nexec doas -u zeroinst /usr/bin/x", None),
    ],
)
def test_sudo_is_asked_for_what_the_helper_runs(root, monkeypatch, helper, asked):
    put(root, "usr/local/bin/0store-secure-add-helper", f"#!/bin/sh\n{helper}\n", 0o755)
    put(root, "etc/sudoers.d/zeroinstall", "")
    found = []
    monkeypatch.setattr(reading.sudo, "problem", lambda rule: found.append(rule) or "it is not read")
    monkeypatch.setattr(Guest, "at", lambda _guest, path: f"{root}{path}")
    drop_in = "/etc/sudoers.d/zeroinstall"
    sharing = Guest().sharing(drop_in)
    assert [(rule.program, rule.user) for rule in found] == [asked] * (asked is not None)
    assert (sharing["problem"], sharing["ready"]) == ("it is not read" if asked else None, False)
    assert Guest().sharing(drop_in, ask=False)["problem"] is None


def test_a_store_under_a_dead_share_names_that_share(root, monkeypatch):
    line = "95 26 0:75 / /var/cache rw,relatime - vboxsf Packages rw\n"
    put(root, "proc/self/mountinfo", FILES["/proc/self/mountinfo"] + line)
    real = os.stat

    def stat(path, **options):
        if str(path).startswith(f"{root}/var/cache/"):
            raise OSError(errno.EPROTO, "Protocol error", path)
        return real(path, **options)

    monkeypatch.setattr(reading, "silence", lambda path: "Protocol error")
    monkeypatch.setattr(os, "stat", stat)
    (error,) = [store["error"] for store in read(root)["stores"] if store["kind"] == "system"]
    assert error.startswith("share Packages is mounted at /var/cache and does not answer: Protocol error")
    assert "umount /var/cache" in error


# What is in os-release: Debian 12, Ubuntu 24.04, Linux Mint 22, Raspberry Pi OS, Fedora 41, Alpine 3.20, openSUSE Leap.
@pytest.mark.parametrize(
    "release, package",
    [
        ("ID=debian\n", "0install-core"),
        ("ID=ubuntu\nID_LIKE=debian\n", "0install-core"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "0install-core"),
        ("ID=raspbian\nID_LIKE=debian\n", "0install-core"),
        ("ID=fedora\nVERSION_ID=41\n", None),
        ("ID=alpine\n", None),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', None),
        ("VARIANT_ID=debian\n", None),
    ],
)
def test_the_package_of_zero_install(root, release, package):
    put(root, "etc/os-release", release)
    assert read(root)["zero_install"]["package"] == package


def test_stores_in_zero_installs_order(root, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_DIRS", "/var/cache:/srv/more")
    put(root, "etc/xdg/0install.net/injector/implementation-dirs", "# c\n\n/srv/host\n/srv/space \n")
    (root / STORE).mkdir(parents=True, mode=0o755)
    put(root, "srv/host/sha1=a/f", "")
    guest = read(root)
    assert guest["implementation_dirs"] == ["/srv/host", "/srv/space "]
    assert [(store["kind"], store["path"]) for store in guest["stores"]] == [
        ("user", "/root/.cache/0install.net/implementations"),
        ("system", "/" + STORE),
        ("system", "/srv/more/0install.net/implementations"),
        ("implementation-dirs", "/srv/host"),
        ("implementation-dirs", "/srv/space "),
    ]
    assert [(store["exists"], store["empty"]) for store in guest["stores"]] == [
        (False, None),
        (True, True),
        (False, None),
        (True, False),
        (False, None),
    ]
    assert guest["stores"][1]["mode"] == "0755"


def test_a_helper_is_ours_by_its_mark(root):
    helper = "usr/local/bin/0store-secure-add-helper"
    put(root, helper, "#!/bin/sh\n", 0o755)
    assert (read(root)["sharing"]["helper"], read(root)["sharing"]["ours"]) == ("/" + helper, False)
    put(root, helper, "#!/bin/sh\n# Ansible managed: zeroinstall.virtualbox.sharing\n", 0o755)
    assert read(root)["sharing"]["ours"] is True
    put(root, helper, "", 0o644)
    assert (read(root)["sharing"]["helper"], read(root)["sharing"]["ours"]) == (None, False)
    put(root, "etc/sudoers.d/zeroinstall", "# Ansible managed: zeroinstall.virtualbox.sharing\n")
    assert read(root)["sharing"]["ours"] is True


def test_sudo_is_there_if_its_check_of_drop_ins_is(root):
    assert read(root)["sharing"]["sudo"] is False
    put(root, "usr/sbin/visudo", "", 0o755)
    assert read(root)["sharing"]["sudo"] is True


def test_paths_are_looked_at(root):
    put(root, "srv/a", "a")
    found = Guest(str(root)).everything(MINIMUM, "/etc/fstab", "/x", False, ["/srv/a", "/srv/c"])["paths"]
    assert (found["/srv/a"]["kind"], found["/srv/c"]) == ("file", None)


@pytest.mark.parametrize(
    ("path", "init"),
    [
        ("run/systemd/system/x", "systemd"),
        ("run/openrc/x", "openrc"),
        ("etc/inittab", "other"),
    ],
)
def test_init_systems(root, path, init):
    put(root, path, "")
    assert read(root)["init"] == init


def test_sysvinit(root):
    put(root, "etc/inittab", "")
    put(root, "etc/init.d/rc", "")
    assert read(root)["init"] == "sysvinit"


def test_one_part_that_cannot_be_read_does_not_lose_the_others(root):
    (root / "etc/fstab").mkdir(parents=True)
    guest = read(root)
    assert guest["fstab"] is None
    assert list(guest["errors"]) == ["fstab"]
    assert "IsADirectoryError" in guest["errors"]["fstab"]
    assert guest["virtualbox"]["guest"] is True


def test_a_mount_that_does_not_answer_says_why(root):
    (mount,) = [mount for mount in read(root)["mounts"] if mount["path"] == "/mnt/b"]
    assert (mount["answers"], mount["error"]) == (False, os.strerror(2))
    (root / "mnt/b").mkdir(parents=True)
    (mount,) = [mount for mount in read(root)["mounts"] if mount["path"] == "/mnt/b"]
    assert (mount["answers"], mount["error"]) == (True, None)


RELEASE = "6.1.0-56-amd64"


@pytest.fixture
def modinfo(monkeypatch):
    """Stands in for modinfo: what it is asked, and what it answers."""
    asked = []

    def answer(name, *arguments):
        asked.append((name, *arguments))
        return "7.2.22 r175245\n" if name == "modinfo" else None

    monkeypatch.setattr(reading, "answer", answer)
    return asked


def installed(root, file, loaded=None):
    """A guest with this driver's file for its kernel, and with one loaded: None, '' (the kernel's) or a version."""
    put(root, "proc/sys/kernel/osrelease", RELEASE + "\n")
    put(root, f"lib/modules/{RELEASE}/modules.dep", f"kernel/a.ko:\n{file}: kernel/b.ko\n")
    if loaded is not None:
        put(root, "sys/module/vboxguest/refcnt", "0\n")
    if loaded:
        put(root, "sys/module/vboxguest/version", loaded)
    return Guest(str(root)).everything(MINIMUM, "/etc/fstab", "/none", True)["additions"]


@pytest.mark.parametrize(
    ("loaded", "restart"),
    [
        (None, None),
        ("7.2.22 r175245\n", None),
        ("7.0.6 r155176\n", "Vboxguest 7.0.6 r155176 is still loaded, while vboxguest 7.2.22 r175245 is installed."),
        ("", "The Linux kernel's own vboxguest is still loaded, while vboxguest 7.2.22 r175245 is installed."),
    ],
)
def test_an_older_driver_that_is_still_loaded_is_told(tmp_path, modinfo, loaded, restart):
    additions = installed(tmp_path, "misc/vboxguest.ko", loaded)
    assert modinfo[0] == ("modinfo", "-F", "version", f"{tmp_path}/lib/modules/{RELEASE}/misc/vboxguest.ko")
    assert additions["restart"] == (restart and restart + " Restart the guest.")
    assert (additions["installed"], additions["problem"]) == ("7.2.22 r175245", None)


@pytest.mark.usefixtures("modinfo")
def test_a_bad_driver_that_is_still_loaded_is_no_reason_to_install_again(tmp_path):
    additions = installed(tmp_path, "misc/vboxguest.ko", "5.0.2 r102096\n")
    assert "Protocol error" in additions["problem"] and additions["problem"].endswith("Restart the guest.")


def test_of_the_kernels_own_driver_modinfo_is_not_asked(tmp_path, modinfo):
    additions = installed(tmp_path, "kernel/drivers/virt/vboxguest/vboxguest.ko.xz", "")
    assert (additions["origin"], additions["restart"], additions["installed"]) == ("mainline", None, None)
    assert not [name for name, *_rest in modinfo if name == "modinfo"]
    left = installed(tmp_path, "kernel/drivers/virt/vboxguest/vboxguest.ko.xz", "7.2.22 r175245\n")
    assert "while the Linux kernel's own vboxguest is installed" in left["restart"]


def test_what_oracles_installer_wrote_down(root):
    put(root, "var/lib/VBoxGuestAdditions/config", "# x\nINSTALL_DIR='/opt/x'\nINSTALL_VER='7.2.22'\nBUILD=''\n")
    assert read(root)["additions"]["oracle"] == "7.2.22"


@pytest.mark.parametrize(
    ("index", "file"),
    [
        ("kernel/vboxsf.ko: kernel/vboxguest.ko\nkernel/vboxguest.ko:\n", "kernel/vboxguest.ko"),
        ("kernel/vboxsf.ko: kernel/vboxguest.ko\n", None),
        ("vboxguest.ko.zst:\n", "vboxguest.ko.zst"),
        ("misc/xvboxguest.ko:\nmisc/vboxguest.ko: a.ko", "misc/vboxguest.ko"),
        ("kernel/vboxguest.ko", "kernel/vboxguest.ko"),
        ("", None),
    ],
)
def test_a_module_in_an_index(index, file):
    assert reading.indexed(index, "vboxguest") == file


def test_the_system(root):
    words = '# c\nID=ubuntu\nID_LIKE="debian other"\nVERSION_ID=\'24.04\'\nBROKEN="x\nodd line\n'
    put(root, "usr/lib/os-release", words)
    put(root, f"lib/modules/{RELEASE}/build/include/x", "")
    put(root, "proc/sys/kernel/osrelease", RELEASE + "\n")
    assert read(root)["system"] == {
        "id": "ubuntu",
        "like": ["debian", "other"],
        "version": "24.04",
        "kernel": RELEASE,
        "headers": True,
    }
    put(root, "etc/os-release", "ID=alpine\n")
    (root / f"lib/modules/{RELEASE}/build/include/x").unlink()
    (root / f"lib/modules/{RELEASE}/build/include").rmdir()
    found = read(root)["system"]
    assert (found["id"], found["like"], found["version"], found["headers"]) == ("alpine", [], None, False)
