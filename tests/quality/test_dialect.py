# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to write what ruff lets be written in several: docstrings, and lists that depend on a condition."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from setup import REPOSITORY

pytestmark = pytest.mark.lint

FOLDERS = ("action", "filter", "module_utils", "modules", "plugin_utils")
SINGLE = re.compile(r"(?<!`)`(?!`)|\b[CIBUVOMP]\(")
"""Code in a docstring stands between two backticks on each side, never one, and not in a plugin's markup."""


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings that stand for themselves, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def odd_docstrings(tree: ast.AST) -> Iterator[int]:
    """The lines of docstrings with other marks for code."""
    return (line for line, text in docstrings(tree) if SINGLE.search(text))


def is_truth(node: ast.AST) -> bool:
    """Whether an expression is true or false, as can be seen."""
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bool"
    return called or isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def multiplied_truths(tree: ast.AST) -> Iterator[int]:
    """The lines where something is multiplied by what is true or false, where an ``if`` would say it."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mult)
            and (is_truth(node.left) or is_truth(node.right))
        ):
            yield node.lineno


@pytest.mark.parametrize("rule", [odd_docstrings, multiplied_truths])
def test_the_sources_are_written_in_one_way(rule: Callable[[ast.AST], Iterator[int]]) -> None:
    files = [path for folder in FOLDERS for path in sorted((REPOSITORY / "plugins" / folder).rglob("*.py"))]
    assert files
    found = [f"{path.relative_to(REPOSITORY)}:{line}" for path in files for line in rule(parsed(path))]
    assert found == []


def parsed(path: Path) -> ast.AST:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "rule, text",
    [
        (odd_docstrings, '"""The value `x`."""'),
        (odd_docstrings, '"""The value C(x)."""'),
        (multiplied_truths, "['x'] * (1 < 2)"),
        (multiplied_truths, "'x' * bool(y)"),
        (multiplied_truths, "(not y) * ['x']"),
    ],
)
def test_another_way_is_found(rule: Callable[[ast.AST], Iterator[int]], text: str) -> None:
    assert list(rule(ast.parse(text))) == [1]
    assert list(rule(ast.parse('"""The value ``x``."""\ny = ["x"] * 3'))) == []
