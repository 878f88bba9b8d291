# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""fstab text and live mounts of a guest: what is there, what is wanted, and how they differ. Pure.

Formats: fstab(5), and proc_pid_mountinfo(5) for `/proc/self/mountinfo`.
"""

from __future__ import annotations

import posixpath
import re
from typing import Iterable, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

TYPE = "vboxsf"
MARK = "comment=zeroinstall.virtualbox"
MODULES_LOAD = "/etc/modules-load.d/zeroinstall.virtualbox.conf"
MODULES_LOAD_TEXT = "# Written by the Ansible collection zeroinstall.virtualbox: VirtualBox shared folders.\nvboxsf\n"

# Oracle's mount.vboxsf holds a share's name in 256 bytes, the last one zero.
_NAME_LIMIT = 255

_NUMBER = re.compile(r"-?\d+")
_ID = re.compile(r"\d+")
_OCTAL = re.compile(r"[0-7]{1,4}")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_BOTH_DRIVERS = {"uid": _ID, "gid": _ID, "ttl": _NUMBER, "nls": _WORD, "dmask": _OCTAL, "fmask": _OCTAL}
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
_FLAGS = ("exec", "noexec", "dev", "nodev", "suid", "nosuid", "relatime")
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
_DEVICE_TAGS = ("LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=", "ID=")


class Mount(NamedTuple):
    """A mount as it is wanted: a share's name, an absolute path, and further options of vboxsf."""

    share: str
    path: str
    writable: bool = False
    options: tuple[str, ...] = ()


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
    """A line of fstab: number from 1, text with its line end, and its entry unless it is a comment, empty or malformed."""

    number: int
    text: str
    entry: Entry | None
    malformed: bool


class Live(NamedTuple):
    """A mount as the kernel has it. `flags` are those of the mount, `details` those of the file system."""

    id: int
    parent: int
    path: str
    flags: tuple[str, ...]
    type: str
    source: str
    details: tuple[str, ...]

    @property
    def readonly(self) -> bool:
        """Whether the guest asked for a read-only mount. A share that its host made read-only does not show here."""
        return "ro" in self.flags or "ro" in self.details


def escape(text: str) -> str:
    r"""A field for fstab: space, tab, newline and backslash as `\040`, `\011`, `\012` and `\134`."""
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found.group()):03o}", text)


def unescape(text: str) -> str:
    """The reverse of `escape`, for every octal escape of three digits, as in `/proc/self/mountinfo`."""
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    plain = re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes((int(found.group(1), 8),)), raw)
    return plain.decode("utf-8", "surrogateescape")


# --- what the user asks for ---------------------------------------------------------------------------------------


def check_share(name: str) -> None:
    """Failure unless a name can be a share's and a mount's source."""
    if not name:
        raise Failure("A mount needs a share: its name is empty.")
    if re.search(r"[\s\x00-\x1f\x7f]", name):
        raise Failure(f"share {name!r}: a share's name has no white space and no control characters. Rename the share.")
    if len(name.encode("utf-8", "surrogateescape")) > _NAME_LIMIT:
        raise Failure(
            f"share {name!r}: a share's name of more than {_NAME_LIMIT} bytes cannot be mounted. Rename the share."
        )
    if name.startswith("#") or name.startswith(_DEVICE_TAGS):
        raise Failure(
            "share {!r}: fstab reads a name that begins so as {}. Rename the share.".format(
                name, "a comment" if name.startswith("#") else "a device"
            )
        )


def check_path(path: str) -> None:
    """Failure unless a path can be a mount point. Whether it is there, and what is in it, is not looked at."""
    if not path.startswith("/"):
        raise Failure(f"path {path!r}: a mount point is an absolute path, beginning with '/'.")
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise Failure(f"path {path!r}: a mount point has no newlines and no other control characters.")
    if path == "/" or path.startswith("//"):
        raise Failure(f"path {path!r}: a share cannot be mounted there. Choose a folder of its own.")
    if posixpath.normpath(path) != path:
        raise Failure(
            f"path {path!r}: write it without '..', '.', double or closing '/': {posixpath.normpath(path)!r}."
        )


def check_options(options: Sequence[str], mainline: bool = False) -> None:
    """Failure unless both drivers take these options and the x bit survives; `mainline`: only that driver counts."""
    seen = set()
    for option in options:
        name, equals, value = option.partition("=")
        known = dict(_BOTH_DRIVERS, **_ORACLE_ONLY)
        reason = _REFUSED.get(name)
        if name.startswith("x-"):
            reason = _OURS
        elif reason is None and name in known and not (equals and known[name].fullmatch(value)):
            reason = "its value is not one that vboxsf takes (numbers for uid and gid, octal digits for a mask)"
        elif reason is None and name not in known and (equals or name not in _FLAGS):
            reason = "vboxsf does not know it. It knows {}".format(
                ", ".join(sorted(_FLAGS) + sorted(key + "=" for key in known))
            )
        elif name in ("fmask", "dmask", "umask") and int(value, 8) & _READ_AND_EXECUTE:
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
        check_share(mount.share)
        check_path(mount.path)
        check_options(mount.options, mainline)
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

    No boot waits for it or fails by it. systemd mounts it at the first access; elsewhere `_netdev` puts it with the
    late mounts. `nofail` would be the usual way, and mount.vboxsf of Oracle's Guest Additions refuses it.
    """
    late = ("noauto", "x-systemd.automount") if systemd else ("_netdev",)
    return Entry(mount.share, mount.path, TYPE, mount_options(mount) + late + (MARK,))


def render(item: Entry) -> str:
    """The fstab line of an entry, with its newline."""
    fields = (escape(item.source), escape(item.path), item.type, escape(",".join(item.options)), item.freq, item.passno)
    return " ".join(fields) + "\n"


def _parse_line(number: int, text: str) -> Line:
    bare = text.strip(" \t\n")
    if not bare or bare.startswith("#"):
        return Line(number, text, None, False)
    fields = re.split("[ \t]+", bare)
    numbers = ([*fields[4:6], "0", "0"])[:2]
    if len(fields) < 3 or not all(re.fullmatch(r"[+-]?\d+\r?", field) for field in numbers):
        return Line(number, text, None, True)
    options = tuple(unescape(fields[3]).split(",")) if len(fields) > 3 else ()
    return Line(number, text, Entry(unescape(fields[0]), unescape(fields[1]), fields[2], options, *numbers), False)


def parse_fstab(text: str) -> list[Line]:
    """The lines of an fstab. Joined again, their texts are the text that was given, byte for byte."""
    lines = text.split("\n")
    texts = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [_parse_line(number, line) for number, line in enumerate(texts, 1)]


def _same_place(item: Entry, path: str) -> bool:
    return posixpath.normpath(item.path) == path


def _unwanted(item: Entry, wanted: Iterable[Mount], gone: Iterable[Gone], exclusive: bool) -> bool:
    for absent in gone:
        if _same_place(item, absent.path):
            return item.ours or (item.type == TYPE and item.source == absent.share)
    return exclusive and item.ours and not any(_same_place(item, mount.path) for mount in wanted)


def change_fstab(
    lines: Sequence[Line], wanted: Sequence[Mount], gone: Sequence[Gone], exclusive: bool, systemd: bool
) -> tuple[str, dict[str, str], list[Entry]]:
    """New fstab text; what happens to the line of each path (`added`, `changed`, `removed`); entries taken out.

    Every other line stays as it is. Failure: another file system has a line for a wanted mount point.
    """
    left = {mount.path: mount for mount in wanted}
    changes: dict[str, str] = {}
    removed: list[Entry] = []
    texts: list[str] = []
    written = set()
    for line in lines:
        item = line.entry
        mount = next((left[path] for path in left if item and _same_place(item, path)), None)
        if item is None or (mount is None and not _unwanted(item, wanted, gone, exclusive)):
            texts.append(line.text)
        elif mount is None:
            changes[posixpath.normpath(item.path)] = "removed"
            removed.append(item)
        elif item.type != TYPE:
            raise Failure(
                f"fstab line {line.number} mounts {item.source} ({item.type}) at {mount.path}. Remove that line, or choose another path for share {mount.share}."
            )
        elif mount.path in written:
            changes[mount.path] = "changed"
        else:
            written.add(mount.path)
            wish = entry(mount, systemd)
            if item != wish:
                changes[mount.path] = "changed"
            texts.append(line.text if item == wish else render(wish))
    for mount in wanted:
        if mount.path not in written:
            if texts and not texts[-1].endswith("\n"):
                texts[-1] += "\n"
            texts.append(render(entry(mount, systemd)))
            changes[mount.path] = "added"
    return "".join(texts), changes, removed


def remembered(lines: Sequence[Line], path: str) -> Entry | None:
    """The vboxsf entry that fstab has for a path: what a live mount was most likely made with."""
    found = [line.entry for line in lines if line.entry and line.entry.type == TYPE and _same_place(line.entry, path)]
    return found[0] if found else None


# --- live mounts --------------------------------------------------------------------------------------------------


def parse_mountinfo(text: str) -> list[Live]:
    """The mounts of `/proc/self/mountinfo`, in its order. A line that is no such line is left out."""
    mounts = []
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        first, last = before.split(" "), after.split(" ")
        if separator and len(first) >= 6 and len(last) >= 3:
            mounts.append(
                Live(
                    int(first[0]),
                    int(first[1]),
                    unescape(first[4]),
                    tuple(first[5].split(",")),
                    last[0],
                    unescape(last[1]),
                    tuple(unescape(last[2]).split(",")),
                )
            )
    return mounts


def _covers(outer: str, inner: str) -> bool:
    return outer in (inner, "/") or inner.startswith(outer + "/")


def stack(mounts: Sequence[Live], path: str) -> list[Live]:
    """The mounts at exactly a path, the visible one last; those that another mount further up hides are left out.

    A walk from the root, from mount to child mount, as the kernel resolves a path.
    """
    ids = {mount.id for mount in mounts}
    below = [mount for mount in mounts if mount.parent == mount.id or mount.parent not in ids]
    way: list[Live] = []
    while True:
        below = [mount for mount in below if _covers(mount.path, path) and mount not in way]
        if not below:
            return [mount for mount in way if mount.path == path]
        way.append(min(below, key=lambda mount: len(mount.path)))
        below = [mount for mount in mounts if mount.parent == way[-1].id]


def _values(options: Iterable[str]) -> dict[str, str]:
    return {name: value for name, equals, value in (option.partition("=") for option in options) if equals}


def _driver_options(options: Sequence[str]) -> dict[str, int]:
    """Owner and modes that options give, with the driver's defaults; dmode and fmode -1 for 'as on the host'."""
    values = _values(options)
    umask = values.get("umask", "0")
    modes = {"dmode": "-1", "fmode": "-1", "dmask": umask, "fmask": umask}
    found = {name: int(values.get(name, default), 8) for name, default in modes.items()}
    found.update({name: int(values.get(name, "0")) for name in ("uid", "gid")})
    return found


def differences(live: Live, mount: Mount, made_with: Entry | None) -> list[str]:
    """How a live vboxsf mount differs from what is wanted, as phrases.

    Oracle's driver shows its own options in `mountinfo`, always with `uid=`; that of the Linux kernel shows none of
    them. There `made_with`, the fstab entry that the mount was most likely made with, has to speak for them.
    """
    found = []
    if live.source != mount.share:
        found.append(f"share {live.source} is mounted")
    options = mount_options(mount)
    if live.readonly == mount.writable:
        found.append("it is mounted {}".format("read-only" if live.readonly else "writable"))
    for flag in ("nodev", "nosuid", "noexec"):
        if (flag in live.flags) != (flag in options):
            found.append("{} is {}".format(flag, "set" if flag in live.flags else "not set"))
    shown: Sequence[str] | None = live.details if "uid" in _values(live.details) else None
    if shown is None and made_with is not None:
        shown = made_with.options
    if shown is not None:
        try:
            has = _driver_options(shown)
        except ValueError:
            found.append("its options cannot be read: {}".format(",".join(shown)))
        else:
            wish = _driver_options(options)
            found += [
                "{} is {}".format(name, _values(shown).get(name, "not set"))
                for name in sorted(wish)
                if wish[name] != has[name]
            ]
    return found


def describe(live: Live) -> str:
    """One line of a diff for a live mount: what shows of it, in the order of fstab."""
    shown = [flag for flag in ("nodev", "nosuid", "noexec") if flag in live.flags]
    return "{} {} {} {}\n".format(
        escape(live.source), escape(live.path), live.type, ",".join(["ro" if live.readonly else "rw", *shown])
    )


def describe_wanted(mount: Mount) -> str:
    """The same line for a mount that is wanted."""
    options = mount_options(mount)
    shown = [flag for flag in ("nodev", "nosuid", "noexec") if flag in options]
    return "{} {} {} {}\n".format(escape(mount.share), escape(mount.path), TYPE, ",".join([options[0], *shown]))


def automount_unit(path: str) -> str:
    """The name of systemd's automount unit for a path, as `systemd-escape --path --suffix=automount` gives it."""
    raw = path.strip("/").encode("utf-8", "surrogateescape")
    name = "".join(
        "-"
        if byte == 0x2F
        else chr(byte)
        if re.match(rb"[A-Za-z0-9:_.]", bytes((byte,))) and (byte != 0x2E or index)
        else f"\\x{byte:02x}"
        for index, byte in enumerate(raw)
    )
    return name + ".automount"
