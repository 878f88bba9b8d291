# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sudo allows, by what sudo 1.9.13 and 1.9.17 printed. That it is asked is tested in tests/lab/test_sudo.py."""

from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import sudo
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files.sudo import Rule, Said

PROGRAM = "/usr/bin/0store-secure-add"
RULE = Rule(PROGRAM, "zeroinst", "/etc/sudoers.d/zeroinstall")
OURS = "    (zeroinst) NOPASSWD: /usr/bin/0store-secure-add\n"
LISTING = """Matching Defaults entries for nobody on vm:
    secure_path=/usr/sbin\\:/usr/bin\\:/sbin\\:/bin

Runas and Command-specific defaults for nobody:
    Defaults!/bin/ls !authenticate
    Defaults>zeroinst env_reset, always_set_home    Defaults!/usr/sbin/visudo
    env_keep+="SUDO_EDITOR EDITOR VISUAL"

User nobody may run the following commands on vm:
"""


NAMES = {"ALL", "zeroinst", "#999", "%zeroinst", "%#999"}


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (OURS + "    (ALL) /usr/bin/*\n", "password"),
        (OURS + "    (ALL) /usr/bin/\n", "password"),
        (OURS + "    (ALL) /usr/*, /usr/sbin/*, /bin/\n", "allowed"),
        (OURS + "    (ALL) ^/usr/bin/0store.*$\n", "password"),
        (OURS + "    (ALL) ^[$\n", "allowed"),
        (OURS + "    (ALL) NOPASSWD: !/usr/bin/0store*\n", "refused"),
        (OURS + '    (ALL) /usr/bin/0store-secure-add ""\n', "allowed"),
        (OURS + "    (ALL) /usr/bin/0store-secure-add sha1*\n", "allowed"),
        (OURS + "    (ALL) /usr/bin/0store-secure-add sha256*\n", "password"),
        (OURS + "    (nobody : zeroinst) /usr/bin/0store-secure-add\n", "allowed"),
        ("    (zeroinst) CWD=/tmp TIMEOUT=5 NOPASSWD: /usr/bin/0store-secure-add\n", "allowed"),
        ('    (zeroinst) CWD="/a b" NOPASSWD: sha224:d14a02 /usr/bin/0store-secure-add\n', "allowed"),
        ("    (#999) NOPASSWD: /usr/bin/0store-secure-add\n", "allowed"),
        ("    (%zeroinst) NOPASSWD: /usr/bin/0store-secure-add\n", "allowed"),
        ("    (ALL, !zeroinst) NOPASSWD: /usr/bin/0store-secure-add\n", None),
        ("User nobody is not allowed to run sudo on vm.\n", None),
        ("", None),
        (OURS, "allowed"),
        ("    (ALL : ALL) ALL\n" + OURS, "allowed"),
        (OURS + "    (ALL) ALL\n", "password"),
        (OURS + "    (root) ALL\n", "allowed"),
        (OURS + "    (ALL) NOPASSWD: /bin/ls, PASSWD: /usr/bin/0store-secure-add, !/bin/cat\n", "password"),
        (OURS + "    (ALL) NOPASSWD: /bin/ls, !/usr/bin/0store-secure-add\n", "refused"),
        ("    (ALL) SETENV: NOPASSWD: ALL\n", "allowed"),
        ("    (ALL, !root) NOPASSWD: /bin/ls, ALL\n", "allowed"),
        ("    (zeroinst) NOPASSWD:\n        /usr/bin/0store-secure-add\n", "allowed"),
        ("    (other) NOPASSWD: /usr/bin/0store-secure-add\n", None),
        ("    (zeroinst) NOPASSWD: /usr/bin/0store-secure-add2\n", None),
        ("    (ALL : zeroinst) NOPASSWD: /bin/ls\n    (root : zeroinst) NOPASSWD: ALL\n", None),
    ],
)
def test_the_last_rule_that_matches_counts(rules, verdict):
    assert sudo.listed(LISTING + rules, PROGRAM, NAMES) == verdict


def test_where_sudo_never_asks_for_a_password_no_rule_has_to_say_so():
    free = LISTING.replace(":/bin\n", ":/bin,\n    use_pty, !authenticate\n")
    assert sudo.listed(free + OURS + "    (ALL) ALL\n", PROGRAM, NAMES) == "allowed"
    assert sudo.listed(free + OURS + "    (ALL) PASSWD: ALL\n", PROGRAM, NAMES) == "password"


@pytest.mark.parametrize(
    ("allowed", "rules", "verdict"),
    [
        (True, OURS, "allowed"),
        (True, OURS + "    (ALL) ALL\n", "password"),
        (True, "    (ALL) NOPASSWD: in a way that nobody knows\n", "allowed"),
        (True, OURS + "    (ALL) !ALL\n", "allowed"),
        (False, OURS, "refused"),
        (None, OURS, "allowed"),
        (None, OURS + "    (ALL) ALL\n", "password"),
        (None, "", "refused"),
    ],
)
def test_sudo_itself_has_the_last_word(allowed, rules, verdict):
    assert sudo.verdict(Said(allowed, LISTING + rules, ""), PROGRAM, NAMES) == verdict


def test_rules_name_a_user_by_number_and_groups_too():
    account = pwd.getpwuid(os.getuid())
    names = sudo.names_of(account.pw_name)
    assert {"ALL", account.pw_name, f"#{account.pw_uid}", f"%#{account.pw_gid}"} <= names
    assert sudo.names_of("no-such-user") == {"ALL", "no-such-user"}


@pytest.mark.parametrize(
    ("rule", "said", "sudoers", "words"),
    [
        (RULE, "refused", "root ALL=(ALL) ALL\n", ["/etc/sudoers has no line '@includedir /etc/sudoers.d'", "visudo"]),
        (RULE, "refused", "## @includedir /etc/sudoers.d\n", ["has no line '@includedir"]),
        (RULE, "refused", "#includedir /etc/sudoers.d/\n", ["although /etc/sudoers.d/zeroinstall says so"]),
        (RULE, "refused", '@includedir "/etc/sudoers.d"\n', ["although /etc/sudoers.d/zeroinstall says so"]),
        (RULE, "refused", "@includedir /etc/sudoers.dx\n", ["has no line '@includedir"]),
        (RULE, "refused", None, ["although /etc/sudoers.d/zeroinstall says so"]),
        (RULE._replace(file="/etc/sudoers.d/a.b"), "refused", "", ["has a '.' in it", "sharing_sudoers"]),
        (RULE, "password", "@includedir /etc/sudoers.d\n", ["without a password", "be the last one there"]),
        (RULE, "password", "@includedir /etc/sudoers.d\n", ["another file in /etc/sudoers.d", "(sharing_sudoers)"]),
        (RULE, "password", "ALL ALL=(ALL) ALL\n", ["/etc/sudoers has no line '@includedir /etc/sudoers.d'"]),
    ],
)
def test_the_reason_names_line_and_file(rule, said, sudoers, words):
    message = sudo.cause(rule, "nobody", said, sudoers)
    assert message.startswith(f"sudo does not let user nobody run {PROGRAM} as zeroinst")
    assert all(word in message for word in words), message


def test_it_is_asked_for_a_user_without_rights_and_for_one_who_may_log_in(monkeypatch):
    accounts = [("root", 0, "/bin/sh"), ("nobody", 65534, "/bin/false"), ("b", 1001, "/bin/sh"), ("a", 1000, "nologin")]
    made = [pwd.struct_passwd((name, "x", uid, uid, "", "/", shell)) for name, uid, shell in accounts]
    monkeypatch.setattr(sudo.pwd, "getpwall", lambda: made)
    assert sudo.somebody() == ["nobody", "b"]
    asked = []
    answers = {"nobody": OURS, "b": OURS + "    (ALL) ALL\n"}
    message = sudo.problem(
        RULE, lambda user, _rule: asked.append(user) or Said(True, LISTING + answers[user], "a warning")
    )
    assert asked == ["nobody", "b"]
    assert "does not let user b run" in message and message.endswith("sudo said: a warning")
    answers["b"] = OURS
    assert sudo.problem(RULE, lambda user, _rule: Said(True, LISTING + answers[user], "a warning")) is None


def test_a_machine_without_sudo_says_so(monkeypatch):
    monkeypatch.setattr(sudo, "_PATHS", ("/no/such/folder",))
    with pytest.raises(Failure, match="Install the package sudo"):
        sudo.ask("nobody", RULE)
    assert "Install the package sudo" in sudo.problem(RULE)


def test_where_root_may_ask_nothing_the_user_asks(monkeypatch, tmp_path):
    program = tmp_path / "sudo"
    program.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '"-n -l -U "*) echo "sudo: root is not allowed to sudo" >&2; exit 1;;\n'
        f'"-n -l -u zeroinst {PROGRAM} "?*) echo "no" >&2; exit 1;;\n'
        f"*) echo '{OURS.rstrip()}';;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sudo, "_become", lambda account: None)
    monkeypatch.setattr(sudo, "_PATHS", (str(tmp_path), "/bin", "/usr/bin"))
    assert sudo.ask("nobody", RULE) == (False, OURS, "no")


def test_a_program_that_is_not_there_is_none_that_sudo_refuses(monkeypatch, tmp_path):
    program = tmp_path / "sudo"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *" -u zeroinst "*) echo "sudo: {PROGRAM}: command not found" >&2; exit 1;; esac\n'
        f"echo '{OURS.rstrip()}'\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sudo, "_PATHS", (str(tmp_path), "/bin", "/usr/bin"))
    assert sudo.ask("nobody", RULE).allowed is None
    assert sudo.problem(RULE) is None
