# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``store_info``, with stores on the disk, and sizes as ``du`` has them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._host import reading
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import guest_boxes, origins
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import record
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import last_results
from ansible_collections.zeroinstall.virtualbox.plugins.modules import store_info, store_verify

PRINTED = json.loads(
    (Path(__file__).parents[1] / "module_utils" / "fixtures" / "programs_selections.json").read_text(encoding="utf-8")
)
APP = "http://127.0.0.1:8123/app2.xml"
OF_APP = "sha256new_QBLCU5FHXPTVV65HVIRA2E6HCGGJFSSKV4RFOTBDYHKXZKWSVRCA"
OF_LIBRARY = "sha256new_G35S72GG5CQ4FHVIRJUPKN6UI3HMAYODOPYEOIFGMVEYIPIESMIQ"
OTHER, UNNEEDED, GONE = ("sha1new=" + digit * 40 for digit in "019")
FEED = f"""<?xml version="1.0"?>
<interface xmlns="http://zero-install.sourceforge.net/2004/injector/interface" uri="https://example.com/edit.xml">
  <name>Edit</name>
  <group arch="Linux-x86_64" version="3">
    <group version="4"><implementation id="{OTHER}" version-modifier="-rc1"/></group>
    <implementation id="sha1new={"2" * 40}"/>
  </group>
</interface>
"""


def du(path):
    """What ``du`` says that a folder takes, in bytes."""
    said = subprocess.run(["du", "-s", "-B512", str(path)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(said.split()[0]) * 512


def fill(store, name, files):
    """An implementation with files of these sizes, one in a folder."""
    for number, size in enumerate(files):
        path = store / name / ("" if number else "folder") / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


@pytest.fixture
def host(tmp_path):
    """The places of a host."""
    store = tmp_path / "cache" / "0install.net" / "implementations"
    fill(store, OF_APP, [10, 50_000])
    fill(store, OF_LIBRARY, [3])
    fill(store, OTHER, [100_000])
    fill(store, UNNEEDED, [5])
    os.link(store / OTHER / "folder" / "file0", store / OF_LIBRARY / "linked")
    (store / "tmp-1").mkdir()
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "https%3a%2f%2fexample.com%2fedit.xml").write_text(FEED, encoding="utf-8")
    (tmp_path / "feeds" / "broken").write_text("<", encoding="utf-8")
    (tmp_path / "programs").mkdir()
    document = record.Document("", PRINTED["document"], {})
    program = record.Program("default", "app", "Linux-x86_64", APP, "run", (document,))
    record.save(str(tmp_path / "programs"), record.Record((program,), frozenset({UNNEEDED, OF_APP})))
    return tmp_path


@pytest.fixture
def call(run_module, host):
    """Run the module with this host's places; its answer."""
    return lambda **options: run_module(
        store_info.main,
        **{
            "store": str(host / "cache/0install.net/implementations"),
            "record": str(host / "verified"),
            "groups": str(host / "groups"),
            "groups_record": str(host / "verified"),
            "programs": str(host / "programs"),
            "feeds": [str(host / "feeds"), str(host / "missing")],
            **options,
        },
    )[1]


def test_sizes_are_those_of_du(call, host):
    store = call()["stores"][0]
    path = host / "cache/0install.net/implementations"
    os.rmdir(path / "tmp-1")
    assert (store["path"], store["problem"], store["implementations"]) == (str(path), "", 4)
    assert store["bytes"] == du(path)
    assert {one["digest"]: one["bytes"] for one in store["packages"]} == {
        name: du(path / name) for name in os.listdir(path)
    }
    assert store["packages"][0]["digest"] in (OTHER, OF_LIBRARY), "the largest come first"


def test_feeds_and_documents_say_what_things_are_called(call):
    named = {one.pop("digest"): one for one in call()["stores"][0]["packages"]}
    edit = {"program": "Edit", "version": "4-rc1", "architecture": "Linux-x86_64", "box": "", "since": None}
    assert named[OTHER] == {**edit, "interface": "https://example.com/edit.xml", "bytes": named[OTHER]["bytes"]}
    assert (named[OF_APP]["program"], named[OF_APP]["version"], named[OF_APP]["interface"]) == ("app", "1", APP)
    assert (named[OF_LIBRARY]["program"], named[UNNEEDED]["program"]) == ("lib", "")


def test_feeds_behind_a_link_are_not_read_and_odd_names_are_told(call, host):
    (host / "link").symlink_to(host / "feeds")
    named = {one["digest"]: one for one in call(feeds=[str(host / "link")])["stores"][0]["packages"]}
    assert named[OTHER]["program"] == ""
    (host / "feeds" / "https%3a%2f%2fexample.com%2fedit.xml").unlink()
    odd = FEED.replace(' uri="https://example.com/edit.xml"', "").replace("<name>Edit</name>", "")
    Path(os.fsdecode(os.fsencode(str(host / "feeds")) + b"/\xff.xml")).write_text(odd, encoding="utf-8")
    group = os.fsdecode(os.fsencode(str(host / "groups")) + b"/\xff/0install.net/implementations")
    os.makedirs(group)
    answer = call()
    assert json.dumps(answer, ensure_ascii=False).encode()
    named = {one["digest"]: one for one in answer["stores"][0]["packages"]}
    assert named[OTHER]["program"] == "\\udcff"


def test_programs_and_what_none_needs(call):
    answer = call()
    (program,) = answer["programs"]
    assert (program["name"], program["version"], program["digests"]) == ("app", "1", sorted([OF_APP, OF_LIBRARY]))
    assert [one["digest"] for one in answer["unneeded"]] == [UNNEEDED]
    assert call(arrangement="other")["programs"] == []


def test_the_last_verification_is_told(call, host, run_module):
    store = str(host / "cache/0install.net/implementations")
    options = {"path": [store], "record": str(host / "verified"), "fail_on_problem": False, "progress": 0}
    assert call()["stores"][0]["verified"] is None
    run_module(store_verify.main, **options)
    run_module(store_verify.main, keep_result=True, names=[OTHER], **options)
    run_module(store_verify.main, keep_result=True, _ansible_check_mode=True, **options)
    assert call()["stores"][0]["verified"] is None, "nothing was to be kept"
    run_module(store_verify.main, keep_result=True, **options)
    found = call()["stores"][0]["verified"]
    assert (found["mode"], found["implementations"], found["corrupt"], found["ok"]) == ("full", 4, 4, 0)
    assert {one["digest"]: one["program"] for one in found["findings"]}[OTHER] == "Edit"
    assert found["findings"][0]["reason"] == "no_manifest"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, {OTHER: "", OF_APP: ""}),
        ({"feeds": ["feeds", "missing"]}, {OTHER: " (Edit 4-rc1)", OF_APP: ""}),
        ({"feeds": ["feeds"], "programs": "programs"}, {OTHER: " (Edit 4-rc1)", OF_APP: " (app 1)"}),
        ({"programs": "feeds"}, {OTHER: "", OF_APP: ""}),
    ],
)
def test_store_verify_says_what_is_called_how(host, run_module, options, named):
    store = host / "cache/0install.net/implementations"
    feeds = [str(host / name) for name in options.get("feeds", [])]
    programs = {"programs": str(host / options["programs"])} if "programs" in options else {}
    failed, answer = run_module(store_verify.main, path=[str(store)], progress=0, feeds=feeds, **programs)
    problems = {one["name"]: one for one in answer["problems"]}
    assert failed and len(problems) == 4
    told = {name: f"{one['program']} {one['version']}".strip() for name, one in problems.items()}
    assert {name: told[name] for name in named} == {name: called.strip(" ()") for name, called in named.items()}
    for name in list(problems)[:3]:
        assert f"{store}/{name}{f' ({told[name]})' if told[name] else ''}: " in answer["msg"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"form": 1}', '{"form": 2}'])
def test_a_damaged_result_is_named_and_not_used(call, host, text):
    store = str(host / "cache/0install.net/implementations")
    counts = dict.fromkeys(last_results.COUNTS, 0)
    last_results.keep(str(host / "verified"), store, last_results.of("full", counts, [], "2026-01-01T00:00:00Z"))
    (path,) = (host / "verified").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(text, encoding="utf-8")
    found = call()["stores"][0]
    assert found["verified"] is None
    assert str(path) in found["problem"] and "Verify the store again." in found["problem"]


def test_what_waits_in_the_quarantine_is_told(call, host):
    aside = host / "cache/0install.net/implementations.quarantine"
    fill(aside, OTHER, [1000])
    fill(aside, OTHER + ".1", [2000])
    (aside / ".lock").touch()
    found = call()["stores"][0]["quarantine"]
    assert [(one["digest"], one["program"]) for one in found] == [(OTHER, "Edit"), (OTHER, "Edit")]
    assert {one["bytes"] for one in found} == {du(aside / OTHER), du(aside / (OTHER + ".1"))}


def test_groups_and_linked_stores_are_told(call, host):
    group = host / "groups" / "web" / "0install.net" / "implementations"
    fill(group, OTHER, [7000])
    linked = host / "cache/0install.net/linked/vm1/0install.net/implementations"
    store = host / "cache/0install.net/implementations"
    (linked / OTHER / "folder").mkdir(parents=True)
    os.link(store / OTHER / "folder" / "file0", linked / OTHER / "folder" / "file0")
    _host, of_group, of_guest = call()["stores"]
    assert [of_group[key] for key in ("kind", "of", "path", "bytes")] == ["group", "web", str(group), du(group)]
    assert [of_guest[key] for key in ("kind", "of", "path", "bytes")] == [
        "linked",
        "vm1",
        str(linked),
        du(store / OTHER),
    ]


def test_a_store_that_cannot_be_read_hides_nothing_else(call, host):
    answer = call(store="/nowhere/0install.net/implementations")
    assert "does not exist" in answer["stores"][0]["problem"]
    assert [one["name"] for one in answer["programs"]] == ["app"]
    (host / "programs" / "record.json").write_text("x", encoding="utf-8")
    answer = call()
    assert (answer["programs"], answer["stores"][0]["implementations"]) == ([], 4)
    assert "record.json" in answer["errors"][0]


def test_links_are_not_followed_and_bounds_hold(call, host):
    store = host / "cache/0install.net/implementations"
    (store / ("sha1new=" + "3" * 40)).symlink_to(host / "feeds")
    assert call()["stores"][0]["problem"] == "1 of its implementations could not be measured."
    bounded = call(max_entries=3)["stores"][0]
    assert (bounded["implementations"], bounded["problem"][:1]) == (5, "4"), bounded


@pytest.fixture
def came(host):
    """What a host notes of what came from guests."""
    folder = host / "cache/0install.net/implementations.staging"
    folder.mkdir(mode=0o700)
    fd = os.open(str(folder), os.O_RDONLY)
    origins.note(fd, {OTHER: "web1", UNNEEDED: "lab@b%20c", OF_APP: "web1"}, "2026-01-02T00:00:00Z")
    origins.note(fd, {GONE: "web1"}, "2026-01-01T00:00:00Z")
    origins.note_refusal(fd, origins.Refusal("evil", OF_APP, "It has holes.", "2026-01-03T00:00:00Z"))
    os.close(fd)
    return folder


@pytest.mark.usefixtures("came")
def test_the_boxes_from_which_things_came_are_told(call, host):
    fill(host / "cache/0install.net/implementations.quarantine", GONE, [10])
    fill(host / "groups" / "web" / "0install.net" / "implementations", OTHER, [10])
    answer = call()
    own, group = answer["stores"]
    known = {one["digest"]: (one["box"], one["since"]) for one in own["packages"]}
    late = "2026-01-02T00:00:00Z"
    assert known == {OTHER: ("web1", late), OF_APP: ("web1", late), UNNEEDED: ("lab@b%20c", late),
                     OF_LIBRARY: ("", None)}  # fmt: skip
    assert [(one["box"], one["since"]) for one in own["quarantine"]] == [("web1", "2026-01-01T00:00:00Z")]
    assert [(one["box"], one["since"]) for one in group["packages"]] == [("", None)]
    assert answer["unneeded"][0]["box"] == "lab@b%20c" and answer["errors"] == []


@pytest.mark.usefixtures("came")
def test_the_last_answers_to_guests_are_told_the_latest_first(call, monkeypatch):
    first, *others = call()["imports"]
    assert first == {"box": "evil", "digest": OF_APP, "at": "2026-01-03T00:00:00Z", "status": "refused",
                     "reason": "It has holes.", "program": "app", "version": "1"}  # fmt: skip
    assert [(one["digest"], one["status"], one["program"]) for one in others] == [
        (OF_APP, "added", "app"), (UNNEEDED, "added", ""), (OTHER, "added", "Edit"), (GONE, "added", ""),
    ]  # fmt: skip
    monkeypatch.setattr(reading, "MOST_IMPORTS", 2)
    assert [one["digest"] for one in call()["imports"]] == [OF_APP, OF_APP]


@pytest.mark.usefixtures("came")
def test_all_that_came_from_boxes_is_told_with_the_stores_that_have_it(call, host, monkeypatch):
    store = host / "cache/0install.net/implementations"
    linked = host / "cache/0install.net/linked/vm1/0install.net/implementations"
    for name in (OTHER, GONE, OF_LIBRARY):
        (linked / name).mkdir(parents=True)
    found = call(boxes=["web1", "nobody"])["from_boxes"]
    assert {one["digest"]: one["stores"] for one in found["packages"]} == {
        OTHER: [str(store), str(linked)], OF_APP: [str(store)], GONE: [str(linked)],
    }  # fmt: skip
    assert (found["left_out"], found["problem"]) == (0, "")
    assert {one["program"] for one in found["packages"]} == {"Edit", "app", ""}
    nothing = {"packages": [], "left_out": 0, "problem": ""}
    assert call()["from_boxes"] == call(boxes=["web"])["from_boxes"] == nothing
    monkeypatch.setattr(reading, "MOST_PACKAGES", 1)
    found = call(boxes=["web1"])["from_boxes"]
    assert (len(found["packages"]), found["left_out"]) == (1, 2)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda came: came.chmod(0o755), "is no folder that only user"),
        (lambda came: (came / "origins").chmod(0o644), "can read or write it"),
        (lambda came: ((came / "origins").unlink(), (came / "origins").symlink_to("refusals")), "symbolic links"),
    ],
)
def test_what_others_may_have_written_says_nothing_and_is_named(call, came, spoil, reason):
    spoil(came)
    answer = call(boxes=["web1"])
    (error,) = answer["errors"]
    assert str(came) in error and reason in error
    assert {one["box"] for one in answer["stores"][0]["packages"]} == {""} and answer["imports"] == []
    assert answer["from_boxes"] == {"packages": [], "left_out": 0, "problem": error}


def test_damaged_lines_are_counted(call, came):
    with (came / "origins").open("a", encoding="utf-8") as file:
        file.write("x\n\n")
    answer = call(boxes=["web1"])
    assert answer["errors"][0].startswith("2 lines of ") and answer["errors"][0].endswith("damaged.")
    assert len(answer["imports"]) == 5 and answer["from_boxes"]["problem"] == ""


@pytest.mark.usefixtures("came")
def test_linked_stores_that_cannot_be_looked_at_are_named(call, host):
    (host / "cache/0install.net/linked").symlink_to(host)
    found = call(boxes=["web1"])["from_boxes"]
    assert len(found["packages"]) == 2 and "linked cannot be looked at" in found["problem"]


@pytest.fixture
def inbox(host):
    """A folder of boxes."""
    for name in ("web1", "lab@web1", ".leaving-old", "no box", "web2"):
        (host / "boxes" / name).mkdir(parents=True)
    for name in ("1.text", f"1{guest_boxes.REQUEST}", f"2{guest_boxes.REQUEST}"):
        (host / "boxes" / "web1" / name).touch()
    (host / "boxes" / "link").symlink_to(host)
    return host / "boxes"


def test_the_boxes_of_the_arrangement_are_told_with_what_waits_in_them(call, inbox, monkeypatch):
    def told(**options):
        answer = call(inbox=str(inbox), **options)
        assert answer["errors"] == []
        return {one["name"]: one["waiting"] for one in answer["boxes"]}

    assert told() == {".leaving-old": 0, "link": 0, "web1": 2, "web2": 0}
    assert told(arrangement="lab") == {"lab@web1": 0}
    assert call()["boxes"] == call(inbox=str(inbox / "missing"))["boxes"] == []
    monkeypatch.setattr(reading, "MOST_BOXES", 1)
    monkeypatch.setattr(reading, "MOST_NAMES", 0)
    assert told(arrangement="default") == {".leaving-old": 0}


def test_a_folder_of_boxes_that_cannot_be_read_is_named(call, inbox):
    answer = call(inbox=str(inbox / "link"))
    assert answer["boxes"] == [] and f"The boxes' folder {inbox}/link cannot be read" in answer["errors"][0]


@pytest.mark.usefixtures("came")
def test_the_answer_is_as_documented(call, inbox):
    documented = yaml.safe_load(store_info.RETURN)
    answer = call(inbox=str(inbox))
    assert set(answer) == {"changed", *documented}
    assert set(answer["stores"][0]) == set(documented["stores"]["contains"])
    assert set(answer["stores"][0]["packages"][0]) == set(documented["stores"]["contains"]["packages"]["contains"])
    assert set(answer["programs"][0]) == set(documented["programs"]["contains"])
    assert set(answer["imports"][0]) == set(documented["imports"]["contains"])
    assert set(answer["boxes"][0]) == set(documented["boxes"]["contains"])
    assert set(answer["from_boxes"]) == set(documented["from_boxes"]["contains"])
