# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the forge reads in .github, which cannot run here; what its release checks first; and the hooks of git."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from programs import check
from release import problems
from setup import REPOSITORY

FORGE = REPOSITORY / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))
FORMS = sorted((FORGE / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.dependabot": [FORGE / "dependabot.yml"],
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [FORGE / "ISSUE_TEMPLATE" / "config.yml"],
}


def scripts() -> Iterator[tuple[str, str]]:
    """The shell scripts in the workflows, each with a name."""
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items():
            for number, step in enumerate(job["steps"]):
                if "run" in step:
                    yield f"{file.stem}-{name}-{number}", step["run"]


@pytest.mark.lint
@pytest.mark.parametrize("schema", SCHEMAS)
def test_schema(schema: str) -> None:
    check(["check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema]], cwd=REPOSITORY)


@pytest.mark.lint
def test_zizmor() -> None:
    check(["zizmor", "--offline", "--pedantic", "--no-progress", FORGE], cwd=REPOSITORY)


@pytest.mark.lint
def test_scripts(tmp_path: Path) -> None:
    for name, script in scripts():
        (tmp_path / name).write_text(script, encoding="utf-8")
    check(["shellcheck", "--shell=bash", *tmp_path.iterdir()], cwd=tmp_path)


@pytest.mark.lint
def test_the_workflows_install_by_hashes() -> None:
    installing = [script for _name, script in scripts() if "pip install" in script]
    assert installing
    assert [script for script in installing if "--require-hashes" not in script] == []


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A work tree that can be released as 1.2.0."""
    (tmp_path / "changelogs" / "fragments").mkdir(parents=True)
    (tmp_path / "changelogs" / "fragments" / ".keep").touch()
    (tmp_path / "changelogs" / "changelog.yaml").write_text("releases: {1.2.0: {}}", encoding="utf-8")
    (tmp_path / "galaxy.yml").write_text("version: 1.2.0", encoding="utf-8")
    return tmp_path


def test_what_is_ready_can_be_released(ready: Path) -> None:
    assert problems("1.2.0", ready) == []


def test_another_version_cannot_be_released(ready: Path) -> None:
    assert problems("1.3.0", ready) == [
        "galaxy.yml has version 1.2.0",
        "the changelog has no 1.3.0; run antsibull-changelog release",
    ]


def test_a_fragment_that_is_left_keeps_from_a_release(ready: Path) -> None:
    (ready / "changelogs" / "fragments" / "late.yml").touch()
    assert problems("1.2.0", ready) == ["fragments are not in the changelog yet: late.yml"]


def test_a_hook_of_git_runs_the_tests_own_tools(tmp_path: Path) -> None:
    variables = {"PRE_COMMIT_HOME": str(tmp_path)}
    output = check(["pre-commit", "run", "ruff-check", "--all-files"], cwd=REPOSITORY, environment=variables)
    assert re.search(r"^ruff check\.+Passed$", output, re.MULTILINE)
