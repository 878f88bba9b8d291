# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each mode means for a guest and for its host: the one table of arrangements."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

if t.TYPE_CHECKING:
    from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory

SYSTEM_STORE = _names.SYSTEM_STORE
BESIDE = "/var/cache/0install.net/host-implementations"
BOX = "/var/lib/zeroinstall.virtualbox/box"
OWNER = _names.STORE_OWNER

_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST_NAME = 255


class Host(t.NamedTuple):
    """What a host shares.

    ``store``: its store's path; ``kind``: ``system`` or ``user``, as ``cache_host_store`` has it; ``groups``,
    ``boxes``: where the stores of groups and the guests' boxes are; ``user``: who registered the machines;
    ``arrangement``: the name of the inventory's arrangement on the host; ``at_home``: whether paths may begin with
    ``~/``, the home of the user of the machines.
    """

    store: str
    kind: str = "system"
    groups: str = ""
    boxes: str = ""
    user: str = ""
    arrangement: str = _names.DEFAULT_ARRANGEMENT
    at_home: bool = False

    def from_root(self, path: str) -> str:
        """A path as it is checked: one in a home as if the home were the root."""
        return path[1:] if self.at_home and path.startswith("~/") else path


class Problems(ValueError):
    """All that is wrong with variables, as ``messages``."""

    def __init__(self, messages: t.Iterable[str]) -> None:
        self.messages = tuple(dict.fromkeys(messages))
        super().__init__(" ".join(self.messages))


class Part(t.NamedTuple):
    """One share of a guest, and where the guest mounts it.

    ``folder``: on the host; ``path``: in the guest, where a store's may be elsewhere; ``options``: of the mount.
    """

    name: str
    folder: t.Callable[[str, dict[str, t.Any], Host], str]
    path: str
    writable: bool = False
    symlinks: bool = False
    store: bool = True
    options: tuple[str, ...] = ()


class Mode(t.NamedTuple):
    """``parts`` of a mode; ``host_store``: the ``cache_host_store`` that it needs, if it needs one.

    ``helper``: how the guest's users add packages. ``own``: to the guest's own store. ``box``: by the guest's box.
    ``wished``: to its own store, if the guest wants it so. ``movable``: whether ``cache_guest_path`` may be set.
    ``linked``: whether the guest may see its programs alone.
    """

    parts: tuple[Part, ...]
    helper: str
    host_store: str = ""
    movable: bool = False
    linked: bool = False


MACHINE, SEES = "cache_guest_machine", "cache_guest_sees"
VARIABLES = (MACHINE, "cache_guest_mode", "cache_guest_share", "cache_guest_group", "cache_guest_path", SEES)
"""The variables of a guest that say what its host shares with it."""
STORE, PROGRAMS = SIGHTS = ("store", "programs")
"""What a guest may see of its host's store: all of it, or its programs alone."""
HOST = "cache_guest_host"
"""The variable of a guest that names its host."""


class Guests(t.NamedTuple):
    """The ``guests`` of a host, with those of their variables that count here; the ``refused`` ones, with the reason;
    and the names of those that are ``homeless``: the inventory itself names no host of the inventory for them.
    """

    guests: dict[str, dict[str, t.Any]]
    refused: dict[str, str]
    homeless: list[str]


def guests_of(
    names: t.Iterable[str],
    inventory: Inventory,
    host: str,
    defaults: dict[str, t.Any],
    nothing: bool = False,
) -> Guests:
    """The guests of a host among these names.

    A guest is refused if a variable that counts here is not the inventory's word. Where the inventory names no host for
    a guest, the host that the guest itself names reports that it was refused. With ``nothing``, for guests that are to
    have nothing any more, only their host and machine count: nothing that a guest says keeps its share.
    """
    found = Guests({}, {}, [])
    variable = "cache_host_only_guests" if nothing else "cache_host_guests"
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"{variable} is '{names}', which is no list. Write a list of inventory names.")
    unknown = [name for name in names if not inventory.has(name)]
    if unknown:
        raise Problems(
            f"guest '{name}' is not in the inventory: correct {variable}, or add the guest." for name in unknown
        )
    for name in names:
        said = inventory.said(name, (HOST, MACHINE) if nothing else (HOST, *VARIABLES))
        named = str(said.values.get(HOST, said.claimed.get(HOST, "")))
        if named != host:
            if HOST not in said.values or not inventory.has(named):
                found.homeless.append(name)
        elif not said.refused or (nothing and {HOST, MACHINE} <= said.values.keys()):
            found.guests[name] = {**defaults, **said.values}
        else:
            found.refused[name] = " ".join(f"guest '{name}': {reason}" for reason in said.refused.values())
        if nothing and name in found.guests:
            try:
                check_machine(name, found.guests[name])
            except ValueError as error:
                del found.guests[name]
                found.refused[name] = str(error)
    return found


def kind_of(host: str, inventory: Inventory) -> str:
    """Whose a host's store is, as the inventory has it. ValueError if that is not the inventory's word."""
    said = inventory.said(host, ["cache_host_store"])
    for reason in said.refused.values():
        raise ValueError(f"host '{host}': {reason}")
    return str(said.values.get("cache_host_store", "system"))


def host_of(name: str, guest: dict[str, t.Any], inventory: Inventory, defaults: dict[str, t.Any]) -> str:
    """The host of a guest whose variables are these in its own play.

    ValueError if the inventory, by which its host goes, has others. A host that is not in the inventory does not go by
    it: what its guests have may come from anywhere.
    """
    said = inventory.said(name, (HOST, *VARIABLES))
    hosts = {str(guest[HOST]), str(said.values.get(HOST, guest[HOST]))}
    if not any(map(inventory.has, hosts)):
        return str(guest[HOST])
    values = {MACHINE: "", HOST: "", **defaults, **said.values}
    reasons = [f"guest '{name}': {reason}" for reason in said.refused.values()]
    for variable in (HOST, *VARIABLES):
        if variable not in said.refused and guest[variable] != values[variable]:
            reasons.append(
                f"guest '{name}': {variable} is '{guest[variable]}' in its play and '{values[variable]}' in the"
                f" inventory, by which its host goes. Set {variable} in the inventory, such as in host_vars or"
                " group_vars, and not in vars, vars_files or role parameters of the play."
            )
    if reasons:
        raise ValueError(" ".join(reasons))
    return str(guest[HOST])


def sees_programs(guest: t.Mapping[str, t.Any]) -> bool:
    """Whether a guest sees its programs alone of its host's store."""
    return bool(guest.get(SEES) == PROGRAMS)


def linked_store(name: str, host: Host) -> str:
    """The store of hard links that is for one guest."""
    return _names.linked_store(host.store, box_name(name, host.arrangement))


def group_store(groups: str, group: str) -> str:
    """The store of a group of guests."""
    return f"{groups}/{group}{_names.STORE}"


def box_name(guest: str, arrangement: str = _names.DEFAULT_ARRANGEMENT) -> str:
    """The name of a guest's box: its inventory name, with what could mean something in a path or a unit as %XX.

    In another arrangement than the default one, that one's name is before it.
    """
    name = re.sub(
        rb"[^A-Za-z0-9_.-]|\A\.",
        lambda found: b"%%%02X" % found.group()[0],
        guest.encode("utf-8", "surrogateescape"),
    ).decode("ascii")
    name = name and _names.in_arrangement(name, arrangement)
    if not name or len(name) > _LONGEST_NAME:
        raise ValueError(f"guest '{guest}': its inventory name is too long for the name of its box. Shorten it.")
    return name


def _host_store(name: str, guest: dict[str, t.Any], host: Host) -> str:
    return linked_store(name, host) if sees_programs(guest) else host.store


def _group_store(_name: str, guest: dict[str, t.Any], host: Host) -> str:
    return group_store(host.groups, str(guest["cache_guest_group"]))


def _box(name: str, _guest: dict[str, t.Any], host: Host) -> str:
    return f"{host.boxes}/{box_name(name, host.arrangement)}"


_SHARE, _GROUP_VARIABLE = "{cache_guest_share}", "{cache_guest_group}"

# The names differ by kind: VirtualBox may lose a share that is replaced by one of the same name while it is mounted.
_STORE = Part(_SHARE, _host_store, SYSTEM_STORE)
_STORE_BESIDE = _STORE._replace(path=BESIDE)
_TRUSTED = Part(_SHARE + _names.TRUSTED, _host_store, SYSTEM_STORE, writable=True, symlinks=True)
_GUESTS = Part(_SHARE + _names.GUESTS + _GROUP_VARIABLE, _group_store, SYSTEM_STORE, writable=True, symlinks=True)
_DROP_BOX = Part(_SHARE + _names.BOX, _box, BOX, writable=True, store=False, options=("dmask=0077", "fmask=0077"))

# What is mounted where Zero Install looks by itself comes first, in every mode: so fstab has its lines in one order,
# whatever the mode was before.
MODES = {
    "readonly": Mode((_STORE,), "wished", movable=True, linked=True),
    "trusted": Mode((_TRUSTED,), "own", host_store="user"),
    "guests": Mode((_GUESTS, _STORE_BESIDE), "own", movable=True, linked=True),
    "verified": Mode((_STORE, _DROP_BOX), "box", host_store="system", movable=True),
}

_NEEDS = {
    "user": "the host user's own store, which VirtualBox can write: set cache_host_store: user for its host '{host}'",
    "system": "a store that VirtualBox cannot write: leave cache_host_store: system for its host '{host}'",
}


def check_store(path: str) -> str:
    """The path itself; ValueError if it is no store of implementations by its name."""
    if not _names.is_store_path(path):
        raise ValueError(
            f"'{path}' is not a store of implementations: only an absolute path that ends in '{_names.STORE}' may be"
            " shared, since what lies beside it would let a guest run code on the host. Correct cache_host_path."
        )
    return path


def check_folder(path: str, variable: str) -> None:
    """ValueError unless this is a folder that stores or boxes can be in."""
    problem = _names.folder_problem(path)
    if problem:
        raise ValueError(f"{variable} '{path}' {problem}.")


def mode_of(name: str, guest: dict[str, t.Any]) -> Mode:
    """The mode of a guest, whose variables fit it. ValueError names the guest, and says what does not."""
    for variable in VARIABLES:
        if not isinstance(guest.get(variable, ""), (str, int)):
            raise ValueError(f"guest '{name}' has {variable} '{guest[variable]}', which is no text. Write text.")
    word = guest["cache_guest_mode"]
    if word not in MODES:
        raise ValueError(
            f"guest '{name}' has the unknown mode '{word}': set cache_guest_mode to one of {', '.join(MODES)}."
        )
    mode = MODES[word]
    if _GUESTS in mode.parts and not _GROUP.fullmatch(str(guest["cache_guest_group"])):
        raise ValueError(
            f"guest '{name}' has the group '{guest['cache_guest_group']}', which cannot name a folder and"
            " a share: set cache_guest_group to at most 64 letters, digits, '.', '_' and '-', beginning"
            " with a letter or digit."
        )
    sight = guest.get(SEES, STORE)
    if sight not in SIGHTS:
        raise ValueError(f"guest '{name}' has {SEES} '{sight}': set it to one of {', '.join(SIGHTS)}.")
    if sight == PROGRAMS and not mode.linked:
        raise ValueError(
            f"guest '{name}' has mode '{word}' and {SEES} '{sight}': in this mode the guest adds packages to its host's"
            f" store, and has to see them. Remove {SEES}, or set cache_guest_mode to"
            f" {' or '.join(other for other in MODES if MODES[other].linked)}."
        )
    path = guest["cache_guest_path"]
    if path and not mode.movable and path != SYSTEM_STORE:
        raise ValueError(
            f"guest '{name}' has mode '{word}' and cache_guest_path '{path}': in this mode Zero Install"
            f" adds packages by {SYSTEM_STORE}. Remove cache_guest_path."
        )
    if path == SYSTEM_STORE and _STORE_BESIDE in mode.parts:
        raise ValueError(
            f"guest '{name}' has mode '{word}' and cache_guest_path '{path}', where this mode mounts the"
            " store that the guests share. Remove cache_guest_path, or choose another path."
        )
    for part in mode.parts:
        try:
            _names.check_share_name(share_name(part, guest))
        except Failure as error:
            raise ValueError(f"guest '{name}': {error} Correct cache_guest_share.") from error
    return mode


def check_kind(name: str, guest: dict[str, t.Any], mode: Mode, kind: str, host: str) -> None:
    """ValueError if a guest's mode needs another store on its host."""
    if mode.host_store and kind != mode.host_store:
        raise ValueError(
            f"guest '{name}' has mode '{guest['cache_guest_mode']}', which needs"
            f" {_NEEDS[mode.host_store].format(host=host)}, or choose another cache_guest_mode."
        )


def share_name(part: Part, guest: dict[str, t.Any]) -> str:
    """The name of a share of a guest."""
    kind = _names.PROGRAMS if part.folder is _host_store and sees_programs(guest) else ""
    return (
        part.name.replace(_GROUP_VARIABLE, str(guest["cache_guest_group"])).replace(
            _SHARE, str(guest["cache_guest_share"]), 1
        )
        + kind
    )


def share(part: Part, name: str, guest: dict[str, t.Any], host: Host) -> dict[str, t.Any]:
    """A share of a guest as the module ``shares`` takes it."""
    found: dict[str, t.Any] = {"name": share_name(part, guest), "path": part.folder(name, guest, host)}
    if part.writable:
        found["writable"] = True
    if part.symlinks:
        found.update(symlinks=True, symlink_policy="relative")
    return found


def check_machine(name: str, guest: t.Mapping[str, t.Any]) -> str:
    """What a guest calls its machine. ValueError if it names none."""
    machine = guest.get(MACHINE)
    if isinstance(machine, int):
        raise ValueError(f"guest '{name}' has cache_guest_machine {machine}, which is no text. Write it in quotes.")
    if not machine or not isinstance(machine, str):
        raise ValueError(
            f"guest '{name}' does not name its machine: set cache_guest_machine to the name or UUID"
            " that VirtualBox knows it by."
        )
    return machine


def twins(one: str, other: str, machine: str) -> str:
    """The message that two guests name one machine."""
    return f"guests '{one}' and '{other}' name the same machine '{machine}': correct cache_guest_machine."


def _machine(name: str, guest: dict[str, t.Any], entries: dict[str, str]) -> str:
    machine = check_machine(name, guest)
    other = entries.setdefault(machine, name)
    if other != name:
        raise ValueError(twins(other, name, machine))
    return machine


def _check_host(host: Host) -> None:
    """ValueError if a host shares what may not be shared, whatever guests it has."""
    check_store(host.from_root(host.store))
    try:
        _names.check_arrangement(host.arrangement, "cache_host_arrangement")
    except Failure as error:
        raise ValueError(str(error)) from error


def _check_verified(name: str, host: Host, host_name: str) -> None:
    """ValueError if a host cannot have guests of mode ``verified``."""
    for path, variable in ((host.store, "cache_host_path"), (host.boxes, "cache_host_boxes_path")):
        if path.startswith(_names.HIDDEN_FOLDERS):
            raise ValueError(
                f"guest '{name}' has mode 'verified', and '{path}' of its host '{host_name}' is below one"
                f" of {', '.join(_names.HIDDEN_FOLDERS)}, which the import service does not see. Correct"
                f" {variable}."
            )
    if host.user == OWNER:
        raise ValueError(
            f"guest '{name}' has mode 'verified', and the machines of its host '{host_name}' belong to user"
            f" '{OWNER}', who owns the store: their VirtualBox could write it. Let another user have them."
        )


def _shares(name: str, guest: dict[str, t.Any], host: Host, host_name: str) -> list[dict[str, t.Any]]:
    """The shares of a guest. ValueError if its variables are wrong, or do not fit its host."""
    mode = mode_of(name, guest)
    check_kind(name, guest, mode, host.kind, host_name)
    if _GUESTS in mode.parts:
        check_folder(host.from_root(host.groups), "cache_host_groups_path")
    if _DROP_BOX in mode.parts:
        check_folder(host.boxes, "cache_host_boxes_path")
        _check_verified(name, host, host_name)
    return [share(part, name, guest, host) for part in mode.parts]


def machines(
    guests: dict[str, dict[str, t.Any]], host: Host, host_name: str = "", nothing: bool = False
) -> list[dict[str, t.Any]]:
    """The option ``machines`` of the module ``shares`` for these guests (inventory name to variables) of one host.

    With ``nothing``, the machines without shares. Problems has a message for each thing that is wrong with the host
    and with each guest.
    """
    entries: dict[str, str] = {}
    result, problems = [], []

    def tried(step: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        try:
            return step(*arguments)
        except ValueError as error:
            problems.append(str(error))

    tried(_check_host, host)
    for name, guest in guests.items():
        machine = tried(_machine, name, guest, entries)
        shares = [] if nothing else tried(_shares, name, guest, host, host_name)
        result.append({"machine": machine, "guest": name, "shares": shares})
    if problems:
        raise Problems(problems)
    return result


def folders(guests: dict[str, dict[str, t.Any]], arrangement: str = _names.DEFAULT_ARRANGEMENT) -> dict[str, list[str]]:
    """The ``groups``, the ``boxes`` and the ``linked`` stores, by name, that these guests need on their host."""
    modes = {name: mode_of(name, guest) for name, guest in guests.items()}
    return {
        "groups": sorted(
            {str(guests[name]["cache_guest_group"]) for name, mode in modes.items() if _GUESTS in mode.parts}
        ),
        "boxes": sorted(box_name(name, arrangement) for name, mode in modes.items() if _DROP_BOX in mode.parts),
        "linked": sorted(box_name(name, arrangement) for name in modes if sees_programs(guests[name])),
    }


def possible_boxes(names: t.Iterable[str], arrangement: str = _names.DEFAULT_ARRANGEMENT) -> list[str]:
    """The names that boxes of these guests have, in whatever mode they are. Whose name is too long can have none."""
    found = []
    for name in names:
        with contextlib.suppress(ValueError):
            found.append(box_name(name, arrangement))
    return found


def arrangement(name: str, guest: dict[str, t.Any], sharing: bool, options: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """What a guest has of its mode.

    ``path``: where it has its host's store; ``mounts``: the option of the module ``mounts``; ``helper``: ``none``,
    ``own`` or ``box``. ``options`` are mount options of the user's, for stores.
    """
    mode = mode_of(name, guest)
    helper = mode.helper if mode.helper != "wished" else "own" if sharing else "none"
    mounts = []
    place = ""
    for part in mode.parts:
        path = part.path
        if part.folder is _host_store:
            path = guest["cache_guest_path"] or (BESIDE if mode.helper == "wished" and sharing else part.path)
            place = path
        mount = {
            "share": share_name(part, guest),
            "path": path,
            "store": part.store,
            "options": [*part.options, *(options if part.store else ())],
        }
        if part.writable:
            mount.update(writable=True, owner=OWNER)
        mounts.append(mount)
    return {"path": place, "mounts": mounts, "helper": helper}
