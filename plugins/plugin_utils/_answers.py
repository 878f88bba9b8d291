# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module answered on a machine that may be hostile: only what its documentation names, as plain text."""

from __future__ import annotations

import json
import re
import typing as t

LONGEST_ANSWER = 32 * 1024 * 1024
"""Characters of an answer that are read."""
LONGEST_OTHER = 1 << 16
"""Characters that are read of what is no answer, such as the error of a Python that is not there."""
MOST_VALUES = 500_000
"""Values in an answer, at any depth."""
DEEPEST = 50
"""How deep they may lie in each other."""
MOST_WARNINGS, LONGEST_WARNING = 20, 2000
LONGEST_MESSAGE = 1 << 17
"""Characters of a failure's message."""
MOST_DIFFS, MOST_DIFF_LINES, LONGEST_DIFF = 100, 6000, 1 << 20
"""Diffs of an answer, and all their lines and characters.

Ansible's own process compares them, without a time limit, and the time grows by the square of the lines.
"""
MESSAGES = ("msg", "problem", "restart", "reason", "detail", "product")
"""The return values that are sentences for people, or a part of one, at any depth."""

MOST = 2**63
"""What numbers in an answer are below."""

STANDARD = ("changed", "failed", "msg", "warnings", "diff", "exception", "invocation", "rc")
"""What an answer may hold of every module, beside what Ansible itself adds to it."""
FROM_WRAPPER = ("_ansible_suppress_tmpdir_delete",)
"""What Ansible's wrapper of a module that runs in the background puts into its answer."""
FROM_ANSIBLE = ("module_stdout", "module_stderr", "ansible_job_id", "results_file", "started", "finished")
"""What Ansible puts into the result of a module that gave no answer, or runs in the background."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPED = re.compile(
    r"(?<!\\)(\\+)([bfr]|u(?:00(?:0[0-8b-f]|1.|7f|[89].)|061c|200[ef]|202[89a-e]|206[6-9]|d[89a-f]..))",
    re.IGNORECASE | re.DOTALL,
)
"""The same in JSON, behind backslashes, of which the last belongs to it if there is an odd number of them."""


_VALUE = re.compile(r"[\[{]|(True|False)\Z")

_TYPES: dict[str, t.Any] = {
    "raw": object,
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": t.Mapping,
}


_LONGEST = {
    "msg": LONGEST_MESSAGE,
    **dict.fromkeys(("exception", "module_stdout", "module_stderr"), LONGEST_OTHER),
}


class Kind(t.NamedTuple):
    """The ``type`` of a return value and, of a list, that of its ``elements``, in the words of the documentation."""

    type: str
    elements: str = ""


_OF_A_JOB = {"ansible_job_id": Kind("str"), "results_file": Kind("str")}


class Odd(ValueError):
    """An answer that no module of this collection gives. The message says why."""


def number(value: t.Any, where: str) -> float:
    """A count, bytes or seconds in an answer. Odd, naming the place, for what is none of these."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST:
        raise Odd(where)
    return value


def items(value: t.Any, where: str) -> list[t.Any]:
    """A list of an answer."""
    if not isinstance(value, (list, tuple)):
        raise Odd(where)
    return list(value)


def word(value: t.Any, where: str) -> str:
    """A text of an answer."""
    if not isinstance(value, str):
        raise Odd(where)
    return value


def mapping(value: t.Any, where: str) -> t.Mapping[str, t.Any]:
    """A dictionary of an answer."""
    if not isinstance(value, t.Mapping):
        raise Odd(where)
    return value


def plain(text: str) -> str:
    """Text in which what steers a terminal or turns the direction of writing is shown as an escape.

    So are lone surrogates, which no text in UTF-8 can hold.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def plain_json(text: str) -> str:
    """JSON, and whatever stands beside it, in which all strings are plain."""
    text = plain(text.replace("\r\n", "\n"))
    return _ESCAPED.sub(lambda found: found[1] + "\\" * (len(found[1]) % 2) + found[2], text)


def told(message: str) -> str:
    """A message that no Ansible makes a list, a dictionary or a truth value of where it is all of a template.

    Ansible of before ansible-core 2.19 reads it as Python does: of the name of a control character it makes one.
    """
    return f"It said: {message}" if _VALUE.match(message) else message


def documented(source: str) -> dict[str, Kind]:
    """A module's return values by their names, each with its type, from the module's source text."""
    _before, _found, rest = source.partition('\nRETURN = r"""\n')
    _first, *parts = re.split(r"^(\w+):\n", rest.partition('"""')[0], flags=re.MULTILINE)
    found = {}
    for name, text in zip(parts[::2], parts[1::2]):
        types = dict(re.findall(r"^  (type|elements): (\w+)$", text, re.MULTILINE))
        found[name] = Kind(types["type"], types.get("elements", ""))
    return found


def trimmed(text: str, values: t.Iterable[str]) -> str:
    """A module's standard output without what Ansible would warn of line by line: other keys, and text around the JSON.

    What is no answer at all is cut.
    """
    start = re.search(r"^[ \t]*(?=\{)", text, re.MULTILINE)
    try:
        answer, _end = json.JSONDecoder().raw_decode(text, start.end() if start else 0)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return text[:LONGEST_OTHER]
    known = {*values, *STANDARD, *FROM_ANSIBLE, *FROM_WRAPPER}
    return json.dumps({key: value for key, value in answer.items() if key in known}, ensure_ascii=False)


def cleaned(answer: t.Mapping[str, t.Any], values: t.Mapping[str, Kind]) -> dict[str, t.Any]:
    """The part of an answer that a module with these return values may give.

    Odd if it is too large or too deep, or if a value is not of its type. Its text is plain already (see
    ``plain_json``).
    """
    known = {*values, *STANDARD, *FROM_ANSIBLE}
    found = {key: value for key, value in answer.items() if key in known or key.startswith("_ansible_")}
    _Counter().count(found, -1)
    for key, kind in (*values.items(), *_OF_A_JOB.items()):
        _check(key, found.get(key), kind)
    found["warnings"] = _warnings(found.get("warnings"))
    found["diff"] = _bounded(_diffs(found.get("diff")))
    for key in ("exception", "module_stdout", "module_stderr"):
        if isinstance(found.get(key), (dict, list, int, float)):
            del found[key]
    if "msg" in found and not isinstance(found["msg"], str):
        found["msg"] = str(found["msg"])[:LONGEST_WARNING]
    for key, longest in _LONGEST.items():
        if isinstance(found.get(key), str):
            found[key] = _cut(found[key], longest)
    _tell(found)
    return {key: value for key, value in found.items() if value or key not in ("warnings", "diff")}


def _cut(text: str, longest: int) -> str:
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest]} … and {more} more characters, which are left out"


def _tell(value: t.Any) -> None:
    """Have all messages in a value told."""
    if isinstance(value, list):
        for each in value:
            _tell(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in MESSAGES and isinstance(each, str):
                value[key] = told(each)
            else:
                _tell(each)


def _check(key: str, value: t.Any, kind: Kind) -> None:
    """Odd if a value, which may be missing, or one in it if it is a list, is of another type than is documented."""
    if value is None:
        return
    if not _is(value, kind.type):
        raise Odd(f"{key} is no {kind.type}")
    if kind.elements and not all(_is(each, kind.elements) for each in value):
        raise Odd(f"{key} has something in it that is no {kind.elements}")


def _is(value: t.Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "bool"
    return isinstance(value, _TYPES[name])


class _Counter:
    """Counts values."""

    def __init__(self) -> None:
        self._left = MOST_VALUES + 1  # with the answer itself

    def count(self, value: t.Any, depth: int) -> None:
        """Count a value at this depth, and those in it. Odd if they are too many or too deep."""
        self._left -= 1
        if self._left < 0:
            raise Odd(f"it holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise Odd(f"its values lie more than {DEEPEST} deep in each other")
        for each in value.values() if isinstance(value, t.Mapping) else value if isinstance(value, list) else ():
            self.count(each, depth + 1)


def _warnings(value: t.Any) -> list[str]:
    texts = [_warning(each)[:LONGEST_WARNING] for each in value[: MOST_WARNINGS + 1]] if isinstance(value, list) else []
    if len(texts) > MOST_WARNINGS:
        return [*texts[:MOST_WARNINGS], "and more warnings, which are left out"]
    return texts


def _warning(value: t.Any) -> str:
    """A warning's text. Since ansible-core 2.19 it comes as an object, which the controller's Ansible made of it."""
    return str(getattr(getattr(value, "event", None), "msg", value))


def _bounded(found: list[dict[str, str]] | dict[str, str] | None) -> list[dict[str, str]] | dict[str, str] | None:
    """The diffs, or the first of many. If they are too long together, none of their texts."""
    diffs = found[:MOST_DIFFS] if isinstance(found, list) else [found or {}]
    texts = [text for diff in diffs for text in diff.values()]
    if sum(map(len, texts)) > LONGEST_DIFF or sum(text.count("\n") for text in texts) > MOST_DIFF_LINES:
        diffs = [{name: f"{len(text)} characters, which are too many to be shown\n" for name, text in diff.items()}
                 for diff in diffs]  # fmt: skip
    return diffs if isinstance(found, list) else found and diffs[0]


def _diffs(value: t.Any) -> list[dict[str, str]] | dict[str, str] | None:
    """A diff as Ansible prints it: texts before and after, and their headings."""
    if isinstance(value, list):
        return [one for one in map(_diffs, value) if isinstance(one, dict)]
    if not isinstance(value, dict):
        return None
    names = ("before", "after", "before_header", "after_header", "prepared")
    return {name: value[name] for name in names if isinstance(value.get(name), str)}
