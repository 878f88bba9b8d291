# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of feeds, a host's store, and the modules' code, run as a user of the host."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import collection
import pytest
from feed_server import FeedServer, serving
from labkit.waiting import HANG
from setup import REPOSITORY

assert collection.FINDER, "it makes ansible_collections importable for the test modules"

USER, OTHER = "nobody", "daemon"
INSIDE = "ansible_collections/zeroinstall/virtualbox/plugins/module_utils"
RUN = """
import json, sys
from importlib import import_module
package = "ansible_collections.zeroinstall.virtualbox.plugins.module_utils"
asked = json.load(sys.stdin)
code = import_module(package + "._programs." + asked["code"])
more = (None, None) if asked["code"] == "launching" else ()
try:
    print(json.dumps(code.run(import_module(package + "._modules").Asked(asked["params"], asked["check_mode"]), *more)))
except import_module(package + "._errors").Failure as failure:
    print(json.dumps({"msg": str(failure)}))
"""


@dataclasses.dataclass
class Machine:
    """A folder with a store and what programs need beside it. The code is a copy that every user can read."""

    folder: Path
    proxy: str = "http://127.0.0.1:1"
    """Where 0install looks for what is not on the loopback, such as its mirror. By default nothing is there."""

    @property
    def store(self) -> Path:
        """The store, which `USER` owns."""
        return self.folder / "cache" / "0install.net" / "implementations"

    @property
    def known(self) -> Path:
        """The folder of the record."""
        return self.folder / "known"

    def run(self, code: str, params: Mapping[str, Any], check_mode: bool = False, user: str = USER) -> dict[str, Any]:
        """What a module's code answers; of a Failure, its message as ``msg``."""
        asked = {"code": code, "params": params, "check_mode": check_mode}
        done = subprocess.run(
            ["/usr/bin/python3", "-B", "-c", RUN],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=HANG,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.folder / "code"),
                "LC_ALL": "C.UTF-8",
                **dict.fromkeys(("http_proxy", "https_proxy"), self.proxy),
                "no_proxy": "127.0.0.1",
            },
            cwd=self.folder,
            check=False,
            **({} if user == "root" else {"user": pwd.getpwnam(user).pw_uid, "group": pwd.getpwnam(user).pw_gid}),
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def download(self, *programs: Mapping[str, Any], user: str = USER, **options: Any) -> dict[str, Any]:
        """What the module ``programs`` answers. The options are its own, and ``check_mode``."""
        filled = [{"version": None, "command": "run", "systems": ["Linux-x86_64"], **one} for one in programs]
        params = {"path": str(self.known), "store": str(self.store), "update": False, "patience": HANG}
        params.update(state="present", arrangement="default", exclusive=True, keep=10, progress_file=None)
        check_mode = options.pop("check_mode", False)
        return self.run(
            "downloading", {**params, "programs": filled, "zero_install": "0install", **options}, check_mode, user
        )

    def remove(self, *names: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """What the module ``unused_implementations`` answers to root."""
        params = {"path": str(self.known), "store": str(self.store), "names": names}
        params.update({"keep": 10, "arrangement": "default", "unsaved": False, "unlinked": [], **options})
        return self.run("removal", params, check_mode, user="root")

    def as_other(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program as another user, whose home is new, and who has nothing but the store."""
        with tempfile.TemporaryDirectory() as home:
            shutil.chown(home, OTHER)
            return subprocess.run(
                command,
                env={"PATH": os.environ["PATH"], "HOME": home, "XDG_CACHE_DIRS": str(self.folder / "cache")},
                user=OTHER,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=HANG,
                check=False,
            )

    def said(self, document: str, *arguments: str) -> str:
        """What a program prints that is run by its document, without a network."""
        path = self.folder / "document.xml"
        path.write_text(document, encoding="utf-8")
        done = self.as_other("0install", "run", "--console", "--offline", path, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def names(self) -> set[str]:
        """What is in the store."""
        return set(os.listdir(self.store))


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with an empty store."""
    folder = Path(tempfile.mkdtemp(prefix="zeroinstall-programs-"))
    folder.chmod(0o755)
    made = Machine(folder)
    shutil.copytree(REPOSITORY / "plugins" / "module_utils", folder / "code" / INSIDE)
    for path in (made.store, made.known):
        path.mkdir(parents=True)
        shutil.chown(path, USER)
    yield made
    subprocess.run(["rm", "-rf", "--", folder], check=False, timeout=HANG)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """A server with nothing to serve yet."""
    with serving() as made:
        yield made
