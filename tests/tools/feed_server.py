# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds and archives of Zero Install, signed by the real GnuPG and served over HTTP on the loopback."""

from __future__ import annotations

import base64
import dataclasses
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labkit.waiting import HANG

NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface"


@dataclasses.dataclass
class Request:
    """What a client asked for, and how many bytes of it the server sent."""

    path: str
    sent: int


class FeedServer:
    """A server with a key of its own. ``requests``: what was asked for until now."""

    def __init__(self, folder: Path) -> None:
        """In an empty folder. The key is made at once."""
        self.requests: list[Request] = []
        self._folder = folder / "served"
        self._folder.mkdir()
        self._gnupg = folder / "gnupg"
        self._gnupg.mkdir(mode=0o700)
        self.cut: set[str] = set()
        """The names of files of which only one half is sent."""
        self.held: set[str] = set()
        """The names of files of which nothing is sent as long as the server runs."""
        self.proxy_for = ""
        self._end = threading.Event()
        self.fingerprint = self.new_key()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def own_address(self) -> str:
        """The server's own address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def address(self) -> str:
        """How the addresses of feeds and archives begin: with its own, or with the one for which it is the proxy."""
        return self.proxy_for or self.own_address

    def new_key(self) -> str:
        """Make a key, by which feeds are signed from now on; its fingerprint."""
        self._gpg("--passphrase", "", "--quick-gen-key", f"Feeds {len(os.listdir(self._folder))}", "rsa2048", "sign")
        listed = self._gpg("--with-colons", "--list-keys").decode()
        self.fingerprint = [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")][-1]
        (self._folder / f"{self.fingerprint[-16:]}.gpg").write_bytes(self._gpg("--armor", "--export", self.fingerprint))
        return self.fingerprint

    def archive(self, name: str, files: Mapping[str, str]) -> str:
        """Serve an archive with these files, which can be executed; the element of a feed that names it."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for path, text in files.items():
                info = tarfile.TarInfo(path)
                info.size, info.mode, info.mtime = len(text), 0o755, 1_000_000_000
                tar.addfile(info, io.BytesIO(text.encode()))
        (self._folder / name).write_bytes(data.getvalue())
        return f'<archive href="{self.address}/{name}" size="{len(data.getvalue())}"/>'

    def digest(self, name: str) -> str:
        """The sha256new digest of an archive, by the real 0install."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xzf", self._folder / name, "-C", folder], check=True, timeout=HANG)
            command = ["0install", "digest", "--algorithm=sha256new", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG)
        return done.stdout.strip().partition("_")[2]

    def implementation(
        self, name: str, version: str, files: Mapping[str, str], inside: str = "", system: str = "*-*", digest: str = ""
    ) -> str:
        """Serve an archive of its own for an implementation; the element. ``inside``: more elements."""
        file = f"{name}-{version}-{system.replace('*', 'any')}.tgz"
        archive = self.archive(file, files)
        digest = digest or self.digest(file)
        return (
            f'<implementation id="sha256new_{digest}" version="{version}" released="2026-01-01" arch="{system}">'
            f'<manifest-digest sha256new="{digest}"/>{inside}{archive}</implementation>'
        )

    def feed(self, name: str, inside: str) -> str:
        """Serve a signed feed with these elements; its address."""
        address = f"{self.address}/{name}.xml"
        text = (
            f'<?xml version="1.0"?>\n<interface xmlns="{NAMESPACE}" uri="{address}">\n'
            f"<name>{name}</name><summary>{name}</summary>{inside}</interface>\n"
        ).encode()
        signature = base64.encodebytes(self._gpg("--local-user", self.fingerprint, "--detach-sign", said=text))
        whole = text + b"<!-- Base64 Signature\n" + signature + b"\n-->\n"
        (self._folder / f"{name}.xml").write_bytes(whole)
        return address

    def size(self, name: str) -> int:
        """Bytes of an archive."""
        return (self._folder / name).stat().st_size

    def change(self, name: str, old: bytes, new: bytes) -> None:
        """Change a file that is served, with its signature as it was."""
        path = self._folder / name
        path.write_bytes(path.read_bytes().replace(old, new))

    def remove(self, name: str) -> None:
        """Serve a file no more."""
        (self._folder / name).unlink()

    def fetched(self, ending: str) -> list[str]:
        """The names of the files with this ending that were sent, in the order of the requests."""
        return [one.path for one in self.requests if one.path.endswith(ending) and one.sent]

    @contextmanager
    def running(self) -> Iterator[FeedServer]:
        """Served as long as the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._server.shutdown()
            self._server.server_close()
            subprocess.run(["gpgconf", "--homedir", self._gnupg, "--kill", "all"], check=False, timeout=HANG)
            shutil.rmtree(self._gnupg, ignore_errors=True)

    def _gpg(self, *arguments: str, said: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._gnupg), "--batch", "--no-tty", *arguments]
        return subprocess.run(command, input=said, check=True, capture_output=True, timeout=HANG).stdout

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Sends files of the folder, and notes what it sent."""

            def do_GET(self) -> None:
                """Send a file, or the half of it and then the end of the connection."""
                name = self.path.removeprefix(served.address).lstrip("/")
                path = served._folder / name
                if "/" in name or not path.is_file():
                    served.requests.append(Request(name, 0))
                    self.send_error(404)
                    return
                if path.name in served.held:
                    served._end.wait()
                    return
                data = path.read_bytes()
                sent = data[: len(data) // 2] if path.name in served.cut else data
                served.requests.append(Request(name, len(sent)))
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def serving() -> Iterator[FeedServer]:
    """A server with nothing to serve yet, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="feeds-") as folder, FeedServer(Path(folder)).running() as server:
        yield server
