# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Zero Install part of a Vagrantfile: settings in, Ruby out. Every name and path is a literal, never code. Pure.

Before each boot Vagrant removes all shares of a machine and adds its synced folders anew, always writable. Then it
runs the customisations of the event ``pre-boot``, and after the machine has started those of ``post-boot``.
"""

from __future__ import annotations

import posixpath
import re
import typing as t
import unicodedata

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import SYMLINKS_KEY
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.vboxmanage import MODIFY_VERSION

READ_ONLY = ("ro", "nodev", "nosuid")
GENERATIONS = ("1", "2")
PLACEMENTS = ("block", "file", "home")
MOUNTS = ("vagrant", "cache_guest")
POLICIES = ("auto", "relative", "none")


class Code(str):
    """Ruby as it stands, where a string would become a literal."""


class Settings(t.NamedTuple):
    """What is wanted; the fields are the role's variables without ``vagrantfile_``."""

    placement: str
    generation: str
    machines: t.Sequence[str]
    store: str
    share: str
    mount: str
    guest_path: str
    cache: str
    cache_share: str
    cache_guest_path: str
    symlink_policy: str

    @classmethod
    def of(cls, given: t.Mapping[str, t.Any]) -> Settings:
        """Those that a user has written, who may have taken the generation for a number."""
        return cls(**{**given, "generation": str(given["generation"])})


# --- checking -----------------------------------------------------------------------------------------------------


def check(settings: Settings) -> None:
    """Failure: a setting is wrong, by itself or beside another one; the message begins with its variable."""
    for field, values in (
        ("placement", PLACEMENTS),
        ("generation", GENERATIONS),
        ("mount", MOUNTS),
        ("symlink_policy", POLICIES),
    ):
        if getattr(settings, field) not in values:
            raise _refusal(field, getattr(settings, field), f"is none of {', '.join(values)}")
    if isinstance(settings.machines, str) or not isinstance(settings.machines, t.Sequence):
        raise _refusal("machines", settings.machines, "is not a list. Write a list of the machines' names")
    for name in settings.machines:
        _check_text("machines", name)
    if settings.placement == "home" and settings.machines:
        raise _refusal(
            "machines",
            list(settings.machines),
            "cannot be chosen in the user's own Vagrantfile: they would be added to every project. Use the "
            "placement block or file in the project, or leave vagrantfile_machines empty",
        )
    if settings.generation == "1" and settings.mount == "cache_guest":
        raise _refusal(
            "mount",
            settings.mount,
            "needs the configuration generation 2, since the old one has no customisations after the boot. Set "
            "vagrantfile_generation: '2', or let Vagrant mount the store",
        )
    _check_host_path("store", settings.store)
    _check_share("share", settings.share, settings.mount == "vagrant")
    if settings.mount == "vagrant":
        _check_guest_path("guest_path", settings.guest_path)
    if settings.cache:
        _check_cache(settings)


def _check_cache(settings: Settings) -> None:
    _check_host_path("cache", settings.cache)
    _check_share("cache_share", settings.cache_share, True)
    _check_guest_path("cache_guest_path", settings.cache_guest_path)
    if settings.cache == settings.store:
        raise _refusal("cache", settings.cache, "is the host's store, which no guest may write. Choose another folder")
    if settings.cache_share == settings.share:
        raise _refusal("cache_share", settings.cache_share, "is the name of the store's share, too. Choose another one")
    if settings.cache_guest_path == settings.guest_path:
        raise _refusal("cache_guest_path", settings.cache_guest_path, "is the host's store's place. Choose another one")


def _refusal(field: str, value: object, reason: str) -> Failure:
    return Failure(f"vagrantfile_{field}: {value!r} {reason}.")


def _check_text(field: str, text: object) -> None:
    """Failure unless it is a string that a line of Ruby can hold as it is."""
    if not isinstance(text, str):
        raise _refusal(field, text, "is not a string. Put it in quotes")
    if not text:
        raise _refusal(field, text, "is empty")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise _refusal(field, text, "has control characters in it, or is not valid Unicode. Choose another one")


def _check_host_path(field: str, path: str) -> None:
    _check_text(field, path)
    absolute = path[1:] if path.startswith("~/") else path
    if not _names.is_store_path(absolute):
        raise _refusal(
            field,
            path,
            f"is not a store of implementations: write an absolute path, or one from '~/' on, that ends in "
            f"'{_names.STORE}'. What lies beside a store would let a guest run code on the host",
        )
    problem = _names.path_problem(absolute)
    if problem:
        raise _refusal(field, path, problem)


def _check_share(field: str, name: str, mounted: bool) -> None:
    _check_text(field, name)
    try:
        _names.check_share_name(name)
    except Failure as failure:
        raise Failure(f"vagrantfile_{field}: {failure}") from failure
    if re.search(r'[/\\"]', name) or name.startswith(("_", "-")):
        raise _refusal(
            field,
            name,
            "has a slash, a backslash or a double quote in it, or begins with '_' or '-': Vagrant would name or remove "
            "another share. Choose another name",
        )
    if mounted and not re.fullmatch(r"[\w.+-]+", name):
        raise _refusal(
            field,
            name,
            "has other characters than letters, digits and '_.+-' in it, and Vagrant hands the name to the guest's "
            "shell as it is. Choose another name",
        )


def _check_guest_path(field: str, path: str) -> None:
    _check_text(field, path)
    if not re.fullmatch(r"(/[\w.+-]+)+", path) or posixpath.normpath(path) != path:
        raise _refusal(
            field,
            path,
            "is not an absolute, normalised path of letters, digits and '_.+-', which is all that Vagrant's shell "
            "commands and fstab lines take as it is. Choose another path",
        )


# --- Ruby ---------------------------------------------------------------------------------------------------------


def literal(value: object) -> str:
    """A Ruby literal: ASCII only, so that it means the same whatever the encoding of the file that it stands in."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, Home):
        return _path(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, value)) + "]"
    text = str(value)
    if all(" " <= character <= "~" for character in text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if not " " <= character <= "~":
        return f"\\u{{{ord(character):x}}}"
    return "\\" + character if character in '\\"#' else character


def _path(path: str) -> Code:
    return Code(f"File.expand_path({literal(str(path))})" if path.startswith("~/") else literal(str(path)))


ID = Code(":id")
"""Vagrant puts the machine's UUID in its place."""


class Home(str):
    """A path on the host; one from ``~/`` on is in the home folder of whoever runs Vagrant."""


def _add(name: str, path: str, *options: str) -> list[object]:
    return ["sharedfolder", "add", ID, "--name", name, "--hostpath", Home(path), *options]


def _above(path: str) -> tuple[str, list[str]]:
    """The home folder that a path is in, and the folders between both; nothing where it is in none."""
    parts = path.split("/")[1:]
    if parts[0] != "home" or len(parts) < 4:
        return "", []
    return "/".join(["", *parts[:2]]), ["/" + "/".join(parts[:count]) for count in range(3, len(parts))]


class _Writer:
    """The statements of one generation of the configuration."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lines: list[str] = []
        self.folders: list[dict[str, object]] = []
        self.calls: list[list[object]] = []
        self.new = settings.generation == "2"
        # In the old generation everything belongs to VirtualBox, and there is one object for all.
        own = "machine" if settings.machines else "config"
        self.vm = "override.vm" if self.new else f"{own}.vm"
        self.customize = "vb.customize" if self.new else f"{own}.vm.customize"

    def options(self, **options: object) -> str:
        return ", ".join(
            f"{key}: {literal(value)}" if self.new else f":{key} => {literal(value)}" for key, value in options.items()
        )

    def folder(self, name: str, path: str, guest_path: str, symlinks: bool, **options: object) -> None:
        """A folder that Vagrant shares and mounts."""
        options["SharedFoldersEnableSymlinksCreate"] = symlinks
        self.folders.append(
            {
                "id": name,
                "hostpath": path,
                "guestpath": guest_path,
                "disabled": False,
                "SharedFoldersEnableSymlinksCreate": symlinks,
                "mount_options": options["mount_options"],
            }
        )
        host, guest = _path(path), literal(guest_path)
        if self.new:
            self.lines += [
                f"{self.vm}.synced_folder {host}, {guest},",
                f"  {self.options(id=name, type='virtualbox')},",
                "  " + self.options(**options),
            ]
        else:
            options["extra"] = ",".join(t.cast("t.Sequence[str]", options["mount_options"]))
            self.lines += [f"{self.vm}.share_folder {literal(name)}, {guest}, {host},", "  " + self.options(**options)]

    def call(self, arguments: list[object], event: str = "pre-boot") -> None:
        """A call of VBoxManage."""
        self.calls.append([event, ["id" if one is ID else one for one in arguments]])
        when = "" if event == "pre-boot" else literal(event) + ", "
        self.lines.append(f"{self.customize} {when}{literal(arguments)}")

    def store(self) -> None:
        settings = self.settings
        forget: list[object] = ["setextradata", ID, SYMLINKS_KEY + settings.share]
        self.lines.append("# The host's packages: VirtualBox refuses writes and links, whatever the guest's root does.")
        if settings.mount == "cache_guest":
            self.call(forget)
            self.call(_add(settings.share, settings.store, "--readonly", "--transient"), "post-boot")
            return
        self.folder(
            settings.share,
            settings.store,
            settings.guest_path,
            False,
            owner="root",
            group="root",
            mount_options=list(READ_ONLY),
        )
        self.lines.append("# Vagrant can share a folder only writable, so another share takes its place at each boot.")
        self.call(["sharedfolder", "remove", ID, "--name", settings.share])
        self.call(_add(settings.share, settings.store, "--readonly"))
        self.call(forget)

    def cache(self, policies: bool) -> None:
        settings = self.settings
        self.lines += ["", "# A store that guests share: each of them can write it."]
        self.folder(
            settings.cache_share, settings.cache, settings.cache_guest_path, True, mount_options=["nodev", "nosuid"]
        )
        self.call(["setextradata", ID, SYMLINKS_KEY + settings.cache_share, "1"])
        if policies:
            self.call(["sharedfolder", "modify", ID, "--name", settings.cache_share, "--symlink-policy=relative"])
        home, folders = _above(settings.cache_guest_path)
        if folders:
            self.lines.append("# Vagrant makes the folders on the way as root.")
            line = f'chown -h "$(stat -c %u:%g {home})" {" ".join(folders)}'
            self.lines.append(f"{self.vm}.provision {literal(Code(':shell'))}, {self.options(inline=line)}")

    def wrapped(self) -> list[str]:
        """All statements, in the blocks that they belong in."""
        begin = "Vagrant.configure('2') do |config|" if self.new else "Vagrant::Config.run do |config|"
        blocks = [begin]
        own = "config"
        if self.settings.machines:
            symbol = "" if self.new else ".to_sym"
            blocks += [
                f"{literal(list(self.settings.machines))}.each do |name|",
                f"config.vm.define name{symbol} do |machine|",
            ]
            own = "machine"
        if self.new:
            blocks.append(f"{own}.vm.provider :virtualbox do |vb, override|")
        depth = len(blocks)
        inside = [("  " * depth + line).rstrip() for line in self.lines]
        return (
            ["  " * level + line for level, line in enumerate(blocks)]
            + inside
            + ["  " * level + "end" for level in reversed(range(depth))]
        )


def knows_policies(version: str) -> bool:
    """Whether a VirtualBox knows symlink policies, by what ``VBoxManage --version`` prints, maybe after warnings."""
    found = re.search(r"^(\d+)\.(\d+)\.\d", version, re.MULTILINE)
    return found is not None and (int(found[1]), int(found[2])) >= MODIFY_VERSION


def _written(settings: Settings, version: str) -> _Writer:
    check(settings)
    writer = _Writer(settings)
    writer.store()
    if settings.cache:
        policy = settings.symlink_policy
        writer.cache(policy == "relative" or (policy == "auto" and knows_policies(version)))
    return writer


def render(settings: Settings, version: str = "") -> str:
    """The text, for a VirtualBox of this version. Failure: a setting is wrong."""
    return "\n".join(_written(settings, version).wrapped()) + "\n"


# --- what Vagrant makes of it -------------------------------------------------------------------------------------


def _at_home(value: object, home: str) -> object:
    if isinstance(value, list):
        return [_at_home(one, home) for one in value]
    return home + value[1:] if isinstance(value, str) and value.startswith("~/") else value


def _has(machine: t.Mapping[str, t.Any], writer: _Writer, home: str) -> str:
    """What a machine lacks of what is written, or nothing."""
    for folder in writer.folders:
        wanted = {
            key: _at_home(list(value) if isinstance(value, tuple) else value, home) for key, value in folder.items()
        }
        if not any(
            {"disabled": False, **found, **wanted} == {"disabled": False, **found} for found in machine["folders"]
        ):
            return f"no synced folder {folder['id']!r} of {folder['hostpath']} at {folder['guestpath']}"
    calls = iter(machine["calls"])
    for call in writer.calls:
        if _at_home(call, home) not in calls:
            words = " ".join(map(str, t.cast("list[object]", call[1])))
            return f"no call of VBoxManage at {call[0]}, in its place, of {words}"
    return ""


def missing(settings: Settings, found: t.Mapping[str, t.Any], version: str = "") -> list[str]:
    """What machines lack of what is written, by what Vagrant has: ``home``, and ``machines`` with folders and calls."""
    writer = _written(settings, version)
    machines = found["machines"]
    lacks = [] if machines else ["there is no machine"]
    lacks += [f"machine {name!r} is not there" for name in settings.machines if name not in machines]
    for name in settings.machines or machines:
        lack = _has(machines[name], writer, found["home"]) if name in machines else ""
        if lack:
            lacks.append(f"machine {name!r} has {lack}")
    return lacks


_SWALLOWS = re.compile(r"(?:^|[\s;{])(?:return|exit|abort|throw)\b|^(?:__END__|=begin)$|<<[~-]?[\"'`]?[A-Za-z_]")


def suspects(text: str) -> list[str]:
    """Lines of a Vagrantfile that may end it, or make what follows no code."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [f"line {number}: {line}" for number, line in lines if not line.startswith("#") and _SWALLOWS.search(line)]
