# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether sudo lets users run a program as another one. It is asked: a drop-in may be unread, or not its last word."""

from __future__ import annotations

import functools
import os
import pwd
import re
import subprocess
from typing import Callable, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _files
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure

ALLOWED, PASSWORD, REFUSED = "allowed", "password", "refused"
SUDOERS = "/etc/sudoers"

_PATHS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_RULE = re.compile(r"\s+\(([^()]*)\)\s*(.*)")
_TAG = re.compile(r"([A-Z_]+):\s*")
_INCLUDE = re.compile(r"^[ \t]*[@#]includedir[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_PATIENCE = 60


class Rule(NamedTuple):
    """What a drop-in is there for: every user may run `program` as `user`, without a password. `file`: the drop-in."""

    program: str
    user: str
    file: str


def verdict(listing: str, program: str, user: str) -> str:
    """What `sudo -l` says of a program: `ALLOWED`, with a `PASSWORD`, or `REFUSED`. The last match counts."""
    found = REFUSED
    # What does not fit into 80 columns goes on in the next line, further in.
    for line in re.sub(r"\n {8,}", " ", listing).split("\n"):
        rule = _RULE.fullmatch(line)
        if rule is None or not {user, "ALL"} & set(re.split(r"[,\s:]+", rule.group(1).partition(":")[0])):
            continue
        free = False
        for command in re.split(r"(?<!\\),\s*", rule.group(2)):
            while True:
                tag = _TAG.match(command)
                if tag is None:
                    break
                free = {"NOPASSWD": True, "PASSWD": False}.get(tag.group(1), free)
                command = command[tag.end() :]
            if command.strip() in (program, "ALL"):
                found = ALLOWED if free else PASSWORD
            elif command.strip() in ("!" + program, "!ALL"):
                found = REFUSED
    return found


def cause(rule: Rule, asked: str, said: str, sudoers: str | None) -> str:
    """Why the drop-in does not work, and what to do. `said`: the verdict, `sudoers`: the text of sudo's own file."""
    folder, name = os.path.split(rule.file)
    start = f"sudo does not let user {asked} run {rule.program} as {rule.user}"
    if said == PASSWORD:
        return (
            f"{start} without a password: a rule that comes after that in {rule.file} asks for one, and the last one "
            f"counts. Have the line '@includedir {folder}' be the last one in {SUDOERS}, or take that rule out."
        )
    if "." in name or name.endswith("~"):
        return (
            f"{start}: it does not read {rule.file}, for its name has a '.' in it or ends with '~'. Choose another one "
            "(sharing_sudoers)."
        )
    if sudoers is not None and folder not in [found.rstrip("/").strip('"') for found in _INCLUDE.findall(sudoers)]:
        return (
            f"{start}: it does not read {rule.file}, for {SUDOERS} has no line '@includedir {folder}' (in sudo before "
            f"1.9.1 '#includedir {folder}'). Add it as the last line, by 'visudo'."
        )
    return (
        f"{start}, although {rule.file} says so. See 'sudo -l -U {asked}', and which rule in {SUDOERS} or after it "
        "takes that away."
    )


def somebody() -> list[str]:
    """Users for whom the drop-in is meant: one without any rights, and the first one who may log in."""
    accounts = sorted(pwd.getpwall(), key=lambda one: one.pw_uid)
    plain = [one for one in accounts if 1000 <= one.pw_uid < 60000 and not one.pw_shell.endswith(("nologin", "false"))]
    return [one.pw_name for one in [*(one for one in accounts if one.pw_name == "nobody"), *plain[:1]]]


def _become(account: pwd.struct_passwd) -> None:
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _run(command: list[str], before: Callable[[], None] | None = None) -> tuple[int, str, str]:
    try:
        # AnsibleModule.run_command has no time-out.
        done = subprocess.run(  # pylint: disable=ansible-bad-function,subprocess-popen-preexec-fn
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={"PATH": ":".join(_PATHS), "LC_ALL": "C"},
            cwd="/",
            timeout=_PATIENCE,
            check=False,
            preexec_fn=before,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"'{' '.join(command)}' did not end in {_PATIENCE} s.") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"sudo cannot be run: {error}.") from error
    return done.returncode, done.stdout, " ".join(done.stderr.split())


def listing(user: str) -> tuple[str, str]:
    """What `sudo -l` lists for a user, and what else it says. Failure: there is no sudo, or it does not run.

    Root asks for the user. Where sudo lets root ask nothing, the user does.
    """
    program = next((f"{path}/sudo" for path in _PATHS if os.access(f"{path}/sudo", os.X_OK)), None)
    if program is None:
        raise Failure("There is no sudo, by which users add packages to the store. Install the package sudo.")
    status, listed, said = _run([program, "-n", "-l", "-U", user])
    if status and "not allowed to run sudo" not in listed + said:
        _status, listed, said = _run([program, "-n", "-l"], functools.partial(_become, pwd.getpwnam(user)))
    return listed, said


def problem(rule: Rule, ask: Callable[[str], tuple[str, str]] = listing) -> str | None:
    """Why users cannot use a rule, or None where they can."""
    for user in somebody():
        try:
            listed, said = ask(user)
        except Failure as failure:
            return str(failure)
        found = verdict(listed, rule.program, rule.user)
        if found != ALLOWED:
            try:
                text = _files.read(SUDOERS)
            except OSError:
                text = None
            return cause(rule, user, found, text) + (f" sudo said: {said}" if said else "")
    return None
