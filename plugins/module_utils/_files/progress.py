# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a long run is: what a module writes to its progress file, and its action plugin reads there."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing


class Progress(NamedTuple):
    """``done`` and ``total`` count things, such as implementations. Sizes are in bytes, times in seconds.

    ``bytes_total`` is an estimate.
    """

    done: int
    total: int
    bytes: int
    bytes_total: int
    seconds: float
    finished: bool


def check(path: str | None) -> None:
    """Failure: this cannot be the path of a progress file."""
    if path and not _names.is_absolute(path):
        raise Failure(f"progress_file {path!r} is not absolute: write it from '/' on.")


def teller(path: str | None) -> Callable[[Progress], None]:
    """What writes a run's progress to a file. That it cannot be written does not stop the run, its removal does."""
    if not path:
        return lambda progress: None
    file, written = path, False

    def tell(progress: Progress) -> None:
        nonlocal written
        if written and not os.path.lexists(file):
            raise Failure(f"{file} was removed, so the run was ended. Run again.")
        with contextlib.suppress(Failure):
            replacing.replace(file, json.dumps(progress._asdict()) + "\n", 0o600)
            written = True

    return tell
