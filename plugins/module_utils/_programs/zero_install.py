# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running 0install for one program, apart from what any user has of it: settings, keys, feeds and half-done downloads.

Only the store is shared. All else is in a folder of the run's own, which is gone after it. So a key that one program
trusts signs nothing for another program.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence
from urllib.parse import unquote

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import removing
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import (
    feeds,
    selections,
    settings,
    xml_trees,
)

MOST_SAID = 8 << 20
"""Bytes of a document or of a feed that are read."""
LEFT = "session-"
"""How the name of a session's folder begins."""
_ASKS = "Do you want to trust"
"""How 0install begins the question that it asks about keys that it does not know."""
_FULL = ("No space left on device", "Wrote only")
"""What 0install and tar say where a disk is full."""
_KEY = re.compile("^- ([0-9A-F]{40})$", re.MULTILINE)
_FEED = re.compile(r"^Feed: (\S+)$", re.MULTILINE)
_TOLD = 2000
"""Characters of 0install's own words in a message."""
_PAUSE = 1.0
_FROM_CALLER = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Variables that libcurl reads."""


class Place(NamedTuple):
    """Where 0install runs.

    Attributes:
        program: of 0install, a path or a name in the folders of programs.
        store: the path of the store that it fills.
        folder: in which a session gets its own folder.
        patience: seconds for which 0install may neither work nor get anything.
        look: is told about once a second how many bytes of a program came, and how many will.
    """

    program: str
    store: str
    folder: str
    patience: float
    look: Callable[[int, int], None] = lambda came, total: None


class Said(NamedTuple):
    """What 0install printed, and its exit status."""

    status: int
    output: str
    errors: str


class Session:
    """Chooses and downloads the implementations of one program. Made by ``session``."""

    def __init__(self, place: Place, folder: str, variables: Mapping[str, str]) -> None:
        self._place = place
        self._folder = folder
        self._variables = variables
        self._feeds: dict[str, bytes] = {}
        """The text of each feed by its address, as it came."""
        self._written: dict[str, bytes] = {}
        self._coming: dict[selections.Implementation, int] = {}
        """What is downloaded now, with its bytes."""

    def select(self, uri: str, system: str, command: str, version: str) -> str:
        """The document with which a program runs on a system such as ``Linux-x86_64``.

        Failure: there is none, or a feed or its key is not as it has to be. The message is 0install's.
        """
        system_name, _dash, processor = system.partition("-")
        options = [f"--os={system_name}", f"--cpu={processor}", f"--command={command}"]
        options += [f"--version={version}"] if version else []
        while True:
            said = self._run("select", "--console", "--xml", *options, uri)
            if not self._put_stand_ins():
                break
        if said.status:
            raise Failure(self._why(said.errors))
        return said.output

    def download(self, document: str) -> None:
        """Fill the store with what a document needs. Failure: something of it did not get there."""
        path = os.path.join(self._folder, "document.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(document)
        sizes: dict[str, int] = {}
        for text in self._feeds.values():
            sizes.update(feeds.download_sizes(xml_trees.read(text)))
        self._coming = {one: sizes.get(one.names[0], 0) for one in missing(self._place.store, document)}
        said = self._run("download", "--console", "--xml", path)
        if said.status:
            raise Failure(self._why(said.errors))
        lost = missing(self._place.store, document)
        if lost:
            raise Failure(
                f"{lost[0].interface} {lost[0].version} was downloaded, but it did not get into the store "
                f"{self._place.store}: {self._why(said.errors)}"
            )

    def packages_alone(self, interface: str) -> str:
        """A feed with nothing but the packages that may be the implementation of an interface."""
        trees = [xml_trees.read(text) for uri, text in self._feeds.items()]
        of_it = [tree for uri, tree in zip(self._feeds, trees) if interface in (uri, *feeds.feeds_for(tree))]
        return feeds.packages_alone(of_it).decode("utf-8")

    def _put_stand_ins(self) -> bool:
        """Put stand-ins into the feeds that 0install has by now. Whether that changed any of them."""
        folder = os.path.join(self._variables["XDG_CACHE_HOME"], "0install.net/interfaces")
        paths = {unquote(name): os.path.join(folder, name) for name in _names_in(folder)}
        for uri, path in paths.items():
            text = _read(path)
            if text != self._written.get(uri):
                self._feeds[uri] = text
        trees = {uri: xml_trees.read(self._feeds[uri]) for uri in paths}
        bounds: dict[str, set[str]] = {}
        for tree in trees.values():
            for interface, versions in feeds.bounds(tree).items():
                bounds.setdefault(interface, set()).update(versions)
        changed = False
        for uri, tree in trees.items():
            if not feeds.packages(tree):
                continue
            served = (uri, *feeds.feeds_for(tree))
            feeds.with_stand_ins(tree, {version for one in served for version in bounds.get(one, ())})
            text = xml_trees.write(tree)
            if text != self._written.get(uri):
                self._written[uri] = text
                with open(paths[uri], "wb") as file:
                    file.write(text)
                changed = True
        return changed

    def _why(self, errors: str) -> str:
        """Why 0install failed, in a line."""
        if any(words in errors for words in _FULL):
            return f"the disk of {self._place.store} or of {self._place.folder} is full. {_words(errors)}"
        return _words(errors)

    def _run(self, *arguments: str) -> Said:
        """Run 0install to its end. Failure: it is not there, or it waited in vain for something to come."""
        names = [os.path.join(self._folder, name) for name in ("output", "errors")]
        with open(names[0], "wb") as output, open(names[1], "wb") as errors:
            try:
                # AnsibleModule.run_command tells nothing of what happens meanwhile.
                process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    [self._place.program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=dict(self._variables),
                    cwd=self._folder,
                    start_new_session=True,
                )
            except OSError as error:
                raise Failure(f"0install was not found as '{self._place.program}' ({error.strerror})") from error
            try:
                self._wait(process)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said, told = (_read(name).decode("utf-8", "replace") for name in names)
        return Said(process.returncode, said, told)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        seen: tuple[int, int] | None = None
        since = time.monotonic()
        while True:
            try:
                process.wait(_PAUSE)
                return
            except subprocess.TimeoutExpired:
                half_done = _size(self._variables["TMPDIR"])
                there = sum(size for one, size in self._coming.items() if has(self._place.store, one))
                total = sum(self._coming.values())
                self._place.look(min(there + half_done, total), total)
                now = (_processor_time(process.pid), half_done)
                if now != seen:
                    seen, since = now, time.monotonic()
                elif time.monotonic() - since > self._place.patience:
                    raise Failure(f"nothing came for {self._place.patience:.0f} s") from None


@contextlib.contextmanager
def session(place: Place, fingerprints: Sequence[str]) -> Iterator[Session]:
    """A session in which the keys with these fingerprints, and no others, may sign feeds.

    Failure: the folder for it cannot be made or filled.
    """
    try:
        folder = tempfile.mkdtemp(prefix=LEFT, dir=place.folder)
    except OSError as error:
        raise Failure(f"no folder can be made in {place.folder}: {error.strerror}") from error
    try:
        yield Session(place, folder, _furnished(place, folder, fingerprints))
    except OSError as error:
        raise Failure(f"{error.filename or folder} cannot be written or read: {error.strerror}") from error
    finally:
        _end_agents(folder)
        discard(folder)


def _furnished(place: Place, folder: str, fingerprints: Sequence[str]) -> dict[str, str]:
    """Make what a session begins with; the environment variables of its 0install."""
    made = {name: os.path.join(folder, name) for name in ("home", "settings", "cache", "data", "none", "tmp")}
    injector = os.path.join(made["settings"], "0install.net/injector")
    for path in (*made.values(), injector, os.path.join(made["cache"], _names.STORE.lstrip("/"), feeds.NOTHING)):
        os.makedirs(path, 0o700, exist_ok=True)
    for name, text in (("global", settings.GENERAL), ("trustdb.xml", settings.trust(fingerprints))):
        with open(os.path.join(injector, name), "w", encoding="utf-8") as file:
            file.write(text)
    return {
        **{name: os.environ[name] for name in _FROM_CALLER if name in os.environ},
        "PATH": _names.SEARCH_PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": made["home"],
        "TMPDIR": made["tmp"],
        "XDG_CONFIG_HOME": made["settings"],
        "XDG_CONFIG_DIRS": made["none"],
        "XDG_CACHE_HOME": made["cache"],
        "XDG_CACHE_DIRS": place.store[: -len(_names.STORE)],
        "XDG_DATA_HOME": made["data"],
        "XDG_DATA_DIRS": made["none"],
    }


def missing(store: str, document: str) -> list[selections.Implementation]:
    """The implementations of a document that a store does not have."""
    return [one for one in selections.parse(document).implementations if not has(store, one)]


def has(store: str, implementation: selections.Implementation) -> bool:
    """Whether a store has an implementation, by one of its names."""
    return any(os.path.isdir(os.path.join(store, name)) for name in implementation.names)


def discard(folder: str) -> None:
    """Remove the folder of a session, with implementations in it that nobody may write."""
    above = os.open(os.path.dirname(folder), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            removing.remove(os.path.basename(folder), above)
    finally:
        os.close(above)


def _end_agents(folder: str) -> None:
    """End the agent that gpg leaves running."""
    home = os.path.join(folder, "home", ".gnupg")
    if os.path.isdir(home):
        with contextlib.suppress(OSError):
            # There is no AnsibleModule down here.
            subprocess.run(  # pylint: disable=ansible-bad-function
                ["gpgconf", "--homedir", home, "--kill", "all"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": _names.SEARCH_PATH},
                check=False,
            )


def _words(errors: str) -> str:
    """What 0install printed, in a line; of a question about a key, which key it is."""
    if _ASKS in errors:
        keys = " and ".join(_KEY.findall(errors)) or "a key"
        return f"its feed {(_FEED.search(errors) or [''] * 2)[1]} is signed with {keys}, which it does not trust."
    lines = [line.strip() for line in errors.splitlines() if line.strip() and "OCAMLRUNPARAM" not in line]
    return " ".join(lines)[:_TOLD] or "0install failed and said nothing."


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        text = file.read(MOST_SAID + 1)
    if len(text) > MOST_SAID:
        raise Failure(f"a feed or a document has more than {MOST_SAID} bytes")
    return text


def _size(folder: str) -> int:
    """Bytes of the files in a folder."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _processor_time(group: int) -> int:
    """What all processes of a session of processes have used, in the kernel's own unit."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                if int(fields[3]) == group:
                    total += int(fields[11]) + int(fields[12])
    return total
