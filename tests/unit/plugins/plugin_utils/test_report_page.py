# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of a report: it is one file that does nothing but what it should, and says what the report says."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import (
    _report_cells,
    _report_changes,
    _report_figures,
    _report_page,
    _report_tables,
)
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._answers import plain
from ansible_collections.zeroinstall.virtualbox.tests.page import sample

FILES = Path(_report_page.__file__).parents[2] / "roles" / "cache_report" / "files"
SOURCES = _report_page.Sources(
    *((FILES / name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", "page.js"))
)


class Parsed(HTMLParser):
    """A page as a program reads it: its tags with their attributes, its links, and its text by tag."""

    VOID = ("meta", "input", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, *without):
        """All text but that of some tags."""
        return "".join(text for tag, text in self.texts if tag not in without)

    def of(self, tag):
        """The attributes of all tags of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def made(report, before=None):
    """The page of a report, parsed."""
    return Parsed(_report_page.page(report, before, SOURCES))


@pytest.fixture(scope="module", name="hostile")
def hostile_page():
    report = sample.fleet(24, hostile=True)
    return made(report, sample.before(report))


def test_the_policy_names_just_the_style_and_the_script_that_are_there(hostile):
    (policy,) = [one["content"] for one in hostile.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    digests = {}
    for tag in ("style", "script"):
        (text,) = [text for name, text in hostile.texts if name == tag]
        digests[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_and_nothing_acts_but_the_script(hostile):
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _attributes in hostile.tags}
    assert len(hostile.of("script")) == len(hostile.of("style")) == 1
    for tag, attributes in hostile.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        assert "src" not in attributes and "srcset" not in attributes
        assert attributes.get("href", "#").startswith("#")
    acts = r"url\((?!\"#)|@import|fetch\(|XMLHttpRequest|innerHTML|eval\("
    assert not re.search(acts, SOURCES.style + SOURCES.script)


def test_each_link_leads_to_something_and_each_id_is_there_once(hostile):
    ids = [attributes["id"] for _tag, attributes in hostile.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one["href"][1:] for one in hostile.of("a")} <= set(ids)
    for _tag, attributes in hostile.tags:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set(attributes.get(name, "").split()) <= set(ids)


@pytest.mark.parametrize("text", [text for text in sample.HOSTILE if text], ids=range(len(sample.HOSTILE) - 1))
def test_what_guests_say_stays_text(hostile, text):
    assert plain(text) in hostile.text("style", "script")


def test_no_character_steers_a_terminal_or_turns_the_direction_of_writing(hostile):
    assert plain(hostile.text()) == hostile.text()


def test_a_text_that_says_it_is_safe_markup_is_escaped():
    class Safe(str):
        """As Markup does, and as a text of Ansible's might."""

        __slots__ = ()

        def __html__(self):
            return self

        def __str__(self):
            return "<b>other</b>"

    report = sample.fleet(1)
    report["guests"][0]["name"] = Safe("<b>bold</b>")
    assert "<b>bold</b>" in made(report).text()
    assert "b" not in {tag for tag, _attributes in made(report).tags}


def test_half_a_character_is_shown_as_an_escape():
    report = sample.fleet(1)
    report["guests"][0]["system"] = "half \ud800"
    page = _report_page.page(report, None, SOURCES)
    assert "half \\ud800" in page and page.encode()


def test_a_text_that_is_too_long_is_cut_and_can_be_unfolded():
    cell = _report_cells.said("a" * 161, "there")
    assert (cell.text, cell.whole, cell.to) == ("a" * 160 + "…", "a" * 161, "there")
    assert _report_cells.said("a" * 160) == _report_cells.Cell("a" * 160)
    assert _report_cells.said("a" * 20_001).whole == "a" * 20_000 + " … and 1 more characters, which are left out"
    assert _report_cells.said("") == _report_cells.Cell(_report_cells.NOTHING)


@pytest.mark.parametrize("end", ["</script>", "</STYLE", "<!--"])
def test_a_source_that_would_end_its_element_is_refused(end):
    with pytest.raises(ValueError, match="cannot contain"):
        _report_page.page(sample.fleet(1), None, SOURCES._replace(script=end))
    with pytest.raises(ValueError, match="cannot contain"):
        _report_page.page(sample.fleet(1), None, SOURCES._replace(style=end))


@pytest.mark.parametrize(
    "octets, words",
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2_340_000_000, "2.3 GB"),
        (2**63, "9.2 EB"),
        (10**24, "1000000 EB"),
    ],
)
def test_sizes_are_worded(octets, words):
    assert _report_cells.size(octets) == words


def test_times_are_worded_and_sorted():
    cell = _report_cells.moment("2026-07-14T09:12:05Z")
    assert (cell.text, cell.key, cell.time) == ("2026-07-14 09:12 UTC", 1784020325, "2026-07-14T09:12:05Z")
    assert _report_cells.moment(None).key == 0


def test_anchors_tell_names_apart_and_say_nothing_of_them():
    found = {_report_cells.anchor("guest", *names) for names in (["a", "b"], ["ab"], ["b", "a"], ['"> x'])}
    assert len(found) == 4
    assert all(re.fullmatch(r"guest-[0-9a-f]{12}", one) for one in found)


def test_a_subject_that_the_text_names_is_told_once():
    one = {"guest": "", "host": "h", "subject": "/store", "text": "The store is lost."}
    assert [what for what, _cell in _report_figures.about(one)] == ["host", ""]
    assert [what for what, _cell in _report_figures.about({**one, "text": "/store is lost."})] == ["host"]


def test_what_needs_attention_is_grouped_the_worst_first():
    report = sample.fleet(100)
    found = _report_figures.attention(report)
    assert [(one.name, one.many) for one in found] == [("problem", "36"), ("pending", "13"), ("notice", "20")]
    groups = {group.title: group for severity in found for group in severity.groups}
    assert list(groups) == [_report_figures.kind_title(kind) for kinds in sample.KINDS.values() for kind in kinds]
    many = groups["Mounts that are not right"]
    assert (many.many, len(many.first), len(many.rest)) == ("13", 3, 10)
    assert many.remedy.text == "Run the playbook share again, and see whether mount is gone."
    assert [entry.remedy for entry in [*many.first, *many.rest]] == [None] * 13
    assert [(what, cell.text) for what, cell in many.first[1].about] == [("guest", "guest-0005"), ("host", "host-00")]


def test_entries_of_a_kind_with_other_remedies_each_say_theirs():
    report = sample.fleet(1)
    one = sample.attention("problem", "mount", "host-00", "guest-0000")
    report["attention"] = [{**one, "remedy": f"Do {number}."} for number in range(5)]
    ((group,),) = [severity.groups for severity in _report_figures.attention(report)]
    assert group.remedy is None and group.rest == []
    assert [entry.remedy.text for entry in group.first] == [f"Do {number}." for number in range(5)]


def test_all_that_needs_attention_is_in_the_page_with_its_remedy():
    report = sample.fleet(100)
    text = made(report).text("script")
    for one in report["attention"]:
        assert one["text"] in text and one["remedy"] in text


def test_where_nothing_needs_attention_it_says_what_was_looked_at():
    text = made(sample.fleet(2, troubled=False)).text()
    assert "Nothing needs attention. What was looked at: 1 of 1 host and 2 of 2 guests answered" in text
    assert "limited" not in made(sample.fleet(2)).text("style", "script")


def test_a_limited_report_says_so():
    assert "This report is limited." in made({**sample.fleet(2), "limited": True}).text()


def test_an_empty_fleet_has_a_page():
    report = sample.fleet(1, troubled=False)
    report = {**report, "hosts": [], "guests": [], "numbers": sample.numbers([], [], [])}
    assert made(report).of("table") == []
    assert _report_figures.pictures(report) == []


def test_each_picture_says_its_numbers_and_is_as_wide_as_they_are():
    report = sample.fleet(40)
    by_mode, saved, stores, programs = _report_figures.pictures(report)
    assert by_mode.bars[0].told == "Guests of mode readonly: 8 right, 2 pending, 2 wrong, 2 off, 2 unknown"
    assert [part.width for part in by_mode.bars[0].parts] == ["50.00", "12.50", "12.50", "12.50", "12.50"]
    assert by_mode.bars[0].parts[1].begin == "50.00"
    assert [one.value for one in saved.bars] == ["78.2 GB", "7.1 GB"]
    assert [one.note for one in stores.bars] == ["the host's own store"] * 2 + ["store of the group office"] * 2
    assert [one.name.text for one in programs.bars][-2:] == ["3 other programs", "Not known to any feed, or left out"]
    drawn = [one for one in made(report).of("svg") if one.get("role") == "img"]
    assert len(drawn) == sum(len(picture.bars) for picture in (by_mode, saved, stores, programs))
    assert all(one["aria-label"] for one in drawn)


def test_each_row_of_a_table_is_as_long_as_its_heading():
    tables = _report_tables.tables(sample.fleet(24, hostile=True))
    assert [table.id for table in tables] == [
        *("hosts", "guests", "stores", "programs", "packages", "findings", "quarantine", "strays", "waiting", "imports")
    ]
    for table in tables:
        for row in table.rows:
            assert len(row.cells) == len(table.columns), table.id
            for cell, (title, is_number) in zip(row.cells, table.columns):
                assert (cell.key is not None) is is_number, (table.id, title)


def test_a_package_that_several_stores_have_is_one_row():
    report = sample.fleet(40)
    (packages,) = [table for table in _report_tables.tables(report) if table.id == "packages"]
    (row,) = [row for row in packages.rows if row.cells[0].text == "Firefox" and row.cells[1].text == "0.0"]
    assert row.cells[3].text == "2" and row.cells[5].text == "yes"
    assert "8 smaller packages are left out here." in packages.caption
    assert {row.cells[5].text for row in packages.rows} == {"yes", "no"}


def blocks(report, before):
    """The changes between two reports, each as its text."""
    found = _report_changes.changes(report, before)
    return {
        block.title: [" ".join(cell.text for cell in line) for line in [*block.first, *block.rest]]
        for block in found.blocks
    }


def test_what_has_changed_since_the_report_before():
    report = sample.fleet(4)
    found = blocks(report, sample.before(report))
    assert found == {
        "Needs attention now": [
            "Packages that are not sound host-00 subject of unsound This is so with host-00: unsound."
        ],
        "Needs no attention any more": [
            "Shares that are not right guest-that-went host-00 This is so with guest-that-went: share."
        ],
        "Guests whose state changed": ["guest-0000 was unknown, is right"],
        "Guests that came": ["guest-0003"],
        "Guests that went": ["guest-that-went"],
        "Stores that grew or shrank": [
            "host-00 /var/cache/0install.net/implementations 245 MB more, now 2.4 GB",
            "host-00 /srv/zeroinstall/office 111 MB more, now 1.1 GB",
        ],
    }
    assert blocks(report, report) == {}
    assert "Nothing that this report shows has changed." in made(report, report).text()


def test_what_a_limited_report_leaves_out_is_not_gone():
    report = sample.fleet(4)
    before = {**sample.before(report), "limited": True}
    found = _report_changes.changes(report, before)
    assert found.note
    assert [block.title for block in found.blocks] == [
        "Needs attention now",
        "Guests whose state changed",
        "Stores that grew or shrank",
    ]


def test_a_link_to_what_went_is_none():
    report = sample.fleet(4)
    (block,) = [one for one in _report_changes.changes(report, sample.before(report)).blocks if "no " in one.title]
    gone, there = block.first[0][1:3]
    assert (gone.text, gone.to) == ("guest-that-went", "")
    assert (there.text, there.to) == ("host-00", _report_cells.anchor("host", "host-00"))
