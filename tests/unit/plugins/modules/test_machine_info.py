# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of the module ``machine_info`` is what its documentation says."""

from __future__ import annotations

import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vboxmanage import (
    OWNER_KEY,
    Machine,
    Share,
    with_shares,
)
from ansible_collections.zeroinstall.virtualbox.plugins.modules import machine_info


def test_a_machine_has_just_the_fields_that_are_documented():
    bare = Machine("u", "m", "/m.vbox", extradata=((OWNER_KEY + "a", "1"), ("GUI/secret", "x")))
    result = machine_info.as_dict(with_shares(bare, (Share("a", "/a"),)))
    documented = yaml.safe_load(machine_info.RETURN)["machines"]["contains"]
    assert set(result) == set(documented)
    assert set(result["shares"][0]) == set(documented["shares"]["contains"])
    assert result["shares"][0]["ours"] is True
    assert "secret" not in str(result)
