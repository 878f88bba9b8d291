# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a machine's write lock through VirtualBox's API, as its settings dialog does: lock.py UUID SECONDS."""

from __future__ import annotations

import sys
import time

import vboxapi

manager = vboxapi.VirtualBoxManager(None, None)
session = manager.getSessionObject()
manager.getVirtualBox().findMachine(sys.argv[1]).lockMachine(session, manager.constants.LockType_Write)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
session.unlockMachine()
manager.deinit()
