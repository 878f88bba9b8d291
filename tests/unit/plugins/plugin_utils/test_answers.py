# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of an answer that a module of the collection did not give."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _action, _answers


def cleaned(**answer):
    """What is left of an answer of a module that documents C(guest)."""
    return _answers.cleaned(answer, {"guest": _answers.Kind("raw"), "names": _answers.Kind("list", "str")})


def test_facts_and_whatever_else_is_not_documented_is_left_out():
    answer = {"ansible_facts": {"cache_guest_mode": "trusted"}, "add_host": {}, "ansible_stats": {}, "skipped": True}
    assert cleaned(changed=True, guest={"a": [1]}, **answer) == {"changed": True, "guest": {"a": [1]}}


def test_what_ansible_adds_is_kept():
    assert cleaned(_ansible_parsed=True, module_stdout="x") == {"_ansible_parsed": True, "module_stdout": "x"}


@pytest.mark.parametrize(
    "text, plain",
    [
        ("a\tb\nc", "a\tb\nc"),
        ("ä 漢 \xa0", "ä 漢 \xa0"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b", "\\u009b"),
        ("\r", "\\u000d"),
        ("\u202e", "\\u202e"),
        ("\x00\x7f", "\\u0000\\u007f"),
    ],
)
def test_text_is_plain(text, plain):
    assert _answers.plain(text) == plain


TEXTS = ["\x1b[2J", "\x9b", "\r", "\b\f", "\u202e", "\x00\x7f", "\\\x1b", "\\\\\x1b", "a\n\t\\u001b", "\\r"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_text_in_json_is_plain(text, ascii_only):
    answer = {text: [text, {"a": text}]}
    found = json.loads(_answers.plain_json("junk \x07\n" + json.dumps(answer, ensure_ascii=ascii_only))[12:])
    ((name, (value, inner)),) = found.items()
    assert name == value == inner["a"] and _answers.plain(name) == name
    escape = _answers.plain(text)
    assert value in (escape, escape.replace("\\u0008", "\\b").replace("\\u000c", "\\f").replace("\\u000d", "\\r"))


@pytest.mark.parametrize("text", ["['\\x1b']", "{'a': '\\u202e'}", "True", "False", "[Errno 2] no file"])
def test_no_message_is_read_as_a_value(text):
    """Ansible of before 2.19 makes a list or the like of it where it is all of a template."""
    found = cleaned(msg=text, guest={"additions": [{"problem": text}], "name": text}, failed=True)
    assert found["msg"] == found["guest"]["additions"][0]["problem"] == f"It said: {text}"
    assert found["guest"]["name"] == text


def test_any_other_message_stays():
    for text in ("", "no", "a [b]", "True.", " [b]"):
        assert cleaned(msg=text, failed=True)["msg"] == text


@pytest.mark.parametrize("odd", ["x", 5, {"a": 1}, [], None])
def test_warnings_and_diffs_of_another_shape_are_left_out(odd):
    assert "warnings" not in cleaned(warnings=odd)
    assert cleaned(diff=odd) in ({}, {"diff": {}}) or odd == {"a": 1}
    assert cleaned(diff=[odd, {"before": "x", "after": 7, "z": 1}]).get("diff") in (
        [{"before": "x"}],
        [{}, {"before": "x"}],
    )
    assert cleaned(deprecations=odd) == {}


def test_warnings_are_few_and_short():
    found = cleaned(warnings=["x" * 5000] * 1000)["warnings"]
    assert len(found) == _answers.MOST_WARNINGS + 1 and max(map(len, found)) == _answers.LONGEST_WARNING


@pytest.mark.parametrize("key", ["msg", "exception", "module_stdout", "module_stderr"])
def test_a_long_text_is_cut(key):
    longest = _answers.LONGEST_MESSAGE if key == "msg" else _answers.LONGEST_OTHER
    assert cleaned(**{key: "x" * longest, "failed": True})[key] == "x" * longest
    found = cleaned(**{key: "x" * (longest + 7), "failed": True})[key]
    assert found == "x" * longest + " … and 7 more characters, which are left out"


def test_diffs_that_would_take_long_to_compare_are_not_shown():
    """Ansible's own process compares them by difflib, whose time grows by the square of such lines."""
    mixed = {
        name: "".join(f"x{line}\n{other}{line}\n" for line in range(1499))
        for name, other in (("before", "y"), ("after", "z"))
    }
    assert cleaned(diff=mixed)["diff"] == mixed and cleaned(diff=[mixed])["diff"] == [mixed]
    longer = {name: text * 2 for name, text in mixed.items()}
    told = "characters, which are too many to be shown\n"
    assert all(text.endswith(told) for text in cleaned(diff=longer)["diff"].values())
    assert all(text.endswith(told) for diff in cleaned(diff=[mixed, mixed])["diff"] for text in diff.values())
    assert cleaned(diff={"prepared": "x" * (_answers.LONGEST_DIFF + 1)})["diff"]["prepared"].endswith(told)
    assert len(cleaned(diff=[{"before": "a"}] * 500)["diff"]) == _answers.MOST_DIFFS


def test_a_message_is_text():
    assert cleaned(msg=["a", 1])["msg"] == "It said: ['a', 1]"


@pytest.mark.parametrize(
    "value, words",
    [
        ([0] * (_answers.MOST_VALUES + 1), "more than 500000 values"),
        (json.loads("[" * 60 + "]" * 60), "more than 50 deep"),
    ],
)
def test_what_is_too_large_or_too_deep_is_refused(value, words):
    with pytest.raises(_answers.Odd, match=words):
        cleaned(guest=value)


def test_every_module_has_its_return_values_and_runs_through_the_action():
    modules = Path(_action.__file__).parents[1] / "modules"
    for file in modules.glob("*.py"):
        assert _answers.documented(file.read_text(encoding="utf-8")), file
        assert (modules.parent / "action" / file.name).is_file()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "names is no list"),
        ({}, "names is no list"),
        (["a", []], "names has something in it that is no str"),
        (["a", True], "no str"),
        ([None], "no str"),
    ],
)
def test_a_value_of_another_type_is_refused_before_anything_is_made_of_it(value, words):
    with pytest.raises(_answers.Odd, match=words):
        cleaned(names=value)
    assert cleaned(names=["a"]) == {"names": ["a"]} and cleaned(names=None) == {"names": None}


@pytest.mark.parametrize(
    ("value", "name", "fits"),
    [
        (True, "bool", True),
        (True, "int", False),
        (1, "bool", False),
        (1, "int", True),
        (1, "float", True),
        (1.5, "int", False),
        ([], "dict", False),
        ({}, "dict", True),
    ],
)
def test_a_yes_is_no_number(value, name, fits):
    assert _answers._is(value, name) == fits


def test_types_are_the_documented_ones():
    source = (Path(_action.__file__).parents[1] / "modules" / "store_verify.py").read_text(encoding="utf-8")
    found = _answers.documented(source)
    assert (found["names"], found["summary"]) == (_answers.Kind("list", "str"), _answers.Kind("dict"))


def test_of_an_answer_only_what_is_known_reaches_ansible():
    answer = {"changed": True, "guest": {"a": 1}, **{f"_ansible_k{number}": 1 for number in range(9)}, "z": 1}
    text = "banner {\n" + json.dumps(answer) + "\njunk\n" * 9
    assert json.loads(_answers.trimmed(text, ["guest"])) == {"changed": True, "guest": {"a": 1}}


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "{" * 100_000, "[1]" + "x" * 99_997, '{"a": ' + "9" * 100_000, "{\n" * 50_000]
)
def test_what_is_no_answer_is_cut(text):
    assert _answers.trimmed(text, []) == text[: _answers.LONGEST_OTHER]


def test_an_answer_of_backslashes_is_read_in_no_time():
    """Were the work quadratic, this would not end."""
    text = json.dumps({"msg": "\\" * 3_000_000})
    assert _answers.plain_json(text) == text


def made_an_object(text):
    """A warning as ansible-core has it since 2.19, or before that the stand-in for one."""
    try:
        from ansible.module_utils._internal._messages import Event, WarningSummary
    except ImportError:
        return types.SimpleNamespace(event=types.SimpleNamespace(msg=text))
    return WarningSummary(event=Event(msg=text))


def test_a_warning_that_ansible_made_an_object_of_is_text():
    assert cleaned(warnings=[made_an_object("look"), "here"])["warnings"] == ["look", "here"]


def test_a_lone_surrogate_is_shown_and_a_pair_is_a_character():
    text = r'{"changed": false, "msg": "a\ud800b \ud83d\ude00 \\ud800 \udcff"}'
    read = json.loads(_answers.plain_json(_answers.trimmed(text, [])))["msg"]
    assert read == "a\\ud800b \N{GRINNING FACE} \\ud800 \\udcff"
    assert read.encode() and _answers.plain("\ud800") == "\\ud800"
