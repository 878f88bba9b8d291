# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the guests' root: byte code of {"sources": {name: text}, "wrappers": [text]} on stdin, as JSON on stdout.

The result is {"magic": base64, "code": [[name, file, base64], ...]}; the files are those that warmd.py looks for.
A source with a syntax error is left out: its import shows the error.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import marshal
import sys
import zlib


def key(name, data):
    """As in warmd.py."""
    return "%08x-%x-%s" % (zlib.crc32(data), len(data), name.replace("/", "."))


def main():
    request = json.load(sys.stdin)
    texts = list(request["sources"].items()) + [("wrapper.py", text) for text in request["wrappers"]]
    result = []
    for name, text in texts:
        data = text.encode()
        try:
            code = compile(data, name, "exec", dont_inherit=True)
        except SyntaxError:
            continue
        result.append([name, key(name, data), base64.b64encode(marshal.dumps(code)).decode()])
    json.dump({"magic": base64.b64encode(importlib.util.MAGIC_NUMBER).decode(), "code": result}, sys.stdout)


main()
