# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of all tests, on tests that pass, fail, are skipped, break and are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run_tests

pytestmark = pytest.mark.thorough
START = "import asyncio, pathlib, sys, run_tests; run_tests.REPOSITORY = pathlib.Path(sys.argv[1]); "
RUN = START + "sys.exit(asyncio.run(run_tests.run(sys.argv[2:])))"
SETTINGS = '[tool.pytest.ini_options]\ntestpaths = [%s]\naddopts = ["-p", "no:cacheprovider"]\n'
PASSES = "def test_passes(): pass\n"
HELD = """
import pathlib, pytest, time
@pytest.fixture
def held():
    yield
    pathlib.Path("torn-down").touch()
def test_waits(held):
    pathlib.Path("began").touch()
    time.sleep(120)
"""


def start(folder: Path, tests: dict[str, str], *options: str) -> subprocess.Popen[str]:
    """The runner on these test files."""
    for path, text in tests.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    paths = ", ".join(f'"{path}"' for path in tests)
    (folder / "pyproject.toml").write_text(SETTINGS % paths, encoding="utf-8")
    tools = str(Path(run_tests.__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", RUN, folder, *options],
        env={**os.environ, "PYTHONPATH": tools, "PYTEST_ADDOPTS": "-p outer"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, tests: dict[str, str], *options: str) -> tuple[int, list[str]]:
    """Status and lines of the runner."""
    process = start(folder, tests, *options)
    output, _none = process.communicate(timeout=120)
    return process.returncode, output.splitlines()


def test_the_numbers_of_all_parts_are_added_up(tmp_path: Path) -> None:
    skips = "import pytest\n@pytest.mark.optional\ndef test_skips(): pytest.skip('a luxury')\n"
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": PASSES + skips})
    assert (status, lines[-1]) == (0, "2 passed, 0 failed, 1 skipped")
    assert any(line.startswith("b/test_b | ") and "passed" in line for line in lines)


def test_a_failure_is_named_at_the_end(tmp_path: Path) -> None:
    fails = "def test_fails(): assert False\n"
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": fails})
    assert (status, lines[-2:]) == (1, ["FAILED tests/b/test_b.py::test_fails", "1 passed, 1 failed, 0 skipped"])


def test_a_part_that_breaks_is_a_failure(tmp_path: Path) -> None:
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": "import os\nos._exit(3)\n"})
    assert (status, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert any("ended with status 3" in line for line in lines)


def test_options_are_for_all_parts_and_some_test_has_to_run(tmp_path: Path) -> None:
    tests = {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": "def test_other(): pass\n"}
    status, lines = run(tmp_path, tests, "-k", "other")
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    status, lines = run(tmp_path, tests, "-k", "neither")
    assert (status, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")


def test_folders_choose_parts(tmp_path: Path) -> None:
    tests = {"tests/a/test_a.py": PASSES, "tests/ab/test_b.py": PASSES + "def test_other(): pass\n"}
    status, lines = run(tmp_path, tests, "tests/ab", "-k", "other")
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    assert not any(line.startswith("a/") for line in lines)
    status, lines = run(tmp_path, tests, "tests/none")
    assert (status, lines) == (2, ["There are no tests in tests/none."])


def test_an_interruption_lets_what_runs_clean_up(tmp_path: Path) -> None:
    process = start(tmp_path, {"tests/a/test_a.py": HELD})
    patience = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert process.poll() is None and time.monotonic() < patience
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _none = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted." in output
    assert (tmp_path / "torn-down").exists()


def test_no_test_is_left_out() -> None:
    parts = [run_tests.REPOSITORY / part.path for part in run_tests.parts()]
    files = (run_tests.REPOSITORY / "tests").glob("[!u]*/**/test_*.py")
    assert [file for file in files if not any(file.is_relative_to(part) for part in parts)] == []
    assert all(part.exists() for part in parts)
