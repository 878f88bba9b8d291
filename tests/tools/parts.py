# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the tests, what each needs of the machine, and which of them belong to ``make test``.

A part is a file, or a folder without its files that are parts, run by a pytest of its own. ``make test-all`` runs all
of them, ``make test`` what is not marked ``thorough``: that marker, on a module (``pytestmark``) or a test, is the only
place that says so.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
MARKER = "thorough"
COUNTS = "ZEROINSTALL_VIRTUALBOX_COUNTS"
"""The environment variable with the file in which a part writes how many tests it has selected and finished."""
NOT_RUN = "not run: "
"""With this begins the message of a test that was not run because of a failure (see outer.py)."""
LONGEST = 200
"""Characters of a line that `brief` tells."""
FAILED_TASK = ("fatal: [", "failed: [", "ERROR! ", "[ERROR]: ")
"""How Ansible begins the line of a task, or of a playbook, that failed."""

LAB = ("lab", "lab/labkit", "lab/boot", "lab/install", "lab/launcher", "lab/warm")
LAB_PACKAGES = (
    *("binutils", "busybox-static", "cpio", "debian-archive-keyring", "gcc", "isolinux", "libc6-dev", "mmdebstrap"),
    *("mount", "syslinux-common", "xorriso"),
)
CONTAINER_PACKAGES = ("0install-core", "podman", "runc", *LAB_PACKAGES)


def brief(message: str) -> str:
    """In a line what a message begins and ends with: what was tried and what came of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or [""]
    return lines[0] if len(lines) == 1 else " … ".join(line[:LONGEST] for line in (lines[0], lines[-1]))


def reason(message: str) -> str:
    """In a line why a test failed: the first task of Ansible's that failed, or else what `brief` tells."""
    failed = (line.strip() for line in message.splitlines() if line.startswith(FAILED_TASK))
    return next(failed, brief(message))[: 2 * LONGEST]


@dataclasses.dataclass(frozen=True)
class Need:
    """Something that tests need of the machine.

    Attributes:
        packages: Debian packages.
        title: what the program ``build`` makes, for people.
        build: a program of the tests and its arguments, which makes an image in the cache unless it is there.
        sources: folders below ``tests`` with what the image is made from.
        after: the needs whose images it is made from.
        ansible: the Ansible that it is made for, ``oldest`` or ``newest``, if any.
        seconds: what making it takes about, on two processors that make other images, too.
        room: what it takes of the disk, in MB.
    """

    packages: Sequence[str] = ()
    title: str = ""
    build: Sequence[str] = ()
    sources: Sequence[str] = ()
    after: Sequence[str] = ()
    ansible: str = ""
    seconds: int = 0
    room: int = 0


ANSIBLE_TEST = frozenset({"sanity", "pylint", "units"})
"""Needs that are environments of ansible-test."""
TOOLS = frozenset({"browser", "docs", "too-old"})
"""Needs that are an environment with what the file of that name in tests/requirements says."""

NEEDS: Mapping[str, Need] = {
    **{name: Need() for name in sorted(ANSIBLE_TEST | TOOLS)},
    "browser": Need(("chromium", "chromium-driver")),
    "gates": Need(("git", "shellcheck")),
    "zero-install": Need(
        ("0install-core", "acl", "attr", "e2fsprogs", "gnupg", "libcap2-bin", "locales", "util-linux")
    ),
    # The package of dropbear has no service that would start by itself.
    "ssh": Need(("dropbear-bin", "openssh-client", "openssh-sftp-server")),
    "fleet": Need(("0install-core", "dropbear-bin", "openssh-client", "python3-apt", "util-linux")),
    "vagrant": Need(("vagrant",)),
    "host": Need(
        LAB_PACKAGES, "a VirtualBox host", ("lab/lab.py", "build", "host"), LAB, (), "", 120, 1500),
    "booted": Need(
        LAB_PACKAGES, "a guest that has booted", ("lab/lab.py", "build", "booted"), LAB, (), "", 310, 800),
    "guests": Need(
        LAB_PACKAGES, "guests that are ready for Ansible", ("lab/lab.py", "build", "guests"), LAB, ("booted",),
        "oldest", 300, 300),
    "newest-guests": Need(
        LAB_PACKAGES, "guests that are ready for the newest Ansible", ("lab/lab.py", "build", "guests"), LAB,
        ("guests",), "newest", 300, 300),
    "additions": Need(
        LAB_PACKAGES, "a root for Guest Additions", ("lab/lab.py", "build", "additions"), LAB, ("host",),
        "", 90, 1000),
    "oracle": Need(
        LAB_PACKAGES, "guests with Oracle's drivers", ("lab/lab.py", "build", "oracle"), LAB, ("guests", "additions"),
        "oldest", 350, 800),
    "container": Need(
        CONTAINER_PACKAGES, "a container with systemd", ("containers/containers.py", "build", "debian12"),
        ("containers", *LAB), (), "", 100, 700),
    "containers": Need(
        CONTAINER_PACKAGES, "containers of six kinds", ("containers/containers.py", "build"), ("containers", *LAB),
        ("container",), "", 340, 2500),
    "qemu": Need(
        ("e2fsprogs", "openssh-client", "qemu-system-x86", "qemu-utils", "util-linux", *LAB_PACKAGES), "a QEMU guest",
        ("qemu/image.py",), ("qemu", "qemu/standin", *LAB), ("additions",), "", 150, 2000),
}  # fmt: skip


# In the order of their start: the longest first, so that none is waited for at the end.
PARTS: Mapping[str, tuple[str, ...]] = {
    "tests/lab/test_modes.py": ("guests",),
    "tests/lab/test_sharing.py": ("guests", "newest-guests"),
    "tests/quality/test_units.py": ("units",),
    "tests/qemu": ("qemu",),
    "tests/quality/test_sanity.py": ("gates", "sanity"),
    "tests/quality/test_pylint.py": ("gates", "pylint"),
    "tests/lab/test_oracle.py": ("oracle",),
    "tests/switches": ("gates", "host", "containers"),
    "tests/lab/test_programs.py": ("guests", "zero-install"),
    "tests/lab/test_linked.py": ("guests", "zero-install"),
    "tests/lab/test_program_modes.py": ("guests", "zero-install"),
    "tests/lab/test_report.py": ("guests", "zero-install"),
    "tests/lab/test_systemd.py": ("guests",),
    "tests/lab/test_discover.py": ("guests",),
    "tests/lab/test_printed.py": ("guests", "zero-install"),
    "tests/containers": ("containers",),
    "tests/store": ("zero-install", "ssh"),
    "tests/lab/test_vagrant.py": ("guests", "vagrant"),
    "tests/vagrant": ("host", "vagrant"),
    "tests/lab/test_additions.py": ("guests",),
    "tests/programs": ("zero-install",),
    "tests/imports": ("zero-install",),
    "tests/imports/test_service.py": ("container",),
    "tests/integration": ("host",),
    "tests/lab/test_hostile.py": ("host",),
    "tests/lab/test_strays.py": ("host",),
    "tests/lab/test_boxes.py": ("host",),
    "tests/lab/test_restored.py": ("host",),
    "tests/lab/test_sudo.py": ("host",),
    "tests/lab/test_runner.py": ("host",),
    "tests/lab/test_install.py": ("additions",),
    "tests/page": ("browser",),
    "tests/quality/test_gates.py": ("gates",),
    "tests/quality/test_forge.py": ("gates",),
    "tests/quality/test_docs_site.py": ("docs",),
    "tests/quality/test_installers.py": ("gates",),
    "tests/quality/test_waiting.py": (),
    "tests/quality/test_dialect.py": (),
    "tests/quality/test_jinja.py": (),
    "tests/quality/test_layers.py": (),
    "tests/fleet": (),
    "tests/quality/test_benchmark.py": ("fleet",),
    "tests/quality/test_docs.py": ("gates",),
    "tests/quality/test_side_by_side.py": ("container",),
    "tests/lab/test_molecule.py": ("guests",),
    "tests/lab/test_examples.py": ("guests", "zero-install"),
    "tests/lab/test_downloaded_once.py": ("host", "zero-install"),
    "tests/lab/test_lab.py": ("guests",),
    "tests/quality/test_fresh.py": ("gates", "host"),
    "tests/quality/test_questions.py": (),
    "tests/quality/test_setup.py": (),
    "tests/quality/test_too_old.py": ("too-old",),
    "tests/quality/test_steps.py": (),
    "tests/quality/test_run_tests.py": (),
}


def inner(path: str) -> list[str]:
    """The parts within the folder of a part."""
    return [part for part in PARTS if part != path and Path(part).is_relative_to(path)]


def files(path: str) -> list[Path]:
    """The test files of a part."""
    place = REPOSITORY / path
    found = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
    others = [REPOSITORY / part for part in inner(path)]
    return [file for file in found if not any(map(file.is_relative_to, others))]


def in_lane(file: Path) -> bool:
    """Whether a test file has a test that is not marked as left out of ``make test``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    own = [node.value for node in tree.body if isinstance(node, ast.Assign) and _names(node.targets) == ["pytestmark"]]
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return not _marked(own) and not all(_marked(test.decorator_list) for test in tests)


def out_of_lane(file: Path) -> bool:
    """Whether a test file has a test that is marked as left out of ``make test``."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.Attribute) and node.attr == MARKER for node in nodes)


def _names(targets: Iterable[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _marked(expressions: Iterable[ast.expr]) -> bool:
    """Whether one of these is the marker, or a list with it."""
    flat = [
        element
        for node in expressions
        for element in (node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node])
    ]
    return any(isinstance(node, ast.Attribute) and node.attr == MARKER for node in flat)


def chosen(folders: Sequence[str] = (), everything: bool = False) -> list[str]:
    """The paths of the parts that are in these folders (all without any) and in the lane."""
    return [
        path
        for path in PARTS
        if (not folders or any(map(Path(path).is_relative_to, folders)))
        and (everything or any(map(in_lane, files(path))))
    ]


def needs_of(paths: Iterable[str]) -> set[str]:
    """The needs of parts, and the needs of those."""
    return with_needed(need for path in paths for need in PARTS[path])


def with_needed(needs: Iterable[str]) -> set[str]:
    """These needs, and what their images are made from."""
    found: set[str] = set()
    waiting = list(needs)
    while waiting:
        need = waiting.pop()
        if need not in found:
            found.add(need)
            waiting += NEEDS[need].after
    return found


def packages(needs: Collection[str]) -> list[str]:
    """The Debian packages of these needs."""
    return sorted({package for need in needs for package in NEEDS[need].packages})
