# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading VirtualBox: the parsers on what VirtualBox 7.2.22 printed and wrote (``fixtures/vbox_*``).

Where a program is needed, it is a stand-in for VBoxManage that prints those recordings.
"""

from __future__ import annotations

import os
import pwd
import sys
import threading
import types
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import settings
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import vboxmanage as v

FIXTURES = Path(__file__).parents[1] / "fixtures"
PLAIN = "0fe7c3fb-629a-4b25-8fe6-95e3a3b353d8"
NEWLINE = "b53aeeeb-358f-4fef-b09d-12ec8f8b505d"
IMITATOR = "deda559b-9970-417d-96e0-cbcf92201e0a"
INVENTED = "01234567-89ab-cdef-0123-456789abcdef"
REGISTERED = [
    PLAIN,
    "a70076a6-3689-4780-af31-9b814ccd0675",
    "4591bca3-8744-4e71-a320-db7f8e01c195",
    "2dac76c2-7be6-4be0-bc41-5a6d70d47a27",
    NEWLINE,
    "b9bbbcd1-5672-4fd5-a4a0-aab42821e6d2",
    IMITATOR,
    "3e28fba9-7763-4637-989e-53704a8a7cca",
]


def recorded(name):
    return (FIXTURES / ("vbox_" + name)).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["list_vms.txt", "list_vms_debian_wrapper.txt"])
def test_no_machine_is_missing_from_the_list_whatever_the_names(name):
    listed = v.parse_list(recorded(name))
    assert set(REGISTERED) == set(listed) - {INVENTED}
    assert not any(listed.values())


def test_inaccessible_machines_are_known_unless_only_another_name_says_so():
    other = "00000000-0000-0000-0000-000000000001"
    text = '"<inaccessible>" {%s}\n"x\n"<inaccessible>" {%s}\ny" {%s}\n"real" {%s}\n' % (PLAIN, NEWLINE, other, NEWLINE)
    assert v.parse_list(text) == {PLAIN: True, NEWLINE: False, other: False}
    text = '"real" {%s}\n"x\n"<inaccessible>" {%s}\ny" {%s}\n' % (NEWLINE, NEWLINE, other)
    assert v.parse_list(text) == {NEWLINE: False, other: False}


def test_a_description_cannot_imitate_fields():
    fields = v.parse_fields(recorded("showvminfo_running_machinereadable.txt"))
    assert fields["VMState"] == "running"
    assert fields["description"].startswith('first\nVMState="running"\nSharedFolderNameTransientMapping1="evil"\n')
    assert fields["description"].endswith('back\\slash\\"\n')
    assert fields["SharedFolderNameTransientMapping1"] == "ZeroInstall"
    assert fields["SharedFolderNameMachineMapping3"] == "sö<&>\"'"
    assert "GuestAdditionsVersion" not in fields


def test_of_a_repeated_field_the_first_counts():
    assert v.parse_fields('VMState="running"\nVMState="saved"\n') == {"VMState": "running"}


def test_what_was_written_about_a_snapshot_cannot_imitate_fields():
    """VirtualBox prints a snapshot's description without escaping it."""
    text = recorded("showvminfo_running_machinereadable.txt")
    assert 'SnapshotDescription="snap\nVMState="saved""' in text
    evil = 'snap\nSharedFolderNameTransientMapping9="evil"\nGuestAdditionsVersion="9.9.9"\nVMState'
    text = text.replace("snap\nVMState", evil)
    fields = v.parse_fields(text)
    assert not {"SharedFolderNameTransientMapping9", "GuestAdditionsVersion"} & set(fields)


def test_a_guest_cannot_imitate_fields():
    text = recorded("showvminfo_guest_machinereadable.txt")
    assert v.parse_fields(text)["GuestAdditionsVersion"] == "6.0.0 r127566"
    text = text.replace("6.0.0 r127566", '6.0.0"\nSharedFolderNameTransientMapping9="evil"\nVMState="saved')
    fields = v.parse_fields(text)
    assert fields["GuestAdditionsVersion"] == "6.0.0"
    assert fields["VMState"] == "running"
    assert "SharedFolderNameTransientMapping9" not in fields


def test_transient_shares_have_all_their_fields():
    fields = v.parse_fields(recorded("showvminfo_running_machinereadable.txt"))
    store, other = v.parse_transient(fields, recorded("showvminfo_running.txt"))
    assert store == settings.Share("ZeroInstall", "/srv/it/store", "transient", automount=True, mount_point="/mnt/z")
    assert other == settings.Share("tr", "/srv/it/store", "transient", writable=True), "its description says readonly"


@pytest.mark.parametrize(
    "human",
    [
        "",
        "Name: 's', Host path: '/p' (transient mapping), readonly\n"
        "Name: 's', Host path: '/p' (transient mapping), writable\n",
    ],
)
def test_a_transient_share_that_is_not_clear_counts_as_writable(human):
    fields = {"SharedFolderNameTransientMapping1": "s", "SharedFolderPathTransientMapping1": "/p"}
    assert v.parse_transient(fields, human)[0].writable


def test_the_registry_gives_settings_files_and_global_shares():
    entries, shares = settings.parse_registry(recorded("VirtualBox.xml"))
    assert list(entries) == REGISTERED
    assert entries[NEWLINE] == "/srv/it/vms/it line1_line2/it line1_line2.vbox"
    assert shares == (settings.Share("g", "/srv/it/store", "global", writable=True),)


def test_a_settings_file_gives_the_machine_as_it_is_now_and_not_its_snapshot():
    machine = settings.parse_machine(recorded("machine_snapshot.vbox"), PLAIN, "/f")
    assert (machine.name, machine.state, machine.accessible) == ("it-plain", "poweroff", True)
    assert machine.shares == (
        settings.Share("ZeroInstall", "/srv/it/store", writable=True, arrangement="default"),
        settings.Share("drop", "/srv/it/drop", writable=True, automount=True, symlink_policy="relative", symlinks=True),
        settings.Share("sö<&>\"'", "/srv/it/drop", writable=True),
    )


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("", PLAIN),
        (' uuid="{01234567-89AB-cdef-0123-456789abcdef}"', "01234567-89ab-cdef-0123-456789abcdef"),
        (' uuid="{00000000-0000-0000-0000-000000000000}"', PLAIN),
    ],
)
def test_the_uuid_of_the_hardware_is_the_machines_own_unless_it_has_another(attribute, expected):
    """As VBoxManage modifyvm --hardware-uuid writes it, and clonevm with --options=KeepHwUUIDs."""
    text = f'<VirtualBox><Machine uuid="{{{PLAIN}}}" name="m"><Hardware{attribute}/></Machine></VirtualBox>'
    assert settings.parse_machine(text, PLAIN, "/f").hardware_uuid == expected


def test_a_mark_names_an_arrangement():
    marks = {"a": "1", "b": "team-b", "c": "not one", "d": "x" * 33, "e": ""}
    items = "".join(
        f'<ExtraDataItem name="{settings.OWNER_KEY}{name}" value="{mark}"/>' for name, mark in marks.items()
    )
    folders = "".join(f'<SharedFolder name="{name}" hostPath="/x"/>' for name in marks)
    text = (
        f'<VirtualBox><Machine name="m"><ExtraData>{items}</ExtraData><Hardware><SharedFolders>{folders}'
        "</SharedFolders></Hardware></Machine></VirtualBox>"
    )
    machine = settings.parse_machine(text, PLAIN, "/f")
    assert machine.marks == {"a": "default", "b": "team-b"}
    assert [share.arrangement for share in machine.shares] == ["default", "team-b", "", "", ""]


@pytest.mark.parametrize("name, state", [("machine_saved.vbox", "saved"), ("machine_aborted.vbox", "aborted")])
def test_a_settings_file_gives_the_state(name, state):
    assert settings.parse_machine(recorded(name), PLAIN, "/f").state == state


@pytest.mark.parametrize(
    "name, expected",
    [("machine_newline.vbox", "it line1\nline2"), ("machine_imitator.vbox", 'it-fake2" {%s}\n"x' % PLAIN)],
)
def test_a_settings_file_gives_the_name_as_it_is(name, expected):
    assert settings.parse_machine(recorded(name), "u", "/f").name == expected


def text_of(inside, attributes="", before="", after=""):
    """A settings file with this in its machine."""
    return (
        f'<?xml version="1.0"?>{before}<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">'
        f'<Machine name="m" {attributes}>{inside}</Machine>{after}</VirtualBox>'
    )


def hardware(*attributes):
    folders = "".join(f'<SharedFolder name="s{number}" hostPath="/p" {one}/>' for number, one in enumerate(attributes))
    return f"<Hardware><SharedFolders>{folders}</SharedFolders></Hardware>"


BOOLEANS = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
    "": False,
    "TRUE": False,
    "True": False,
    "Yes": False,
    "on": False,
    " true": False,
    "01": False,
    "x": False,
    "&#49;": True,
}


def test_booleans_are_read_as_virtualbox_reads_them():
    text = text_of(hardware(*(f'writable="{word}" autoMount="{word}"' for word in BOOLEANS), ""))
    machine = settings.parse_machine(text, "u", "/f")
    assert [share.writable for share in machine.shares] == [*BOOLEANS.values(), False]
    assert [share.automount for share in machine.shares] == [*BOOLEANS.values(), False]
    registry = text.replace("Machine", "Global").replace("<Hardware>", "").replace("</Hardware>", "")
    assert [share.writable for share in settings.parse_registry(registry)[1]] == [*BOOLEANS.values(), False]
    for word, value in BOOLEANS.items():
        machine = settings.parse_machine(text_of("", f'aborted="{word}"'), "u", "/f")
        assert machine.state == ("aborted" if value else "poweroff"), word


def test_a_machine_without_a_name_of_its_saved_state_is_not_saved():
    states = {'stateFile=""': "poweroff", 'stateFile="s" aborted="1"': "aborted-saved", 'stateFile="s"': "saved"}
    for attributes, state in states.items():
        assert settings.parse_machine(text_of("", attributes), "u", "/f").state == state


def firmware_uuid(firmware, value):
    """Extradata with a UUID that the firmware tells the guest."""
    name = f"VBoxInternal/Devices/{firmware}/0/Config/DmiSystemUuid"
    return f'<ExtraData><ExtraDataItem name="{name}" value="{value}"/></ExtraData>'


@pytest.mark.parametrize(
    "inside, expected",
    [
        ("<Hardware/>", PLAIN),
        ("", PLAIN),
        (f'<Hardware uuid="{{{NEWLINE.upper()}}}"/>', NEWLINE),
        ('<Hardware uuid="{00000000-0000-0000-0000-000000000000}"/>', PLAIN),
        (f'<Hardware/><Hardware uuid="{{{NEWLINE}}}"/>', PLAIN),
        (firmware_uuid("pcbios", NEWLINE.upper()), NEWLINE),
        (firmware_uuid("pcbios", NEWLINE) + firmware_uuid("efi", "string:" + NEWLINE), NEWLINE),
        (firmware_uuid("pcbios", NEWLINE) + firmware_uuid("efi", PLAIN), ""),
    ],
)
def test_the_hardware_has_the_machines_uuid_unless_another_is_written(inside, expected):
    assert settings.parse_machine(text_of(inside), PLAIN, "/f").hardware_uuid == expected


def test_the_type_of_the_guests_system_is_read():
    text = recorded("machine_saved.vbox")
    assert settings.parse_machine(text, PLAIN, "/f").os_type == "Debian_64"
    assert settings.parse_machine(text_of("<Hardware/>"), PLAIN, "/f").os_type == ""


def test_other_values_are_read_as_virtualbox_reads_them():
    text = text_of(
        hardware('xmlns:q="urn:q" q:writable="1" writable="0"', 'symlinkPolicy="any"', 'symlinkPolicy="Any"')
        + hardware('writable="1"')
        + '<ExtraData><ExtraDataItem name="k" value="1"/><ExtraDataItem name="k" value="0"/>'
        '</ExtraData><ExtraData><ExtraDataItem name="l" value="1"/></ExtraData>'
    ).replace('"/p"', '"/p&#10;q/"', 1)
    machine = settings.parse_machine(text, "u", "/f")
    assert [(share.writable, share.symlink_policy) for share in machine.shares] == [
        (True, "none"),
        (False, "any"),
        (False, "Any"),
    ], "the first hardware counts"
    assert machine.shares[0].path == "/p\nq"
    assert dict(machine.extradata) == {"k": "0", "l": "1"}


@pytest.mark.parametrize(
    "document_type",
    ['<!DOCTYPE VirtualBox [<!ENTITY x "srv">]>', "<!DOCTYPE VirtualBox>", '<!DOCTYPE VirtualBox SYSTEM "/x.dtd">'],
)
def test_a_document_type_is_refused(document_type):
    text = text_of(hardware('writable="1"'), before=document_type)
    with pytest.raises(Failure, match="document type"):
        settings.parse_machine(text, "u", "/f")
    with pytest.raises(Failure, match="document type"):
        settings.parse_registry(text)


def test_of_several_machines_none_is_taken():
    with pytest.raises(Failure, match="several machines"):
        settings.parse_machine(text_of("", after='<Machine name="n"/>'), "u", "/f")


def test_an_encrypted_or_foreign_settings_file_is_no_machine():
    with pytest.raises(Failure, match="encrypted"):
        settings.parse_machine(
            '<VirtualBox xmlns="http://www.virtualbox.org/"><MachineEncrypted/></VirtualBox>', "u", "/f"
        )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("6.0.0 r127566", ("6.0.0", "127566")),
        ("7.2.22_Debian r175245", ("7.2.22_Debian", "175245")),
        ("7.2.22_Debianr175245", ("7.2.22_Debian", "175245")),
        ("7.0.4", ("7.0.4", "")),
        ("", ("", "")),
        ("odd words", ("odd words", "")),
    ],
)
def test_additions_version_and_revision(text, expected):
    assert v.additions(text) == expected


class Homes:
    """The account database and the user, as VirtualBox's search for a home sees them."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(v.os, "geteuid", lambda: self.uid)
        monkeypatch.setattr(pwd, "getpwuid", self.entry)
        self.uid, self.account, self.env, self.none = 1000, str(folder / "a"), str(folder / "e"), str(folder / "none")
        for home in (self.account, self.env):
            os.mkdir(home)

    def entry(self, uid):
        assert uid == self.uid
        if self.account is None:
            raise KeyError(uid)
        return types.SimpleNamespace(pw_dir=self.account)


@pytest.fixture
def homes(tmp_path, monkeypatch):
    return Homes(tmp_path, monkeypatch)


def test_roots_home_comes_from_the_account_database_and_anybody_elses_from_its_environment(homes):
    end = "/.config/VirtualBox"
    assert settings.settings_folder({"HOME": homes.env}) == homes.env + end
    homes.uid = 0
    assert settings.settings_folder({"HOME": homes.env}) == homes.account + end
    assert settings.settings_folder({}) == homes.account + end


@pytest.mark.parametrize("uid", [0, 1000])
def test_what_is_no_folder_is_no_home(homes, uid):
    homes.uid = uid
    for missing in (homes.none, "", __file__):
        assert settings.settings_folder({"HOME": missing}) == homes.account + "/.config/VirtualBox"
    for account in (homes.none, "", __file__, None):
        homes.account = account
        assert settings.settings_folder({"HOME": homes.env}) == homes.env + "/.config/VirtualBox"
        with pytest.raises(Failure, match=r"no home folder.*HOME \('/none'\).*VBOX_USER_HOME"):
            settings.settings_folder({"HOME": "/none"})
        assert settings.settings_folder({"HOME": "/none", "XDG_CONFIG_HOME": "/c"}) == "/c/VirtualBox"


def test_the_settings_folder_is_found_as_virtualbox_finds_it(homes, monkeypatch):
    home = homes.env
    assert settings.settings_folder({"HOME": home, "VBOX_USER_HOME": "/x"}) == "/x"
    assert settings.settings_folder({"HOME": home, "VBOX_USER_HOME": "x"}) == os.getcwd() + "/x"
    with pytest.raises(Failure, match="VBOX_USER_HOME is set and empty"):
        settings.settings_folder({"HOME": home, "VBOX_USER_HOME": ""})
    for told, place in (("/c", "/c/VirtualBox"), ("c", home + "/c/VirtualBox"), ("", home + "/VirtualBox")):
        assert settings.settings_folder({"HOME": home, "XDG_CONFIG_HOME": told}) == place
    os.mkdir(home + "/.VirtualBox")
    assert settings.settings_folder({"HOME": home, "XDG_CONFIG_HOME": "/c"}) == home + "/.VirtualBox"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert settings.settings_folder({"HOME": home}) == home + "/Library/VirtualBox"


def test_a_settings_file_that_is_just_being_replaced_is_waited_for(tmp_path):
    path = tmp_path / "m.vbox"
    timer = threading.Timer(0.02, path.write_bytes, [b"new"])
    timer.start()
    try:
        assert settings.read_settings(str(path)) == b"new"
    finally:
        timer.join()
    with pytest.raises(FileNotFoundError):
        settings.read_settings(str(tmp_path / "none"))


STAND_IN = """#!%s
# A stand-in for VBoxManage: prints the file named after its arguments, or fails with what is in FILE.error.
import os, sys
name = "_".join(sys.argv[1:]).replace("--", "")
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "calls"), "a") as file:
    file.write(name + os.linesep)
try:
    sys.stderr.write(open(os.path.join(folder, name + ".error")).read())
    sys.exit(1)
except FileNotFoundError:
    sys.stdout.write(open(os.path.join(folder, name), encoding="utf-8").read())
"""


class StandIn:
    """A registry of recorded machines, and a stand-in for VBoxManage that knows it."""

    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "VBoxManage"
        self.program.write_text(STAND_IN % sys.executable)
        self.program.chmod(0o755)
        self.answer("version", recorded("version_debian_wrapper.txt"))
        self.answer("list_runningvms", "")
        self.sources = {}

    def answer(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def register(self, uuid, settings, listed):
        source = self.folder / ("%s.vbox" % uuid[:8])
        if settings is not None:
            source.write_text(settings, encoding="utf-8")
        self.sources[uuid] = (source.name, listed)
        entries = "".join('<MachineEntry uuid="{%s}" src="%s"/>' % (u, s) for u, (s, _l) in self.sources.items())
        self.answer(
            "VirtualBox.xml",
            "<VirtualBox><Global><MachineRegistry>%s</MachineRegistry><SharedFolders>"
            '<SharedFolder name="g" hostPath="/g" writable="true"/></SharedFolders></Global></VirtualBox>' % entries,
        )
        self.answer("list_vms", "".join('"%s" {%s}\n' % (name, u) for u, (_s, name) in self.sources.items()))

    def calls(self):
        return (self.folder / "calls").read_text().split()

    def manage(self):
        return v.VBoxManage(str(self.program))


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("VBOX_USER_HOME", str(tmp_path))
    return StandIn(tmp_path)


def test_machines_are_read_with_three_calls_and_global_shares(stand_in):
    stand_in.register(PLAIN, recorded("machine_snapshot.vbox"), "it-plain")
    stand_in.register(NEWLINE, recorded("machine_newline.vbox"), "it line1\nline2")
    machines = stand_in.manage().machines()
    assert [m.name for m in machines] == ["it-plain", "it line1\nline2"]
    assert machines[0].share("g", "global") == settings.Share("g", "/g", "global", writable=True)
    assert stand_in.calls() == ["version", "list_vms", "list_runningvms"]


def test_a_running_machine_is_asked_for_its_transient_shares(stand_in):
    stand_in.register(PLAIN, recorded("machine_snapshot.vbox"), "it-plain")
    stand_in.answer("list_runningvms", '"it-plain" {%s}\n' % PLAIN)
    stand_in.answer("showvminfo_%s_machinereadable" % PLAIN, recorded("showvminfo_running_machinereadable.txt"))
    stand_in.answer("showvminfo_%s" % PLAIN, recorded("showvminfo_running.txt"))
    machine = stand_in.manage().machines()[0]
    assert machine.state == "running"
    assert (
        machine.share("ZeroInstall", "transient").arrangement and not machine.share("ZeroInstall", "transient").writable
    )
    assert machine.share("tr", "transient").writable


def test_a_name_that_imitates_other_machines_changes_nothing(stand_in):
    stand_in.register(PLAIN, recorded("machine_snapshot.vbox"), "it-plain")
    imitation = 'a" {%s}\n"b" {%s}\nc' % (INVENTED, PLAIN)
    settings = recorded("machine_imitator.vbox")
    stand_in.register(
        IMITATOR,
        settings.replace(
            'name="it-fake2&quot; {%s}&#10;&quot;x"' % PLAIN,
            'name="%s"' % imitation.replace('"', "&quot;").replace("\n", "&#10;"),
        ),
        imitation,
    )
    machines = stand_in.manage().machines()
    assert [(m.uuid, m.name) for m in machines] == [(PLAIN, "it-plain"), (IMITATOR, imitation)]


@pytest.mark.parametrize("registered, listed", [((PLAIN,), ""), ((), '"it-plain" {%s}\n' % PLAIN)])
def test_another_settings_folder_than_virtualbox_uses_is_refused(stand_in, registered, listed, monkeypatch):
    monkeypatch.setattr(v.time, "sleep", lambda seconds: None)
    for uuid in registered:
        stand_in.register(uuid, recorded("machine_snapshot.vbox"), "it-plain")
    stand_in.answer("list_vms", listed)
    with pytest.raises(Failure, match="VBOX_USER_HOME") as failure:
        stand_in.manage().machines()
    assert PLAIN in str(failure.value) and str(stand_in.folder) in str(failure.value)


def test_inaccessible_machines_say_why(stand_in):
    stand_in.register(PLAIN, None, "it-plain")
    stand_in.register(NEWLINE, "no xml", "it line1\nline2")
    stand_in.register(IMITATOR, recorded("machine_imitator.vbox"), "<inaccessible>")
    stand_in.answer(
        "showvminfo_%s_machinereadable.error" % IMITATOR, "VBoxManage: error: The object functionality is limited\n"
    )
    gone, broken, refused = stand_in.manage().machines()
    assert not gone.accessible and "No such file" in gone.problem and gone.settings_file in gone.problem
    assert not broken.accessible and "syntax error" in broken.problem
    assert not refused.accessible and "functionality is limited" in refused.problem
    assert {gone.state, broken.state, refused.state} == {"inaccessible"}


def test_a_missing_program_names_the_option():
    with pytest.raises(Failure, match="'vboxmanage'"):
        v.VBoxManage("/no/such/VBoxManage")


@pytest.mark.parametrize("version, words", [("5.2.44r139111\n", "too old"), ("what?\n", "does not say its version")])
def test_an_old_or_odd_program_is_refused(stand_in, version, words):
    stand_in.answer("version", version)
    with pytest.raises(Failure, match=words):
        stand_in.manage()


@pytest.mark.parametrize(
    "version, can_modify", [("6.1.50r161033", False), ("7.0.26r168464", False), ("7.1.0r164728", True)]
)
def test_modify_came_with_71(stand_in, version, can_modify):
    stand_in.answer("version", version)
    assert stand_in.manage().can_modify is can_modify


LOCKED = """VBoxManage: error: The machine 'it-plain' is already locked for a session (or being unlocked)
VBoxManage: error: Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), component MachineWrap, interface IMachine
"""
SAVED = """VBoxManage: error: The machine is not mutable or running (state is Saved)
VBoxManage: error: Details: code VBOX_E_INVALID_VM_STATE (0x80bb0002), component SessionMachine, interface IMachine
"""


@pytest.mark.parametrize(
    "text, kind",
    [
        (LOCKED, v.Busy),
        (SAVED, v.Busy),
        ("VBoxManage: error: Machine 'a' is not currently running.\n", v.Busy),
        ("VBoxManage: error: Shared folder named 's' already exists\n", v.CommandFailed),
    ],
)
def test_errors_have_virtualboxs_own_words(stand_in, text, kind):
    stand_in.answer("sharedfolder_x.error", "WARNING: something\n" + text)
    manage = stand_in.manage()
    with pytest.raises(v.CommandFailed) as failure:
        manage.change("sharedfolder", "x")
    assert failure.type is kind
    assert str(failure.value) == "VBoxManage sharedfolder x: " + text.splitlines()[0].partition("error: ")[2]
    assert manage.commands == []


def test_changes_are_remembered(stand_in):
    stand_in.answer("setextradata_u_k", "")
    manage = stand_in.manage()
    manage.change("setextradata", "u", "k")
    assert manage.commands == [["VBoxManage", "setextradata", "u", "k"]]


def test_a_program_that_hangs_is_given_up(tmp_path, hang):
    program = tmp_path / "VBoxManage"
    program.write_text(
        "#!/bin/sh\n# A stand-in for VBoxManage that hangs.\n"
        "case $1 in --version) echo 7.2.22;; *) exec sleep %d;; esac\n" % hang
    )
    program.chmod(0o755)
    manage = v.VBoxManage(str(program), timeout=hang)
    manage.timeout = 0.3
    with pytest.raises(v.CommandFailed, match="VBoxSVC"):
        manage.read("list", "vms")


@pytest.mark.parametrize("failures", [1, 9, 1000])
def test_a_client_that_meets_a_leaving_server_is_run_again_for_a_while(tmp_path, monkeypatch, failures):
    clock = types.SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr(v, "time", clock)
    program = tmp_path / "VBoxManage"
    program.write_text(
        "#!/bin/sh\n# A stand-in for VBoxManage that cannot reach its server for some runs.\n"
        f"cd {tmp_path}; echo >> runs\n"
        "case $1 in --version) echo 7.2.22; exit;; esac\n"
        f"[ $(wc -l < runs) -gt {failures + 1} ] && exec echo listed\n"
        'echo "VBoxManage: error: Failed to create the VirtualBox object!" >&2; exit 1\n'
    )
    program.chmod(0o755)
    manage = v.VBoxManage(str(program))
    if failures < 1000:
        assert manage.read("list", "vms") == "listed\n"
    else:
        with pytest.raises(v.CommandFailed, match="Failed to create the VirtualBox object"):
            manage.read("list", "vms")
        assert v._PATIENCE < clock.now <= v._PATIENCE + v._PAUSE


@pytest.mark.parametrize("ends", ["kill -SEGV $$", "exit 139"], ids=["itself", "below Debian's wrapper"])
def test_a_call_that_crashed_is_made_again_only_if_it_changes_nothing(tmp_path, monkeypatch, ends):
    monkeypatch.setattr(v, "_PAUSE", 0)
    program = tmp_path / "VBoxManage"
    program.write_text(
        "#!/bin/sh\n# A stand-in for VBoxManage that crashes at the first call after that for the version.\n"
        f"cd {tmp_path}; echo >> runs\n"
        "case $1 in --version) echo 7.2.22; exit;; esac\n"
        f"[ $(wc -l < runs) -gt 2 ] && exec echo listed\n{ends}\n"
    )
    program.chmod(0o755)
    manage = v.VBoxManage(str(program))
    assert manage.read("list", "vms") == "listed\n"
    (tmp_path / "runs").write_text("\n")
    with pytest.raises(v.CommandFailed, match=r"^VBoxManage sharedfolder remove x: it crashed \(exit status -?1"):
        manage.change("sharedfolder", "remove", "x")
    assert (manage.commands, (tmp_path / "runs").read_text()) == ([], "\n\n")


def test_the_program_runs_in_a_utf8_locale(tmp_path, monkeypatch):
    program = tmp_path / "VBoxManage"
    program.write_text(
        "#!/bin/sh\n# A stand-in for VBoxManage that prints its locale.\n"
        'echo 7.2.22\necho "$LANG|$LC_ALL|$LC_MESSAGES|$LANGUAGE"\n'
    )
    program.chmod(0o755)
    for name in ("LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.setenv(name, "de_DE.ISO-8859-1")
    assert v.VBoxManage(str(program)).read("x").splitlines()[1] == "C.UTF-8|C.UTF-8||"
    assert os.environ["LANG"] == "de_DE.ISO-8859-1"


@pytest.mark.parametrize("encoding", ["Shift_JIS", "bogus", "base64", "utf-7", "idna", "punycode"])
def test_an_encoding_that_python_cannot_read_is_the_fault_of_its_machine_alone(tmp_path, encoding):
    text = text_of("").replace('version="1.0"', f'version="1.0" encoding="{encoding}"', 1)
    (tmp_path / "m.vbox").write_text(text, encoding="ascii")
    found = v.VBoxManage._from_file("u", str(tmp_path / "m.vbox"))
    assert (found.accessible, found.state) == (False, "inaccessible") and "encoding" in found.problem
    with pytest.raises((Failure, settings.ElementTree.ParseError)):
        settings.parse_registry(text.encode())
