# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the guests of a host have of programs, by the inventory."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.filter.guest_programs import guest_programs
from ansible_collections.zeroinstall.virtualbox.plugins.filter.linked_plan import linked_plan
from ansible_collections.zeroinstall.virtualbox.plugins.filter.programs_plan import programs_plan
from ansible_collections.zeroinstall.virtualbox.plugins.filter.programs_removal import programs_removal
from ansible_collections.zeroinstall.virtualbox.plugins.filter.programs_report import programs_report
from ansible_collections.zeroinstall.virtualbox.plugins.filter.unused_report import unused_report
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _guest_programs

EDIT = {"name": "edit", "uri": "https://example.com/edit.xml"}
OTHER = {"name": "other", "uri": "https://example.com/other.xml", "version": "2", "trust": ["A" * 40]}
MACHINES = [
    {"name": "web", "uuid": "00000000-0000-0000-0000-000000000001", "os_type": "Debian_64"},
    {"name": "old", "uuid": "00000000-0000-0000-0000-000000000002", "os_type": "Ubuntu"},
    {"name": "desk", "uuid": "00000000-0000-0000-0000-000000000003", "os_type": "Windows11_64"},
]


@pytest.mark.parametrize(
    ("os_type", "system"),
    [
        ("Debian_64", "Linux-x86_64"),
        ("Debian12_arm64", "Linux-aarch64"),
        ("Linux26", "Linux-i686"),
        ("Ubuntu24_LTS_64", "Linux-x86_64"),
        ("OpenSUSE_Leap_64", "Linux-x86_64"),
        ("Oracle9_64", "Linux-x86_64"),
        ("Windows10_64", ""),
        ("OpenBSD_64", ""),
        ("OpenSolaris_64", ""),
        ("Other", ""),
        ("", ""),
    ],
)
def test_the_system_follows_from_virtualboxs_type(os_type, system):
    assert _guest_programs.system_of(os_type) == system


@pytest.fixture
def plan(inventory_of):
    """The plan of a host with these guests, the host having these variables."""

    def made(guests, host=None, facts=None):
        hostvars = inventory_of({"metal": host or {}, **guests}, facts=facts)
        return programs_plan(list(guests), hostvars, "metal", MACHINES)

    return made


def guest(machine, **variables):
    """A guest's variables."""
    return {"cache_guest_machine": machine, **variables}


def test_a_program_is_wanted_once_for_each_system(plan):
    found = plan(
        {
            "a": guest("web", cache_programs_list=[EDIT, OTHER]),
            "b": guest("old", cache_programs_list=[EDIT]),
            "c": guest("00000000-0000-0000-0000-000000000001", cache_programs_list=[EDIT]),
            "d": guest("desk"),
        }
    )
    assert [(one["name"], one["systems"]) for one in found["programs"]] == [
        ("edit", ["Linux-x86_64", "Linux-i686"]),
        ("other", ["Linux-x86_64"]),
    ]
    assert found["guests"]["a"] == {"system": "Linux-x86_64", "programs": ["edit", "other"]}
    assert (found["guests"]["d"], found["refused"]) == ({"system": "", "programs": []}, {})


def test_a_guest_without_a_list_has_that_of_its_host(plan):
    found = plan({"a": guest("web"), "b": guest("web", cache_programs_list=[])}, host={"cache_programs_list": [EDIT]})
    assert [found["guests"][name]["programs"] for name in "ab"] == [["edit"], []]


def test_the_guests_own_variable_says_what_system_it_has(plan):
    found = plan({"a": guest("desk", cache_programs_list=[EDIT], cache_programs_system="Linux-aarch64")})
    assert found["programs"][0]["systems"] == ["Linux-aarch64"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (guest("desk", cache_programs_list=[EDIT]), "its machine 'desk' is of the type 'Windows11_64'"),
        (guest("nosuch", cache_programs_list=[EDIT]), "'nosuch' is not one machine that VirtualBox knows"),
        (guest("web", cache_programs_list="edit"), "cache_programs_list"),
        (guest("web", cache_programs_list=[{"name": "edit"}]), "uri"),
        (guest("web", cache_programs_list=[EDIT, EDIT]), "has the program 'edit' twice"),
    ],
)
def test_what_is_wrong_with_one_guest_keeps_nothing_from_others(plan, variables, words):
    found = plan({"bad": variables, "good": guest("web", cache_programs_list=[EDIT])})
    assert words in found["refused"]["bad"], found
    assert found["guests"] == {"good": {"system": "Linux-x86_64", "programs": ["edit"]}}


def test_two_programs_of_one_name_are_refused(plan):
    with pytest.raises(Exception, match="guests 'a' and 'b' have different programs 'edit'"):
        plan(
            {
                "a": guest("web", cache_programs_list=[EDIT]),
                "b": guest("old", cache_programs_list=[{**EDIT, "version": "1"}]),
            }
        )


def test_a_fact_chooses_nothing(plan):
    facts = {"b": {"cache_programs_system": "Linux-i686"}}
    found = plan({"b": guest("web", cache_programs_list=[EDIT])}, facts=facts)
    assert "is a fact" in found["refused"]["b"] and found["programs"] == []


PLAN = {"guests": {"a": {"system": "Linux-x86_64", "programs": ["edit"]}}, "refused": {"b": "Correct it."}}
DOWNLOADED = {
    "programs": [
        {"name": name, "system": system, "version": "1", "document": f"<{name} {system}>", "packages": []}
        for name in ("edit", "other")
        for system in ("Linux-x86_64", "Linux-i686")
    ],
    "failed_programs": [
        {"name": "edit", "system": "Linux-x86_64", "problem": "no"},
        {"name": "other", "system": "Linux-x86_64", "problem": "other"},
    ],
}


@pytest.fixture
def mine(inventory_of):
    """What a guest gets of what its host answered."""

    def made(name, **answers):
        known = {"wanted": PLAN, "downloaded": DOWNLOADED, **answers}
        tasks = {"metal": {f"cache_programs_{key}": value for key, value in known.items()}}
        return guest_programs(name, inventory_of({"metal": {}, "a": {}, "b": {}}, tasks=tasks), "metal")

    return made


def test_a_guest_gets_its_own_programs_for_its_system(mine):
    assert mine("a") == {
        "programs": [{"name": "edit", "document": "<edit Linux-x86_64>", "packages": []}],
        "problems": ["edit: no"],
        "in_question": [],
    }


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("b", DOWNLOADED, "Correct it."),
        ("c", DOWNLOADED, "downloaded nothing for it in this run"),
        ("a", {"msg": "failed"}, "downloaded nothing for it in this run"),
        ("a", {"programs": {}, "failed_programs": []}, "is none that programs gives"),
        ("a", {"programs": ["x"], "failed_programs": []}, "is none that programs gives"),
    ],
)
def test_a_guest_whose_host_did_not_do_its_part_is_told(mine, name, answer, words):
    with pytest.raises(Exception, match=words):
        mine(name, downloaded=answer)


LACK = {"name": "app", "packages": ["python3"], "problem": "Not found"}


@pytest.mark.parametrize(
    ("answer", "options", "problem"),
    [
        ({"lacking": [], "removed": ["edit"]}, {}, ""),
        ({"lacking": [LACK]}, {"check_mode": True}, ""),
        ({"lacking": [LACK]}, {"install": False}, "app needs a package of the distribution: python3. Install it"),
        ({"lacking": [LACK]}, {"packages_problem": "No network."}, "python3 will not do. No network."),
        ({"lacking": [{**LACK, "packages": []}]}, {"check_mode": True}, "name no package of this distribution"),
        ({}, {"mine": {"problems": ["edit: no"]}}, "edit: no"),
        ({"failed_programs": DOWNLOADED["failed_programs"]}, {}, "edit for Linux-x86_64: no. other for Linux-x86_64"),
        ({}, {"linked": {"stores": []}}, ""),
        ({}, {"linked": {"skipped": True}}, ""),
        ({}, {"linked": {"stores": [], "msg": "linked store 'a': No room."}}, "linked store 'a': No room."),
        ({"lacking": "x"}, {}, "The answer is none that the module gives"),
        ({"lacking": [{}]}, {}, "The answer is none that the module gives"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(answer, options, problem):
    found = programs_report(answer, **options)["problem"]
    assert problem in found and bool(problem) == bool(found)


def test_what_is_unused_is_told_with_its_size():
    found = programs_report({"unused": [{"name": "sha256new_A", "size": 1_500_000}]})
    assert found["unused"] == [
        "No program needs sha256new_A (1.5 MB) any more.",
        "To remove that, run with -e cache_programs_unused=remove.",
    ]
    assert found["in_question"] == []
    found = programs_report({"unused": [{"name": "sha256new_A", "size": 1_500_000}]}, remove=True)
    assert found["unused"] == ["No program needs sha256new_A (1.5 MB) any more."]
    assert found["in_question"] == ["sha256new_A"]
    assert programs_report({"lacking": [LACK, LACK]})["packages"] == ["python3"]


def test_what_came_of_a_removal_is_told():
    answer = {
        "removed": [{"name": "A", "size": 2_000_000}],
        "used": [{"name": "B", "by": ["process 1 (init)", "process 2 (sh)"]}],
        "left": [{"name": "C", "reason": "Read-only file system"}],
    }
    found = unused_report(answer, kept=["D stays."])
    assert found["lines"] == [
        "A (2.0 MB) was removed.",
        "B stays, for this host uses it: process 1 (init), process 2 (sh).",
        "D stays.",
    ]
    assert found["problem"] == "C stays: Read-only file system."
    assert unused_report(answer, check_mode=True)["lines"][0] == "A (2.0 MB) would be removed."
    assert "is none that the module gives" in unused_report({"used": [{"name": "B"}]})["problem"]


@pytest.fixture
def removable(inventory_of):
    """What a host may remove of A and B, with what its guests a and b said."""

    def made(refused=(), in_question=("A", "B"), doubts=(), **said):
        plan = {"guests": {name: {} for name in "ab" if name not in refused}, "refused": dict.fromkeys(refused, "No.")}
        tasks = {"metal": {"cache_programs_wanted": plan, "cache_programs_not_needed": {"in_question": [*in_question]}}}
        tasks.update({name: {"cache_programs_uses": answer} for name, answer in said.items()})
        return programs_removal("metal", inventory_of({"metal": {}, "a": {}, "b": {}}, tasks=tasks), doubts)

    return made


NOTHING = {"used": []}


def test_what_a_guest_uses_stays(removable):
    assert removable(a=NOTHING, b=NOTHING) == {"names": ["A", "B"], "kept": [], "problem": ""}
    assert removable(a=NOTHING, b={"used": [{"name": "A", "by": ["process 1 (x)"]}, {"name": "Z", "by": []}]}) == {
        "names": ["B"],
        "kept": ["A stays, for guest 'b' uses it: process 1 (x)."],
        "problem": "",
    }


def test_what_a_guest_says_is_cut(removable):
    (line,) = removable(a=NOTHING, b={"used": [{"name": "A", "by": ["x" * 1000] * 1000}]})["kept"]
    assert len(line) < 600 and line.endswith(", and 995 more.")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"b": {"failed": True, "msg": "x"}},
        {"b": {"skipped": True}},
        {"b": {"used": "A"}},
        {"b": {"used": ["A"]}},
        {"b": {"used": [{"by": []}]}},
        {"b": "x"},
        {"b": NOTHING, "refused": "b"},
    ],
)
def test_nothing_goes_unless_all_guests_said_what_they_use(removable, said):
    found = removable(a=NOTHING, **said)
    assert (found["names"], found["kept"]) == ([], [])
    assert "these guests of metal did not say what they still use: 'b'" in found["problem"]


def test_nothing_goes_where_the_inventory_may_have_more_guests(removable):
    found = removable(a=NOTHING, b=NOTHING, doubts=["Correct it."])
    assert (found["names"], found["problem"][-12:]) == ([], " Correct it.")
    assert removable(a=NOTHING, b=NOTHING, doubts=["Correct it."], in_question=())["problem"] == ""


def test_without_a_question_no_guest_is_missed(removable):
    assert removable(in_question=()) == {"names": [], "kept": [], "problem": ""}


@pytest.fixture
def seen(inventory_of):
    """What the guests a and b see of A to D. Their programs are edit and other. They said that they use this."""

    def made(after=True, surplus=(), present=(), skipped=(), in_question=(), answer=None, **said):
        own = {"a": ["edit", "other"], "b": ["edit"]}
        plan = {
            "guests": {
                name: {"system": "Linux-x86_64", "programs": programs, "linked": name} for name, programs in own.items()
            },
            "refused": {},
        }
        plan["guests"]["c"] = {"system": "Linux-x86_64", "programs": ["edit"]}
        programs = [
            {
                "name": name, "system": "Linux-x86_64", "document": "", "packages": [],
                "implementations": names, "downloaded": names[:1],
            }
            for name, names in (("edit", ["B", "A"]), ("other", ["C", "A"]))
        ]  # fmt: skip
        stores = [
            {"name": name, "surplus": list(dict(surplus).get(name, ())), "present": dict(present).get(name, ["A", "B"])}
            for name in own
        ]
        linked = {"stores": [one for one in stores if one["name"] not in skipped], "msg": "No room."}
        tasks = {
            "metal": {
                "cache_programs_wanted": plan,
                "cache_programs_downloaded": answer or {"programs": programs, "failed_programs": []},
                "cache_programs_linked": linked,
                "cache_programs_not_needed": {"in_question": list(in_question)},
            }
        }
        tasks.update({name: {"cache_programs_uses": uses} for name, uses in said.items()})
        hostvars = inventory_of({"metal": {}, "a": {}, "b": {}, "c": {}}, tasks=tasks)
        return linked_plan("metal", hostvars, after=after), hostvars

    return made


def test_a_guest_sees_what_its_programs_need(seen):
    found, _hostvars = seen(after=False)
    assert found == {
        "stores": [
            {"name": "a", "implementations": ["A", "B", "C"], "coming": ["B", "C"]},
            {"name": "b", "implementations": ["A", "B"], "coming": ["B"]},
        ],
        "kept": [],
    }


def test_a_guest_is_asked_only_of_what_it_sees(seen):
    present = {"a": ["A", "B", "C", "D", "E"], "b": ["A", "B"]}
    _found, hostvars = seen(surplus={"a": ["D"]}, present=present, in_question=["E", "F"])
    assert guest_programs("a", hostvars, "metal")["in_question"] == ["D", "E"]
    assert guest_programs("b", hostvars, "metal")["in_question"] == []
    assert guest_programs("c", hostvars, "metal")["in_question"] == ["E", "F"]


def test_a_guest_that_sees_nothing_of_it_is_not_missed(seen):
    present = {"a": ["A", "B", "C"]}
    _found, hostvars = seen(present=present, in_question=["F"], c=NOTHING)
    assert programs_removal("metal", hostvars)["names"] == ["F"]
    _found, hostvars = seen(present={"a": ["F"]}, in_question=["F"], c=NOTHING)
    assert "did not say what they still use: 'a'" in programs_removal("metal", hostvars)["problem"]
    _found, hostvars = seen(after=False, skipped="a", in_question=["F"], c=NOTHING)
    assert "did not say what they still use: 'a'" in programs_removal("metal", hostvars)["problem"]


def test_a_guest_gets_no_launcher_of_what_it_does_not_see(seen):
    _found, hostvars = seen(present={"a": ["A", "B"]})
    with pytest.raises(Exception, match="its linked store does not have all packages of 'other'"):
        guest_programs("a", hostvars, "metal")
    assert len(guest_programs("b", hostvars, "metal")["programs"]) == 1
    _found, hostvars = seen(after=False, skipped="b")
    with pytest.raises(Exception, match="did not fill its linked store in this run"):
        guest_programs("b", hostvars, "metal")


def test_what_a_guest_does_not_use_it_does_not_see_any_more(seen):
    used = {"used": [{"name": "D", "by": ["process 1 (x)"]}, {"name": "Z", "by": ["process 2 (x)"]}]}
    surplus = {"a": ["D", "E"], "b": ["D"]}
    found, _hostvars = seen(surplus=surplus, a=used, b=NOTHING)
    assert found["stores"] == [
        {"name": "a", "implementations": ["A", "B", "C", "D"], "coming": ["B", "C"], "exact": True},
        {"name": "b", "implementations": ["A", "B"], "coming": ["B"], "exact": True},
    ]
    assert found["kept"] == ["Guest 'a' still sees D, for it uses it: process 1 (x)."]
    found, _hostvars = seen(surplus={"a": ["D"]}, a=used)
    assert (found["stores"], len(found["kept"])) == ([], 1)


@pytest.mark.parametrize("said", [{}, {"a": {"failed": True}}, {"a": {"used": "D"}}, {"a": {"used": [{"by": []}]}}])
def test_what_a_guest_sees_stays_unless_it_says_what_it_uses(seen, said):
    found, _hostvars = seen(surplus={"a": ["D", "E"]}, **said)
    assert found["stores"] == []
    assert found["kept"][0].startswith("Guest 'a' still sees 2 packages that its programs do not need: in this run")


@pytest.mark.parametrize("answer", [{"programs": "x"}, {"programs": ["x"]}, {"programs": [{"name": "edit"}]}])
def test_an_odd_answer_of_the_host_is_told(seen, answer):
    with pytest.raises(Exception, match="is none that its modules give"):
        seen(after=False, answer=answer)
