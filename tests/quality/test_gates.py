# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality gates: the tools of Ansible's ecosystem and of Python, each over a copy of the work tree."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml
from programs import check
from setup import REPOSITORY

TOP_LEVEL = {
    *("FILES.json", "MANIFEST.json"),
    *("CHANGELOG.md", "LICENSES", "README.md", "changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
}

RUN_TIME = ("playbooks", "plugins", "roles")
"""Where what runs at a user's stands."""
SOURCES = (".py", ".yml", ".j2")


@pytest.fixture
def tarball(tree: Path, tmp_path: Path) -> Path:
    """The collection as ``ansible-galaxy collection build`` packs it."""
    check(["ansible-galaxy", "collection", "build", "--output-path", tmp_path], cwd=tree)
    (path,) = tmp_path.glob("zeroinstall-virtualbox-*.tar.gz")
    return path


@pytest.mark.lint
def test_ansible_lint(tree: Path) -> None:
    check(["ansible-lint", "--offline", "--strict", "--nocolor"], cwd=tree, environment=with_collections(tree))


@pytest.mark.lint
def test_antsibull_docs(tree: Path) -> None:
    command = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."]
    check(command, cwd=tree, environment=with_collections(tree))


@pytest.mark.lint
def test_changelog(tree: Path) -> None:
    check(["antsibull-changelog", "lint"], cwd=tree)
    written = (tree / "CHANGELOG.md").read_text(encoding="utf-8")
    check(["antsibull-changelog", "generate"], cwd=tree, environment=with_collections(tree))
    assert (tree / "CHANGELOG.md").read_text(encoding="utf-8") == written, "run antsibull-changelog generate"


@pytest.mark.lint
def test_reuse(tree: Path) -> None:
    check(["reuse", "lint"], cwd=tree)


@pytest.mark.lint
def test_ruff(tree: Path) -> None:
    check(["ruff", "check", "--no-cache", "."], cwd=tree)
    check(["ruff", "format", "--no-cache", "--diff", "."], cwd=tree)


@pytest.mark.lint
def test_mypy(tree: Path) -> None:
    packages = [folder for folder in ("module_utils", "plugin_utils") if any((tree / "plugins" / folder).glob("*.py"))]
    names = [f"--package=ansible_collections.zeroinstall.virtualbox.plugins.{folder}" for folder in packages]
    root = tree.parents[2]
    options = ["--strict", "--config-file", tree / "pyproject.toml"]
    check(["mypy", *options, *names], cwd=root, environment={"MYPYPATH": str(root)})


@pytest.mark.lint
def test_yamllint(tree: Path) -> None:
    check(["yamllint", "--strict", "."], cwd=tree)


def test_tarball_holds_what_is_needed_at_run_time(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        packed = [name.removeprefix("./") for name in archive.getnames()]
    assert {name.split("/")[0] for name in packed} - TOP_LEVEL == set()
    assert not [name for name in packed if "__pycache__" in name or name.startswith("changelogs/fragments")]


@pytest.mark.each_core
def test_installed_tarball_documents_itself(tarball: Path, tree: Path, tmp_path: Path, environment: Path) -> None:
    path = tmp_path / "installed"
    only = {"ANSIBLE_COLLECTIONS_PATH": str(path)}
    install = [environment / "bin" / "ansible-galaxy", "collection", "install", "--offline"]
    check([*install, "-p", path, tarball], cwd=tmp_path, environment=only)
    doc = [environment / "bin" / "ansible-doc", "--json", "-t"]

    modules = {f"zeroinstall.virtualbox.{file.stem}" for file in (tree / "plugins" / "modules").glob("[!_]*.py")}
    documented = json.loads(check([*doc, "module", *sorted(modules)], cwd=tmp_path, environment=only))
    assert set(documented) == modules
    for name, parts in documented.items():
        assert [part for part in ("doc", "examples", "return") if not parts[part]] == [], name

    roles = {f"zeroinstall.virtualbox.{folder.name}" for folder in (tree / "roles").iterdir()}
    listed = json.loads(check([*doc, "role", "-l", "zeroinstall.virtualbox"], cwd=tmp_path, environment=only))
    assert set(listed) == roles


def test_the_example_names_the_tarball(tarball: Path) -> None:
    example = REPOSITORY / "docs" / "examples" / "vagrant" / "ansible_local" / "requirements.yml"
    (collection,) = yaml.safe_load(example.read_text(encoding="utf-8"))["collections"]
    assert Path(collection["name"]).name == tarball.name


def test_galaxy_names_the_collections_that_are_used(environment: Path) -> None:
    (packaged,) = environment.glob("lib/python3.*/site-packages/ansible_collections")
    known = {".".join(folder.relative_to(packaged).parts) for folder in packaged.glob("[!_]*/[!_]*/")}
    files = (path for part in RUN_TIME for path in (REPOSITORY / part).rglob("*") if path.suffix in SOURCES)
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = {match[1] for match in re.finditer(r"(?<!from )\b(\w+\.\w+)\.\w", text)}
    galaxy = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["dependencies"].keys() == named & known


def with_collections(tree: Path) -> dict[str, str]:
    """Environment variables with which Ansible finds the copy of the work tree and what it depends on."""
    return {"ANSIBLE_COLLECTIONS_PATH": str(tree.parents[2])}
