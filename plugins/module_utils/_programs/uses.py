# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who on a machine still uses implementations: running processes, and what users' own 0install knows.

All of that names an implementation by its digest. A process has it in a path that it has open or mapped, in its command
line, or in a variable that 0install sets for it; a document or a feed has it in an attribute. So the digests are
looked for as bytes. A file that names a digest for another reason counts, too: what stays too long does no harm.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
from typing import Any, Iterable, Iterator, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import inspecting
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests

MOST_READ = 10_000_000
"""Bytes of a file that are read."""
MOST_FILES, MOST_BYTES = 20_000, 400_000_000
"""Files of one user, or of the system, that are read, and their bytes."""
SHOWN = 5
"""Users of an implementation that are named."""
_OF_A_USER = (".config/0install.net", ".cache/0install.net/interfaces", ".local/share/0install.net")
"""Where 0install keeps a user's programs, overrides and feeds, below the home."""
_OF_THE_SYSTEM = ("/etc/xdg/0install.net", "/var/cache/0install.net/interfaces")
_DIGEST = re.compile("(?:sha1|sha1new|sha256)=|sha256new_")


def run(asked: Asked) -> dict[str, Any]:
    """Which of the names something uses. Failure: one of them names no implementation."""
    folders = [] if asked.check_mode else asked.params["documents"]
    found = look(asked.params["names"], folders)
    return {"changed": False, "used": [{"name": name, "by": by} for name, by in sorted(found.items())]}


def look(names: Iterable[str], folders: Sequence[str] = ()) -> dict[str, list[str]]:
    """Who uses which of these implementations, by name. ``folders``: more places with documents.

    Failure: a name is none of an implementation.
    """
    by_digest: dict[bytes, list[str]] = {}
    for name in names:
        by_digest.setdefault(_digest(name), []).append(name)
    if not by_digest:
        return {}
    pattern = re.compile(b"|".join(re.escape(digest) for digest in sorted(by_digest)))
    found: dict[str, list[str]] = {}
    for who, text in _texts(folders):
        for name in {
            name for digest in (by_digest if text is None else pattern.findall(text)) for name in by_digest[digest]
        }:
            users = found.setdefault(name, [])
            if who not in users and len(users) < SHOWN:
                users.append(who)
    return found


def _digest(name: str) -> bytes:
    if not manifests.is_name(name):
        raise Failure(f"{name!r} is not the name of an implementation. Correct names.")
    return _DIGEST.sub("", name, count=1).encode("ascii")


def _texts(folders: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Who there is, with what they say. None: they may use anything, for not all that they have was read."""
    for number in filter(str.isdecimal, os.listdir("/proc")):
        if int(number) != os.getpid():
            yield from _process(number)
    yield from _files("the system's 0install", [*_OF_THE_SYSTEM, *folders])
    homes = {entry.pw_dir: entry.pw_name for entry in pwd.getpwall() if entry.pw_dir.startswith("/")}
    for home, user in sorted(homes.items()):
        yield from _files(f"0install of the user {user}", [os.path.join(home, place) for place in _OF_A_USER])


def _process(number: str) -> Iterator[tuple[str, bytes]]:
    folder = f"/proc/{number}"
    who = f"process {number} ({_of_a_process(f'{folder}/comm').decode('utf-8', 'replace').strip()})"
    for name in ("cmdline", "environ", "maps"):
        yield who, _of_a_process(f"{folder}/{name}")
    links = [f"{folder}/{name}" for name in ("cwd", "root", "exe")]
    with contextlib.suppress(OSError):
        links += [f"{folder}/fd/{name}" for name in os.listdir(f"{folder}/fd")]
    for link in links:
        with contextlib.suppress(OSError):
            yield who, os.fsencode(os.readlink(link))


def _files(who: str, folders: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    files, room = 0, MOST_BYTES
    for folder in folders:
        hidden: list[OSError] = []
        for path, _names, names in os.walk(folder, onerror=hidden.append):
            for name in names:
                files += 1
                text = _of_a_file(os.path.join(path, name))
                room -= len(text or b"")
                if files > MOST_FILES or room < 0:
                    yield f"{who}, which has more than can be read", None
                    return
                yield who, text
        if not all(isinstance(error, (FileNotFoundError, NotADirectoryError)) for error in hidden):
            yield f"{who}, which cannot be read", None


def _of_a_file(path: str) -> bytes | None:
    """What a file has. None: it cannot be read, or not to its end. Links, and what is no file, have nothing."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return b""
        return inspecting.contents(path, MOST_READ)
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _of_a_process(path: str) -> bytes:
    """What the kernel tells of a process, as far as this user may know it."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(MOST_READ)
    return b""
