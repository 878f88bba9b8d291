#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: store_info
short_description: Read a host's stores, what is in them, and what is known of it
version_added: 0.2.0
description:
  - Reads a host's store, the stores of groups of guests, and linked stores. Returns what each takes of the disk, what
    its implementations are called, what the last verification found, and what waits in the quarantine.
  - Also returns the programs that M(zeroinstall.virtualbox.programs) downloaded, and what none of them needs any more.
  - Tells from which guests' boxes implementations came, as M(zeroinstall.virtualbox.store_import) noted it.
  - It opens no file of a store, follows no link in one, and looks at no more than O(max_entries).
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  store:
    description: The host's store. Its path ends in C(/0install.net/implementations).
    type: path
    default: /var/cache/0install.net/implementations
  record:
    description: >-
      Folder with what was found when this store and its linked stores were verified, as the option
      O(zeroinstall.virtualbox.store_verify#module:record) has it.
    type: path
    default: /var/lib/zeroinstall.virtualbox/verified
  groups:
    description: Folder of the stores of groups of guests. Without it, none are looked at.
    type: path
  groups_record:
    description: The same as O(record) for the stores of groups.
    type: path
    default: ~/.local/state/zeroinstall.virtualbox/verified
  programs:
    description: >-
      Folder with the record of programs, as the option O(zeroinstall.virtualbox.programs#module:path) has it. Without
      it, no programs are told.
    type: path
  arrangement:
    description: The arrangement whose programs are told.
    type: str
    default: default
  keep:
    description: How many documents of each program count as needed.
    type: int
    default: 10
  feeds:
    description: Folders in which Zero Install has cached feeds. They tell what implementations are called.
    type: list
    elements: path
    default: [/var/cache/0install.net/interfaces, ~/.cache/0install.net/interfaces]
  boxes:
    description: >-
      Names of boxes, as O(zeroinstall.virtualbox.boxes#module:keep) has them. What came from them is in
      RV(from_boxes).
    type: list
    elements: str
    default: []
  inbox:
    description: >-
      Folder of the boxes, as the option O(zeroinstall.virtualbox.boxes#module:path) has it. Without it, no boxes are
      told.
    type: path
  max_entries:
    description: How many files, links and directories the module looks at, in all stores together.
    type: int
    default: 3000000
notes:
  - Run it as a user who can read the stores and records. Root can.
seealso:
  - module: zeroinstall.virtualbox.store_verify
  - module: zeroinstall.virtualbox.store_quarantine
"""

EXAMPLES = r"""
- name: Read the system's store
  zeroinstall.virtualbox.store_info:
  register: result

- name: Show what takes most of the disk
  ansible.builtin.debug:
    msg: "{{ result.stores[0].packages[:10] }}"
"""

RETURN = r"""
stores:
  description: The host's store first, then those of groups, then linked stores.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(host), V(group) or V(linked).
      type: str
    of:
      description: The group, or the name of the linked store. Empty for the host's own store.
      type: str
    path:
      description: The store.
      type: str
    problem:
      description: Why it, or a part of it, could not be read. Empty if all was.
      type: str
    implementations:
      description: The number of implementations in it.
      type: int
    bytes:
      description:
        - What the store takes of the disk, as C(du) counts it.
        - For a linked store, what its implementations take in the host's store. They take nothing more.
      type: int
    packages:
      description: >-
        Its implementations, the largest first, at most 5000, and at most four megabytes as JSON. Empty for a linked
        store.
      type: list
      elements: dict
      contains: &package
        digest:
          description: The name in the store.
          type: str
        program:
          description: What its feed calls it. Empty if no feed and no document has its digest.
          type: str
        version:
          description: Its version.
          type: str
        architecture:
          description: The systems and processors that it is for.
          type: str
          sample: Linux-x86_64
        interface:
          description: Address of its feed.
          type: str
        bytes:
          description: What it takes of the disk.
          type: int
        box:
          description: >-
            Name of the box from which M(zeroinstall.virtualbox.store_import) took it. Empty if it came in another way,
            or if that is not known. The host notes this for packages of its own store only.
          type: str
        since:
          description: When that was, in UTC. Null if it is not known.
          type: str
          sample: "2026-11-30T21:00:00Z"
    packages_left_out:
      description: The number of implementations that RV(stores[].packages) leaves out.
      type: int
    verified:
      description: >-
        What M(zeroinstall.virtualbox.store_verify) found last with
        O(zeroinstall.virtualbox.store_verify#module:keep_result=true). Null if nothing is known.
      type: dict
      contains:
        at:
          description: When it ended, in UTC.
          type: str
          sample: "2026-11-30T21:00:00Z"
        mode:
          description: V(full) or V(changed).
          type: str
        implementations:
          description: The number of implementations that were verified.
          type: int
        ok:
          description: Those that were sound.
          type: int
        corrupt:
          description: Those that were corrupt.
          type: int
        exposed:
          description: Those that others could change.
          type: int
        error:
          description: Those that could not be read.
          type: int
        findings:
          description: The first that were not sound, at most 100.
          type: list
          elements: dict
          contains:
            digest:
              description: The name in the store.
              type: str
            program:
              description: What its feed calls it, or empty.
              type: str
            version:
              description: Its version, or empty.
              type: str
            status:
              description: As RV(zeroinstall.virtualbox.store_verify#module:problems[].status).
              type: str
            reason:
              description: As RV(zeroinstall.virtualbox.store_verify#module:problems[].reason).
              type: str
            detail:
              description: The reason for people.
              type: str
    quarantine:
      description: What waits in the quarantine beside the store, at most 1000.
      type: list
      elements: dict
      contains: *package
programs:
  description: The programs of the arrangement's guests.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the launcher.
      type: str
    interface:
      description: Address of the feed.
      type: str
    system:
      description: The system that it is for.
      type: str
      sample: Linux-x86_64
    version:
      description: Its version.
      type: str
    digests:
      description: The implementations that it needs.
      type: list
      elements: str
    bytes:
      description: What they take of the disk.
      type: int
unneeded:
  description: What came for programs, and what no program needs any more.
  returned: success
  type: list
  elements: dict
  contains: *package
imports:
  description: >-
    The last answers that M(zeroinstall.virtualbox.store_import) gave to guests, the latest first, at most 200. Of all
    refusals, the host keeps the last 200.
  returned: success
  type: list
  elements: dict
  contains:
    box:
      description: Name of the box.
      type: str
    digest:
      description: The name that the request had for the implementation.
      type: str
    at:
      description: When it was answered, in UTC.
      type: str
      sample: "2026-11-30T21:00:00Z"
    status:
      description: V(added) or V(refused).
      type: str
    reason:
      description: Why it was refused. Empty if it was added.
      type: str
    program:
      description: What its feed calls it, or empty.
      type: str
    version:
      description: Its version, or empty.
      type: str
boxes:
  description: The boxes of the arrangement, at most 5000.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name in the folder. It begins with C(.leaving-) while the box is being removed.
      type: str
    waiting:
      description: How many requests wait in it, among the first 1000 names.
      type: int
from_boxes:
  description: What came from the boxes in O(boxes), and is in the host's store or in a linked store now.
  returned: success
  type: dict
  contains:
    packages:
      description: >-
        The implementations, in the order in which they came, at most 5000, and at most four megabytes as JSON. Each is
        as in RV(stores[].packages), and has C(stores), a list of the paths of the stores that have it.
      type: list
      elements: dict
    left_out:
      description: The number of implementations that RV(from_boxes.packages) leaves out.
      type: int
    problem:
      description: Why not all of them may be known. Empty if all are.
      type: str
errors:
  description: What else could not be read, and why.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._host import reading
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/cache/0install.net/implementations"},
            "record": {"type": "path", "default": "/var/lib/zeroinstall.virtualbox/verified"},
            "groups": {"type": "path"},
            "groups_record": {"type": "path", "default": "~/.local/state/zeroinstall.virtualbox/verified"},
            "programs": {"type": "path"},
            "arrangement": {"type": "str", "default": "default"},
            "keep": {"type": "int", "default": 10},
            "feeds": {
                "type": "list",
                "elements": "path",
                "default": ["/var/cache/0install.net/interfaces", "~/.cache/0install.net/interfaces"],
            },
            "boxes": {"type": "list", "elements": "str", "default": []},
            "inbox": {"type": "path"},
            "max_entries": {"type": "int", "default": 3000000},
        },
        supports_check_mode=True,
    )
    answer(module, reading.run)


if __name__ == "__main__":
    main()
