# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""lock.py UUID FILE: hold a machine's write lock by VirtualBox's API, like its settings dialog, while FILE exists."""

from __future__ import annotations

import os
import sys
import time

import vboxapi

manager = vboxapi.VirtualBoxManager(None, None)
session = manager.getSessionObject()
manager.getVirtualBox().findMachine(sys.argv[1]).lockMachine(session, manager.constants.LockType_Write)
print("locked", flush=True)
while os.path.exists(sys.argv[2]):
    time.sleep(0.1)
session.unlockMachine()
manager.deinit()
