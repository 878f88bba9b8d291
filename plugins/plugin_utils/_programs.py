# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that roles install, made of the collection's own code: the import service's and the guests'."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import typing as t
import zipfile
from pathlib import Path, PurePosixPath

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names

_PACKAGE = "ansible_collections.zeroinstall.virtualbox"
_UTILS = _PACKAGE + ".plugins.module_utils"
_COLLECTION = Path(__file__).parents[2]
_MAIN = "import sys\n\nfrom {module} import main\n\nsys.exit(main())\n"

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can have."""
_READABLE = 0o100644 << 16
_UNIX = 3

PYTHON = "/usr/bin/python3"
"""Where distributions have Python."""
_PATH = re.compile(r"(/[A-Za-z0-9._+-]+)+")
_LONGEST_PATH = 100
"""Some kernels read no more than 127 bytes of a first line."""


def service() -> bytes:
    """The program of the import service. The same code always makes the same bytes."""
    return _archive(_UTILS + "._inbox.service")


def secure_add(python: str) -> str:
    """What hands packages to a guest's host: plain Python that this interpreter runs, by itself alone."""
    return f"#!{python} -IS\n" + _source(_UTILS + "._guest.secure_add")


def interpreter(has_usual: bool, *found: object) -> str:
    """The Python that runs a program in a guest: where distributions have it, if it is there.

    Otherwise it is the first of those that Ansible found there, unless others than root may have made it.
    """
    for path in () if has_usual else found:
        if isinstance(path, str) and _PATH.fullmatch(path) and len(path) <= _LONGEST_PATH and _is_roots(path):
            return path
    return PYTHON


def sha256(text: str) -> str:
    """The digest of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _is_roots(path: str) -> bool:
    return ".." not in path.split("/") and not path.startswith(_names.HIDDEN_FOLDERS)


def _archive(module: str) -> bytes:
    """A zip archive that Python runs: a module's function ``main``, and all of this collection that it imports.

    Nothing in it is compressed, for what comes of that depends on the version of zlib.
    """
    texts = {"__main__.py": _MAIN.format(module=module), **_with_imports(module)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, texts[name].encode())
    return packed.getvalue()


def _with_imports(module: str) -> dict[str, str]:
    """A module and those that it imports: their paths below the folder of collections, and their texts."""
    waiting, texts = [module], {}
    while waiting:
        name = waiting.pop()
        path = f"{name.replace('.', '/')}.py"
        if path in texts or not _file(path).is_file():
            continue
        texts[path] = _source(name)
        for folder in list(PurePosixPath(path).parents)[:-1]:
            texts[f"{folder}/__init__.py"] = ""  # as those of this collection are
        waiting += _imports(texts[path])
    return texts


def _imports(text: str) -> t.Iterator[str]:
    """What a module may import of this collection, and names of what is in that."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_UTILS):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(path: str) -> Path:
    return _COLLECTION / PurePosixPath(path).relative_to(_PACKAGE.replace(".", "/"))


def _source(module: str) -> str:
    return _file(f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
