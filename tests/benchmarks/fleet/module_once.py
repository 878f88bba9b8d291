# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one module of the collection, as Ansible runs it on a host: module_once.py NAME, its options as JSON in stdin."""

from __future__ import annotations

import importlib
import json
import os
import sys

sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
from ansible.module_utils import basic  # noqa: E402

basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"  # from ansible-core 2.19 on
importlib.import_module(f"ansible_collections.zeroinstall.virtualbox.plugins.modules.{sys.argv[1]}").main()
