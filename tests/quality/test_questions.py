# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/questions.md: each expression gives the right answer, of a report that is as the schema says."""

from __future__ import annotations

import json
import re
from typing import Any

import jmespath
import jsonschema
import pytest
from setup import REPOSITORY

DOCS = REPOSITORY / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
ASKED = dict(re.findall(r"^(\S.*\?)\n\n```text\n(.*)\n```$", (DOCS / "questions.md").read_text(), re.MULTILINE))
MADE = "2026-11-30T21:00:00Z"
SHARE = {"name": "Z", "path": "/s", "wanted": True, "there": True, "problem": ""}
METAL = "metal1.example.com"


def package(program: str, size: int) -> dict[str, Any]:
    """An implementation."""
    named = {"digest": f"sha1new={program}", "program": program, "version": "1", "architecture": "*-*", "interface": ""}
    return {**named, "bytes": size, "from_guest": "", "since": None}


def store(path: str, packages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A host's own store."""
    nothing = {"kind": "host", "of": "", "problem": "", "packages_left_out": 0, "verified": None, "quarantine": []}
    return {**nothing, "path": path, "implementations": len(packages), "bytes": 0, "packages": packages, **more}


def host(name: str, **more: Any) -> dict[str, Any]:
    """A host."""
    empty = ("stores", "machines", "waiting", "programs", "unneeded", "boxes", "imports", "errors")
    nothing = {"read": True, "problem": "", "arrangement": "default", "user": "", "virtualbox": "7.2.22"}
    return {"name": name, **nothing, **{key: [] for key in empty}, **more}


def guest(name: str, state: str = "right", version: str = "7.2.22", **more: Any) -> dict[str, Any]:
    """A guest."""
    return {
        "name": name, "host": METAL, "machine": name, "machine_state": "running", "mode": "readonly", "group": "",
        "sees": "store", "state": state, "read": state != "unknown", "problem": "", "system": "debian 12",
        "additions": {"version": version, "origin": "oracle", "problem": "", "restart": ""},
        "driver": {"loaded": True, "at_boot": True}, "shares": [{**SHARE, "writable": False}], "mounts": [],
        "zero_install": "2.18", "steps": [], "programs": [], "errors": [], **more,
    }  # fmt: skip


FINDING = {"digest": "sha1new=a", "program": "a", "version": "1", "status": "corrupt", "reason": "contents"}
VERIFIED = {
    **dict.fromkeys(("implementations", "ok", "corrupt", "exposed", "error"), 0),
    "at": MADE,
    "mode": "full",
    "findings": [{**FINDING, "detail": "Changed."}],
}
STRAY = {"uuid": "u", "name": "lost", "state": "running", "guest": "", "stray": True, "os_type": "", "additions": ""}
PROGRAM = {"name": "edit", "interface": "", "system": "Linux-x86_64", "version": "3", "guests": ["web", "old"]}
REPORT = {
    "form": "1.0",
    "made": MADE,
    "collection": "0.2.0",
    "limited": False,
    "numbers": {
        **{key: 0 for key in SCHEMA["$defs"]["numbers"]["required"] if key not in ("modes", "states")},
        "bytes_saved": 500,
        "modes": {},
        "states": dict.fromkeys(("right", "pending", "wrong", "off", "unknown"), 0),
    },
    "attention": [],
    "hosts": [
        host(
            METAL,
            stores=[
                store("/s", [package("a", 5), package("b", 30)], verified=VERIFIED),
                store("/t", [package("c", 10)], quarantine=[package("d", 1)]),
            ],
            machines=[{**STRAY, "problem": "", "shares": []}],
            programs=[{**PROGRAM, "digests": [], "bytes": 5}],
            unneeded=[package("e", 7), package("f", 8)],
        ),
        host("metal2.example.com", read=False, problem="Not reached."),
    ],
    "guests": [
        guest("web"),
        guest("old", "wrong", "5.2.44", zero_install=""),
        guest("waits", "pending", mode="trusted", shares=[{**SHARE, "writable": True}]),
        guest("mute", "unknown", "", problem="No answer.", host="metal2.example.com"),
    ],
}
ANSWERS = {
    "Which guests are not as the inventory says?": ["old"],
    "Which guests wait for a start?": ["waits"],
    "Which guests did not answer, and why?": [["mute", "No answer."]],
    "Which guests still run Guest Additions before 6?": [["old", "5.2.44"]],
    "Which guests may write into a folder of their host?": [["waits", "trusted"]],
    "Which guests have no Zero Install?": ["old"],
    "Which guests does a host have?": ["web", "old", "waits"],
    "Which hosts did not answer?": [["metal2.example.com", "Not reached."]],
    "Which machines share something, and are no guest's?": [
        {"host": METAL, "strays": ["lost"]},
        {"host": "metal2.example.com", "strays": []},
    ],
    "When was each store verified the last time?": [["/s", MADE], ["/t", None]],
    "What is not sound?": [["sha1new=a", "Changed."]],
    "What waits in the quarantine?": [["sha1new=d", "d", "1"]],
    "What do I gain by sharing, in bytes?": 500,
    "What takes most of the disks?": [["b", "1", 30], ["c", "1", 10], ["a", "1", 5]],
    "Which versions of a program do guests have?": [{"version": "3", "guests": ["web", "old"]}],
    "How much could I remove on each host, because no program needs it any more?": [
        {"host": METAL, "bytes": 15},
        {"host": "metal2.example.com", "bytes": 0},
    ],
}


def test_the_report_is_as_the_schema_says() -> None:
    jsonschema.validate(REPORT, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**REPORT, "form": "2.0"}, SCHEMA)


def test_each_question_has_an_answer_here() -> None:
    assert set(ASKED) == set(ANSWERS) and len(ASKED) >= 12


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_is_right(question: str) -> None:
    assert jmespath.search(ASKED[question], REPORT) == ANSWERS[question]
