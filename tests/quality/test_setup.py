# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up script, the outer run's rules and its way of running programs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import setup as tool
from programs import check

pytestmark = pytest.mark.thorough

HALF_A_MINUTE = 30


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"ZEROINSTALL_VIRTUALBOX_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"ZEROINSTALL_VIRTUALBOX_CACHE": "", "XDG_CACHE_HOME": "/b"}, Path("/b/zeroinstall.virtualbox")),
        ({}, Path.home() / ".cache/zeroinstall.virtualbox"),
    ],
)
def test_cache_directory(variables: dict[str, str], path: Path) -> None:
    assert tool.cache_directory(variables) == path


def test_key_tells_parts_apart() -> None:
    assert len({tool.key("a", "b"), tool.key("ab"), tool.key("b", "a")}) == 3
    assert tool.key("a", "b") == tool.key("a", "b")


def test_requirements_change_with_included_files_but_not_with_comments(tmp_path: Path) -> None:
    (tmp_path / "common.txt").write_text("pytest>=9  # runs the tests\n")
    (tmp_path / "one.txt").write_text("# a comment\n-r common.txt\nansible-core~=2.19.0\n")
    assert tool.requirements_text(tmp_path / "one.txt") == "pytest>=9\nansible-core~=2.19.0"


def test_missing_packages() -> None:
    status = "git ii \nmake rc \nperl-base ii \n"
    assert tool.missing(["git", "make", "shellcheck"], status) == ["make", "shellcheck"]


def test_pip_settings_are_handed_on_as_pip_prints_them(tmp_path: Path) -> None:
    def listed(**environment: str) -> str:
        command = [sys.executable, "-m", "pip", "config", "list"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    values = {"PIP_CERT": "/it's/a 100%.pem", "PIP_FIND_LINKS": "/a\n/b"}
    settings = listed(**values, PIP_CONFIG_FILE=os.devnull, HOME="/nowhere")
    (tmp_path / "pip.conf").write_text(tool.pip_configuration(settings))
    again = listed(PIP_CONFIG_FILE=str(tmp_path / "pip.conf"), HOME="/nowhere").splitlines()
    assert f"global.cert={values['PIP_CERT']!r}" in again
    assert f"global.find-links={values['PIP_FIND_LINKS']!r}" in again


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([(3, 8), (3, 11), (3, 12), (3, 13)], ((3, 11), (3, 13))),
        ([(3, 11)], ((3, 11), None)),
        ([(3, 13)], ((3, 13), (3, 13))),
        ([(3, 12), (3, 14)], ((3, 12), (3, 14))),
        ([(3, 14)], (None, (3, 14))),
        ([(3, 9)], (None, None)),
    ],
)
def test_choice_of_pythons(found: list[tuple[int, int]], chosen: tuple[object, object]) -> None:
    assert tool.choose(found) == chosen


def test_ends_are_of_what_the_oldest_ansible_core_knows() -> None:
    assert tool.ends([(3, 8), (3, 9), (3, 12), (3, 14)]) == ((3, 8), (3, 12))
    assert tool.ends([(3, 11)]) == ((3, 11), (3, 11))


def test_pythons_are_found_behind_links_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    version, real = tool.probe(sys.executable) or pytest.fail("this Python does not answer")
    (broken := tmp_path / "shims").mkdir()
    (working := tmp_path / "bin").mkdir()
    name = f"python3.{version[1]}"
    (broken / name).write_text("#!/bin/sh\nexit 127\n")
    (broken / name).chmod(0o755)
    (working / name).symlink_to(real)
    assert tool.probe(str(broken / name)) is None
    assert version in tool.find_pythons({"PATH": f"{broken}:{working}"})


def test_half_made_environment_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "target-3.x"
    (path / "left").mkdir(parents=True)
    tool.make_environments([tool.Environment(sys.executable, path)], tmp_path)
    assert not (path / "left").exists()
    assert check([path / "bin" / "python", "-c", "print(1)"], cwd=tmp_path) == "1\n"
    (path / "kept").touch()
    tool.make_environments([tool.Environment(sys.executable, path)], tmp_path)
    assert (path / "kept").exists()


def test_failure_to_install_shows_what_pip_said_and_leaves_nothing_complete(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("./there-is-no-such-folder\n")
    made = [tool.Environment(sys.executable, tmp_path / name, tmp_path / "bad.txt") for name in ("one", "other")]
    with pytest.raises(tool.SetupError, match="there-is-no-such-folder"):
        tool.make_environments(made, tmp_path)
    assert [one for one in made if one.marker.exists()] == []


def test_a_command_that_fails_ends_those_beside_it(tmp_path: Path) -> None:
    began = time.monotonic()
    commands = {tmp_path / "fails": ["false"], tmp_path / "lasts": ["sleep", "300"]}
    with pytest.raises(tool.SetupError, match="ended with status 1"):
        tool.run_side_by_side(commands)
    assert time.monotonic() - began < HALF_A_MINUTE


def stat_texts() -> Iterator[str]:
    """Every process's /proc/PID/stat."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_text()


def gone(group: int) -> bool:
    """Whether a process group has no process left but such as wait to be reaped, at once or within five seconds."""
    for _attempt in range(50):
        fields = [text.rpartition(")")[2].split() for text in stat_texts()]
        if not any(state != "Z" and int(its_group) == group for state, _parent, its_group, *_rest in fields):
            return True
        time.sleep(0.1)
    return False


def test_terminated_set_up_ends_its_programs_and_is_taken_up_again(tmp_path: Path) -> None:
    command = [sys.executable, tool.__file__]
    environment = {**os.environ, "ZEROINSTALL_VIRTUALBOX_CACHE": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        begun = process.stdout and process.stdout.readline()
        assert begun and "Making the environment oldest" in begun
        time.sleep(1)
        children = [*map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
        process.terminate()
        _output, errors = process.communicate(timeout=HALF_A_MINUTE)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert children and all(map(gone, children))
    begun_folders = list((tmp_path / "envs").iterdir())
    assert begun_folders and not [folder for folder in begun_folders if (folder / "complete").exists()]
    with tool.locked(tmp_path):
        pass


def test_link_is_corrected(tmp_path: Path) -> None:
    for target in ("one", "two", "two"):
        tool.link(tmp_path / "link", tmp_path / target)
        assert os.readlink(tmp_path / "link") == str(tmp_path / target)


def test_clean_removes_a_cache_of_ours_only(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with tool.locked(cache):
        pass
    (other := tmp_path / "other").mkdir()
    with pytest.raises(tool.SetupError, match="left alone"):
        tool.clean(other)
    assert other.exists()
    tool.clean(cache)
    assert not cache.exists()


def test_clean_does_not_reach_into_what_is_mounted(tmp_path: Path) -> None:
    cache = tmp_path / "a cache"
    with tool.locked(cache):
        pass
    (cache / "lab").mkdir()
    check(["mount", "-t", "tmpfs", "none", cache / "lab"], cwd=tmp_path)
    try:
        (cache / "lab" / "precious").touch()
        with pytest.raises(tool.SetupError, match="a cache/lab is mounted"):
            tool.clean(cache)
        assert (cache / "lab" / "precious").exists()
    finally:
        check(["umount", cache / "lab"], cwd=tmp_path)


def outer_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest with the plugin of the outer run, over one file."""
    (folder / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "outer", "-p", "no:cacheprovider", "--rootdir", folder, "-rs", folder],
        env={**os.environ, "PYTHONPATH": str(Path(tool.__file__).parent), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HALF_A_MINUTE,
        check=False,
    )


SKIPS = """
import pytest
def test_passes(): pass
def test_skips(): pytest.skip("no such thing here")
@pytest.mark.optional
def test_may_skip(): pytest.skip("a luxury")
"""


def test_skipped_test_fails_in_ci_unless_optional(tmp_path: Path) -> None:
    run = outer_pytest(tmp_path, SKIPS, CI="true")
    assert run.returncode == 1
    assert "CI needs this test, but it was skipped: Skipped: no such thing here" in run.stdout
    assert "1 failed, 1 passed, 1 skipped" in run.stdout


def test_skipped_test_tells_its_reason_elsewhere(tmp_path: Path) -> None:
    run = outer_pytest(tmp_path, SKIPS, CI="")
    assert run.returncode == 0
    assert "no such thing here" in run.stdout
    assert "1 passed, 2 skipped" in run.stdout


def test_skipped_module_fails_in_ci(tmp_path: Path) -> None:
    run = outer_pytest(tmp_path, 'import pytest\npytest.skip("not here", allow_module_level=True)\n', CI="true")
    assert run.returncode != 0
    assert "CI needs these tests, but they were skipped" in run.stdout


def test_termination_tears_fixtures_down(tmp_path: Path) -> None:
    source = """
import os, pathlib, pytest, signal, time
@pytest.fixture
def held():
    yield
    pathlib.Path("torn-down").touch()
def test_it(held):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(20)
"""
    run = outer_pytest(tmp_path, source)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "torn-down").exists()


def test_program_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="did not end within 1 s:\nbefore"):
        check(["sh", "-c", "echo $$ > group; echo before; sleep 300 & wait"], cwd=tmp_path, timeout=1)
    assert gone(int((tmp_path / "group").read_text()))


def test_program_that_fails_shows_both_streams(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)status 3.*one.*two"):
        check(["sh", "-c", "echo one; echo two >&2; exit 3"], cwd=tmp_path)
