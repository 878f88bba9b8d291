# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``store_import`` is asked and tells, with answers that no guest can make longer than a bound."""

from __future__ import annotations

from typing import Any, Sequence

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import Asked
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.cut_lists import capped

MOST_ANSWERS = 1000
"""Answers that are told."""
ROOM_ANSWERS = 2 << 20
"""Bytes of these."""


def run(asked: Asked) -> dict[str, Any]:
    """Import, unless in check mode, and tell what was answered, also before a Failure."""
    params = asked.params
    limits = Limits(**{name: params[name] for name in Limits._fields})
    given: list[Any] = []
    try:
        done = one_pass.run(
            one_pass.Options(params["store"], params["boxes"], limits, params["workers"]),
            given.append,
            asked.check_mode,
        )
    except Failure as failure:
        return {"msg": str(failure), "changed": bool(given) and not asked.check_mode, **_answers(given)}
    for warning in done.warnings:
        asked.warn(warning)
    return {"changed": bool(given or done.removed), "removed": done.removed, "left": done.left, **_answers(given)}


def _answers(given: Sequence[Any]) -> dict[str, Any]:
    kept = capped(
        given,
        MOST_ANSWERS,
        ROOM_ANSWERS,
        lambda one: {name: getattr(one, name) for name in ("box", "digest", "status", "reason")},
    )
    return {"answers": kept, "answers_left_out": len(given) - len(kept)}
