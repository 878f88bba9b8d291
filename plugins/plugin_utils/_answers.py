# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module answered on a machine that may be hostile: only what its documentation names, as plain text."""

from __future__ import annotations

import re
import typing as t

LONGEST_ANSWER = 32 * 1024 * 1024
"""Characters of an answer that are read. That of C(store_verify) for 200,000 names has about half as many."""
MOST_VALUES = 500_000
"""Values in an answer, at any depth."""
DEEPEST = 50
"""How deep they may lie in each other."""
MOST_WARNINGS, LONGEST_WARNING = 20, 2000

MOST = 2**63
"""What numbers in an answer are below."""

STANDARD = ("changed", "failed", "msg", "warnings", "diff", "exception", "invocation", "rc")
"""What an answer may hold of every module, beside what Ansible itself adds to it."""
FROM_ANSIBLE = ("module_stdout", "module_stderr", "ansible_job_id", "results_file", "started", "finished")
"""What Ansible puts into the result of a module that gave no answer, or runs in the background."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_ESCAPED = re.compile(
    r"(\\+)([bfr]|u(?:00(?:0[0-8b-f]|1.|7f|[89].)|061c|200[ef]|202[89a-e]|206[6-9]))", re.IGNORECASE | re.DOTALL)
"""The same in JSON, behind backslashes, of which the last belongs to it if there is an odd number of them."""


class Odd(ValueError):
    """An answer that no module of this collection gives. The message says why."""


def number(value: t.Any, where: str) -> float:
    """A count, bytes or seconds in an answer. Odd, naming the place, for what is none of these."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST:
        raise Odd(where)
    return value


def plain(text: str) -> str:
    """Text in which what steers a terminal or turns the direction of writing is shown as an escape."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def plain_json(text: str) -> str:
    """JSON, and whatever stands beside it, in which all strings are plain."""
    text = plain(text.replace("\r\n", "\n"))
    return _ESCAPED.sub(lambda found: found[1] + "\\" * (len(found[1]) % 2) + found[2], text)


def documented(source: str) -> frozenset[str]:
    """The names of a module's return values, from its source text."""
    _before, _found, rest = source.partition('\nRETURN = r"""\n')
    return frozenset(re.findall(r"^(\w+):", rest.partition('"""')[0], re.MULTILINE))


def cleaned(answer: t.Mapping[str, t.Any], values: t.Iterable[str]) -> dict[str, t.Any]:
    """The part of an answer that a module with these return values may give. Odd if it is too large or too deep.

    Its text is plain already (see `plain_json`).
    """
    known = {*values, *STANDARD, *FROM_ANSIBLE}
    found = {key: value for key, value in answer.items() if key in known or key.startswith("_ansible_")}
    _Counter().count(found, -1)
    found["warnings"] = _warnings(found.get("warnings"))
    found["diff"] = _diffs(found.get("diff"))
    for key in ("exception", "module_stdout", "module_stderr"):
        if isinstance(found.get(key), (dict, list, int, float)):
            del found[key]
    if "msg" in found and not isinstance(found["msg"], str):
        found["msg"] = str(found["msg"])[:LONGEST_WARNING]
    return {key: value for key, value in found.items() if value or key not in ("warnings", "diff")}


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
    texts = [str(each)[:LONGEST_WARNING] for each in value[: MOST_WARNINGS + 1]] if isinstance(value, list) else []
    return texts[:MOST_WARNINGS] + ["and more warnings, which are left out"] * (len(texts) > MOST_WARNINGS)


def _diffs(value: t.Any) -> list[dict[str, str]] | dict[str, str] | None:
    """A diff as Ansible prints it: texts before and after, and their headings."""
    if isinstance(value, list):
        return [one for one in map(_diffs, value) if isinstance(one, dict)]
    if not isinstance(value, dict):
        return None
    names = ("before", "after", "before_header", "after_header", "prepared")
    return {name: value[name] for name in names if isinstance(value.get(name), str)}
