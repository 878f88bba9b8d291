# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build and run the lab: a real VirtualBox host and real guests on a machine without VirtualBox's kernel driver.

Everything is kept in $ZEROINSTALL_VIRTUALBOX_CACHE/lab (default: ~/.cache/zeroinstall.virtualbox/lab).  See README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from labkit import agent, guests, inventory, oracle, recipes, runs, tools, warm
from labkit.cache import Cache
from labkit.console import LabError, end_with_signals, say, step
from labkit.waiting import HANG, Hangs


def build(cache: Cache, arguments: argparse.Namespace) -> None:
    """Make what is missing in the cache, and name the folders."""
    tools.require()
    if arguments.what == "host":
        made: tuple[object, ...] = (recipes.host(cache),)
    elif arguments.what == "booted":
        made = (recipes.booted(cache),)
    elif arguments.what == "additions":
        made = (oracle.root(cache, recipes.guest_userland(cache)),)
    else:
        recipe = oracle.guest_template if arguments.what == "oracle" else recipes.guest_template
        made = recipe(cache, warm.find_ansible(arguments.ansible_python))
    for folder in cache.named_in(made):
        print("artefact", folder)


def up(cache: Cache, arguments: argparse.Namespace) -> None:
    """A new run with host and guests."""
    names = [name for name in arguments.guests.split(",") if name]
    tools.require()
    ansible = warm.find_ansible(arguments.ansible_python) if names else None
    recipe = oracle.guest_template if arguments.driver == "oracle" else recipes.guest_template
    host, template = recipe(cache, ansible) if ansible else (recipes.host(cache), None)
    with runs.using(cache, arguments.run), _taken_down_on_failure(cache, arguments.run):
        with step("starting the host"):
            lab = runs.create(cache, arguments.run, host, template)
            lab.vbox("--version")
        if names:
            with step("making the guests " + ", ".join(names)):
                for name in names:
                    guests.create(lab, name, guests.own_shares(name))
            start_guests(lab, names)
        path = inventory.write(lab, names)
        lab.write(guests=names, ready=True)
    say("host root: %s" % lab.root)
    say("inventory: %s   (use ANSIBLE_CONFIG=%s)" % (path, lab.folder / "ansible.cfg"))


def start_guests(lab: runs.Run, names: list[str]) -> None:
    """Start guests side by side, with the collection's code as it is now."""
    with step("starting " + ", ".join(names)):
        for name in names:
            guests.begin_start(lab, name)
            warm.compile_collection(lab.lab / "userland", lab.lab / "layer", guests.folder(lab, name) / "work")
        for name in names:
            guests.finish_start(lab, name)


@contextlib.contextmanager
def _taken_down_on_failure(cache: Cache, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        runs.take_down(runs.Run(cache, name))
        raise


def down(cache: Cache, arguments: argparse.Namespace) -> None:
    """End a run and remove it."""
    with runs.using(cache, arguments.run), step("taking down the run " + arguments.run):
        if not runs.take_down(runs.Run(cache, arguments.run)):
            say("there is no run " + arguments.run)


def existing(cache: Cache, arguments: argparse.Namespace) -> runs.Run:
    """The run that the command is about."""
    lab = runs.Run(cache, arguments.run)
    if not lab.exists:
        raise LabError("there is no run %s: make one with `up`" % arguments.run)
    return lab


def start(cache: Cache, arguments: argparse.Namespace) -> None:
    """Start guests (all without names), or machines that have no agent."""
    lab = existing(cache, arguments)
    if arguments.plain:
        for name in arguments.names:
            with step("starting " + name):
                guests.start_plain(lab, name)
    else:
        start_guests(lab, arguments.names or lab.read()["guests"])


def stop(cache: Cache, arguments: argparse.Namespace) -> None:
    """Switch machines off."""
    lab = existing(cache, arguments)
    for name in arguments.names or lab.read()["guests"]:
        with step("switching off " + name):
            guests.stop(lab, name)


def restart(cache: Cache, arguments: argparse.Namespace) -> None:
    """Switch guests off and start them from the lab's state, with the shares that they have now."""
    arguments.plain = False
    stop(cache, arguments)
    start(cache, arguments)


def systemd(cache: Cache, arguments: argparse.Namespace) -> None:
    """Boot systemd in a running guest, in place of the lab's init."""
    lab = existing(cache, arguments)
    with step("booting systemd in " + arguments.name):
        say("systemd calls itself " + guests.boot_systemd(lab, arguments.name))


def machines(cache: Cache, arguments: argparse.Namespace) -> None:
    """Register plain machines PREFIX1, PREFIX2, ..."""
    lab = existing(cache, arguments)
    with step("registering %d machines" % arguments.count):
        for number in range(1, arguments.count + 1):
            guests.create_plain(lab, arguments.prefix + str(number))


def status(cache: Cache, _arguments: argparse.Namespace) -> None:
    """All runs and their machines."""
    for folder in sorted(cache.runs.glob("*")):
        lab = runs.Run(cache, folder.name)
        say("run %s: %s, %d processes" % (lab.name, "up" if lab.exists else "dead", len(lab.processes())))
        for name in lab.read().get("guests", []) if lab.exists else ():
            say("  guest %s: %s" % (name, guests.state(lab, name)))
    for folder in sorted(cache.artefacts.glob("*")):
        say("cached: " + folder.name)


def guest(cache: Cache, arguments: argparse.Namespace) -> int:
    """One shell line in the userland of a guest, in the environment of root's login."""
    lab = existing(cache, arguments)
    code, output = guests.ask(lab, arguments.name, agent.in_userland(arguments.line), arguments.timeout)
    sys.stdout.write(output)
    return code


def vbox(cache: Cache, arguments: argparse.Namespace) -> int:
    """VBoxManage of the host."""
    result = existing(cache, arguments).vbox(*arguments.arguments, check=False)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.returncode


def check_warm(cache: Cache, arguments: argparse.Namespace) -> None:
    """Fail if something ran the slow way in a guest since its start."""
    lab = existing(cache, arguments)
    for name in arguments.names or lab.read()["guests"]:
        slow = guests.fallbacks(lab, name)
        if slow:
            raise LabError("the guest %s fell back to plain Python:\n%s" % (name, slow))
        compiled = guests.compiled(lab, name)
        say("%s: everything ran warm; compiled in the guest: %s" % (name, " ".join(compiled) or "nothing"))


def show_inventory(cache: Cache, arguments: argparse.Namespace) -> None:
    """The path of the inventory."""
    print(existing(cache, arguments).folder / "inventory.json")


def parser() -> argparse.ArgumentParser:
    """The commands."""
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--run", default="default", help="name of the run (default: %(default)s)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function, *names: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        for each in names:
            sub.add_argument("names", nargs=each, metavar="NAME", help="a machine (default: all guests)")
        return sub

    for name, function in (("build", build), ("up", up)):
        command(name, function).add_argument(
            "--ansible-python",
            help="interpreter of the Ansible that will drive the guests "
            "(default: $ZEROINSTALL_VIRTUALBOX_ANSIBLE_PYTHON, or that of the ansible-playbook in PATH)",
        )
    commands.choices["build"].add_argument(
        "what",
        nargs="?",
        choices=("host", "booted", "guests", "additions", "oracle"),
        default="guests",
        help="a host; a guest that has booted; guests that Ansible is quick in; a root for installing Guest Additions;"
        " guests with Oracle's drivers (default: %(default)s)",
    )
    commands.choices["up"].add_argument(
        "--guests", default="g1,g2", help="names, with commas; '' for a host alone (default: %(default)s)"
    )
    commands.choices["up"].add_argument(
        "--driver",
        choices=("mainline", "oracle"),
        default="mainline",
        help="whose vboxguest and vboxsf the guests run (default: %(default)s)",
    )
    command("down", down)
    command("start", start, "*").add_argument(
        "--plain", action="store_true", help="machines without an agent; they stay in their BIOS"
    )
    command("stop", stop, "*")
    command("restart", restart, "*")
    command("systemd", systemd).add_argument("name")
    sub = command("machines", machines)
    sub.add_argument("count", type=int)
    sub.add_argument("--prefix", default="m")
    command("status", status)
    sub = command("guest", guest)
    sub.add_argument("name")
    sub.add_argument("line")
    sub.add_argument("--timeout", type=float, default=HANG)
    command("vbox", vbox).add_argument("arguments", nargs=argparse.REMAINDER)
    command("check-warm", check_warm, "*")
    command("inventory", show_inventory)
    return top


def main() -> int:
    """Run a command; its exit status."""
    arguments = parser().parse_args()
    end_with_signals()
    try:
        tools.check_machine()
        return arguments.function(Cache(), arguments) or 0
    except (LabError, Hangs) as error:
        print("lab: error: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
