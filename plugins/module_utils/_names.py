# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that several parts have to take alike: those of shares and of stores. Pure."""

from __future__ import annotations

import re

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

LIMIT = 255
"""Bytes: Oracle's mount.vboxsf holds a share's name in 256, the last one zero."""

STORE = "/0install.net/implementations"
"""How the path of every store ends. Its parent folders hold files that would let a guest run code on the host."""

TRUSTED, GUESTS, BOX = "-trusted", "-guests-", "-box"
"""What the names of shares of other kinds than a read-only store have after the name that the user chose."""

_SHOWN = 40
_DEVICE_TAGS = ("LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=", "ID=")
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


def is_store_path(path: str) -> bool:
    """Whether a path is absolute, and that of a store by its name."""
    return path.startswith("/") and path.endswith(STORE)


def check_store_path(path: str, option: str) -> None:
    """Failure unless a path is that of a store by its name; `option` is where the user wrote it."""
    if not is_store_path(path):
        raise Failure(
            f"'{path}' is not a store of implementations: the path must be absolute and end in '{STORE}'."
            f" Correct {option}."
        )


def check_share_name(name: str) -> None:
    """Failure unless VirtualBox takes a share of this name, and a guest's fstab and mount can use it."""
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
    raise Failure(f"share name {name!r} {reason}. Choose another name.")
