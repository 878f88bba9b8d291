# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No test depends on how busy the machine is: waits end by a condition, or by a limit that only a hang reaches.

That limit is ``labkit.waiting.HANG``. What is found is a number in its place, a sleep outside a loop, and a comparison
of times. Programs within strings are not looked into.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from setup import REPOSITORY

pytestmark = pytest.mark.lint

TESTS = REPOSITORY / "tests"
LEFT_OUT = ("tests/unit/", "tests/benchmarks/")
LIMITS = {"timeout", "limit", "patience"}
WAITS = {"wait", "join", "communicate", "settimeout"}
CLOCKS = {"monotonic", "perf_counter", "time"}
WANTED = {
    ("tests/fuzz/fuzz_manifest.py", "goes_on"): "It goes on for as long as it was asked to.",
    ("tests/imports/test_guests.py", "change"): "They spread the moments of what races.",
    ("tests/lab/labkit/agent.py", "ask"): "Who connects too early tries again.",
    ("tests/lab/labkit/agent.py", "_alone"): "The caller gives the limit.",
    ("tests/lab/labkit/agent.py", "_sent"): "The caller gives the limit.",
    ("tests/lab/labkit/debian.py", "root"): "Its text is part of what all images are made from.",
    ("tests/lab/labkit/runs.py", "take_down"): "What has not ended by then is killed, and that is waited for.",
    ("tests/lab/labkit/waiting.py", "until"): "This is the limit.",
    ("tests/lab/test_lab.py", "test_a_guest_is_a_debian_with_the_real_driver"): "It is about the order of events.",
    ("tests/lab/test_modes.py", "serve"): "It is a pause between two looks.",
    ("tests/programs/test_downloading.py", "test_a_server_that_says_nothing_is_given_up"): "It is to be given up.",
    ("tests/qemu/machine.py", "hang_up"): "What is left then of a connection is of no use to anybody.",
    ("tests/tools/fresh_init.py", "end"): "What has not ended by then is killed, and that is waited for.",
    ("tests/tools/fresh_init.py", "listen"): "What has not ended by then is killed, and that is waited for.",
    ("tests/tools/programs.py", "program"): "What has not ended by then is killed, and that is waited for.",
}  # fmt: skip
"""File and function, and why what is found there cannot make a test fail on a busy machine."""


class Finder(ast.NodeVisitor):
    """Collects the function, line and kind of what a module has of it."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[tuple[str, int, str]] = []
        self.function, self.in_loop = "", False
        self.numbers = {name for name, value in self._assigned(tree.body) if self._is_number(value)}
        self.times = {name for name, value in self._assigned(ast.walk(tree)) if self._has_difference(value)}
        self.visit(tree)

    @staticmethod
    def _assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
        """Names and what they are set to."""
        for node in nodes:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and value:
                yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))

    def _is_number(self, node: ast.expr | None) -> bool:
        """Whether this is a number other than nought, or a name of this module for one."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            return self._is_number(node.left) and self._is_number(node.right)
        if isinstance(node, ast.Name):
            return node.id in getattr(self, "numbers", ())
        return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value != 0

    @staticmethod
    def _is_clock(node: ast.AST) -> bool:
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return function.value.id == "time" and function.attr in CLOCKS
        return isinstance(function, ast.Name) and function.id in CLOCKS

    def _has_difference(self, node: ast.AST) -> bool:
        return any(
            isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) and any(map(self._is_clock, ast.walk(part)))
            for part in ast.walk(node)
        )

    def _note(self, node: ast.AST, kind: str) -> None:
        self.found.append((self.function, node.lineno, kind))  # type: ignore[attr-defined]

    def _within(self, node: ast.AST, function: str, in_loop: bool) -> None:
        before = self.function, self.in_loop
        self.function, self.in_loop = function, in_loop
        self.generic_visit(node)
        self.function, self.in_loop = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A limit that is given by default."""
        every = node.args
        positional = [*every.posonlyargs, *every.args]
        defaults = zip(positional[len(positional) - len(every.defaults) :], every.defaults, strict=True)
        for argument, default in (*defaults, *zip(every.kwonlyargs, every.kw_defaults, strict=True)):
            if argument.arg in LIMITS and self._is_number(default):
                self._note(node, "limit")
        self._within(node, node.name, False)

    def visit_For(self, node: ast.For) -> None:
        """A loop, in which a sleep is a pause."""
        self._within(node, self.function, True)

    def visit_While(self, node: ast.While) -> None:
        """The same."""
        self._within(node, self.function, True)

    def visit_Call(self, node: ast.Call) -> None:
        """A limit, or a sleep."""
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = method or (node.func.id if isinstance(node.func, ast.Name) else "")
        given = [keyword.value for keyword in node.keywords if keyword.arg in LIMITS]
        if method in WAITS:
            given += node.args
        if any(map(self._is_number, given)):
            self._note(node, "limit")
        if name == "sleep" and not self.in_loop and any(map(self._is_number, node.args)):
            self._note(node, "sleep")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """A comparison of times."""
        ordered = any(isinstance(one, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for one in node.ops)
        parts = list(ast.walk(node))
        names = {part.id for part in parts if isinstance(part, ast.Name)}
        if ordered and (names & self.times or any(map(self._is_clock, parts))):
            self._note(node, "comparison")
        self.generic_visit(node)


def findings(source: str) -> list[tuple[str, int, str]]:
    """Function, line and kind of all that a module has."""
    return Finder(ast.parse(source)).found


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("run(['true'], timeout=60)", ["limit"]),
        ("SHORT = 2 * 30\nrun(['true'], timeout=SHORT)", ["limit"]),
        ("def check(command, timeout=600): pass", ["limit"]),
        ("def check(command, *, patience: float = 1.5): pass", ["limit"]),
        ("process.wait(5)", ["limit"]),
        ("thread.join(120)", ["limit"]),
        ("process.communicate(None, 60)", ["limit"]),
        ("time.sleep(1.5)", ["sleep"]),
        ("for _ in range(2):\n    def later(): sleep(1)", ["sleep"]),
        ("assert time.monotonic() - began < 30", ["comparison"]),
        ("spent = time.time() - began\nassert abs(spent) < 60", ["comparison"]),
        ("while time.monotonic() < end: time.sleep(0.1)", ["comparison"]),
        ("from labkit.waiting import HANG\nrun(['true'], timeout=HANG)", []),
        ("def check(command, timeout=HANG): return process.wait(timeout)", []),
        ("def check(command, count=600): pass\nstart('true', limit=1 << 24)", []),
        ("process.wait()\nprocess.wait(0)\n','.join('60')\nprocess.communicate('60')", []),
        ("while not there(): time.sleep(0.1)", []),
        ("print(time.monotonic() - began)\nassert time.time() == 0\nassert count < 30", []),
    ],
)
def test_finds_what_depends_on_the_time_that_something_takes(source: str, kinds: list[str]) -> None:
    assert [kind for _function, _line, kind in findings(source)] == kinds


def test_programs() -> None:
    told, wanted = [], set()
    for path in sorted(TESTS.rglob("*.py")):
        file = path.relative_to(REPOSITORY).as_posix()
        if file.startswith(LEFT_OUT):
            continue
        for function, line, kind in findings(path.read_text(encoding="utf-8")):
            if (file, function) in WANTED:
                wanted.add((file, function))
            else:
                told.append(f"{file}:{line}: {function or 'module'}: {kind}")
    assert told == []
    assert wanted == WANTED.keys(), "the table has what is there no more"


LIMIT_IN_YAML = re.compile(r"^\s*(?:- )?(retries|\w*timeout): ['\"]?(\d+)['\"]?$", re.MULTILINE)
WANTED_IN_YAML = {
    "tests/integration/targets/shares/tasks/locked.yml": [("lock_timeout", "1")] * 2,  # the lock does not end before
}


@pytest.mark.parametrize(
    ("text", "found"),
    [("  retries: 100\n  delay: 1\n", True), ("  lock_timeout: 60\n", True), ('  retries: "{{ tries }}"\n', False),
     ("  lock_timeout: 3600\n", False)],
)  # fmt: skip
def test_finds_limits_in_yaml(text: str, found: bool) -> None:
    assert bool(limits_in_yaml(text)) == found


def limits_in_yaml(text: str) -> list[tuple[str, str]]:
    """Names and values of limits that are not the one for a hang."""
    return [(name, value) for name, value in LIMIT_IN_YAML.findall(text) if value != "3600"]


def test_playbooks() -> None:
    every = {
        path.relative_to(REPOSITORY).as_posix(): limits_in_yaml(path.read_text(encoding="utf-8"))
        for path in TESTS.rglob("*.yml")
    }
    assert {file: found for file, found in every.items() if found and not file.startswith(LEFT_OUT)} == WANTED_IN_YAML
