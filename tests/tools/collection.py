# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing this module makes ``ansible_collections`` importable, by Ansible's own finder.

The programs that tests start as children of their own import it, too.
"""

from __future__ import annotations

import os

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
    raise SystemExit("start the tests by make, or by: python3 tests/tools/setup.py pytest ARGUMENTS")
FINDER = _AnsibleCollectionFinder(paths=os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep))
FINDER._install()
