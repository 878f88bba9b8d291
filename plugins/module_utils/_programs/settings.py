# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of a 0install that runs for one program alone. Pure."""

from __future__ import annotations

import re
from typing import Iterable
from xml.sax.saxutils import quoteattr

GENERAL = """\
[global]
auto_approve_keys = False
help_with_testing = False
network_use = full
freshness = -1
key_info_server =
"""
"""0install trusts no key by itself, asks nobody about keys, chooses stable versions, and reads no feed a second time.

The file of these settings is ``injector/global`` in 0install's folder of settings.
"""

_TRUSTED = "http://zero-install.sourceforge.net/2007/injector/trust"
_FINGERPRINT = re.compile("[0-9A-F]{40}")


def fingerprint(written: str) -> str:
    """A fingerprint as 0install has it. Users may write spaces and small letters."""
    return written.replace(" ", "").upper()


def is_fingerprint(text: str) -> bool:
    """Whether this is all of a key's fingerprint, in capitals."""
    return _FINGERPRINT.fullmatch(text) is not None


def trust(fingerprints: Iterable[str]) -> str:
    """The text of ``injector/trustdb.xml`` by which 0install trusts these keys, wherever a feed comes from."""
    keys = "".join(
        f'<key fingerprint={quoteattr(fingerprint)}><domain value="*"/></key>' for fingerprint in fingerprints
    )
    return f'<?xml version="1.0"?>\n<trusted-keys xmlns="{_TRUSTED}">{keys}</trusted-keys>\n'
