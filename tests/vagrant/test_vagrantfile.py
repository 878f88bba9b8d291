# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role vagrantfile, with the real Vagrant on projects, and its driver on the lab's real VBoxManage."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import collection
import pytest
import vagrants
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _vagrant
from fleet import Fleet
from pages import block
from programs import check
from setup import REPOSITORY
from vagrants import SHARED, STORE, Vagrant, project

assert collection.FINDER, "it makes ansible_collections importable"

pytestmark = pytest.mark.thorough

HERE = Path(__file__).resolve().parent
EXAMPLES = REPOSITORY / "docs" / "examples" / "vagrant"
PAGE = REPOSITORY / "docs" / "vagrant.md"
SYMLINKS = "VBoxInternal2/SharedFoldersEnableSymlinksCreate/"
DEFAULTS = {
    "placement": "block",
    "generation": "2",
    "machines": [],
    "store": STORE,
    "share": "ZeroInstall",
    "mount": "vagrant",
    "guest_path": STORE,
    "cache": "",
    "cache_share": "ZeroInstallGuests",
    "cache_guest_path": SHARED,
    "symlink_policy": "relative",
}


def text(**settings: Any) -> str:
    """What the role writes for these settings, the rest being its defaults."""
    return _vagrant.render(_vagrant.Settings(**{**DEFAULTS, **settings}))


@pytest.fixture
def vagrant(tmp_path: Path) -> Vagrant:
    """Vagrant with a new home folder."""
    return Vagrant(tmp_path)


def add(path: str, *options: str) -> list[str]:
    """Adding the store's share, as Vagrant has read it."""
    return ["sharedfolder", "add", "id", "--name", "ZeroInstall", "--hostpath", path, *options]


READ_ONLY = [
    ["pre-boot", ["sharedfolder", "remove", "id", "--name", "ZeroInstall"]],
    ["pre-boot", add(STORE, "--readonly")],
    ["pre-boot", ["setextradata", "id", SYMLINKS + "ZeroInstall"]],
]
WRITABLE = [
    ["pre-boot", ["setextradata", "id", SYMLINKS + "ZeroInstallGuests", "1"]],
    ["pre-boot", ["sharedfolder", "modify", "id", "--name", "ZeroInstallGuests", "--symlink-policy=relative"]],
]


# --- what Vagrant reads -------------------------------------------------------------------------------------------


def test_vagrant_reads_every_variant(vagrant: Vagrant) -> None:
    """Both generations, one machine and several, with and without the second store, mounted by Vagrant or not."""
    cache = str(vagrant.folder / "0install.net/implementations")
    variants = {}
    for number, (generation, machines, second, mount) in enumerate(
        itertools.product(("2", "1"), ((), ("web", "we b")), (False, True), ("vagrant", "cache_guest"))
    ):
        if (generation, mount) != ("1", "cache_guest"):
            settings = {"generation": generation, "machines": list(machines), "mount": mount}
            settings["cache"] = cache if second else ""
            have = ("web", "we b", "other") if machines else ()
            folder = project(vagrant.folder / str(number), text(**settings), machines=have)
            variants[folder] = (generation, machines, second, mount)
    found = vagrant.read(*variants)
    assert len(variants) == 12
    for folder, (generation, chosen, second, mount) in variants.items():
        names = ["web", "we b", "other"] if chosen else ["default"]
        assert list(found[str(folder)]) == names
        for name in names:
            machine = found[str(folder)][name]
            assert machine["errors"] == []
            assert all("VirtualBox-specific" in line for line in machine["warnings"]), machine["warnings"]
            folders = {path: one for path, one in machine["folders"].items() if path != "/vagrant"}
            if name == "other":
                assert (folders, machine["customizations"], machine["provisioners"]) == ({}, [], [])
                continue
            if mount == "vagrant":
                store = folders.pop(STORE)
                expected = {
                    "id": "ZeroInstall",
                    "hostpath": STORE,
                    "guestpath": STORE,
                    "owner": "root",
                    "group": "root",
                    "mount_options": ["ro", "nodev", "nosuid"],
                    "SharedFoldersEnableSymlinksCreate": False,
                    "disabled": False,
                }
                assert expected.items() <= store.items(), store
                assert store.get("type") == ("virtualbox" if generation == "2" else None)
                wanted: list[Any] = [*READ_ONLY]
            else:
                wanted = [READ_ONLY[2], ["post-boot", add(STORE, "--readonly", "--transient")]]
            if second:
                shared = folders.pop(SHARED)
                assert shared["hostpath"] == cache and shared["id"] == "ZeroInstallGuests"
                assert shared["SharedFoldersEnableSymlinksCreate"] is True and "ro" not in shared["mount_options"]
                wanted += WRITABLE
                ((kind, line),) = machine["provisioners"]
                assert kind == "shell" and line.startswith("chown -h ")
            assert folders == {}
            assert machine["customizations"] == wanted


def test_the_recipe_to_copy_is_what_the_role_writes(vagrant: Vagrant) -> None:
    """The one in docs/vagrant.md, for a user without Ansible."""
    parts = [text(), block(PAGE, "ruby", "Vagrant.configure")]
    folders = [project(vagrant.folder / str(number), part) for number, part in enumerate(parts)]
    role, copied = vagrant.read(*folders).values()
    assert copied == role


def test_other_providers_see_nothing_of_it(vagrant: Vagrant) -> None:
    """A folder of the type virtualbox stops every other provider."""
    folder = project(vagrant.folder / "p", text())
    script = (
        "require 'vagrant'; e = Vagrant::Environment.new(cwd: ARGV[0], ui_class: Vagrant::UI::Silent);"
        "puts e.vagrantfile.machine_config(:default, :docker, nil, nil, false)[:config].vm.synced_folders.keys"
    )
    done = subprocess.run(
        ["ruby", "-e", script, folder],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **vagrant.environment},
    )
    assert done.stdout.split() == ["/vagrant"]


HOSTILE = (
    "#{File.write(%q(TRAP), '')}",
    "'; File.write('TRAP', ''); '",
    '"; File.write("TRAP", ""); "',
    "\\'; File.write('TRAP', ''); #",
    "\\",
    "\\\\'",
    "`touch TRAP`",
    "$(touch TRAP)",
    "%x(touch TRAP)",
    "é#{File.write(%q(TRAP), '')}\"\\",
    "日本 \u202e#{`touch TRAP`}",
    "#$0#@x#@@y",
    "=begin",
    "__END__",
    "a b\u2028c",
)


PATTERNS = {
    "machines": "%s",
    "store": "/srv/%s/0install.net/implementations",
    "share": "%s",
    "guest_path": "/srv/%s",
    "cache": "~/%s/0install.net/implementations",
    "cache_share": "%s",
    "cache_guest_path": "/srv/%s",
}


def accepted(generation: str, values: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Settings with those values that are taken, and the names of the variables whose values are refused."""
    settings: dict[str, Any] = {"generation": generation, "cache": "/srv/0install.net/implementations"}
    settings["mount"] = "cache_guest" if generation == "2" else "vagrant"
    refused: dict[str, str] = {}
    for variable, value in values.items():
        more = {variable: [value] if variable == "machines" else value}
        # Names are freer where Vagrant mounts nothing.
        mount = {"mount": "vagrant", "share": "ZeroInstall"} if variable == "guest_path" else {}
        try:
            text(**{**settings, **more, **mount})
        except _vagrant.Failure as failure:
            refused[variable] = str(failure)
        else:
            settings.update(more)
    assert all(message.startswith(f"vagrantfile_{variable}: ") for variable, message in refused.items()), refused
    return settings, list(refused)


def test_hostile_names_are_data_in_every_variable(vagrant: Vagrant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name in each variable: Vagrant reads it back as it was written, or it is refused."""
    trap = vagrant.folder / "trap"
    monkeypatch.chdir(vagrant.folder)
    read: dict[Path, dict[str, Any]] = {}
    taken = []
    for generation, name in itertools.product(("1", "2"), HOSTILE):
        values = {variable: form % name.replace("TRAP", str(trap)) for variable, form in PATTERNS.items()}
        settings, refused = accepted(generation, values)
        assert {"guest_path", "cache_guest_path", "cache_share"} <= set(refused) or name == "__END__", refused
        taken += [variable for variable in PATTERNS if variable not in refused]
        folder = project(vagrant.folder / f"p{len(read)}", text(**settings), machines=())
        read[folder] = settings
    found = vagrant.read(*read)
    for folder, settings in read.items():
        assert list(found[str(folder)]) == settings["machines"]
        (machine,) = found[str(folder)].values()
        paths = {one["hostpath"] for one in machine["folders"].values()}
        words = {word for _event, call in machine["customizations"] for word in call}
        assert settings["store"] in words
        assert os.path.expanduser(settings["cache"]) in paths
        assert settings.get("share", "ZeroInstall") in words
    assert not trap.exists()
    assert all(taken.count(variable) == 2 * len(HOSTILE) for variable in ("machines", "store", "cache")), taken
    assert "share" in taken


# --- the role -----------------------------------------------------------------------------------------------------


class Role:
    """Runs of the role on this machine, as root, with the real Vagrant and Ruby."""

    def __init__(self, vagrant: Vagrant, fleet: Fleet | None = None) -> None:
        self.vagrant = vagrant
        self.folder = vagrant.folder

    def run(self, *options: str, status: int = 0, entry: str = "main", **variables: Any) -> dict[str, Any]:
        """One run; the report of Ansible's JSON callback."""
        settings = {f"vagrantfile_{key}": value for key, value in variables.items()}
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(HERE / "role.yml"), *options]
        command += ["-e", json.dumps({"entry": entry, "ansible_python_interpreter": "/usr/bin/python3", **settings})]
        environment = {
            **os.environ,
            **self.vagrant.environment,
            "HOME": str(self.folder),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_NOCOLOR": "1",
        }
        del environment["VAGRANT_HOME"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=self.folder)
        assert (done.returncode != 0) == bool(status), done.stdout + done.stderr
        return json.loads(done.stdout[done.stdout.index("{") :])

    def changed(self, *options: str, **variables: Any) -> int:
        """Tasks that change something."""
        return self.run(*options, **variables)["stats"]["localhost"]["changed"]

    def message(self, **variables: Any) -> str:
        """The message of a run that has to fail."""
        report = self.run(status=2, **variables)
        results = [task["hosts"]["localhost"] for play in report["plays"] for task in play["tasks"]]
        return [str(result["msg"]) for result in results if result.get("failed")][-1]


@pytest.fixture
def role(vagrant: Vagrant) -> Role:
    """The role, and a home folder for who runs it."""
    return Role(vagrant)


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files in a folder, with modes and contents."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


OWN = (
    b"# Mine: \xc3\xa9t\xc3\xa9\nVagrant.configure('2') do |config|\r\n  config.vm.box = 'debian'\nend\n"
    b"__END__\nnot Ruby ("
)


def test_block_in_a_project(role: Role) -> None:
    """Check mode, diff, the run, the second run, drift, another setting, removal; the user's own bytes stay."""
    folder = role.folder / "my project"
    folder.mkdir()
    path = folder / "Vagrantfile"
    path.write_bytes(OWN)
    path.chmod(0o640)
    before = files(folder)
    report = role.run("--check", "--diff", path=str(path))
    assert report["stats"]["localhost"]["changed"] == 1
    assert "sharedfolder" in json.dumps(report["plays"]) and "'--readonly'" in json.dumps(report["plays"])
    assert files(folder) == before
    assert role.changed(path=str(path)) == 1
    after = path.read_bytes()
    begin, _block, end = after.partition(text().encode())
    assert begin == OWN.partition(b"__END__")[0] + b"# BEGIN Zero Install (zeroinstall.virtualbox.vagrantfile)\n"
    assert end == b"# END Zero Install (zeroinstall.virtualbox.vagrantfile)\n__END__\nnot Ruby ("
    assert path.stat().st_mode & 0o777 == 0o640
    assert STORE in role.vagrant.read(folder)[str(folder)]["default"]["folders"]
    assert role.changed(path=str(path)) == 0
    path.write_bytes(after.replace(b"'--readonly'", b"'--automount'"))
    assert role.changed("--check", path=str(path)) == 1
    assert role.changed(path=str(path)) == 1
    assert path.read_bytes() == after
    assert role.changed(path=str(path), share="Other") == 1
    assert b"'ZeroInstall'" not in path.read_bytes()
    assert role.changed("--check", path=str(path), entry="absent") == 1
    assert b"'Other'" in path.read_bytes()
    assert role.changed(path=str(path), entry="absent") == 1
    assert files(folder) == before
    assert role.changed(path=str(path), entry="absent") == 0


def test_file_that_one_line_loads(role: Role) -> None:
    """The line of the documentation; a file that is still loaded is not removed."""
    line = "load File.expand_path('../Vagrantfile.zeroinstall', __FILE__)\n"
    folder = project(role.folder / "p")
    variables = {"placement": "file", "path": str(folder / "Vagrantfile")}
    assert role.changed("--check", **variables) == 1
    assert list(files(folder)) == ["Vagrantfile"]
    assert role.changed(**variables) == 1
    assert role.changed(**variables) == 0
    project(folder, line)
    assert block(PAGE, "ruby", "load ") == line
    assert STORE in role.vagrant.read(folder)[str(folder)]["default"]["folders"]
    assert "Take the line that loads it out first" in role.message(entry="absent", **variables)
    assert len(files(folder)) == 2
    project(folder)
    assert role.changed(entry="absent", **variables) == 2
    assert list(files(folder)) == ["Vagrantfile"]
    assert role.changed(entry="absent", **variables) == 0


def test_users_own_vagrantfile(role: Role) -> None:
    """It counts for every project of the user's, and goes as it came."""
    home = role.folder / ".vagrant.d" / "Vagrantfile"
    first, second = project(role.folder / "first"), project(role.folder / "second", machines=("a", "b"))
    assert role.changed(placement="home") == 1
    assert home.stat().st_mode & 0o777 == 0o644
    assert role.changed(placement="home") == 0
    role.vagrant.environment["VAGRANT_HOME"] = str(home.parent)
    found = role.vagrant.read(first, second)
    assert all(STORE in machine["folders"] for one in found.values() for machine in one.values())
    assert sum(len(one) for one in found.values()) == 3
    assert role.changed(placement="home", entry="absent") == 2
    assert not home.exists()
    home.write_text("# my own\n", encoding="utf-8")
    assert role.changed(placement="home") == 1
    assert role.changed(placement="home", entry="absent") == 1
    assert home.read_text(encoding="utf-8") == "# my own\n"


def test_second_store_is_made_and_its_policy_is_asked_for(role: Role) -> None:
    """The version comes from the VBoxManage of the host, here a stand-in that only prints one."""
    folder = project(role.folder / "p")
    cache = role.folder / "guests" / "0install.net" / "implementations"
    for version, limited in (("7.0.26r168464", False), ("7.2.22r175245", True)):
        program = role.folder / "VBoxManage"
        program.write_text(f"#!/bin/sh\necho 'WARNING: no driver'\necho {version}\n", encoding="utf-8")
        program.chmod(0o755)
        variables = {"path": str(folder / "Vagrantfile"), "vboxmanage": str(program), "cache": str(cache)}
        role.run(**variables)
        assert cache.is_dir() and cache.stat().st_mode & 0o777 == 0o755
        assert ("--symlink-policy=relative" in (folder / "Vagrantfile").read_text(encoding="utf-8")) == limited
        assert role.changed(**variables) == 0


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (b"=begin\n", ["embedded document meets end of file"]),
        (b"Vagrant.configure('2') do |config|\n", ["syntax error"]),
        (b"Vagrant.configure('2') { |c| c.vm.box = 'x'; c.vm.nosuch = 1 }\n", ["nosuch"]),
        (b"Vagrant.configure('2') { |c| c.vm.box = 'x' }\nraise 'not today'\n", ["not today"]),
        (
            b"Vagrant.configure('2') { |c| c.vm.box = 'x'\n"
            b"c.vm.synced_folder '.', '/var/cache/0install.net/implementations', name: 'mine' }\n",
            ["guest path is used multiple times"],
        ),
    ],
    ids=["open comment", "open block", "unknown setting", "exception", "place taken"],
)
def test_a_vagrantfile_that_is_not_valid_is_not_left_behind(role: Role, own: bytes, words: list[str]) -> None:
    folder = role.folder / "p"
    folder.mkdir()
    (folder / "Vagrantfile").write_bytes(own)
    before = files(folder)
    message = role.message(path=str(folder / "Vagrantfile"))
    assert str(folder / "Vagrantfile") in message and "is as it was before" in message
    assert all(word in message for word in words), message
    assert ("not to blame" in message) == (words != ["guest path is used multiple times"]), message
    assert "probe" not in message
    assert files(folder) == before
    assert not [path for path in folder.iterdir() if path.name != "Vagrantfile"]


@pytest.mark.parametrize("variables", [{}, {"share": "Other"}], ids=["nothing to write", "another part"])
def test_a_part_of_an_earlier_run_that_breaks_the_file_is_to_blame(role: Role, variables: dict[str, str]) -> None:
    """The user's lines came to contradict it; it stays, and the message says so, with the way out."""
    folder = project(role.folder / "p")
    path = str(folder / "Vagrantfile")
    role.run(path=path)
    taken = f"Vagrant.configure('2') {{ |c| c.vm.synced_folder '.', '{STORE}', name: 'mine' }}\n"
    with (folder / "Vagrantfile").open("a", encoding="utf-8") as file:
        file.write(taken)
    before = files(folder)
    message = role.message(path=path, **variables)
    assert "guest path is used multiple times" in message, message
    assert f"{path} on localhost cannot be used with the Zero Install part in it. {path} is as it was" in message
    assert "with the part that an earlier run wrote: tasks_from: absent takes it out." in message
    assert files(folder) == before
    (folder / "Vagrantfile").write_bytes((folder / "Vagrantfile").read_bytes() + b"raise 'not today'\n")
    before = files(folder)
    message = role.message(path=path, **variables)
    assert "not to blame" in message and "with the part that an earlier run wrote" in message, message
    assert files(folder) == before


@pytest.mark.parametrize("placement", ["file", "home"])
@pytest.mark.parametrize("breaks", ["sharedfolder", "Vagrant"], ids=["the part", "everything"])
def test_what_breaks_without_a_project_is_told_as_well(role: Role, placement: str, breaks: str) -> None:
    """The program before Vagrant reads no Vagrantfile that has this word in it."""
    program = role.folder / "vagrant"
    program.write_text(
        f"""#!/bin/sh
        case "$*" in
        *validate*)
            if grep -q {breaks} "$ZEROINSTALL_LOAD" ~/.vagrant.d/Vagrantfile; then echo 'not today' >&2; exit 1; fi
        esac
        exec vagrant "$@"
        """,
        encoding="utf-8",
    )
    program.chmod(0o755)
    (role.folder / "p").mkdir()
    path = "" if placement == "home" else str(role.folder / "p/Vagrantfile")
    message = role.message(placement=placement, path=path, vagrant=str(program))
    assert "not today" in message, message
    assert ("not to blame" in message) == (breaks == "Vagrant"), message
    assert ("An empty Vagrantfile" in message) == (breaks == "Vagrant" and placement == "file"), message
    assert not list((role.folder / "p").iterdir()) and not (role.folder / ".vagrant.d/Vagrantfile").exists()


BOX = b"Vagrant.configure('2') do |config|\n  config.vm.box = 'x/y'\nend\n"
SWALLOWING = {
    "return": (
        BOX + b"return unless ENV['MORE']\nVagrant.configure('2') { |c| c.vm.hostname = 'z' }\n",
        "line 4: return",
    ),
    "exit": (BOX + b"exit 0 if ENV['MORE'].nil?\n", "line 4: exit"),
    "abort in a called method": (BOX + b"def stop\n  Kernel.exit! true\nend\nstop\n", "ends before it has read"),
    "heredoc": (b"S = <<EOS\na\n__END__\nb\nEOS\n" + BOX, "line 1: S = <<EOS; line 3: __END__"),
    "comment": (b"=begin\n__END__\n=end\n" + BOX, "line 1: =begin; line 2: __END__"),
    "taken back": (
        BOX + b"Vagrant.configure('2') { |c| c.vm.define('a') { |m| m.vm.provider(:virtualbox) { |_, o| "
        b"o.vm.synced_folder '/srv', '/var/cache/0install.net/implementations', id: 'ZeroInstall' } } }\n",
        "machine 'a' has no synced folder 'ZeroInstall'",
    ),
}


@pytest.mark.parametrize("own, reason", SWALLOWING.values(), ids=SWALLOWING)
def test_a_part_that_has_no_effect_is_refused_with_the_reason(role: Role, own: bytes, reason: str) -> None:
    """What Vagrant has is compared with what is wanted; the file is put back."""
    folder = role.folder / "p"
    folder.mkdir()
    (folder / "Vagrantfile").write_bytes(own)
    before = files(folder)
    message = role.message(path=str(folder / "Vagrantfile"))
    assert "is as it was before" in message and "has no effect" in message and reason in message, message
    assert files(folder) == before


def test_a_part_that_lost_its_effect_is_told_by_a_run_that_has_nothing_to_write(role: Role) -> None:
    folder = project(role.folder / "p")
    assert role.changed(path=str(folder / "Vagrantfile")) == 1
    swallowed = (folder / "Vagrantfile").read_text(encoding="utf-8").replace("# BEGIN", "return\n# BEGIN")
    (folder / "Vagrantfile").write_text(swallowed, encoding="utf-8")
    message = role.message(path=str(folder / "Vagrantfile"))
    assert "has no effect: machine 'default' has no synced folder" in message and "line 4: return" in message, message
    assert (folder / "Vagrantfile").read_text(encoding="utf-8") == swallowed


def test_no_effect_in_the_users_own_vagrantfile_and_by_a_line_that_never_runs(role: Role) -> None:
    home = role.folder / ".vagrant.d" / "Vagrantfile"
    home.parent.mkdir()
    home.write_text("return\n", encoding="utf-8")
    assert "line 1: return" in role.message(placement="home")
    assert home.read_text(encoding="utf-8") == "return\n"
    home.unlink()
    line = "load File.expand_path('../Vagrantfile.zeroinstall', __FILE__)\n"
    folder = project(role.folder / "p", "return\n", line)
    variables = {"placement": "file", "path": str(folder / "Vagrantfile")}
    before = files(folder)
    assert "has no effect" in role.message(**variables)
    assert files(folder) == before
    project(folder, "# " + line)
    report = json.dumps(role.run(**variables))
    assert "does not load Vagrantfile.zeroinstall yet" in report and "../Vagrantfile.zeroinstall" in report


def test_a_vagrantfile_for_another_ones_plugin_is_read_for_virtualbox(role: Role) -> None:
    folder = role.folder / "p"
    folder.mkdir()
    variable = "ENV['VAGRANT_DEFAULT_PROVIDER']"
    for number, line in enumerate((f"{variable} ||= 'libvirt'", f"{variable} = 'x'")):
        own = (
            f"{line}\nVagrant.configure('2') do |config|\n  config.vm.box = 'x/y'\n"
            "  config.vm.provider(:libvirt) { |l| l.memory = 256 }\n"
            "  config.vm.provider(:virtualbox) { |v| v.memory = 256 }\nend\n"
        )
        path = folder / f"Vagrantfile.{number}"
        path.write_text(own, encoding="utf-8")
        assert role.changed(path=str(path)) == 1
        assert path.read_text(encoding="utf-8").startswith(own + "# BEGIN Zero Install")


def test_without_vagrant_and_ruby_nothing_is_checked(role: Role) -> None:
    folder = role.folder / "p"
    folder.mkdir()
    (folder / "Vagrantfile").write_text("=begin\n", encoding="utf-8")
    role.run(path=str(folder / "Vagrantfile"), ruby="/no/such/ruby", vagrant="/no/such/vagrant")
    assert "'--readonly'" in (folder / "Vagrantfile").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"path": ""}, ["vagrantfile_path: ''", "absolute path"]),
        ({"path": "Vagrantfile"}, ["vagrantfile_path", "absolute path"]),
        ({"path": "/no/such/Vagrantfile"}, ["'/no/such/Vagrantfile' is not there", "vagrant init"]),
        ({"store": "/no/such/0install.net/implementations"}, ["vagrantfile_store", "is no folder", "cache_host"]),
        ({"store": "%s/link/0install.net/implementations"}, ["vagrantfile_store", "symbolic link"]),
        ({"store": "/etc"}, ["vagrantfile_store: '/etc' is not a store of implementations"]),
        ({"share": "$(reboot)"}, ["vagrantfile_share", "guest's shell"]),
        ({"placement": "home", "machines": ["web"]}, ["vagrantfile_machines", "every project"]),
        ({"placement": "file", "file": "../x"}, ["vagrantfile_file: '../x'"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_touched(role: Role, variables: dict, words: list[str]) -> None:
    folder = project(role.folder / "p")
    (role.folder / "link/0install.net").mkdir(parents=True)
    (role.folder / "link/0install.net/implementations").symlink_to(STORE)
    before = files(role.folder)
    chosen = {key: value % role.folder if "%s" in str(value) else value for key, value in variables.items()}
    message = role.message(**{"path": str(folder / "Vagrantfile"), **chosen})
    assert all(word in message for word in words), message
    left = {name: value for name, value in files(role.folder).items() if not name.startswith(".ansible/")}
    assert left == before


# --- Vagrant's own code on a real VirtualBox ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def host() -> Iterator[Fleet]:
    """A VirtualBox host of the lab without guests."""
    with Fleet("vagrant-host", ()).running(quiet=True) as made, vagrants.service(made):
        yield made


@pytest.mark.parametrize("generation", ["2", "1"])
def test_vagrants_driver_makes_shares_that_virtualbox_has_read_only(
    host: Fleet, vagrant: Vagrant, generation: str
) -> None:
    """Boot after boot, with shares that an earlier Vagrantfile left behind, which could be written and take links."""
    cache = vagrant.folder / "guests" / "0install.net" / "implementations"
    cache.mkdir(parents=True)
    host.host("mkdir", "-p", str(cache))
    name = f"generation{generation}"
    host.vbox("createvm", "--name", name, "--register")
    host.vbox("sharedfolder", "add", name, "--name=ZeroInstall", f"--hostpath={STORE}")
    host.vbox("setextradata", name, SYMLINKS + "ZeroInstall", "1")
    vagrant = Vagrant(vagrant.folder, host)
    only = "  config.vm.synced_folder '.', '/vagrant', disabled: true\n"
    part = text(generation=generation, cache=str(cache))
    folder = project(vagrant.folder / "p", part, machines=(name,), extra=only)
    for _boot in range(3):
        uuid = vagrants.uuid_of(host, name)
        vagrant.boot(folder, name, uuid)
        assert ["sharedfolder", "add", uuid, "--name", "ZeroInstall", "--hostpath", STORE] in vagrant.calls()
        found = vagrants.shares(host, name)
        assert set(found) == {"ZeroInstall", "ZeroInstallGuests"}
        store, shared = found["ZeroInstall"], found["ZeroInstallGuests"]
        assert (store["path"], store["writable"], store["symlinks"], store["kind"]) == (STORE, False, False, "machine")
        assert (shared["path"], shared["writable"], shared["symlinks"]) == (str(cache), True, True)
        assert shared["symlink_policy"] == "relative"


def test_the_share_goes_at_the_next_boot_after_it_was_taken_out(host: Fleet, vagrant: Vagrant) -> None:
    """If the machine has any other synced folder of VirtualBox's; Vagrant removes nothing otherwise."""
    host.vbox("createvm", "--name", "left", "--register")
    vagrant = Vagrant(vagrant.folder, host)
    uuid = vagrants.uuid_of(host, "left")
    disabled = "  config.vm.synced_folder '.', '/vagrant', disabled: true\n"
    project(vagrant.folder / "p", text(), machines=("left",), extra=disabled)
    vagrant.boot(vagrant.folder / "p", "left", uuid)
    project(vagrant.folder / "p", machines=("left",), extra=disabled)
    vagrant.boot(vagrant.folder / "p", "left", uuid)
    assert [share["writable"] for share in vagrants.shares(host, "left").values()] == [False]
    other = disabled + "  config.vm.synced_folder '/srv', '/srv'\n"
    project(vagrant.folder / "p", machines=("left",), extra=other)
    vagrant.boot(vagrant.folder / "p", "left", uuid)
    assert "ZeroInstall" not in vagrants.shares(host, "left")


def test_without_the_role_vagrant_shares_it_writable(host: Fleet, vagrant: Vagrant) -> None:
    """What the read-only share is measured against: the recipe with Vagrant's own options alone."""
    host.vbox("createvm", "--name", "plain", "--register")
    vagrant = Vagrant(vagrant.folder, host)
    extra = (
        "  config.vm.synced_folder '.', '/vagrant', disabled: true\n"
        f"  config.vm.synced_folder '{STORE}', '{STORE}', id: 'ZeroInstall', mount_options: ['ro']\n"
    )
    folder = project(vagrant.folder / "p", machines=("plain",), extra=extra)
    vagrant.boot(folder, "plain", vagrants.uuid_of(host, "plain"))
    store = vagrants.shares(host, "plain")["ZeroInstall"]
    assert (store["writable"], store["symlinks"]) == (True, True)


# --- the examples -------------------------------------------------------------------------------------------------


def test_the_printed_play_writes_the_vagrantfile(role: Role) -> None:
    (role.folder / "play.yml").write_text(block(PAGE, "yaml"), encoding="utf-8")
    path = project(role.folder / "p") / "Vagrantfile"
    variables = {"vagrantfile_path": str(path), "ansible_python_interpreter": "/usr/bin/python3"}
    command = ["ansible-playbook", "-i", "workstation,", "-c", "local", "play.yml", "-e", json.dumps(variables)]
    check(command, cwd=role.folder, environment=role.vagrant.environment)
    assert STORE in role.vagrant.read(path.parent)[str(path.parent)]["default"]["folders"]


def test_the_examples_are_read_by_vagrant(vagrant: Vagrant) -> None:
    folder = vagrant.folder / "vagrant"
    shutil.copytree(EXAMPLES, folder)
    local = folder / "ansible_local"
    for place in (folder, local):
        (place / "Vagrantfile.zeroinstall").write_text(text(mount="cache_guest", placement="file"), encoding="utf-8")
    found = vagrant.read(folder, local)
    assert list(found[str(folder)]) == ["web", "db"]
    for place, kind in ((folder, "ansible"), (local, "ansible_local")):
        for machine in found[str(place)].values():
            assert [one[0] for one in machine["provisioners"]] == [kind]
            assert machine["customizations"][1] == ["post-boot", add(STORE, "--readonly", "--transient")]
        check(["vagrant", "validate", "--ignore-provider"], cwd=place, environment=vagrant.environment)
    assert (local / "guest.yml").read_bytes() == (folder / "guest.yml").read_bytes()


def test_vagrants_inventory_serves_for_share_and_verify(
    host: Fleet, vagrant: Vagrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written by Vagrant's own provisioner, and the rest from the example: the host's part, on the real VirtualBox."""
    folder = vagrant.folder / "vagrant"
    shutil.copytree(EXAMPLES, folder)
    (folder / "Vagrantfile.zeroinstall").touch()
    vagrant.ruby("inventory.rb", folder)
    written = folder / ".vagrant/provisioners/ansible/inventory"
    assert "Generated by Vagrant" in (written / "vagrant_ansible_inventory").read_text(encoding="utf-8")
    for name in ("web", "db"):
        host.vbox("createvm", "--name", f"vagrant_{name}_1", "--register")
        (folder / f".vagrant/machines/{name}/virtualbox").mkdir(parents=True, exist_ok=True)
        (folder / f".vagrant/machines/{name}/virtualbox/id").write_text(vagrants.uuid_of(host, f"vagrant_{name}_1"))
    monkeypatch.setenv("PWD", str(folder))
    groups = json.loads(host.inventory.read_text(encoding="utf-8"))["all"]["children"]
    rest = folder / "lab.json"
    hosts = {"localhost": groups["zeroinstall_hosts"]["hosts"]["vbox"]}
    rest.write_text(json.dumps({"zeroinstall_hosts": {"hosts": hosts}}), encoding="utf-8")
    inventories = ("-i", str(folder / "inventory.yml"), "-i", str(rest))
    for playbook in ("share", "verify"):
        options = ("--limit", "zeroinstall_hosts", *inventories)
        play = host.play(f"zeroinstall.virtualbox.{playbook}", *options, inventory=written)
        assert play.status == 0, play.messages("localhost") or play.output
    for name in ("web", "db"):
        share = vagrants.shares(host, f"vagrant_{name}_1")["ZeroInstall"]
        assert (share["path"], share["writable"], share["ours"]) == (STORE, False, True)
    printed = check(["ansible-inventory", "-i", written, "-i", folder / "inventory.yml", "--host", "db"], cwd=folder)
    guest = json.loads(printed[printed.index("{") :])
    assert (guest["ansible_port"], guest["ansible_user"], guest["cache_guest_host"]) == (2223, "vagrant", "localhost")


def test_the_machine_of_the_molecule_scenario_is_the_one_that_its_inventory_names(vagrant: Vagrant) -> None:
    """As far as it goes without a machine: what Vagrant reads, and what Ansible finds of what Vagrant writes."""
    folder = vagrant.folder / "vagrant"
    shutil.copytree(EXAMPLES.with_name("molecule") / "vagrant", folder)
    ((name, machine),) = vagrant.read(folder)[str(folder)].items()
    assert all(folder["disabled"] for folder in machine["folders"].values())
    check(["vagrant", "validate", "--ignore-provider"], cwd=folder, environment=vagrant.environment)
    state = folder / ".vagrant" / "machines" / name / "virtualbox"
    state.mkdir(parents=True, exist_ok=True)
    (state / "id").write_text("6b7436bd-47d1-4164-a9c3-cc88e107b389", encoding="utf-8")
    words = "{{ [cache_guest_machine, ansible_ssh_private_key_file, ansible_port] | join(' ') }}"
    command = ["ansible", name, "-i", "inventory/hosts.yml", "-m", "ansible.builtin.debug", "-a", f'msg="{words}"']
    said = check(command, cwd=folder, environment={"ANSIBLE_NOCOLOR": "1"})
    port = re.search(r"host: (\d+)", (folder / "Vagrantfile").read_text(encoding="utf-8"))
    key = folder / "inventory" / ".." / ".vagrant" / "machines" / name / "virtualbox" / "private_key"
    assert port and f"6b7436bd-47d1-4164-a9c3-cc88e107b389 {key} {port[1]}" in said


def test_ansible_local_installs_the_collection_and_calls_the_guests_role(vagrant: Vagrant, tree: Path) -> None:
    """Vagrant's own provisioner, with commands run here instead of in a guest: the role gets as far as to say so."""
    folder = vagrant.folder / "vagrant"
    shutil.copytree(EXAMPLES / "ansible_local", folder)
    (folder / "Vagrantfile.zeroinstall").touch()
    own = (folder / "Vagrantfile").read_text(encoding="utf-8")
    paths = f"ansible.provisioning_path = '{folder}'\n    ansible.tmp_path = '{vagrant.folder}/tmp'\n    "
    (folder / "Vagrantfile").write_text(own.replace("ansible.playbook", paths + "ansible.playbook"), encoding="utf-8")
    requirements = (folder / "requirements.yml").read_text(encoding="utf-8")
    (folder / "requirements.yml").write_text(requirements.replace("/vagrant/", f"{folder}/"), encoding="utf-8")
    check(["ansible-galaxy", "collection", "build", "--output-path", folder], cwd=tree)
    (archive,) = folder.glob("*.tar.gz")
    assert f"{folder}/{archive.name}" in (folder / "requirements.yml").read_text(encoding="utf-8")
    environment = {
        **os.environ,
        **vagrant.environment,
        "HOME": str(vagrant.folder),
        "ANSIBLE_COLLECTIONS_PATH": str(vagrant.folder / "collections"),
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_BECOME_METHOD": "ansible.builtin.su",
    }
    command = ["ruby", str(HERE / "provision_local.rb"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert "was installed successfully" in printed, printed
    assert "zeroinstall.virtualbox.cache_guest : Read the guest, and see what it needs" in printed, printed
    assert "default is no VirtualBox guest" in printed, printed
