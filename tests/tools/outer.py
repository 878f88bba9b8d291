# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest plugin of the outer test run: fixtures with the paths of the set-up, and what counts in CI.

It is a plugin and no conftest.py, so that ``ansible-test units`` does not load it in the old target Pythons.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import parts
import pytest
from environments import copy_tree
from parts import NOT_RUN
from setup import Setup, link_dependencies


@functools.cache
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


EARLIER = "2dc42f5"
"""A commit whose set-ups are taken over and taken away. It wrote other helpers, and shared by other code."""


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory, venv: Path) -> dict[str, str]:
    """The environment in which Ansible runs the collection of an earlier commit."""
    root = tmp_path_factory.mktemp("earlier") / "ansible_collections"
    tree = root / "zeroinstall" / "virtualbox"
    tree.mkdir(parents=True)
    command = ["git", "-C", parts.REPOSITORY, "archive", EARLIER]
    packed = subprocess.run(command, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", tree], check=True, input=packed)
    link_dependencies(root, venv)
    return {"ANSIBLE_COLLECTIONS_PATH": str(root.parent)}


@pytest.fixture
def tree(tmp_path: Path, venv: Path) -> Path:
    """A copy of the work tree at ``ansible_collections/zeroinstall/virtualbox``, for what resolves links or writes."""
    copy = copy_tree(tmp_path)
    link_dependencies(tmp_path / "ansible_collections", venv)
    return copy


CORES_OF: Mapping[str, tuple[str, ...]] = {"oldest": ("oldest",), "each_core": ()}
"""By marker, the versions of ansible-core in which a test is run that takes ``environment``; none for all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``environment`` in virtual environments that were set up, often in the oldest alone."""
    if "environment" in metafunc.fixturenames:
        found = read_setup()
        marks = {mark for mark in CORES_OF if metafunc.definition.get_closest_marker(mark)}
        wanted = CORES_OF[marks.pop()] if marks else ("oldest", "newest")
        values = [
            pytest.param(Path(path), id=name, marks=() if name == "oldest" else pytest.mark.thorough)
            for name, path in (found.environments if found else {}).items()
            if not wanted or name in wanted
        ]
        metafunc.parametrize("environment", values, scope="session")


def pytest_configure(config: pytest.Config) -> None:
    """Let a termination clean up as Ctrl-C does."""
    config.addinivalue_line("markers", "lint: reads the sources only, takes seconds")
    config.addinivalue_line("markers", "thorough: left out of what is run often")
    config.addinivalue_line("markers", "oldest: shows nothing that depends on Ansible's version, so one will do")
    config.addinivalue_line("markers", "each_core: in each ansible-core, not only in the oldest and the newest")
    config.addinivalue_line("markers", "optional: may be skipped in CI as well")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def in_ci() -> bool:
    """Whether this is a run that must leave out nothing."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped."""
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not run a test of which something was not set up that it needs."""
    found = read_setup()
    if not found or not found.broken:
        return
    needs = parts.needs_of(part for part in parts.PARTS if item.path.is_relative_to(parts.REPOSITORY / part))
    for need in sorted(needs & found.broken.keys()):
        pytest.fail(f"{NOT_RUN}{found.broken[need].splitlines()[0]}", pytrace=False)


FINISHED = pytest.StashKey[int]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count the tests that are over."""
    answer = yield
    item.config.stash[FINISHED] = item.config.stash.get(FINISHED, 0) + 1
    return answer


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down how many tests were selected and are over: a part that ends before its time tells less."""
    if file := os.environ.get(parts.COUNTS):
        counts = {"selected": len(getattr(session, "items", ())), "finished": session.config.stash.get(FINISHED, 0)}
        Path(file).write_text(json.dumps(counts), encoding="utf-8")


TOLD = pytest.StashKey[dict[int, BaseException]]()
"""What fixtures failed with. pytest raises it again for each test behind."""


def shorten(report: pytest.TestReport, error: BaseException, told: dict[int, BaseException]) -> None:
    """Tell why a set-up failed in full for the first test behind it, and in a line for the others."""
    if getattr(error, "complete", False) or getattr(error, "pytrace", True) is False:
        report.longrepr = str(error)
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = parts.brief(crash.message if crash else str(report.longrepr)).removeprefix(NOT_RUN)
    if id(error) in told or str(error).startswith(NOT_RUN):
        report.longrepr, report.not_run = NOT_RUN + reason, True
    told[id(error)] = error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tell the failure of a set-up once; count a skipped test as failed in CI, unless it is marked optional."""
    report = yield
    if report.when == "setup" and report.failed and call.excinfo:
        shorten(report, call.excinfo.value, item.config.stash.setdefault(TOLD, {}))
    if in_ci() and report.skipped and not hasattr(report, "wasxfail") and not item.get_closest_marker("optional"):
        report.outcome, report.longrepr = "failed", f"CI needs this test, but it was skipped: {reason(report)}"
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Tell a test that was not run because of a failure in a word."""
    return ("not run", "n", "NOT RUN") if getattr(report, "not_run", False) else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Count a module that is skipped as a whole as failed in CI."""
    report = yield
    if in_ci() and report.skipped:
        report.outcome, report.longrepr = "failed", f"CI needs these tests, but they were skipped: {reason(report)}"
    return report
