# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why tasks failed."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.failure import failure

OLDER = "The apt action failed to execute in the expected time frame (3) and was terminated"
LIMIT = {"raise_limit": "x_timeout", "limit": 3, "otherwise": "Enable it."}
LONGER = "Where the package manager needs longer, raise x_timeout (now 3). It may still be at work."


@pytest.mark.parametrize(
    ("results", "options", "text"),
    [
        ({"failed": True, "msg": "a"}, {}, "a."),
        ({"failed": True}, {}, "no reason was given."),
        ({"failed": True, "msg": "a", "results": ["of a package manager"]}, {}, "a."),
        (
            {
                "failed": True,
                "msg": "One or more items failed",
                "results": [{"failed": True, "msg": "b"}, {"msg": "c"}, {"failed": False, "msg": "d"}] * 2
                + [{"failed": True, "msg": "e"}],
            },
            {},
            "b. e.",
        ),
        ([{}, {"unreachable": True, "msg": "gone"}, {"failed": True, "msg": "a"}], {"key": "unreachable"}, "gone."),
        ([{}, {}], {"key": "unreachable"}, ""),
        (["a fact", None, 3, {"failed": True, "msg": "a"}], {}, "a."),
        ({"failed": True, "msg": "a"}, LIMIT, "a. Enable it."),
        ({"failed": True, "msg": "a."}, {**LIMIT, "otherwise": ""}, "a."),
        (
            {"failed": True, "msg": "failed to execute in the expected time frame"},
            LIMIT,
            f"failed to execute in the expected time frame. {LONGER}",
        ),
        ({"failed": True, "msg": "Timed out after 3 seconds."}, LIMIT, f"Timed out after 3 seconds. {LONGER}"),
        ({"failed": True, "msg": OLDER}, LIMIT, f"{OLDER}. {LONGER}"),
        ({"failed": True, "msg": OLDER}, {"only_timed_out": True}, f"{OLDER}."),
        ({"failed": True, "msg": "a"}, {"only_timed_out": True}, ""),
        ({"failed": True, "msg": "['a']"}, {}, "It said: ['a']."),
    ],
)
def test_the_text(results, options, text):
    assert failure(results, **options) == text
