# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Jinja of roles and playbooks may do: look up, compare, take a default, and call this collection's filters.

Whatever else has to be computed is Python: a filter, with unit tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import nodes
from setup import REPOSITORY

pytestmark = pytest.mark.lint

OURS = "zeroinstall.virtualbox."
CONDITIONS = {"when", "changed_when", "failed_when", "that", "until"}
"""The keys of a task whose values are expressions without braces."""

FILTERS = {"default", "d", "bool"}
TESTS = {"defined", "undefined", "none"}
COMPARISONS = {"eq", "ne", "lt", "lteq", "gt", "gteq", "in", "notin"}
EXPRESSIONS = (nodes.Name, nodes.Const, nodes.Getattr, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or,
               nodes.Keyword)  # fmt: skip
TEXT = (nodes.Template, nodes.Output, nodes.TemplateData)
LOOPS = (nodes.For, nodes.If)
"""What only a template has."""

# What is allowed beside that, and why.
MORE_FILTERS = {"b64decode": "the module slurp answers so"}
TEMPLATE = "ansible.builtin.template"
"""The lookup by which a role hands the text of its own template to the module paths, which gets it no other way."""


def wrong(node: nodes.Node, in_template: bool) -> Iterator[str]:
    """What is not allowed in a parsed text."""
    match node:
        case nodes.Call(node=nodes.Name(name="lookup"), args=[nodes.Const(value=plugin), nodes.Const(value=name)]):
            if plugin != TEMPLATE or "/" in name:
                yield f"{plugin} of {name}"
            return
        case nodes.Name(name="role_path"):
            yield "role_path"
        case nodes.Getitem(arg=nodes.Slice()):
            yield "Slice"
        case nodes.Filter(name=name):
            if name not in FILTERS | MORE_FILTERS.keys() and not name.startswith(OURS):
                yield f"filter {name}"
        case nodes.Test(name=name):
            if name not in TESTS:
                yield f"test {name}"
        case nodes.Operand(op=op):
            if op not in COMPARISONS:
                yield f"comparison {op}"
        case nodes.List(items=[]) | nodes.Dict(items=[]) | nodes.Getitem():
            pass
        case _ if not isinstance(node, (*EXPRESSIONS, *TEXT, *(LOOPS if in_template else ()))):
            yield type(node).__name__
    for child in node.iter_child_nodes():
        yield from wrong(child, in_template)


def in_text(text: str, in_template: bool = False) -> list[str]:
    """What is not allowed in a text with Jinja in it."""
    return list(wrong(jinja2.Environment().parse(text), in_template))


def expressions(value: object, key: str = "") -> Iterator[str]:
    """The texts with Jinja in what a YAML file says; conditions with braces around them."""
    match value:
        case dict():
            for name, each in value.items():
                yield from expressions(each, str(name))
        case list():
            for each in value:
                yield from expressions(each, key)
        case str():
            yield f"{{{{ {value} }}}}" if key in CONDITIONS else value


def in_file(path: Path) -> list[str]:
    """What is not allowed in a file of a role or a playbook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".j2":
        return in_text(text, in_template=True)
    return [word for expression in expressions(yaml.safe_load(text)) for word in in_text(expression)]


def files() -> list[Path]:
    """All files with Jinja in them."""
    found = [*REPOSITORY.glob("playbooks/**/*.yml"), *REPOSITORY.glob("roles/*/templates/**/*.j2")]
    for folder in ("defaults", "handlers", "meta", "tasks", "vars"):
        found += REPOSITORY.glob(f"roles/*/{folder}/**/*.yml")
    return sorted(found)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_jinja_computes_nothing(path: Path) -> None:
    assert in_file(path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ a.b['c'][0] | default('') }} and {{ x or omit }}", []),
        ("{{ a == 'b' and c not in d and e is not defined and not (f | bool) and g != [] and h != {} }}", []),
        ("{{ (a | zeroinstall.virtualbox.arrangement(name=b, explain=true)).c }}", []),
        ("{{ lookup('ansible.builtin.template', 'own.j2') }}", []),
        ("{{ lookup('ansible.builtin.template', '../x/y.j2') }}", ["ansible.builtin.template of ../x/y.j2"]),
        ("{{ lookup('ansible.builtin.file', role_path ~ '/x') }}", ["Call", "Concat", "role_path"]),
        ("{{ a | selectattr('b') | list }}", ["filter list", "filter selectattr"]),
        ("{{ a if b else c }}", ["CondExpr"]),
        ("{{ a + 1 }}{{ b ~ c }}", ["Add", "Concat"]),
        ("{{ [a] }}{{ {'a': b} }}{{ (a, b) }}", ["List", "Dict", "Pair", "Tuple"]),
        ("{{ a[1:] }}", ["Slice", "Slice"]),
        ("{{ a.items() }}", ["Call"]),
        ("{{ a is match('b') }}", ["test match"]),
        ("{% for a in b %}{{ a }}{% endfor %}", ["For"]),
        ("{% set a = b %}", ["Assign"]),
    ],
)  # fmt: skip
def test_it_tells_what_computes(text: str, words: list[str]) -> None:
    assert in_text(text) == words


def test_a_template_may_repeat_and_leave_out(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text(
        "{% for a in b %}{% if a != c %}{{ a }}{% endif %}{% endfor %}{{ a | upper }}", encoding="utf-8"
    )
    assert in_file(template) == ["filter upper"]


def test_a_condition_is_an_expression(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.yml"
    tasks.write_text("- when: [a | length > 0, b]\n  vars: {c: a | length}\n", encoding="utf-8")
    assert in_file(tasks) == ["filter length"]
