# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures in docs/report.md: the page of a report of real guests, of which some are not right.

python3 tests/tools/setup.py --needs guests,zero-install,browser python tests/page/screenshots.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tools"), str(HERE.parent / "lab")]
import collection  # noqa: E402
from fleet import Fleet  # noqa: E402
from outer import read_setup  # noqa: E402

assert collection.FINDER, "it makes ansible_collections importable"
_setup = read_setup()
if not _setup:
    raise SystemExit("start it by: python3 tests/tools/setup.py --needs guests,zero-install,browser python FILE")
sys.path += map(str, Path(_setup.tools["browser"]).glob("lib/python3.*/site-packages"))
from browsing import NARROW, WIDE, Browser  # noqa: E402

IMAGES = HERE.parents[1] / "docs" / "images"
PICTURES = {"report-wide.png": (WIDE, "light"), "report-narrow.png": (NARROW, "dark")}
SHARE, VERIFY, REPORT = (f"zeroinstall.virtualbox.{name}" for name in ("share", "verify", "report"))
STORE = "/var/cache/0install.net/implementations"


def report(fleet: Fleet, folder: Path) -> Path:
    """The page of a fleet in which somebody broke something."""
    page = folder / "report.html"
    options = ("-e", f"cache_report_html={page}", "-e", f"cache_report_json={folder}/report.json")
    digests = [fleet.add_package(name) for name in ("editor", "player", "browser")]
    for playbook in (SHARE, VERIFY, REPORT):
        play = fleet.play(playbook, *options)
        assert play.status == 0, play.output
    fleet.guest("g1", f"umount {STORE} && mount -t vboxsf -o rw ZeroInstall {STORE}")
    fleet.host("sh", "-euc", f"chmod u+w {STORE}/{digests[0]}/* && echo spoilt >> {STORE}/{digests[0]}/editor")
    fleet.play(VERIFY)
    play = fleet.play(REPORT, *options)
    assert play.status == 0, play.output
    return page


def main() -> None:
    """Make them."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, Fleet("screenshots", ("g1", "g2")).running() as fleet:
        page = report(fleet, Path(name))
        with Browser() as browser:
            for file, (width, scheme) in PICTURES.items():
                browser.look(width, scheme)
                browser.driver.get(page.as_uri())
                browser.driver.save_screenshot(str(IMAGES / file))
                print(f"Made {IMAGES / file}.", flush=True)


if __name__ == "__main__":
    main()
