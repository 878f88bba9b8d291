# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of plugins that run on the controller share."""

from __future__ import annotations

import pytest


@pytest.fixture
def inventory_of():
    """Ansible's own C(hostvars) of an inventory: host to variables. C(facts) are those of one host."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.hostvars import HostVars
    from ansible.vars.manager import VariableManager

    def make(hosts, facts=None, tasks=None):
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources=[])
        manager = VariableManager(loader=loader, inventory=inventory)
        for name, variables in hosts.items():
            inventory._inventory.add_host(name, "all")
            for variable, value in variables.items():
                inventory._inventory.set_variable(name, variable, value)
        for name, values in (facts or {}).items():
            manager.set_host_facts(name, values)
        for name, values in (tasks or {}).items():
            manager.set_nonpersistent_facts(name, values)
        return HostVars(inventory, manager, loader)

    return make


@pytest.fixture
def trusted():
    """Mark a text as a template that the admin wrote. Before ansible-core 2.19 all texts are."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return lambda text: text
    return trust_as_template
