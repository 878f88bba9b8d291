# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up script, the outer run's rules and its way of running programs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import environments
import parts
import pytest
import pythons
import run_tests
import setup as tool
from alone import alone
from labkit.waiting import HANG, until
from programs import check
from steps import Step, StepError, carry_out

pytestmark = pytest.mark.thorough


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


@pytest.mark.parametrize("path", ["/a b", '/a"b', "/a$b", "/a`b", "/a\\b", "/a:b", "/a\nb"])
def test_a_cache_path_that_programs_do_not_get_along_with_is_refused(path: str) -> None:
    with pytest.raises(StepError, match="ZEROINSTALL_VIRTUALBOX_CACHE"):
        tool.cache_directory({"ZEROINSTALL_VIRTUALBOX_CACHE": path})


def test_key_tells_parts_apart() -> None:
    assert len({environments.key("a", "b"), environments.key("ab"), environments.key("b", "a")}) == 3
    assert environments.key("a", "b") == environments.key("a", "b")


def test_requirements_change_with_included_files_but_not_with_comments(tmp_path: Path) -> None:
    (tmp_path / "common.txt").write_text("pytest>=9  # runs the tests\n")
    (tmp_path / "one.txt").write_text("# a comment\n-r common.txt\nansible-core~=2.19.0\n")
    assert environments.requirements_text(tmp_path / "one.txt") == "pytest>=9\nansible-core~=2.19.0"


def test_pip_settings_are_handed_on_as_pip_prints_them(tmp_path: Path) -> None:
    def listed(**environment: str) -> str:
        command = [sys.executable, "-m", "pip", "config", "list"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    values = {"PIP_CERT": "/it's/a 100%.pem", "PIP_FIND_LINKS": "/a\n/b"}
    settings = listed(**values, PIP_CONFIG_FILE=os.devnull, HOME="/nowhere")
    (tmp_path / "pip.conf").write_text(environments.pip_configuration(settings))
    again = listed(PIP_CONFIG_FILE=str(tmp_path / "pip.conf"), HOME="/nowhere").splitlines()
    assert f"global.cert={values['PIP_CERT']!r}" in again
    assert f"global.find-links={values['PIP_FIND_LINKS']!r}" in again


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([8, 10, 11, 12, 13], {"2.16": 11, "2.18": 11, "2.19": 11, "newest": 13}),
        ([11], {"2.16": 11, "2.18": 11, "2.19": 11}),
        ([13], {"2.18": 13, "2.19": 13, "newest": 13}),
        ([12, 14], {"2.16": 12, "2.18": 12, "2.19": 12, "newest": 14}),
        ([14], {"newest": 14}),
        ([9, 10], {}),
    ],
)
def test_choice_of_pythons(found: list[int], chosen: dict[str, int]) -> None:
    assert pythons.choose((3, minor) for minor in found) == {core: (3, minor) for core, minor in chosen.items()}


def test_ends_are_of_what_an_ansible_core_knows() -> None:
    found = [(3, 8), (3, 9), (3, 12), (3, 13), (3, 14)]
    assert pythons.ends(found, "2.16") == ((3, 8), (3, 12))
    assert pythons.ends(found, "2.18") == ((3, 8), (3, 13))
    assert pythons.ends([(3, 11)], "2.16") == ((3, 11), (3, 11))


def test_the_first_environment_is_the_oldest_that_there_can_be(tmp_path: Path) -> None:
    def made(*minors: int, everything: bool) -> dict[str, str]:
        found = tool.environments_for({(3, one): f"/python3.{one}" for one in minors}, tmp_path, everything)
        return {name: one.path.name.rpartition("-")[0] for name, one in found.items()}

    assert made(11, 13, everything=False) == {"oldest": "core-2.16"}
    assert made(13, everything=False) == {"oldest": "core-2.18"}
    assert made(13, everything=True) == {"oldest": "core-2.18", "2.19": "core-2.19", "newest": "core-newest"}
    with pytest.raises(StepError, match=r"no Python 3\.11 or later"):
        made(9, everything=True)


def test_each_ansible_core_for_which_there_is_no_python_is_named() -> None:
    assert tool.not_tested(pythons.CORES) == []
    assert tool.not_tested(["2.18", "2.19"]) == [
        "ansible-core 2.16, which needs Python 3.10 to 3.12 with venv",
        "the newest ansible-core, which needs Python 3.12 or later with venv",
    ]


def test_pythons_are_found_behind_links_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    version, real = pythons.probe(sys.executable) or pytest.fail("this Python does not answer")
    (broken := tmp_path / "shims").mkdir()
    (working := tmp_path / "bin").mkdir()
    name = f"python3.{version[1]}"
    (broken / name).write_text("#!/bin/sh\nexit 127\n")
    (broken / name).chmod(0o755)
    (working / name).symlink_to(real)
    assert pythons.probe(str(broken / name)) is None
    assert version in pythons.find_pythons({"PATH": f"{broken}:{working}"})


def make(*wanted: environments.Environment, logs: Path) -> dict[str, str]:
    """Make environments side by side; why some could not be made."""
    steps = [Step(one.path.name, one.path.name, functools.partial(environments.making, one, logs)) for one in wanted]
    return carry_out(steps, at_once=2)


def test_half_made_environment_is_made_again(tmp_path: Path) -> None:
    made = environments.Environment(sys.executable, tmp_path / "target-3.x")
    (made.path / "left").mkdir(parents=True)
    assert make(made, logs=tmp_path) == {}
    assert not (made.path / "left").exists()
    assert made.marker.exists()
    assert check([made.path / "bin" / "python", "-c", "print(1)"], cwd=tmp_path) == "1\n"


def test_failure_to_install_shows_what_pip_said_and_leaves_nothing_complete(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("./there-is-no-such-folder\n")
    names = ("one", "other")
    wanted = [environments.Environment(sys.executable, tmp_path / name, tmp_path / "bad.txt") for name in names]
    failed = make(*wanted, logs=tmp_path)
    assert failed.keys() == {"one", "other"}
    assert all("there-is-no-such-folder" in reason for reason in failed.values())
    assert [one for one in wanted if one.marker.exists()] == []


def stat_texts() -> Iterator[str]:
    """Every process's /proc/PID/stat."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_text()


def gone(group: int) -> bool:
    """Whether a process group has no process left but such as wait to be reaped."""
    fields = [text.rpartition(")")[2].split() for text in stat_texts()]
    return not any(state != "Z" and int(its_group) == group for state, _parent, its_group, *_rest in fields)


def children_of(process: int) -> list[int]:
    """The children of a process."""
    return [*map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())]


def test_terminated_set_up_ends_its_programs_and_is_taken_up_again(tmp_path: Path) -> None:
    command = [sys.executable, tool.__file__]
    environment = {**os.environ, "ZEROINSTALL_VIRTUALBOX_CACHE": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        children = until(lambda: process.poll() is not None or children_of(process.pid), "no program was started")
        assert isinstance(children, list), process.communicate()
        until(lambda: list(tmp_path.glob("envs/*")), "no environment was begun")
        process.terminate()
        _output, errors = process.communicate(timeout=HANG)
    assert process.returncode == 130
    assert "Interrupted" in errors
    for child in children:
        until(lambda child=child: gone(child), f"{child} goes on")
    begun = list((tmp_path / "envs").iterdir())
    assert begun and not [folder for folder in begun if (folder / "complete").exists()]
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
    with pytest.raises(StepError, match="left alone"):
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
        with pytest.raises(StepError, match="a cache/lab is mounted"):
            tool.clean(cache)
        assert (cache / "lab" / "precious").exists()
    finally:
        check(["umount", cache / "lab"], cwd=tmp_path)


def test_clean_waits_for_no_run_but_refuses(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with tool.locked(cache):
        pass
    with alone(cache, "something"), pytest.raises(StepError, match="another program holds"):
        tool.clean(cache)
    tool.clean(cache)
    assert not cache.exists()


def outer_pytest(folder: Path, source: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest with the plugin of the outer run, over one file."""
    (folder / "test_it.py").write_text(source)
    plugins = ("-p", "outer", "-p", "no:cacheprovider")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--rootdir", folder, "-rs", *options, folder],
        env={**os.environ, "PYTHONPATH": str(Path(tool.__file__).parent), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG,
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
    time.sleep(3600)
"""
    run = outer_pytest(tmp_path, source)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "torn-down").exists()


def test_program_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "group"
    for seconds in itertools.count(1):
        with pytest.raises(pytest.fail.Exception, match=f"did not end within {seconds} s:") as told:
            check(["sh", "-c", "echo before; echo $$ > group; sleep 3600 & wait"], cwd=tmp_path, timeout=seconds)
        if file.exists() and file.read_text():
            break
    assert str(told.value).endswith(":\nbefore\n")
    until(lambda: gone(int(file.read_text())), "something of it goes on")


def test_program_that_fails_shows_both_streams(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)status 3.*one.*two"):
        check(["sh", "-c", "echo one; echo two >&2; exit 3"], cwd=tmp_path)


BREAKS = """
import pytest
class Error(Exception):
    complete = %s
@pytest.fixture(scope="module")
def lab():
    raise Error("lab up failed\\n its log: /a/log")
@pytest.mark.parametrize("number", range(3))
def test_it(lab, number): pass
"""


def results(folder: Path, status: int) -> run_tests.Part:
    """A part with the results that are in a folder."""
    (folder / "used").write_text("1.0\n")
    part = run_tests.Part("tests/lab/test_systemd.py")
    part.read(status, {kind: folder / kind for kind in run_tests.FILES})
    return part


@pytest.mark.parametrize("complete", [True, False])
def test_the_failure_of_a_fixture_is_told_once(tmp_path: Path, complete: bool) -> None:
    counts = {parts.COUNTS: str(tmp_path / "counts")}
    run = outer_pytest(tmp_path, BREAKS % complete, f"--junitxml={tmp_path}/report", **counts)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 error, 2 not run" in run.stdout
    assert run.stdout.count(" its log: /a/log\n") == 1
    assert ("raise Error" in run.stdout) is not complete
    part = results(tmp_path, run.returncode)
    reason = f"{'' if complete else 'test_it.Error: '}lab up failed … its log: /a/log"
    assert (part.not_run, part.failed) == ({reason: 3}, [])


def test_what_needs_something_that_could_not_be_set_up_is_not_run(
    tmp_path: Path, setup: tool.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dataclasses.replace(setup, broken={"guests": "making guests: no room\nand more"})
    (tmp_path / "setup.json").write_text(json.dumps(dataclasses.asdict(broken)))
    monkeypatch.setitem(os.environ, "ZEROINSTALL_VIRTUALBOX_SETUP", str(tmp_path / "setup.json"))
    options = ("-p", "outer", "-p", "no:cacheprovider", "--rootdir", parts.REPOSITORY, "-o", "addopts=")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={tmp_path}/report", "tests/lab/test_systemd.py"],
        cwd=parts.REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(Path(tool.__file__).parent), parts.COUNTS: str(tmp_path / "counts")},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert " passed" not in run.stdout and " not run" in run.stdout
    part = results(tmp_path, run.returncode)
    assert list(part.not_run) == ["making guests: no room"] and part.failed == []
    *_lines, told, last = run_tests.table([part])
    number = part.not_run.total()
    assert told == f"NOT RUN tests/lab/test_systemd.py, {number} tests: making guests: no room"
    assert last == f"0 passed, {number} failed, 0 skipped"


def test_a_python_that_could_not_make_environments_is_found_by_the_same_path_once_it_can() -> None:
    """Else the second run on a fresh machine would make them anew."""
    ((version, path),) = tool.own_python().items()
    assert pythons.find_pythons({"PATH": os.path.dirname(path)})[version] == path
