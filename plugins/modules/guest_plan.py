#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is an action. Its code is in plugins/action, and in the module guest_info, which it runs.

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_plan
short_description: Say what is to be done in a guest
version_added: 0.2.0
description:
  - Reads a guest by M(zeroinstall.virtualbox.guest_info), compares what it has with what its mode means for it, and
    says which steps of the role P(zeroinstall.virtualbox.cache_guest#role) it needs.
  - Takes the variables of that role, and of the role P(zeroinstall.virtualbox.sharing#role) for the guest's own store,
    as they are set for the task. A variable that is not set has the role's default.
  - Fails if nothing can be done in the guest. If a variable is wrong, it fails before Ansible connects.
  - If the guest's host was part of this run, refuses a guest whose hardware UUID is not that of its machine.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  program:
    description: The path of the program that sends packages to the host.
    type: str
    required: true
  bad_versions:
    description: >-
      More versions of Guest Additions to refuse, as O(zeroinstall.virtualbox.guest_info#module:bad_versions). To have
      the role refuse them, set this option in C(module_defaults).
    type: list
    elements: str
    default: []
seealso:
  - module: zeroinstall.virtualbox.guest_info
  - plugin: zeroinstall.virtualbox.arrangement
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See whether a guest needs anything
  zeroinstall.virtualbox.guest_plan:
    program: /usr/local/lib/zeroinstall.virtualbox/secure-add
  vars:
    cache_guest_host: metal1
    cache_guest_machine: web1
  register: result
"""

RETURN = r"""
guest:
  description: What was found, as RV(zeroinstall.virtualbox.guest_info#module:guest) has it.
  returned: success
  type: dict
right:
  description: Whether the role only has to compare the mounts.
  returned: success
  type: bool
mounts:
  description: What the guest's mode mounts, for O(zeroinstall.virtualbox.mounts#module:mounts).
  returned: success
  type: list
  elements: dict
time_limit:
  description: The time limit of this task in seconds, which the next tasks may have, too, or 0.
  returned: success
  type: int
package:
  description: The package of Zero Install that is to be installed, or empty.
  returned: success
  type: str
unmount:
  description: Whether the shares of this collection are to be unmounted before that.
  returned: success
  type: bool
create_user:
  description: Whether the user who owns the guest's packages is missing.
  returned: success
  type: bool
program:
  description: The files of the program that sends packages to the host, if the role has to write them.
  returned: success
  type: list
  elements: dict
remove_program:
  description: Whether the role has to remove that program.
  returned: success
  type: bool
share:
  description: >-
    Whether sharing is to be set up for the program RV(secure_add) and the guest's own store RV(store).
  returned: success
  type: bool
secure_add:
  description: The program that checks a package and adds it.
  returned: success
  type: str
store:
  description: The guest's own store, or empty where packages go to the host.
  returned: success
  type: str
unshare:
  description: Whether sharing is to be undone.
  returned: success
  type: bool
sharing_problem:
  description: Why sudo does not allow sharing although all is in place, or empty.
  returned: success
  type: str
"""
