# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only real shares and a real driver show: versions, what writable mounts keep, shares that go, lines of fstab."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import collection
import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    effective_options,
    fstab,
    mount_commands,
    wanted_mounts,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Mount
from fleet import Fleet, Play
from labkit import guests, runs
from labkit.cache import Cache
from labkit.waiting import until

assert collection.FINDER, "it makes ansible_collections importable"

pytestmark = pytest.mark.thorough

PLAYBOOK = str(Path(__file__).with_name("additions.yml"))
SHARE = "zeroinstall.virtualbox.share"
PLAN, MOUNTS = "zeroinstall.virtualbox.guest_plan", "zeroinstall.virtualbox.mounts"
STORE = "/var/cache/0install.net/implementations"
SYMLINKS = "VBoxInternal2/SharedFoldersEnableSymlinksCreate"
LIBRARIES = "usr/lib/x86_64-linux-gnu"

# Share to its policy, whether the host lets guests make symbolic links on it, and which kinds of them pass then.
EVERY = ("same folder", "folder below", "up, inside", "up, outside", "absolute")
POLICIES: dict[str, tuple[str | None, bool, tuple[str, ...]]] = {
    "off": (None, False, ()),
    "off-any": ("any", False, ()),
    "default": (None, True, EVERY),
    "forbidden": ("forbidden", True, ()),
    "subtree": ("subtree", True, EVERY[:2]),
    "relative": ("relative", True, EVERY[:4]),
    "any": ("any", True, EVERY),
}
WRITABLE = (*POLICIES, "readonly", "full")
ODD = "q\"u'o\\t,é"
PROVABLE = ("default", "relative", "any")
"""The policies under which a package's links are kept: one points out of its own folder, and stays in the store."""

# The version file of a driver and what VBoxService --version prints in other Guest Additions, and a host for them. The
# driver of the second has no version that can be read, so that the program's word counts.
STAND_INS = [
    {"driver": "4.0.4", "program": "4.0.4r70112", "host": "7.2.22"},
    {"driver": "unknown", "program": "5.0.2_Ubuntur102096", "host": "4.3.40_Debianr110317"},
    {"driver": "unknown", "program": "garbage 5.x", "host": "7.2.22"},
]
REFUSED = [
    ("4.0.4", "oracle", ("Guest Additions 4.0.4:", "breaks symbolic links", "Install Guest Additions")),
    ("5.0.2", "oracle", ("Guest Additions 5.0.2_Ubuntur102096:", "'Protocol error'", "Install Guest Additions")),
    (None, "oracle", ("cannot be told", "VBoxService --version", "install Guest Additions")),
]
TOO_FAR = [
    ["Guest Additions 4.0.4 are a major version behind the host's VirtualBox 7.2.22. "],
    ["Guest Additions 5.0.2_Ubuntur102096 are newer than the host's VirtualBox 4.3.40_Debianr110317. "],
    [],
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A guest that has mounted writable shares with all policies, a read-only one, and one on a disk that is full."""
    with Fleet("real-additions", ("g1",)).running(quiet=True) as made:
        made.lab("stop", "g1")
        for name, (policy, symlinks, _kinds) in POLICIES.items():
            add_share(made, name, policy, symlinks)
        add_share(made, "readonly", None, False, "--readonly")
        made.host("mkdir", "/srv/full", "/srv/gone", "/srv/odd")
        full = ["mount", "-t", "tmpfs", "-o", "size=16k", "full", made.root / "srv/full"]
        subprocess.run(full, check=True)
        add_share(made, "full", "relative", True)
        add_share(made, ODD, None, False, path="/srv/odd")
        made.host("sh", "-c", "cat /dev/zero >/srv/full/filler", check=False)
        made.host("sh", "-c", "cd /srv/odd && touch data program && chmod 664 data && chmod 775 . program")
        made.lab("start", "g1")
        made.guest("g1", f"for n in {' '.join(WRITABLE)}; do mkdir /mnt/$n; mount -t vboxsf $n /mnt/$n || exit; done")
        yield made


def add_share(
    fleet: Fleet, name: str, policy: str | None, symlinks: bool, *options: str, path: str | None = None
) -> None:
    """Share a folder of the host with the guest, which is off."""
    path = path or f"/srv/{name}"
    fleet.host("mkdir", "-p", path)
    fleet.vbox("sharedfolder", "add", "g1", f"--name={name}", f"--hostpath={path}", *options)
    if policy:
        fleet.vbox("sharedfolder", "modify", "g1", f"--name={name}", f"--symlink-policy={policy}")
    if symlinks:
        fleet.vbox("setextradata", "g1", f"{SYMLINKS}/{name}", "1")


# --- versions -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def properties(fleet: Fleet) -> dict[str, str]:
    """What the guest's real VBoxService tells VirtualBox of itself."""

    def value(name: str) -> str:
        return fleet.vbox("guestproperty", "get", "g1", f"/VirtualBox/GuestAdd/{name}").strip()

    assert value("Version") == "No value set!"
    fleet.guest("g1", "VBoxService --only-vminfo </dev/null >/dev/null 2>&1")
    names = ("Version", "VersionExt", "Revision")

    def told() -> list[str]:
        found = [value(name) for name in names]
        return [] if "No value set!" in found else found

    values = until(told, "VBoxService has told its host nothing", pause=0.2)
    return {name: text.removeprefix("Value: ") for name, text in zip(names, values, strict=True)}


@pytest.fixture(scope="module")
def play(fleet: Fleet, properties: dict[str, str]) -> Play:
    """The playbook's run."""
    assert properties
    variables = {
        "host_version": fleet.vbox("--version").strip(),
        "writable_mounts": [f"/mnt/{name}" for name in WRITABLE],
        "stand_ins": STAND_INS,
    }
    done = fleet.play(PLAYBOOK, "-e", json.dumps(variables))
    assert done.status == 0, done.output
    return done


def results(play: Play, task: str) -> list[dict[str, Any]]:
    """The results of the tasks of a name, in the playbook or in a role, in their order."""
    return [
        result
        for each in play.tasks
        if each["task"]["name"].rpartition(" : ")[2] == task
        for result in each["hosts"].values()
    ]


def test_guest_and_host_tell_the_versions_that_virtualbox_tells(
    fleet: Fleet, play: Play, properties: dict[str, str]
) -> None:
    """The kernel's driver and Debian's VBoxService: each has a version of its own."""
    (machine,) = results(play, "Read the host")[0]["machines"]
    told = f"{machine['additions_version']} r{machine['additions_revision']}"
    assert f'GuestAdditionsVersion="{told}"' in fleet.vbox("showvminfo", "g1", "--machinereadable")
    assert machine["additions_version"] == "6.0.0"
    found = results(play, "Read the guest")[0]["guest"]["additions"]
    assert found == results(play, "Check and prove")[0]["additions"]
    assert (found["origin"], found["problem"]) == ("mainline", None)
    assert (found["version"], str(found["revision"])) == (properties["Version"], properties["Revision"])
    assert found["tools"] == found["full"] == f"{properties['VersionExt']}r{properties['Revision']}"
    assert fleet.vbox("--version").strip() == found["full"]


@pytest.mark.parametrize("number", range(len(STAND_INS)), ids=[stand_in["program"] for stand_in in STAND_INS])
def test_other_guest_additions_are_refused_by_the_module_and_by_the_role(play: Play, number: int) -> None:
    """By stand-ins for their driver's version file, VBoxService and VBoxControl."""
    version, origin, words = REFUSED[number]
    checked = results(play, "Check the stand-ins")[number]
    assert (checked["additions"]["version"], checked["additions"]["origin"]) == (version, origin)
    problem, *more = checked["problems"]
    assert all(word in problem for word in words), problem
    assert [text.partition("Install")[0] for text in more] == TOO_FAR[number]
    failed = [result for result in results(play, "Read the guest, and see what it needs") if result.get("failed")]
    assert failed[number]["msg"] == problem
    assert not play.results("g1", MOUNTS)


# --- writable mounts ----------------------------------------------------------------------------------------------


def lost(play: Play, name: str) -> dict[str, str]:
    """What a mount does not keep, with the reason."""
    (checked,) = results(play, "Check and prove")
    return {
        finding["check"]: finding["detail"]
        for finding in checked["proof"]
        if finding["path"] == f"/mnt/{name}" and not finding["kept"]
    }


@pytest.mark.parametrize("name", POLICIES)
def test_only_a_mount_that_keeps_packages_passes_and_no_share_keeps_early_times(play: Play, name: str) -> None:
    found = lost(play, name)
    assert set(found) == {"early_times"} | ({"symlinks"} - {"symlinks" for good in PROVABLE if good == name})
    assert "1970" in found["early_times"]
    told = [text for text in results(play, "Check and prove")[0]["problems"] if text.startswith(f"/mnt/{name}: ")]
    if name in PROVABLE:
        assert told == []
    else:
        assert told == [f"/mnt/{name}: {found['symlinks']}"]
        assert "The host refuses symbolic links" in told[0] and "symlinks: true" in told[0]


def test_what_cannot_be_written_is_told_and_not_tried(play: Play) -> None:
    """On a full disk nothing is written: with this driver that would never end, but by a signal."""
    (checked,) = results(play, "Check and prove")
    for name, why in (("readonly", "Read-only file system"), ("full", "No space left on device")):
        assert f"Nothing can be proved on /mnt/{name}: {why}." in checked["problems"]
        assert not [finding for finding in checked["proof"] if finding["path"] == f"/mnt/{name}"]


def test_a_proof_leaves_nothing_behind(fleet: Fleet, play: Play) -> None:
    assert results(play, "Check and prove")
    found = fleet.host("ls", "-A", *(f"/srv/{name}" for name in WRITABLE)).stdout
    assert sorted(found.split()) == sorted(["filler", *(f"/srv/{name}:" for name in WRITABLE)])


def test_which_links_pass_by_policy(fleet: Fleet) -> None:
    program = (
        "import os, sys\n"
        "for share in sys.argv[1:]:\n"
        "    os.makedirs(f'/mnt/{share}/links/below')\n"
        "    for kind, target in enumerate(('x', 'below/x', '../x', '../../x', '/x')):\n"
        "        try:\n"
        "            os.symlink(target, f'/mnt/{share}/links/{kind}')\n"
        "            same = os.readlink(f'/mnt/{share}/links/{kind}') == target\n"
        "            print(share, kind, 'yes' if same else 'changed')\n"
        "        except OSError as error:\n"
        "            print(share, kind, error.strerror)\n"
    )
    (fleet.work("g1") / "links.py").write_text(program, encoding="utf-8")
    output = fleet.guest("g1", f"/opt/warm/python /mnt/lab/links.py {' '.join(POLICIES)}")[1]
    said = {
        (share, EVERY[int(kind)]): word for share, kind, word in (line.split(" ", 2) for line in output.splitlines())
    }
    assert said == {
        (share, kind): "yes" if kind in kinds else "Operation not permitted"
        for share, (_policy, _symlinks, kinds) in POLICIES.items()
        for kind in EVERY
    }


# --- shares that go while they are mounted ------------------------------------------------------------------------


def test_a_share_that_becomes_read_only_while_mounted_is_dead_until_it_is_mounted_anew(fleet: Fleet) -> None:
    (fleet.root / "srv/gone/file").write_text("there\n", encoding="utf-8")
    fleet.vbox("sharedfolder", "add", "g1", "--name=turns", "--hostpath=/srv/gone", "--transient")
    assert fleet.guest("g1", "mkdir /mnt/turns && mount -t vboxsf turns /mnt/turns && touch /mnt/turns/new")[1] == ""
    fleet.vbox("sharedfolder", "remove", "g1", "--name=turns", "--transient")
    fleet.vbox("sharedfolder", "add", "g1", "--name=turns", "--hostpath=/srv/gone", "--transient", "--readonly")
    line = (
        "LC_ALL=C; export LC_ALL; touch /mnt/turns/x; cat /mnt/turns/file; umount /mnt/turns;"
        " mount -t vboxsf turns /mnt/turns; cat /mnt/turns/file; touch /mnt/turns/x; umount /mnt/turns"
    )
    output = fleet.guest("g1", line)[1]
    assert [text.rpartition(": ")[2] for text in output.splitlines()] == [
        "Protocol error",
        "Protocol error",
        "there",
        "Read-only file system",
    ]
    fleet.vbox("sharedfolder", "remove", "g1", "--name=turns", "--transient")
    (fleet.root / "srv/gone/new").unlink()


def test_a_share_removed_while_mounted_is_told_and_mounted_again_when_it_is_back(fleet: Fleet) -> None:
    options = ("--limit", "g1", "-e", "cache_guest_share=Gone")
    offer = ("sharedfolder", "add", "g1", "--name=Gone", "--hostpath=/srv/gone", "--transient", "--readonly")
    fleet.vbox(*offer)
    first = fleet.play(SHARE, *options)
    assert first.status == 0, first.messages("g1")
    fleet.vbox("sharedfolder", "remove", "g1", "--name=Gone", "--transient")

    failed = fleet.play(SHARE, *options)
    (info,) = failed.results("g1", PLAN)
    (mount,) = (mount for mount in info["guest"]["mounts"] if mount["share"] == "Gone")
    assert (mount["path"], mount["answers"], mount["error"]) == (STORE, False, "Protocol error")
    message = failed.messages("g1")
    assert failed.status != 0
    assert "the host does not offer share Gone" in message and "What did not answer is unmounted" in message, message

    fleet.vbox(*offer)
    back = fleet.play(SHARE, *options)
    assert back.status == 0, back.messages("g1")
    assert back.results("g1", MOUNTS)[0]["mounts"][0]["changes"] == ["mounted"]
    assert fleet.guest("g1", f"cat {STORE}/file; umount {STORE}")[1] == "there\n"


def test_a_mount_goes_on_after_its_machine_was_saved_and_its_host_restarted(fleet: Fleet) -> None:
    """The host's restart is one of all of VirtualBox's processes."""
    fleet.guest("g1", "touch /mnt/default/before")
    fleet.vbox("controlvm", "g1", "savestate")
    machine = runs.Run(Cache(), fleet.name)
    guests.await_state(machine, "g1", ("saved",))
    machine.kill()
    (fleet.root / "srv/default/meanwhile").write_text("by the host\n", encoding="utf-8")
    fleet.lab("start", "g1")
    line = "cd /mnt/default; cat meanwhile; touch after; ls before meanwhile after"
    assert fleet.guest("g1", line)[1].split() == ["by", "the", "host", "after", "before", "meanwhile"]
    fleet.host("sh", "-c", "cd /srv/default; rm before meanwhile after")


# --- lines of fstab -----------------------------------------------------------------------------------------------

# A value for each option that takes one; MODES are those of the files on the host, from which masks take rights away.
VALUES = {"uid": "1000", "gid": "1001", "ttl": "200", "nls": "utf8", "dmask": "022", "fmask": "0022"}
MODES = {"": 0o775, "/data": 0o664, "/program": 0o775}
DRIVERS = ("kernel", "helper")
"""`kernel`: the driver of the Linux kernel alone. `helper`: with mount.vboxsf of Debian's virtualbox-guest-utils."""

ORACLES = {
    "umask": "022",
    "iocharset": "utf8",
    "convertcp": "utf8",
    "dcachettl": "5",
    "inodettl": "5",
    "maxiopages": "8",
    "dirbuf": "4096",
    "cache": "strict",
}
BY_HELPER_ALONE = ("umask", "convertcp")
"""Options of Oracle's driver that its helper turns into something that the kernel's knows."""
FATAL = ("nofail", "noatime", "user", "users", "tag=x")
"""Options that are refused since the helper does not know them."""


def lines() -> tuple[list[Mount], list[Mount]]:
    """Mounts with every option that the module takes: those without systemd's form of a line, and those with it."""
    assert VALUES.keys() == wanted_mounts._BOTH_DRIVERS.keys()
    valued = tuple(f"{name}={value}" for name, value in VALUES.items())
    flags = wanted_mounts._FLAGS
    sets = [(), (), *((option,) for option in (*valued, "ttl=0", *flags))]
    together = [(*valued, "exec", "suid", "relatime"), tuple(flag for flag in flags if flag.startswith("no"))]
    assert set(together[0] + together[1]) == {*valued, *flags}
    late = [Mount(ODD, f"/mnt/lines/late{at}", bool(at % 2), options) for at, options in enumerate(sets + together)]
    late.append(Mount(ODD, "/mnt/lines/ü with #\"space's, \\b"))
    first = [
        Mount(ODD, f"/mnt/lines/first{at}", bool(at % 2), options) for at, options in enumerate([(), (), *together])
    ]
    first.append(Mount(ODD, "/mnt/lines/with space", True))
    box = ("dmask=0077", "fmask=0077", "uid=1000", "gid=1001")
    for mounts, path in ((late, "/mnt/lines/latebox"), (first, "/mnt/lines/firstbox")):
        mounts.append(Mount(ODD, path, True, box, False))
    for mount in late + first:
        wanted_mounts.check([mount], [], mainline=True)
    return late, first


def refused() -> dict[str, str]:
    """Mount point to option, for all that is refused."""
    assert ORACLES.keys() == wanted_mounts._ORACLE_ONLY.keys()
    options = [*(f"{name}={value}" for name, value in ORACLES.items()), *FATAL, "dev", "ttl=-1", "uid=010"]
    return {f"/mnt/lines/refused{number}": option for number, option in enumerate(options)}


@pytest.fixture(scope="module")
def mounted(fleet: Fleet) -> dict[str, Path]:
    """For each driver a folder with what the guest printed while everything was mounted."""
    late, first = lines()
    work = fleet.work("g1") / "lines"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    fstabs = {
        "late": [fstab.render(fstab.entry(mount, systemd=False)) for mount in late],
        "first": [fstab.render(fstab.entry(mount, systemd=True)) for mount in first],
        "refused": [f"{fstab.escape(ODD)} {path} vboxsf ro,{option} 0 0\n" for path, option in refused().items()],
    }
    for name, texts in fstabs.items():
        (work / name).write_text("".join(texts), encoding="utf-8")
    # The helper is that of the host's Debian, newer than the guest's, and brings its C library and loader along.
    for file in ("usr/sbin/mount.vboxsf", f"{LIBRARIES}/libc.so.6", f"{LIBRARIES}/ld-linux-x86-64.so.2"):
        shutil.copy(fleet.root / file, work)
    command = Mount(ODD, "/mnt/lines/by command", False, ("uid=1000",))
    by_command = shlex.join(
        mount_commands.mount_command(command.share, command.path, wanted_mounts.mount_options(command))
    )
    places = [mount.path for mount in (*late, *first, command)]
    script = f"""
        LC_ALL=C.UTF-8; export LC_ALL
        driver=$1
        cd /mnt/lab/lines
        mkdir -p $driver {shlex.join([*places, *refused()])}
        if [ $driver = helper ]; then
            cp mount.vboxsf libc.so.6 ld-linux-x86-64.so.2 /run
            echo '#!/bin/sh' >/sbin/mount.vboxsf
            echo 'exec /run/ld-linux-x86-64.so.2 --library-path /run /run/mount.vboxsf "$@"' >>/sbin/mount.vboxsf
            chmod +x /sbin/mount.vboxsf
        fi
        {{
            mount -a -T late || echo "late: status $?"
            for place in {shlex.join(mount.path for mount in first)}; do
                mount -T first "$place" || echo "$place: status $?"
            done
            {by_command} || echo "by command: status $?"
            cat /proc/self/mountinfo >$driver/mountinfo
            for file in {shlex.join(MODES)}; do
                stat -c '%u %g %a %n' {" ".join(shlex.quote(place) + "$file" for place in places)}
            done >$driver/stat
            umount {shlex.join(places)}
        }} >$driver/said 2>&1
        echo "refused, $driver" >/dev/kmsg
        mount -a -T refused >$driver/refused.said 2>&1
        cat /proc/self/mountinfo >$driver/refused.mountinfo
        dmesg | sed "1,/refused, $driver/d" >$driver/refused.dmesg
        umount -q {shlex.join(refused())}
        rm -f /sbin/mount.vboxsf
        """
    (work / "script").write_text(script, encoding="utf-8")
    for driver in DRIVERS:
        fleet.guest("g1", f"sh /mnt/lab/lines/script {driver}")
    return {driver: work / driver for driver in DRIVERS}


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_line_that_the_module_writes_is_mounted_and_then_counts_as_right(
    mounted: dict[str, Path], driver: str
) -> None:
    late, first = lines()
    read = {name: (mounted[driver] / name).read_text(encoding="utf-8") for name in ("said", "mountinfo", "stat")}
    assert read["said"] == ""
    live = live_mounts.parse_mountinfo(read["mountinfo"])
    files = {}
    for line in read["stat"].splitlines():
        user, group, mode, path = line.split(" ", 3)
        files[path] = int(user), int(group), int(mode, 8)
    for systemd, mounts in ((False, late), (True, first)):
        for mount in mounts:
            entry = fstab.entry(mount, systemd)
            (found,) = live_mounts.stack(live, mount.path)
            assert (found.type, found.source) == ("vboxsf", ODD)
            assert effective_options.effective(found, entry, files[mount.path][:2]) == effective_options.wanted_options(
                mount
            ), entry
            given = dict(option.partition("=")[::2] for option in mount.options)
            owner = int(given.get("uid", "0")), int(given.get("gid", "0"))
            for name, mode in MODES.items():
                mask = int(given.get("fmask" if name else "dmask", "0"), 8)
                assert files[mount.path + name] == (*owner, mode & ~mask), entry
    assert live_mounts.stack(live, "/mnt/lines/by command")


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_becomes_of_options_that_are_refused(mounted: dict[str, Path], driver: str) -> None:
    """The kernel's driver does not know Oracle's options, and Oracle's helper not the usual ones of others."""
    for option in refused().values():
        with pytest.raises(Failure, match="is refused"):
            wanted_mounts.check_options(Mount("store", "/mnt", options=(option,)), mainline=True)
    read = {
        name: (mounted[driver] / f"refused.{name}").read_text(encoding="utf-8")
        for name in ("said", "mountinfo", "dmesg")
    }
    live = live_mounts.parse_mountinfo(read["mountinfo"])
    there = {option for path, option in refused().items() if live_mounts.stack(live, path)}
    unknown = re.findall(r"vboxsf: Unknown parameter '(\w+)'", read["dmesg"])
    assert "vboxsf: Bad value for 'ttl'" in read["dmesg"]
    owner = {option: flags for path, option in refused().items() for flags in [live_mounts.stack(live, path)] if flags}
    if driver == "kernel":
        assert there == {"nofail", "noatime", "user", "users", "dev", "uid=010"}
        assert unknown == [*ORACLES, "tag"]
        assert "nodev" not in owner["dev"][0].flags
    else:
        assert there == {*(f"{name}={ORACLES[name]}" for name in BY_HELPER_ALONE), "dev", "uid=010"}
        assert unknown == [name for name in ORACLES if name not in BY_HELPER_ALONE]
        assert re.findall(r"unknown mount option `([\w=]+)'", read["said"]) == list(FATAL)
        assert "nodev" in owner["dev"][0].flags
