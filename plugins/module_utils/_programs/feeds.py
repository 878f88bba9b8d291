# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feeds: what they leave to the package manager of a distribution. Pure.

The format is that of Zero Install's specification "Feed" (https://docs.0install.net/specifications/feed/).

An element ``package-implementation`` says which package of a distribution will do. 0install looks for it on the
machine on which it runs. A host chooses for its guests, whose distributions it does not know. So on the host a stand-in
takes the place of each such element: an implementation for every system, with nothing in it. 0install chooses it where
no other implementation will do. Which package it stands for is found out in the guest.
"""

from __future__ import annotations

import re
from typing import Collection, Iterable, Iterator, Mapping, NamedTuple
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import xml_trees
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import manifests

STAND_IN = "zeroinstall.virtualbox/package/"
"""How the id of a stand-in begins."""
NOTHING = "sha256new_4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ"
"""The digest of an implementation with nothing in it, which stand-ins have."""

_PACKAGE = "package-implementation"
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:-(?:pre|rc|post)?(?:\d+(?:\.\d+)*)?)*\Z", re.ASCII)
_LOWEST = "0"
_SEPARATED = {"sha256new": "_"}
_RETRIEVALS = tuple(map(xml_trees.tag, ("archive", "file")))
_VERSIONS = tuple(map(xml_trees.tag, ("group", "implementation")))
_HANDED_DOWN = ("version", "version-modifier", "arch")
_OF_PACKAGES = ("package", "distributions", "version", "released", "stability", "quick-test-file", "quick-test-mtime")


def lowest_versions(expression: str) -> Iterator[str]:
    """The lowest version of each range in an expression such as ``2.6..!3 | 3.2.2..``."""
    for part in expression.split("|"):
        lowest = part.strip().partition("..")[0]
        if _VERSION.match(lowest):
            yield lowest


def bounds(feed: ElementTree.Element) -> dict[str, set[str]]:
    """By interface, the lowest versions that the implementations of a feed need of it."""
    found: dict[str, set[str]] = {}
    for element in xml_trees.named(feed, *xml_trees.DEPENDENCIES):
        expressions = [element.get("version", ""), *(one.get("not-before", "") for one in element)]
        versions = {version for text in expressions for version in lowest_versions(text)}
        found.setdefault(element.get("interface", ""), set()).update(versions)
    return found


def store_names(element: ElementTree.Element) -> tuple[str, ...]:
    """What a store may call the implementation that an element of a feed or document describes."""
    digests = [pair for one in xml_trees.named(element, "manifest-digest") for pair in one.items()]
    names = [kind + _SEPARATED.get(kind, "=") + value for kind, value in digests]
    return tuple(name for name in dict.fromkeys([*names, element.get("id", "")]) if manifests.is_name(name))


class Described(NamedTuple):
    """An implementation of a feed. ``names``: what a store may call it."""

    names: tuple[str, ...]
    version: str
    architecture: str


def described(feed: ElementTree.Element) -> Iterator[Described]:
    """The implementations of a feed that have a digest. A group hands its attributes down."""
    waiting: list[tuple[ElementTree.Element, Mapping[str, str]]] = [(feed, {})]
    while waiting:
        above, inherited = waiting.pop()
        for element in above:
            if element.tag not in _VERSIONS:
                continue
            own = {**inherited, **{key: element.attrib[key] for key in _HANDED_DOWN if key in element.attrib}}
            waiting.append((element, own))
            names = store_names(element) if element.tag == xml_trees.tag("implementation") else ()
            if names:
                version = own.get("version", "") + own.get("version-modifier", "")
                yield Described(names, version, own.get("arch", "*-*"))


def name_of(feed: ElementTree.Element) -> str:
    """What a feed calls its program, or empty."""
    return (feed.findtext(xml_trees.tag("name")) or "").strip()


def download_sizes(feed: ElementTree.Element) -> dict[str, int]:
    """By each name that a store may have for an implementation, the bytes that come for it, as the feed says."""
    found: dict[str, int] = {}
    for element in xml_trees.named(feed, "implementation"):
        ways = [[one] for one in element if one.tag in _RETRIEVALS]
        ways += [list(recipe) for recipe in element.findall(xml_trees.tag("recipe"))]
        size = sum(_size(one) for one in ways[0] if one.tag in _RETRIEVALS) if ways else 0
        found.update(dict.fromkeys(store_names(element), size))
    return found


def _size(retrieval: ElementTree.Element) -> int:
    text = retrieval.get("size", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else 0


def packages(feed: ElementTree.Element) -> list[ElementTree.Element]:
    """The elements by which a feed names packages of distributions."""
    return list(xml_trees.named(feed, _PACKAGE))


def with_stand_ins(feed: ElementTree.Element, versions: Collection[str]) -> None:
    """Put stand-ins in the place of a feed's packages, for each one of these versions and one of a lower version.

    So for whatever lowest version somebody needs, there is a stand-in. An implementation of the feed itself is better,
    as a stand-in is unstable.
    """
    number = 0
    for parent in list(feed.iter()):
        for place, element in reversed(list(enumerate(parent))):
            if element.tag == xml_trees.tag(_PACKAGE):
                parent.remove(element)
                for version in sorted({_LOWEST, *versions}):
                    parent.insert(place, _stand_in(element, number, version))
                    number += 1


def _stand_in(package: ElementTree.Element, number: int, version: str) -> ElementTree.Element:
    kept = {name: value for name, value in package.items() if name not in _OF_PACKAGES}
    if "main" in kept:
        kept["main"] = kept["main"].lstrip("/")
    own = {"id": f"{STAND_IN}{number}", "version": version, "stability": "developer", "arch": "*-*"}
    made = ElementTree.Element(xml_trees.tag("implementation"), {**kept, **own})
    ElementTree.SubElement(made, xml_trees.tag("manifest-digest"), {"sha256new": NOTHING.partition("_")[2]})
    for child in package:
        copy = ElementTree.fromstring(ElementTree.tostring(child))
        if "path" in copy.attrib and copy.tag == xml_trees.tag("command"):
            copy.set("path", copy.attrib["path"].lstrip("/"))
        made.append(copy)
    return made


def feeds_for(feed: ElementTree.Element) -> list[str]:
    """The interfaces for which a feed has implementations, beside its own."""
    return [element.get("interface", "") for element in xml_trees.named(feed, "feed-for")]


def packages_alone(several: Iterable[ElementTree.Element]) -> bytes:
    """The text of a feed of a file's own, with nothing but the packages of feeds, and the paths of their commands."""
    made = ElementTree.Element(xml_trees.tag("interface"))
    for name in ("name", "summary"):
        ElementTree.SubElement(made, xml_trees.tag(name)).text = "package"
    for feed in several:
        _take_packages(feed, made)
    return xml_trees.write(made)


def _take_packages(source: ElementTree.Element, target: ElementTree.Element) -> None:
    """Copy packages, the groups that they are in, and the commands of both."""
    for child in source:
        if child.tag == xml_trees.tag("command"):
            if "path" in child.attrib:
                paths = {key: value for key, value in child.attrib.items() if key in ("name", "path")}
                ElementTree.SubElement(target, child.tag, paths)
        elif child.tag == xml_trees.tag("group"):
            if packages(child):
                _take_packages(child, ElementTree.SubElement(target, child.tag, _inherited(child.attrib)))
        elif child.tag == xml_trees.tag(_PACKAGE):
            _take_packages(child, ElementTree.SubElement(target, child.tag, dict(child.attrib)))


def _inherited(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name in ("main", *_OF_PACKAGES)}
