# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's launchers with the real 0install, and the packages of this machine's own distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Machine
from feed_server import FeedServer

PYTHON = '<package-implementation package="{package}" main="{path}" distributions="Debian"/>'
RUN = '<command name="run" path="run"/>'


def download(machine: Machine, server: FeedServer, name: str, version: str = "1", inside: str = RUN) -> dict[str, Any]:
    """A program that the machine's store has, as the module ``launchers`` takes it."""
    text = f'#!/bin/sh\necho {name} {version} "$@"\n' if inside == RUN else f"print('{name} {version}')\n"
    uri = server.feed(name, server.implementation(name, version, {"run": text}, inside))
    asked = {"name": name, "uri": uri, "trust": [server.fingerprint]}
    (found,) = machine.download(asked, update=True)["programs"]
    return {key: found[key] for key in ("name", "document", "packages")}


def needing(machine: Machine, server: FeedServer, package: str, path: str, bound: str = "") -> dict[str, Any]:
    """A program that runs by a package of a distribution."""
    interpreter = server.feed("interpreter", PYTHON.format(package=package, path=path))
    inside = f'<command name="run" path="run"><runner interface="{interpreter}">{bound}</runner></command>'
    return download(machine, server, "app", inside=inside)


def place(machine: Machine, *programs: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """What the module ``launchers`` answers."""
    (machine.folder / "bin").mkdir(exist_ok=True)
    params = {
        "path": f"{machine.folder}/bin",
        "documents": f"{machine.folder}/state/programs",
        "zero_install": "0install",
    }
    return machine.run("launching", {"programs": list(programs), **params}, check_mode, user="root")


def launched(machine: Machine, name: str, *arguments: str) -> str:
    """What a launcher prints, run by an ordinary user who has nothing but the store."""
    done = machine.as_other(machine.folder / "bin" / name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files(machine: Machine) -> set[str]:
    """What is in the folders of launchers and documents."""
    return {
        str(path.relative_to(machine.folder))
        for name in ("bin", "state")
        for path in (machine.folder / name).rglob("*")
        if path.is_file()
    }


def test_a_launcher_runs_its_program_with_all_arguments(machine: Machine, server: FeedServer) -> None:
    edit = download(machine, server, "edit")
    check = place(machine, edit, check_mode=True)
    assert check["changed"] and files(machine) == set()
    answer = place(machine, edit)
    assert (answer["changed"], answer["lacking"], answer["diff"]) == (True, [], check["diff"])
    assert launched(machine, "edit", "a  b", "--version", "-h", "") == "edit 1 a  b --version -h"
    assert place(machine, edit)["changed"] is False


def test_another_version_replaces_the_document_alone(machine: Machine, server: FeedServer) -> None:
    place(machine, download(machine, server, "edit"))
    old = (machine.folder / "bin" / "edit").stat().st_ino
    assert place(machine, download(machine, server, "edit", "2"))["changed"]
    assert (launched(machine, "edit"), (machine.folder / "bin" / "edit").stat().st_ino) == ("edit 2", old)


def test_what_is_off_the_list_goes_and_nothing_else(machine: Machine, server: FeedServer) -> None:
    edit, other = download(machine, server, "edit"), download(machine, server, "other")
    place(machine, edit, other)
    (machine.folder / "bin" / "foreign").write_text("#!/bin/sh\n", encoding="utf-8")
    (machine.folder / "bin" / "edit").unlink()
    (machine.folder / "bin" / "edit").write_text("somebody's own", encoding="utf-8")
    answer = place(machine, other)
    assert (answer["removed"], files(machine)) == (
        ["edit"],
        {"bin/edit", "bin/foreign", "bin/other", "state/programs/other.xml"},
    )
    assert place(machine)["removed"] == ["other"]
    assert (files(machine), (machine.folder / "state" / "programs").exists()) == ({"bin/edit", "bin/foreign"}, False)
    assert place(machine)["changed"] is False


def test_a_file_of_somebody_elses_is_never_replaced(machine: Machine, server: FeedServer) -> None:
    edit = download(machine, server, "edit")
    for harm in ("text", "link"):
        path = machine.folder / "bin" / "edit"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if harm == "link":
            path.symlink_to("/bin/true")
        else:
            path.write_text("somebody's own", encoding="utf-8")
        assert f"{path} is there, and this collection did not make it" in place(machine, edit)["msg"]
        assert files(machine) <= {"bin/edit"}


def test_a_package_of_the_distribution_is_used_whatever_its_version_is_later(
    machine: Machine, server: FeedServer
) -> None:
    app = needing(machine, server, "python3-minimal", "/usr/bin/python3", '<version not-before="3.1" before="4"/>')
    answer = place(machine, app)
    assert (answer["changed"], answer["lacking"]) == (True, [])
    assert launched(machine, "app") == "app 1"
    assert "package:deb" not in (machine.folder / "state" / "programs" / "app.xml").read_text(encoding="utf-8")
    assert place(machine, app)["changed"] is False


@pytest.mark.parametrize(
    ("package", "path", "bound", "words"),
    [
        ("no-such-package", "/usr/bin/python3", "", "no-such-package"),
        ("python3-minimal", "/usr/bin/python3", '<version not-before="99"/>', "99.."),
        ("python3-minimal", "/usr/bin/no-such-python", "", "no /usr/bin/no-such-python"),
    ],
)
def test_a_program_whose_package_will_not_do_is_named_and_the_others_run(
    machine: Machine, server: FeedServer, package: str, path: str, bound: str, words: str
) -> None:
    edit = download(machine, server, "edit")
    answer = place(machine, needing(machine, server, package, path, bound), edit)
    (lack,) = answer["lacking"]
    assert (lack["name"], lack["packages"]) == ("app", [package])
    assert words in lack["problem"], lack
    assert (launched(machine, "edit"), files(machine)) == ("edit 1", {"bin/edit", "state/programs/edit.xml"})


@pytest.mark.parametrize("name", ["../edit", "a/b", "-x", "", "x y"])
def test_a_name_that_is_none_is_refused(machine: Machine, name: str) -> None:
    answer = place(machine, {"name": name, "document": "", "packages": []})
    assert "cannot name a launcher" in answer["msg"] and files(machine) == set()


def test_documents_of_the_old_version_stay_where_a_new_one_cannot_run(machine: Machine, server: FeedServer) -> None:
    place(machine, download(machine, server, "app"))
    lacking = place(machine, needing(machine, server, "no-such-package", "/usr/bin/python3"))["lacking"]
    assert [one["name"] for one in lacking] == ["app"]
    assert launched(machine, "app") == "app 1"
    assert Path(machine.folder, "bin", "app").exists()
