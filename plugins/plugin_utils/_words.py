# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of modules in the words of the role that runs them: its variables and their values instead of options."""

from __future__ import annotations

import re
import typing as t

USER = {
    **dict.fromkeys(("cache_host", "cache_import", "cache_verify"), "cache_host_user"),
    "cache_programs": "cache_programs_user",
}
"""By role, the variable that names the user that runs its modules."""

LISTS = ("unresolved", "inaccessible", "unreadable", "refused")
"""The return values that are lists of messages."""

LIMITS = {
    "cache_guest": ("cache_guest_timeout", 0),
    "cache_programs": ("cache_programs_timeout", 0),
    "cache_verify": ("cache_verify_guest_timeout", 0),
    "guest_additions": ("guest_additions_timeout", 600),
}
"""The variable of a role that limits its tasks, and how many seconds more they have."""

# What a module says, and what it is in a role. A variable in braces is named with its value.
_HOST = (
    (r"\bCorrect the machine's name\b", "Correct its cache_guest_machine"),
    (r"\bname the machine by its UUID\b", "set its cache_guest_machine to the UUID of the machine"),
    (r"\blist it once\b", "correct cache_guest_machine of one of them"),
    (r"\bset become_user\b", "set {cache_host_user}"),
    (r"\bRun as the user who\b", "Set {cache_host_user} to the user who"),
    (r"\bbecome_user\b", "{cache_host_user}"),
    (r"\bVBOX_USER_HOME\b(?! in the play)", "VBOX_USER_HOME in the play's 'environment'"),
)
_ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    "cache_host": _HOST,
    "cache_verify": _HOST,
    "cache_programs": (
        (r"\bprograms\[\d+\]\.(?:name|uri|version|command|trust)\b", "cache_programs_list"),
        (r"\bprograms\[\d+\]\.systems\b", "cache_programs_system"),
        *_HOST,
    ),
    "cache_guest": (
        (r"^mounts\[\d+\]\.options\b", "{cache_guest_mount_options}"),
        (r"^mounts\[\d+\]\.path\b", "{cache_guest_path}: path"),
    ),
}
# What sudo, su, runuser, doas and chown say of a user who is not there.
_NO_USER = (
    r"(?:unknown user|invalid user|no such user|no passwd entry for(?: user)?):?\s+['\"\u2018]?{name}(?![\w.-])"
    r"|user\s+['\"\u2018]?{name}['\"\u2019]?\s+(?:does not exist|not found)"
)


def sentence(message: str) -> str:
    """A message that ends as a sentence does."""
    return message if message.endswith((".", "!", "?")) else message + "."


def count(number: float, noun: str = "implementation") -> str:
    """``1 implementation``, ``2 implementations``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(amount: float) -> str:
    """Bytes for people."""
    return f"{amount / 1e9:.2f} GB" if amount >= 1e8 else f"{amount / 1e6:.2f} MB"


def first(texts: t.Sequence[str], most: int) -> list[str]:
    """The first of many texts, and how many more there are."""
    more = len(texts) - most
    return [*texts[:most], *([f"and {more} more"] if more > 0 else [])]


def called(one: t.Mapping[str, t.Any]) -> str:
    """An implementation for people: what it is called, if that is known, and its digest."""
    name = " ".join(filter(None, [one["program"], one["version"]]))
    return f"{name} ({one['digest']})" if name else str(one["digest"])


def quoted(names: t.Iterable[str], most: int) -> str:
    """The first of many names in quotes, and how many more there are."""
    return ", ".join(first([f"'{name}'" for name in names], most))


def of_role(
    role: str,
    message: str,
    value: t.Callable[[str], object],
    options: t.Iterable[str] = (),
    known: t.Container[str] = (),
) -> str:
    """A module's message as a user of the role reads it. ``value`` gives that of a variable.

    An option of the module for which the role has a variable of the same name, with the role's before it, is that
    variable. An option that is an ordinary word is one where the message calls it so.
    """
    for option in options:
        name = f"{role}_{option}"
        if name in known:
            pattern = rf"(?<![\w.]){option}(?!\w|\.\w)" if "_" in option else rf"\b(?:the )?option '{option}'"
            message = _replaced(pattern, f"{{{name}}}", message, value)
    for pattern, words in _ROLES.get(role, ()):
        message = _replaced(pattern, words, message, value)
    return message


def _replaced(pattern: str, words: str, message: str, value: t.Callable[[str], object]) -> str:
    def told(_found: re.Match[str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: f"{found[1]} (now {value(found[1])!r})", words)

    return re.sub(pattern, told, message)


def too_long(role: str, module: str, seconds: int, value: t.Callable[[str], object]) -> str:
    """What it means that Ansible ended a task after so many seconds, with the variable of the role that says so."""
    name, more = LIMITS.get(role, ("", 0))
    longer = ""
    if name and str(value(name)) == str(seconds - more):
        longer = f" Where it needs longer, raise {name} (now {seconds - more})."
    return (
        f"Timed out after {seconds} seconds: the module {module} had not ended by then.{longer} If nothing at all"
        " answers there, see what that machine does."
    )


_NOT_HANDED_OVER = re.compile(r"Failed to (?:set permissions on|change ownership of) the temporary files")
"""What Ansible says where it cannot hand a module to the user who is to run it, without pipelining."""


def no_user(role: str, user: str, module: str, said: str) -> str | None:
    """What it means that a module could not be run as a user, or None where that user is not the reason."""
    if not user:
        return None
    name, quoted = USER.get(role, "become_user"), " ".join(said.split())[:300]
    if re.search(_NO_USER.format(name=re.escape(user)), said, re.IGNORECASE):
        return (
            f"{name}: {user!r} is no user of this machine, so {module} could not be run as that user. Correct the "
            f"name, or create the user. The machine said: {quoted}"
        )
    if _NOT_HANDED_OVER.search(said):
        return (
            f"{module} could not be handed to the user {user!r} ({name}). Either that user does not exist on this "
            "machine, or Ansible, which does not connect as root, needs the package acl there, or pipelining = true in "
            f"the section [connection] of ansible.cfg. Ansible said: {quoted}"
        )
    return None
