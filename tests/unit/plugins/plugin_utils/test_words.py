# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of modules, as a user of a role reads them."""

from __future__ import annotations

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest import wanted_mounts
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._guest.wanted_mounts import Mount
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning, vboxmanage
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import Machine
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _words

VALUES = {"cache_host_user": "", "cache_host_vboxmanage": "/no/such", "cache_guest_mount_options": ["nofail"]}


def said(role, act):
    """What a user of the role reads when this fails."""
    with pytest.raises(Failure) as raised:
        act()
    return _words.of_role(role, str(raised.value), VALUES.get, ["vboxmanage"], VALUES), str(raised.value)


def test_options_become_the_variables_of_the_role_with_their_values():
    told, plain = said("cache_host", lambda: planning.resolve([], "web"))
    assert "become_user" in plain and "become_user" not in told
    assert "set cache_host_user (now '') to that user" in told
    assert "Correct its cache_guest_machine." in told and "Correct the machine's name." in plain
    twins = [Machine("00-1", "web", "/1"), Machine("00-2", "web", "/2")]
    told, _plain = said("cache_host", lambda: planning.resolve(twins, "web"))
    assert (
        told
        == "machine name 'web' is not unique: set its cache_guest_machine to the UUID of the machine, one of"
        + (" 00-1, 00-2.")
    )
    told, plain = said("cache_host", lambda: vboxmanage.VBoxManage("/no/such"))
    assert "'vboxmanage'" in plain and "with cache_host_vboxmanage (now '/no/such')" in told
    told, _plain = said(
        "cache_guest", lambda: wanted_mounts.check([Mount("s", "/p", False, ("nofail",), where="mounts[0].")], [])
    )
    assert told.startswith("cache_guest_mount_options (now ['nofail']): 'nofail' is refused")


def test_without_a_role_a_message_stays():
    told, plain = said("", lambda: planning.resolve([], "web"))
    assert told == plain


def test_a_variable_is_named_where_the_folder_of_settings_is_not_found():
    message = "It cannot be opened. Run as the user who owns the machines, or set VBOX_USER_HOME."
    assert _words.of_role("cache_host", message, {"cache_host_user": "me"}.get) == (
        "It cannot be opened. Set cache_host_user (now 'me') to the user who owns the machines, or set VBOX_USER_HOME "
        "in the play's 'environment'."
    )


def test_a_time_limit_is_named_by_the_variable():
    values = {"cache_guest_timeout": 2, "guest_additions_timeout": "1800"}
    told = _words.too_long("cache_guest", "guest_info", 2, values.get)
    assert told.startswith("Timed out after 2 seconds: the module guest_info had not ended by then.")
    assert "raise cache_guest_timeout (now 2)" in told
    assert "guest_additions_timeout (now 1800)" in _words.too_long("guest_additions", "guest_info", 2400, values.get)


def test_of_a_time_limit_that_no_variable_of_the_role_sets_none_is_named():
    for role, values in (("cache_guest", {"cache_guest_timeout": 2}), ("cache_verify", {}), ("", {})):
        told = _words.too_long(role, "guest_info", 5, values.get)
        assert told.startswith("Timed out after 5 seconds: the module guest_info had not ended by then. If nothing")


@pytest.mark.parametrize(
    "words",
    [
        "sudo: unknown user ghost",
        "su: user ghost does not exist or the user entry does not contain all the required fields",
        "Failed to set permissions on the temporary files (rc: 1, err: chown: invalid user: 'ghost')",
        "runuser: user ghost does not exist",
    ],
)
def test_a_user_who_is_not_there_is_named_by_the_variable(words):
    told = _words.no_user("cache_host", "ghost", "shares", words)
    assert told.startswith("cache_host_user: 'ghost' is no user of this machine, so shares could not be run as that")
    assert words in told
    assert _words.no_user("", "ghost", "shares", words).startswith("become_user: 'ghost'")
    of_another = _words.no_user("cache_host", "other", "shares", words)
    assert of_another is None or ("temporary files" in words and of_another.startswith("shares could not be handed to"))
    assert _words.no_user("cache_host", "", "shares", words) is None
    assert _words.no_user("cache_host", "ghost", "shares", "ghost: a password is required") is None


@pytest.mark.parametrize(
    "words",
    [
        "/bin/sh: 1: /home/ghost/venv/bin/python3: not found",
        "ghost: /root does not exist",
        "sudo: unknown user ghostly",
        "chown: invalid user: 'ghost.x'",
    ],
)
def test_what_else_is_not_there_is_no_user(words):
    assert _words.no_user("cache_host", "ghost", "shares", words) is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Power it off, or set when_busy to 'later'.", "Power it off, or set cache_host_when_busy (now 1) to 'later'."),
        ("Wait, or raise lock_timeout.", "Wait, or raise cache_host_lock_timeout (now 1)."),
        ("name it with the option 'vboxmanage'.", "name it with cache_host_vboxmanage (now 1)."),
        ("VBoxManage machines: no shares, x.when_busy, cache_host_when_busy", None),
    ],
)
def test_an_option_for_which_the_role_has_a_variable_is_that_variable(message, words):
    options = ("machines", "when_busy", "lock_timeout", "vboxmanage", "shares")
    known = {"cache_host_when_busy", "cache_host_lock_timeout", "cache_host_vboxmanage", "cache_host_shares"}
    assert _words.of_role("cache_host", message, lambda _name: 1, options, known) == (words or message)


@pytest.mark.parametrize(
    "said",
    [
        "Failed to set permissions on the temporary files Ansible needs to create when becoming an unprivileged user"
        " (rc: 1, err: chmod: invalid mode: 'A+user:vm:rx:allow'",
        "Failed to change ownership of the temporary files Ansible (via chmod nor setfacl) needs to create despite"
        " connecting as a privileged user. Unprivileged become user would be unable to read the file.",
    ],
)
def test_where_ansible_cannot_hand_over_a_module_both_reasons_are_named(said):
    """As ansible-core 2.19 and 2.21 say it, on a Debian without acl and without pipelining."""
    told = _words.no_user("cache_host", "vm", "shares", said)
    assert "'vm' (cache_host_user)" in told and "package acl" in told and "pipelining" in told
    assert _words.no_user("cache_host", "", "shares", said) is None
