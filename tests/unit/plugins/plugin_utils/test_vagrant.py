# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Zero Install part of a Vagrantfile. That Vagrant reads it so is tested in tests/vagrant."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.filter.vagrantfile import FilterModule, vagrantfile
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _vagrant

STORE = "/var/cache/0install.net/implementations"
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
    "cache_guest_path": "/home/vagrant/.cache/0install.net/implementations",
    "symlink_policy": "auto",
}
CACHE = "~/.cache/guests/0install.net/implementations"


def text(version="", **settings):
    """What is written with these settings, the rest being the role's defaults."""
    return vagrantfile({**DEFAULTS, **settings}, version)


def test_today():
    assert (
        text()
        == f"""\
Vagrant.configure('2') do |config|
  config.vm.provider :virtualbox do |vb, override|
    # The host's packages: VirtualBox refuses writes and links, whatever the guest's root does.
    override.vm.synced_folder '{STORE}', '{STORE}',
      id: 'ZeroInstall', type: 'virtualbox',
      owner: 'root', group: 'root', mount_options: ['ro', 'nodev', 'nosuid'], SharedFoldersEnableSymlinksCreate: false
    # Vagrant can share a folder only writable, so another share takes its place at each boot.
    vb.customize ['sharedfolder', 'remove', :id, '--name', 'ZeroInstall']
    vb.customize ['sharedfolder', 'add', :id, '--name', 'ZeroInstall', '--hostpath', '{STORE}', '--readonly']
    vb.customize ['setextradata', :id, 'VBoxInternal2/SharedFoldersEnableSymlinksCreate/ZeroInstall']
  end
end
"""
    )


def test_mounted_by_the_guests_role():
    """Nothing for Vagrant to mount; the share comes after each boot, when nothing has to be cleared for it."""
    found = text(mount="cache_guest", guest_path="")
    assert "synced_folder" not in found
    assert "vb.customize 'post-boot', ['sharedfolder', 'add', :id," in found
    assert "'--readonly', '--transient']" in found


def test_old_generation():
    found = text(generation="1", machines=["web"])
    assert found.startswith("Vagrant::Config.run do |config|\n  ['web'].each do |name|\n")
    assert "config.vm.define name.to_sym do |machine|" in found
    assert f"machine.vm.share_folder 'ZeroInstall', '{STORE}', '{STORE}'," in found
    assert ":extra => 'ro,nodev,nosuid'" in found
    assert "synced_folder" not in found and "provider" not in found


def test_second_store():
    found = text("7.2.22r175245", cache=CACHE)
    assert f"synced_folder File.expand_path('{CACHE}'), '/home/vagrant/.cache/0install.net/implementations'" in found
    assert "SharedFoldersEnableSymlinksCreate/ZeroInstallGuests', '1']" in found
    assert "'--name', 'ZeroInstallGuests', '--symlink-policy=relative']" in found
    chown = 'chown -h "$(stat -c %u:%g /home/vagrant)" /home/vagrant/.cache /home/vagrant/.cache/0install.net'
    assert f"override.vm.provision :shell, inline: '{chown}'" in found
    assert "chown" not in text(cache=CACHE, cache_guest_path="/srv/store")


@pytest.mark.parametrize(
    ("version", "policy", "limited"),
    [
        ("7.2.22r175245", "auto", True),
        ("7.1.0r164728", "auto", True),
        ("10.0.0r1", "auto", True),
        ("WARNING: The character device does not exist.\n\t 7.0 is old\n7.2.22_Debianr175245\n", "auto", True),
        ("7.0.20r163906", "auto", False),
        ("6.1.50", "auto", False),
        ("", "auto", False),
        ("", "relative", True),
        ("7.2.22r175245", "none", False),
    ],
)
def test_symlink_policy(version, policy, limited):
    assert ("--symlink-policy" in text(version, cache=CACHE, symlink_policy=policy)) == limited


@pytest.mark.parametrize(
    ("value", "ruby"),
    [
        ("plain", "'plain'"),
        ("it's", "'it\\'s'"),
        ("back\\slash\\", "'back\\\\slash\\\\'"),
        ("\\'; exit #", "'\\\\\\'; exit #'"),
        ("#{exit} #$0", "'#{exit} #$0'"),
        ('é"#{exit}\\', '"\\u{e9}\\"\\#{exit}\\\\"'),
        ("\U0001f4e6", '"\\u{1f4e6}"'),
        ("\u202e", '"\\u{202e}"'),
        (["a", True], "['a', true]"),
    ],
)
def test_literals(value, ruby):
    assert _vagrant.literal(value) == ruby


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"placement": "nowhere"}, ["vagrantfile_placement", "none of block, file, home"]),
        ({"generation": "3"}, ["vagrantfile_generation"]),
        ({"mount": "x"}, ["vagrantfile_mount"]),
        ({"symlink_policy": "any"}, ["vagrantfile_symlink_policy"]),
        ({"machines": "web"}, ["vagrantfile_machines", "not a list"]),
        ({"machines": [""]}, ["vagrantfile_machines", "is empty"]),
        ({"machines": ["a\nb"]}, ["vagrantfile_machines", "control characters"]),
        ({"machines": ["\udc80"]}, ["vagrantfile_machines", "not valid Unicode"]),
        ({"machines": [7]}, ["vagrantfile_machines: 7", "not a string"]),
        ({"machines": ["web"], "placement": "home"}, ["vagrantfile_machines", "every project"]),
        ({"generation": "1", "mount": "cache_guest"}, ["vagrantfile_mount", "generation 2"]),
        ({"store": "/var/cache/0install.net"}, ["vagrantfile_store", "not a store"]),
        ({"store": "cache/0install.net/implementations"}, ["vagrantfile_store", "absolute"]),
        ({"store": "~other/0install.net/implementations"}, ["vagrantfile_store", "absolute"]),
        ({"store": "/srv/../0install.net/implementations"}, ["vagrantfile_store", "normalised"]),
        ({"store": "/srv\n/0install.net/implementations"}, ["vagrantfile_store", "control characters"]),
        ({"share": "a b"}, ["vagrantfile_share", "white space"]),
        ({"share": "a/b"}, ["vagrantfile_share", "another share"]),
        ({"share": 'a"b', "mount": "cache_guest"}, ["vagrantfile_share", "another share"]),
        ({"share": "_a"}, ["vagrantfile_share", "another share"]),
        ({"share": "$(id)"}, ["vagrantfile_share", "guest's shell"]),
        ({"share": "a'b"}, ["vagrantfile_share", "guest's shell"]),
        ({"guest_path": "var"}, ["vagrantfile_guest_path", "absolute"]),
        ({"guest_path": "/a/../b"}, ["vagrantfile_guest_path", "normalised"]),
        ({"guest_path": "/a';id;'"}, ["vagrantfile_guest_path"]),
        ({"guest_path": "/a b"}, ["vagrantfile_guest_path"]),
        ({"cache": "/srv/guests"}, ["vagrantfile_cache", "not a store"]),
        ({"cache": STORE}, ["vagrantfile_cache", "no guest may write"]),
        ({"cache": CACHE, "cache_share": "ZeroInstall"}, ["vagrantfile_cache_share"]),
        ({"cache": CACHE, "cache_guest_path": STORE}, ["vagrantfile_cache_guest_path"]),
    ],
)
def test_refused(settings, words):
    with pytest.raises(AnsibleFilterError) as refusal:
        text(**settings)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_unusual_names_that_are_taken():
    store = "/srv/#{x}/0install.net/implementations"
    found = text(machines=["we b", "d'b"], share="o'dd", mount="cache_guest", store=store)
    assert "['we b', 'd\\'b'].each" in found
    assert "'o\\'dd'" in found
    assert f"'{store}'" in found


def test_an_unknown_setting_is_named():
    with pytest.raises(AnsibleFilterError, match="nonsense"):
        text(nonsense=1)


# --- what Vagrant makes of it


def wish(**settings):
    return _vagrant.Settings(**{**DEFAULTS, **settings})


FOLDER = {
    "id": "ZeroInstall",
    "hostpath": STORE,
    "guestpath": STORE,
    "mount_options": ["ro", "nodev", "nosuid"],
    "SharedFoldersEnableSymlinksCreate": False,
}
CALLS = [
    ["pre-boot", ["sharedfolder", "remove", "id", "--name", "ZeroInstall"]],
    ["pre-boot", ["sharedfolder", "add", "id", "--name", "ZeroInstall", "--hostpath", STORE, "--readonly"]],
    ["pre-boot", ["setextradata", "id", "VBoxInternal2/SharedFoldersEnableSymlinksCreate/ZeroInstall"]],
]
OTHER = [["pre-boot", ["modifyvm", "id", "--memory", "256"]]]


def has(folders=(FOLDER,), calls=tuple(CALLS)):
    return {"folders": [{"guestpath": "/vagrant", "hostpath": "."}, *folders], "calls": [*OTHER, *calls]}


@pytest.mark.parametrize(
    ("machines", "names", "lacks"),
    [
        ({"default": has()}, [], []),
        ({"a": has(), "b": has()}, [], []),
        ({"a": has(), "b": has([], [])}, ["a"], []),
        ({"a": has(), "b": has([], [])}, [], ["machine 'b' has no synced folder 'ZeroInstall' of "]),
        ({"b": has()}, ["a"], ["machine 'a' is not there"]),
        ({"a": has([dict(FOLDER, disabled=True)])}, [], ["machine 'a' has no synced folder"]),
        ({"a": has([dict(FOLDER, hostpath="/srv")])}, [], ["machine 'a' has no synced folder"]),
        ({"a": has([dict(FOLDER, SharedFoldersEnableSymlinksCreate=True)])}, [], ["machine 'a' has no synced folder"]),
        ({"a": has(calls=CALLS[:1] + CALLS[2:])}, [], ["'a' has no call of VBoxManage at pre-boot, in its place"]),
        ({"a": has(calls=[CALLS[1], CALLS[0], CALLS[2]])}, [], ["in its place, of sharedfolder add"]),
        ({}, [], ["there is no machine"]),
    ],
)
def test_what_machines_of_vagrant_lack(machines, names, lacks):
    for generation in ("1", "2"):
        settings = wish(machines=names, generation=generation)
        found = _vagrant.missing(settings, {"home": "/home/me", "machines": machines})
        assert len(found) == len(lacks)
        assert all(lack in one for lack, one in zip(lacks, found))


def test_a_path_from_the_home_folder_on_is_looked_for_where_vagrant_has_it():
    cache = "~/x/0install.net/implementations"
    settings = wish(cache=cache, symlink_policy="relative")
    second = {
        "id": settings.cache_share,
        "hostpath": "/home/me" + cache[1:],
        "guestpath": settings.cache_guest_path,
        "mount_options": ["nodev", "nosuid"],
        "SharedFoldersEnableSymlinksCreate": True,
    }
    key = "VBoxInternal2/SharedFoldersEnableSymlinksCreate/" + settings.cache_share
    calls = [
        ["pre-boot", ["setextradata", "id", key, "1"]],
        ["pre-boot", ["sharedfolder", "modify", "id", "--name", settings.cache_share, "--symlink-policy=relative"]],
    ]
    machines = {"a": has([FOLDER, second], CALLS + calls)}
    assert _vagrant.missing(settings, {"home": "/home/me", "machines": machines}) == []
    assert _vagrant.missing(settings, {"home": "/root", "machines": machines}) != []


@pytest.mark.parametrize(
    ("line", "suspect"),
    [
        ("return unless ENV['MORE']", True),
        ("  exit", True),
        ("puts 'x'; abort 'no'", True),
        ("__END__", True),
        ("=begin", True),
        ("S = <<~EOS", True),
        ("S = <<-'END'", True),
        ("# return", False),
        ("list << item", False),
        ("config.vm.box = 'returns/exit_box'", False),
        ("config.vm.define :a", False),
    ],
)
def test_lines_that_may_swallow_what_follows(line, suspect):
    assert _vagrant.suspects("first\n" + line + "\n") == [f"line 2: {line.strip()}"] * suspect


def test_what_is_wrong_can_be_asked_for_as_one_line_instead_of_being_raised():
    """What a filter raises, Ansible wraps into what it was about to do."""
    run = FilterModule().filters()["vagrantfile"]
    settings = {**DEFAULTS, "store": "/etc"}
    with pytest.raises(AnsibleFilterError) as raised:
        run(settings)
    assert run(settings, explain=True) == {"problem": str(raised.value.__cause__)}
    assert run(settings, explain=True)["problem"].startswith("vagrantfile_store: '/etc' is not a store")
    assert run(DEFAULTS, explain=True) == run(DEFAULTS) == text()
