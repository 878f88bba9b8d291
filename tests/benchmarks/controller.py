# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of a controller cost: pipelining, kept ssh connections and forks; written to controller.md.

Started by ``make benchmark``. HOSTS addresses of this machine are reached by real ssh, and each is asked by RUNS module
runs, as many as a host costs that is right already. All ways run in turn, ROUNDS times. The processor time is that of
Ansible and its ssh programs, and of what runs on the hosts.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tools"), str(HERE.parent / "lab")]
from labkit.waiting import until  # noqa: E402

HOSTS, RUNS, ROUNDS = 10, 4, 3
PLAIN = {"ANSIBLE_PIPELINING": "0", "ANSIBLE_FORKS": "5"}
WAYS: Mapping[str, Mapping[str, str]] = {
    "as Ansible comes, with 5 forks": PLAIN,
    "without kept connections": {**PLAIN, "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"},
    "with pipelining": {**PLAIN, "ANSIBLE_PIPELINING": "1"},
    "with pipelining and 10 forks": {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": "10"},
}
TASK = {"zeroinstall.virtualbox.paths_info": {"paths": ["/etc/fstab"]}}


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, object]]:
    """An SSH server of this machine, whose root has his home in the folder; the variables of its hosts."""
    (folder / ".ssh").mkdir(mode=0o700)
    key, server_key, passwd, log = (folder / name for name in ("key", "server", "passwd", "log"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", server_key], check=True, capture_output=True)
    key.with_suffix(".pub").rename(folder / ".ssh" / "authorized_keys")
    passwd.write_text(f"root:x:0:0::{folder}:/bin/sh\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    addresses = [word for number in range(1, HOSTS + 1) for word in ("-p", f"127.0.0.{number}:{port}")]
    inside = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", inside, "sh", passwd, "dropbear", "-F", "-E", "-s", "-r", server_key]
    with log.open("wb") as output, subprocess.Popen(
        [*command, "-P", folder / "pid", *addresses], stdin=subprocess.DEVNULL, stdout=output, stderr=output
    ) as process:  # fmt: skip
        until(lambda: b"Not backgrounding" in log.read_bytes() or process.poll() is not None, log.read_text)
        try:
            yield {
                "ansible_port": port,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(key),
                "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                "ansible_python_interpreter": "/usr/bin/python3",
            }
        finally:
            process.terminate()


def at(address: str) -> dict[str, str]:
    """The variables of a host, which is reached from its own address: dropbear lets five of each begin at once."""
    return {"ansible_host": address, "ansible_ssh_extra_args": f"-o BindAddress={address}"}


def used() -> float:
    """Seconds of processor time of all programs that have ended."""
    one = resource.getrusage(resource.RUSAGE_CHILDREN)
    return one.ru_utime + one.ru_stime


def run(folder: Path, settings: Mapping[str, str], number: str) -> tuple[float, float]:
    """Seconds, and those of a processor, of one run on all hosts; each run makes its connections anew."""
    control = Path(tempfile.mkdtemp(dir=folder))
    variables = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control), "HOME": str(folder), **settings}
    began, before = time.monotonic(), used()
    command = ["ansible-playbook", "-i", folder / "inventory.json", folder / "play.yml"]
    log = folder / "output"
    with log.open("wb") as output:  # no pipe, which kept connections would hold open
        status = subprocess.run(command, env=variables, stdout=output, stderr=output, check=False).returncode
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"{number}: {log.read_text(encoding='utf-8')}")
    for connection in control.iterdir():
        hang_up = ["ssh", "-F", "none", "-q", "-o", f"ControlPath={connection}", "-O", "exit", "host"]
        subprocess.run(hang_up, check=False, capture_output=True)
    return seconds, used() - before


def table(found: Mapping[str, list[tuple[float, float]]]) -> str:
    """The document with the medians."""
    lines = [
        # REUSE-IgnoreStart
        "<!--\nSPDX-FileCopyrightText: zeroinstall.virtualbox contributors",
        "SPDX-License-Identifier: GPL-3.0-or-later\n-->\n",
        # REUSE-IgnoreEnd
        "# Settings of a controller\n",
        f"{HOSTS} hosts, each asked by {RUNS} module runs, reached by ssh at addresses of the controller itself,"
        f" {os.cpu_count()} cores,"
        f" {datetime.date.today()}. Medians of {ROUNDS} runs, all ways in turn. Processor time is"
        " that of Ansible and its ssh programs alone. Written by `make benchmark`.\n",
        "| | seconds | of a processor, in Ansible and ssh |\n|---|--:|--:|",
    ]
    for way, runs in found.items():
        wall, processor = (statistics.median(values) for values in zip(*runs, strict=True))
        lines.append(f"| {way} | {wall:.1f} | {processor:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and write the document."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="controller-") as name:
        folder = Path(name)
        with serving(folder) as variables:
            hosts = {f"h{number}": at(f"127.0.0.{number}") for number in range(1, HOSTS + 1)}
            inventory = {"all": {"vars": variables, "hosts": hosts}}
            (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
            play = [{"hosts": "all", "gather_facts": False, "tasks": [TASK] * RUNS}]
            (folder / "play.yml").write_text(json.dumps(play), encoding="utf-8")
            for round_ in range(ROUNDS):
                for way, settings in WAYS.items():
                    found[way].append(run(folder, settings, f"{way}, round {round_}"))
    text = table(found)
    (HERE / "controller.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
