# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU guest, emulated in software: started, saved and restored, rebooted, and asked over ssh."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labkit.waiting import HANG, until

MEMORY = 512  # MB
QUICKLY = (
    "mitigations=off rodata=off cryptomgr.notests=1 no_timer_check nowatchdog nosoftlockup audit=0 init_on_alloc=0"
    " hardened_usercopy=off cgroup_disable=memory psi=0 rcupdate.rcu_cpu_stall_suppress=1"
)
"""What the guest's kernel leaves out, as tests do not need it."""
PATIENTLY = f"systemd.default_timeout_start_sec={HANG:.0f}"
"""On a busy machine no unit fails that only takes long."""
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class MachineError(Exception):
    """What the machine did not do, and what was seen of it."""


class Machine:
    """A guest with a disk of its own in ``folder``, over the one of ``image``; it ends with `off`."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        shutil.copy(image / "id", folder / "id")
        (folder / "id").chmod(0o600)
        disk = ("qemu-img", "create", "-q", "-f", "qcow2", "-b", image / "guest.ext4", "-F", "raw", folder / "disk")
        subprocess.run(disk, check=True, timeout=HANG)

    # --- power

    def start(self, shares: Mapping[str, Path], product: str = "VirtualBox") -> None:
        """Boot, with host folders as read-only shares, as a machine that calls itself PRODUCT; it is not waited for."""
        devices: list[str] = []
        for name, path in shares.items():
            folder = f"local,id=folder-{name},path={path},security_model=none,readonly=on"
            devices += ["-fsdev", folder, "-device", self._device(name)]
        # The death of whoever started it is the death of the machine.
        command = [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
            *("-accel", "tcg,tb-size=256", "-cpu", "qemu64", "-m", str(MEMORY), "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-smbios", f"type=1,product={product}"),
            *("-kernel", self.image / "vmlinux", "-initrd", self.image / "initrd.img"),
            *("-append", f"root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet {QUICKLY} {PATIENTLY}"),
            *("-serial", f"file:{self.folder / 'console'}"),
            *("-drive", f"file={self.folder / 'disk'},if=virtio,format=qcow2,cache=unsafe"),
            *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *("-qmp", f"unix:{self.folder / 'monitor'},server=on,wait=off"),
            *devices,
        ]
        (self.folder / "monitor").unlink(missing_ok=True)
        with (self.folder / "qemu.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        found = until(self._forwarding, lambda: self._seen("QEMU tells of no port"))
        assert found
        self.port = int(found[1])
        (self.folder / "port").write_text(f"Port {self.port}\n", encoding="utf-8")

    def _forwarding(self) -> re.Match[str] | None:
        """The port of this machine that QEMU has taken for the guest's ssh: no other program has had it in between."""
        assert self.process
        if self.process.poll() is not None:
            raise MachineError(self._seen("QEMU ended"))
        with contextlib.suppress(OSError, ValueError):  # its monitor is not there yet
            return re.search(r"HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)", self.monitor("info usernet"))
        return None

    def off(self) -> None:
        """Switch off, as by pulling the plug."""
        self.hang_up()
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def shut_down(self) -> None:
        """Switch off in good order."""
        self.ask("systemctl poweroff", check=False)
        assert self.process
        try:
            self.process.wait(HANG)
        except subprocess.TimeoutExpired as error:
            raise MachineError(self._seen("did not power off")) from error
        self.off()

    def reboot(self) -> None:
        """A real reboot, up to its end."""
        before = self.ask(BOOT_ID)
        self.ask("systemctl reboot", check=False)
        self.hang_up()
        self.await_boot(before)

    def await_boot(self, before: str = "") -> None:
        """Return when ssh answers after a boot (that is not the one with the id BEFORE) and systemd has settled."""
        began = time.monotonic()
        reason = "no SSH server"

        def booted() -> bool:
            nonlocal reason
            # What is said to a guest that is going down gets no answer. On a busy machine an answer takes long, too.
            passed = time.monotonic() - began
            if self._greets(max(1.0, passed / 20)):
                done = self._ssh(BOOT_ID, max(20.0, passed / 5))
                if done.returncode == 0 and done.stdout.strip() != before:
                    return True
                reason = done.stderr or "still the boot before"
                self.hang_up()
            if not self.process or self.process.poll() is not None:
                raise MachineError(self._seen("QEMU ended"))
            return False

        until(booted, lambda: self._seen(f"no answer: {reason}"), pause=0.3)
        self.ask("systemctl is-system-running --wait", check=False)

    def _greets(self, patience: float) -> bool:
        """Whether an SSH server answers. ssh itself would wait long: QEMU accepts connections before the guest does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), patience) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _seen(self, what: str) -> str:
        files = [self.folder / name for name in ("console", "qemu.log")]
        console, log = (file.read_text(errors="replace")[-3000:] if file.exists() else "" for file in files)
        return f"{what}\n--- console:\n{console}\n--- QEMU:\n{log}"

    # --- shares

    @staticmethod
    def _device(name: str) -> str:
        return f"virtio-9p-pci,id={name},fsdev=folder-{name},mount_tag={name}"

    def has_share(self, name: str) -> bool:
        """Whether the machine has a share that it was started with."""
        return f"{name} (child<virtio-9p-pci>)" in self.monitor("qom-list /machine/peripheral")

    def take_share(self, name: str) -> None:
        """Take a share away while the machine runs. It must not be mounted: 9p would wait for that to end."""
        self._command(f"device_del {name}")
        self._await(lambda: not self.has_share(name), f"share {name} is still there")

    def give_share(self, name: str) -> None:
        """Give a share back, and return when the guest's kernel has it."""
        self._command("device_add " + self._device(name))
        line = "cat /sys/bus/virtio/devices/*/mount_tag 2>/dev/null | tr '\\0' '\\n' | grep -qx " + name
        self._await(lambda: self.run(line).returncode == 0, f"the guest does not see share {name}")

    def _await(self, happened: Callable[[], bool], otherwise: str) -> None:
        until(happened, lambda: self._seen(otherwise), pause=0.3)

    # --- QEMU's monitor

    def monitor(self, line: str) -> str:
        """What a command of QEMU's human monitor prints."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(HANG)
            connection.connect(str(self.folder / "monitor"))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.readline()
                for command in (
                    {"execute": "qmp_capabilities"},
                    {"execute": "human-monitor-command", "arguments": {"command-line": line}},
                ):
                    print(json.dumps(command), file=stream, flush=True)
                    answer: dict[str, Any] = {}
                    while "return" not in answer and "error" not in answer:
                        answer = json.loads(stream.readline())
        if "return" not in answer:
            raise MachineError(f"{line}: {answer}")
        return answer["return"]

    def _command(self, line: str) -> None:
        """A command that says nothing if it succeeds."""
        said = self.monitor(line)
        if said:
            raise MachineError(f"{line}: {said}")

    def pause(self, seconds: float) -> None:
        """Stop the machine for a time."""
        self._command("stop")
        time.sleep(seconds)
        self._command("cont")

    def save(self, name: str) -> None:
        """Keep the state of machine and disk. Not possible while a share is mounted: QEMU's 9p cannot save that."""
        self.ask("sync")
        self.hang_up()
        self._command(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Go back to a state that was kept."""
        self.hang_up()
        self._command(f"loadvm {name}")
        self.ask("true")

    # --- ssh

    @property
    def ssh_options(self) -> list[str]:
        """For ssh and for Ansible, which share a connection."""
        values = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": f"{HANG:.0f}",
            "ControlMaster": "auto",
            "ControlPersist": "120",
            "ControlPath": str(self.folder / "ssh"),
            "IdentityFile": str(self.folder / "id"),
            "IdentitiesOnly": "yes",
        }
        words = (word for name, value in values.items() for word in ("-o", f"{name}={value}"))
        return ["-F", str(self.folder / "port"), *words]

    def _ssh(self, line: str, timeout: float) -> subprocess.CompletedProcess[str]:
        command = ["ssh", *self.ssh_options, "root@127.0.0.1", line]
        # ssh's master process would keep a pipe open
        with (self.folder / "answer").open("w+") as out, (self.folder / "complaint").open("w+") as err:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=timeout, check=False
                )
                status = done.returncode
            except subprocess.TimeoutExpired:
                status = 255
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, status, out.read(), err.read())

    def run(self, line: str, timeout: float = HANG) -> subprocess.CompletedProcess[str]:
        """A shell line as root in the guest: its status, output and errors."""
        return self._ssh(line, timeout)

    def ask(self, line: str, check: bool = True) -> str:
        """What a shell line in the guest prints, without the white space around it."""
        done = self.run(line)
        if check and done.returncode:
            raise MachineError(f"{line}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def hang_up(self) -> None:
        """End the connection, if there is one."""
        command = ["ssh", *self.ssh_options, "-O", "exit", "root@127.0.0.1"]
        # What is left of the connection after that is of no use to anybody.
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
        (self.folder / "ssh").unlink(missing_ok=True)

    # --- Ansible

    def configure_ansible(self) -> Path:
        """Write inventory.json and ansible.cfg; the inventory's path."""
        guest = {
            "ansible_host": "127.0.0.1",
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "cache_guest_host": "none",
            "cache_guest_machine": "guest",
            "cache_guest_zero_install": "ignored",
        }
        path = self.folder / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": {"guest": guest}}}), encoding="utf-8")
        (self.folder / "ansible.cfg").write_text(
            f"[defaults]\nhost_key_checking = false\ntimeout = {HANG:.0f}\n\n[connection]\npipelining = true\n\n"
            f"[ssh_connection]\nssh_args = {shlex.join(self.ssh_options)}\n",
            encoding="utf-8",
        )
        return path


@contextlib.contextmanager
def machine(image: Path, folder: Path) -> Iterator[Machine]:
    """A machine that is off at the end, whatever ends the block."""
    made = Machine(image, folder)
    try:
        yield made
    finally:
        made.off()
