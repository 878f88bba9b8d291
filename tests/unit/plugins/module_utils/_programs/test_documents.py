# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feeds and documents of selections, as 0install 2.18 printed them, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import feeds, selections, xml_trees

PRINTED = json.loads((Path(__file__).parents[1] / "fixtures" / "programs_selections.json").read_text(encoding="utf-8"))
APP, PYTHON = (f"http://127.0.0.1:8123/{name}.xml" for name in ("app2", "py2"))
TREE = xml_trees.read(PRINTED["feeds"][PYTHON].encode())
DOCUMENT = PRINTED["document"]


def changed(*changes):
    """The document with other text in places of it."""
    text = DOCUMENT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("expression", "versions"),
    [
        ("2.6..!3", ["2.6"]),
        ("2.6..!3 | 3.2.2..", ["2.6", "3.2.2"]),
        ("..!3", []),
        ("!3", []),
        ("1.2-pre3", ["1.2-pre3"]),
        ("", []),
        ("a..", []),
        ('1"/><x', []),
    ],
)
def test_the_lowest_versions_of_an_expression(expression, versions):
    assert list(feeds.lowest_versions(expression)) == versions


def test_a_feed_tells_what_it_needs_of_others():
    assert feeds.bounds(xml_trees.read(PRINTED["feeds"][APP].encode())) == {PYTHON: {"3.1", "3.2"}}


def test_stand_ins_take_the_place_of_packages_and_keep_what_packages_have():
    tree = xml_trees.read(PRINTED["feeds"][PYTHON].encode())
    assert [one.get("package") for one in feeds.packages(tree)] == ["python3", "python3x"]
    feeds.with_stand_ins(tree, ["3.1"])
    assert feeds.packages(tree) == []
    made = list(xml_trees.named(tree, "implementation"))
    assert (
        sorted((one.get("version"), one.get("main")) for one in made)
        == [("0", "usr/bin/python3")] * 2 + [("3.1", "usr/bin/python3")] * 2
    )
    assert len({one.get("id") for one in made}) == 4 and all(one.get("arch") == "*-*" for one in made)
    paths = {one.get("path") for one in xml_trees.named(tree, "command")}
    assert paths == {"usr/bin/pydoc3"}


def test_a_feed_of_packages_alone_has_no_dependencies():
    text = feeds.packages_alone([TREE]).decode()
    assert "requires" not in text and "arch" not in text and "uri" not in text
    assert [one.get("path") for one in xml_trees.named(xml_trees.read(text.encode()), "command")] == ["/usr/bin/pydoc3"]


def test_a_document_tells_its_implementations_and_packages():
    found = selections.parse(DOCUMENT)
    assert (found.interface, found.command, found.version) == (APP, "run", "1")
    assert [(one.version, one.names[0][:16]) for one in found.implementations] == [
        ("1", "sha256new_QBLCU5"),
        ("1", "sha256new_G35S72"),
    ]
    assert found.packages == (selections.Package(PYTHON, ("other", "run"), ("3.1..!4", "3.2..!5")),)


def test_all_digests_of_an_implementation_are_its_names():
    text = changed(('<manifest-digest sha256new="QBL', f'<manifest-digest sha1new="{"a" * 40}" sha256new="QBL'))
    assert set(selections.parse(text).implementations[0].names) == {
        f"sha1new={'a' * 40}",
        "sha256new_QBLCU5FHXPTVV65HVIRA2E6HCGGJFSSKV4RFOTBDYHKXZKWSVRCA",
    }


def test_in_a_guest_a_package_is_an_implementation_at_the_root():
    text = selections.for_guest(DOCUMENT, {PYTHON: {"run": "/usr/bin/python3.9", "other": "/opt/pydoc"}})
    top = xml_trees.read(text.encode())
    package = next(one for one in xml_trees.named(top, "selection") if one.get("interface") == PYTHON)
    assert (package.get("id"), package.get("local-path")) == (".", "/")
    assert sorted(one.get("path") for one in package.findall(xml_trees.tag("command"))) == [
        "opt/pydoc",
        "usr/bin/python3.9",
    ]
    bindings = [(one.get("name"), one.get("insert")) for one in xml_trees.named(top, "environment")]
    assert bindings == [("LIB", ".")], "what has no place in a package is left out, and the rest stays"
    assert [one.get("name") for one in xml_trees.named(top, "executable-in-path")] == ["foo"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no XML"),
        ("<selections/>", "no document of selections"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
        (changed(('interface="http://127.0.0.1:8123/app2.xml" source', 'interface="other" source')), "which version"),
        (changed(('sha256new="QBL', 'sha256new="../'), ('id="sha256new_QBL', 'id="../')), "has no digest"),
    ],
)
def test_what_is_no_document_is_refused(text, words):
    with pytest.raises(Failure, match=words):
        selections.parse(text)


def test_a_file_that_is_no_text_is_refused():
    with pytest.raises(Failure, match="no XML"):
        xml_trees.read(b"\xff\xfe\x00")


NAME = "sha256new_" + "B" * 51 + "A"
DIGEST = f'<manifest-digest sha256new="{NAME[10:]}"/>'


@pytest.mark.parametrize(
    ("inside", "size"),
    [
        ('<archive href="a.tgz" size="12"/>', 12),
        ('<file href="a" size="7"/><archive href="a.tgz" size="12"/>', 7),
        ('<recipe><archive href="a.tgz" size="12"/><rename source="a"/><file href="b" size="5"/></recipe>', 17),
        ('<archive href="a.tgz" size="-1"/>', 0),
        ('<archive href="a.tgz" size="9999999999999999999"/>', 0),
        ('<archive href="a.tgz"/>', 0),
        ("", 0),
    ],
)
def test_a_feed_says_how_much_comes(inside, size):
    group = f'<group><implementation id="x">{DIGEST}{inside}</implementation></group>'
    feed = xml_trees.read(f'<interface xmlns="{xml_trees.NAMESPACE}">{group}</interface>'.encode())
    assert feeds.download_sizes(feed) == {NAME: size}
