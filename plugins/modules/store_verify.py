#!/usr/bin/python
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: store_verify
short_description: Verify the digests of the implementations in Zero Install's stores
version_added: 0.1.0
description:
  - Reads every implementation of a store, makes its manifest anew, and compares its digest with its name, as
    C(0store audit) does, with all processors and stricter. It changes nothing.
  - What cannot be read is reported, and the rest is verified all the same.
  - It may run while somebody who is not trusted writes to the store. No link is followed, nothing that blocks is
    opened, memory is bounded, and what changes while it is read is reported. What is on no disk, the holes of files,
    is read up to O(max_holes).
  - On file systems of this machine it also tells who else may change or abuse an implementation. Root and the owner of
    the store may, and, where the store is writable by its group, the group's members.
  - Lists in the result are cut, with their true number beside them. Whoever writes a store makes them as long as they
    like.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
options:
  path:
    description: The stores, folders C(…/0install.net/implementations). None may be a symbolic link.
    type: list
    elements: path
    required: true
  names:
    description:
      - Verify only these implementations, in each store that has them. One that no store has is a problem.
      - An empty list verifies none. By default, all are verified.
    type: list
    elements: str
  workers:
    description: Number of processes, V(0) for one for each processor that the module may use.
    type: int
    default: 0
  mode:
    description:
      - V(full) reads everything.
      - V(changed) passes over what was found sound before and has not changed since by what the kernel tells, see
        O(record). It does not find what a disk damages by itself, nor what root on this machine hides. It must not be
        used, and is not, on file systems whose times somebody else controls, such as vboxsf and NFS; there,
        everything is read. Run V(full) from time to time.
    type: str
    choices: [full, changed]
    default: full
  record:
    description:
      - Folder for what was found sound, with O(mode=changed). It belongs to the user who runs the module, and only that
        user can read or write it. It must not be in a store, nor in anything that is shared.
      - A record that is damaged, of somebody else, of another store or from before the last boot is not used.
      - In check mode, it is used but not written.
    type: path
    default: /var/lib/zeroinstall.virtualbox/verified
  fail_on_problem:
    description: Whether a problem is a failure.
    type: bool
    default: true
  max_details:
    description: At most so many changed lines of a manifest are told for each problem.
    type: int
    default: 10
  max_holes:
    description:
      - Bytes of holes that a run reads at most, over all files. A hole is a part of a file that was never written, and
        that takes no room on disk. By default 4 GiB.
      - An implementation whose C(.manifest) shows that a file with large holes is wrong is V(corrupt), and not read.
        One that could be right, but has more holes than are left to read, is V(error).
    type: int
    default: 4294967296
  return_names:
    description: Whether to return the names of all implementations.
    type: bool
    default: false
  progress:
    description:
      - Seconds between two lines that tell how far a long run is.
      - They appear in the output of C(ansible-playbook). With a callback that prints JSON, use V(0).
      - V(0) tells nothing, and saves running the module in the background, which needs a writable
        C(ansible_async_dir).
    type: float
    default: 10
  progress_file:
    description:
      - A file that is replaced about once a second, and at the end, with a JSON object of how far the run is.
        Whoever removes it meanwhile ends the run.
      - By default, with O(progress), one in C(ansible_async_dir) that is removed at the end.
    type: path
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the
      controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details: Then no progress is told.
notes:
  - Run as a user who can read all of the store. Its owner and root can.
seealso:
  - module: zeroinstall.virtualbox.store_quarantine
  - name: Manifests
    description: Zero Install's specification of manifests and digests.
    link: https://docs.0install.net/specifications/manifest/
"""

EXAMPLES = r"""
- name: Verify the system's store
  zeroinstall.virtualbox.store_verify:
    path: /var/cache/0install.net/implementations

- name: Verify what changed since the last time, and go on with problems
  zeroinstall.virtualbox.store_verify:
    path: /var/cache/0install.net/implementations
    mode: changed
    fail_on_problem: false
  register: result

- name: Name the corrupt ones
  ansible.builtin.debug:
    msg: "{{ result.corrupt['/var/cache/0install.net/implementations'] | default([]) }}"
"""

RETURN = r"""
summary:
  description: Numbers.
  returned: when the stores could be opened
  type: dict
  contains:
    implementations:
      description: Implementations that were looked at.
      type: int
      sample: 200
    ok:
      description: Those that are sound.
      type: int
      sample: 198
    corrupt:
      description: Those that are not.
      type: int
      sample: 1
    exposed:
      description: Those whose contents are right, and which others may change or abuse.
      type: int
      sample: 0
    problems:
      description: Those that are not sound, also where RV(problems) is cut.
      type: int
      sample: 2
    error:
      description: Those of which nothing is known, because they could not be read, changed meanwhile, or are missing.
      type: int
      sample: 1
    skipped:
      description: Names in the stores that are none of implementations, also where RV(skipped_names) is cut.
      type: int
      sample: 0
    unchanged:
      description: Those of RV(summary.ok) that were not read, because nothing changed. Only with O(mode=changed).
      type: int
      sample: 0
    files:
      description: Files in sound and corrupt implementations.
      type: int
      sample: 20000
    bytes:
      description: Bytes in them.
      type: int
      sample: 1400000000
    seconds:
      description: How long it took.
      type: float
      sample: 0.9
problems:
  description:
    - What is not sound, in byte order of the names. At most 1000, and at most two megabytes as JSON, those with the
      names of implementations first. RV(summary.problems) is their number.
  returned: when the stores could be opened
  type: list
  elements: dict
  contains:
    name:
      description: >-
        The name in the store. Here and below, bytes that are no UTF-8 and characters that cannot be printed appear as
        backslash escapes.
      type: str
      sample: sha256=1b4d1473a71135ece93d26cd38665330f27374307898125f2beaed45342be6b8
    path:
      description: Its path.
      type: str
    status:
      description:
        - V(corrupt) if it is not what its name says, V(error) if that could not be found out.
        - V(exposed) if it is what its name says, but others may change or abuse it.
      type: str
      sample: corrupt
    reason:
      description:
        - V(contents) - the contents do not match the name, but C(.manifest) does.
        - V(manifest) - C(.manifest) does not match the name, but the contents do.
        - V(renamed) - contents and C(.manifest) match each other, but not the name.
        - V(contents_and_manifest) - neither matches the name, nor the other.
        - V(no_manifest) - the contents do not match the name, and there is no C(.manifest).
        - V(manifest_type) - C(.manifest) is no regular file.
        - V(file_type) - it has something that is no file, directory or symbolic link.
        - V(file_name) - it has a name with a newline, or one that is not UTF-8.
        - V(mode_bits) - it has a setuid or setgid bit.
        - V(size) - it has a file with large holes of which its C(.manifest) does not tell. Such a file is not read.
        - V(path_length) - it has a path of more than 262144 bytes.
        - V(writable) - its contents are right, but others may change them by its modes or ACLs.
        - V(owner) - its contents are right, but something in it belongs to a user who may not write the store.
        - V(capabilities) - its contents are right, but a file in it gives capabilities to whoever runs it.
        - V(sparse) - it has more holes than O(max_holes) allows, and was not read.
        - V(name) - its name begins like a digest but is none.
        - V(symlink) - it is a symbolic link.
        - V(not_a_directory) - it is no directory.
        - V(unreadable) - it cannot be read.
        - V(changed) - it changed while it was read.
        - V(missing) - no store has it.
        - V(worker) - the process that read it was ended.
      type: str
      sample: contents
    detail:
      description: The reason for people, with the place in the implementation.
      type: str
    expected:
      description: What its digest should be, its name.
      type: str
    actual:
      description: The name that its contents would have, or null if that is not known.
      type: str
    recorded:
      description: The name that its C(.manifest) would have, or null if that is not known.
      type: str
    changes:
      description: >-
        Lines of the manifest that differ, V(-) before those that only the recorded one has and V(+) before those of
        the contents.
      type: list
      elements: str
      sample:
        - -F 0a4d55a8d778e5022fab701977c5d840bbc486d0 30 11 Hello
        - +F 430ce34d020724ed75a196dfc2ad67c77772d169 30 12 Hello
    changes_left_out:
      description: How many more lines differ.
      type: int
      sample: 0
corrupt:
  description:
    - The names of what is corrupt, for each store that has any, as M(zeroinstall.virtualbox.store_quarantine) takes
      them. Stores have the paths of O(path), expanded and without a slash at their end.
    - At most 50000, and at most four megabytes as JSON, those with the names of implementations first.
      RV(summary.corrupt) is their number.
  returned: when the stores could be opened
  type: dict
  sample:
    /var/cache/0install.net/implementations:
      - sha256=1b4d1473a71135ece93d26cd38665330f27374307898125f2beaed45342be6b8
skipped_names:
  description:
    - Names in the stores that are none of implementations. At most 1000, and at most 256 kilobytes as JSON.
    - Not C(skipped), by which Ansible would take the whole task for skipped.
  returned: when the stores could be opened
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      sample: tmp-3f2a
    path:
      description: Its path.
      type: str
    reason:
      description: Why it is passed over.
      type: str
      sample: a temporary name of Zero Install's own tools
names_digest:
  description: SHA-256 of the names of all implementations in the stores, sorted as bytes, each with a newline.
  returned: when the stores could be opened
  type: str
names:
  description: The names of all implementations in the stores, at most 100000.
  returned: with O(return_names=true)
  type: list
  elements: str
names_left_out:
  description: How many more names there are.
  returned: with O(return_names=true)
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import verify_report


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "list", "elements": "path", "required": True},
            "names": {"type": "list", "elements": "str"},
            "workers": {"type": "int", "default": 0},
            "mode": {"type": "str", "choices": ["full", "changed"], "default": "full"},
            "record": {"type": "path", "default": "/var/lib/zeroinstall.virtualbox/verified"},
            "fail_on_problem": {"type": "bool", "default": True},
            "max_details": {"type": "int", "default": 10},
            "max_holes": {"type": "int", "default": 4294967296},
            "return_names": {"type": "bool", "default": False},
            "progress": {"type": "float", "default": 10},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    answer(module, verify_report.run)


if __name__ == "__main__":
    main()
