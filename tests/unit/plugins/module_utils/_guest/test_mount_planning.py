# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making mounts, with the real kernel, mount(8) and umount(8), in a mount namespace of the test's own.

Stand-ins: tmpfs takes the place of vboxsf (its source is kept and shown like a share's name), and modprobe is not run
but answered. So is systemctl: `Systemd` does what systemd was seen to do (tests/qemu has the real one).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import os
import stat
import subprocess
import traceback
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts, replacing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    boot_modules,
    effective_options,
    fstab,
    mount_planning,
    mount_records,
    mount_running,
    systemd_units,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.mount_planning import Request
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount

FIXTURES = Path(__file__).parents[1] / "fixtures"
OTHER_LINES = "# first\nproc /proc proc defaults 0 0\r\nbroken\nlast /last ext4 ro 0 0"
NEW_NAMESPACES = 0x00020000  # CLONE_NEWNS
NEW_USER = 0x10000000  # CLONE_NEWUSER


def _enter_namespace():
    user, group, root = os.geteuid(), os.getegid(), os.geteuid() == 0
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NAMESPACES | (0 if root else NEW_USER)):
        raise PermissionError(ctypes.get_errno(), "this machine allows no namespaces")
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def in_namespace(test):
    """Run a test in a child process with mounts of its own; what it raises there, it raises here."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            text = ""
            try:
                _enter_namespace()
                test(*args, **kwargs)
            except BaseException:
                text = traceback.format_exc()
            os.write(writer, text.encode("utf-8", "replace")[-60000:])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        if "this machine allows no namespaces" in text:
            pytest.skip("this machine allows no namespaces")
        assert not text, text

    return run


class StandIn(Guest):
    """The machine that the test runs on, looking like a VirtualBox guest whose driver is loaded."""

    def __init__(self, init="openrc", loaded=True, file="kernel/fs/vboxsf/vboxsf.ko", is_guest=True):
        super().__init__()
        self._init, self.loaded, self._file, self._is_guest = init, loaded, file, is_guest
        self.autofs = True

    def virtualbox(self):
        return {"guest": self._is_guest, "product": "stand-in"}

    def origin(self):
        return "mainline"

    def init(self):
        return self._init

    def driver_loaded(self):
        return self.loaded

    def module_file(self, module):
        return self._file

    def is_there(self, path):
        if path == "/dev/autofs":
            return self.autofs
        return path == "/sys/module/vboxsf" or super().is_there(path)

    def waits(self, path):
        return any(map(effective_options.automounted, live_mounts.stack(self.mounts(), path)))


class Systemd:
    """systemctl, as far as it is used here: a ramfs with the name of systemd's automounts lies under the mounts."""

    def __init__(self, place):
        self.place = place
        self.loaded = {}
        self.failed = set()

    def __call__(self, command):
        return getattr(self, command[1].replace("-", "_"))(*command[3:])

    def daemon_reload(self):
        lines = fstab.parse_fstab(self.place.fstab.read_text(encoding="utf-8", errors="surrogateescape"))
        self.loaded = {}
        for entry in (line.entry for line in lines if line.entry and line.entry.type == "tmpfs"):
            automount = replacing.content(systemd_units.automount_file(entry.path))
            wanted = replacing.content(systemd_units.wanted_by(entry.path, "automount"))
            if automount and wanted and not any(map(os.path.lexists, systemd_units.mount_files(entry.path))):
                assert f"Where={entry.path}\n" in automount
                self.loaded[systemd_units.unit(entry.path, "automount")] = entry
        return 0, ""

    def start(self, automount, mount=None):
        if automount not in self.loaded:
            return 5, f"Failed to start {automount}: Unit {automount} not found."
        entry = self.loaded[automount]
        if not self.place.guest.waits(entry.path):
            os.makedirs(entry.path, exist_ok=True)
            self.place.by_hand("mount", "-t", "ramfs", "systemd-1", entry.path)
        if mount and not self.place.live(entry.path)[1:]:
            options = ",".join(option for option in entry.options if not option.startswith(("noauto", "comment=")))
            line = ["mount", "-t", entry.type, "-o", options, entry.source, entry.path]
            if subprocess.run(line, stderr=subprocess.DEVNULL, check=False).returncode:
                self.failed.add(mount)
                return 1, f"Job for {mount} failed."
        return 0, ""

    def stop(self, automount):
        (path,) = {
            live.path for live in self.place.guest.mounts() if systemd_units.unit(live.path, "automount") == automount
        }
        self.place.by_hand("umount", path)
        return 0, ""

    def reset_failed(self, mount):
        self.failed.discard(mount)
        return 1, "Unit is not loaded."


class Place:
    """A folder for a guest's files, and what a run does to it."""

    def __init__(self, root):
        self.root = root
        self.fstab = root / "fstab"
        self.path = str(root / "var/store")
        self.guest = StandIn()
        self.answers = {}
        self.systemd = Systemd(self)

    def mount(self, share="cache", path=None, writable=False, options=(), store=False):
        return Mount(share, path or self.path, writable, options, store)

    def survey(self, *wanted, gone=(), exclusive=False, driver=True):
        return mount_planning.survey(self.guest, Request(list(wanted), list(gone), exclusive, driver, str(self.fstab)))

    def run(self, *wanted, **kwargs):
        """Carry a request out; the plan. The prediction has to be what is run, and a second run has nothing to do."""
        plan = self.survey(*wanted, **kwargs)
        commands = []
        if plan.changed:
            mount_running.Run(self.guest, plan, commands).carry_out()
        assert commands == plan.commands
        again = self.survey(*wanted, **kwargs)
        assert not again.changed, again
        return plan

    def fail(self, *wanted, match="", changes_nothing=True, **kwargs):
        """A request that fails, and leaves everything as it was."""
        before = self.state()
        commands = []
        with pytest.raises(Failure, match=match) as raised:
            mount_running.Run(self.guest, self.survey(*wanted, **kwargs), commands).carry_out()
        if changes_nothing:
            assert self.state() == before
        return str(raised.value), commands

    def live(self, path=None):
        """Source and main options of the mounts at a path, the visible one last."""
        layers = live_mounts.stack(self.guest.mounts(), path or self.path)
        return [(layer.source, ",".join(effective_options.effective(layer))) for layer in layers]

    def state(self):
        """Everything that a run may change: files with text and mode, folders, and mounts without their numbers.

        Only below the test's own folder: when a folder is removed in one namespace, the kernel takes what is mounted
        on it out of all.
        """
        files = {}
        for folder, folders, names in os.walk(str(self.root)):
            for name in folders + names:
                path = os.path.join(folder, name)
                text = None if os.path.isdir(path) else replacing.content(path)
                files[path] = (oct(os.lstat(path).st_mode), text)
        mounts = [
            (live.path, live.type, live.source, live.flags, live.details)
            for live in self.guest.mounts()
            if live.path.startswith(str(self.root))
        ]
        return files, sorted(mounts)

    def by_hand(self, *command):
        subprocess.run(list(command), check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    there = Place(tmp_path)
    monkeypatch.setattr(fstab, "TYPE", "tmpfs")
    monkeypatch.setattr(boot_modules, "MODULES_LOAD", str(tmp_path / "etc/modules-load.d/zeroinstall.virtualbox.conf"))
    monkeypatch.setattr(_names, "STORE_LIST", str(tmp_path / "etc/implementation-dirs"))
    monkeypatch.setattr(systemd_units, "UNITS", str(tmp_path / "etc/systemd/system"))
    monkeypatch.setattr(systemd_units, "RUNTIME_UNITS", str(tmp_path / "run/systemd/system"))
    monkeypatch.setattr(mount_records, "RECORD", str(tmp_path / "lib/mounts.json"))
    real = mount_running.Run._program

    def program(run, command):
        if command[0] not in ("systemctl", "modprobe"):
            return real(run, command)
        run.commands.append(list(command))
        if command[0] == "modprobe" and command[-1] not in there.answers:
            there.guest.loaded = True
        if command[0] == "systemctl" and command[-1] not in there.answers:
            return there.systemd(command)
        return there.answers.get(command[-1], (0, ""))

    monkeypatch.setattr(mount_running.Run, "_program", program)
    there.fstab.write_bytes(OTHER_LINES.encode())
    return there


@contextlib.contextmanager
def held_open(path):
    """Keep a folder open, so that it is busy."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield
    finally:
        os.close(descriptor)


def line(share, path, access="ro"):
    return f"{share} {path} tmpfs {access},nodev,nosuid,comment=zeroinstall.virtualbox 0 0\n"


# --- mounting


@in_namespace
def test_the_first_run_and_its_undoing(place):
    before = place.state()
    plan = place.run(place.mount(), exclusive=True)
    assert place.live() == [("cache", "ro,nodev,nosuid")]
    assert place.fstab.read_bytes().decode() == OTHER_LINES + "\n" + line("cache", place.path)
    assert "vboxsf" in Path(boot_modules.MODULES_LOAD).read_text()
    assert plan.reports[place.path]["changes"] == ["fstab line added", "folder created", "mounted"]
    assert plan.warnings == [f"{place.fstab} has malformed lines, which stay as they are: 3."]
    place.run(exclusive=True)
    after = place.state()
    assert after[1] == before[1]
    assert after[0].pop(str(place.fstab))[1] == OTHER_LINES + "\n"
    before[0].pop(str(place.fstab))
    assert after[0] == before[0]


@in_namespace
def test_a_mount_beside_the_record_can_be_entered_and_leaves_nothing(place):
    folder = os.path.dirname(mount_records.RECORD)
    box = Mount("box", folder + "/box", True)
    mask = os.umask(0o077)
    try:
        place.run(place.mount(), exclusive=True)
        before = place.state()
        place.run(place.mount(), box, exclusive=True)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o755
    place.run(place.mount(), exclusive=True)
    assert place.state() == before
    for wanted in ((), (box,), ()):
        place.run(*wanted, exclusive=True)
        assert os.path.exists(folder) == bool(wanted)


@in_namespace
def test_looking_changes_nothing(place):
    before = place.state()
    plan = place.survey(place.mount(store=True), exclusive=True)
    assert plan.changed
    assert place.state() == before


@in_namespace
def test_the_diff_says_what_changes(place):
    place.run(place.mount("old"))
    plan = place.survey(place.mount("new", writable=True, store=True), gone=[Gone("/none")])
    diffs = {diff["before_header"]: (diff["before"], diff["after"]) for diff in plan.diff}
    assert diffs == {
        f"{place.fstab} (lines of type tmpfs)": (line("old", place.path), line("new", place.path, "rw")),
        _names.STORE_LIST: ("", place.path + "\n"),
        "live mounts": (f"old {place.path} tmpfs ro,nodev,nosuid\n", f"new {place.path} tmpfs rw,nodev,nosuid\n"),
    }


@in_namespace
@pytest.mark.parametrize(
    ("drift", "reason"),
    [
        (["umount", "{0}"], "it is not mounted"),
        (["sh", "-c", "umount {0} && mount -t tmpfs -o ro,nodev,nosuid other {0}"], "share other is mounted"),
        (["mount", "-o", "remount,rw", "{0}"], "its options are rw,nodev,nosuid"),
        (["mount", "-o", "remount,bind,ro,dev,nosuid", "{0}"], "its options are ro,nosuid"),
        (["mount", "-t", "tmpfs", "-o", "ro,nodev,nosuid", "cache", "{0}"], "2 shares are mounted over one another"),
    ],
    ids=["unmounted", "other share", "writable", "devices", "twice"],
)
def test_drift_of_the_live_mount_is_put_right(place, drift, reason):
    place.run(place.mount())
    before = place.state()
    place.by_hand(*(word.format(place.path) for word in drift))
    plan = place.run(place.mount())
    assert plan.reports[place.path]["reasons"] == [reason]
    assert [diff["before_header"] for diff in plan.diff] == ["live mounts"]
    assert place.state() == before


@in_namespace
def test_an_edited_fstab_line_is_put_right_without_a_new_mount(place):
    place.run(place.mount())
    text = place.fstab.read_text()
    place.fstab.write_text(text.replace("ro,", "rw,").replace(",comment=zeroinstall.virtualbox", ""))
    plan = place.run(place.mount())
    assert plan.commands == []
    assert place.fstab.read_text() == text


@in_namespace
def test_a_share_that_no_longer_answers_is_mounted_anew(place, monkeypatch):
    place.run(place.mount())
    number = live_mounts.stack(place.guest.mounts(), place.path)[0].id
    real = mount_planning.silence

    def silence(path):
        dead = live_mounts.stack(place.guest.mounts(), path)[0].id == number
        return "Protocol error" if dead else real(path)

    monkeypatch.setattr(mount_planning, "silence", silence)
    with held_open(place.path):
        plan = place.survey(place.mount())
        assert plan.reports[place.path]["reasons"] == ["it does not answer: Protocol error"]
        assert plan.diff[0]["before"].startswith("# does not answer: cache")
        commands = []
        mount_running.Run(place.guest, plan, commands).carry_out()
    assert [command[:2] for command in commands] == [["umount", "--"], ["umount", "-l"], ["mount", "-t"]]
    assert place.live() == [("cache", "ro,nodev,nosuid")]


def die(monkeypatch, place, path):
    """Let what is mounted at a path now answer nothing any more, as a share that its host changed."""
    one = live_mounts.stack(place.guest.mounts(), path)[-1]
    real_lstat, real_silence = os.lstat, mount_planning.silence

    def dead(where):
        top = live_mounts.above(place.guest.mounts(), os.path.abspath(where))
        return top is not None and (top.id, top.source) == (one.id, one.source)

    def lstat(where, **options):
        if not options and dead(where):
            raise OSError(errno.EPROTO, "Protocol error", where)
        return real_lstat(where, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(
        mount_planning, "silence", lambda where: "Protocol error" if dead(where) else real_silence(where)
    )


@in_namespace
@pytest.mark.parametrize("listed", [False, True])
def test_a_dead_mount_above_is_named_with_the_way_out(place, monkeypatch, listed):
    """One that somebody else made; nothing is changed."""
    outer = os.path.dirname(place.path)
    os.makedirs(outer)
    place.by_hand("mount", "-t", "tmpfs", "Packages", outer)
    if listed:
        place.fstab.write_text(f"# first\nPackages {outer} tmpfs rw 0 0\n")
    die(monkeypatch, place, outer)
    with pytest.raises(Failure) as raised:
        place.survey(place.mount(), exclusive=True)
    line = ", and take line 2 out of fstab, which mounts it at the next boot" if listed else ""
    assert str(raised.value) == (
        f"path {place.path}: share Packages is mounted at {outer} and does not answer: Protocol error. The host took "
        f"the share away or changed it. Unmount it with 'umount {outer}', or 'umount -l {outer}' if it is busy{line}. "
        "Then run again."
    )


@in_namespace
@pytest.mark.parametrize("alive", [True, False])
def test_a_mount_of_ours_above_that_is_not_wanted_any_more_is_put_right(place, monkeypatch, alive):
    outer = os.path.dirname(place.path)
    place.run(place.mount("old", outer), exclusive=True)
    if not alive:
        die(monkeypatch, place, outer)
        words = f"share old is mounted at {outer} .* 'exclusive: true', as the role cache_guest does"
        with pytest.raises(Failure, match=words):
            place.survey(place.mount())
    plan = place.run(place.mount(), exclusive=True)
    assert [source for source, _options in place.live()][-1] == "cache"
    assert place.live(outer) == []
    assert plan.reports[outer]["changes"][-1] == "unmounted"
    place.run(exclusive=True)
    assert not os.path.exists(outer)


@in_namespace
def test_a_dead_mount_of_somebody_else_is_not_ours_by_its_place(place, monkeypatch):
    outer = os.path.dirname(place.path)
    place.run(place.mount("old", outer), exclusive=True)
    place.by_hand("umount", outer)
    place.fstab.write_text("")
    place.by_hand("mount", "-t", "tmpfs", "Packages", outer)
    die(monkeypatch, place, outer)
    with pytest.raises(Failure, match=f"share Packages is mounted at {outer} .* Unmount it with 'umount {outer}'"):
        place.survey(place.mount(), exclusive=True)


@in_namespace
def test_a_mount_in_one_of_ours_that_leaves_is_mounted_anew(place):
    outer = os.path.dirname(place.path)
    place.run(place.mount("old", outer, writable=True), exclusive=True)
    place.by_hand("mkdir", place.path)
    place.by_hand("mount", "-t", "tmpfs", "-o", "ro,nodev,nosuid", "cache", place.path)
    plan = place.run(place.mount(), exclusive=True)
    assert plan.reports[place.path]["reasons"] == ["the share that it is mounted in is unmounted"]
    assert place.live() == [("cache", "ro,nodev,nosuid")]
    assert place.live(outer) == []


@in_namespace
def test_a_failure_after_a_dead_mount_is_gone_says_so(place, monkeypatch):
    place.run(place.mount())
    monkeypatch.setattr(mount_planning, "silence", lambda _: "Protocol error")
    text = place.fstab.read_text()
    wrong = place.mount(options=("ttl=5",))  # tmpfs knows no ttl
    message, _commands = place.fail(wrong, changes_nothing=False)
    assert message.endswith(
        f"What did not answer is unmounted: share cache at {place.path}. Everything else is as before."
    )
    assert place.live() == []
    assert place.fstab.read_text() == text


@in_namespace
def test_two_runs_side_by_side_lose_nothing(place):
    lock = str(place.root / "lock")
    paths = [str(place.root / name) for name in "abcd"]
    children = []
    for path in paths:
        child = os.fork()
        if child == 0:
            with replacing.locked(lock):
                plan = place.survey(place.mount(path=path))
                mount_running.Run(place.guest, plan, []).carry_out()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    assert not place.survey(*(place.mount(path=path) for path in paths), exclusive=True).changed


# --- failing


@in_namespace
def test_a_mount_that_fails_undoes_the_whole_run(place):
    place.run(place.mount("old", options=("suid",)))
    wrong = place.mount("b", str(place.root / "x/y"), options=("ttl=5",))  # tmpfs knows no ttl
    message, commands = place.fail(place.mount("new"), wrong, match="share b cannot be mounted")
    assert message.endswith("What this run had done before was undone.")
    assert ["mount", "-t", "tmpfs", "-o", "ro,nodev", "--", "old", place.path] == commands[-1]


@in_namespace
def test_files_under_a_wrong_mount_are_found_and_all_is_undone(place):
    os.makedirs(place.path)
    (Path(place.path) / "mine").write_text("")
    place.by_hand("mount", "-t", "tmpfs", "other", place.path)
    place.fail(place.mount(), match="not empty.*'mine'")


@in_namespace
def test_a_busy_mount_names_who_uses_it(place):
    place.run(place.mount("old"))
    with held_open(place.path):
        message, _commands = place.fail(place.mount("new"), match="cannot be unmounted")
    assert f"({os.getpid()})" in message
    os.mkdir(place.path + "2")
    place.by_hand("mount", "-o", "remount,rw", place.path)
    os.mkdir(place.path + "/in")
    place.by_hand("mount", "-t", "ramfs", "x", place.path + "/in")
    message, _commands = place.fail(place.mount("new"), match="cannot be unmounted")
    assert f"the mount {place.path}/in" in message


@in_namespace
def test_a_folder_with_something_in_it_is_refused(place):
    os.makedirs(place.path)
    for name in "abcd":
        (Path(place.path) / name).write_text("")
    message, commands = place.fail(place.mount(), match=r"its 4 entries \('a', 'b', 'c', …\)")
    assert "cache_guest_sharing: true" in message
    assert commands == []


@in_namespace
def test_another_file_system_is_refused(place):
    os.makedirs(place.path)
    place.by_hand("mount", "-t", "ramfs", "thing", place.path)
    place.fail(place.mount(), match=r"thing \(ramfs\) is mounted there")
    place.by_hand("mount", "-t", "tmpfs", "other", place.path)
    place.fail(place.mount(), match=r"under the share there, thing \(ramfs\)")


@in_namespace
def test_the_way_to_a_mount_point_has_no_links_and_no_files(place):
    (place.root / "real").mkdir()
    (place.root / "link").symlink_to("real")
    (place.root / "file").write_text("")
    message, _commands = place.fail(place.mount(path=str(place.root / "link/a")), match="link is a symbolic link")
    assert str(place.root / "real/a") in message
    place.fail(place.mount(path=str(place.root / "link")), match="link is a symbolic link")
    place.fail(place.mount(path=str(place.root / "file/a")), match="file is no folder")
    place.fail(place.mount(path=str(place.root / "file")), match="file is no folder")


@in_namespace
def test_an_fstab_on_a_read_only_file_system_is_found_by_looking(place):
    place.by_hand("mount", "--bind", str(place.fstab), str(place.fstab))
    place.by_hand("mount", "-o", "remount,bind,ro", str(place.fstab))
    with pytest.raises(Failure, match=r"cannot be written.*read-only"):
        place.survey(place.mount())


@in_namespace
def test_an_fstab_that_cannot_be_replaced_undoes_what_was_done(place):
    place.by_hand("mount", "--bind", str(place.fstab), str(place.fstab))
    place.fail(place.mount(), match="cannot be replaced: Device or resource busy")


@in_namespace
def test_an_unreadable_fstab_is_named(place):
    place.fstab.unlink()
    place.fstab.mkdir()
    place.fail(place.mount(), match="fstab is no regular file")


@in_namespace
def test_another_file_systems_line_is_refused_before_anything_is_done(place):
    place.fstab.write_text(f"/dev/sdb1 {place.path} ext4 ro 0 0\n")
    assert place.fail(place.mount(), match="line 1 mounts /dev/sdb1")[1] == []


# --- the driver


@in_namespace
def test_the_driver_is_loaded_if_it_is_not(place):
    place.guest = StandIn(loaded=False)
    assert place.survey(place.mount()).diff[2]["after"] == "loaded\n"
    plan = place.survey(place.mount())
    commands = []
    mount_running.Run(place.guest, plan, commands).carry_out()
    assert commands == plan.commands
    assert commands[0] == ["modprobe", "tmpfs"]


@in_namespace
def test_a_driver_that_does_not_load_undoes_what_was_done(place):
    place.guest = StandIn(loaded=False)
    place.answers["tmpfs"] = (1, "modprobe: FATAL: no")
    place.fail(place.mount(), match="cannot be loaded.*modprobe: FATAL: no")


@in_namespace
@pytest.mark.parametrize(
    ("guest", "reason"),
    [
        (StandIn(loaded=False, file=None), "not available for the running kernel"),
        (StandIn(loaded=False, is_guest=False), "this is no VirtualBox guest"),
    ],
)
def test_no_driver_is_said_before_anything_is_done(place, guest, reason):
    place.guest = guest
    assert place.fail(place.mount(), match=reason)[1] == []
    assert not place.survey(exclusive=True).changed


@in_namespace
def test_a_real_driver_outside_virtualbox_is_said_before_anything_is_done(place, monkeypatch):
    monkeypatch.setattr(fstab, "TYPE", "vboxsf")
    place.guest = StandIn(is_guest=False)
    assert place.fail(place.mount(), match="this is no VirtualBox guest")[1] == []


@in_namespace
def test_without_the_driver_option_nothing_is_loaded_at_boot(place):
    place.run(place.mount(), driver=False)
    assert not os.path.exists(boot_modules.MODULES_LOAD)
    place.run(place.mount())
    place.run(exclusive=True, driver=False)
    assert os.path.exists(boot_modules.MODULES_LOAD)
    place.run(exclusive=True)
    assert not os.path.exists(boot_modules.MODULES_LOAD)


# --- systemd


@pytest.fixture
def with_systemd(place, monkeypatch):
    place.guest = StandIn("systemd")
    monkeypatch.setattr(effective_options, "automounted", lambda live: live.source == "systemd-1")
    return place


def units(path):
    return systemd_units.unit(path, "automount"), systemd_units.unit(path, "mount")


@in_namespace
def test_systemd_waits_for_accesses_and_the_undoing_leaves_nothing(with_systemd):
    place = with_systemd
    before = place.state()
    automount, mount = units(place.path)
    plan = place.run(place.mount())
    assert plan.commands == [["systemctl", "daemon-reload"], ["systemctl", "start", "--", automount, mount]]
    assert plan.reports[place.path]["changes"] == [
        "fstab line added",
        "automount unit added",
        "link that enables it added",
        "drop-in of the mount unit added",
        "folder created",
        "mounted",
    ]
    assert place.live() == [("systemd-1", "rw"), ("cache", "ro,nodev,nosuid")]
    assert "\nStartLimitIntervalSec=0\n" in replacing.read(systemd_units.mount_drop_in(place.path))
    plan = place.run(exclusive=True)
    assert plan.commands == [
        ["umount", "--", place.path],
        ["systemctl", "stop", "--", automount],
        ["systemctl", "reset-failed", "--", mount],
        ["systemctl", "daemon-reload"],
    ]
    after = place.state()
    assert after[1] == before[1]
    before[0][str(place.fstab)] = after[0][str(place.fstab)]  # its last line has a newline now
    assert after[0] == before[0]


@in_namespace
@pytest.mark.parametrize(
    ("harm", "shown"),
    [
        (lambda path: os.unlink(systemd_units.mount_drop_in(path)), "StartLimitIntervalSec=0"),
        (lambda path: os.unlink(systemd_units.automount_file(path)), "[Automount]"),
        (lambda path: os.unlink(systemd_units.wanted_by(path, "automount")), "link to "),
        (
            lambda path: replacing.replace(systemd_units.automount_file(path), replacing.Link("/dev/null")),
            "link to /dev/null",
        ),
        (lambda path: os.symlink("/dev/null", systemd_units.mount_files(path)[0]), "link to /dev/null"),
        (
            lambda path: replacing.replace(systemd_units.automount_file(path), systemd_units.automount_text("/other")),
            "Where=/other",
        ),
    ],
    ids=["drop-in", "automount", "not enabled", "automount masked", "mount masked", "edited"],
)
def test_drift_of_systemds_files_is_shown_and_put_right(with_systemd, harm, shown):
    place = with_systemd
    place.run(place.mount())
    before = place.state()
    harm(place.path)
    plan = place.run(place.mount())
    (diff,) = plan.diff
    assert shown in diff["before"] + diff["after"]
    assert plan.commands == [["systemctl", "daemon-reload"]]
    assert place.state() == before


@in_namespace
def test_a_share_that_systemd_does_not_wait_for_is_mounted_anew(with_systemd):
    place = with_systemd
    place.run(place.mount())
    for _layer in "12":
        place.by_hand("umount", place.path)
    place.by_hand("mount", "-t", "tmpfs", "-o", "ro,nodev,nosuid", "cache", place.path)
    plan = place.run(place.mount())
    assert plan.reports[place.path]["reasons"] == ["systemd does not wait for its first access"]
    assert ("systemd waits for accesses", "", units(place.path)[0] + "\n") in [
        (diff["before_header"], diff["before"], diff["after"]) for diff in plan.diff
    ]
    assert [source for source, _options in place.live()] == ["systemd-1", "cache"]


@in_namespace
def test_a_link_that_systemctl_made_enables_as_well(with_systemd):
    place = with_systemd
    place.run(place.mount())
    link = Path(systemd_units.wanted_by(place.path, "automount"))
    link.unlink()
    link.symlink_to("../" + link.name)
    assert not place.survey(place.mount()).changed


@in_namespace
def test_a_link_to_a_unit_that_is_gone_is_removed(with_systemd):
    place = with_systemd
    place.run(place.mount())
    os.unlink(systemd_units.automount_file(place.path))
    place.run(exclusive=True)
    assert not os.path.lexists(systemd_units.UNITS)


@in_namespace
def test_a_unit_of_somebody_elses_is_refused_and_stays(with_systemd):
    place = with_systemd
    for file in (systemd_units.automount_file(place.path), *systemd_units.mount_files(place.path)):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        for theirs in ("[Unit]\n", replacing.Link("/srv/unit")):
            replacing.replace(file, theirs)
            message, commands = place.fail(place.mount(), match="somebody else's unit for the mount point")
            assert message.startswith(file) and commands == []
            assert not place.survey(gone=[Gone(place.path)]).changed
        os.unlink(file)


@in_namespace
def test_under_systemd_too_a_mount_of_ours_above_is_put_right(with_systemd):
    place = with_systemd
    outer = os.path.dirname(place.path)
    place.run(place.mount("old", outer, writable=True), exclusive=True)
    place.run(place.mount(), exclusive=True)
    assert [source for source, _options in place.live()] == ["systemd-1", "cache"]
    assert place.live(outer) == []
    place.run(exclusive=True)
    assert not os.path.exists(outer)


@in_namespace
def test_a_mount_that_fails_under_systemd_says_what_mount_says_and_undoes_all(with_systemd):
    place = with_systemd
    wrong = place.mount(options=("ttl=5",))  # tmpfs knows no ttl
    automount = units(place.path)[0]
    # As util-linux says it up to 2.38, and from 2.39 on, by the kernel's newer calls.
    said = "mount said: mount: .*(wrong fs type, bad option|Unknown parameter 'ttl')"
    message, commands = place.fail(wrong, match=said)
    assert message.endswith("What this run had done before was undone.")
    assert ["systemctl", "stop", "--", automount] in commands
    assert place.systemd.failed == set()
    place.run(place.mount("old"))
    place.fail(wrong, match="mount said")
    assert [source for source, _options in place.live()] == ["systemd-1", "old"]


@in_namespace
def test_a_removal_that_fails_under_systemd_mounts_again(with_systemd, monkeypatch):
    place = with_systemd
    place.run(place.mount())

    def full(_record):
        raise OSError(28, "No space left")

    monkeypatch.setattr(mount_records, "write_record", full)
    place.fail(exclusive=True, match="No space left")


@in_namespace
def test_an_automount_that_systemd_cannot_start_is_said(with_systemd):
    place = with_systemd
    place.answers[units(place.path)[1]] = (1, "Unit type automount is not supported.")
    place.fail(place.mount(), match="systemd does not wait for .* says: Unit type automount")


@in_namespace
def test_without_systemd_its_files_go(with_systemd):
    place = with_systemd
    place.run(place.mount())
    place.by_hand("umount", place.path)
    place.by_hand("umount", place.path)
    place.guest = StandIn("sysvinit")
    place.run(place.mount())
    assert not os.path.exists(systemd_units.UNITS)
    assert place.live() == [("cache", "ro,nodev,nosuid")]


@in_namespace
def test_without_autofs_a_boot_mounts_and_does_not_fail_by_it(with_systemd):
    place = with_systemd
    place.guest.autofs = False
    before = place.state()
    plan = place.run(place.mount())
    options = "ro,nodev,nosuid"
    assert plan.commands == [
        ["systemctl", "daemon-reload"],
        ["mount", "-t", "tmpfs", "-o", options, "--", "cache", place.path],
    ]
    assert plan.reports[place.path]["changes"] == [
        *("fstab line added", "link that enables it added", "drop-in of the mount unit added"),
        *("folder created", "mounted"),
    ]
    assert place.live() == [("cache", options)]
    assert f"cache {place.path} tmpfs {options},noauto,comment=" in place.fstab.read_text()
    link = systemd_units.wanted_by(place.path, "mount")
    assert replacing.content(link) == replacing.Link(f"/run/systemd/generator/{units(place.path)[1]}")
    assert "\nAfter=systemd-modules-load.service\n" in replacing.read(systemd_units.mount_drop_in(place.path))
    right = place.state()
    for harm in (link, systemd_units.mount_drop_in(place.path)):
        os.unlink(harm)
        assert place.run(place.mount()).commands == [["systemctl", "daemon-reload"]]
        assert place.state() == right
    place.run(exclusive=True)
    after = place.state()
    before[0][str(place.fstab)] = after[0][str(place.fstab)]  # its last line has a newline now
    assert after == before


@in_namespace
def test_a_kernel_that_has_autofs_or_has_it_no_more_is_followed(with_systemd):
    place = with_systemd
    place.guest.autofs = False
    place.run(place.mount())
    place.guest.autofs = True
    plan = place.run(place.mount())
    assert plan.reports[place.path]["reasons"] == ["systemd does not wait for its first access"]
    assert [source for source, _options in place.live()] == ["systemd-1", "cache"]
    assert not os.path.lexists(systemd_units.wanted_by(place.path, "mount"))
    for _layer in "12":
        place.by_hand("umount", place.path)
    place.guest.autofs = False
    place.run(place.mount())
    assert [source for source, _options in place.live()] == ["cache"]
    assert not os.path.lexists(systemd_units.automount_file(place.path))
    assert not os.path.lexists(systemd_units.wanted_by(place.path, "automount"))


@in_namespace
def test_a_link_of_somebody_elses_stays(with_systemd):
    place = with_systemd
    link = systemd_units.wanted_by(place.path, "mount")
    os.makedirs(os.path.dirname(link))
    os.symlink("/etc/theirs.mount", link)
    assert not place.survey(gone=[Gone(place.path)]).changed


@pytest.fixture
def booted(place):
    """A guest whose store systemd mounted at its first access, as it printed it."""
    path = "/var/cache/zi/implementations"
    place.guest = StandIn("systemd")
    place.guest.mounts = lambda: live_mounts.parse_mountinfo(
        (FIXTURES / "guest_systemd_mountinfo.txt").read_text(encoding="utf-8")
    )
    place.fstab.write_text(fstab.render(fstab.entry(place.mount(path=path), True)))
    for file, text in (
        (systemd_units.automount_file(path), systemd_units.automount_text(path)),
        (systemd_units.wanted_by(path, "automount"), replacing.Link(systemd_units.automount_file(path))),
        (systemd_units.mount_drop_in(path), systemd_units.MOUNT_DROP_IN_TEXT),
    ):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        replacing.replace(file, text)
    return place, path


def test_what_systemd_mounted_is_right(booted, monkeypatch):
    place, path = booted
    monkeypatch.setattr(mount_planning, "silence", lambda _: None)
    plan = place.survey(place.mount(path=path), driver=False)
    assert not plan.changed


def test_another_share_is_mounted_where_systemd_waits(booted, monkeypatch):
    place, path = booted
    monkeypatch.setattr(mount_planning, "silence", lambda _: None)
    automount, mount = units(path)
    assert place.survey(place.mount("other", path), driver=False).commands == [
        ["systemctl", "daemon-reload"],
        ["umount", "--", path],
        ["systemctl", "start", "--", automount, mount],
    ]


# --- removing


@in_namespace
def test_folders_that_were_there_before_stay(place):
    os.makedirs(place.path)
    place.run(place.mount())
    plan = place.run(gone=[Gone(place.path)])
    assert plan.reports[place.path]["changes"] == ["fstab line removed", "unmounted"]
    assert os.listdir(place.path) == []
    assert not (place.root / "lib").exists()


@in_namespace
def test_a_folder_of_ours_with_something_in_it_stays_until_it_is_empty(place):
    place.run(place.mount())
    place.by_hand("umount", place.path)
    hidden = Path(place.path) / "hidden"
    hidden.write_text("")
    place.run(gone=[Gone(place.path)])
    assert hidden.exists()
    hidden.unlink()
    plan = place.run(gone=[Gone(place.path)])
    assert plan.reports[place.path]["changes"] == ["folder removed"]
    assert not (place.root / "var").exists()


@in_namespace
def test_what_turns_out_to_lie_under_a_mount_stays(place):
    place.run(place.mount())
    place.by_hand("umount", place.path)
    hidden = Path(place.path) / "hidden"
    hidden.write_text("")
    place.by_hand("mount", "-t", "tmpfs", "-o", "ro,nodev,nosuid", "cache", place.path)
    place.run(gone=[Gone(place.path)])
    assert hidden.exists()
    hidden.unlink()
    place.run(gone=[Gone(place.path)])
    assert not (place.root / "var").exists()


@in_namespace
def test_a_run_about_one_mount_leaves_the_folders_of_another(place):
    other = str(place.root / "other")
    place.run(place.mount(), place.mount(path=other))
    place.by_hand("umount", other)
    place.run(place.mount("new"))
    assert os.path.isdir(other)


@in_namespace
def test_a_folder_that_another_mount_still_needs_stays(place):
    other = str(place.root / "var/other")
    place.run(place.mount(), place.mount(path=other))
    place.run(place.mount(path=other), exclusive=True)
    assert not os.path.exists(place.path)
    assert place.live(other) == [("cache", "ro,nodev,nosuid")]


@in_namespace
def test_absent_leaves_what_somebody_else_mounted(place):
    os.makedirs(place.path)
    place.by_hand("mount", "-t", "tmpfs", "theirs", place.path)
    assert not place.survey(gone=[Gone(place.path, "cache")]).changed
    assert not place.survey(exclusive=True).changed
    plan = place.run(gone=[Gone(place.path, "theirs")])
    assert plan.reports[place.path]["changes"] == ["unmounted"]


@in_namespace
def test_exclusive_finds_a_mount_of_ours_whose_line_was_deleted(place):
    place.run(place.mount())
    place.fstab.write_bytes(OTHER_LINES.encode())
    place.run(exclusive=True)
    assert place.live() == []
    assert not (place.root / "var").exists()


@in_namespace
def test_a_store_elsewhere_is_made_known_to_zero_install(place):
    listed = Path(_names.STORE_LIST)
    listed.parent.mkdir()
    listed.write_text("/theirs\n")
    place.run(place.mount(store=True))
    assert listed.read_text() == f"/theirs\n{place.path}\n"
    moved = str(place.root / "moved")
    place.run(place.mount(path=moved, store=True), exclusive=True)
    assert listed.read_text() == f"/theirs\n{moved}\n"
    place.run(exclusive=True)
    assert listed.read_text() == "/theirs\n"


# --- the record


@in_namespace
@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (lambda path: path.write_text("{"), "damaged"),
        (lambda path: path.write_text("[]"), "damaged"),
        (lambda path: path.write_text(json.dumps({"directories": ["../x"], "mounts": {}, "stores": []})), "damaged"),
        (lambda path: path.chmod(0o666), "no file that only root can write"),
        (lambda path: (path.rename(path.parent / "r"), path.symlink_to("r")), "no file that only root can write"),
    ],
    ids=["broken", "other", "path", "mode", "link"],
)
def test_a_record_that_cannot_be_trusted_removes_no_folder(place, damage, warning):
    place.run(place.mount())
    damage(Path(mount_records.RECORD))
    plan = place.survey(gone=[Gone(place.path)])
    assert any(warning in text for text in plan.warnings)
    mount_running.Run(place.guest, plan, []).carry_out()
    assert os.listdir(place.path) == []
