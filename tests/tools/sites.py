# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet whose guests get programs, and the server of their feeds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from feed_server import FeedServer
from fleet import Fleet, Play

PROGRAMS = "zeroinstall.virtualbox.programs"
USER = "somebody"
"""An ordinary user of each guest."""
RUN = '<command name="run" path="run"/>'
"""The command of a program that is the file of this name."""


@dataclasses.dataclass
class Site:
    """A fleet, a server of feeds, and the list of programs that all guests have."""

    fleet: Fleet
    server: FeedServer
    list: list[dict[str, Any]]

    def serve(self, name: str, *versions: str, inside: str = RUN, text: str = "") -> dict[str, Any]:
        """Serve a program that says its name and version; what a user writes to have it."""
        elements = [
            self.server.implementation(
                name,
                version,
                {"run": text or f'#!/bin/sh\necho {name} {version} "$@"\n', "system": system},
                inside,
                system,
            )
            for version in versions
            for system in ("Linux-x86_64", "Linux-i686")
        ]
        return {"name": name, "uri": self.server.feed(name, "".join(elements)), "trust": [self.server.fingerprint]}

    def set(self, guest: str, **variables: Any) -> None:
        """Write variables of a guest into the inventory."""
        inventory = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))
        inventory["all"]["children"]["zeroinstall_guests"]["hosts"][guest].update(variables)
        self.fleet.inventory.write_text(json.dumps(inventory), encoding="utf-8")

    def play(self, *options: str) -> Play:
        """Run the playbook with the list as it is."""
        self.server.requests.clear()
        extra = json.dumps({"cache_programs_list": self.list})
        return self.fleet.play(PROGRAMS, "-e", extra, *options, variables={"no_proxy": "127.0.0.1"})

    def run(self, *options: str) -> Play:
        """A run that has to succeed."""
        play = self.play(*options)
        assert play.status == 0, "\n".join(play.messages(host) for host in play.hosts) or play.output
        return play

    def said(self, command: str) -> list[str]:
        """What an ordinary user of each guest gets of a command line."""
        lines = []
        for name in self.fleet.guests:
            status, output = self.fleet.guest(name, f"runuser -l {USER} -c '{command}' 2>&1", check=False)
            lines.append(output.strip() if status == 0 else f"{status}: {output.strip()}")
        return lines

    def both(self, command: str) -> str:
        """The same, where both guests get the same."""
        first, second = self.said(command)
        assert first == second
        return first
