# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``verification``: what is told of a fleet."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.verification import FilterModule


@pytest.fixture
def summed_up(inventory_of):
    """What is told of machines, of each of which these variables are known."""

    def sum_up(names, variables, *arguments, facts=None, **options):
        known = {name: dict(each) for name, each in variables.items()}
        wanted = {
            name: {key: each.pop(key) for key in ("cache_verify_guests",) if key in each}
            for name, each in known.items()
        }
        return FilterModule().filters()["verification"](
            names, inventory_of(wanted, facts, known), *arguments, **options
        )

    return sum_up


def result(*problems, unchanged=0, implementations=200):
    """What store_verify returns where all problems are of corrupt implementations."""
    summary = {
        "implementations": implementations,
        "ok": implementations - len(problems),
        "corrupt": len(problems),
        "error": 0,
        "bytes": 1_400_000_000,
        "seconds": 12.34,
        "unchanged": unchanged,
    }
    found = [{"path": f"/s/{name}", "detail": f"{name} is bad.", "reason": "contents"} for name in problems]
    return {"cache_verify_result": {"summary": summary, "problems": found}}


MOVED = {"cache_verify_moved": [{"name": "a", "from": "/s/a", "to": "/s.quarantine/a"}]}


def test_sound_hosts_have_a_line_each_and_there_are_totals(summed_up):
    assert summed_up(["m1", "m2"], {"m1": result(), "m2": result(unchanged=150)}) == {
        "lines": [
            "m1: 200 implementations sound, 1.40 GB, in 12.3 s",
            "m2: 200 implementations sound, 1.40 GB, 150 unchanged since they were verified, in 12.3 s",
            "2 hosts: 400 of 400 implementations sound, 0 corrupt, 0 not verified, 2.80 GB; 0 guests; 0 with problems",
        ],
        "problems": {},
    }


def test_the_stores_of_groups_are_counted_with_the_hosts_own(summed_up):
    groups = {"cache_verify_group_result": result("g", implementations=5)["cache_verify_result"]}
    found = summed_up(["m1"], {"m1": {**result(), **groups}})
    assert found["problems"] == {"m1": "1 implementation not sound: /s/g: g is bad."}
    assert found["lines"][-1].startswith("1 host: 204 of 205 implementations sound, 1 corrupt")


def test_the_first_problems_are_named_and_the_others_counted(summed_up):
    found = summed_up(["m1", "m2"], {"m1": result(*"abcde"), "m2": result("f")})
    assert found["problems"] == {
        "m1": "5 implementations not sound: /s/a: a is bad.; /s/b: b is bad.; /s/c: c is bad.; and 2 more.",
        "m2": "1 implementation not sound: /s/f: f is bad.",
    }
    assert found["lines"][0] == "m1: " + found["problems"]["m1"]
    assert found["lines"][2].startswith("2 hosts: 394 of 400 implementations sound, 6 corrupt")


def test_what_is_not_sound_has_its_name_if_that_is_known(summed_up):
    answer = result("a", "b", "c")
    first, second, third = answer["cache_verify_result"]["problems"]
    first.update(program="Firefox", version="128.0")
    second.update(program="\x1b[2J", version="")
    third.update(program="", version="")
    assert summed_up(["m1"], {"m1": answer})["problems"]["m1"] == (
        "3 implementations not sound: /s/a (Firefox 128.0): a is bad.; /s/b (\\u001b[2J): b is bad.; /s/c: c is bad."
    )
    first.update(program=["x"])
    assert "none that store_verify gives (see problems.program)" in summed_up(["m1"], {"m1": answer})["problems"]["m1"]


def test_problems_are_counted_where_their_list_is_cut(summed_up):
    variables = result(*"abcde")
    variables["cache_verify_result"]["summary"].update(corrupt=40_001, problems=40_001)
    found = summed_up(["m"], {"m": variables})
    assert found["problems"]["m"] == (
        "40001 implementations not sound: /s/a: a is bad.; /s/b: b is bad.; /s/c: c is bad.; and 39998 more."
    )


def test_what_others_may_change_is_counted_where_there_is_any(summed_up):
    variables = result("a")
    variables["cache_verify_result"]["summary"].update(corrupt=0, exposed=1, problems=1)
    last = summed_up(["m"], {"m": variables})["lines"][-1]
    assert "199 of 200 implementations sound, 0 corrupt, 1 that others may change, 0 not verified" in last


def test_a_problem_without_a_detail_has_its_reason(summed_up):
    variables = result("a")
    variables["cache_verify_result"]["problems"][0]["detail"] = None
    assert summed_up(["m"], {"m": variables})["problems"]["m"].endswith("/s/a: contents.")


def test_what_was_moved_aside_is_told_and_in_check_mode_what_would_be(summed_up):
    hostvars = {"m": dict(result("a"), **MOVED)}
    assert summed_up(["m"], hostvars)["problems"]["m"].endswith("bad. 1 implementation moved aside to /s.quarantine.")
    for seven in (7, "7"):  # as Ansible itself makes it of a template before ansible-core 2.19
        more = dict(hostvars["m"], cache_verify_moved_more=seven)
        assert "8 implementations moved aside to /s.quarantine." in summed_up(["m"], {"m": more})["problems"]["m"]
    assert "would be moved aside" in summed_up(["m"], hostvars, check_mode=True)["problems"]["m"]


def test_a_host_that_was_not_reached_is_named(summed_up):
    found = summed_up(["m1", "m2"], {"m1": result(), "m2": {}})
    assert found["problems"] == {"m2": "not reached, so nothing is known of its store."}
    unreachable = {"cache_verify_result": {"unreachable": True, "msg": "no route"}}
    assert summed_up(["m"], {"m": unreachable})["lines"][0].startswith("m: not reached")


def test_what_was_found_before_the_connection_was_lost_is_told(summed_up):
    gone = {"unreachable": True, "msg": "no route"}
    damaged = {"m": {**result("bad"), "cache_verify_group_result": gone}}
    told = summed_up(["m"], damaged)["problems"]["m"]
    assert (
        told
        == "1 implementation not sound: /s/bad: bad is bad. The connection was lost, so not everything was verified."
    )
    guest = {"cache_verify_result": {**result()["cache_verify_result"]}, "cache_verify_listing": gone}
    assert summed_up(["m"], {"m": guest})["problems"]["m"].startswith("The connection was lost")


def test_a_host_where_the_module_failed_has_its_message(summed_up):
    failed = {"cache_verify_result": {"failed": True, "msg": "x"}, "cache_verify_failure": "The store /s is a link."}
    assert summed_up(["m"], {"m": failed})["problems"] == {"m": "The store /s is a link."}


def test_a_quarantine_that_failed_hides_no_problem(summed_up):
    failed = dict(result("a"), cache_verify_failure="No room.")
    assert summed_up(["m"], {"m": failed})["problems"]["m"] == ("1 implementation not sound: /s/a: a is bad. No room.")


def test_guests_are_told_of_only_if_they_were_compared_and_have_problems(summed_up):
    sees = dict(result(implementations=1), cache_verify_guests="yes")
    hostvars = {
        "m": result(),
        "sound": sees,
        "left out": dict(sees, cache_verify_guests="false"),
        "default": {},
        "gone": {"cache_verify_guests": True},
        "less": dict(sees, cache_verify_missing=["a", "b"], cache_verify_more=["c"]),
    }
    guests = ["sound", "left out", "default", "gone", "less"]
    found = summed_up([*guests, "m"], hostvars, guests)
    assert found["lines"] == [
        "m: 200 implementations sound, 1.40 GB, in 12.3 s",
        "gone: not reached, so nothing is known of its store.",
        "less: 2 implementations of the host's not there: a, b. 1 implementation that the host does not have: c.",
        "1 host: 200 of 200 implementations sound, 0 corrupt, 0 not verified, 1.40 GB; 3 guests; 2 with problems",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "x",
        {"summary": "x"},
        {"summary": {"ok": "many"}},
        {"summary": {"ok": True}},
        {"summary": {"ok": -1}},
        {"summary": {"ok": 1}, "problems": "x"},
        {"summary": {"ok": 1}, "problems": ["x"]},
        {"summary": {"ok": 1, "problems": "many"}},
        {"summary": {"ok": 1, "exposed": []}},
        {"summary": {"ok": 1}, "problems": [{"path": 1, "detail": "x"}]},
        {"summary": {"seconds": float("nan")}},
    ],
)
def test_an_answer_of_another_shape_is_the_problem_of_whoever_gave_it(summed_up, answer):
    found = summed_up(["m", "n"], {"m": {"cache_verify_result": answer}, "n": result()})
    assert list(found["problems"]) == ["m"] and "its answer is none that store_verify gives" in found["problems"]["m"]
    assert found["lines"][1].startswith("n: 200 implementations sound")


def test_facts_are_no_results(summed_up):
    found = summed_up(["m"], {"m": {}}, facts={"m": result()})
    assert found["problems"] == {"m": "not reached, so nothing is known of its store."}


def test_what_is_told_is_plain_and_short(summed_up):
    found = summed_up(["m"], {"m": result("\x1b[31m" + "x" * 10_000)})["problems"]["m"]
    assert "\x1b" not in found and "\\u001b[31mx" in found and len(found) < 1200
