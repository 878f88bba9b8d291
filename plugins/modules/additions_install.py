#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: additions_install
short_description: Install Oracle's Guest Additions in a VirtualBox guest from their image
version_added: 0.1.0
description:
  - Runs the installer on Oracle's image of Guest Additions, if the image has another version than the guest.
  - If the guest has that version but no drivers for the running kernel, as after a kernel upgrade, the module runs
    C(rcvboxadd setup), which only builds the drivers.
  - The module does not rely on the installer's exit status. It looks at the driver's file that the running kernel would
    load, and at the driver that is loaded.
  - The module reads the image, and does not mount it.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  image:
    description:
      - Path of the image, C(VBoxGuestAdditions.iso), in the guest. The default is the CD in the guest's drive.
      - The CD in the drive comes from the host, and the guest trusts its host.
    type: path
  sha256:
    description: SHA-256 of O(image). The module neither reads nor runs anything of an image with another SHA-256.
    type: str
  minimum_version:
    description: The module refuses an image with Guest Additions that are older than this version.
    type: str
    default: 4.2.0
  bad_versions:
    description:
      - More versions to refuse, or ranges such as V(6.1.0-6.1.8), with both ends included.
      - The module always refuses 4.0.4 and 5.0.0 to 5.0.4.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that the installer may take. It compiles kernel modules.
    type: int
    default: 1800
notes:
  - The installer needs the headers of the running kernel, C(gcc), C(make), C(bzip2) and C(tar).
  - The installer unmounts shared folders. See RV(unmounted).
  - The module does not touch Guest Additions of a distribution. If there are any, it fails.
seealso:
  - module: zeroinstall.virtualbox.guest_info
  - module: zeroinstall.virtualbox.mounts
"""

EXAMPLES = r"""
- name: Install from the CD that the host has put into the drive
  zeroinstall.virtualbox.additions_install:
  register: result

- name: Install from a file
  zeroinstall.virtualbox.additions_install:
    image: /var/tmp/VBoxGuestAdditions_7.2.22.iso
    sha256: "{{ additions_sha256 }}"
"""

RETURN = r"""
operation:
  description: >-
    What the module did, or would do in check mode. V(setup) means that it built drivers for the running kernel.
    Otherwise V(nothing) or V(install).
  returned: success
  type: str
  sample: install
version:
  description: The version on the image.
  returned: success
  type: str
  sample: 7.2.22
previous:
  description: The version that was installed before, or null.
  returned: success
  type: str
  sample: 7.0.6
restart:
  description: Why the guest has to be restarted, or null.
  returned: success
  type: str
  sample: Vboxguest 7.0.6 r155176 is still loaded, while vboxguest 7.2.22 r175245 is installed. Restart the guest.
missing:
  description:
    - What the installer needs and the guest does not have, and what to do. Outside check mode, the module fails if
      something is missing.
  returned: success
  type: list
  elements: str
  sample: []
unmounted:
  description: The mount points of shared folders that the installer unmounted.
  returned: success
  type: list
  elements: str
  sample: []
status:
  description: Exit status of the installer.
  returned: when it was run
  type: int
  sample: 2
output:
  description: What the installer printed.
  returned: when it was run
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import additions_update, additions_versions
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "path"},
            "sha256": {"type": "str"},
            "minimum_version": {"type": "str", "default": additions_versions.MINIMUM},
            "bad_versions": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 1800},
        },
        required_together=[("image", "sha256")],
        supports_check_mode=True,
    )
    answer(module, additions_update.run)


if __name__ == "__main__":
    main()
