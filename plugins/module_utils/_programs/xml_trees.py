# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""XML of Zero Install as trees: feeds and documents of selections. Pure."""

from __future__ import annotations

from typing import Iterator
from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import plain_xml

NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface"
"""The namespace of all elements that the format itself has."""

DEPENDENCIES = ("requires", "runner", "restricts")
"""Elements that name another interface, and may say which versions of it will do."""

ElementTree.register_namespace("", NAMESPACE)


def read(text: bytes) -> ElementTree.Element:
    """The top element. Failure: this is no XML, or has a document type."""
    try:
        return plain_xml.parse(text, "which no feed needs")
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Failure(f"it is no XML that can be read ({error})") from error


def write(top: ElementTree.Element) -> bytes:
    """The text of a tree, which ends in a newline."""
    text: bytes = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def tag(name: str) -> str:
    """The tag of an element of the format itself."""
    return f"{{{NAMESPACE}}}{name}"


def named(top: ElementTree.Element, *names: str) -> Iterator[ElementTree.Element]:
    """The elements of these names, at any depth, in the order of the text."""
    tags = {tag(name) for name in names}
    return (element for element in top.iter() if element.tag in tags)
