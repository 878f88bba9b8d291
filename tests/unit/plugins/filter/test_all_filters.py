# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all filters have in common."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _explained

FILTERS = "ansible_collections.zeroinstall.virtualbox.plugins.filter"
NAMES = sorted(file.stem for file in (Path(_explained.__file__).parents[1] / "filter").glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_no_filter_makes_a_template(name):
    """Each is wrapped by what marks its result, for in most of them are words of a guest."""
    (function,) = importlib.import_module(f"{FILTERS}.{name}").FilterModule().filters().values()
    assert function.__code__.co_filename == _explained.__file__
    assert function.__code__.co_name == _explained.harmless(len).__code__.co_name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [None, 7, ["x"], {"a": {}}])
def test_a_value_of_a_wrong_type_is_told_in_words(name, value):
    (function,) = importlib.import_module(f"{FILTERS}.{name}").FilterModule().filters().values()
    with contextlib.suppress(AnsibleFilterError):
        function(value)
