# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""fstab text and live mounts of a guest: what is there, what is wanted, and how they differ. Pure.

Formats: fstab(5), and proc_pid_mountinfo(5) for ``/proc/self/mountinfo``.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import live_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import wanted_mounts

TYPE = "vboxsf"

_SPECIAL = re.compile(r"[ \t\n\\]")
_BLANKS = re.compile("[ \t]+")


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
        return self.type == TYPE and wanted_mounts.MARK in self.options


class Line(NamedTuple):
    """A line of fstab: number from 1, text with its line end, entry (None for a comment or a malformed line)."""

    number: int
    text: str
    entry: Entry | None
    malformed: bool


def escape(text: str) -> str:
    r"""A field for fstab: space, tab, newline and backslash as ``\040``, ``\011``, ``\012`` and ``\134``."""
    return _SPECIAL.sub(lambda found: f"\\{ord(found.group()):03o}", text)


# --- what the user asks for ---------------------------------------------------------------------------------------


# --- fstab --------------------------------------------------------------------------------------------------------


def entry(mount: wanted_mounts.Mount, systemd: bool) -> Entry:
    """The fstab entry for a mount.

    No boot waits for it or fails by it. systemd mounts it at the first access (``automount_text``). Elsewhere the
    boot scripts mount it with the local file systems, after they have loaded the driver, and go on where that fails.
    Not with those of the network (``_netdev``): Debian mounts those when ifupdown brings up an interface, OpenRC
    only if netmount is in a runlevel. ``nofail`` would be the usual way, and mount.vboxsf of Oracle's Guest
    Additions refuses it. Without it, the boot would fail by what ``x-systemd.automount`` makes, so that is not an
    option either.
    """
    late = ("noauto",) if systemd else ()
    return Entry(mount.share, mount.path, TYPE, wanted_mounts.mount_options(mount) + late + (wanted_mounts.MARK,))


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
    if len(fields) < 3 or not all(wanted_mounts._NUMBER.fullmatch(field) for field in numbers):
        return Line(number, text, None, True)
    options = tuple(live_mounts.unescape(fields[3]).split(",")) if len(fields) > 3 else ()
    return Line(
        number,
        text,
        Entry(live_mounts.unescape(fields[0]), live_mounts.unescape(fields[1]), fields[2], options, *numbers),
        False,
    )


def parse_fstab(text: str) -> list[Line]:
    """The lines of an fstab. Joined again, their texts are the text that was given, byte for byte."""
    lines = text.split("\n")
    texts = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [_parse_line(number, line) for number, line in enumerate(texts, 1)]


_BLOCK_WORDS = (("begin", ("end",)), ("start", ("end", "stop")), ("open", ("close",)), (">>>", ("<<<",)))
_IN_CAPITALS = re.compile(
    "(?<![A-Za-z0-9])(?:{})(?![A-Za-z0-9])".format("|".join(opening.upper() for opening, _closings in _BLOCK_WORDS))
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
            if count == 1:
                found.append(name.lower())
    return ([], [], False) if opens and closes else (opens, closes, bool(_IN_CAPITALS.search(text)))


def blocks(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """The blocks of others, as Vagrant and Ansible mark theirs: positions of the first line and behind the last one.

    Their owners replace or remove them with all that is in them. One that is never closed goes on beyond the file,
    and begins at an end of its name before it, if there is one: as far as ``sed '/BEGIN/,/END/d'`` and
    ``blockinfile`` reach.
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
    return _names.normal(item.path) == path


def _unwanted(
    item: Entry, wanted: Iterable[wanted_mounts.Mount], gone: Iterable[wanted_mounts.Gone], exclusive: bool
) -> bool:
    for absent in gone:
        if same_place(item, absent.path):
            return item.ours or (item.type == TYPE and item.source == absent.share)
    return exclusive and item.ours and not any(same_place(item, mount.path) for mount in wanted)


class FstabChange(NamedTuple):
    """New text of fstab. ``changes``: path to ``added``, ``changed``, ``removed``; ``ours``: a line of ours is left."""

    text: str
    changed: bool
    changes: dict[str, str]
    removed: list[Entry]
    ours: bool


def change_fstab(
    lines: Sequence[Line],
    wanted: Sequence[wanted_mounts.Mount],
    gone: Sequence[wanted_mounts.Gone],
    exclusive: bool,
    systemd: bool,
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
            changes[_names.normal(item.path)] = "removed"
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


# --- modules at boot ----------------------------------------------------------------------------------------------


# --- systemd ------------------------------------------------------------------------------------------------------
