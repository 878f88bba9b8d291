# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether sudo lets users run a program as another one. It is asked: a drop-in may be unread, or not its last word.

sudo itself says whether a user may run the program. Whether it asks for a password then, only its list of rules tells.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import grp
import os
import pwd
import re
import subprocess
from typing import Callable, Collection, NamedTuple

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import replacing

ALLOWED, PASSWORD, REFUSED = "allowed", "password", "refused"
SUDOERS = "/etc/sudoers"
DIGEST = "sha256new_A"
"""What such a program is run with: the digest of a package."""

_PATHS = tuple(_names.SEARCH_PATH.split(":"))
_RULE = re.compile(r"\s+\(([^()]*)\)\s*(.*)")
_TAG = re.compile(r'([A-Z_]+):\s*|[A-Z_]+=(?:"[^"]*"|\S+)\s+')
_CHECKSUM = re.compile(r"sha\d+:\S+\s+")
_NO_PASSWORDS = re.compile(r"^Matching Defaults entries .*\n(?:[ \t].*\n)*?[ \t].*(?<!\S)!authenticate\b", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*[@#]includedir[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_PATIENCE = 60


class Rule(NamedTuple):
    """What a drop-in is there for: every user may run ``program`` as ``user``, without a password. ``file``: the
    drop-in."""

    program: str
    user: str
    file: str


class Said(NamedTuple):
    """What sudo says of a user: may it run the program (None: not told), the list of its rules, and anything else."""

    allowed: bool | None
    listed: str
    said: str


def names_of(user: str) -> frozenset[str]:
    """The names that a rule of sudo may use for the user that runs the program."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return frozenset({"ALL", user})
    groups = os.getgrouplist(user, account.pw_gid)
    named = [one.gr_name for one in grp.getgrall() if one.gr_gid in groups]
    return frozenset({"ALL", user, f"#{account.pw_uid}", *map("%{}".format, named), *map("%#{}".format, groups)})


def _is_as(users: str, names: Collection[str]) -> bool:
    """Whether a rule's list of users, of which the last one that fits counts, means the one who has these names."""
    fitting = [word for word in re.split(r"[,\s]+", users) if word.lstrip("!") in names]
    return bool(fitting) and not fitting[-1].startswith("!")


def _is_of(command: str, program: str) -> bool:
    """Whether a command in a rule, which may be a folder or a pattern, is this program with a digest."""
    path, _blank, arguments = re.sub(r"\\(.)", r"\1", command).partition(" ")
    if command.startswith("^"):
        with contextlib.suppress(re.error):
            return bool(re.search(command.partition(" ")[0], program))
    if path.endswith("/"):
        return os.path.dirname(program) == path.rstrip("/")
    parts, there = path.split("/"), program.split("/")
    fits = len(parts) == len(there) and all(map(fnmatch.fnmatchcase, there, parts))
    return path == "ALL" or (fits and fnmatch.fnmatchcase(DIGEST, arguments.strip() or "*"))


def listed(text: str, program: str, names: Collection[str]) -> str | None:
    """What the list of ``sudo -l`` says of a program: ``ALLOWED``, with a ``PASSWORD``, or ``REFUSED``. The last
    match counts.

    None: no known rule names the program. ``names``: those of the user that runs it.
    """
    found = None
    always_free = _NO_PASSWORDS.search(text) is not None
    # What does not fit into 80 columns goes on in the next line, further in.
    for line in re.sub(r"\n {8,}", " ", text).split("\n"):
        rule = _RULE.fullmatch(line)
        if rule is None or not _is_as(rule.group(1).partition(":")[0], names):
            continue
        free = always_free
        for command in re.split(r"(?<!\\),\s*", rule.group(2)):
            while True:
                tag = _TAG.match(command)
                if tag is None:
                    break
                free = {"NOPASSWD": True, "PASSWD": False}.get(tag.group(1), free)
                command = command[tag.end() :]
            command = _CHECKSUM.sub("", command.strip())
            if _is_of(command.lstrip("!"), program):
                found = REFUSED if command.startswith("!") else ALLOWED if free else PASSWORD
    return found


def verdict(said: Said, program: str, names: Collection[str]) -> str:
    """``ALLOWED``, with a ``PASSWORD``, or ``REFUSED``. The list counts where sudo does not tell, and for the
    password."""
    found = listed(said.listed, program, names)
    if said.allowed is None:
        return found or REFUSED
    if not said.allowed:
        return REFUSED
    return PASSWORD if found == PASSWORD else ALLOWED


def cause(rule: Rule, asked: str, said: str, sudoers: str | None) -> str:
    """Why the drop-in does not work, and what to do. ``said``: the verdict, ``sudoers``: the text of sudo's file."""
    folder, name = os.path.split(rule.file)
    start = f"sudo does not let user {asked} run {rule.program} as {rule.user}"
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
    if said == PASSWORD:
        return (
            f"{start} without a password: a rule that comes after that in {rule.file} asks for one, and the last one "
            f"counts. See 'sudo -l -U {asked}'. If that rule is in {SUDOERS}, have the line '@includedir {folder}' be "
            f"the last one there. If it is in another file in {folder}, which sudo reads in the order of their names, "
            f"give {name} a name that comes after that of the other one (sharing_sudoers). Or take that rule out."
        )
    return (
        f"{start}, although {rule.file} says so. See 'sudo -l -U {asked}', and which rule in {SUDOERS} or after it "
        "takes that away."
    )


def somebody() -> list[str]:
    """Users that the drop-in is for: one without any rights, and the first one that may log in."""
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


def ask(user: str, rule: Rule) -> Said:
    """What sudo says of a user and a rule's program. Failure: there is no sudo, or it does not run.

    Root asks for the user. Where sudo lets root ask nothing, the user does.
    """
    program = next((f"{path}/sudo" for path in _PATHS if os.access(f"{path}/sudo", os.X_OK)), None)
    if program is None:
        raise Failure("There is no sudo, by which users add packages to the store. Install the package sudo.")
    question = [program, "-n", "-l", "-U", user]
    become: Callable[[], None] | None = None
    status, rules, said = _run(question)
    if status and "not allowed to run sudo" not in rules + said:
        question, become = [program, "-n", "-l"], functools.partial(_become, pwd.getpwnam(user))
        _status, rules, said = _run(question, become)
    status, _path, objection = _run([*question, "-u", rule.user, rule.program, DIGEST], become)
    there = "command not found" not in objection
    return Said(status == 0 if there else None, rules, said or objection)


def problem(rule: Rule, ask: Callable[[str, Rule], Said] = ask) -> str | None:
    """Why users cannot use a rule, or None where they can."""
    names = names_of(rule.user)
    for user in somebody():
        try:
            answer = ask(user, rule)
        except Failure as failure:
            return str(failure)
        found = verdict(answer, rule.program, names)
        if found != ALLOWED:
            try:
                text = replacing.read(SUDOERS)
            except OSError:
                text = None
            return cause(rule, user, found, text) + (f" sudo said: {answer.said}" if answer.said else "")
    return None
