# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that several parts have to take alike: those of shares and of stores. Pure."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

LIMIT = 255
"""Bytes: Oracle's mount.vboxsf holds a share's name in 256, the last one zero."""

MARK = "zeroinstall.virtualbox"
"""The word by which the collection knows again what it made."""

STORE = "/0install.net/implementations"
"""How the path of every store ends. Its parent folders hold files that would let a guest run code on the host."""

SYSTEM_STORE = "/var/cache" + STORE
"""The store that Zero Install on a guest or host looks in, whoever runs it."""

STORE_LIST = "/etc/xdg/0install.net/injector/implementation-dirs"
"""The file in which Zero Install finds the paths of further stores, one on each line."""

STORE_OWNER = "zeroinst"
"""The user who owns a system's store that its users share, as Zero Install names this user."""

HIDDEN_FOLDERS = ("/home/", "/root/", "/run/", "/tmp/", "/var/tmp/")
"""Folders of users and of programs: systemd hides them from a service that says so, and not only root writes there."""

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The folders in which programs are looked for, as the variable ``PATH`` has them."""

SECURE_ADD_HELPER = "0store-secure-add-helper"
"""The program by which 0install adds to a store that its user cannot write."""

TRUSTED, GUESTS, BOX, PROGRAMS = "-trusted", "-guests-", "-box", "-programs"
"""What the names of shares of other kinds than a host's read-only store have after the name that the user chose."""

LINKED = "linked"
"""The name of the folder, beside a store, of the stores of hard links of which each is for one guest."""

DEFAULT_ARRANGEMENT = "default"
"""The arrangement of an inventory that names none, and of all marks of before there were arrangements."""

OF_ARRANGEMENT = "@"
"""What is between an arrangement and a guest in the name of a box. No name of a guest's box has it in it."""

_ARRANGEMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,31}", re.ASCII)
_DEFAULT_MARK = "1"

_SHOWN = 40
_DEVICE_TAGS = ("LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=", "ID=")
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


def is_absolute(path: str) -> bool:
    """Whether a path begins at ``/``, and is such as a file system takes."""
    return path.startswith("/") and "\0" not in path


def normal(path: str) -> str:
    """A path in its shortest form. What two slashes at the beginning mean, POSIX leaves open; to Linux they are one."""
    shortest = posixpath.normpath(path)
    return "/" + shortest.lstrip("/") if path.startswith("/") else shortest


def path_problem(path: str) -> str:
    """What is wrong with a path, and how to write it; empty for one that leads down from ``/`` by names alone."""
    if not is_absolute(path):
        return "is not absolute: write it from '/' on"
    shortest = normal(path)
    return "" if shortest == path else f"is not normalised: write {shortest!r}"


def folder_problem(path: str) -> str:
    """The same for the path of a folder of its own, which ``/`` is not."""
    return path_problem(path) or ("is no folder of its own: choose another" if path == "/" else "")


def is_store_path(path: str) -> bool:
    """Whether a path is absolute, and that of a store by its name."""
    return is_absolute(path) and path.endswith(STORE)


def check_store_path(path: str, option: str) -> None:
    """Failure unless a path is that of a store by its name; ``option`` is where the user wrote it."""
    if not is_store_path(path):
        raise Failure(
            f"'{path}' is not a store of implementations: the path must be absolute and end in '{STORE}'."
            f" Correct {option}."
        )


def linked_folder(store: str) -> str:
    """Where the linked stores of a store are: on its file system, and not in it."""
    return posixpath.join(posixpath.dirname(normal(store)), LINKED)


def linked_store(store: str, name: str) -> str:
    """The linked store of this name."""
    return linked_folder(store) + "/" + name + STORE


def check_arrangement(name: str, option: str) -> None:
    """Failure unless this can name an arrangement. ``option`` is where the user wrote it."""
    if not _ARRANGEMENT.fullmatch(name) or name == _DEFAULT_MARK:
        raise Failure(
            f"{option} {name!r} cannot name an arrangement: write 1 to 32 letters, digits, '.', '_' and '-'"
            f"{', and not only ' + _DEFAULT_MARK if name == _DEFAULT_MARK else ''}."
        )


def mark_of(arrangement: str) -> str:
    """The value of the mark of a share of this arrangement."""
    return _DEFAULT_MARK if arrangement == DEFAULT_ARRANGEMENT else arrangement


def marked_by(value: str) -> str:
    """The arrangement that a mark's value names; empty if it is no mark of this collection."""
    if value == _DEFAULT_MARK:
        return DEFAULT_ARRANGEMENT
    return value if _ARRANGEMENT.fullmatch(value) else ""


def arrangement_of(box: str) -> str:
    """The arrangement to which a box of this name belongs."""
    arrangement, at, _guest = box.partition(OF_ARRANGEMENT)
    return arrangement if at else DEFAULT_ARRANGEMENT


def in_arrangement(box: str, arrangement: str) -> str:
    """The name of a guest's box in this arrangement, by its name in the default one."""
    return box if arrangement == DEFAULT_ARRANGEMENT else arrangement + OF_ARRANGEMENT + box


def check_share_name(name: str, option: str = "share name") -> None:
    """Failure unless VirtualBox takes a share of this name, and a guest's fstab and mount can use it.

    ``option`` is where the user wrote it.
    """
    if not name:
        reason = "is empty"
    elif _BLANK_OR_CONTROL.search(name):
        reason = "has white space or control characters in it, which VirtualBox refuses"
    elif len(name.encode("utf-8", "surrogateescape")) > LIMIT:
        name, reason = f"{name[:_SHOWN]}…", f"is longer than {LIMIT} bytes: guests could not mount it"
    elif name.startswith(("#", *_DEVICE_TAGS)):
        reason = f"begins as {'a comment' if name.startswith('#') else 'a device'} in a guest's fstab"
    else:
        return
    raise Failure(f"{option} {name!r} {reason}. Choose another name.")


LEAVING = ".leaving-"
"""How the name of a box begins that is being removed, and that is not served any more."""

_BOX = re.compile(rf"(?:{_ARRANGEMENT.pattern}@)?[A-Za-z0-9_%-][A-Za-z0-9._%-]*", re.ASCII)


def is_box(name: str) -> bool:
    """Whether a guest's box can have this name: in a path, and with a second '%' for each one in a unit of systemd."""
    return len(name) <= LIMIT and bool(_BOX.fullmatch(name))
