# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for a kernel that has vboxsf: what Python reads of the mounts calls those by bindfs what they stand for.

They are of type `fuse.bindfs` and named by the path of the folder that stands for a share, where a kernel with the
driver says `vboxsf` and the share's name. A file of the name of this one with `.pth` loads this into every Python.
"""

import builtins
import io

_open = builtins.open


def _standin(file, *arguments, **options):
    if file != "/proc/self/mountinfo":
        return _open(file, *arguments, **options)
    with _open(file, *arguments, **options) as real:
        return io.StringIO(real.read().replace(" - fuse.bindfs /srv/shares/", " - vboxsf "))


builtins.open = _standin
