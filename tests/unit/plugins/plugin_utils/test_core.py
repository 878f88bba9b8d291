# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between versions of ansible-core."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.zeroinstall.virtualbox.plugins.filter import verification
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _core, _explained


@pytest.mark.parametrize("version", ["2.9.27", "2.15.13", "1.9"])
def test_an_ansible_core_that_is_too_old_is_told_so_in_a_line(version):
    with pytest.raises(AnsibleError) as raised:
        _core.check(version)
    (line,) = str(raised.value).splitlines()
    assert f"needs ansible-core 2.16 or later, and this is {version}. Upgrade ansible-core" in line


@pytest.mark.parametrize("version", ["2.16.0", "2.16.0rc1", "2.21.5", "2.100.0.dev0", "3.0.0"])
def test_any_later_one_is_taken(version):
    _core.check(version)


@pytest.mark.parametrize("make", [str, lambda text: [text], lambda text: {text: [text]}])
def test_what_looks_like_a_template_is_none(tmp_path, trusted, make):
    value = make("{{ lookup('ansible.builtin.pipe', 'touch %s/made') }}" % tmp_path)
    variables = {"said": _core.no_template(value)}
    shown = Templar(loader=DataLoader(), variables=variables).template(trusted("{{ said }}"))
    assert not list(tmp_path.iterdir())
    assert shown == value


def test_what_guests_say_is_no_template_in_what_a_filter_makes_of_it(tmp_path, trusted, inventory_of):
    text = "{{ lookup('ansible.builtin.pipe', 'touch %s/made') }}" % tmp_path
    hostvars = inventory_of({"h": {}}, tasks={"h": {"cache_verify_failure": text}})
    found = verification.FilterModule().filters()["verification"](["h"], hostvars)
    shown = Templar(loader=DataLoader(), variables={"found": found}).template(trusted("{{ found.lines[0] }}"))
    assert not list(tmp_path.iterdir())
    assert text in shown


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(verification.__file__).parent.glob("[!_]*.py")))
def test_every_filter_is_harmless(name):
    module = importlib.import_module(f"{verification.__package__}.{name}")
    (function,) = module.FilterModule().filters().values()
    assert function.__code__ is _explained.harmless(str).__code__
