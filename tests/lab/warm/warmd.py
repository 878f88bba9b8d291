# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fork server with Ansible's module_utils loaded; runs in a lab guest, its client is warmpy.c.

    python3 -I warmd.py

Beside it: lib/ (the sources that are loaded), preload (their names, CRCs and sizes, one a line), code/ (byte code).
It emulates `python3 FILE ARGS`, `python3 -c TEXT ARGS` and `python3` with a program on stdin, each in a forked child.

An AnsiballZ payload brings its own module_utils.  If every ansible.* file that is loaded and in the payload has the
payload's CRC and size, the loaded modules serve; if one differs, nothing loaded is used (which FALLBACKS tells).  All
else comes from the payload, its byte code from a cache by name, CRC and size: code/ (made with the state), COLLECTION
(made by the lab for the collection under test, at each start of the guest), FRESH (compiled here, slowly, and told in
COMPILED).

On SIGHUP it also loads what COLLECTION/preload names, in the same form: modules of the collection under test, out of
the byte code beside that list.
"""

from __future__ import annotations

import _imp
import ast
import atexit
import binascii
import codecs
import functools
import gc
import importlib
import importlib.machinery
import importlib.util
import locale
import marshal
import os
import pwd
import re
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types
import typing
import zlib

# what modules import most: loaded once, here
for _name in [
    "array",
    "base64",
    "bz2",
    "collections",
    "configparser",
    "contextlib",
    "copy",
    "ctypes",
    "dataclasses",
    "datetime",
    "difflib",
    "email",
    "encodings.cp437",
    "encodings.idna",
    "errno",
    "fcntl",
    "filecmp",
    "getpass",
    "gettext",
    "glob",
    "grp",
    "hashlib",
    "inspect",
    "io",
    "itertools",
    "json",
    "linecache",
    "logging",
    "lzma",
    "operator",
    "pathlib",
    "pkgutil",
    "platform",
    "queue",
    "random",
    "resource",
    "selectors",
    "shlex",
    "shutil",
    "ssl",
    "stat",
    "string",
    "subprocess",
    "syslog",
    "tempfile",
    "textwrap",
    "typing",
    "uuid",
    "warnings",
    "xml.etree.ElementTree",
    "zipfile",
    "zipimport",
]:
    importlib.import_module(_name)

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = HERE + "/lib"
SOCKET = "/run/warm.sock"
FALLBACKS = "/run/warm-fallbacks"
COMPILED = "/run/warm-compiled"
FRESH = "/run/warm-code"
COLLECTION = "/mnt/lab/code"
TESTED = "ansible_collections/"  # of collections, only the one under test is loaded
PROCESS = "/run/warm.pid"
CODE = (HERE + "/code", COLLECTION, FRESH)
FIRST = ("ansible.module_utils._internal._ansiballz._loader", "ansible.module_utils.basic")

stash = {}  # module name -> module: kept out of sys.modules until a payload with the same sources comes
loaded = {}  # 'ansible/module_utils/basic.py' -> (CRC, size, module name) of what is in the stash


def note(path, text):
    """Add a line to a log that all users may write."""
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), "w") as log:
        log.write(text + "\n")


def listed(file):
    """Module name -> (path, CRC, size) of what a list names."""
    wanted = {}
    with open(file) as lines:
        for line in lines:
            path, crc, size = line.split()
            name = re.sub("/__init__$", "", path[:-3]).replace("/", ".")
            wanted[name] = path, int(crc, 16), int(size)
    return wanted


def load(wanted):
    """Import these modules and put them into the stash, with what they import of Ansible's."""
    for name in [name for name in FIRST if name in wanted] + list(wanted):
        try:
            importlib.import_module(name)
        except Exception as error:
            sys.stderr.write("warmd: %s: %r\n" % (name, error))
    for name, (path, crc, size) in wanted.items():
        if name in sys.modules:
            loaded[path] = crc, size, name
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ansible", "ansible_collections")]:
        stash[name] = sys.modules.pop(name)


def preload():
    """Load what the list beside this file names, from the sources there."""
    sys.path.insert(0, LIBRARY)
    load(listed(HERE + "/preload"))
    sys.path.remove(LIBRARY)


def look_up():
    """Look up once what every program does: the folders of sys.path, the encoding of names in zip files, the locale."""
    sys.path_importer_cache.clear()
    importlib.util.find_spec("no_such_module")
    codecs.lookup("cp437")
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    locale.setlocale(locale.LC_ALL, before)


class ByteCode:
    """Finder and loader for modules of the collection, whose byte code the lab has made."""

    def __init__(self, wanted):
        self.wanted = wanted

    def find_spec(self, name, path=None, target=None):
        """The finder's interface."""
        if name not in self.wanted:
            return None
        file = self.wanted[name][0]
        package = file.endswith("/__init__.py")
        return importlib.machinery.ModuleSpec(name, self, origin=LIBRARY + "/" + file, is_package=package)

    def create_module(self, spec):
        """The loader's interface: the usual module object."""

    def exec_module(self, module):
        """The loader's interface."""
        path, crc, size = self.wanted[module.__name__]
        code = cached(key(path, crc, size))
        if code is None:
            raise ImportError(path)
        _imp._fix_co_filename(code, LIBRARY + "/" + path)
        module.__file__ = LIBRARY + "/" + path
        exec(code, module.__dict__)


def load_collection():
    """Load the modules of the collection that the lab names, in place of those that were loaded before."""
    for path in [path for path in loaded if path.startswith(TESTED)]:
        stash.pop(loaded.pop(path)[2], None)
    finder = ByteCode(listed(COLLECTION + "/preload"))
    sys.modules.update(stash)
    sys.meta_path.insert(0, finder)
    try:
        load(finder.wanted)
    finally:
        sys.meta_path.remove(finder)
    gc.collect()
    gc.freeze()
    sys.stderr.write("%d modules of the collection loaded\n" % sum(path.startswith(TESTED) for path in loaded))
    sys.stderr.flush()


class Base64:
    """Bytes in base64, of which only those are decoded that are asked for."""

    def __init__(self, text):
        self.text = text

    def __len__(self):
        return len(self.text) // 4 * 3 - self.text.count(b"=", -2)

    def __getitem__(self, part):
        before = part.start % 3
        text = self.text[(part.start - before) // 3 * 4 : (part.stop + 2) // 3 * 4]
        return binascii.a2b_base64(text)[before : before + part.stop - part.start]


class Payload:
    """Path entry finder and loader for the zip of an AnsiballZ payload."""

    archives: typing.ClassVar = {}  # path -> [content, table of contents, folder that tracebacks name]

    def __init__(self, path):
        archive, found, prefix = path.partition("_payload.zip")
        if not found or "/ansible_" not in archive:
            raise ImportError(path)
        self.archive = archive + found
        self.prefix = prefix.lstrip("/") + "/" if prefix.strip("/") else ""
        if self.archive not in self.archives:
            try:
                with open(self.archive, "rb") as file:
                    self.add(self.archive, file.read())
            except (OSError, ValueError) as error:
                raise ImportError(path) from error
        self.content, self.table, self.origin = self.archives[self.archive]

    @classmethod
    def add(cls, archive, content):
        """Make the content of a zip file known under a path.  ValueError: it is none."""
        cls.archives[archive] = [content, cls.listing(content), LIBRARY]
        cls.use_loaded(archive)

    @staticmethod
    def listing(content):
        """What is in a simple zip file: {name: (method, CRC, packed size, size, offset)}."""
        size = len(content)
        end = content[size - 22 : size]
        if end[:4] != b"PK\5\6":
            raise ValueError("no zip file, or one with a comment")
        count, size, at = struct.unpack_from("<HII", end, 10)
        directory, at = content[at : at + size], 0
        table, entry = {}, struct.Struct("<10xH4xIIIHHH8xI")
        for _index in range(count):
            method, crc, packed, size, name, extra, comment, offset = entry.unpack_from(directory, at)
            table[directory[at + 46 : at + 46 + name].decode()] = method, crc, packed, size, offset
            at += 46 + name + extra + comment
        return table

    @classmethod
    def use_loaded(cls, archive):
        """Put what is loaded and equal into sys.modules.  What the payload lacks is forgotten, as it would be cold."""
        table = cls.archives[archive][1]
        differing = [
            path
            for path, (crc, size, _name) in loaded.items()
            if path in table and (table[path][1], table[path][3]) != (crc, size)
        ]
        if differing and all(path.startswith(TESTED) for path in differing):  # the collection was changed meanwhile
            table = {path: entry for path, entry in table.items() if not path.startswith(TESTED)}
        elif differing:
            note(FALLBACKS, "not what is loaded, so nothing loaded was used: " + " ".join(differing[:5]))
            cls.archives[archive][2] = archive
            stash.clear()
            return
        absent = [name for path, (_crc, _size, name) in loaded.items() if path not in table]
        for name in absent:
            parent, _dot, leaf = name.rpartition(".")
            if parent and leaf in vars(stash[parent]):
                delattr(stash[parent], leaf)
        for name in absent:
            del stash[name]
        for name, module in stash.items():
            if hasattr(module, "__path__"):
                module.__path__ = [archive + "/" + name.replace(".", "/")]
        sys.modules.update(stash)

    def find_spec(self, name, target=None):
        """The finder's interface."""
        path = self.prefix + name.rpartition(".")[2]
        for file, package in ((path + "/__init__.py", True), (path + ".py", False)):
            if file in self.table:
                spec = importlib.machinery.ModuleSpec(name, self, origin=self.archive + "/" + file, is_package=package)
                spec.has_location = True
                if package:
                    spec.submodule_search_locations.append(self.archive + "/" + path)
                return spec
        if any(file.startswith(path + "/") for file in self.table):
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)  # a namespace package
            spec.submodule_search_locations.append(self.archive + "/" + path)
            return spec
        return None

    def path(self, name):
        """The file of a module in the zip."""
        path = self.prefix + name.rpartition(".")[2]
        return path + "/__init__.py" if path + "/__init__.py" in self.table else path + ".py"

    def bytes(self, path):
        """The content of a file in the zip."""
        method, _crc, packed, _size, offset = self.table[path]
        name, extra = struct.unpack("<HH", self.content[offset + 26 : offset + 30])
        raw = self.content[offset + 30 + name + extra : offset + 30 + name + extra + packed]
        return zlib.decompress(raw, -15) if method == 8 else raw

    def create_module(self, spec):
        """The loader's interface: the usual module object."""

    def exec_module(self, module):
        """The loader's interface."""
        exec(self.get_code(module.__name__), module.__dict__)

    def is_package(self, name):
        """The loader's interface."""
        return self.path(name).endswith("/__init__.py")

    def get_filename(self, name):
        """The loader's interface."""
        return self.archive + "/" + self.path(name)

    def get_data(self, path):
        """The loader's interface."""
        try:
            return self.bytes(path[len(self.archive) + 1 :] if path.startswith(self.archive) else path)
        except KeyError as error:
            raise OSError(0, "", path) from error

    def get_source(self, name):
        """The loader's interface."""
        return self.bytes(self.path(name)).decode()

    def get_code(self, name):
        """The loader's interface."""
        path = self.path(name)
        file = key(path, self.table[path][1], self.table[path][3])
        code = cached(file) or fresh(file, self.bytes(path), path)
        _imp._fix_co_filename(code, self.origin + "/" + path)
        return code


class Gate:
    """First on sys.meta_path: the first import of ansible by a payload wakes the loaded modules."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """The finder's interface."""
        if name == "ansible" and sys.path and sys.path[0].endswith("_payload.zip"):
            sys.meta_path.remove(cls)
            try:
                Payload(sys.path[0])
            except ImportError:
                return None
            if "ansible" in stash:
                return importlib.machinery.ModuleSpec(name, cls, origin=stash["ansible"].__file__, is_package=True)
        return None

    @staticmethod
    def create_module(spec):
        """The loader's interface."""
        spec.submodule_search_locations = stash["ansible"].__path__
        return stash["ansible"]

    @staticmethod
    def exec_module(module):
        """The loader's interface: it is executed already."""


def key(name, crc, size):
    """The name of a byte code file."""
    return "%08x-%x-%s" % (crc, size, name.replace("/", "."))


def cached(file):
    """Code from one of the caches, or None."""
    for folder in CODE:
        try:
            with open(folder + "/" + file, "rb") as data:
                return marshal.loads(data.read())
        except OSError:
            pass
    return None


def fresh(file, source, name):
    """Compile, for the cache too."""
    code = compile(source, name, "exec", dont_inherit=True)
    try:
        os.makedirs(FRESH, 0o755, exist_ok=True)
        temporary = "%s/.%d" % (FRESH, os.getpid())
        with open(temporary, "wb") as data:
            data.write(marshal.dumps(code))
        os.rename(temporary, FRESH + "/" + file)
        note(COMPILED, name)
    except OSError:
        pass  # another user's cache: slower next time, and right
    return code


def script(source, name, module):
    """The code of a program, in parts: of an AnsiballZ wrapper only the call at its end differs, and is compiled.

    `run_payload` stands in for a wrapper that was known when the state was made, `run_older_payload` for one of before
    ansible-core 2.19, in which the data are.
    """
    older = b"_ANSIBALLZ_WRAPPER" in source[:4000] and len(sys.argv) < 2 and OLDER_WRAPPER.search(source)
    if older and not any(words in source for words in ODD_IN_OLDER):
        module.__warm_run = functools.partial(run_older_payload, **older.groupdict())
        return [compile("__warm_run()", name, "exec")]
    at = (
        source.rfind(b'\nif __name__ == "__main__":\n    _ansiballz_main(')
        if b"_ANSIBALLZ_WRAPPER" in source[:4000]
        else -1
    )
    if at < 0:
        return [compile(source, name, "exec", dont_inherit=True)]
    head, call = source[: at + 1], source[at + 1 :]
    before, named, literal = call.partition(b"\nzip_data='")
    data, _quote, after = literal.partition(b"'")
    if named:  # by far the largest literal: the compiler gets a name in its place
        module.__warm_zip_data = data
        call = before + b"\nzip_data=__warm_zip_data" + after
    call = compile(b"from __future__ import annotations\n" + call, name, "exec", dont_inherit=True)
    file = key("wrapper.py", zlib.crc32(head), len(head))
    if named and b"\nrlimit_nofile=0,\n" in before and len(sys.argv) < 2 and os.path.exists(HERE + "/code/" + file):
        vars(module).update(_ansiballz_main=run_payload, datetime=sys.modules["datetime"])
        return [call]
    code = cached(file) or fresh(file, head, name)
    _imp._fix_co_filename(code, name)
    module.__warm_zip_data = data.decode()
    return [code, call]


def run_payload(zip_data, ansible_module, module_fqn, params, profile, extensions, **_others):
    """What the wrapper does, but for the zip: that is not unpacked, since nearly all that is in it is loaded."""
    archive = use_payload(zip_data, ansible_module)
    from ansible.module_utils._internal._ansiballz import _loader

    _loader.run_module(
        json_params=params.encode(),
        profile=profile,
        module_fqn=module_fqn,
        modlib_path=archive,
        extensions=extensions,
    )


OLDER_WRAPPER = re.compile(
    rb"\n    ZIPDATA = '(?P<zip_data>[^']*)'\n.*?"
    rb"\n        runpy\.run_module\(mod_name='(?P<module_fqn>[^']*)', init_globals=dict\(.*?"
    rb"\n    ANSIBALLZ_PARAMS = (?P<params>[^\n]*)\n.*?"
    rb"\(prefix='ansible_' \+ '(?P<ansible_module>[^']*)' \+ ",
    re.DOTALL,
)
ODD_IN_OLDER = (b"\n    import resource\n", b"import coverage\n")
"""What is in it where more is wanted than to run a module."""


def run_older_payload(zip_data, ansible_module, module_fqn, params):
    """The same, for the values as they are written in a wrapper of before ansible-core 2.19."""
    archive = use_payload(zip_data, ansible_module.decode())
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS = ast.literal_eval(params.decode()).encode()
    name = module_fqn.decode()
    runpy.run_module(name, {"_module_fqn": name, "_modlib_path": archive}, "__main__", alter_sys=True)


def use_payload(zip_data, ansible_module):
    """Have what is imported come from a zip in base64; its path."""
    archive = HERE + "/ansible_" + ansible_module + "_payload.zip"
    Payload.add(archive, Base64(zip_data))
    sys.path[:] = [archive] + [folder for folder in sys.path if folder not in ("", ".")]
    return archive


def execute(argv):
    """What `python3 ARGV` does; the exit status."""
    main = types.ModuleType("__main__")
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    if not argv or argv[0] == "-":
        sys.argv, first, name, source = argv or [""], "", "<stdin>", sys.stdin.buffer.read()
    elif argv[0] == "-c":
        sys.argv, first, name, source = ["-c"] + argv[2:], "", "<string>", argv[1].encode()
    else:
        sys.argv, first, name = argv, os.path.dirname(os.path.realpath(argv[0])), argv[0]
        try:
            with open(name, "rb") as file:
                source = file.read()
        except OSError as error:
            print(
                "%s: can't open file %r: [Errno %d] %s" % (sys.executable, name, error.errno, error.strerror),
                file=sys.stderr,
            )
            return 2
        main.__file__ = name
    sys.path.insert(0, first)
    for code in script(source, name, main):
        exec(code, main.__dict__)
    return 0


def receive(connection):
    """Take over the client's request: its files, user, umask, folder and environment; its arguments."""
    data, files, _flags, _address = socket.recv_fds(connection, 4, 3)
    for number, file in enumerate(files):
        os.dup2(file, number, inheritable=True)
        if file > 2:
            os.close(file)
    left, parts = struct.unpack("=I", data)[0], []
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            os._exit(125)
        parts.append(part)
        left -= len(part)
    _process, user, group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    connection.close()
    if user:
        os.initgroups(pwd.getpwuid(user).pw_name, group)
        os.setgid(group)
        os.setuid(user)
    fields = b"".join(parts).split(b"\0")
    mask, arguments, variables = map(int, fields[0].split())
    os.umask(mask)
    os.environ.clear()
    for field in fields[2 + arguments : 2 + arguments + variables]:
        name, _equals, value = field.partition(b"=")
        os.environb[name] = value
    try:
        os.chdir(fields[1])
    except OSError:
        pass
    return [os.fsdecode(field) for field in fields[2 : 2 + arguments]]


def serve_one(connection):
    """In the child: one request, to the end of the process."""
    status = 1
    try:
        status = execute(receive(connection))
    except SystemExit as leaving:
        status = 0 if leaving.code is None else leaving.code
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException:
        pass
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(status & 0xFF)


def reap(children):
    """Tell the clients of children that have ended how they did."""
    while children:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        with children.pop(process) as connection:
            try:
                connection.send(struct.pack("=i", os.waitstatus_to_exitcode(status)))
            except OSError:
                pass


def serve():
    """Load everything, then serve for ever."""
    began = time.monotonic()
    preload()
    with open(PROCESS, "w") as file:
        file.write("%d\n" % os.getpid())
    sys.path_hooks.insert(0, Payload)
    sys.meta_path.insert(0, Gate)
    look_up()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o666)
    listener.listen(16)
    listener.setblocking(False)
    for log in (FALLBACKS, COMPILED):
        with open(log, "w"):
            os.chmod(log, 0o666)
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, lambda *_args: None)
    signal.set_wakeup_fd(waker)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(woken, select.POLLIN)
    # A restored guest has lost the handles of the files that were open on its shares: a page of Python that is then
    # read for the first time is a SIGBUS.  Locked, all pages are in memory before the state is saved.
    ctypes = sys.modules["ctypes"]
    if ctypes.CDLL(None, use_errno=True).mlockall(1):
        sys.stderr.write("warmd: mlockall: %s\n" % os.strerror(ctypes.get_errno()))
    gc.collect()
    gc.freeze()
    sys.stderr.write(
        "warm interpreter ready after %.0f s, with %d Ansible modules\n" % (time.monotonic() - began, len(loaded))
    )
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.close(nothing)
    children = {}
    while True:
        for file, _events in poll.poll():
            if file == woken:
                try:
                    signals = os.read(woken, 512)
                except OSError:
                    signals = b""
                if signal.SIGHUP in signals:
                    try:
                        load_collection()
                    except Exception:
                        traceback.print_exc()
                reap(children)
                continue
            try:
                connection, _address = listener.accept()
            except OSError:
                continue
            process = os.fork()
            if process:
                children[process] = connection
                continue
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            for handle in (woken, waker):
                os.close(handle)
            listener.close()
            for other in children.values():
                other.close()
            connection.setblocking(True)
            serve_one(connection)


if __name__ == "__main__":
    serve()
