# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest plugin of the outer test run: fixtures with the paths of the set-up, and what counts in CI.

It is a plugin and no conftest.py, so that ``ansible-test units`` does not load it in the old target Pythons.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from setup import REPOSITORY, Setup, link_dependencies

NOT_COPIED = (".git", ".*cache", "__pycache__", ".ansible", ".hypothesis", "collections", "output", "*.tar.gz")


def read_setup() -> Setup | None:
    """What ``setup.py`` set up, or None where pytest was not started through it."""
    file = os.environ.get("ZEROINSTALL_VIRTUALBOX_SETUP")
    return Setup(**json.loads(Path(file).read_text(encoding="utf-8"))) if file else None


@pytest.fixture(scope="session")
def setup() -> Setup:
    """The paths of the whole set-up."""
    found = read_setup()
    if found is None:
        pytest.fail("start the tests by make, or by: python3 tests/tools/setup.py pytest ARGUMENTS", pytrace=False)
    return found


@pytest.fixture(scope="session")
def venv(setup: Setup) -> Path:
    """The virtual environment of the oldest supported ansible-core, in which pytest runs, too."""
    return Path(setup.environments["oldest"])


@pytest.fixture(scope="session")
def collections_path(setup: Setup) -> Path:
    """For ANSIBLE_COLLECTIONS_PATH: has ``ansible_collections`` with this work tree and what it depends on."""
    return Path(setup.collections)


@pytest.fixture
def tree(tmp_path: Path, venv: Path) -> Path:
    """A copy of the work tree at ``ansible_collections/zeroinstall/virtualbox``, for what resolves links or writes."""
    copy = tmp_path / "ansible_collections" / "zeroinstall" / "virtualbox"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    link_dependencies(tmp_path / "ansible_collections", venv)
    return copy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``environment`` in the virtual environments that were set up, often in the oldest alone."""
    if "environment" in metafunc.fixturenames:
        found = read_setup()
        only_oldest = metafunc.definition.get_closest_marker("oldest")
        values = [
            pytest.param(Path(path), id=name, marks=() if name == "oldest" else pytest.mark.thorough)
            for name, path in (found.environments if found else {}).items()
            if name == "oldest" or not only_oldest
        ]
        metafunc.parametrize("environment", values)


def pytest_configure(config: pytest.Config) -> None:
    """Let a termination clean up as Ctrl-C does."""
    config.addinivalue_line("markers", "lint: reads the sources only, takes seconds")
    config.addinivalue_line("markers", "thorough: left out of what is run often")
    config.addinivalue_line("markers", "oldest: shows nothing that depends on Ansible's version, so one will do")
    config.addinivalue_line("markers", "optional: may be skipped in CI as well")
    signal.signal(signal.SIGTERM, signal.default_int_handler)


BUILD = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the lab while the tests before it run; the lab's own locks make its tests wait for that."""
    lab = REPOSITORY / "tests" / "lab"
    found = read_setup()
    if found and not session.config.option.collectonly and any(item.path.is_relative_to(lab) for item in session.items):
        log = Path(found.cache) / "logs" / "lab-build.log"
        with log.open("w", encoding="utf-8") as output:
            session.config.stash[BUILD] = subprocess.Popen(
                [sys.executable, lab / "lab.py", "build"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"building the lab meanwhile; its log: {log}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End a build that is still going on."""
    build = config.stash.get(BUILD, None)
    if build and build.poll() is None:
        build.terminate()
        build.wait()


def in_ci() -> bool:
    """Whether this is a run that must leave out nothing."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped."""
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Count a skipped test as failed in CI, unless it is marked optional."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail") and not item.get_closest_marker("optional"):
        report.outcome, report.longrepr = "failed", f"CI needs this test, but it was skipped: {reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Count a module that is skipped as a whole as failed in CI."""
    report = yield
    if in_ci() and report.skipped:
        report.outcome, report.longrepr = "failed", f"CI needs these tests, but they were skipped: {reason(report)}"
    return report
