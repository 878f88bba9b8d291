# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: its length, links and figures, and whether Ansible takes the examples that it prints."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from pathlib import Path

import collection
import pytest
import variables
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import fstab, wanted_mounts
from pages import PAGES, block, blocks, broken_links
from programs import check
from setup import REPOSITORY

assert collection.FINDER, "it makes ansible_collections importable"

pytestmark = pytest.mark.lint

README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
MOST_WORDS = 1250
STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
EXAMPLES = DOCS / "examples"
STORE = "/var/cache/0install.net/implementations"
PLAYBOOKS = sorted(
    path
    for path in EXAMPLES.rglob("*.yml")
    if path.parent.name != "tasks" and isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), list)
)
FRAGMENTS = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "yaml"), 1)
    if "collections:" not in text
]
REQUIREMENTS = block(DOCS / "roles.md", "yaml", "# requirements.yml")
COMMANDS = [
    pytest.param(line, id=f"{page.stem}: {line}")
    for page in PAGES
    for text in blocks(page, "console")
    for line in text.splitlines()
    if line.startswith("ansible-playbook ")
]


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_the_page_of_variables_is_what_the_argument_specifications_say() -> None:
    assert variables.PAGE.read_text(encoding="utf-8") == variables.page()


def test_links_lead_somewhere() -> None:
    pages = [*PAGES, *REPOSITORY.glob("tests/**/*.md")]
    assert [link for page in pages for link in broken_links(page)] == []


def test_the_readme_asks_for_the_ansible_that_the_collection_requires() -> None:
    runtime = yaml.safe_load((REPOSITORY / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    (named,) = re.findall(r"ansible-core ([\d.]+) or later", README.read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == f">={named}.0"


@pytest.mark.parametrize("text", FRAGMENTS)
def test_ansible_takes_a_printed_fragment(text: str, tmp_path: Path) -> None:
    """Each YAML block but requirements is a playbook, tasks, an inventory or variables of one."""
    path = tmp_path / "fragment.yml"
    path.write_text(text, encoding="utf-8")
    content = yaml.safe_load(text)
    if isinstance(content, dict) and all(name.startswith(("ansible_", "cache_")) for name in content):
        path.write_text(yaml.safe_dump({"all": {"vars": content}}), encoding="utf-8")
        check(["ansible-inventory", "-i", path, "--list"], cwd=tmp_path, environment=STRICT)
    elif isinstance(content, dict):
        assert content.keys() == {"zeroinstall_hosts", "zeroinstall_guests"}
        check(["ansible-inventory", "-i", path, "--list"], cwd=tmp_path, environment=STRICT)
    elif any({"hosts", "ansible.builtin.import_playbook"} & entry.keys() for entry in content):
        syntax(path)
    else:
        play = tmp_path / "play.yml"
        tasks = [{"ansible.builtin.import_tasks": path.name}]
        play.write_text(yaml.safe_dump([{"hosts": "all", "tasks": tasks}]), encoding="utf-8")
        syntax(play)


def test_the_printed_entry_of_fstab_is_what_a_guest_with_systemd_gets() -> None:
    entry = fstab.entry(wanted_mounts.Mount("ZeroInstall", STORE), systemd=True)
    assert block(DOCS / "guests.md", "text", "ZeroInstall") == fstab.render(entry)


def test_the_printed_selection_is_one_of_the_examples() -> None:
    """Which a test of the stores runs."""
    assert textwrap.indent(block(DOCS / "verify.md", "yaml"), " " * 4) in (EXAMPLES / "problems.yml").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "figure, file, name",
    [
        (r"`test_archive`, (\d+) hostile archives", "test_attacks.py", "ARCHIVES"),
        (r"`test_box`, (\d+) attacks", "test_attacks.py", "ATTACKS"),
        (r"_if_its_program_were_another`, (\d+) attempts", "probe.py", "attempts"),
    ],
)
def test_the_page_counts_what_hostile_guests_try(figure: str, file: str, name: str) -> None:
    tree = ast.parse((REPOSITORY / "tests" / "imports" / file).read_text(encoding="utf-8"))
    (table,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name
    )
    assert isinstance(table, ast.Dict)
    assert re.findall(figure, (DOCS / "verified.md").read_text(encoding="utf-8")) == [str(len(table.keys))]


def test_galaxy_takes_the_printed_command(tree: Path, tmp_path: Path) -> None:
    """In a checkout, without a network and any other collection."""
    command = shlex.split(block(README, "console", "ansible-galaxy "))
    check(
        [*command, "--no-deps", "--offline"], cwd=tree, environment={"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "new")}
    )
    assert (tmp_path / "new/ansible_collections/zeroinstall/virtualbox/README.md").is_file()


def test_galaxy_takes_the_printed_requirements(tree: Path, tmp_path: Path) -> None:
    """From a folder beside a checkout."""
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "zeroinstall.virtualbox").symlink_to(tree)
    (site / "requirements.yml").write_text(REQUIREMENTS, encoding="utf-8")
    command = ["ansible-galaxy", "collection", "install", "--offline", "-r", "requirements.yml", "-p", "."]
    check(command, cwd=site, environment={"ANSIBLE_COLLECTIONS_PATH": str(site)})
    assert (site / "ansible_collections/zeroinstall/virtualbox/README.md").is_file()


def syntax(playbook: Path) -> None:
    """Have Ansible load a playbook."""
    check(["ansible-playbook", "--syntax-check", playbook], cwd=playbook.parent, environment={"ANSIBLE_NOCOLOR": "1"})


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_ansible_takes_an_example(path: Path) -> None:
    syntax(path)


@pytest.mark.parametrize("line", COMMANDS)
def test_ansible_takes_a_printed_command(line: str) -> None:
    """With an inventory of the examples in place of the printed one, and without running anything."""
    words = shlex.split(line, comments=True)
    words = ["docs/examples/inventory.yml" if word == "inventory.yml" else word for word in words]
    check([*words, "--syntax-check"], cwd=REPOSITORY)


@pytest.mark.each_core
@pytest.mark.parametrize(
    "kind, folder", [("module", "plugins/modules"), ("filter", "plugins/filter"), ("role", "roles")]
)
def test_ansible_doc_prints_without_a_deprecation(
    kind: str, folder: str, environment: Path, collections_path: Path
) -> None:
    names = [f"zeroinstall.virtualbox.{path.stem}" for path in sorted((REPOSITORY / folder).glob("[!_]*"))]
    command = [environment / "bin" / "ansible-doc", "-t", kind, *names]
    printed = check(command, cwd=REPOSITORY, environment={"ANSIBLE_COLLECTIONS_PATH": str(collections_path)})
    assert all(name in printed.lower() for name in names)
    assert "DEPRECATION WARNING" not in printed
