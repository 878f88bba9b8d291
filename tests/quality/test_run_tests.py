# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of all tests, on tests that pass, fail, are skipped, break and are interrupted."""

from __future__ import annotations

import ast
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import parts
import pytest
import run_tests
from labkit.waiting import HANG, until

pytestmark = pytest.mark.thorough
RUN = """
import asyncio, os, pathlib, sys
import parts, run_tests, setup
parts.REPOSITORY = pathlib.Path(sys.argv[1])
paths = sorted(str(path.relative_to(parts.REPOSITORY)) for path in parts.REPOSITORY.rglob("test_*.py"))
environment = setup.Setup("", {"oldest": sys.prefix}, {}, {}, "", "")
late = [run_tests.Part(path, needed="late" not in path) for path in paths]
sys.exit(asyncio.run(run_tests.run(late, sys.argv[2:], environment, os.environ, until=0)))
"""
SETTINGS = '[tool.pytest.ini_options]\naddopts = ["-p", "no:cacheprovider"]\n'
PASSES = "def test_passes(): pass\n"
HELD = """
import pathlib, pytest, time
@pytest.fixture
def held():
    yield
    pathlib.Path("torn-down").touch()
def test_waits(held):
    pathlib.Path("began").touch()
    time.sleep(3600)
"""


def start(folder: Path, tests: dict[str, str], *options: str) -> subprocess.Popen[str]:
    """The runner on these test files."""
    for path, text in tests.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    tools = str(Path(parts.__file__).parent)
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
    output, _none = process.communicate(timeout=HANG)
    return process.returncode, output.splitlines()


def test_the_numbers_of_all_parts_are_added_up(tmp_path: Path) -> None:
    skips = "import pytest\n@pytest.mark.optional\ndef test_skips(): pytest.skip('a luxury')\n"
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": PASSES + skips})
    assert (status, lines[-1]) == (0, "2 passed, 0 failed, 1 skipped")
    assert any(line.startswith("b/test_b | ") and "passed" in line for line in lines)


def test_what_is_not_needed_and_comes_too_late_is_left_out_and_named(tmp_path: Path) -> None:
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_late.py": "assert False\n"})
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    assert "LEFT OUT, the thorough tests of these, as their turn came too late: tests/b/test_late.py" in lines


def test_with_a_limit_of_time_the_tests_of_the_lane_come_first() -> None:
    turns = run_tests.in_turn(["tests/qemu", "tests/fleet", "tests/store"], 3000)
    expected = [
        ("tests/store", True, "not thorough"),
        ("tests/fleet", True, "not thorough"),
        ("tests/qemu", False, "thorough"),
        ("tests/store", False, "thorough"),
    ]
    assert [(part.path, part.needed, part.options[1]) for part in turns] == expected
    assert [(part.path, part.needed, part.options) for part in run_tests.in_turn(["tests/qemu"], math.inf)] == [
        ("tests/qemu", True, ())
    ]


def test_a_failure_is_named_at_the_end(tmp_path: Path) -> None:
    fails = "def test_fails(): assert not 'what came of it'\n"
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": fails})
    assert (status, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert "FAILED tests/b/test_b.py::test_fails - AssertionError: assert not 'what came of it'" in lines[-4:]


def test_a_failure_of_ansible_is_told_by_its_task(tmp_path: Path) -> None:
    said = "TASK [x]\\nok: [a]\\nfatal: [b]: FAILED! => {'msg': 'no'}\\nPLAY RECAP"
    fails = f'import pytest\ndef test_fails(): pytest.fail("""{said}""", pytrace=False)\n'
    _status, lines = run(tmp_path, {"tests/b/test_b.py": fails})
    assert "FAILED tests/b/test_b.py::test_fails - fatal: [b]: FAILED! => {'msg': 'no'}" in lines[-4:]


def test_a_part_that_breaks_is_a_failure(tmp_path: Path) -> None:
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": "import os\nos._exit(3)\n"})
    assert (status, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert any("ended with status 3" in line for line in lines)


@pytest.mark.parametrize(
    ("end", "not_run"),
    [
        ("os._exit(0)", 1),
        ("os._exit(5)", 1),
        ("pytest.exit('enough', returncode=0)", 2),
        ("os.kill(os.getpid(), 2)", 2),
    ],
)
def test_tests_that_a_part_does_not_reach_are_failures(tmp_path: Path, end: str, not_run: int) -> None:
    """Without pytest's report, it is not known how many."""
    ends = f"import os, pytest\ndef test_ends(): {end}\ndef test_behind(): pass\n"
    status, lines = run(tmp_path, {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": PASSES + ends})
    failed = int(lines[-1].split()[2])
    assert status == 1 and failed >= not_run, lines[-8:]
    assert any("ended" in line for line in lines[-8:])


def test_options_are_for_all_parts_and_some_test_has_to_run(tmp_path: Path) -> None:
    tests = {"tests/a/test_a.py": PASSES, "tests/b/test_b.py": "def test_other(): pass\n"}
    status, lines = run(tmp_path, tests, "-k", "other")
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    status, lines = run(tmp_path, tests, "-k", "neither")
    assert (status, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")


def test_the_processor_time_of_orphans_is_counted(tmp_path: Path) -> None:
    burns = "import time\nwhile time.process_time() < 3: pass\n"
    test = f"""
import subprocess, sys
def test_leaves_an_orphan(tmp_path):
    command = [sys.executable, "-c", {burns!r} + "open(sys.argv[1], 'w').close()"]
    subprocess.run(["sh", "-c", '"$0" -c "$1" "$2" &', command[0], "import sys\\n" + command[2], tmp_path / "done"])
    while not (tmp_path / "done").exists(): pass
"""
    status, lines = run(tmp_path, {"tests/a/test_a.py": test})
    assert status == 0, lines
    (numbers,) = [line for line in lines if line.startswith("a/test_a  ")]
    assert float(numbers.split()[-1]) >= 3


def test_an_interruption_lets_what_runs_clean_up(tmp_path: Path) -> None:
    process = start(tmp_path, {"tests/a/test_a.py": HELD})
    until(lambda: process.poll() is not None or (tmp_path / "began").exists(), "the test has not begun")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _none = process.communicate(timeout=HANG)
    assert process.returncode == 130 and "Interrupted." in output
    assert (tmp_path / "torn-down").exists()


def test_no_test_is_left_out() -> None:
    paths = [parts.REPOSITORY / path for path in parts.PARTS]
    found = (parts.REPOSITORY / "tests").glob("[!u]*/**/test_*.py")
    assert [file for file in found if not any(file.is_relative_to(path) for path in paths)] == []
    assert all(path.exists() for path in paths)


def test_every_test_is_a_function_of_its_module() -> None:
    """In no class and not asynchronous: parts.in_lane would not see it."""
    for part in parts.PARTS:
        for file in parts.files(part):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            others = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.AsyncFunctionDef))]
            assert [node.name for node in others if node.name.lower().startswith("test")] == [], file


def test_every_need_is_in_the_table() -> None:
    assert {need for needs in parts.PARTS.values() for need in needs} <= parts.NEEDS.keys()
    assert parts.with_needed(["oracle"]) == {"oracle", "guests", "additions", "booted", "host"}
    for need in parts.NEEDS.values():
        assert not need.build or (parts.TESTS / need.build[0]).is_file()
        assert all((parts.TESTS / folder).is_dir() for folder in need.sources)


@pytest.mark.parametrize(
    ("text", "in_lane"),
    [
        ("def test_it(): pass\n", True),
        ("pytestmark = pytest.mark.thorough\ndef test_it(): pass\n", False),
        ("pytestmark = [pytest.mark.lint, pytest.mark.thorough]\ndef test_it(): pass\n", False),
        ("@pytest.mark.thorough\ndef test_it(): pass\n", False),
        ("@pytest.mark.thorough\ndef test_it(): pass\ndef test_other(): pass\n", True),
        ("@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.thorough)])\ndef test_it(x): pass\n", True),
    ],
)
def test_the_marker_says_what_is_in_the_lane(tmp_path: Path, text: str, in_lane: bool) -> None:
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    assert parts.in_lane(tmp_path / "test_it.py") is in_lane


def test_folders_and_lanes_choose_parts() -> None:
    assert parts.chosen(["tests/qemu"], everything=True) == ["tests/qemu"]
    assert parts.chosen(["tests/qemu"]) == parts.chosen(["tests/none"], everything=True) == []
    assert parts.chosen(everything=True) == list(parts.PARTS)
