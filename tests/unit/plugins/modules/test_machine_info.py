# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of the module ``machine_info`` is what its documentation says."""

from __future__ import annotations

import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import machine_report
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.recognizing import Folders
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import (
    OWNER_KEY,
    Machine,
    Share,
    with_shares,
)
from ansible_collections.zeroinstall.virtualbox.plugins.modules import machine_info


def test_a_machine_has_just_the_fields_that_are_documented():
    extradata = ((OWNER_KEY + "a", "1"), ("GUI/secret", "x"))
    bare = Machine("u", "m", "/m.vbox", extradata=extradata, hardware_uuid="h")
    machine = with_shares(bare, (Share("a", "/a"),))
    result = machine_report.as_dict(machine, list(machine.shares), {})
    documented = yaml.safe_load(machine_info.RETURN)["machines"]["contains"]
    assert set(result) == set(documented)
    assert set(result["shares"][0]) == set(documented["shares"]["contains"])
    assert (result["hardware_uuid"], result["shares"][0]["ours"]) == ("h", True)
    assert "secret" not in str(result)


def test_what_a_snapshot_brought_back_and_what_others_share_is_told():
    warnings, store = [], "/srv/0install.net/implementations"
    machine = Machine(
        "u",
        "m",
        "/m.vbox",
        shares=(
            Share("ZeroInstall-trusted", store, writable=True),
            Share("src", "/srv", writable=True),
            Share("vagrant", store),
            Share("home", "/home", writable=True),
            Share("all", "/", "global", writable=True),
        ),
    )
    result = machine_report.told([machine], Folders(), warnings.append)[0]["shares"]
    assert [share["ours"] for share in result] == [True, False, False, False, False]
    assert [share["gives"] for share in result] == ["", store, store, "", store]
    named = [text.partition("' ")[0] for text in warnings]
    assert named == [f"machine m (u): share '{share}" for share in ("ZeroInstall-trusted", "src", "vagrant", "all")]
    assert "snapshot" in warnings[0]
    assert machine_report.told([machine], Folders(names=()), warnings.append)[0]["shares"][1]["gives"] == ""
