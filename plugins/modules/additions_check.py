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
  - Finds version and origin of the Guest Additions. Fails if they are too old, known to be bad, or too far from the
    version of their host. Warns if the loaded driver is not the installed one.
  - A version alone proves little, because the Linux kernel's own driver always calls itself 6.0.0. So with O(path), the
    module tests on a writable mount everything that the digests of packages depend on.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  minimum_version:
    description: The module refuses Guest Additions that are older than this version.
    type: str
    default: 4.2.0
  bad_versions:
    description:
      - More versions to refuse, or ranges with both ends included.
      - The module always refuses 4.0.4 and 5.0.0 to 5.0.4.
    type: list
    elements: str
    default: []
  host_version:
    description:
      - Version of the host's VirtualBox, as C(VBoxManage --version) prints it.
      - In version 7.2.22, 7 is the major version, and 7.2 is the minor version. The module refuses Guest Additions
        whose minor version is newer than the host's, and those whose major version is older. Without this option it
        compares nothing.
    type: str
  path:
    description:
      - Writable mounts of shared folders. The module tests whether they keep symbolic links, executable bits, times and
        names, and whether it can rename files there. For that it makes a new folder in each, and removes it again. In
        check mode it writes nothing and tests nothing.
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
  description: What the module tried on O(path). Empty without that option and in check mode.
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
        - V(early_times) means times in the first second of 1970, and times with fractions before that. No shared folder
          that we tested keeps them, and packages hardly have such times.
      type: str
      sample: symlinks
    kept:
      description: Whether the mount keeps this as it is.
      type: bool
    required:
      description: Whether it is a problem if the mount does not keep this. False for V(early_times).
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
