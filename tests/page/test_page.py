# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a real browser: what it shows and does, to whom, and how fast."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import sample
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import plain
from browsing import NARROW, PAPER, WIDE, Browser
from labkit.waiting import until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from setup import REPOSITORY

TABLES = (
    *("hosts", "guests", "stores", "programs", "packages", "findings", "quarantine", "strays", "waiting"),
    "imports",
)
GUESTS = 24
GROWTH = 25
"""How many times as long the script may take for ten times as many guests: sorting alone takes 15 times as many steps.

A script that looks at all rows for each row takes 60 times as long, or longer.
"""

# Whether the rows of a table are in the order of a column, as its heading says.
IN_ORDER = """
const [heading] = arguments;
const column = heading.cellIndex;
const rows = Array.from(heading.closest("table").tBodies[0].rows);
const sign = heading.getAttribute("aria-sort") === "descending" ? -1 : 1;
const compare = new Intl.Collator("en", {numeric: true, sensitivity: "base"}).compare;
const value = (row) => row.cells[column].textContent.trim();
const number = (row) => Number(row.cells[column].dataset.key);
const order = heading.dataset.sort === "number"
  ? (one, other) => number(one) - number(other)
  : (one, other) => compare(value(one), value(other));
return rows.every((row, place) => place === 0 || sign * order(rows[place - 1], row) <= 0);
"""
ROWS = "return Array.from(document.querySelectorAll(arguments[0] + ' tbody tr'), (row) => row.id)"
SHOWN = """
return Array.from(document.querySelectorAll(arguments[0] + " tbody tr")).filter((row) => row.offsetHeight).length;
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
GROUND, WHITE = "return getComputedStyle(document.body).backgroundColor", "rgb(255, 255, 255)"
STILL_FOLDED = """
return Array.from(document.querySelectorAll("details > :not(summary)")).filter((one) => !one.offsetHeight).length;
"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => one.setAttribute('open', ''))"
FOLD = "document.querySelectorAll('details').forEach((one) => one.removeAttribute('open'))"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A fleet with problems of all kinds and hostile guests."""
    return sample.fleet(GUESTS, hostile=True)


@pytest.mark.parametrize("troubled, hostile", [(False, False), (True, False), (True, True)])
def test_the_samples_are_reports(troubled: bool, hostile: bool) -> None:
    schema = json.loads((REPOSITORY / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    report = sample.fleet(GUESTS, troubled, hostile)
    for one in (report, sample.before(report)):
        jsonschema.validate(one, schema, format_checker=jsonschema.FormatChecker())


def test_what_hostile_guests_say_is_shown_and_does_nothing(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report, sample.before(report))
    browser.run(UNFOLD)
    shown = browser.run("return document.body.textContent")
    assert [text for text in sample.HOSTILE if plain(text) not in shown] == []
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('img, script, style').length") == 2


def test_every_table_is_sorted_by_every_column(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report)
    assert tuple(one.get_attribute("id") for one in browser.all(".listing")) == TABLES
    large = [table for table in TABLES if len(browser.run(ROWS, f"#{table}")) >= 10]
    assert [one.get_attribute("id") for one in browser.all("input")] == [f"{table}-filter" for table in large] != []
    for table in TABLES:
        rows = browser.run(ROWS, f"#{table}")
        headings = browser.all(f"#{table} th[data-sort]")
        assert headings
        for heading in headings:
            for direction in ("ascending", "descending"):
                browser.run("arguments[0].querySelector('button').click()", heading)
                assert heading.get_attribute("aria-sort") == direction
                assert browser.run(IN_ORDER, heading), (table, heading.text, direction)
                assert sorted(browser.run(ROWS, f"#{table}")) == sorted(rows)
        assert len(browser.all(f"#{table} [aria-sort=ascending], #{table} [aria-sort=descending]")) == 1


@pytest.mark.thorough
def test_numbers_are_sorted_as_numbers(browser: Browser) -> None:
    report = sample.fleet(1)
    ((store, *_others),) = [host["stores"] for host in report["hosts"]]
    for package, octets in zip(store["packages"], (9, 10_000, 200, 3_000_000), strict=False):
        package["bytes"] = octets
    report["hosts"][0]["stores"] = [{**store, "packages": store["packages"][:4]}]
    browser.open(report)
    browser.one("#packages th:nth-child(6) button").click()
    sizes = [cell.text for cell in browser.all("#packages tbody td:nth-child(6)")]
    assert sizes == ["9 bytes", "200 bytes", "10.0 kB", "3.0 MB"]


@pytest.mark.thorough
def test_a_table_is_sorted_and_filtered_by_keyboard(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report)
    heading = browser.one("#guests th:first-child[data-sort]")
    browser.run("document.querySelector('#guests-filter').focus()")
    for key, direction in ((Keys.TAB, "none"), (Keys.TAB, "none"), (Keys.ENTER, "ascending"), (" ", "descending")):
        browser.driver.switch_to.active_element.send_keys(key)
        assert heading.get_attribute("aria-sort") == direction
    assert browser.run("return document.activeElement.textContent") == "Guest"
    assert browser.one("#guests-status").text == "Sorted by Guest, descending."
    assert browser.run(IN_ORDER, heading)


@pytest.mark.thorough
def test_a_filter_shows_the_rows_with_all_words_and_announces_how_many(
    browser: Browser, report: dict[str, Any]
) -> None:
    browser.open(report)
    status = browser.one("#guests-status")
    assert (status.get_attribute("role"), status.get_attribute("aria-live")) == ("status", "polite")
    browser.filter("guests", "GUEST-001 wrong", f"1 of {GUESTS} guests shown")
    assert [row.text.split()[0] for row in browser.all("#guests tbody tr:not([hidden])")] == ["guest-0013"]
    browser.one("#guests th:nth-child(3) button").click()
    assert browser.run(SHOWN, "#guests") == 1
    browser.filter("guests", " nowhere", f"0 of {GUESTS} guests shown")
    browser.filter("guests", Keys.CONTROL + "a" + Keys.NULL + Keys.BACKSPACE, f"{GUESTS} of {GUESTS} guests shown")
    assert browser.run(SHOWN, "#guests") == GUESTS


@pytest.mark.thorough
def test_a_link_leads_to_a_row_that_a_filter_had_hidden(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report)
    browser.filter("guests", "nowhere", f"0 of {GUESTS} guests shown")
    link = next(one for one in browser.all("#attention a") if one.text == "guest-0013")
    hidden = link.get_attribute("href").partition("#")[2]
    for _again in range(2):
        link.click()
        until(lambda: browser.run("return document.querySelector(':target')?.id") == hidden, "nothing is the target")
        row = browser.one(f"#{hidden}")
        until(lambda row=row: 0 <= browser.run("return arguments[0].getBoundingClientRect().y", row) < 900, "no scroll")
        assert "guest-0013" in row.text
        assert browser.one("#guests-filter").get_attribute("value") == ""
        browser.filter("guests", "nowhere", f"0 of {GUESTS} guests shown")


@pytest.mark.thorough
@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_the_page_is_no_wider_than_the_window(browser: Browser, report: dict[str, Any], width: int) -> None:
    browser.look(width)
    browser.open(report, sample.before(report))
    for script in (FOLD, UNFOLD):
        browser.run(script)
        assert browser.run(OVERFLOW) <= 0


@pytest.mark.thorough
def test_on_paper_all_rows_are_shown_with_all_of_each(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report)
    browser.filter("guests", "nowhere", f"0 of {GUESTS} guests shown")
    browser.look(PAPER, "dark", media="print")
    assert browser.run(SHOWN, "#guests") == GUESTS
    assert not any(one.is_displayed() for one in browser.all(".controls, nav, summary"))
    assert browser.run(STILL_FOLDED) == 0
    assert browser.run(OVERFLOW) <= 0
    assert browser.run(GROUND) == WHITE


@pytest.mark.thorough
def test_what_is_printed_is_unfolded_and_folded_again(browser: Browser, report: dict[str, Any]) -> None:
    browser.open(report)
    folded = len(browser.all("details:not([open])"))
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.all("details:not([open])") == []
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert len(browser.all("details:not([open])")) == folded > 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    "width, scheme, troubled",
    [
        (WIDE, "light", True),
        (WIDE, "dark", True),
        (NARROW, "light", True),
        (NARROW, "dark", True),
        (WIDE, "light", False),
    ],
)
def test_nobody_is_kept_out(browser: Browser, axe: str, width: int, scheme: str, troubled: bool) -> None:
    browser.look(width, scheme)
    report = sample.fleet(GUESTS, troubled, hostile=troubled)
    browser.open(report, sample.before(report) if troubled else None)
    browser.run(UNFOLD)
    browser.run(axe)
    found = browser.driver.execute_async_script("axe.run({resultTypes: ['violations']}).then(arguments[0])")
    told = [(one["id"], one["help"], one["nodes"][0]["html"][:300]) for one in found["violations"]]
    assert told == []
    assert (browser.run(GROUND) == WHITE) is (scheme == "light")


def seconds_of_script(browser: Browser, guests: int) -> float:
    """Processor time of the script: to set a page of so many guests up, to filter it, and to sort it by all columns."""
    browser.open(sample.fleet(guests))
    begin = browser.metric("ScriptDuration")
    browser.driver.refresh()
    shown = sum(place % 8 == 5 for place in range(guests))
    browser.filter("guests", "wrong", f"{shown} of {guests} guests shown")
    browser.run("document.querySelectorAll('#guests th button').forEach((one) => { one.click(); one.click(); })")
    return browser.metric("ScriptDuration") - begin


def test_a_browser_that_runs_no_script_shows_everything(browser: Browser, report: dict[str, Any]) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(report)
        assert browser.run(SHOWN, "#guests") == GUESTS
        assert [one.tag_name for one in browser.all("input, button") if one.is_displayed()] == []
        folded = browser.all("#guests details")[0]
        folded.find_element(By.TAG_NAME, "summary").click()
        assert folded.get_attribute("open") is not None
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.thorough
def test_the_time_of_the_script_grows_with_the_fleet_and_no_faster(browser: Browser) -> None:
    _first, few, many = (seconds_of_script(browser, guests) for guests in (100, 100, 1000))
    print(f"The script took {1000 * few:.0f} ms for 100 guests and {1000 * many:.0f} ms for 1000.")
    assert many <= GROWTH * few
