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
  - Reads every implementation of a store, makes its manifest anew, and compares its digest with its name. C(0store
    audit) does that, too. This module uses all processors, and is stricter. It changes nothing.
  - If the module cannot read something, it reports that and verifies the rest.
  - It may run while somebody writes to the store whom you do not trust. It follows no link, opens nothing that blocks,
    bounds its memory, and reports what changes while it reads. A file may have holes, which take no space on disk. The
    module reads at most O(max_holes) bytes of them.
  - On file systems of this machine, it also tells who else may change or abuse an implementation. Root and the owner of
    the store may change it. The members of the store's group may, too, if the group may write the store.
  - Somebody who can write a store can make the lists in the result very long. So the module cuts these lists, and
    returns the number of all entries beside them.
author:
  - zeroinstall.virtualbox contributors (@zeroinstall)
extends_documentation_fragment:
  - zeroinstall.virtualbox.attributes
  - zeroinstall.virtualbox.attributes.info
  - zeroinstall.virtualbox.progress
options:
  path:
    description: The stores, which are folders C(…/0install.net/implementations). None may be a symbolic link.
    type: list
    elements: path
    required: true
  names:
    description:
      - Verify only these implementations, in each store that has them. If no store has one, that is a problem.
      - An empty list verifies none. By default the module verifies all.
    type: list
    elements: str
  workers:
    description: Number of processes. V(0) means one for each processor that the module may use.
    type: int
    default: 0
  mode:
    description:
      - V(full) reads everything.
      - V(changed) passes over implementations that were found sound before, if the kernel tells that they have not
        changed since. See O(record). It finds no damage by the disk itself, and nothing that root on this machine
        hides. On file systems whose times somebody else controls, such as vboxsf and NFS, the module reads everything
        instead. Run V(full) from time to time.
    type: str
    choices: [full, changed]
    default: full
  record:
    description:
      - Folder for the records of what was found sound, with O(mode=changed). It belongs to the user who runs the
        module, and only that user can read or write it. It must not be in a store, nor in anything that is shared.
      - The module does not use a record that is damaged, of somebody else, of another store or from before the last
        boot.
      - Check mode uses a record, but does not write one.
      - With O(keep_result=true), what was found is in this folder, too.
    type: path
    default: /var/lib/zeroinstall.virtualbox/verified
  keep_result:
    description:
      - Whether to keep the numbers and the first problems of each store in O(record), for
        M(zeroinstall.virtualbox.store_info). The next run with this option replaces them.
      - The module keeps nothing if O(names) says what to verify, and nothing in check mode.
    type: bool
    default: false
  fail_on_problem:
    description: Whether the module fails if there is a problem.
    type: bool
    default: true
  max_details:
    description: Largest number of changed lines of a manifest in the result of each problem.
    type: int
    default: 10
  max_holes:
    description:
      - How many bytes of holes a run reads at most, in all files together. A hole is a part of a file that was never
        written, and takes no space on disk. The default is 4 GiB.
      - If C(.manifest) shows that a file with large holes is wrong, the implementation is V(corrupt), and the module
        does not read it. If the file could be right, but has more holes than are left to read, the implementation is
        V(error).
    type: int
    default: 4294967296
  return_names:
    description: Whether to return the names of all implementations.
    type: bool
    default: false
  feeds:
    description: >-
      Folders in which Zero Install has cached feeds, such as V(/var/cache/0install.net/interfaces). They tell what
      implementations with problems are called. The module reads them only if there are problems.
    type: list
    elements: path
    default: []
  programs:
    description: >-
      Folder with the record of programs, as the option O(zeroinstall.virtualbox.programs#module:path) has it. It tells
      the same.
    type: path
notes:
  - Run it as a user who can read all of the store. Its owner and root can.
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
      description: Implementations that the module looked at.
      type: int
      sample: 200
    ok:
      description: Sound implementations.
      type: int
      sample: 198
    corrupt:
      description: Corrupt implementations.
      type: int
      sample: 1
    exposed:
      description: Implementations whose contents are right, but which others may change or abuse.
      type: int
      sample: 0
    problems:
      description: Implementations that are not sound, including those that RV(problems) leaves out.
      type: int
      sample: 2
    error:
      description:
        - Implementations that the module could not read, that changed meanwhile, or that are missing. The module knows
          nothing about them.
      type: int
      sample: 1
    skipped:
      description: Other names in the stores, including those that RV(skipped_names) leaves out.
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
    - What is not sound, in byte order of the names. The list has at most 1000, and at most two megabytes as JSON, those
      with the names of implementations first. RV(summary.problems) is the number of all.
  returned: when the stores could be opened
  type: list
  elements: dict
  contains:
    name:
      description: >-
        The name in the store. Here and in all other results, bytes that are not UTF-8 and characters that cannot be
        printed appear as backslash escapes.
      type: str
      sample: sha256=1b4d1473a71135ece93d26cd38665330f27374307898125f2beaed45342be6b8
    path:
      description: Its path.
      type: str
    program:
      description: What its feed calls it. Empty if none of O(feeds), and no document of O(programs), has its digest.
      type: str
      sample: Firefox
    version:
      description: Its version, or empty.
      type: str
    status:
      description:
        - V(corrupt) if it does not match its name, V(error) if the module could not find that out.
        - V(exposed) if it matches its name, but others may change or abuse it.
      type: str
      sample: corrupt
    reason:
      description:
        - V(contents) - the contents do not match the name, but C(.manifest) does.
        - V(manifest) - C(.manifest) does not match the name, but the contents do.
        - V(renamed) - contents and C(.manifest) match each other, but not the name.
        - V(contents_and_manifest) - neither matches the name, and they do not match each other.
        - V(no_manifest) - the contents do not match the name, and there is no C(.manifest).
        - V(manifest_type) - C(.manifest) is no regular file.
        - V(file_type) - it contains something that is no file, directory or symbolic link.
        - V(file_name) - it contains a name with a newline, or one that is not UTF-8.
        - V(mode_bits) - something in it has a setuid or setgid bit.
        - V(size) - a file has large holes that C(.manifest) does not mention. The module does not read such a file.
        - V(path_length) - it contains a path of more than 262144 bytes.
        - V(writable) - its contents are right, but others may change them, by its modes or ACLs.
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
      description: The digest that it should have, which is its name.
      type: str
    actual:
      description: The name that its contents would have, or null if that is not known.
      type: str
    recorded:
      description: The name that its C(.manifest) would have, or null if that is not known.
      type: str
    changes:
      description: >-
        Lines of the manifest that differ. V(-) marks lines that only the recorded manifest has, and V(+) marks lines
        of the contents.
      type: list
      elements: str
      sample:
        - -F 0a4d55a8d778e5022fab701977c5d840bbc486d0 30 11 Hello
        - +F 430ce34d020724ed75a196dfc2ad67c77772d169 30 12 Hello
    changes_left_out:
      description: The number of differing lines that RV(problems[].changes) leaves out.
      type: int
      sample: 0
corrupt:
  description:
    - The names of corrupt implementations, for each store that has any, as M(zeroinstall.virtualbox.store_quarantine)
      takes them. The keys are the paths of O(path), expanded and without a slash at their end.
    - The lists have at most 50000 names, and at most four megabytes as JSON, those with the names of implementations
      first. RV(summary.corrupt) is the number of all.
  returned: when the stores could be opened
  type: dict
  sample:
    /var/cache/0install.net/implementations:
      - sha256=1b4d1473a71135ece93d26cd38665330f27374307898125f2beaed45342be6b8
skipped_names:
  description:
    - Names in the stores that are no names of implementations. The list has at most 1000, and at most 256 kilobytes as
      JSON.
    - This result is not called C(skipped), because Ansible would then take the whole task for skipped.
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
      description: Why the module passes over it.
      type: str
      sample: a temporary name of Zero Install's own tools
quarantined:
  description: >-
    How many implementations wait in the folder C(.quarantine) beside each store that has any there, before this run.
    The keys are the paths of O(path).
  returned: when the stores could be opened
  type: dict
  sample: {"/var/cache/0install.net/implementations": 2}
names_digest:
  description: SHA-256 of the names of all implementations in the stores, sorted as bytes, each with a newline.
  returned: when the stores could be opened
  type: str
names:
  description: The names of all implementations in the stores, at most 100000.
  returned: with O(return_names=true)
  type: list
  elements: str
names_by_store:
  description: The same by the path of each store, if there are several. All together are at most 100000.
  returned: with O(return_names=true)
  type: dict
names_left_out:
  description: The number of names that RV(names) leaves out, or RV(names_by_store).
  returned: with O(return_names=true)
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._host import verification
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._modules import answer


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "list", "elements": "path", "required": True},
            "names": {"type": "list", "elements": "str"},
            "workers": {"type": "int", "default": 0},
            "mode": {"type": "str", "choices": ["full", "changed"], "default": "full"},
            "record": {"type": "path", "default": "/var/lib/zeroinstall.virtualbox/verified"},
            "keep_result": {"type": "bool", "default": False},
            "fail_on_problem": {"type": "bool", "default": True},
            "max_details": {"type": "int", "default": 10},
            "max_holes": {"type": "int", "default": 4294967296},
            "return_names": {"type": "bool", "default": False},
            "feeds": {"type": "list", "elements": "path", "default": []},
            "programs": {"type": "path"},
            "progress": {"type": "float", "default": 10},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    answer(module, verification.run)


if __name__ == "__main__":
    main()
