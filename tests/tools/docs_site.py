# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site: the guides in docs, and the reference that Ansible's documentation of plugins makes.

    python3 tests/tools/setup.py --needs docs python tests/tools/docs_site.py

It is built of a copy of the work tree, in the cache. A link within the site that leads nowhere is an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import copy_tree
from setup import Setup, cache_directory, run_name

NAME = "zeroinstall.virtualbox"


def build(tools: Path, tree: Path, site: Path) -> None:
    """Build the site of a copy of the work tree with the programs of an environment.

    Raises:
        subprocess.CalledProcessError: a page has a fault; Sphinx has printed it.
    """
    collections = tree.parents[2]
    environment = {
        **os.environ,
        "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
    }
    shutil.copy(tree / "docs" / "site" / "index.md", tree)
    reference = tree / "reference"
    reference.mkdir(mode=0o755)
    words = ("--use-current", "--squash-hierarchy", "--fail-on-error", "--no-add-antsibull-docs-version")
    antsibull = ("antsibull-docs", "collection", *words, "--dest-dir", reference, NAME)
    subprocess.run(antsibull, cwd=tree, env=environment, check=True)
    sphinx = ("sphinx-build", "-q", "-W", "--keep-going", "-j", "auto", "-c", tree / "docs" / "site", tree, site)
    subprocess.run(sphinx, cwd=tree, env=environment, check=True)


def main() -> int:
    """Build it in the cache; the exit status."""
    found = Setup(**json.loads(Path(os.environ["ZEROINSTALL_VIRTUALBOX_SETUP"]).read_text(encoding="utf-8")))
    site = cache_directory(os.environ) / "docs" / run_name("site")
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "site"
        try:
            build(Path(found.tools["docs"]), copy_tree(Path(folder)), new)
        except subprocess.CalledProcessError as error:
            return error.returncode
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(new, site)
    print(f"The site: {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
