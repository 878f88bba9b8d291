#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: additions_check
short_description: Check that a VirtualBox guest's Guest Additions keep Zero Install's packages sound
version_added: 0.1.0
description:
  - Finds version and origin of the Guest Additions, and fails if they are too old, known to be bad, or too far from the
    version of their host. Warns if another driver is loaded than is installed.
  - A version alone can lie, since the Linux kernel's own driver always calls itself 6.0.0. So on a writable mount, what
    the digests of packages depend on is tried, with O(path).
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  minimum_version:
    description: Guest Additions that are older are refused.
    type: str
    default: 4.2.0
  bad_versions:
    description:
      - More versions to refuse, or ranges of them, both ends included.
      - 4.0.4 and 5.0.0 to 5.0.4 are always refused.
    type: list
    elements: str
    default: []
  host_version:
    description:
      - Version of the host's VirtualBox, as C(VBoxManage --version) prints it.
      - Guest Additions of a newer minor version, or of an older major version, are refused. Without it, nothing is
        compared.
    type: str
  path:
    description:
      - Writable mounts of shared folders, to prove that they keep symbolic links, executable bits, times, renaming and
        names. This is done in a new folder in each, which is removed. In check mode, nothing is written, and nothing
        proved.
    type: list
    elements: path
    default: []
  fail_on_problem:
    description: Whether a problem is a failure.
    type: bool
    default: true
seealso:
  - module: zeroinstall.virtualbox.guest_info
  - module: zeroinstall.virtualbox.machine_info
"""

EXAMPLES = r"""
- name: Refuse Guest Additions that break packages
  zeroinstall.virtualbox.additions_check:

- name: Be stricter, and prove that a writable store keeps packages as they are
  zeroinstall.virtualbox.additions_check:
    minimum_version: 6.1.0
    bad_versions: [6.1.30, 7.0.0-7.0.4]
    host_version: 7.2.22
    path: /var/cache/0install.net/implementations
"""

RETURN = r"""
additions:
  description: The Guest Additions, as RV(zeroinstall.virtualbox.guest_info#module:guest.additions) has them.
  returned: always
  type: dict
  sample:
    full: 7.2.22_Debianr175245
    origin: distribution
    installed: 7.2.22_Debianr175245
    oracle:
    problem:
    restart:
    revision: 175245
    tools: 7.2.22_Debianr175245
    version: 7.2.22
proof:
  description: What was tried on O(path); empty without it and in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The mount.
      type: str
      sample: /var/cache/0install.net/implementations
    check:
      description:
        - V(symlinks), V(executable), V(times), V(early_times), V(rename) or V(names).
        - V(early_times) are those in the first second of 1970 and fractions before it. Shared folders were not seen to
          keep them, and packages hardly have them.
      type: str
      sample: symlinks
    kept:
      description: Whether the mount keeps it as it is.
      type: bool
    required:
      description: Whether it is a problem if it is not kept; not with V(early_times).
      type: bool
    detail:
      description: What is wrong and what to do, or null.
      type: str
problems:
  description: Everything that is wrong, and what to do.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_check, additions_versions
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "minimum_version": {"type": "str", "default": additions_versions.MINIMUM},
            "bad_versions": {"type": "list", "elements": "str", "default": []},
            "host_version": {"type": "str"},
            "path": {"type": "list", "elements": "path", "default": []},
            "fail_on_problem": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    answer(module, additions_check.run)


if __name__ == "__main__":
    main()
