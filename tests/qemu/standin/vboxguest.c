// SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A STAND-IN for the vboxguest of older Guest Additions of Oracle's, for tests in QEMU: it has their version, and does
 * nothing.  Theirs ends at once where VirtualBox's device is missing.
 */
#include <linux/module.h>

MODULE_VERSION("7.0.6 r155176");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test stand-in for vboxguest");
