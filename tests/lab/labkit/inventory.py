# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory and configuration of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from . import guests
from .agent import LOGIN
from .runs import Run
from .waiting import HANG
from .warm import INTERPRETER

PLUGINS = Path(__file__).resolve().parents[1] / "connection_plugins"


def write(lab: Run, names: Sequence[str]) -> Path:
    """Write inventory.json and ansible.cfg into the run's folder; the inventory's path."""
    inventory = {
        "all": {
            "children": {
                "zeroinstall_hosts": {
                    "hosts": {
                        "vbox": {
                            "ansible_connection": "community.general.chroot",
                            "ansible_host": str(lab.root),
                            "ansible_chroot_exe": str(lab.folder / "enter"),
                            "ansible_python_interpreter": "/usr/bin/python3",
                            "lab_environment": LOGIN,
                            "cache_host_lock_timeout": int(HANG),
                        }
                    }
                },
                "zeroinstall_guests": {
                    "vars": {
                        "ansible_connection": "labserial",
                        "ansible_python_interpreter": INTERPRETER,
                        "ansible_remote_tmp": "/tmp/.ansible",
                        "ansible_pipelining": True,
                        "cache_guest_host": "vbox",
                        "cache_guest_timeout": int(HANG),
                        "cache_guest_packages_timeout": int(HANG),
                        "cache_verify_guest_timeout": int(HANG),
                        "guest_additions_timeout": int(HANG),
                        "guest_additions_packages_timeout": int(HANG),
                    },
                    "hosts": {
                        name: {"cache_guest_machine": name, "lab_guest": str(guests.folder(lab, name))}
                        for name in names
                    },
                },
            }
        }
    }
    path = lab.folder / "inventory.json"
    path.write_text(json.dumps(inventory, indent=2) + "\n")
    (lab.folder / "ansible.cfg").write_text(
        "[defaults]\nconnection_plugins = %s\ninventory = %s\n\n[connection]\npipelining = true\n" % (PLUGINS, path)
    )
    return path
