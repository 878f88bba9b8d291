# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""fstab text and live mounts of a guest: what is there, what is wanted, and how they differ. Pure.

Formats: fstab(5), and proc_pid_mountinfo(5) for `/proc/self/mountinfo`.
"""

from __future__ import annotations

import posixpath
import re
import string
from typing import Iterable, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts

TYPE = "vboxsf"
MARK = "comment=zeroinstall.virtualbox"
SYSTEM_STORE = "/var/cache" + _names.STORE
STORE_LIST = "/etc/xdg/0install.net/injector/implementation-dirs"
MODULES_LOAD = "/etc/modules-load.d/zeroinstall.virtualbox.conf"
MODULES_LOAD_TEXT = "# VirtualBox shared folders. Written by the Ansible collection zeroinstall.virtualbox.\nvboxsf\n"
UNITS = "/etc/systemd/system"
RUNTIME_UNITS = "/run/systemd/system"

_SPECIAL = re.compile(r"[ \t\n\\]")
_BLANKS = re.compile("[ \t]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_COUNT = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)  # the kernel takes 010 for 8, mount.vboxsf for 10
_MOST = 2**31 - 1
_OCTAL = re.compile(r"[0-7]{1,4}")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_BOTH_DRIVERS = {"uid": _COUNT, "gid": _COUNT, "ttl": _COUNT, "nls": _WORD, "dmask": _OCTAL, "fmask": _OCTAL}
_ORACLE_ONLY = {
    "umask": _OCTAL,
    "iocharset": _WORD,
    "convertcp": _WORD,
    "dcachettl": _NUMBER,
    "inodettl": _NUMBER,
    "maxiopages": _NUMBER,
    "dirbuf": _NUMBER,
    "cache": re.compile("default|none|strict|read|readwrite"),
}
_FLAGS = ("exec", "noexec", "nodev", "suid", "nosuid", "relatime")
_FATAL = "mount.vboxsf of Oracle's Guest Additions ends with an error on it"
_FLATTENS = (
    "it gives every file the same mode, and whether a file is executable is part of an implementation's digest. "
    "Use fmask= and dmask=, which only take rights away"
)
_OURS = "the module sets it itself"
_REFUSED = {
    "nofail": _FATAL + "; a boot does not wait for this mount anyway",
    "noatime": _FATAL,
    "user": _FATAL,
    "users": _FATAL,
    "tag": _FATAL,
    "dev": "a shared folder has no devices, and mount.vboxsf of Oracle's Guest Additions mounts with nodev anyway",
    "fmode": _FLATTENS,
    "dmode": _FLATTENS,
    "ro": "say it with 'writable: false'",
    "rw": "say it with 'writable: true'",
    "defaults": _OURS,
    "auto": _OURS,
    "noauto": _OURS,
    "_netdev": _OURS,
    "comment": _OURS,
    "remount": "a remount keeps the old share. The module unmounts and mounts anew where that is needed",
}
_READ_AND_EXECUTE = 0o555
_OF_THE_OWNER = 0o700


class Mount(NamedTuple):
    """A mount as it is wanted: a share's name, an absolute path, further options of vboxsf, whether it is a store."""

    share: str
    path: str
    writable: bool = False
    options: tuple[str, ...] = ()
    store: bool = False


class Gone(NamedTuple):
    """A mount that is not wanted: its path, and its share's name where the user gave it."""

    path: str
    share: str | None = None


class Entry(NamedTuple):
    """The fields of an fstab line, unescaped."""

    source: str
    path: str
    type: str
    options: tuple[str, ...]
    freq: str = "0"
    passno: str = "0"

    @property
    def ours(self) -> bool:
        """Whether this collection wrote the line."""
        return self.type == TYPE and MARK in self.options


class Line(NamedTuple):
    """A line of fstab: number from 1, text with its line end, entry (None for a comment or a malformed line)."""

    number: int
    text: str
    entry: Entry | None
    malformed: bool


def escape(text: str) -> str:
    r"""A field for fstab: space, tab, newline and backslash as `\040`, `\011`, `\012` and `\134`."""
    return _SPECIAL.sub(lambda found: f"\\{ord(found.group()):03o}", text)


# --- what the user asks for ---------------------------------------------------------------------------------------


def check_path(path: str) -> None:
    """Failure unless a path can be a mount point. Whether it is there, and what is in it, is not looked at."""
    if not path.startswith("/"):
        raise Failure(f"path {path!r}: a mount point is an absolute path, beginning with '/'.")
    if _CONTROL.search(path):
        raise Failure(f"path {path!r}: a mount point has no newlines and no other control characters.")
    if path == "/" or path.startswith("//"):
        raise Failure(f"path {path!r}: a share cannot be mounted there. Choose a folder of its own.")
    if posixpath.normpath(path) != path:
        raise Failure(
            f"path {path!r}: write it without '..', '.', double or closing '/': {posixpath.normpath(path)!r}."
        )


def _takes(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.fullmatch(value) is not None and not (pattern is _COUNT and int(value) > _MOST)


def check_options(options: Sequence[str], mainline: bool = False, store: bool = True) -> None:
    """Failure unless both drivers take these options and the x bit survives; `mainline`: only that driver counts.

    What is no `store` may be kept from everybody but its owner.
    """
    seen = set()
    for option in options:
        name, equals, value = option.partition("=")
        known = dict(_BOTH_DRIVERS, **_ORACLE_ONLY)
        reason = _REFUSED.get(name)
        if name.startswith("x-"):
            reason = _OURS
        elif reason is None and name in known and not (equals and _takes(known[name], value)):
            reason = (
                "its value is not one that vboxsf takes (numbers for uid, gid and ttl, up to 2147483647 and without "
                "leading zeros; octal digits for a mask)"
            )
        elif reason is None and name not in known and (equals or name not in _FLAGS):
            reason = "vboxsf does not know it. It knows {}".format(
                ", ".join(sorted(_FLAGS) + sorted(key + "=" for key in known))
            )
        elif name in ("fmask", "dmask", "umask") and int(value, 8) & _READ_AND_EXECUTE & (
            0o777 if store else _OF_THE_OWNER
        ):
            reason = "it takes away the right to read or to execute. Use a mask that only takes away writing, as 022"
        elif mainline and name in _ORACLE_ONLY:
            reason = "only Oracle's driver knows it, and this guest has that of the Linux kernel"
        bare = name[2:] if name.startswith("no") and name in _FLAGS else name
        if reason is None and bare in seen:
            reason = "it is there twice, or contradicts another one"
        seen.add(bare)
        if reason:
            raise Failure(f"option {option!r} of a vboxsf mount is refused: {reason}.")


def check(wanted: Sequence[Mount], gone: Sequence[Gone], mainline: bool = False) -> None:
    """Failure on the first thing that is wrong with what the user asks for."""
    paths: list[str] = []
    for mount in wanted:
        _names.check_share_name(mount.share)
        check_path(mount.path)
        check_options(mount.options, mainline, mount.store)
        paths.append(mount.path)
    for absent in gone:
        check_path(absent.path)
        paths.append(absent.path)
    for path in paths:
        if paths.count(path) > 1:
            raise Failure(f"path {path!r} is in the list of mounts more than once.")
    for outer in (mount.path for mount in wanted):
        for inner in (mount.path for mount in wanted):
            if inner.startswith(outer + "/"):
                raise Failure(f"path {inner!r} lies in {outer!r}: one share cannot be mounted in another.")


def mount_options(mount: Mount) -> tuple[str, ...]:
    """The options to mount with: read-only unless wanted otherwise, no devices, no set-user-id programs."""
    options = ["rw" if mount.writable else "ro"]
    options += [flag for flag in ("nodev", "nosuid") if flag not in mount.options and flag[2:] not in mount.options]
    return tuple(options) + mount.options


# --- fstab --------------------------------------------------------------------------------------------------------


def entry(mount: Mount, systemd: bool) -> Entry:
    """The fstab entry for a mount.

    No boot waits for it or fails by it. systemd mounts it at the first access (`automount_text`). Elsewhere the boot
    scripts mount it with the local file systems, after they have loaded the driver, and go on where that fails. Not
    with those of the network (`_netdev`): Debian mounts those when ifupdown brings up an interface, OpenRC only if
    netmount is in a runlevel. `nofail` would be the usual way, and mount.vboxsf of Oracle's Guest Additions refuses it.
    Without it, the boot would fail by what `x-systemd.automount` makes, so that is not an option either.
    """
    late = ("noauto",) if systemd else ()
    return Entry(mount.share, mount.path, TYPE, mount_options(mount) + late + (MARK,))


def render(item: Entry) -> str:
    """The fstab line of an entry, with its newline."""
    fields = (escape(item.source), escape(item.path), item.type, escape(",".join(item.options)), item.freq, item.passno)
    return " ".join(fields) + "\n"


def _parse_line(number: int, text: str) -> Line:
    bare = text.strip(" \t\n")
    if not bare.strip("\r") or bare.startswith("#"):
        return Line(number, text, None, False)
    fields = _BLANKS.split(bare)
    numbers = [field.rstrip("\r") for field in ([*fields[4:6], "0", "0"])[:2]]
    if len(fields) < 3 or not all(_NUMBER.fullmatch(field) for field in numbers):
        return Line(number, text, None, True)
    options = tuple(live_mounts.unescape(fields[3]).split(",")) if len(fields) > 3 else ()
    return Line(number, text, Entry(live_mounts.unescape(fields[0]), live_mounts.unescape(fields[1]), fields[2], options, *numbers), False)


def parse_fstab(text: str) -> list[Line]:
    """The lines of an fstab. Joined again, their texts are the text that was given, byte for byte."""
    lines = text.split("\n")
    texts = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [_parse_line(number, line) for number, line in enumerate(texts, 1)]


_BLOCK_WORDS = (("begin", ("end",)), ("start", ("end", "stop")), ("open", ("close",)), (">>>", ("<<<",)))
_IN_CAPITALS = re.compile(
    "(?<![A-Za-z0-9])(?:%s)(?![A-Za-z0-9])" % "|".join(opening.upper() for opening, _closings in _BLOCK_WORDS)
)


def _marks(line: Line) -> tuple[list[str], list[str], bool]:
    """The names of blocks that a comment may open and close, and whether it says so as programs do: in capitals."""
    text = " ".join(line.text.split())
    if not text.startswith("#"):
        return [], [], False
    opens: list[str] = []
    closes: list[str] = []
    for opening, closings in _BLOCK_WORDS:
        for word, found in [(opening, opens), *((closing, closes) for closing in closings)]:
            name, count = re.subn(f"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])", opening + " …", text, flags=re.IGNORECASE)
            found += [name.lower()] * (count == 1)
    return ([], [], False) if opens and closes else (opens, closes, bool(_IN_CAPITALS.search(text)))


def blocks(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """The blocks of others, as Vagrant and Ansible mark theirs: positions of the first line and behind the last one.

    Their owners replace or remove them with all that is in them. One that is never closed goes on beyond the file, and
    begins at an end of its name before it, if there is one: as far as `sed '/BEGIN/,/END/d'` and `blockinfile` reach.
    """
    found: list[tuple[int, int]] = []
    opened: dict[str, tuple[int, bool]] = {}
    closed: dict[str, int] = {}
    for position, line in enumerate(lines):
        opens, closes, by_program = _marks(line)
        for name in closes:
            closed[name] = position
            if name in opened:
                found.append((opened.pop(name)[0], position + 1))
        for name in opens:
            opened.setdefault(name, (position, by_program))
    for name, (position, by_program) in opened.items():
        if by_program:
            found.append((min(position, closed.get(name, position)), len(lines) + 1))
    return found


def _with_lines(texts: Sequence[str], new: Sequence[str]) -> str:
    """A text with more lines, as far down as is outside of every block."""
    lines = parse_fstab("".join(texts))
    if not new:
        return "".join(texts)
    taken = blocks(lines)
    place = next(at for at in range(len(lines), -1, -1) if not any(first < at < end for first, end in taken))
    before = "".join(line.text for line in lines[:place])
    if before and not before.endswith("\n"):
        before += "\n"
    return before + "".join(new) + "".join(line.text for line in lines[place:])


def same_place(item: Entry, path: str) -> bool:
    """Whether an entry's mount point is this path, however the entry writes it."""
    return posixpath.normpath(item.path) == path


def _unwanted(item: Entry, wanted: Iterable[Mount], gone: Iterable[Gone], exclusive: bool) -> bool:
    for absent in gone:
        if same_place(item, absent.path):
            return item.ours or (item.type == TYPE and item.source == absent.share)
    return exclusive and item.ours and not any(same_place(item, mount.path) for mount in wanted)


class FstabChange(NamedTuple):
    """New text of fstab. `changes`: path to `added`, `changed`, `removed`; `ours`: a line of ours is left."""

    text: str
    changed: bool
    changes: dict[str, str]
    removed: list[Entry]
    ours: bool


def change_fstab(
    lines: Sequence[Line], wanted: Sequence[Mount], gone: Sequence[Gone], exclusive: bool, systemd: bool
) -> FstabChange:
    """The fstab that has the wanted mounts, outside of the blocks of others, and not the unwanted ones.

    Every other line stays as it is. Failure: another file system has a line for a wanted mount point.
    """
    left = {mount.path: mount for mount in wanted}
    changes: dict[str, str] = {}
    removed: list[Entry] = []
    texts: list[str] = []
    written = set()
    taken = blocks(lines)
    for position, line in enumerate(lines):
        item = line.entry
        mount = next((left[path] for path in left if item and same_place(item, path)), None)
        if item is None or (mount is None and not _unwanted(item, wanted, gone, exclusive)):
            texts.append(line.text)
        elif mount is None:
            changes[posixpath.normpath(item.path)] = "removed"
            removed.append(item)
        elif item.type != TYPE:
            raise Failure(
                f"fstab line {line.number} mounts {item.source} ({item.type}) at {mount.path}. "
                f"Remove that line, or choose another path for share {mount.share}."
            )
        elif mount.path in written or any(first <= position < end for first, end in taken):
            changes[mount.path] = "changed"
        else:
            written.add(mount.path)
            wish = entry(mount, systemd)
            if item != wish:
                changes[mount.path] = "changed"
            texts.append(line.text if item == wish else render(wish))
    missing = [mount for mount in wanted if mount.path not in written]
    for mount in missing:
        changes.setdefault(mount.path, "added")
    text = _with_lines(texts, [render(entry(mount, systemd)) for mount in missing])
    ours = any(line.entry and line.entry.ours for line in parse_fstab(text))
    return FstabChange(text, text != "".join(line.text for line in lines), changes, removed, ours)


def only_vboxsf(text: str) -> str:
    """The vboxsf lines of an fstab, for a diff: the others do not change, and may hold passwords."""
    return "".join(line.text for line in parse_fstab(text) if line.entry and line.entry.type == TYPE)


def remembered(lines: Sequence[Line], path: str) -> Entry | None:
    """The vboxsf entry that fstab has for a path: what a live mount was most likely made with."""
    found = [line.entry for line in lines if line.entry and line.entry.type == TYPE and same_place(line.entry, path)]
    return found[0] if found else None


# --- live mounts --------------------------------------------------------------------------------------------------


def dead(live: live_mounts.Live, error: str, lines: Sequence[Line] = (), ours: bool = False) -> str:
    """What it means that a mount does not answer, and the way out."""
    what = f"share {live.source}" if live.type == TYPE else f"{live.source} ({live.type})"
    numbers = [str(line.number) for line in lines if line.entry and same_place(line.entry, live.path)]
    line = f", and take line {numbers[0]} out of fstab, which mounts it at the next boot" if numbers else ""
    why = " The host took the share away or changed it." if live.type == TYPE else ""
    if ours:
        way = (
            "The module mounts mounted it, and unmounts it with 'state: absent' for that path, or with "
            "'exclusive: true', as the role cache_guest does."
        )
    else:
        way = f"Unmount it with 'umount {live.path}', or 'umount -l {live.path}' if it is busy{line}. Then run again."
    return f"{what} is mounted at {live.path} and does not answer: {error}.{why} {way}"


_SHOWN_FLAGS = ("nodev", "nosuid", "noexec")


def _values(options: Iterable[str]) -> dict[str, str]:
    return {name: value for name, equals, value in (option.partition("=") for option in options) if equals}


def _driver_options(options: Sequence[str]) -> dict[str, str]:
    """Owner and modes that options give, in one spelling, where they are not the driver's defaults."""
    values = _values(options)
    for mask in ("dmask", "fmask"):
        values.setdefault(mask, values.get("umask", "0"))
    found = {name: values[name].lstrip("0") for name in ("uid", "gid") if values.get(name, "0").lstrip("0")}
    for name in ("dmode", "fmode", "dmask", "fmask"):
        digits = values.get(name, "0").lstrip("0")
        if digits or (name in values and name.endswith("mode")):
            found[name] = "0" + digits
    return found


def effective(live: live_mounts.Live, made_with: Entry | None = None, owner: tuple[int, int] | None = None) -> tuple[str, ...]:
    """The options of a live mount that matter here, in one form that can be compared and shown.

    Oracle's driver shows its own options, always with `uid=`. That of the Linux kernel shows none of them: there
    `made_with`, the fstab entry that the mount was most likely made with, speaks for the modes, and `owner`, user and
    group of the mounted folder, for the owner.
    """
    shown = live.details
    if "uid" not in _values(shown):
        shown = made_with.options if made_with else ()
        if owner is not None:
            shown = (
                *(option for option in shown if not option.startswith(("uid=", "gid="))),
                f"uid={owner[0]}",
                f"gid={owner[1]}",
            )
    return _in_one_form("ro" if live.readonly else "rw", live.flags, _driver_options(shown))


def wanted_options(mount: Mount) -> tuple[str, ...]:
    """The same form, for a mount that is wanted."""
    options = mount_options(mount)
    return _in_one_form(options[0], options, _driver_options(options))


def _in_one_form(access: str, flags: Sequence[str], driver: dict[str, str]) -> tuple[str, ...]:
    shown = [flag for flag in _SHOWN_FLAGS if flag in flags]
    return (access, *shown, *(f"{name}={driver[name]}" for name in sorted(driver)))


def line_of(source: str, path: str, options: Sequence[str]) -> str:
    """One line of a diff for a live mount."""
    return "{} {} {} {}\n".format(escape(source), escape(path), TYPE, ",".join(options))


def automounted(live: live_mounts.Live) -> bool:
    """Whether this is systemd waiting for the first access to a mount."""
    return live.type == "autofs" and live.source == "systemd-1"


def change_store_list(text: str, wanted: Sequence[Mount], remembered_lines: Sequence[str]) -> tuple[str, list[str]]:
    """New text of Zero Install's `implementation-dirs`, and which of its lines are ours after it.

    A store where Zero Install looks anyway needs no line. `remembered_lines`: those that were ours before.
    """
    needed = [mount.path for mount in wanted if mount.store and mount.path != SYSTEM_STORE]
    kept = [line for line in text.split("\n") if line in needed or line not in remembered_lines]
    new = "\n".join(kept)
    missing = [path for path in needed if path not in kept]
    if missing and new and not new.endswith("\n"):
        new += "\n"
    return new + "".join(path + "\n" for path in missing), [
        path for path in needed if path in missing or path in remembered_lines
    ]


# What mount(8), its helpers and the kernel say: older ones name the call `mount(2)`, newer ones `fsconfig()`.
# ENXIO ("or address") is what Oracle's driver says of a share, ENODEV what the kernel says of a driver.
_NO_DRIVER = re.compile(r"unknown filesystem type|No such device(?! or address)")
_NO_SHARE = re.compile(
    r"special device \S+ does not exist|was not found \(check VM settings|Host rejected mount of"
    r"|No such file or directory|No such device or address|Protocol error"
)
_BAD_OPTION = re.compile(r"Unknown parameter|Bad value for|bad option|Invalid argument")


def mount_failure(mount: Mount, output: str, virtualbox: bool) -> str:
    """What a failed `mount` means for its user: what is wrong and what to do."""
    said = " ".join(output.split())
    start = f"share {mount.share} cannot be mounted at {mount.path}: "
    if _NO_DRIVER.search(said):
        return start + driver_missing(virtualbox) + f" mount said: {said}"
    if _NO_SHARE.search(said):
        return (
            f"{start}the host does not offer share {mount.share} to this machine. Let the host share it "
            "(playbook zeroinstall.virtualbox.share). If it already does, the share takes effect when the machine is "
            f"powered off and started again. mount said: {said}"
        )
    if _BAD_OPTION.search(said):
        options = ",".join(mount_options(mount))
        return (
            f"{start}the driver refuses its options {options}. Take out those that you gave "
            f"(cache_guest_mount_options). mount said: {said}"
        )
    return f"{start}mount said: {said}"


def driver_missing(virtualbox: bool) -> str:
    """Why vboxsf cannot be mounted, and what to do."""
    if not virtualbox:
        return (
            "this is no VirtualBox guest: the machine does not call itself VirtualBox and has no VirtualBox guest "
            "device. Take it out of the group of guests."
        )
    return (
        "the driver vboxsf is not available for the running kernel. Install Guest Additions of the host's version, or "
        "a kernel package that has the modules vboxguest and vboxsf."
    )


# --- modules at boot ----------------------------------------------------------------------------------------------


def modules(text: str, whole_lines: bool) -> list[str]:
    """The modules that a file of modules-load.d(5), or /etc/modules, has loaded at boot.

    systemd takes a whole line for a name; with `whole_lines` false, options may follow it, as other inits have it.
    """
    lines = [line.strip() for line in text.split("\n")]
    names = [line for line in lines if line and line[0] not in "#;"]
    return names if whole_lines else [line.split()[0] for line in names]


# --- systemd ------------------------------------------------------------------------------------------------------

_PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())
_WRITTEN = "# Written by the Ansible collection zeroinstall.virtualbox.\n"


def unit(path: str, kind: str) -> str:
    """The name of systemd's unit for a path, as `systemd-escape --path --suffix=KIND` gives it."""
    raw = path.strip("/").encode("utf-8", "surrogateescape")
    name = "".join(
        "-"
        if byte == 0x2F
        else chr(byte)
        if byte in _PLAIN and (byte != 0x2E or index)
        else f"\\x{byte:02x}"
        for index, byte in enumerate(raw)
    )
    return f"{name}.{kind}"


def automount_file(path: str) -> str:
    """The file with the unit that waits for the first access to a path."""
    return f"{UNITS}/{unit(path, 'automount')}"


def automount_text(path: str) -> str:
    """Its text."""
    where = path.replace("%", "%%")
    return (
        f"{_WRITTEN}[Unit]\nStartLimitIntervalSec=0\n\n[Automount]\nWhere={where}\n\n"
        "[Install]\nWantedBy=local-fs.target\n"
    )


def is_ours(text: object) -> bool:
    """Whether a unit's text is one that this collection wrote."""
    return isinstance(text, str) and text.startswith(_WRITTEN)


def wanted_by(path: str) -> str:
    """The link by which a boot wants that unit, and does not fail without it."""
    return f"{UNITS}/local-fs.target.wants/{unit(path, 'automount')}"


def mount_drop_in(path: str) -> str:
    """The file with what fstab cannot say about the mount unit that systemd makes of the line."""
    return f"{UNITS}/{unit(path, 'mount')}.d/zeroinstall.virtualbox.conf"


MOUNT_DROP_IN_TEXT = _WRITTEN + (
    "# Each access tries to mount. After five that failed within ten seconds, systemd would stop waiting for more,\n"
    "# and the mount point would be an ordinary folder.\n[Unit]\nStartLimitIntervalSec=0\n"
)


def mount_files(path: str) -> list[str]:
    """Files that would take the place of the mount unit that systemd makes of the fstab line."""
    return [f"{folder}/{unit(path, 'mount')}" for folder in (UNITS, RUNTIME_UNITS)]
