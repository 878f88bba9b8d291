# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a report needs attention, the worst first, each with its remedy. Pure."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils import _names
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _report_hosts, _words

PROBLEM, PENDING, NOTICE = SEVERITIES = ("problem", "pending", "notice")


class Kind(t.NamedTuple):
    """A kind of things that need attention: how bad they are, and what they are called together."""

    severity: str
    title: str


KINDS = {
    "unsound": Kind(PROBLEM, "Packages that are not sound"),
    "share_of_others": Kind(PROBLEM, "Shares that belong to others"),
    "wrong_machine": Kind(PROBLEM, "Guests that are in another machine"),
    "stray": Kind(PROBLEM, "Strays: machines that no guest names"),
    "host_not_read": Kind(PROBLEM, "Hosts that could not be read"),
    "share": Kind(PROBLEM, "Shares that are not right"),
    "mount": Kind(PROBLEM, "Mounts that are not right"),
    "guest_not_read": Kind(PROBLEM, "Guests that could not be read"),
    "additions": Kind(PROBLEM, "Guest Additions that are not right"),
    "guest_setup": Kind(PROBLEM, "Guests that are not set up as the inventory says"),
    "store": Kind(PROBLEM, "Stores that could not be read"),
    "refused": Kind(PROBLEM, "What was refused"),
    "restart": Kind(PENDING, "What waits for a start"),
    "quarantined": Kind(NOTICE, "Packages in the quarantine"),
    "exposed": Kind(NOTICE, "Packages that others may change"),
    "not_verified": Kind(NOTICE, "Stores that were not verified"),
    "import_refused": Kind(NOTICE, "Requests that were refused"),
    "guest_off": Kind(NOTICE, "Guests that are off"),
    "left_over": Kind(NOTICE, "What is left over"),
    "unneeded": Kind(NOTICE, "Packages that no program needs any more"),
    "warning": Kind(NOTICE, "Warnings"),
}
"""Each kind by its name, the worst first."""

_STORE = re.compile(r"/0install\.net/implementations(?=/|\Z)")
MOST_NAMED = 3
PLAYBOOK = "ansible-playbook -i INVENTORY zeroinstall.virtualbox.{} --limit{}"
RECENT = 30 * 86_400
"""Seconds for which a refusal needs attention."""
REFUSED = (
    "Nothing came into the store. See docs/verified.md for what a host refuses. If no user of the guest sent it, see"
    " there how to revoke what came from a guest."
)
LEFT_OVER = (
    "If a guest left the inventory by mistake, or was renamed, correct that. What still waits or is shared is not"
    " removed. Otherwise run"
)
REMOVE = "-e cache_host_left_over=remove"
RESTORE = "See docs/verify.md, Quarantine, for how to look at it, remove it, or move it back."


def entry(kind: str, text: str, remedy: str, host: str = "", guest: str = "", subject: str = "") -> dict[str, str]:
    """One thing that needs attention."""
    return {
        "severity": KINDS[kind].severity,
        "kind": kind,
        "host": host,
        "guest": guest,
        "subject": subject,
        "text": text,
        "remedy": remedy,
    }


def in_order(found: t.Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The worst first, each once."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    unique = {tuple(one.values()): one for one in found}
    return sorted(unique.values(), key=lambda one: (order[one["kind"]], one["host"], one["guest"], one["subject"]))


def command(playbook: str, *machines: str, options: str = "") -> str:
    """The command that runs a playbook for these machines."""
    limit = shlex.quote(",".join(dict.fromkeys(filter(None, machines))))
    found = PLAYBOOK.format(playbook, f"={limit}" if limit.startswith("-") else f" {limit}")
    return f"{found}{' ' + options if options else ''}"


def run(playbook: str, *machines: str, options: str = "") -> str:
    """The sentence that names it."""
    return f"Run {command(playbook, *machines, options=options)}"


def _reach(name: str, problem: str) -> str:
    """What to do about a machine that was not read."""
    if problem.startswith(_report_hosts.NOT_REACHED):
        return f"See that Ansible reaches it: ansible -i INVENTORY {shlex.quote(name)} -m ansible.builtin.ping."
    return "Correct what the message says."


def _named(ones: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    return ", ".join(_words.first([_words.called(one) for one in ones], MOST_NAMED))


def of_store(host: str, store: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, str]]:
    """What of a store needs attention."""
    path = store["path"]
    if store["problem"]:
        yield entry(
            "store",
            f"The store {path} could not be read to the end: {store['problem']}",
            run("share", host) + ", which makes what is missing. What is wrong otherwise, the message says.",
            host,
            subject=path,
        )
    yield from _of_verification(host, store)
    if store["quarantine"]:
        waiting = store["quarantine"]
        yield entry(
            "quarantined",
            f"{_words.count(len(waiting), 'package')} of {path} {'waits' if len(waiting) == 1 else 'wait'} in the"
            f" quarantine: {_named(waiting)}.",
            RESTORE,
            host,
            subject=path,
        )


def _of_verification(host: str, store: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, str]]:
    path, verified = store["path"], store["verified"]
    if verified is None:
        if store["implementations"]:
            yield entry(
                "not_verified",
                f"Nobody has verified the store {path} yet, or the result was not kept.",
                run("verify", host) + ".",
                host,
                subject=path,
            )
        return
    aside = run("verify", host, options="-e cache_verify_quarantine=true")
    correct = f"Correct what the message says. {run('verify', host)}."
    statuses = {
        "corrupt": ("unsound", "corrupt", f"{aside} to move it aside. Zero Install then fetches it anew."),
        "error": ("unsound", "could not be verified", correct),
        "exposed": ("exposed", "sound, but others may change it", correct),
    }
    for one in verified["findings"]:
        kind, what, remedy = statuses[one["status"]]
        text = f"{_words.called(one)} in {path}: {what} on {verified['at']}. {one['detail']}"
        yield entry(kind, text, remedy, host, subject=one["digest"])


def of_host(host: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, str]]:
    """What of a host's own state needs attention."""
    name = host["name"]
    if host["problem"]:
        yield entry("host_not_read", host["problem"], _reach(name, host["problem"]), name)
    for store in host["stores"]:
        yield from of_store(name, store)
    for one in host["waiting"]:
        restart = one["action"] == "restart"
        yield entry(
            "restart",
            f"Share '{one['share']}' of machine {one['machine']}: {one['reason']}.",
            f"Switch the machine {one['machine']} off, and start it again."
            if restart
            else f"Switch the machine {one['machine']} off. {run('share', name, one['guest'])}.",
            name,
            one["guest"],
            one["share"],
        )
    if host["unneeded"]:
        total = sum(one["bytes"] for one in host["unneeded"])
        yield entry(
            "unneeded",
            f"No program of any guest needs {_words.count(len(host['unneeded']), 'package')} any more"
            f" ({_words.size(total)}): {_named(host['unneeded'])}.",
            run("programs", name, options="-e cache_programs_unused=remove") + " with all its guests.",
            name,
        )
    for text in host["errors"]:
        yield entry("warning", text, "Correct what the message says.", name)


def of_imports(host: t.Mapping[str, t.Any], guests: t.Container[str], made: str) -> t.Iterator[dict[str, str]]:
    """What a host refused lately. ``guests``: its guests by the inventory; ``made``: when the report was made."""
    since = utc.text(utc.seconds(made) - RECENT)
    found: dict[str, list[t.Mapping[str, t.Any]]] = {}
    for one in host["imports"]:
        if one["status"] == "refused" and one["at"] >= since:
            found.setdefault(one["guest"], []).append(one)
    for guest, refused in found.items():
        last = max(refused, key=lambda one: one["at"])
        known = guest in guests
        yield entry(
            "import_refused",
            f"{_words.count(len(refused), 'package')} from {'guest' if known else 'the box'} {guest}"
            f" {'was' if len(refused) == 1 else 'were'} refused, the last one on {last['at']}, {_words.called(last)}:"
            f" {_words.sentence(last['reason'])}",
            REFUSED,
            host["name"],
            guest if known else "",
            "" if known else guest,
        )


def of_outlook(
    host: str, messages: t.Mapping[str, t.Sequence[str]], strays: t.Sequence[t.Mapping[str, t.Any]]
) -> t.Iterator[dict[str, str]]:
    """What a host said of machines that it leaves alone, and of strays.

    ``messages``: the lists of texts in the answer of the module ``shares``. ``strays``: name, uuid and shares of each.
    """
    for key, kind in (("refused", "share_of_others"), ("unresolved", "refused"), ("inaccessible", "refused")):
        for text in messages.get(key, []):
            yield entry(kind, text, "Do what the message says. " + run("share", host) + ".", host)
    for path in messages.get("missing_paths", []):
        yield entry("store", f"The folder {path} is missing.", run("share", host) + ".", host, subject=path)
    remove = command("share", host, options=REMOVE)
    for one in strays:
        listed = ", ".join(f"'{share}'" for share in one["shares"])
        yield entry(
            "stray",
            f"Machine {one['name']} ({one['uuid']}) is the machine of no guest in the inventory, and has {listed}.",
            f"If it is a guest's, set cache_guest_machine of that guest. Otherwise run {remove}.",
            host,
            subject=one["name"],
        )


def of_left_over(
    host: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any], in_use: t.Sequence[str]
) -> t.Iterator[dict[str, str]]:
    """What is on a host for guests that it does not have any more.

    ``wanted``: what the filter ``host_arrangement`` returned. ``in_use``: folders that machines share; the machines
    that do are told by themselves.
    """
    kept = wanted.get("kept_boxes", [])
    named = [*wanted.get("linked", []), *kept]
    linked = {_names.linked_store(one["path"], name) for one in host["stores"][:1] for name in named}
    used = {path[: end.end()] for path in in_use for end in _STORE.finditer(path)}
    found = []
    for store in host["stores"]:
        path, empty = store["path"], not (store["implementations"] or store["problem"])
        if path in used:
            continue
        if store["kind"] == "linked" and path not in linked:
            found.append((path, f"The linked store {path} is of no guest of this host."))
        elif store["kind"] == "group" and empty and store["of"] not in wanted.get("groups", []):
            found.append((path, f"The store {path} is empty, and no guest of this host is in the group {store['of']}."))
    for box in host["boxes"]:
        if box["name"] not in (*wanted.get("boxes", []), *kept):
            number = box["waiting"]
            waits = f" {_words.count(number, 'package')} {'waits' if number == 1 else 'wait'} in it." if number else ""
            found.append((box["name"], f"The box {box['name']} is of no guest of this host.{waits}"))
    remedy = f"{LEFT_OVER} {command('share', host['name'], options=REMOVE)}."
    for subject, text in found:
        yield entry("left_over", text, remedy, host["name"], subject=subject)


def of_guest(guest: t.Mapping[str, t.Any], plan_problem: str, wrong_machine: bool) -> t.Iterator[dict[str, str]]:
    """What of a guest needs attention.

    ``plan_problem``: why the playbook ``share`` would not go on in it, or empty. ``wrong_machine``: because the guest
    is another machine than its inventory says.
    """
    name, host = guest["name"], guest["host"]
    again = run("share", host, name) + "."
    for share in guest["shares"]:
        if share["problem"]:
            text = f"Share '{share['name']}' of its machine {guest['machine']}: {share['problem']}"
            yield entry("share", text, again, host, name, share["name"])
    if guest["state"] == "off":
        text = f"Its machine {guest['machine']} is off ({guest['machine_state']}), so nothing was asked of it."
        yield entry("guest_off", text, "Start the machine, if it should run.", host, name)
    elif not guest["read"]:
        yield entry("guest_not_read", guest["problem"], _reach(name, guest["problem"]), host, name)
    for mount in guest["mounts"]:
        if mount["problem"]:
            text = f"Share '{mount['share']}' at {mount['path']}: {mount['problem']}"
            yield entry("mount", text, run("share", name) + ".", host, name, mount["path"])
    if guest["additions"]["problem"]:
        yield entry("additions", guest["additions"]["problem"], "Do what the message says.", host, name)
    elif plan_problem:
        kind = "wrong_machine" if wrong_machine else "guest_setup"
        yield entry(kind, plan_problem, "Do what the message says.", host, name)
    if guest["additions"]["restart"]:
        yield entry("restart", guest["additions"]["restart"], "Start the guest anew.", host, name)
    if guest["steps"]:
        yield entry("guest_setup", " ".join(guest["steps"]), run("share", name) + ".", host, name)
    for text in guest["errors"]:
        yield entry("warning", f"It could not read all of itself: {text}.", "See what is wrong there.", host, name)
