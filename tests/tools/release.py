# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the work tree is what a version's release is to be built of; needs PyYAML.

python3 tests/tools/release.py VERSION
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from parts import REPOSITORY


def problems(version: str, root: Path) -> list[str]:
    """Why this version cannot be released from a work tree."""
    galaxy = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))
    changelogs = root / "changelogs"
    released = yaml.safe_load((changelogs / "changelog.yaml").read_text(encoding="utf-8"))["releases"]
    fragments = sorted(path.name for path in (changelogs / "fragments").glob("[!.]*"))
    found = []
    if galaxy["version"] != version:
        found.append(f"galaxy.yml has version {galaxy['version']}")
    if version not in released:
        found.append(f"the changelog has no {version}; run antsibull-changelog release")
    if fragments:
        found.append(f"fragments are not in the changelog yet: {', '.join(fragments)}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the problems; the exit status."""
    (version,) = arguments
    found = problems(version, REPOSITORY)
    for problem in found:
        print(f"{version} cannot be released: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
