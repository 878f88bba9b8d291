# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a real VirtualBox host and real guests, without VirtualBox's kernel driver.  See ../README.md."""
