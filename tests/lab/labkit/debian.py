# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Minimal Debians, each in a folder, from the mirror that this machine is configured for."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from .console import run


def root(folder: Path, suite: str, components: str, packages: tuple[str, ...], *options: str) -> None:
    """FOLDER/root: a minimal Debian with these packages, without documentation.

    A mirror may lag behind the clock. A root that a power cut damages is made again.
    """
    run(
        "mmdebstrap",
        "--variant=apt",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
        "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Retries "3"',
        "--components=" + components,
        "--include=" + ",".join(packages),
        *options,
        suite,
        folder / "root",
        *_mirror(),
        timeout=1800,
        env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
    )


def hook(stage: str, script: Path, *words: object) -> str:
    """An option for `root`: at this stage (`essential`, `customize`) run a script on the new root and these words."""
    first, *rest = (shlex.quote(str(word)) for word in (script, *words))
    return " ".join((f"--{stage}-hook=sh", first, '"$1"', *rest))


def _mirror() -> list[str]:
    """The Debian mirror that this machine is configured for; nothing (mmdebstrap's default) if it names none."""
    lines = run(
        "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages", check=False
    ).stdout
    return [line.split()[2] for line in lines.splitlines() if line.startswith("Debian Debian ")][:1]
