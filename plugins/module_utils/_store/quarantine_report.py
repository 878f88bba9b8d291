# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``store_quarantine`` is asked and tells, with lists that no names can make longer than a bound."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import quarantine
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.cut_lists import capped

MOST = 10_000
"""Entries of a list in the result."""
ROOM_MOVED = 2 << 20
"""Bytes of those of what was moved."""
ROOM_LEFT = 1 << 20
"""Bytes of those of what was not."""
TOLD = 3
"""Names that a message has."""


def run(asked: Asked) -> dict[str, Any]:
    """Move, unless in check mode, and tell what was moved, also before a Failure."""
    params = asked.params
    folder = params["folder"] or quarantine.default_folder(params["path"])
    request = quarantine.Request(params["path"], params["names"], folder, params["state"] == "restored")
    moved: list[dict[str, str]] = []
    left: Sequence[quarantine.Left] = []
    problem = ""
    try:
        left = quarantine.run(request, moved, asked.check_mode)
    except Failure as failure:
        problem = str(failure)
    if left and not problem:
        problem = _message(left)
    result = _result(moved, left)
    return {**result, "msg": problem} if problem else result


def _message(left: Sequence[quarantine.Left]) -> str:
    told = ["{}: {}".format(*one) for one in left[:TOLD]]
    more = [f"And {len(left) - TOLD} more, see not_moved."] if len(left) > TOLD else []
    return f"{len(left)} of the names could not be moved: " + " ".join(told + more)


def _result(moved: Sequence[Mapping[str, str]], left: Sequence[quarantine.Left]) -> dict[str, Any]:
    kept, kept_left = capped(moved, MOST, ROOM_MOVED), capped(left, MOST, ROOM_LEFT, lambda one: one._asdict())
    ends = (("before", "from"), ("after", "to"))
    return {
        "changed": bool(moved),
        "moved": kept,
        "moved_left_out": len(moved) - len(kept),
        "not_moved": kept_left,
        "not_moved_left_out": len(left) - len(kept_left),
        "diff": {key: "".join(f"{move[end]}\n" for move in kept) for key, end in ends},
    }
