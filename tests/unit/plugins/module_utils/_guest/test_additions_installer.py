# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done with Oracle's installer, and what its status and words mean (fixture: what it really printed)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import (
    additions_installer,
    additions_versions,
)
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.reading import Guest

FIXTURES = Path(__file__).parents[1] / "fixtures"
PRINTED = json.loads((FIXTURES / "installer_output.json").read_text(encoding="utf-8"))
IMAGE = json.loads((FIXTURES / "additions_image.json").read_text(encoding="utf-8"))
CASES = {case["case"]: case for case in PRINTED["cases"]}
NEW = additions_versions.parse("7.2.22")


def driver(text, origin="oracle"):
    return additions_versions.Driver(origin, additions_versions.parse(text))


MAINLINE = additions_versions.Driver("mainline")
OLD_DRIVER, NEW_DRIVER = driver("7.0.6 r155176"), driver("7.2.22 r175245")


@pytest.mark.parametrize(
    ("record", "installed", "what"),
    [
        (None, None, "install"),
        (None, MAINLINE, "install"),
        ("7.0.6", OLD_DRIVER, "install"),
        ("7.2.22", NEW_DRIVER, "nothing"),
        ("7.2.22", MAINLINE, "setup"),
        ("7.2.22", OLD_DRIVER, "setup"),
        ("7.2.22", None, "setup"),
        ("7.2.22", additions_versions.Driver("oracle"), "setup"),
    ],
)
def test_what_is_to_be_done(record, installed, what):
    assert additions_installer.operation(NEW, additions_installer.Situation(record, installed, None)) == what


@pytest.mark.parametrize(
    ("case", "status", "words"),
    [
        ("the installer is damaged", 2, "its checksum is wrong. Get the image anew"),
        ("bzip2 is missing", 1, "The program bzip2 is missing. Install it"),
        ("a program of another package is there", 1, "Files of other Guest Additions are there"),
        ("headers are missing, another driver is loaded", 2, "The headers of kernel 6.12.48-1-amd64 are missing"),
        ("headers are missing, 7.0.6", 0, "The headers of kernel 6.12.48-1-amd64 are missing"),
        ("the kernel does not load it", 1, "The kernel does not load vboxguest. See dmesg"),
    ],
)
def test_what_the_installer_really_printed(case, status, words):
    recorded = CASES[case]
    assert recorded["status"] == status
    assert words in additions_installer.reason(recorded["output"])
    for found in (MAINLINE, OLD_DRIVER, None):
        situation = additions_installer.Situation("7.2.22", found, MAINLINE)
        outcome = additions_installer.judge(NEW, situation, status, recorded["output"], True)
        assert words in outcome.problem and f"status {status}" in outcome.problem and outcome.restart is None


@pytest.mark.parametrize("status", [0, 1, 2, 77])
@pytest.mark.parametrize(
    ("loaded", "in_virtualbox", "restart", "problem"),
    [
        (NEW_DRIVER, True, None, None),
        (OLD_DRIVER, True, "Vboxguest 7.0.6 r155176 is still loaded, while vboxguest 7.2.22 r175245", None),
        (MAINLINE, True, "The Linux kernel's own vboxguest is still loaded", None),
        (None, True, None, "their driver is not loaded"),
        (None, False, None, None),
    ],
)
def test_the_drivers_count_and_not_the_status(status, loaded, in_virtualbox, restart, problem):
    printed = CASES["upgraded from 7.0.6"]["output"]
    situation = additions_installer.Situation("7.2.22", NEW_DRIVER, loaded)
    outcome = additions_installer.judge(NEW, situation, status, printed, in_virtualbox)
    for found, words in ((outcome.restart, restart), (outcome.problem, problem)):
        assert (words in found) if words else (found is None)


@pytest.mark.parametrize(
    ("output", "words"),
    [("", "It printed nothing"), ("a\n\nSome error.\n \n", "Its last line was: Some error")],
)
def test_words_that_are_not_known(output, words):
    assert additions_installer.reason(output) == words


@pytest.fixture
def image(tmp_path):
    """A file with the known parts of the real image; the rest is a hole."""
    path = tmp_path / "additions.iso"
    with path.open("wb") as file:
        for offset, part in IMAGE["parts"]:
            file.seek(offset)
            file.write(base64.b64decode(part))
        file.truncate(IMAGE["size"])
    return path


def test_a_file_with_its_digest(image):
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    source = additions_installer.from_file(str(image), digest.upper() + "\n", "x86_64")
    assert source.version.text == "7.2.22"
    image.write_bytes(b"")
    assert source.content()[:9] == b"#!/bin/sh", "what was checked is what is run"


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_a_file_with_another_digest_is_not_looked_at(image, digest, monkeypatch):
    monkeypatch.setattr(additions_installer.additions_image, "Image", lambda read: pytest.fail("looked at"))
    with pytest.raises(Failure, match="Nothing was run"):
        additions_installer.from_file(str(image), digest, "x86_64")


def test_a_file_that_is_no_image(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(Failure, match="is no image of Guest Additions: it is no ISO 9660"):
        additions_installer.from_file(str(tmp_path / "x"), hashlib.sha256(b"x").hexdigest(), "x86_64")
    with pytest.raises(Failure, match="cannot be read"):
        additions_installer.from_file(str(tmp_path / "none"), "0" * 64, "x86_64")


def test_the_first_drive_with_guest_additions_is_taken(tmp_path, image):
    for name in ("sda", "sr0", "sr1", "sr2"):
        (tmp_path / "sys/class/block" / name).mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sr1").write_bytes(b"another CD")
    (tmp_path / "dev/sr2").symlink_to(image)
    with additions_installer.from_drive(Guest(str(tmp_path)), "x86_64") as source:
        assert (source.name, source.version.text) == ("/dev/sr2", "7.2.22")
        assert len(source.content()) == 6440619
    image.unlink()
    with additions_installer.from_drive(Guest(str(tmp_path)), "x86_64") as source:
        assert source is None


@pytest.fixture
def root(tmp_path):
    """A guest in which everything is there that the installer needs."""
    for path in ("proc/sys/kernel/osrelease", "usr/bin/tar", "usr/bin/bzip2", "usr/bin/make", "usr/bin/gcc"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("6.1.0\n", encoding="utf-8")
        (tmp_path / path).chmod(0o755)
    (tmp_path / "lib/modules/6.1.0/build/include").mkdir(parents=True)
    return tmp_path


def test_what_is_missing_is_named(root):
    assert additions_installer.missing(Guest(str(root))) == []
    (root / "usr/bin/gcc").unlink()
    (root / "lib/modules/6.1.0/build/include").rmdir()
    assert additions_installer.missing(Guest(str(root))) == [
        "The headers of the running kernel 6.1.0 are missing. Install them.",
        "The program gcc is missing. Install it.",
    ]


def test_programs_that_are_not_oracles(root):
    additions_installer.check_foreign(Guest(str(root)))
    (root / "usr/sbin").mkdir()
    program = root / "usr/sbin/VBoxService"
    tree = root / "opt/VBoxGuestAdditions-7.0.6/sbin"
    tree.mkdir(parents=True)
    (tree / "VBoxService").touch()
    program.symlink_to(tree / "VBoxService")
    additions_installer.check_foreign(Guest(str(root)))
    program.unlink()
    program.touch()
    with pytest.raises(Failure, match="VBoxService belongs to"):
        additions_installer.check_foreign(Guest(str(root)))


class Script:
    """Stands in for an image: its installer is a script."""

    def __init__(self, text):
        self.text = text

    def content(self):
        """Its bytes."""
        return self.text.encode()


def test_the_installer_is_run_for_root_alone_and_nothing_is_left(monkeypatch, tmp_path, hang):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = additions_installer.install(Script('stat -c %a "${0%/*}"; echo "$1 $LC_ALL"; cat; exit 2'), hang)
    assert (ran.status, ran.output) == (2, "700\n--nox11 C\n")
    assert os.listdir(tmp_path) == []


def runs(process):
    """Whether there is such a process, other than as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_service_that_the_installer_leaves_behind_is_not_waited_for(hang):
    """It goes on when the installer's output is there."""
    ran = additions_installer.install(Script(f"sleep {2 * hang:.0f} & echo $!"), hang)
    assert runs(int(ran.output))
    os.kill(int(ran.output), signal.SIGTERM)


def test_an_installer_that_does_not_end_is_ended(tmp_path, monkeypatch, hang, until):
    """With its children; its time begins when it has one."""
    mark = tmp_path / "pid"
    wait = additions_installer.subprocess.Popen.wait

    def wait_later(process, timeout=None):
        until(lambda: mark.exists() and mark.read_text().endswith("\n"), "the installer did not start")
        return wait(process, timeout)

    monkeypatch.setattr(additions_installer.subprocess.Popen, "wait", wait_later)
    with pytest.raises(Failure, match="did not end within 1 s"):
        additions_installer.install(Script(f"sleep {2 * hang:.0f} & echo $! >{mark}; wait"), 1)
    until(lambda: not runs(int(mark.read_text())), "it left a process")
