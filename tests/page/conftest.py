# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a window, and pages of reports in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import collection
import pytest
from outer import read_setup
from setup import Setup

assert collection.FINDER, "it makes ansible_collections importable for the test modules"

PACKAGES = "lib/python3.*/site-packages"

if found := read_setup():
    # The environment of the need is one of the same Python. What both have is taken from that of the tests.
    sys.path += [str(path) for path in Path(found.tools["browser"]).glob(PACKAGES)]

import browsing  # noqa: E402  Selenium is found from here on.


@pytest.fixture(scope="session")
def axe(setup: Setup) -> str:
    """The program that looks for what keeps people out of a page."""
    (file,) = Path(setup.tools["browser"]).glob(f"{PACKAGES}/axe_playwright_python/axe.min.js")
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def chromium() -> Iterator[browsing.Browser]:
    """A browser for all tests."""
    with browsing.Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: browsing.Browser, tmp_path: Path) -> Iterator[browsing.Browser]:
    """A browser as it is at first, which had nothing to complain of by the end of the test."""
    chromium.begin(tmp_path)
    yield chromium
    assert chromium.complaints() == []
