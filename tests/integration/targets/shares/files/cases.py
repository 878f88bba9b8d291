# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run VBoxManage for cases: cases.py VBOXMANAGE CASES KEY, with CASES a list of objects in JSON.

KEY is the name of each object's list of commands; the word MACHINE in them stands for the object's name. Prints an
object with the output of the commands by name.
"""

from __future__ import annotations

import json
import subprocess
import sys

manage, cases, key = sys.argv[1:]
told = {}
for case in json.loads(cases):
    commands = [[case["name"] if word == "MACHINE" else word for word in words] for words in case.get(key, [])]
    told[case["name"]] = "".join(
        subprocess.run([manage, *words], check=True, stdout=subprocess.PIPE, text=True).stdout for words in commands
    )
print(json.dumps(told))
