# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet costs, beside a naive role and beside a smaller fleet; fleet.md says how, and what came of it.

``make benchmark`` runs all parts. One part, or a small fleet::

    python3 tests/tools/setup.py --needs fleet python tests/benchmarks/fleet.py guests --guests 20,100

Hosts and guests are stand-ins (fleet/standins.py), by real ssh; only in the part ``thousand``, a connection plugin
answers for the guests. All ways run in turn, ROUNDS times. Processor time is that of ansible-playbook, of what it
starts, and of the ssh connections that it leaves open. Memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FLEET = HERE / "fleet"
sys.path[:0] = [str(FLEET), str(HERE.parent / "lab")]
from standins import STORE, Server, interpreter, serving, virtualbox  # noqa: E402

SHARE, VERIFY, REPORT, UNSHARE = (f"zeroinstall.virtualbox.{name}" for name in ("share", "verify", "report", "unshare"))
MANAGE = str(FLEET / "standins/VBoxManage")
NAIVE = str(FLEET / "naive.yml")
SETTINGS = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_CONNECTION_PLUGINS": str(FLEET / "connection_plugins"),
    # The rival's first task connects to its host from all forks at once, of which dropbear turns some away.
    "ANSIBLE_SSH_RETRIES": "3",
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one run: ``wall`` and ``processor`` seconds and ``memory`` in MB of the controller, ``there``, the processor
    seconds on hosts and in guests, by the name of their server, and how many ``lines`` it printed.
    """

    wall: float
    processor: float
    memory: float
    there: Mapping[str, float] = dataclasses.field(default_factory=dict)
    lines: int = 0


Found = dict[str, list[Cost]]


def measured(command: Sequence[str | Path], environment: Mapping[str, str], log: Path, told: str = "") -> Cost:
    """What a process costs with its children."""
    began = time.monotonic()
    given = subprocess.PIPE if told else subprocess.DEVNULL
    # No pipe for the output, which connections that stay open would hold.
    with log.open("wb") as output, subprocess.Popen(
        command, env=environment, stdin=given, stdout=output, stderr=subprocess.STDOUT
    ) as process:  # fmt: skip
        if process.stdin:
            process.stdin.write(told.encode())
            process.stdin.close()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        text = log.read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{text[-6000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def hang_up(control: Path) -> float:
    """End the connections that are still open; the processor seconds that they took, each a process of its own."""
    total = 0.0
    for connection in control.iterdir():
        ask = ["ssh", "-F", "none", "-o", f"ControlPath={connection}", "-O"]
        told = subprocess.run([*ask, "check", "host"], check=False, capture_output=True, text=True).stderr
        number = int(told.partition("pid=")[2].partition(")")[0] or 0)
        if number:
            seconds = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += sum(map(int, seconds[11:13])) / os.sysconf("SC_CLK_TCK")
        subprocess.run([*ask, "exit", "host"], check=False, capture_output=True)
    return total


class Bench:
    """A folder, and how Ansible is run in it."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.servers: dict[str, Server] = {}
        self.runs = 0

    def inventory(self, name: str, hosts: Mapping[str, Any], guests: Mapping[str, Any], common: Any = None) -> Path:
        """The file of an inventory with these hosts and guests, each with its variables."""
        children = {
            "zeroinstall_hosts": {"hosts": hosts},
            "zeroinstall_guests": {"hosts": guests, "vars": dict(common or {})},
        }
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"all": {"children": children}}), encoding="utf-8")
        return file

    def play(self, playbook: str, inventory: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Cost:
        """One run. Its connections are made anew, and are closed before the hosts' and guests' time is read."""
        control = Path(tempfile.mkdtemp(dir=self.folder))
        before = {name: server.used() for name, server in self.servers.items()}
        environment = {
            **os.environ,
            **SETTINGS,
            "ANSIBLE_PIPELINING": "0" if self.options.no_pipelining else "1",
            "HOME": str(self.folder),
            "ANSIBLE_FORKS": str(self.options.forks),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
            **(settings or {}),
        }
        program: list[str | Path] = ["ansible-playbook"]
        if self.options.profile:
            self.runs += 1
            place = Path(self.options.profile) / f"{self.runs:02}-{inventory.stem}"
            program = [sys.executable, FLEET / "profiled.py", place]
        try:
            cost = measured([*program, "-i", inventory, playbook, *arguments], environment, self.folder / "output")
        finally:
            connections = hang_up(control)
        lines = (self.folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
        there = {name: server.used() - before[name] for name, server in self.servers.items()}
        return dataclasses.replace(cost, processor=cost.processor + connections, there=there, lines=len(lines))

    def right(self, playbook: str, inventory: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Cost:
        """A run that may change nothing."""
        cost = self.play(playbook, inventory, *arguments, settings=settings)
        recap = (self.folder / "output").read_text(encoding="utf-8").rpartition("PLAY RECAP")[2]
        wrong = [line for line in recap.splitlines() if ": ok=" in line and " changed=0 " not in line]
        if wrong:
            raise SystemExit(f"{playbook} changed something:\n" + "\n".join(wrong))
        return cost

    @contextmanager
    def server(self, name: str, kind: str) -> Iterator[Server]:
        """A stand-in for as long as the block."""
        with serving(kind, self.folder / name) as server:
            self.servers[name] = server
            try:
                yield server
            finally:
                del self.servers[name]

    def hosts(self, server: Server, names: Mapping[str, Sequence[str]], running: bool) -> dict[str, Any]:
        """The variables of hosts, each with the machines of its own."""
        place = self.folder / f"virtualbox-{sum(map(len, names.values()))}-{len(names)}"
        found = {}
        for number, (host, machines) in enumerate(names.items()):
            shutil.rmtree(place / host, ignore_errors=True)
            virtualbox(place / host, machines, running, str(self.folder / "host/.cache" / STORE[len("/var/cache/") :]))
            found[host] = {
                **server.variables,
                **server.at(number),
                "ansible_python_interpreter": str(interpreter(place / host, place / f"python-{host}")),
                "cache_host_store": "user",
                "cache_host_vboxmanage": MANAGE,
            }
        return found


def fleet(guests: int, hosts: int) -> dict[str, list[str]]:
    """The guests of each host."""
    names = [f"g{number:04}" for number in range(guests)]
    return {f"h{number:02}": names[number::hosts] for number in range(hosts)}


def of(host: str, name: str) -> dict[str, Any]:
    """What the inventory says of a guest."""
    return {"cache_guest_host": host, "cache_guest_machine": name}


def in_turn(ways: Mapping[str, Callable[[], Cost]], rounds: int) -> Found:
    """What each way costs, run in turn."""
    found: Found = {way: [] for way in ways}
    for number in range(rounds):
        for way, run in ways.items():
            found[way].append(run())
            cost = found[way][-1]
            there = "".join(f", {seconds:.2f} s on {name}" for name, seconds in cost.there.items())
            print(
                f"round {number + 1}: {way}: {cost.wall:.1f} s, {cost.processor:.2f} s of the controller's processor"
                f"{there}, {cost.memory:.0f} MB",
                flush=True,
            )
    return found


def median(costs: Sequence[Cost], what: Callable[[Cost], float]) -> float:
    """The median of a figure."""
    return statistics.median(map(what, costs))


def by_wall(cost: Cost) -> float:
    """Seconds."""
    return cost.wall


def by_processor(cost: Cost) -> float:
    """Processor seconds of the controller."""
    return cost.processor


def by_there(*names: str) -> Callable[[Cost], float]:
    """Processor seconds on these servers."""
    return lambda cost: sum(cost.there.get(name, 0.0) for name in names)


def table(head: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """A table, whose first column is text."""
    lines = [" | ".join(head), " | ".join(["---", *["--:"] * (len(head) - 1)])]
    for row in rows:
        lines.append(" | ".join(one if isinstance(one, str) else f"{one:.2f}" for one in row))
    return "".join(f"| {line} |\n" for line in lines)


def guests(bench: Bench) -> str:
    """Guests that are right: share.yml beside the naive role."""
    sizes = bench.options.guests
    with ExitStack() as open_:
        host = open_.enter_context(bench.server("host", "host"))
        ours, rival = (open_.enter_context(bench.server(name, "guest")) for name in ("ours", "naive"))
        for name in ("ours", "naive"):
            (bench.folder / name / "shares/ZeroInstall").mkdir(parents=True)
        ways: dict[str, Callable[[], Cost]] = {}
        for size in sizes:
            names = fleet(size, 1)
            hosts = bench.hosts(host, names, True)
            members = [(name, number, of(*pair)) for number, (name, pair) in enumerate(
                (name, (on, name)) for on, its in names.items() for name in its
            )]  # fmt: skip
            files = {
                server: bench.inventory(
                    f"{server}-{size}", hosts, {name: {**said, **one.at(number)} for name, number, said in members},
                    {**one.variables, **({"naive_vboxmanage": MANAGE} if server == "naive" else {})},
                )
                for server, one in (("ours", ours), ("naive", rival))
            }  # fmt: skip
            if size == sizes[0]:  # all guests of a server are one machine: the first run makes all right
                for playbook, server in ((SHARE, "ours"), (NAIVE, "naive")):
                    bench.play(playbook, files[server], "--limit", "zeroinstall_hosts:zeroinstall_guests[0]")
            ways[f"share.yml, {size} guests"] = lambda file=files["ours"]: bench.right(SHARE, file)  # type: ignore[misc]
            ways[f"its guests' play alone, {size} guests"] = lambda file=files["ours"]: bench.right(  # type: ignore[misc]
                SHARE, file, "--limit", "zeroinstall_guests"
            )
            ways[f"naive role, {size} guests"] = lambda file=files["naive"]: bench.right(NAIVE, file)  # type: ignore[misc]
        found = in_turn(ways, bench.options.rounds)
    rows: list[list[str | float]] = []
    in_guests = by_there("ours", "naive")
    for way, costs in found.items():
        naive = found[f"naive role, {way.rpartition(', ')[2]}"]
        each = int(way.rpartition(", ")[2].partition(" ")[0])
        rows.append(
            [
                way,
                median(costs, by_processor),
                1000 * median(costs, by_processor) / each,
                median(costs, by_processor) / median(naive, by_processor),
                median(costs, in_guests),
                median(costs, in_guests) / median(naive, in_guests),
                median(costs, by_there("host")),
                median(costs, by_wall),
                median(costs, lambda cost: cost.memory),
                median(costs, lambda cost: cost.lines) / each,
            ]
        )
    head = ["", "controller CPU s", "ms each guest", "of naive", "guests' CPU s", "of naive", "hosts' CPU s", "s", "MB"]
    return table([*head, "lines each guest"], rows)


def host(bench: Bench) -> str:
    """The host's part alone: few and many guests, on one host and on several."""
    ways: dict[str, Callable[[], Cost]] = {}
    with bench.server("host", "host") as server:
        for pair in bench.options.host:
            hosts_count, sizes = pair
            for size in sizes:
                names = fleet(size, hosts_count)
                said = {name: of(on, name) for on, its in names.items() for name in its}
                file = bench.inventory(f"host-{hosts_count}-{size}", bench.hosts(server, names, False), said)
                if not ways:  # all hosts are one machine: the first run makes all right
                    bench.play(SHARE, file, "--limit", "zeroinstall_hosts")
                way = f"{size} guests on {hosts_count} hosts"
                ways[way] = lambda file=file: bench.right(SHARE, file, "--limit", "zeroinstall_hosts")  # type: ignore[misc]
        found = in_turn(ways, bench.options.rounds)
    rows: list[list[str | float]] = []
    for hosts_count, sizes in bench.options.host:
        first = found[f"{sizes[0]} guests on {hosts_count} hosts"]
        for size in sizes:
            costs = found[f"{size} guests on {hosts_count} hosts"]
            rows.append([f"{size} guests on {hosts_count} hosts"])
            for figure in (by_processor, by_there("host"), by_wall, lambda cost: cost.memory):
                rows[-1] += [median(costs, figure), median(costs, figure) / (median(first, figure) or 1)]
    return table(["", "controller CPU s", "ratio", "hosts' CPU s", "ratio", "s", "ratio", "MB", "ratio"], rows)


@contextmanager
def right_fleet(bench: Bench, size: int, hosts: int) -> Iterator[tuple[Path, dict[str, Any], Server]]:
    """The inventory of a fleet that is right, its guests with their variables, and their server."""
    with bench.server("host", "host") as host_server, bench.server("guest", "guest") as server:
        (bench.folder / "guest/shares/ZeroInstall").mkdir(parents=True)
        names = fleet(size, hosts)
        members = [(on, name) for on, its in names.items() for name in its]
        guests_ = {name: {**of(on, name), **server.at(number)} for number, (on, name) in enumerate(members)}
        file = bench.inventory("fleet", bench.hosts(host_server, names, True), guests_, server.variables)
        bench.play(SHARE, file, "--limit", "zeroinstall_hosts:zeroinstall_guests[0]")
        yield file, guests_, server


def portions(bench: Bench) -> str:
    """Parts of a fleet that is right: by limit, by tag, and in a play of somebody's own."""
    size = bench.options.portions
    with right_fleet(bench, size, 2) as (file, guests_, server):
        first = next(iter(guests_))
        half = dict(list(guests_.items())[: (size + 1) // 2])
        piece = bench.inventory("slice", {}, half, server.variables)
        own = str(FLEET / "own.yml")
        ways: dict[str, tuple[str, Path, Sequence[str]]] = {
            "all": (SHARE, file, []),
            "all, with --diff": (SHARE, file, ["--diff"]),
            "--limit of one guest": (SHARE, file, ["--limit", first]),
            "--limit of one host": (SHARE, file, ["--limit", guests_[first]["cache_guest_host"]]),
            "--tags zeroinstall_hosts": (SHARE, file, ["--tags", "zeroinstall_hosts"]),
            "--tags zeroinstall_guests": (SHARE, file, ["--tags", "zeroinstall_guests"]),
            "the role in a play of your own": (own, file, []),
            "the same with serial: 5": (own, file, ["-e", "own_serial=5"]),
            "the same with strategy: free": (own, file, ["-e", "own_strategy=free"]),
            "the same for a slice of half the guests": (own, piece, []),
        }
        found = in_turn(
            {way: lambda said=said: bench.right(said[0], said[1], *said[2]) for way, said in ways.items()},  # type: ignore[misc]
            bench.options.rounds,
        )
    rows: list[list[str | float]] = []
    for way, costs in found.items():
        processor = median(costs, by_processor)
        lines = median(costs, lambda cost: cost.lines)
        rows.append([way, processor, processor / median(found["all"], by_processor), median(costs, by_wall), lines])
    return table([f"{size} guests on 2 hosts", "controller CPU s", "of all", "s", "lines"], rows)


def full_cache(bench: Bench, inventory: Path, names: Sequence[str]) -> dict[str, str]:
    """The settings of a cache that has the facts of each of these guests: those of the first one, which it gathers."""
    place = bench.folder / "facts"
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(place)}
    bench.play(str(FLEET / "facts.yml"), inventory, "--limit", names[0], settings=cache)
    [file] = place.iterdir()
    for name in names[1:]:
        shutil.copy(file, file.with_name(file.name.replace(names[0], name)))
    return cache


def settings(bench: Bench) -> str:
    """What settings of the controller do to a fleet that is right."""
    size = bench.options.settings
    pipelining, ten = {"ANSIBLE_PIPELINING": "1"}, {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": "10"}
    with right_fleet(bench, size, 1) as (file, guests_, _server):
        ways: dict[str, Mapping[str, str]] = {
            "as Ansible comes, with 5 forks": {"ANSIBLE_PIPELINING": "0", "ANSIBLE_FORKS": "5"},
            "with pipelining": {**pipelining, "ANSIBLE_FORKS": "5"},
            "with pipelining and 10 forks": ten,
            "with pipelining and 20 forks": {**pipelining, "ANSIBLE_FORKS": "20"},
            "the same with 10 forks, without kept connections": {
                **ten,
                "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none",
            },
            "the same with 10 forks, and all facts in a cache": {**ten, **full_cache(bench, file, list(guests_))},
        }
        found = in_turn(
            {way: lambda said=said: bench.right(SHARE, file, settings=said) for way, said in ways.items()},  # type: ignore[misc]
            bench.options.rounds,
        )
    rows: list[list[str | float]] = []
    first = next(iter(found.values()))
    for way, costs in found.items():
        processor = median(costs, by_processor)
        rows.append([way, median(costs, by_wall), processor, processor / median(first, by_processor)])
        rows[-1].append(median(costs, lambda cost: cost.memory))
    return table([f"{size} guests, 1 host", "s", "controller CPU s", "ratio", "MB"], rows)


def machines(bench: Bench) -> str:
    """The modules of the host alone, by the number of a host's machines."""
    store = bench.folder / "store/0install.net/implementations"
    store.mkdir(parents=True)
    ways: dict[str, list[tuple[Path, str]]] = {}
    for size in bench.options.machines:
        for running in (False, True):
            for number in range(bench.options.hosts):
                names = [f"m{one}" for one in range(size)]
                place = bench.folder / f"machines-{size}-{running}-{number}"
                virtualbox(place, names, running, str(store))
                wanted = [{"machine": name, "shares": [{"name": "ZeroInstall", "path": str(store)}]} for name in names]
                manage = {"vboxmanage": MANAGE}
                state = "running" if running else "off"
                for module, options in (("shares", {"machines": wanted, "exclusive": True}), ("machine_info", {})):
                    way = f"{module}, {size} machines, {state}"
                    ways.setdefault(way, []).append((place, json.dumps({**manage, **options})))

    def run(module: str, place: Path, told: str) -> Cost:
        environment = {**os.environ, "VBOX_USER_HOME": str(place)}
        log = bench.folder / "output"
        cost = measured([sys.executable, FLEET / "module_once.py", module], environment, log, told)
        if json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["changed"]:
            raise SystemExit(f"{module} changed something")
        return cost

    found: Found = {way: [] for way in ways}
    for number in range(bench.options.hosts):
        for way, places in ways.items():
            found[way].append(run(way.partition(",")[0], *places[number]))
    rows: list[list[str | float]] = [
        [
            way,
            1000 * median(costs, by_processor),
            1000 * median(costs, by_processor) / int(way.split()[1]),
            1000 * median(costs, by_wall),
            median(costs, lambda cost: cost.memory),
        ]
        for way, costs in sorted(found.items(), key=lambda pair: (pair[0].split(",")[0], pair[0].split(",")[2]))
    ]
    return table(["median of the hosts", "CPU ms", "each machine", "ms", "MB"], rows)


def thousand(bench: Bench) -> str:
    """A simulated fleet: real hosts' plays, guests that a connection plugin answers for."""
    size, hosts_count = bench.options.thousand, bench.options.thousand_hosts
    rows: list[list[str | float]] = []
    with bench.server("host", "host") as server, bench.server("guest", "guest") as guest:
        (bench.folder / "guest/shares/ZeroInstall").mkdir(parents=True)
        names = fleet(size, hosts_count)
        hosts = bench.hosts(server, names, False)
        said = {name: of(on, name) for on, its in names.items() for name in its}
        common = {
            "ansible_connection": "standin",
            "ansible_python_interpreter": "/usr/bin/python3",
            "cache_verify_guests": True,
        }
        files = [f"cache_report_{kind}={bench.folder}/report.{kind}" for kind in ("json", "html", "metrics")]
        for playbook in (SHARE, VERIFY, REPORT, UNSHARE):
            answers = bench.folder / f"answers-{playbook}"
            answers.mkdir()
            common["standin_answers"] = str(answers)
            one = bench.inventory("one", hosts, said, {**common, "standin_process": str(guest.process)})
            limit = f"{next(iter(hosts))}:{next(iter(said))}"
            shared = ["-e", "cache_verify_guests=true"] if playbook == VERIFY else []
            shared += [word for file in files for word in ("-e", file)] if playbook == REPORT else []
            for _run in range(2 if playbook == SHARE else 1):  # the second is one of a guest that is right
                bench.play(playbook, one, "--limit", limit, *shared)
            bench.hosts(server, names, False)  # what was unshared is shared again
            everybody = bench.inventory(f"fleet-{size}", hosts, said, common)
            cost = (bench.right if playbook in (SHARE, VERIFY) else bench.play)(playbook, everybody, *shared)
            print(f"{playbook}: {cost}", flush=True)
            rows.append(
                [
                    playbook.rpartition(".")[2],
                    cost.wall,
                    cost.processor,
                    1000 * cost.processor / size,
                    cost.there["host"],
                    cost.memory,
                ]
            )
    head = [f"{size} guests, {hosts_count} hosts", "s", "controller CPU s", "ms each guest", "hosts' CPU s", "MB"]
    return table(head, rows)


PARTS: Mapping[str, Callable[[Bench], str]] = {
    "guests": guests,
    "host": host,
    "portions": portions,
    "settings": settings,
    "machines": machines,
    "thousand": thousand,
}


def sizes_of(text: str) -> list[int]:
    """Numbers with commas."""
    return [int(word) for word in text.split(",")]


def hosts_and_sizes(text: str) -> tuple[int, list[int]]:
    """``HOSTS:GUESTS,GUESTS``."""
    hosts, _colon, sizes = text.partition(":")
    return int(hosts), sizes_of(sizes)


def main(arguments: Sequence[str]) -> int:
    """Measure the parts, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--no-pipelining", action="store_true", help="as Ansible comes, in the parts guests and host")
    parser.add_argument("--guests", type=sizes_of, default=[20, 100], help="sizes of the part guests, the least first")
    parser.add_argument(
        "--host",
        type=hosts_and_sizes,
        action="append",
        metavar="HOSTS:GUESTS,GUESTS",
        help="sizes of the part host (1:10,2000 and 20:20,1000)",
    )
    parser.add_argument("--portions", type=int, default=20, help="guests of the part portions")
    parser.add_argument("--settings", type=int, default=50, help="guests of the part settings")
    parser.add_argument("--machines", type=sizes_of, default=[50, 500], help="sizes of the part machines")
    parser.add_argument("--hosts", type=int, default=10, help="hosts of the part machines")
    parser.add_argument("--thousand", type=int, default=1000, help="guests of the part thousand")
    parser.add_argument("--thousand-hosts", type=int, default=20, help="its hosts")
    parser.add_argument("--profile", help="a folder for profiles of Ansible's processes; then times mean nothing")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stand-ins end with it
    options.host = options.host or [(1, [10, 2000]), (20, [20, 1000])]
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="fleet-") as name:
            print(f"## {part}\n\n{PARTS[part](Bench(Path(name), options))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
