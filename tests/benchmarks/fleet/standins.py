# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for the fleet's benchmark: hosts with machines, and guests, of this machine, by real ssh.

The settings files of machines are one that VirtualBox wrote, multiplied. What answers for VirtualBox, and for the
driver of a guest, is in ``standins``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit.waiting import until

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parents[1] / "unit/plugins/module_utils/fixtures"
STORE = "/var/cache/0install.net/implementations"
SHARE = "ZeroInstall"
TICKS = os.sysconf("SC_CLK_TCK")
_SETTINGS = (RECORDED / "vbox_machine_aborted.vbox").read_text(encoding="utf-8")
_INFO = (RECORDED / "vbox_showvminfo_running_machinereadable.txt").read_text(encoding="utf-8")
_REGISTRY = (RECORDED / "vbox_VirtualBox.xml").read_text(encoding="utf-8")


def settings(name: str, identity: str, store: str) -> str:
    """The settings file of a machine that has the store's share and its mark, beside shares of somebody else."""
    text = re.sub(r'<Machine uuid="[^"]*" name="[^"]*"', f'<Machine uuid="{{{identity}}}" name="{name}"', _SETTINGS)
    before, live, after = text.rpartition("<SharedFolders>")
    return (
        before
        + live
        + re.sub(
            r'<SharedFolder name="ZeroInstall" [^>]*/>',
            f'<SharedFolder name="{SHARE}" hostPath="{store}" writable="false" autoMount="false"/>',
            after,
            count=1,
        )
    )


def info(name: str, identity: str, store: str) -> str:
    """What ``showvminfo --machinereadable`` prints of that machine while it runs."""
    text = re.sub(r'(?m)^name=".*"$', f'name="{name}"', _INFO, count=1)
    text = re.sub(r'(?m)^UUID=".*"$', f'UUID="{identity}"', text, count=1)
    text = re.sub(r"(?m)^SharedFolder.*\n", "", text)
    share = f'SharedFolderNameMachineMapping1="{SHARE}"\nSharedFolderPathMachineMapping1="{store}"\n'
    return re.sub(r"(?m)^(?=VMState=)", share, text, count=1)


def virtualbox(folder: Path, names: Sequence[str], running: bool, store: str = STORE) -> None:
    """VirtualBox's folder of a user with these machines, each of which is right."""
    machines = folder / "machines"
    machines.mkdir(parents=True)
    entries, listed = [], []
    for name in names:
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        (machines / f"{identity}.vbox").write_text(settings(name, identity, store), encoding="utf-8")
        told = machines / f"{identity}.info"
        told.write_text(info(name, identity, store), encoding="utf-8")
        os.link(told, machines / f"{name}.info")
        entries.append(f'<MachineEntry uuid="{{{identity}}}" src="machines/{identity}.vbox"/>')
        listed.append(f'"{name}" {{{identity}}}\n')
    registry = re.sub(r"(?s)<MachineEntry.*/>(?=\s*</MachineRegistry>)", lambda _: "\n".join(entries), _REGISTRY)
    registry = re.sub(r"(?s)<SharedFolders>.*?</SharedFolders>", "", registry)
    (folder / "VirtualBox.xml").write_text(registry, encoding="utf-8")
    (folder / "vms").write_text("".join(listed), encoding="utf-8")
    (folder / "running").write_text("".join(listed) if running else "", encoding="utf-8")


def interpreter(folder: Path, place: Path) -> Path:
    """A host's Python, which knows where its VirtualBox has its folder."""
    place.write_text(f'#!/bin/sh\nVBOX_USER_HOME={folder} exec /usr/bin/python3 "$@"\n', encoding="utf-8")
    place.chmod(0o755)
    return place


@dataclasses.dataclass(frozen=True)
class Server:
    """An ssh server of a stand-in: its process, and the variables by which Ansible reaches what is behind it."""

    process: int
    variables: dict[str, object]

    def at(self, number: int) -> dict[str, str]:
        """The variables of one of its machines. Each comes from an address of its own: dropbear lets five of each in."""
        address = f"127.1.{number // 250}.{number % 250 + 1}"
        return {"ansible_ssh_extra_args": f"-o HostName=127.0.0.1 -o BindAddress={address}"}

    def used(self) -> float:
        """Seconds of processor time of the server and of all that ran behind it, once that has ended."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children")
        until(lambda: not children.read_text(encoding="ascii").strip(), "a session of ssh goes on")
        fields = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS


@contextlib.contextmanager
def serving(kind: str, folder: Path) -> Iterator[Server]:
    """A stand-in of this kind, ``host`` or ``guest``, whose root has his home in the folder, until the block ends."""
    (folder / ".ssh").mkdir(mode=0o700, parents=True)
    folder.chmod(0o755)
    key, server_key, log = (folder / name for name in ("key", "server", "log"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", server_key], check=True, capture_output=True)
    key.with_suffix(".pub").rename(folder / ".ssh" / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["unshare", "--mount", HERE / "standins/machine.sh", kind, folder]
    command += ["dropbear", "-F", "-E", "-s", "-r", server_key, "-p", f"127.0.0.1:{port}", "-P", folder / "pid"]
    with log.open("wb") as output, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    ) as process:  # fmt: skip
        try:
            until(lambda: b"Not backgrounding" in log.read_bytes() or process.poll() is not None, log.read_text)
            if process.returncode is not None:
                raise SystemExit(f"the stand-in {kind} does not start: {log.read_text(encoding='utf-8')}")
            yield Server(
                process.pid,
                {
                    "ansible_port": port,
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(key),
                    "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                    "ansible_python_interpreter": "/usr/bin/python3",
                },
            )
        finally:
            process.terminate()
