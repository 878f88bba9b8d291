# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that the collection's code raises for its user."""

from __future__ import annotations


class Failure(Exception):
    """A message for the user: it names the thing, says what is wrong with it, and what to do."""
