# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter: a fork server in the guest that has Ansible's module_utils loaded (warmd.py, warmpy.c).

Without it an Ansible module run takes about 130 s in a guest, nearly all of it Python compiling the module's sources.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import os
import re
import shlex
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from .cache import fingerprint
from .console import LabError, run

FOLDER = "/opt/warm"  # as the guest sees it
INTERPRETER = FOLDER + "/python"
COLLECTION = Path(__file__).resolve().parents[3]
MODULE_UTILS = "ansible_collections/zeroinstall/virtualbox/plugins/module_utils"
RUN_IN_EVERY_GUEST = tuple(
    f"ansible_collections/zeroinstall/virtualbox/plugins/modules/{name}.py" for name in ("guest_info", "mounts")
)
LEARN_FROM = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.stat: {path: /}
    - ansible.builtin.file: {path: /, state: directory}
    - ansible.builtin.command: {cmd: /bin/true}
    - ansible.builtin.slurp: {src: /etc/hosts}
    - ansible.builtin.find: {paths: /nowhere}
    - ansible.builtin.lineinfile: {path: /etc/hosts, line: learn}
      check_mode: true
    - ansible.builtin.copy: {content: learn, dest: /tmp/learn}
      check_mode: true
    - ansible.builtin.user: {name: root}
      check_mode: true
    - ansible.builtin.group: {name: root}
      check_mode: true
    - ansible.posix.mount: {path: /nowhere, src: learn, fstype: tmpfs, state: present}
      check_mode: true
"""


@dataclass(frozen=True)
class Ansible:
    """An installation of Ansible: its interpreter, and the folders of ansible and of ansible_collections."""

    python: Path
    ansible: Path
    collections: Path
    key: str


def find_ansible(python: str | None) -> Ansible:
    """The installation of this interpreter: the one given, or that of the ansible-playbook in PATH."""
    python = python or os.environ.get("ZEROINSTALL_VIRTUALBOX_ANSIBLE_PYTHON")
    if not python:
        playbook = shutil.which("ansible-playbook")
        if not playbook:
            raise LabError("guests are made for the Ansible that drives them: give --ansible-python, or put it in PATH")
        python = str(Path(os.path.realpath(playbook)).parent / "python3")
    code = (
        "import importlib.util as u, json\n"
        "find = lambda name: list((s := u.find_spec(name)) and s.submodule_search_locations or [None])[0]\n"
        "print(json.dumps([find('ansible'), find('ansible_collections')]))"
    )
    answer = run(python, "-I", "-c", code, check=False)
    ansible, collections = json.loads(answer.stdout) if not answer.returncode else (None, None)
    if not ansible or not collections:
        raise LabError(
            "%s has no ansible with its collections (the PyPI package `ansible`)\n%s" % (python, answer.stderr)
        )
    sources = [
        ansible + "/release.py",
        *_sources(Path(ansible, "module_utils")),
        *_sources(Path(collections, "ansible/posix/plugins")),
    ]
    return Ansible(
        Path(python),
        Path(ansible),
        Path(collections),
        fingerprint(Path(file).read_bytes() for file in sources),
    )


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def build(target: Path, root: Path, programs: Path, ansible: Ansible) -> None:
    """Fill TARGET (the guest's /opt/warm) for a guest root ROOT: server, client, Ansible's sources and their byte code.

    The byte code is made by the guest's own Python, which runs here at this machine's speed.
    """
    learned = payloads(ansible, target.parent)
    (target / "code").mkdir(parents=True)
    shutil.copy(programs / "warmd.py", target)
    shutil.copy(programs / "compile.py", target)
    run("gcc", "-O2", "-Wall", "-static", "-s", "-o", target / "python", programs / "warmpy.c")

    sources: dict[str, bytes] = {}
    for base, name in (
        (ansible.ansible, "ansible"),
        (ansible.collections / "ansible/posix", "ansible_collections/ansible/posix"),
    ):
        for part in ("modules", "module_utils", "plugins/modules", "plugins/module_utils"):
            for file in _sources(base / part):
                sources["%s/%s" % (name, file.relative_to(base))] = file.read_bytes()
    preloaded: set[str] = set()
    for wrapper, files in learned:
        if wrapper:
            (target / "code" / ("wrapper-%08x.py" % zlib.crc32(wrapper))).write_bytes(wrapper)
        sources.update(files)  # what differs from the installation (generated files) is as in the payload
        preloaded.update(file for file in files if file.startswith("ansible/module_utils/") and "/facts/" not in file)
    preloaded.add("ansible/__init__.py")
    for name, data in sources.items():
        file = target / "lib" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (target / "preload").write_text(
        "".join("%s %08x %d\n" % (name, zlib.crc32(sources[name]), len(sources[name])) for name in sorted(preloaded))
    )
    magic, codes = compile_sources(root, target, sources, target / "code")
    for name in preloaded:  # unchecked hash-based pyc files (PEP 552), so that the server's own imports are quick too
        source = target / "lib" / name
        (source.parent / "__pycache__").mkdir(exist_ok=True)
        (source.parent / "__pycache__" / (source.stem + ".cpython-311.pyc")).write_bytes(
            magic + b"\1\0\0\0" + bytes(8) + codes[name]
        )
    for wrapper in (target / "code").glob("wrapper-*.py"):
        wrapper.unlink()


def compile_sources(root: Path, target: Path, sources: dict[str, bytes], into: Path) -> tuple[bytes, dict[str, bytes]]:
    """Byte code of sources by a guest root's Python, as warmd.py looks for it, into a folder.

    Returned: that Python's magic number, and the code by the names of the sources.
    All goes through the program's input and output: nothing need be mounted in the root.
    """
    request = {
        "wrappers": [file.read_text() for file in sorted(into.glob("wrapper-*.py"))],
        "sources": {name: data.decode() for name, data in sources.items()},
    }
    answer = run(
        "chroot",
        root,
        "/usr/bin/python3",
        "-I",
        "-c",
        (target / "compile.py").read_text(),
        text=json.dumps(request),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
    )
    result = json.loads(answer.stdout)
    codes = {}
    for name, file, text in result["code"]:
        codes[name] = base64.b64decode(text)
        (into / file).write_bytes(codes[name])
    return base64.b64decode(result["magic"]), codes


def compile_collection(root: Path, layer: Path, work: Path) -> None:
    """Byte code of this collection's own modules, as they are now, into a guest's work folder.

    Beside it is the list of what the interpreter's server loads: what the modules import that every guest runs.
    """
    into = work / "code"
    into.mkdir(exist_ok=True)
    packages = ("ansible_collections", "ansible_collections/zeroinstall")
    sources = {f"{package}/__init__.py": b"" for package in packages}  # Ansible makes the packages' files
    for part in ("", "plugins/", "plugins/modules/", "plugins/module_utils/"):
        sources["ansible_collections/zeroinstall/virtualbox/%s__init__.py" % part] = b""
    for part in ("modules", "module_utils"):
        for file in _sources(COLLECTION / "plugins" / part):
            name = "ansible_collections/zeroinstall/virtualbox/%s" % file.relative_to(COLLECTION)
            sources[name] = file.read_bytes()
    compile_sources(root, layer / FOLDER.lstrip("/"), sources, into)
    names = [name for name in sources if name.endswith("/__init__.py") and "/modules/" not in name]
    names += imported(sources, *RUN_IN_EVERY_GUEST)
    lines = ["%s %08x %d\n" % (name, zlib.crc32(sources[name]), len(sources[name])) for name in names]
    (into / "preload").write_text("".join(lines))


def imported(sources: dict[str, bytes], *paths: str) -> list[str]:
    """The files of this collection's module_utils that these files import, and what those import, those first."""
    found: list[str] = []
    prefix = MODULE_UTILS.replace("/", ".")
    for path in paths:
        for node in ast.walk(ast.parse(sources[path])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix):
                tail = (node.module or "").removeprefix(prefix).replace(".", "/")
                for name in (f"{tail}/{alias.name}" for alias in node.names):
                    file = f"{name}.py" if f"{MODULE_UTILS}{name}.py" in sources else f"{tail}.py"
                    found += [*imported(sources, MODULE_UTILS + file), MODULE_UTILS + file]
    return list(dict.fromkeys(found))


def payloads(ansible: Ansible, workplace: Path) -> list[tuple[bytes, dict[str, bytes]]]:
    """What Ansible pipes into Python for some common modules: the wrapper's constant head, and the files of its zip.

    The head is empty before ansible-core 2.19, where the wrapper has its data in the midst of it.
    (Not the files that it leaves with ANSIBLE_KEEP_REMOTE_FILES: those differ, they have comments.)
    """
    play, configuration, sent = workplace / "learn.yml", workplace / "ansible.cfg", workplace / "sent"
    sent.mkdir(parents=True)
    play.write_text(LEARN_FROM)
    configuration.write_text("")
    recorder = sent / "python"
    recorder.write_text(
        "#!/bin/sh\ncat >%(sent)s/$$.program\nexec %(python)s - <%(sent)s/$$.program\n"
        % {"sent": shlex.quote(str(sent)), "python": shlex.quote(str(ansible.python))}
    )
    recorder.chmod(0o755)
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(workplace),
        "LANG": "C.UTF-8",
        "ANSIBLE_HOME": str(workplace / "home"),
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": str(recorder),
    }
    run(ansible.python, "-m", "ansible", "playbook", "-i", "localhost,", play, env=environment)
    learned = []
    for file in sent.glob("*.program"):
        text = file.read_bytes()
        data = re.search(rb"(?:zip_data=|ZIPDATA = )(['\"])([A-Za-z0-9+/=]+)\1", text)
        head, found, _call = text.partition(b'\nif __name__ == "__main__":\n    _ansiballz_main(')
        if not data or not (found or data[0].startswith(b"Z")):
            raise LabError("this Ansible wraps modules in a form that the warm interpreter does not know")
        head = re.sub(rb"\A#!.*", b"#!" + INTERPRETER.encode(), head)  # the only thing in it that depends on the host
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(data.group(2)))) as archive:
            learned.append((head + b"\n" if found else b"", {item: archive.read(item) for item in archive.namelist()}))
    for leftover in (play, configuration, sent, workplace / "home", workplace / ".ansible"):
        shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    if not learned:
        raise LabError("Ansible sent no module to learn from")
    return learned
