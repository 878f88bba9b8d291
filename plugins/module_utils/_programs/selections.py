# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents of selections: which implementations a program runs with. Pure.

The format is that of Zero Install's specification "Selections" (https://docs.0install.net/specifications/selections/),
as ``0install select --xml`` of 0install 2.18 writes it.
"""

from __future__ import annotations

import functools
from typing import Mapping, NamedTuple, Sequence
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._programs import feeds, xml_trees


class Implementation(NamedTuple):
    """One that is chosen. ``names``: what a store may call it; it has one of them if it has the implementation.

    ``architecture``: such as ``Linux-x86_64``, or empty where the document does not say.
    """

    interface: str
    version: str
    names: tuple[str, ...]
    architecture: str = ""


class Package(NamedTuple):
    """What is left to a distribution. ``commands``: those that are run. ``versions``: expressions that all hold."""

    interface: str
    commands: tuple[str, ...]
    versions: tuple[str, ...]


class Selections(NamedTuple):
    """What a document says. ``version``: that of the program itself."""

    interface: str
    command: str
    version: str
    implementations: tuple[Implementation, ...]
    packages: tuple[Package, ...]


@functools.lru_cache(maxsize=None)
def parse(text: str) -> Selections:
    """Failure: this is no such document, or one of its implementations has no digest."""
    top = _top(text)
    chosen = _chosen(top)
    own = [element for element in chosen if element.get("interface") == top.get("interface")]
    if not own:
        raise Failure("it does not say which version of the program itself is chosen")
    implementations = tuple(_implementation(element) for element in chosen if not _is_stand_in(element))
    packages = tuple(_package(top, element) for element in chosen if _is_stand_in(element))
    version = own[0].get("version", "")
    return Selections(top.get("interface", ""), top.get("command", ""), version, implementations, packages)


def _top(text: str) -> ElementTree.Element:
    top = xml_trees.read(text.encode("utf-8"))
    if top.tag != xml_trees.tag("selections"):
        raise Failure("it is no document of selections")
    return top


def _chosen(top: ElementTree.Element) -> list[ElementTree.Element]:
    return top.findall(xml_trees.tag("selection"))


def _is_stand_in(selection: ElementTree.Element) -> bool:
    return selection.get("id", "").startswith(feeds.STAND_IN)


def _implementation(selection: ElementTree.Element) -> Implementation:
    names = feeds.store_names(selection)
    if not names:
        shown = selection.get("id", "")
        raise Failure(f"version {selection.get('version')} of {selection.get('interface')} has no digest ({shown})")
    return Implementation(
        selection.get("interface", ""), selection.get("version", ""), names, selection.get("arch", "")
    )


def _package(top: ElementTree.Element, selection: ElementTree.Element) -> Package:
    interface = selection.get("interface", "")
    commands = tuple(one.get("name", "") for one in selection.findall(xml_trees.tag("command")))
    wanted: list[str] = []
    for element in xml_trees.named(top, *xml_trees.DEPENDENCIES):
        if element.get("interface") == interface:
            wanted.append(element.get("version", ""))
            for bound in element.findall(xml_trees.tag("version")):
                lowest, end = bound.get("not-before", ""), bound.get("before", "")
                wanted.append(f"{lowest}..{'!' + end if end else ''}" if lowest or end else "")
    return Package(interface, commands, tuple(dict.fromkeys(filter(None, wanted))))


def for_guest(text: str, commands: Mapping[str, Mapping[str, str]]) -> str:
    """The document with which a guest runs a program whose packages it has.

    Args:
        commands: by the interface of each package, the paths of its commands, as the guest's own 0install found them.

    In the document, a package is an implementation at ``/``, with paths from there. So it stays right when the package
    gets another version. As 0install does for packages, a variable that would get a path in the package gets none.
    """
    top = _top(text)
    for selection in _chosen(top):
        if not _is_stand_in(selection):
            continue
        paths = commands[selection.get("interface", "")]
        selection.set("id", ".")
        selection.set("local-path", "/")
        _drop(selection, selection.findall(xml_trees.tag("manifest-digest")))
        _drop(selection, _with_paths(selection))
        for command in selection.findall(xml_trees.tag("command")):
            command.set("path", paths[command.get("name", "")].lstrip("/"))
    for element in xml_trees.named(top, *xml_trees.DEPENDENCIES):
        if element.get("interface") in commands:
            _drop(element, _with_paths(element))
    return xml_trees.write(top).decode("utf-8")


def _with_paths(element: ElementTree.Element) -> list[ElementTree.Element]:
    return [binding for binding in element.findall(xml_trees.tag("environment")) if "insert" in binding.attrib]


def _drop(element: ElementTree.Element, children: Sequence[ElementTree.Element]) -> None:
    for child in children:
        element.remove(child)
