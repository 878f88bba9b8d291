# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role and its service on a real systemd, in a container: set-up, containment, teardown.

Attacks run there beside the service as it is set up: by its own user, with the unit's own settings.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import origins
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _programs
from fleet import alone_with
from labkit.waiting import HANG
from programs import check
from setup import REPOSITORY, run_name

pytestmark = pytest.mark.thorough

CONTAINERS = REPOSITORY / "tests/containers"
HERE = Path(__file__).parent
RUN = run_name("imports")
STORE = "/var/cache/0install.net/implementations"
NOTES = origins.staging_folder(STORE)
"""The folder in which the note of where packages came from stays, as docs/verified.md says."""
BOXES = "/var/lib/zeroinstall.virtualbox/boxes"
PROGRAM = "/usr/local/lib/zeroinstall.virtualbox/import"
ARCHIVE = f"{PROGRAM}/store_import.pyz"
VARIABLES = {"cache_import_group": "games", "cache_import_boxes": ["good", "evil", "with%20space"]}
ANSIBLE = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(CONTAINERS / "ansible.cfg")}
SENT = 30
"""Packages that another guest sends at least while the service is attacked."""
EXPOSURE = 1.0
"""The most that systemd may say of the unit, on its scale from 0 to 10."""


class Container:
    """A host with systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inventory = {
            "all": {
                "hosts": {"host": {"ansible_host": f"{RUN}-host"}},
                "vars": {
                    "ansible_connection": "container",
                    "ansible_python_interpreter": "/usr/bin/python3",
                },
            }
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")

    def run(self, *command: str | Path) -> str:
        """What a command prints there."""
        return check([CONTAINERS / "podman", "exec", f"{RUN}-host", *command], cwd=REPOSITORY)

    def copy(self, source: Path, target: str) -> None:
        """Put a file or folder there."""
        check([CONTAINERS / "podman", "cp", source, f"{RUN}-host:{target}"], cwd=REPOSITORY)

    def role(self, *options: str, entry: str = "main", **variables: object) -> dict[str, int]:
        """Run the role; what Ansible counts."""
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.include_role": {
                        "name": "zeroinstall.virtualbox.cache_import", "tasks_from": f"{entry}.yml"
                    },
                    "vars": {**VARIABLES, **variables},
                }
            ],
        }  # fmt: skip
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        command = ["ansible-playbook", "-i", self.folder / "inventory.yml", *options, self.folder / "play.yml"]
        output = check(command, cwd=REPOSITORY, environment=ANSIBLE)
        (self.folder / "log").open("a", encoding="utf-8").write(output)
        assert "[WARNING]" not in output, output
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", output.split("PLAY RECAP")[1])}

    def said(self) -> str:
        """What Ansible has printed so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def files(self) -> str:
        """All that the role may have to do with, with owners and modes, but for the packages in the store."""
        folders = ["/etc/systemd/system", "/usr/local/lib", "/var/lib", "/var/cache/0install.net"]
        found = self.run("find", *folders, "-printf", r"%p %M %u %g\n")
        return "\n".join(
            sorted(
                line
                for line in found.splitlines()
                if not line.startswith(("/var/lib/systemd", f"{STORE}/")) and "/__pycache__" not in line
            )
        )


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container, with Zero Install on it and its store, whose folder is root's before the role comes."""
    command = [sys.executable, CONTAINERS / "containers.py", "--run", RUN]
    with alone_with(RUN):
        check([*command, "up", "host=debian12"], cwd=REPOSITORY)
        try:
            made = Container(tmp_path_factory.mktemp("service"))
            made.run("sh", "-c", "apt-get -qq update && apt-get -qq install -y 0install-core >/dev/null")
            made.run("mkdir", "-p", STORE, "/home/user", "/srv/everybody")
            made.run("touch", "/home/user/public")
            made.run("chmod", "777", "/srv/everybody")
            made.run("chown", "zeroinst:", STORE)
            secure_add = made.folder / "secure-add"
            secure_add.write_text(_programs.secure_add(_programs.PYTHON), encoding="utf-8")
            secure_add.chmod(0o755)
            made.copy(secure_add, "/srv/secure-add")
            for name in ("contained.py", "probe.py"):
                made.copy(HERE / name, f"/srv/{name}")
            yield made
        finally:
            check([*command, "down"], cwd=REPOSITORY)


@pytest.fixture(scope="module")
def served(container: Container) -> Iterator[Container]:
    """The container with the role's service; afterwards the role takes it back."""
    before = container.files()
    foreseen = container.role("--check")
    assert foreseen["failed"] == 0 and foreseen["changed"] > 0
    assert container.files() == before
    assert container.role()["changed"] >= foreseen["changed"]
    assert container.role()["changed"] == 0
    yield container
    assert container.role(entry="absent")["changed"] > 0
    left = set(container.files().splitlines()) - set(before.splitlines())
    assert {line.split()[0] for line in left} == {NOTES, *(f"{NOTES}/{name}" for name in origins.FILES)}
    assert set(before.splitlines()) <= set(container.files().splitlines())
    assert "zeroinstall-import" not in container.run("systemctl", "list-units", "--all", "--no-legend", "--no-pager")
    assert container.role(entry="absent")["changed"] == 0


def test_nothing_outside_the_box_is_read_or_written(served: Container) -> None:
    """Links, hard links, renames and swaps under way, while another guest sends packages, all of which are added."""
    command = ["python3", "-S", "/srv/contained.py", ARCHIVE, "/srv/secure-add", STORE, BOXES, "games"]
    report = json.loads(served.run(*command, str(SENT), str(HANG)).splitlines()[-1])
    print(report)
    assert report.pop("sent") > SENT
    assert report == {
        "sings": True,
        "touched": False,
        "outside unchanged": True,
        "failed": 0,
        "attackers ended": [],
        "box mode": 0o770,
    }
    for name in served.run("ls", STORE).split():
        assert served.run("0store", "verify", f"{STORE}/{name}").endswith("OK\n")
    journal = served.run("journalctl", "--no-pager", "-u", "zeroinstall-import.service")
    assert "evil: refused" in journal and "good: added" in journal
    assert "Traceback" not in journal and "Failed with result" not in journal
    assert served.run("systemctl", "is-active", "zeroinstall-import.path") == "active\n"


def test_a_box_with_a_percent_sign_is_watched(served: Container) -> None:
    script = (
        f"mkdir -p /srv/percent && echo x >/srv/percent/x && cd /srv/percent && name=$(0install digest . | tail -1) &&"
        f" /srv/secure-add $name --box '{BOXES}/with%20space' --timeout {HANG}"
    )
    served.run("sh", "-c", script)


def test_what_the_service_could_do_if_its_program_were_another(served: Container) -> None:
    """The program is replaced by one that tries; it can do what the import needs, and nothing else."""
    folder = "/run/systemd/system/zeroinstall-import.service.d"
    drop_in = f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 -I /srv/probe.py {STORE} {BOXES}\n"
    served.run("mkdir", "-p", folder)
    served.run("sh", "-c", f"printf '%s' \"$1\" >{folder}/probe.conf", "sh", drop_in)
    try:
        served.run("systemctl", "daemon-reload")
        served.run("systemctl", "start", "zeroinstall-import.service")
        served.run("journalctl", "--sync")
        journal = served.run("journalctl", "--no-pager", "--output=cat", "-u", "zeroinstall-import.service")
    finally:
        served.run("rm", "-r", folder)
        served.run("systemctl", "daemon-reload")
    (line,) = re.findall(r"^PROBE (.*)$", journal, re.MULTILINE)
    possible = [attempt for attempt, succeeded in json.loads(line).items() if succeeded]
    assert possible == ["write the store", "write beside the store", "write a box"]


def test_systemd_finds_little_exposed(served: Container) -> None:
    output = served.run("systemd-analyze", "security", "--no-pager", "zeroinstall-import.service")
    found = re.search(r"Overall exposure level for zeroinstall-import.service: ([0-9.]+)", output)
    assert found and float(found[1]) <= EXPOSURE, output
    print(found[0])


def test_what_drifted_is_put_right(served: Container) -> None:
    """Boxes: one with another owner, one missing. The program: changed, with a file beside it. A unit that is
    stopped."""
    before = served.files()
    served.run("chmod", "777", f"{BOXES}/good")
    served.run("rmdir", f"{BOXES}/with%20space")
    served.run("sh", "-c", f"cd {PROGRAM}; echo >>store_import.pyz; touch more.py")
    served.run("systemctl", "stop", "zeroinstall-import.path")
    assert served.role()["changed"] == 3
    assert served.files() == before


def test_the_box_of_a_guest_that_is_gone_is_served_until_it_may_be_removed(served: Container) -> None:
    """A request comes in where no guest is in the inventory any more: it is answered."""
    gone = {"cache_import_boxes": ["evil", "with%20space"]}
    assert served.role(**gone)["changed"] == 0
    assert f"{BOXES}/good is left over" in served.said() and "no package waits" in served.said()
    script = (
        f"mkdir -p /srv/gone && echo gone >/srv/gone/x && cd /srv/gone && name=$(0install digest . | tail -1) &&"
        f" /srv/secure-add $name --box '{BOXES}/good' --timeout {HANG}"
    )
    served.run("sh", "-c", script)
    before = served.files()
    assert served.role(entry="left_over", cache_import_boxes=[])["changed"] == 0
    assert served.files() == before

    assert served.role(**gone, cache_import_left_over="remove")["changed"] == 3  # the box, a unit, and its restart
    assert f"{BOXES}/good" not in served.files()
    assert served.run("systemctl", "is-active", "zeroinstall-import.path") == "active\n"
    assert served.role(**gone)["changed"] == 0
    served.role()
    assert served.files() == before


def test_the_program_takes_the_place_of_the_many_files_that_it_was_before(served: Container) -> None:
    before = served.files()
    package = "ansible_collections/zeroinstall/virtualbox/plugins/module_utils"
    served.run("sh", "-c", f"cd {PROGRAM}; rm *; mkdir -p {package}; touch store_import.py {package}/_import.py")
    old = served.files()
    assert served.role("--check")["changed"] == 2
    assert served.files() == old
    assert served.role()["changed"] == 2
    assert served.files() == before
    assert served.role()["changed"] == 0
