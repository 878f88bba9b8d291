# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``fleet_report``: which files it writes, when, and which it leaves alone."""

from __future__ import annotations

import json
import os
import types

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.action.fleet_report import ActionModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _report_files
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._inventory import Inventory


@pytest.fixture
def run(inventory_of, tmp_path):
    """Run the action for a host and a guest with variables of the host, and facts; its result."""
    paths = {f"cache_report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("json", "html", "metrics")}

    def call(check_mode=False, check_only=False, facts=None, **variables):
        inventory = {
            "metal": {**paths, **variables},
            "web": {"cache_guest_host": "metal", "cache_guest_machine": "one", "cache_report_json": "/web"},
        }
        hostvars = inventory_of(inventory, facts)
        groups = {"zeroinstall_hosts": "metal", "zeroinstall_guests": "web"}
        hostvars._variable_manager._extra_vars = groups
        made = ActionModule.__new__(ActionModule)
        made._task = types.SimpleNamespace(check_mode=check_mode)
        return made._run(Inventory(hostvars), {"ansible_play_hosts_all": ["metal", "web"]}, check_only)

    return call


def files(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_three_files_are_the_admins_alone(run, tmp_path):
    result = run()
    assert (result["changed"], result["problem"]) == (True, "")
    assert result["paths"] == [str(tmp_path / f"report.{kind}") for kind in ("json", "html", "metrics")]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    texts = files(tmp_path)
    report = json.loads(texts["report.json"])
    assert [one["name"] for one in report["hosts"] + report["guests"]] == ["metal", "web"]
    assert (
        "Content-Security-Policy" in texts["report.html"]
        and "zeroinstall_virtualbox_hosts 1\n" in texts["report.metrics"]
    )
    assert not run()["changed"], "only the time is another"


def test_check_mode_and_a_mere_look_write_nothing(run, tmp_path):
    assert run(check_mode=True)["changed"]
    assert run(check_only=True)["lines"] == []
    assert files(tmp_path) == {}


def test_what_is_not_wanted_is_not_written(run, tmp_path):
    assert run(cache_report_html="", cache_report_metrics="")["paths"] == [str(tmp_path / "report.json")]
    assert list(files(tmp_path)) == ["report.json"]
    assert run(cache_report_html="", cache_report_metrics="", cache_report_json="")["changed"] is False


@pytest.mark.parametrize("kind", ["json", "html", "metrics"])
def test_a_file_that_is_no_report_stays(run, tmp_path, kind):
    path = tmp_path / f"report.{kind}"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(Failure, match=f"cache_report_{kind}: {path} is there and is no report"):
        run()
    assert files(tmp_path) == {path.name: "mine"}


def test_places_that_cannot_be_written_are_named_with_their_variable(run, tmp_path):
    with pytest.raises(Failure, match=r"cache_report_json: .*there is no folder"):
        run(cache_report_json=str(tmp_path / "no" / "report"))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(Failure, match=r"cache_report_html is .*no regular file"):
        run()


def test_a_file_that_only_mentions_a_report_stays(run, tmp_path):
    notes = "x" * _report_files.BEGINNING + '"form": "1.0"'
    (tmp_path / "report.json").write_text(notes, encoding="utf-8")
    with pytest.raises(Failure, match="is no report"):
        run()
    assert files(tmp_path) == {"report.json": notes}


def test_one_file_for_two_kinds_is_refused(run, tmp_path):
    same = str(tmp_path / "same")
    with pytest.raises(Failure, match=f"cache_report_json and cache_report_html are the same file, {same}"):
        run(cache_report_json=same, cache_report_html=f"{tmp_path}/x/../same")
    assert files(tmp_path) == {}


def test_a_file_of_somebody_elses_stays(run, tmp_path, monkeypatch):
    run()
    before = files(tmp_path)
    monkeypatch.setattr(_report_files.os, "geteuid", lambda: 12345)
    for path in tmp_path.iterdir():
        os.chown(path, 1234, -1) if os.getuid() == 0 else None
    with pytest.raises(Failure, match=r"cache_report_json: .* belongs to user \d+, who could read the report"):
        run()
    assert files(tmp_path) == before


def test_a_path_that_cannot_be_one_is_named(run):
    with pytest.raises(Failure, match=r"cache_report_json is 'a.*b'"):
        run(cache_report_json="a\0b")


def test_a_variable_whose_template_fails_is_named(run, trusted, tmp_path):
    with pytest.raises(Failure, match=r"metal: cache_report_json cannot be read from the inventory: .*nope"):
        run(cache_report_json=trusted("{{ nope }}"), check_only=True)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        '{"form": "1.0"}',
        '{"form": "1.0", "hosts": 5, "guests": [], "limited": false, "made": 5, "attention": []}',
        '{"form": "1.0", "x": ' + "[" * 600 + "]" * 600 + "}",
        '{"form": "1.0", "made": 5',
    ],
)
def test_an_earlier_report_that_is_damaged_ends_nothing(run, tmp_path, text):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    assert run()["changed"]
    assert json.loads(files(tmp_path)["report.json"])["hosts"]
    assert "Since the last report" not in files(tmp_path)["report.html"]


def test_an_earlier_report_that_is_too_large_is_replaced(run, tmp_path, monkeypatch):
    run()
    monkeypatch.setattr(_report_files, "LARGEST", 100)
    assert run()["changed"]
    assert "Since the last report" not in files(tmp_path)["report.html"]


def test_a_wrong_value_is_named(run, tmp_path):
    with pytest.raises(Failure, match="cache_report_fail_on"):
        run(cache_report_fail_on="warnings")
    assert files(tmp_path) == {}


def test_facts_choose_no_path(run, tmp_path):
    run(facts={"metal": {"cache_report_json": str(tmp_path / "elsewhere")}, "web": {"cache_report_html": "/x"}})
    assert "elsewhere" not in files(tmp_path) and "report.json" in files(tmp_path)


def test_what_fails_on_the_way_changes_no_file(run, tmp_path, monkeypatch):
    run()
    before = files(tmp_path)
    made = []

    class Full(_report_files.replacing.Replacement):
        """The second file has no room any more."""

        def __init__(self, *arguments):
            made.append(arguments)
            if len(made) == 2:
                raise Failure("No space left on device")
            super().__init__(*arguments)

    monkeypatch.setattr(_report_files.replacing, "Replacement", Full)
    with pytest.raises(Failure):
        run(cache_report_fail_on="problems")
    assert files(tmp_path) == before


def test_the_page_tells_what_changed_since_the_report_before(run, tmp_path):
    run()
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    report["guests"] = []
    (tmp_path / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    assert run()["changed"]
    assert "Since the last report" in files(tmp_path)["report.html"]
