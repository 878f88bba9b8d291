# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the last verification of all that is in a store found: a file in the folder of the records."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Collection, Mapping, NamedTuple, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import private_files, replacing, utc
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verified_before

FORM = 1
MOST_FINDINGS = 100
"""Problems that are kept."""
MODES = ("full", "changed")
COUNTS = ("implementations", "ok", "corrupt", "exposed", "error", "bytes")
TEXTS = ("name", "status", "reason", "detail")
_LARGEST = 1 << 22
"""Bytes of a file that are read."""


class LastResult(NamedTuple):
    """``at``: when the verification ended, in UTC. ``counts``: numbers of implementations, by COUNTS.

    ``findings``: what is not sound, by TEXTS. ``mode``: as the option of ``store_verify``.
    """

    at: str
    mode: str
    counts: dict[str, int]
    findings: tuple[dict[str, str], ...]


def of(mode: str, counts: Mapping[str, int], findings: Sequence[Mapping[str, Any]], at: str) -> LastResult:
    """The result of a verification, with as many findings as are kept."""
    kept = tuple({key: str(one[key]) for key in TEXTS} for one in findings[:MOST_FINDINGS])
    return LastResult(at, mode, {key: counts[key] for key in COUNTS}, kept)


def _name(store: str) -> str:
    return verified_before.name_of(store) + ".result.json"


def keep(folder: str, store: str, result: LastResult) -> None:
    """Replace what is known of the store at this path. Failure: nothing was changed."""
    path = os.path.join(folder, _name(store))
    with contextlib.ExitStack() as stack:
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            opened = private_files.open_folder(folder, (os.geteuid(),))
        except (OSError, ValueError) as error:
            raise Failure(f"{path} cannot be written: {error}.") from error
        stack.callback(os.close, opened)
        text = json.dumps({"form": FORM, "store": store, **result._asdict()}, indent=1) + "\n"
        replacing.replace_within(opened, path, text, 0o600)


def last(folder: str, store: str, owners: Collection[int]) -> LastResult | None:
    """What is known of the store at this path; None if nothing is. Failure: what is there is not right.

    ``owners``: the users who may have written it.
    """
    path = os.path.join(folder, _name(store))
    with contextlib.ExitStack() as stack:
        try:
            opened = private_files.open_folder(folder, owners)
            stack.callback(os.close, opened)
            text = private_files.read(opened, _name(store), owners, _LARGEST)
            return _parsed(json.loads(text), store)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Failure(f"{path} is not used: {reason}. Verify the store again.") from error


def _parsed(data: Any, store: str) -> LastResult:
    if data["form"] != FORM or data["store"] != store:
        raise ValueError("it is of another store or form")
    counts, findings = data["counts"], data["findings"]
    if (
        not utc.is_time(data["at"])
        or data["mode"] not in MODES
        or any(not isinstance(counts[key], int) or counts[key] < 0 for key in COUNTS)
        or any(not isinstance(one[key], str) for one in findings for key in TEXTS)
    ):
        raise ValueError("it is no result")
    return of(data["mode"], counts, findings, data["at"])
