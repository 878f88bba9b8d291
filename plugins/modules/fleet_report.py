#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is an action. Its code is in plugins/action.

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Write how hosts and guests stand
version_added: 0.2.0
description:
  - Writes files on the controller, by what the role P(zeroinstall.virtualbox.cache_report#role) read of hosts and
    guests in this run. It asks no machine.
  - The inventory says which hosts and guests there are, and what each is to have. It takes the variables of that role
    as the inventory has them for the first host. Facts do not count.
  - Replaces each file at once and whole. New files have the mode C(0600). It replaces no file that is no report.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
options:
  check_only:
    description: Whether to write nothing, and only see whether the variables are right and the files can be written.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Every run writes the time into the files. It reports a change only if anything else is new.
seealso:
  - module: zeroinstall.virtualbox.store_info
  - module: zeroinstall.virtualbox.guest_info
"""

EXAMPLES = r"""
- name: Write the report
  zeroinstall.virtualbox.fleet_report:
  run_once: true
  register: result
"""

RETURN = r"""
lines:
  description: The report in a few lines.
  returned: success
  type: list
  elements: str
paths:
  description: The files, in the order JSON, page and metrics. Files that were not wanted are left out.
  returned: success
  type: list
  elements: str
problem:
  description: Why the run is to fail, as C(cache_report_fail_on) says, or empty.
  returned: success
  type: str
"""
