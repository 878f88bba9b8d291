# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the byte code of what Python imports out of zip files, which it does not do by itself.

Every module of Ansible's comes in a zip with all that it imports, and compiling that is most of what a run of it costs.
The tests put this into the Python of the hosts and guests that they make (`install`).
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
import zlib

FOLDER = "/var/tmp/%s-of-%d" % (sys.implementation.cache_tag, os.geteuid())


def install(root):
    """Put this into the Python of Debian's in a root folder."""
    packages = os.path.join(root, "usr/lib/python3/dist-packages")
    with open(__file__, encoding="utf-8") as source:
        texts = {"kept_code.py": source.read(), "kept_code.pth": "import kept_code; kept_code.start()\n"}
    for name, text in texts.items():
        with open(os.path.join(packages, name), "w", encoding="utf-8") as file:
            file.write(text)


def start():
    """From now on."""
    compile_anew = zipimport._compile_source

    def compile_source(path, source):
        file = "%s/%08x-%x-%s" % (FOLDER, zlib.crc32(source), len(source), os.path.basename(path))
        try:
            with open(file, "rb") as kept:
                code = marshal.loads(kept.read())
        except (OSError, ValueError, EOFError):
            code = compile_anew(path, source)
            _keep(file, code)
        else:
            _imp._fix_co_filename(code, path)
        return code

    zipimport._compile_source = compile_source


def _keep(file, code):
    temporary = "%s.%d" % (file, os.getpid())
    try:
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        with open(temporary, "wb") as kept:
            kept.write(marshal.dumps(code))
        os.rename(temporary, file)
    except OSError:
        pass  # slower the next time
