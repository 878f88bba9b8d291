# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""XML without a document type, so that nothing in it stands for something else."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure


class _Builder(ElementTree.TreeBuilder):
    def __init__(self, refusal: str) -> None:
        super().__init__()
        self._refusal = refusal

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise Failure(f"it has a document type (<!DOCTYPE), {self._refusal}")


def parse(text: str | bytes, refusal: str) -> ElementTree.Element:
    """The top element. ``refusal`` says what is wrong with a document type.

    Failure: there is one. ParseError: this is no XML. ValueError or LookupError: Python cannot read its encoding.
    """
    return ElementTree.fromstring(text, parser=ElementTree.XMLParser(target=_Builder(refusal)))
