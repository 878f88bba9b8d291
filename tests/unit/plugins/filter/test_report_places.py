# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a report looks: where other roles and modules keep what they know."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.filter.report_places import report_places
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_info, store_verify

ROLES = Path(store_info.__file__).parents[2] / "roles"
STORE = "/var/cache/0install.net/implementations"
GROUPS = "~/.local/share/zeroinstall.virtualbox/groups"


@pytest.fixture
def at():
    """Where a report looks on a host."""

    def at(store=STORE, **options):
        return report_places({"store": store, "groups": GROUPS}, **options)

    return at


def default(module, option):
    return yaml.safe_load(module.DOCUMENTATION)["options"][option]["default"]


def of_role(role, variable):
    return yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text(encoding="utf-8"))[variable]


def test_a_system_store_is_where_root_keeps_what_it_knows(at):
    found = at()
    assert found["path"] == STORE
    assert found["record"] == found["groups_record"] == default(store_verify, "record") == default(store_info, "record")
    assert found["programs"] == of_role("cache_import", "cache_import_programs")
    assert f"'{found['programs']}'" in of_role("cache_programs", "cache_programs_folder")


def test_what_belongs_to_a_user_is_in_that_users_home(at):
    found = at(user="vm")
    assert found["record"] == default(store_verify, "record")
    assert found["groups_record"] == of_role("cache_verify", "cache_verify_users_record").replace("~", "~vm", 1)
    assert found["groups"] == GROUPS.replace("~", "~vm", 1)
    found = at(kind="user", user="vm", store="~/.cache/0install.net/implementations")
    assert found["path"] == "~vm/.cache/0install.net/implementations"
    assert found["record"] == found["groups_record"]
    assert f"'~{found['programs'][len('~vm') :]}'" in of_role("cache_programs", "cache_programs_folder")


def test_variables_of_other_roles_count(at):
    found = at(user="vm", record="/r", programs="~/p")
    assert (found["record"], found["groups_record"], found["programs"]) == ("/r", "/r", "~vm/p")


def test_feeds_are_looked_for_where_the_module_looks_and_in_the_users_home(at):
    assert at()["feeds"] == default(store_info, "feeds")
    assert at(user="vm")["feeds"] == [*default(store_info, "feeds"), "~vm/.cache/0install.net/interfaces"]
