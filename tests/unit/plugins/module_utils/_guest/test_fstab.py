# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""fstab text and live mounts, on texts that real systems have or printed (fixtures/guest_note.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    boot_modules,
    effective_options,
    fstab,
    mount_messages,
    store_list,
    systemd_units,
    wanted_mounts,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Gone, Mount
from hypothesis import given
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROGRAMS = json.loads((FIXTURES / "guest_programs.json").read_text(encoding="utf-8"))
STORE = "/var/cache/0install.net/implementations"
WANTED = Mount("ZeroInstall", STORE)
LINE = f"ZeroInstall {STORE} vboxsf ro,nodev,nosuid,noauto,comment=zeroinstall.virtualbox 0 0\n"
LINE_WITHOUT_SYSTEMD = f"ZeroInstall {STORE} vboxsf ro,nodev,nosuid,comment=zeroinstall.virtualbox 0 0\n"


def change(text, *wanted, gone=(), exclusive=False, systemd=True):
    return fstab.change_fstab(fstab.parse_fstab(text), list(wanted), list(gone), exclusive, systemd)


def live(name):
    return live_mounts.parse_mountinfo((FIXTURES / name).read_text(encoding="utf-8"))


# --- fields


@given(st.text())
def test_a_field_survives_escaping(text):
    escaped = fstab.escape(text)
    assert not set(escaped) & set(" \t\n")
    assert live_mounts.unescape(escaped) == text


def test_escapes_are_those_of_fstab():
    assert fstab.escape("a b\tc\nd\\e") == r"a\040b\011c\012d\134e"
    assert live_mounts.unescape(r"\303\274\040\09") == "ü " + r"\09"


# --- fstab


def test_an_odd_fstab_is_read_as_findmnt_reads_it():
    odd = json.loads((FIXTURES / "guest_fstab_odd.json").read_text(encoding="utf-8"))
    lines = fstab.parse_fstab(odd["fstab"])
    assert [line.number for line in lines if line.malformed] == odd["parse_errors"]
    read = [line.entry for line in lines if line.entry]
    assert [(item.source, item.path, item.type, ",".join(item.options)) for item in read] == [
        (entry["source"], entry["target"], entry["fstype"], entry["options"] or "") for entry in odd["filesystems"]
    ]
    assert [(int(item.freq), int(item.passno)) for item in read] == [
        (entry["freq"], entry["passno"]) for entry in odd["filesystems"]
    ]
    assert "".join(line.text for line in lines) == odd["fstab"]


@given(st.text(alphabet=st.sampled_from("ab/# \t\r\n\\0\x0b\x0c\u2028ü")))
def test_any_fstab_survives_byte_for_byte(text):
    assert "".join(line.text for line in fstab.parse_fstab(text)) == text
    unchanged = change(text)
    assert (unchanged.text, unchanged.changed, unchanged.changes) == (text, False, {})
    added = change(text, WANTED)
    end = "" if not text or text.endswith("\n") else "\n"
    assert added.text == text + end + LINE
    assert change(added.text, WANTED).changed is False
    assert change(added.text, exclusive=True).text == text + end


@given(
    st.builds(
        fstab.Entry,
        st.text(min_size=1).filter(lambda text: not text.startswith("#")),
        st.text().map(lambda text: "/" + text),
        st.just("vboxsf"),
        st.lists(st.sampled_from(["ro", "uid=5", "a b", "x\\y"]), min_size=1).map(tuple),
        st.sampled_from("01"),
        st.sampled_from("02"),
    )
)
def test_an_entry_survives_rendering(item):
    (line,) = fstab.parse_fstab(fstab.render(item))
    assert line.entry == item


def test_the_line_by_init_system():
    assert change("", WANTED).text == LINE
    assert change("", WANTED, systemd=False).text == LINE_WITHOUT_SYSTEMD
    assert change(LINE_WITHOUT_SYSTEMD, WANTED).text == LINE


def test_the_line_has_nothing_that_oracles_helper_refuses():
    for systemd in (True, False):
        options = set(fstab.entry(Mount("s", "/p", True, ("uid=5",)), systemd).options)
        # what mount(8) keeps to itself, and what mount.vboxsf takes (reference: its usage)
        swallowed = {"noauto", "comment=zeroinstall.virtualbox"}
        assert options - swallowed <= {"rw", "ro", "nodev", "nosuid", "uid=5"}


def test_our_line_is_left_as_it_is_written_while_it_says_the_same():
    aligned = LINE.replace(" vboxsf ", "\t\tvboxsf   ")
    assert change(aligned, WANTED).changed is False


@pytest.mark.parametrize(
    "edited",
    [
        LINE.replace("ro,", "rw,"),
        LINE.replace("ZeroInstall /", "Other /"),
        LINE.replace(",comment=zeroinstall.virtualbox", ""),
        LINE.replace("implementations", "implementations/"),
        LINE.replace(" 0 0", " 0 2"),
        LINE.replace("nosuid,", "").rstrip("\n"),
        LINE + LINE,
        f"by-hand {STORE} vboxsf defaults",
    ],
)
def test_drift_of_a_line_is_put_right(edited):
    before, after = "# first\nproc /proc proc defaults 0 0\n", "tmpfs /tmp tmpfs defaults 0 0\r\nbroken\n"
    text = before + edited + ("" if edited.endswith("\n") else "\n") + after
    changed = change(text, WANTED)
    assert changed.text == before + LINE + after
    assert changed.changes == {STORE: "changed"}
    assert change(changed.text, WANTED).changed is False


def test_another_file_system_in_fstab_is_refused_by_line_and_name():
    with pytest.raises(Failure, match=r"line 2 mounts /dev/sdb1 \(ext4\) at .*another path for share ZeroInstall"):
        change(f"# c\n/dev/sdb1 {STORE} ext4 ro 0 0\n", WANTED)


def test_absent_takes_our_line_and_the_one_that_was_named():
    by_hand = f"ZeroInstall {STORE} vboxsf ro 0 0\n"
    assert change(LINE, gone=[Gone(STORE)]).text == ""
    assert change(LINE, gone=[Gone(STORE, "other")]).text == ""
    assert change(by_hand, gone=[Gone(STORE, "ZeroInstall")]).text == ""
    assert change(by_hand, gone=[Gone(STORE, "other")]).text == by_hand
    assert change(by_hand, gone=[Gone(STORE)]).text == by_hand
    assert change(f"x {STORE} ext4 ro 0 0\n", gone=[Gone(STORE, "x")]).changed is False


def test_exclusive_removes_only_marked_lines():
    by_hand = "mine /mnt/mine vboxsf ro 0 0\n"
    other = LINE.replace(STORE, "/mnt/b")
    result = change(by_hand + other, WANTED, exclusive=True)
    assert result.text == by_hand + LINE
    assert [item.path for item in result.removed] == ["/mnt/b"]
    assert result.changes == {"/mnt/b": "removed", STORE: "added"}
    assert change(by_hand + other, WANTED).text == by_hand + other + LINE


VAGRANT = "vagrant /vagrant vboxsf uid=1000,gid=1000,_netdev 0 0\n"
MARKS = [
    ("#VAGRANT-BEGIN\n# The contents below are automatically generated by Vagrant. Do not modify.\n", "#VAGRANT-END\n"),
    ("# BEGIN ANSIBLE MANAGED BLOCK\n", "# END ANSIBLE MANAGED BLOCK\n"),
    ("# BEGIN ANSIBLE MANAGED BLOCK nas 2\n", "# END ANSIBLE MANAGED BLOCK nas 2\n"),
    ("# START of backups\n", "# STOP of backups\n"),
    ("# open: nas\n", "  # close: nas\n"),
    ("# >>> [openmediavault]\n", "# <<< [openmediavault]\n"),
]


def owner_removes(text, begin, end):
    """What is left when the owner of a block removes it, as Vagrant does: by sed '/BEGIN/,/END/d'."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line == begin.splitlines(keepends=True)[0]
        kept += [] if inside else [line]
        inside = inside and line != end
    return "".join(kept)


@pytest.mark.parametrize(("begin", "end"), MARKS)
def test_ours_stands_outside_of_the_blocks_of_others(begin, end):
    block = begin + VAGRANT + end
    assert change("proc /proc proc defaults 0 0\n" + block, WANTED).text.endswith(block + LINE)
    for inside in (LINE, LINE.replace(",comment=zeroinstall.virtualbox", ""), LINE.replace("ro,", "rw,")):
        before, after = "proc /proc proc defaults 0 0\n" + begin + VAGRANT, end + "last /last ext4 ro 0 0"
        changed = change(before + inside + after, WANTED)
        assert changed.text == before + after + "\n" + LINE
        assert changed.changes == {STORE: "changed"}
        assert LINE in owner_removes(changed.text, begin, end)
        assert change(changed.text, WANTED).changed is False
        assert change(before + inside + after, gone=[Gone(STORE, "ZeroInstall")]).text == before + after
    assert change(LINE + block, WANTED).changed is False


@pytest.mark.parametrize(("begin", "end"), [MARKS[0], MARKS[1], MARKS[5]])
def test_a_block_that_is_half_open_loses_nothing(begin, end):
    first, rest = "proc /proc proc defaults 0 0\n", VAGRANT + "last /last ext4 ro 0 0"
    for text in (first + begin + rest, first + begin + rest + "\n" + LINE, first + begin + LINE + rest):
        changed = change(text, WANTED)
        assert changed.text.rstrip("\n") == first + LINE + begin + rest
        assert LINE in owner_removes(changed.text, begin, end)
        assert change(changed.text, WANTED).changed is False
        assert change(changed.text, exclusive=True).text.rstrip("\n") == first + begin + rest
    assert change(first + end + rest, WANTED).text == first + end + rest + "\n" + LINE
    twice = begin + VAGRANT + end + LINE + begin + rest
    assert change(twice, WANTED).text == LINE + begin + VAGRANT + end + begin + rest


def test_what_reads_like_a_mark_is_none():
    prose = "# Disks are mounted at the start.\n# begin with the root\n# END\n# all between BEGIN and END is mine\n"
    inside = "# RESTART the array before the start\n# BEGINNER's guide: open the disk\n"
    closed = "# BEGIN one\n# END one\n" + LINE + "# BEGIN two\n# END two\n"
    for text in (prose + LINE + VAGRANT, inside + LINE + VAGRANT, closed):
        assert change(text, WANTED).changed is False
    crossed = "# BEGIN one\n# BEGIN two\n# END one\n" + LINE + "# END two\n"
    assert change(crossed, WANTED).text == crossed.replace(LINE, "") + LINE


@given(st.lists(st.sampled_from([LINE, VAGRANT, "broken\n", "# end\n", *MARKS[0], *MARKS[1]])))
def test_no_line_of_others_is_lost_among_blocks(lines):
    text = "".join(lines)
    changed = change(text, WANTED)
    assert changed.text.count(LINE) == 1
    assert changed.text.replace(LINE, "") == text.replace(LINE, "")
    again = change(changed.text, WANTED)
    assert again.changed is False
    for begin, end in MARKS[:2]:
        assert LINE in owner_removes(changed.text, begin, end)


def test_a_diff_shows_no_line_but_vboxsf():
    assert fstab.only_vboxsf("//nas/x /x cifs password=secret 0 0\n" + LINE) == LINE


# --- live mounts


def test_the_visible_mount_is_found_as_the_kernel_resolves_a_path():
    mounts = live("guest_mountinfo.txt")
    assert [mount.source for mount in live_mounts.stack(mounts, "/mnt/b")] == ["cache", "gstrw"]
    assert [mount.source for mount in live_mounts.stack(mounts, "/mnt/sp ace\\b")] == ["cache"]
    assert live_mounts.stack(mounts, "/srv/hid/in") == []
    assert [mount.type for mount in live_mounts.stack(mounts, "/srv/hid")] == ["tmpfs"]
    assert [mount.type for mount in live_mounts.stack(mounts, "/")] == ["overlay"]
    assert live_mounts.stack(mounts, "/mnt") == []


def test_systemds_automount_lies_under_the_mount():
    layers = live_mounts.stack(live("guest_systemd_mountinfo.txt"), "/var/cache/zi/implementations")
    assert [effective_options.automounted(layer) for layer in layers] == [True, False]


def test_the_kernels_driver_shows_flags_only():
    mounts = live("guest_mountinfo.txt")
    (quiet,) = live_mounts.stack(mounts, "/mnt/sp ace\\b")
    assert effective_options.effective(quiet) == ("ro", "nodev", "nosuid")
    assert effective_options.effective(quiet, owner=(1000, 0)) == ("ro", "nodev", "nosuid", "uid=1000")
    made_with = fstab.entry(Mount("cache", "/x", False, ("uid=7", "fmask=0022")), True)
    assert effective_options.effective(quiet, made_with) == ("ro", "nodev", "nosuid", "fmask=022", "uid=7")
    assert effective_options.effective(quiet, made_with, (0, 0)) == ("ro", "nodev", "nosuid", "fmask=022")


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/vagrant", ("rw", "nodev", "gid=1000", "uid=1000")),
        ("/media/sf_a", ("rw", "dmode=0770", "fmode=0770", "gid=110")),
        ("/srv/plain", ("ro", "nodev", "nosuid", "fmask=022")),
    ],
)
def test_oracles_driver_shows_its_own_options_and_fstab_does_not_count(path, options):
    (mount,) = live_mounts.stack(live("guest_oracle_mountinfo.txt"), path)
    made_with = fstab.entry(Mount("s", path, False, ("dmask=077",)), True)
    assert effective_options.effective(mount, made_with, (5, 5)) == options


@pytest.mark.parametrize(
    ("mount", "options"),
    [
        (Mount("s", "/p"), ("ro", "nodev", "nosuid")),
        (Mount("s", "/p", True), ("rw", "nodev", "nosuid")),
        (Mount("s", "/p", False, ("suid", "noexec")), ("ro", "nodev", "noexec")),
        (Mount("s", "/p", False, ("umask=022", "uid=0")), ("ro", "nodev", "nosuid", "dmask=022", "fmask=022")),
        (Mount("s", "/p", False, ("ttl=5", "gid=0010")), ("ro", "nodev", "nosuid", "gid=10")),
    ],
)
def test_what_is_wanted_has_the_same_form(mount, options):
    assert effective_options.wanted_options(mount) == options


@pytest.mark.parametrize("case", PROGRAMS["mount_failures"], ids=lambda case: case["program"] + ": " + case["means"])
def test_what_mount_programs_say_is_understood(case):
    means = {
        "share": "the host does not offer share ZeroInstall to this machine",
        "driver": "the driver vboxsf is not available for the running kernel",
        "option": "the driver refuses its options ro,nodev,nosuid",
    }
    message = mount_messages.mount_failure(WANTED, case["output"], True)
    assert [what for what, text in means.items() if text in message] == [
        what for what in means if what == case["means"]
    ]
    assert " ".join(case["output"].split()) in message
    assert STORE in message


def test_no_virtualbox_guest_is_said_instead_of_a_missing_driver():
    driver = next(case for case in PROGRAMS["mount_failures"] if case["means"] == "driver")
    assert "this is no VirtualBox guest" in mount_messages.mount_failure(WANTED, driver["output"], False)


@pytest.mark.parametrize(
    ("text", "systemd", "others"),
    [
        ("# vboxsf\n; vboxsf\n#vboxsf\n  # vboxsf\n\n", [], []),
        ("# shares need vboxsf here\nloop # vboxsf\n", ["loop # vboxsf"], ["loop"]),
        ("\t vboxsf \r\n", ["vboxsf"], ["vboxsf"]),
        ("vboxsf follow_symlinks=1\n", ["vboxsf follow_symlinks=1"], ["vboxsf"]),
        ("loop vboxsf\nvboxsf2", ["loop vboxsf", "vboxsf2"], ["loop", "vboxsf2"]),
    ],
)
def test_modules_that_a_boot_loads(text, systemd, others):
    assert boot_modules.modules(text, True) == systemd
    assert boot_modules.modules(text, False) == others


@pytest.mark.parametrize("case", PROGRAMS["automount_units"], ids=lambda case: case["path"])
def test_unit_names_are_those_of_systemd_escape(case):
    assert systemd_units.unit(case["path"], "automount") == case["output"]


def test_a_unit_says_a_percent_sign_twice():
    assert "\nWhere=/srv/100%% sure\n" in systemd_units.automount_text("/srv/100% sure")


# --- what the user asks for


def test_bad_share_names():
    with pytest.raises(Failure, match=r"^share 'a b' has white space"):
        wanted_mounts.check([Mount("a b", "/p")], [])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "absolute"),
        ("p", "absolute"),
        ("/", "no folder of its own"),
        ("//p", r"'/p'"),
        ("/a/../b", r"'/b'"),
        ("/a/./b", r"'/a/b'"),
        ("/a/", r"'/a'"),
        ("/a//b", r"'/a/b'"),
        ("/a\nb", "newlines"),
        ("/a\x00b", "control"),
    ],
)
def test_bad_paths(path, reason):
    for wanted, gone in (([Mount("s", path)], []), ([], [Gone(path)])):
        with pytest.raises(Failure, match=reason) as raised:
            wanted_mounts.check(wanted, gone)
        assert repr(path) in str(raised.value)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("nofail", "Oracle"),
        ("noatime", "Oracle"),
        ("user", "Oracle"),
        ("tag=VBoxAutomounter", "Oracle"),
        ("fmode=0644", "digest"),
        ("dmode=755", "digest"),
        ("fmask=133", "read or to execute"),
        ("dmask=0077", "read or to execute"),
        ("umask=0111", "read or to execute"),
        ("ro", "writable: false"),
        ("rw", "writable: true"),
        ("remount", "old share"),
        ("noauto", "sets it itself"),
        ("x-systemd.automount", "sets it itself"),
        ("comment=a", "sets it itself"),
        ("_netdev", "sets it itself"),
        ("uid=vagrant", "numbers for uid"),
        ("uid", "numbers for uid"),
        ("uid=010", "without leading zeros"),
        ("gid=2147483648", "up to 2147483647"),
        ("ttl=-1", "numbers for uid, gid and ttl"),
        ("dev", "no devices"),
        ("fmask=9", "octal"),
        ("bogus", "does not know it"),
        ("nodev=1", "does not know it"),
        ("noexec", "no program of a store could be run"),
        ("uid=5,gid=6", "numbers for uid"),
        ("nodev,suid", "does not know it"),
        ("", "does not know it"),
    ],
)
def test_bad_options(option, reason):
    with pytest.raises(Failure, match=reason) as raised:
        wanted_mounts.check([Mount("s", "/p", False, (option,), store=True)], [])
    assert repr(option) in str(raised.value)


def test_what_is_no_store_may_be_kept_from_all_but_its_owner():
    wanted_mounts.check([Mount("s", "/p", True, ("dmask=0077", "fmask=0077", "noexec"))], [])
    with pytest.raises(Failure, match="read or to execute"):
        wanted_mounts.check([Mount("s", "/p", True, ("fmask=0100",))], [])


@pytest.mark.parametrize("options", [("uid=1", "uid=2"), ("exec", "noexec"), ("suid", "nosuid")])
def test_options_that_contradict_one_another(options):
    with pytest.raises(Failure, match="twice"):
        wanted_mounts.check([Mount("s", "/p", False, options)], [])


def test_an_option_of_oracles_driver_only():
    mount = Mount("s", "/p", False, ("cache=read",))
    wanted_mounts.check([mount], [], mainline=False)
    with pytest.raises(Failure, match="only Oracle's driver"):
        wanted_mounts.check([mount], [], mainline=True)


def test_good_options():
    wanted_mounts.check(
        [Mount("s", "/p", False, ("uid=1000", "gid=0", "dmask=022", "fmask=0022", "nls=utf8", "ttl=0"))], []
    )
    wanted_mounts.check([Mount("s", "/p", False, ("uid=2147483647", "dcachettl=-1"))], [])


def test_one_path_twice_and_one_in_another():
    with pytest.raises(Failure, match="more than once"):
        wanted_mounts.check([Mount("a", "/p"), Mount("b", "/p")], [])
    with pytest.raises(Failure, match="more than once"):
        wanted_mounts.check([Mount("a", "/p")], [Gone("/p")])
    with pytest.raises(Failure, match="lies in"):
        wanted_mounts.check([Mount("a", "/p/q"), Mount("b", "/p")], [])
    wanted_mounts.check([Mount("a", "/p"), Mount("b", "/pq")], [])


# --- Zero Install's list of stores


def test_a_store_where_zero_install_looks_anyway_needs_no_line():
    assert store_list.change_store_list("", [Mount("s", STORE, store=True), Mount("t", "/t")], []) == ("", [])


def test_lines_of_ours_come_and_go_and_others_stay():
    host = "/srv/host"
    text, ours = store_list.change_store_list("# mine\n/mine ", [Mount("s", host, store=True)], [])
    assert (text, ours) == ("# mine\n/mine \n/srv/host\n", [host])
    assert store_list.change_store_list(text, [Mount("s", host, store=True)], ours) == (text, [host])
    assert store_list.change_store_list(text, [], ours) == ("# mine\n/mine \n", [])
    assert store_list.change_store_list(text, [], []) == (text, [])


def test_a_line_that_was_there_before_is_not_ours():
    assert store_list.change_store_list("/srv/host\n", [Mount("s", "/srv/host", store=True)], []) == ("/srv/host\n", [])


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_two_slashes_at_the_beginning_are_one(slashes):
    """POSIX leaves them open, and posixpath.normpath keeps two. Linux takes them for one."""
    assert (
        _names.normal(f"{slashes}a/b/../c/") == "/a/c"
        and _names.normal("/a") == "/a"
        and _names.normal("none") == "none"
    )
    (line,) = fstab.parse_fstab(f"s {slashes}mnt/store vboxsf ro 0 0\n")
    assert fstab.same_place(line.entry, "/mnt/store")
