# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that roles install."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import zipfile

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs


def archived(content):
    """An archive's entries by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {info.filename: info for info in archive.infolist()}


def test_the_service_is_the_same_bytes_whenever_and_wherever_it_is_built(monkeypatch):
    built = _programs.service()
    monkeypatch.setattr(time, "time", lambda: 0)
    monkeypatch.setattr(zipfile.sys, "platform", "win32")
    assert _programs.service() == built
    entries = archived(built)
    assert list(entries) == sorted(entries)
    assert {(one.date_time, one.external_attr >> 16, one.compress_type) for one in entries.values()} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, zipfile.ZIP_STORED)
    }


def test_the_service_has_what_it_imports_and_nothing_for_guests():
    names = set(archived(_programs.service()))
    folder = "ansible_collections/zeroinstall/virtualbox/plugins/module_utils"
    assert {"__main__.py", f"{folder}/_inbox/one_pass.py", f"{folder}/_store/manifests.py"} <= names
    assert not [name for name in names if name.startswith((f"{folder}/_guest", f"{folder}/_vbox"))]


def test_python_runs_the_service_by_itself_alone(tmp_path):
    archive = tmp_path / "service.pyz"
    archive.write_bytes(_programs.service())
    done = subprocess.run(
        [sys.executable, "-IS", str(archive), "--help"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "Answer the requests in the drop boxes" in done.stdout


def test_what_hands_packages_over_is_run_by_the_interpreter_of_its_first_line(tmp_path):
    program = tmp_path / "secure-add"
    program.write_text(_programs.secure_add(sys.executable), encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "argparse.py").write_text("raise SystemExit('imported from beside it')\n", encoding="utf-8")
    done = subprocess.run(
        [str(program), "sha1=0"], cwd="/", capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "digests of the algorithm sha1 are refused" in done.stderr


@pytest.mark.parametrize(
    ("has_usual", "found", "wanted"),
    [
        (True, ["/opt/python/bin/python3"], "/usr/bin/python3"),
        (False, ["/opt/python/bin/python3"], "/opt/python/bin/python3"),
        (False, ["", "/usr/libexec/platform-python"], "/usr/libexec/platform-python"),
        (False, ["auto_silent", "/usr/local/bin/python3.11"], "/usr/local/bin/python3.11"),
        (False, [], "/usr/bin/python3"),
        (False, [None, 3, ["/x"]], "/usr/bin/python3"),
        (False, ["/home/somebody/bin/python3"], "/usr/bin/python3"),
        (False, ["/usr/bin/../../home/somebody/python3"], "/usr/bin/python3"),
        (False, ["/tmp/python3", "/root/python3"], "/usr/bin/python3"),
        (False, ["/usr/bin/env python3"], "/usr/bin/python3"),
        (False, ["/x\n#!/y"], "/usr/bin/python3"),
        (False, ["/" + "x" * 100], "/usr/bin/python3"),
    ],
)
def test_the_interpreter(has_usual, found, wanted):
    assert _programs.interpreter(has_usual, *found) == wanted
