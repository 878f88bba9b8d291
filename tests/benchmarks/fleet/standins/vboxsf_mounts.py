# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for a kernel that has vboxsf: what Python reads of mounts calls those of ``mount.vboxsf`` by their share.

A file of this name with ``.pth`` loads it into every Python of a guest.
"""

import builtins
import io

_open = builtins.open


def _standin(file, *arguments, **options):
    if file != "/proc/self/mountinfo":
        return _open(file, *arguments, **options)
    with _open(file, *arguments, **options) as real:
        return io.StringIO(real.read().replace(" - tmpfs standin:", " - vboxsf "))


builtins.open = _standin
