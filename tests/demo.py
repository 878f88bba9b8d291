# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, shown on a real VirtualBox host and two real guests that this machine runs for the purpose.

Run by ``make demo``, which sets up what it needs.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tools"))

from fleet import Fleet, FleetError, Play
from setup import cache_directory

ALGORITHMS = ("sha1", "sha1new", "sha256", "sha256new")
STORE = "/var/cache/0install.net/implementations"
SHARE = "zeroinstall.virtualbox.share"
VERIFY = "zeroinstall.virtualbox.verify"
REPORT = "zeroinstall.virtualbox.report"
UNSHARE = "zeroinstall.virtualbox.unshare"
FEED = """<?xml version="1.0"?>
<interface xmlns="http://zero-install.sourceforge.net/2004/injector/interface">
  <name>hello</name><summary>says hello</summary>
  <implementation id="{digest}" version="1.0" main="hello">
    <manifest-digest sha256new="{value}"/>
    <archive href="http://localhost/never-fetched.tar" size="1"/>
  </implementation>
</interface>
"""


class Demo:
    """The steps, each of which says what it does and what came out."""

    def __init__(self, fleet: Fleet, page: Path) -> None:
        """``page``: where the report for a browser is to be."""
        self.fleet = fleet
        self.digests: dict[str, str] = {}
        self.page = page

    def show(self, text: str) -> None:
        """Lines of a result, indented."""
        for line in text.splitlines():
            print(f"   {line}", flush=True)

    def expect(self, fact: bool, otherwise: str) -> None:
        """End the demo where a fact does not hold."""
        if not fact:
            raise FleetError(f"This did not come out as it should: {otherwise}")

    def in_guests(self, line: str) -> dict[str, tuple[int, str]]:
        """Exit status and output of a line that runs in all guests at once."""
        with ThreadPoolExecutor() as pool:
            return dict(
                zip(
                    self.fleet.guests,
                    pool.map(lambda name: self.fleet.guest(name, line, check=False), self.fleet.guests),
                    strict=True,
                )
            )

    def play(self, playbook: str, *options: str) -> Play:
        """Run a playbook and show what it did."""
        play = self.fleet.play(playbook, *options)
        for host, counters in play.hosts.items():
            self.show(
                f"{host}: {counters['ok']} ok, {counters['changed']} changed, {counters['failures']} failed,"
                f" {play.module_runs[host]} module runs"
            )
        if play.status:
            raise FleetError(f"{playbook} failed:\n" + "\n".join(play.messages(host) for host in play.hosts))
        return play

    def add_packages(self) -> None:
        """One package for each algorithm, by Zero Install's own programs."""
        for algorithm in ALGORITHMS:
            folder = f"/srv/package-{algorithm}"
            place = self.fleet.root / folder.lstrip("/")
            (place / "lib").mkdir(parents=True)
            program = place / "hello"
            program.write_text(f'#!/bin/sh\necho "hello from {algorithm}, on $(uname -n)"\n', encoding="utf-8")
            program.chmod(0o755)
            (place / "lib" / "data").write_text(algorithm * 100, encoding="utf-8")
            (place / "link").symlink_to("lib/data")
            digest = self.fleet.digest(folder, algorithm)
            self.fleet.host("0store", "add", digest, folder)
            self.digests[algorithm] = digest
        self.show(self.fleet.host("ls", STORE).stdout)

    def add_as_user(self) -> None:
        """A package from a user of the host without any rights: Zero Install's helper adds it for him."""
        self.fleet.host("useradd", "--create-home", "somebody")
        self.fleet.host("mkdir", "/srv/another")
        (self.fleet.root / "srv/another/readme").write_text("added later\n", encoding="utf-8")
        digest = self.fleet.digest("/srv/another")
        self.fleet.host("0store", "add", digest, "/srv/another", user="somebody")
        for name, (status, output) in self.in_guests(f"cat {STORE}/{digest}/readme").items():
            self.show(f"{name}: {output.strip()}")
            self.expect(not status and "added later" in output, f"{name} does not see the package that a user added")

    def look(self) -> None:
        """What the guests see, as files."""
        for name, (_status, output) in self.in_guests(f"ls {STORE}; grep {STORE} /proc/self/mounts").items():
            self.show(f"{name}:")
            self.show("  " + output.strip().replace("\n", "\n  "))
            self.expect(all(digest in output for digest in self.digests.values()), f"{name} does not see all packages")

    def find_and_run(self) -> None:
        """Zero Install in the guests: finds a package by its digest, and runs a program from it."""
        digest = self.digests["sha256new"]
        feed = shlex.quote(FEED.format(digest=digest, value=digest.partition("_")[2]).replace("\n", ""))
        for name, (status, output) in self.in_guests(f"0install store find {digest}").items():
            self.show(f"{name}: 0install store find {digest[:20]}…: {output.strip()}")
            self.expect(not status and output.strip() == f"{STORE}/{digest}", f"{name} does not find the package")
        line = f"printf %s {feed} > /tmp/hello.xml && 0install run --offline --console /tmp/hello.xml"
        for name, (status, output) in self.in_guests(line).items():
            self.show(f"{name}: 0install run hello.xml: {output.strip()}")
            self.expect(not status and f"hello from sha256new, on {name}" in output, f"{name} does not run the program")

    def try_to_write(self) -> None:
        """Root of a guest mounts the share writable and tries."""
        mount = "mkdir -p /tmp/w && mount -t vboxsf -o rw ZeroInstall /tmp/w"
        line = f"{mount} && touch /tmp/w/evil; rm -r /tmp/w/sha*; umount /tmp/w"
        for name, (_status, output) in self.in_guests(line).items():
            self.show(f"{name}: {output.strip().splitlines()[0] if output.strip() else 'nothing was refused'}")
            self.expect("Read-only file system" in output, f"{name} could write: {output}")
        found = self.fleet.host("ls", STORE).stdout
        self.expect(
            "evil" not in found and all(digest in found for digest in self.digests.values()), "the host's store changed"
        )
        self.show("the host's store is as it was")

    def share_first(self) -> None:
        """The first run of the playbook."""
        self.play(SHARE)

    def share_again(self) -> None:
        """The second run, which has nothing to do."""
        again = self.play(SHARE)
        self.expect(again.changed == 0, "the second run changed something")
        for name in self.fleet.guests:
            self.expect(again.module_runs[name] <= 2, f"{name} cost more than two module runs")

    def report(self) -> None:
        """The packages are verified, and a page shows how host and guests stand."""
        self.play(VERIFY)
        self.page.parent.mkdir(exist_ok=True)
        files = {"html": self.page, "json": self.page.with_suffix(".json")}
        self.play(REPORT, *(word for kind, path in files.items() for word in ("-e", f"cache_report_{kind}={path}")))
        told = json.loads(files["json"].read_text(encoding="utf-8"))
        numbers = told["numbers"]
        size = 512 * int(self.fleet.host("du", "-s", "-B512", STORE).stdout.split()[0])
        self.show(
            f"{numbers['states']['right']} guests are right; {numbers['implementations']} packages take"
            f" {numbers['bytes']} bytes; sharing saves {numbers['bytes_saved']} bytes"
        )
        self.expect(told["attention"] == [], f"the report has {told['attention']}")
        self.expect(numbers["states"]["right"] == 2, "the report does not say that both guests are right")
        self.expect(numbers["bytes"] == numbers["bytes_saved"] == size, f"the store takes {size} bytes")

    def unshare(self) -> None:
        """The playbook that undoes it."""
        self.play(UNSHARE)
        for name, (_status, output) in self.in_guests(f"grep {STORE} /proc/self/mounts").items():
            self.expect("vboxsf" not in output, f"{name} still has the store mounted")
        found = self.fleet.host("ls", STORE).stdout
        self.expect(all(digest in found for digest in self.digests.values()), "packages are gone")

    def check_warm(self) -> None:
        """What the lab says of its guests."""
        self.show(self.fleet.lab("check-warm").stdout.strip())

    def run(self) -> None:
        """All steps, each of which is named, with the time that it took."""
        steps = {
            "Four packages, one for each digest algorithm, go into the host's store by 0store add": self.add_packages,
            f"ansible-playbook {SHARE}, the first time": self.share_first,
            "What each guest sees": self.look,
            "Zero Install in each guest finds a package in the shared store and runs a program from it":
                self.find_and_run,
            "A user of the host adds a package; the guests have it at once": self.add_as_user,
            "Root in each guest mounts the share writable and tries to write: the host refuses": self.try_to_write,
            f"ansible-playbook {SHARE}, again: nothing to change": self.share_again,
            f"ansible-playbook {REPORT}, after {VERIFY}: a page that shows how all stand": self.report,
            f"ansible-playbook {UNSHARE}: undone, the packages stay": self.unshare,
            "Nothing ran the slow way in the guests (see tests/lab/README.md)": self.check_warm,
        }  # fmt: skip
        for number, (title, step) in enumerate(steps.items(), 1):
            print(f"\n== {number} of {len(steps)}: {title}", flush=True)
            began = time.monotonic()
            step()
            print(f"   ({time.monotonic() - began:.1f} s)", flush=True)


def main() -> int:
    """Run the demo; its exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    print("\nA real VirtualBox host and two real guests, on this machine, for the length of this demo.", flush=True)
    print("They start in about 20 s; then come 10 steps, which take about a minute.", flush=True)
    page = cache_directory(os.environ) / "demo" / "report.html"
    try:
        with Fleet("demo", ("g1", "g2")).running() as fleet:
            Demo(fleet, page).run()
    except FleetError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the host and the guests are gone.", file=sys.stderr)
        return 130
    print(f"\nThe report of these guests is a page for your browser: {page}", flush=True)
    print(
        f"\nProved in {time.monotonic() - began:.0f} s: two real VirtualBox guests found and ran packages from their"
        " host's store, could not write to it, and a second run changed nothing.",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
