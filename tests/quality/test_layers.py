# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who imports whom in plugins/module_utils: the table in docs/architecture.md holds. And modules are thin."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from setup import REPOSITORY

pytestmark = pytest.mark.lint

FOLDER = REPOSITORY / "plugins" / "module_utils"
PACKAGE = "ansible_collections.zeroinstall.virtualbox.plugins.module_utils"
EVERYBODYS = {"_errors", "_modules", "_names"}
"""The small files that all may import."""
ACTIONS = {"fleet_report", "guest_plan"}
"""The modules that are documentation alone, of an action that runs another module or none."""
ROW = re.compile(r"^\| `(_\w+)/` \| [^|]* \| ([^|]*) \|$", re.MULTILINE)


def table() -> dict[str, set[str]]:
    """Each package with what it may import, as docs/architecture.md has it."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {package: set(re.findall(r"`([\w.]+)`", allowed)) for package, allowed in ROW.findall(text)}


def imports(path: Path) -> set[str]:
    """What a file imports of module_utils: ``PACKAGE.MODULE``, or the name of a file beside the packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            inside = str(node.module)[len(PACKAGE) + 1 :]
            names = (
                [inside]
                if inside.count(".") or inside in EVERYBODYS
                else [f"{inside}.{alias.name}".lstrip(".") for alias in node.names]
            )
            found.update(names)
    return found


def is_allowed(name: str, package: str, allowed: set[str]) -> bool:
    """Whether a file of a package may import this."""
    return name in EVERYBODYS or name in allowed or name.partition(".")[0] in {package, *allowed}


def wrong_imports(folder: Path) -> list[str]:
    """The imports between packages that the table does not allow."""
    return [
        f"{path.relative_to(folder)} imports {name}"
        for package, allowed in table().items()
        for path in sorted((folder / package).glob("*.py"))
        for name in sorted(imports(path))
        if not is_allowed(name, package, allowed)
    ]


def test_each_package_imports_what_the_table_allows() -> None:
    assert set(table()) == {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert wrong_imports(FOLDER) == []


@pytest.mark.parametrize(
    "line, named",
    [
        (f"from {PACKAGE}._guest import fstab", "_guest.fstab"),
        (f"from {PACKAGE}._store import manifests, trees", "_store.trees"),
        (f"from {PACKAGE}._inbox.archives import Refused", "_inbox.archives"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, line: str, named: str) -> None:
    folder = tmp_path / "module_utils"
    shutil.copytree(FOLDER, folder)
    with (folder / "_files" / "sudo.py").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert f"_files/sudo.py imports {named}" in wrong_imports(folder)


def test_beside_the_packages_are_the_files_that_all_may_import() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == EVERYBODYS
    assert all(imports(FOLDER / f"{name}.py") <= EVERYBODYS for name in EVERYBODYS)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_is_documentation_options_and_one_call(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    if path.stem in ACTIONS:
        assert not functions and (path.parents[1] / "action" / path.name).is_file()
        return
    assert [function.name for function in functions] == ["main"]
    made, handed_on = functions[0].body
    assert ast.unparse(made).startswith("module = AnsibleModule(")
    assert ast.unparse(handed_on).startswith("answer(module, ")
