# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Desired against live shares, and the calls that make up for the differences."""

from __future__ import annotations

import dataclasses
import os

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox import planning as s
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._vbox.settings import (
    OWNER_KEY,
    SYMLINKS_KEY,
    WAITS_KEY,
    Machine,
    Share,
    with_shares,
)
from hypothesis import given
from hypothesis import strategies as st

STORE = Share("store", "/srv/store")
OURS = dataclasses.replace(STORE, arrangement="default")


def machine(*shares, state="poweroff", **extra):
    """A machine with these shares; extradata come from them and from keywords, ``symlinks=[NAMES], marks=[NAMES]``."""
    keys = {SYMLINKS_KEY + share.name for share in shares if share.symlinks}
    keys |= {OWNER_KEY + share.name for share in shares if share.arrangement}
    keys |= {SYMLINKS_KEY + name for name in extra.get("symlinks", ())}
    keys |= {OWNER_KEY + name for name in extra.get("marks", ())}
    bare = Machine("u", "m", "/m.vbox", state, extradata=tuple((key, "1") for key in sorted(keys)))
    return with_shares(bare, shares)


def but(share, **fields):
    return dataclasses.replace(share, **fields)


def only(live, *present, absent=(), exclusive=False, can_modify=True):
    """The one change to this machine."""
    changes = s.differences(live, s.Wanted(present, tuple(absent), exclusive), can_modify)
    assert len(changes) == 1, changes
    return changes[0]


def none(live, *present, absent=(), exclusive=False, can_modify=True):
    return s.differences(live, s.Wanted(present, tuple(absent), exclusive), can_modify) == []


def flat(live, change, can_modify=True):
    """The calls of a change, in their order, without the machine's UUID."""
    calls = s.calls(live, change, can_modify)
    return [[word for word in call if word != "u"] for call in calls.first + calls.folder + calls.last]


def clear(key):
    return ["setextradata", key + "store"]


def give(key):
    return ["setextradata", key + "store", "1"]


# What is refused


@pytest.mark.parametrize("path", ["", "rel", "./x", "/a/", "/a//b", "/a/../b", "/a/.", "//a", "/a\0b"])
def test_paths_that_virtualbox_would_rewrite_are_refused(path):
    with pytest.raises(Failure, match=r"^path '.*' is not (absolute|normalised): write"):
        s.check_share(but(STORE, path=path))


def test_names_that_cannot_be_mounted_are_refused():
    with pytest.raises(Failure, match="name 'a b' has white space"):
        s.check_share(but(STORE, name="a b"))


def test_a_mount_point_without_automount_is_refused():
    with pytest.raises(Failure, match="mount_point"):
        s.check_share(but(STORE, mount_point="/mnt"))
    s.check_share(but(STORE, mount_point="/mnt", automount=True))


def test_host_paths_that_are_no_plain_directories_are_refused(tmp_path):
    base = os.path.realpath(tmp_path)
    os.mkdir(base + "/dir")
    os.mkdir(base + "/dir/sub")
    os.symlink("dir", base + "/link")
    with open(base + "/file", "w", encoding="utf-8"):
        pass
    s.check_folder(but(STORE, path=base + "/dir/sub"))
    for path, kind, words in (
        ("/none", FileNotFoundError, "does not exist"),
        ("/file", Failure, "not a directory"),
        ("/link", Failure, "symlink"),
        ("/link/sub", Failure, f"'{base}/dir/sub'"),
        ("/file/x", FileNotFoundError, "does not exist"),
    ):
        with pytest.raises(kind, match=words) as failure:
            s.check_folder(but(STORE, path=base + path))
        assert base + path in str(failure.value)


def test_machines_are_found_by_name_or_uuid():
    one, two, three = Machine("ab-1", "m", "/1"), Machine("ab-2", "m", "/2"), Machine("ab-3", "ab-1", "/3")
    bad = Machine("ab-4", "bad", "/4", accessible=False, problem="its settings file is gone")
    machines = [one, two, three, bad]
    assert s.resolve(machines, "AB-2") is two
    assert s.resolve(machines, "ab-1") is one, "a UUID goes before a name that looks like it"
    assert "its settings file is gone" in s.inaccessible(s.resolve(machines, "bad"))
    for name, words in (("m", "ab-1, ab-2"), ("BaD", r"nearest: 'bad'\)"), ("x", "registered: 4, of which none has")):
        with pytest.raises(Failure, match=words):
            s.resolve(machines, name)
    with pytest.raises(Failure, match="registered: 0, of which none"):
        s.resolve([], "m")


def test_the_nearest_three_names_are_told_and_for_a_uuid_the_nearest_uuids():
    uuids = [f"7f1f6fd0-7b52-4ad3-8d5e-3a6f0f1f2a5{number}" for number in range(5)]
    machines = [Machine(uuid, name, "/") for uuid, name in zip(uuids, ("web1", "web2", "web3", "web33", "mail"))]
    assert s.nearest(machines, "WEB4") == ["web3", "web2", "web1"]
    near = s.nearest(machines, uuids[0][:-1] + "F")
    assert len(near) == 3 and set(near) <= set(uuids)
    assert s.nearest(machines, "database") == []


# Differences


def test_what_is_right_is_left_alone_whoever_made_it():
    assert none(machine(STORE), STORE)
    assert none(machine(OURS), STORE, exclusive=True)


DRIFTS = [
    ("path", {"path": "/elsewhere"}),
    ("writable", {"writable": True}),
    ("automount", {"automount": True}),
    ("mount_point", {"mount_point": "/mnt"}),
    ("symlink_policy", {"symlink_policy": "any"}),
    ("symlinks", {"symlinks": True}),
]


@pytest.mark.parametrize(("field", "drift"), DRIFTS)
def test_each_drifted_field_is_corrected(field, drift):
    change = only(machine(but(OURS, **drift)), STORE)
    assert (change.action, change.fields, change.after) == ("correct", [field], but(STORE, arrangement="default"))


@pytest.mark.parametrize(("field", "drift"), DRIFTS)
def test_each_wanted_field_is_given(field, drift):
    assert only(machine(OURS), but(STORE, **drift)).fields == [field]


def test_a_missing_share_is_added_and_an_unwanted_one_removed():
    assert only(machine(), STORE).action == "add"
    assert only(machine(STORE), absent=["store"]).action == "remove"
    assert none(machine(), absent=["store"])


def test_exclusive_removes_ours_and_never_others():
    other = Share("theirs", "/srv/theirs", writable=True)
    change = only(machine(OURS, other, but(other, name="global", kind="global")), exclusive=True)
    assert (change.action, change.name) == ("remove", "store")
    assert none(machine(other, but(STORE, kind="global")), exclusive=True)
    assert none(machine(OURS, other))


def test_global_shares_are_never_removed():
    assert none(machine(but(STORE, kind="global")), absent=["store"], exclusive=True)
    assert only(machine(but(STORE, kind="global")), STORE).action == "add"


def test_marks_of_shares_that_are_gone_are_forgotten():
    for wanted in ({"exclusive": True}, {"absent": ["store"]}):
        live = machine(marks=["store"], symlinks=["store"])
        change = only(live, **wanted)
        assert change.action == "forget"
        assert flat(live, change) == [clear(SYMLINKS_KEY), clear(OWNER_KEY)]
    assert flat(machine(marks=["store"]), change) == [clear(OWNER_KEY)]
    assert none(machine(marks=["store"]))
    assert none(machine(symlinks=["store"]), exclusive=True, absent=["store"]), "not ours"


# Transient shares hide permanent ones


@pytest.mark.parametrize(("field", "drift"), [drift for drift in DRIFTS if drift[0] not in ("symlinks",)])
def test_a_transient_share_that_hides_the_wanted_one_goes(field, drift):
    live = machine(STORE, but(STORE, kind="transient", **drift), state="running")
    change = only(live, STORE)
    assert change.action == "remove"
    assert change.transient, field
    assert flat(live, change) == [["sharedfolder", "remove", "--name=store", "--transient"]]


def test_a_transient_share_as_wanted_stays():
    assert none(machine(STORE, but(STORE, kind="transient")), STORE)


def test_the_right_to_symlinks_does_not_make_a_transient_share_wrong():
    live = machine(but(STORE, kind="transient"), state="running")
    change = only(live, but(STORE, symlinks=True))
    assert (change.action, change.transient) == ("add", False)


def test_a_transient_share_cannot_stand_in_for_one_with_a_policy():
    policy = but(STORE, symlink_policy="relative")
    assert s.as_transient(policy) is None
    changes = s.differences(machine(policy, but(STORE, kind="transient")), s.Wanted((policy,)))
    assert [(change.action, change.transient) for change in changes] == [("remove", True)]


def test_absent_and_exclusive_remove_transient_shares_too():
    live = machine(OURS, but(OURS, kind="transient"), state="running")
    for wanted in ({"exclusive": True}, {"absent": ("store",)}):
        changes = s.differences(live, s.Wanted(**wanted))
        assert [(change.action, change.transient) for change in changes] == [("remove", False), ("remove", True)]


# Calls

ADD = ["sharedfolder", "add", "--name=store", "--hostpath=/srv/store"]
REMOVE = ["sharedfolder", "remove", "--name=store"]
MODIFY = ["sharedfolder", "modify", "--name=store"]


def test_a_new_share_is_marked_first_and_gets_its_rights_last():
    full = but(STORE, writable=True, automount=True, mount_point="/m t", symlinks=True, symlink_policy="relative")
    assert flat(machine(), only(machine(), full)) == [
        give(OWNER_KEY),
        [*ADD, "--automount", "--auto-mount-point=/m t"],
        [*MODIFY, "--symlink-policy=relative"],
        give(SYMLINKS_KEY),
    ]
    assert flat(machine(), only(machine(), STORE)) == [give(OWNER_KEY), [*ADD, "--readonly"]]


def test_a_new_share_does_not_inherit_the_right_to_symlinks():
    """Vagrant gives the right to each folder, and VBoxManage leaves it where a share is removed."""
    live = machine(symlinks=["store"])
    assert flat(live, only(live, STORE)) == [clear(SYMLINKS_KEY), give(OWNER_KEY), [*ADD, "--readonly"]]
    assert flat(live, only(live, but(STORE, symlinks=True))) == [give(OWNER_KEY), [*ADD, "--readonly"]]


def test_a_mark_that_is_there_is_not_set_again():
    live = machine(marks=["store"])
    assert flat(live, only(live, STORE)) == [[*ADD, "--readonly"]]


@pytest.mark.parametrize(
    ("drift", "options"),
    [
        ({"writable": True}, ["--readonly=on"]),
        ({"automount": True}, ["--automount=off"]),
        ({"automount": True, "mount_point": "/x"}, ["--automount=off", "--auto-mount-point="]),
    ],
)
def test_from_71_a_share_is_corrected_in_place(drift, options):
    live = machine(but(OURS, **drift))
    change = only(live, STORE)
    assert flat(live, change) == [MODIFY + options]
    assert flat(live, change, can_modify=False) == [REMOVE, [*ADD, "--readonly"]]


def test_a_policy_is_given_in_place_and_taken_away_by_adding_anew():
    policy = but(STORE, symlink_policy="subtree")
    assert flat(machine(OURS), only(machine(OURS), policy)) == [[*MODIFY, "--symlink-policy=subtree"]]
    live = machine(but(policy, arrangement="default"))
    assert flat(live, only(live, STORE)) == [REMOVE, [*ADD, "--readonly"]]
    assert none(machine(STORE), policy, can_modify=False), "before 7.1 there are no policies"


def test_another_path_needs_adding_anew():
    live = machine(but(STORE, path="/x", symlinks=True))
    assert flat(live, only(live, STORE)) == [clear(SYMLINKS_KEY), give(OWNER_KEY), REMOVE, [*ADD, "--readonly"]]


def test_the_right_to_symlinks_alone_touches_no_folder():
    live = machine(but(OURS, symlinks=True))
    change = only(live, STORE)
    assert change.extradata_only
    assert flat(live, change) == [clear(SYMLINKS_KEY)]
    change = only(machine(OURS), but(STORE, symlinks=True))
    assert flat(machine(OURS), change) == [give(SYMLINKS_KEY)]


def test_a_removal_takes_rights_first_and_the_mark_last():
    live = machine(but(OURS, symlinks=True))
    assert flat(live, only(live, exclusive=True)) == [clear(SYMLINKS_KEY), REMOVE, clear(OWNER_KEY)]
    assert flat(machine(STORE), only(machine(STORE), absent=["store"])) == [REMOVE]


# Texts


def test_the_diff_shows_the_shares_concerned_on_both_sides():
    live = machine(but(STORE, writable=True))
    change = only(live, but(STORE, automount=True, mount_point="/m", symlink_policy="any"))
    text = s.diff({"m (u)": [change], "n (v)": []})
    assert text["before"] == "m (u)\n  store: /srv/store, writable\n"
    assert text["after"] == "m (u)\n  store: /srv/store, read-only, automount at /m, symlink policy any\n"
    text = s.diff({"m (u)": [only(machine(marks=["store"]), exclusive=True)]})
    assert text["before"] == "m (u)\n  store: settings left over from a share that is gone\n"
    assert text["after"] == "m (u)\n"


# Arrangements, and what waits for the next start

OF_B = s.recognizing.Folders(arrangement="b")


def marked(name, value, *shares, state="poweroff", run="", **more):
    """A machine with one mark, and other extradata."""
    extradata = ((OWNER_KEY + name, value), *more.items())
    return with_shares(Machine("u", "m", "/m.vbox", state, extradata=extradata, run=run), shares)


def test_a_share_of_another_arrangement_is_neither_corrected_nor_removed():
    live = marked("store", "b", but(STORE, writable=True))
    assert s.differences(live, s.Wanted(exclusive=True)) == []
    assert [change.action for change in s.differences(live, s.Wanted(exclusive=True, folders=OF_B))] == ["remove"]
    for wanted in (s.Wanted((STORE,)), s.Wanted((), ("store",), guest="web")):
        told = s.of_another_arrangement(live, wanted)
        assert "share 'store' belongs to the arrangement 'b', and this is the arrangement 'default'" in told
        assert told.startswith("guest 'web': machine m (u): " if wanted.guest else "machine m (u): ")
    assert s.of_another_arrangement(live, s.Wanted((but(STORE, name="other"),))) == ""
    assert s.of_another_arrangement(live, s.Wanted((STORE,), folders=OF_B)) == ""
    old = marked("store", "1", STORE)
    assert s.of_another_arrangement(old, s.Wanted((STORE,))) == ""
    assert "belongs to the arrangement 'default'" in s.of_another_arrangement(old, s.Wanted((STORE,), folders=OF_B))


def test_the_mark_of_another_arrangement_is_not_forgotten_with_its_share():
    assert s.differences(marked("store", "b"), s.Wanted(exclusive=True)) == []
    assert [change.action for change in s.differences(marked("store", "1"), s.Wanted(exclusive=True))] == ["forget"]


def test_the_mark_names_the_arrangement():
    change = only_of(machine(), s.Wanted((STORE,), folders=OF_B))
    assert s.calls(machine(), change).first == [["setextradata", "u", OWNER_KEY + "store", "b"]]
    kept = marked("store", "b", but(STORE, writable=True))
    change = only_of(kept, s.Wanted((STORE,), folders=OF_B))
    assert s.calls(kept, change).first == []


def only_of(live, wanted):
    (change,) = s.differences(live, wanted)
    return change


RUN = "2026-11-29T00:46:40.646179000Z"


@pytest.mark.parametrize("state", ["running", "paused", "saved"])
def test_a_change_of_the_right_to_symlinks_is_noted_with_the_run_of_the_machine(state):
    live = marked("store", "1", STORE, state=state, run=RUN)
    wish = but(STORE, symlinks=True)
    first = s.calls(live, only_of(live, s.Wanted((wish,)))).first
    assert first == [["setextradata", "u", WAITS_KEY + "store", RUN]]
    noted = marked("store", "1", STORE, state=state, run=RUN, **{WAITS_KEY + "store": RUN})
    assert s.calls(noted, only_of(noted, s.Wanted((wish,)))).first == []
    assert s.waits(noted, "store") and not s.waits(noted, "other")


@pytest.mark.parametrize(("state", "run"), [("poweroff", ""), ("aborted", RUN), ("running", "")])
def test_nothing_is_noted_of_a_machine_that_is_off_or_of_whose_run_nothing_is_known(state, run):
    live = marked("store", "1", STORE, state=state, run=run)
    assert s.calls(live, only_of(live, s.Wanted((but(STORE, symlinks=True),)))).first == []


@pytest.mark.parametrize(
    ("state", "run", "waits"),
    [
        ("running", RUN, True),
        ("running", "2026-11-29T01:00:00.000000000Z", False),
        ("running", "", True),
        ("poweroff", "", False),
    ],
)
def test_a_change_waits_in_the_run_in_which_it_was_made(state, run, waits):
    live = marked("store", "1", STORE, state=state, run=run, **{WAITS_KEY + "store": RUN})
    assert s.waits(live, "store") is waits


def test_what_waits_goes_with_the_share():
    live = marked("store", "1", STORE, state="running", run=RUN, **{WAITS_KEY + "store": RUN})
    assert s.calls(live, only_of(live, s.Wanted(exclusive=True))).last == [
        ["setextradata", "u", WAITS_KEY + "store"],
        ["setextradata", "u", OWNER_KEY + "store"],
    ]
    gone = Machine("u", "m", "/m.vbox", extradata=((WAITS_KEY + "store", RUN),))
    change = only_of(gone, s.Wanted(exclusive=True))
    assert (change.action, s.calls(gone, change).last) == ("forget", [["setextradata", "u", WAITS_KEY + "store"]])
    assert s.differences(gone, s.Wanted((but(STORE, name="x"),)))[0].name == "x"


def test_a_writable_share_of_another_arrangement_is_told_where_this_one_has_shares(tmp_path):
    store = but(STORE, path=str(tmp_path) + "/0install.net/implementations")
    live = marked("theirs", "b", but(store, name="theirs", writable=True))
    found = s.others(live, s.Wanted((store,)), [store.path], ())
    assert [(other.share.name, other.refused) for other in found] == [("theirs", True)]
    assert "which the arrangement 'b' set up" in found[0].text
    assert s.others(live, s.Wanted(exclusive=True), [store.path], ()) == []
    assert s.others(marked("t", "b", but(store, name="t")), s.Wanted((store,)), [store.path], ()) == []


# Any machine, any wish: what the calls do is what was wanted

NAMES = st.sampled_from(["a", "b", "c"])
BOOLEANS = st.booleans()
SHARES = st.builds(
    Share,
    NAMES,
    st.sampled_from(["/1", "/2"]),
    st.just("machine"),
    BOOLEANS,
    BOOLEANS,
    st.sampled_from(["", "/m"]),
    st.sampled_from(s.POLICIES),
)
LISTS = st.lists(SHARES, unique_by=lambda share: share.name)


def played(live, changes, can_modify):
    """What a machine's permanent shares and extradata are after the calls, by VBoxManage's documented behaviour."""
    shares = {share.name: but(share, symlinks=False, arrangement="") for share in live.shares}
    extradata = dict(live.extradata)
    for change in changes:
        calls = s.calls(live, change, can_modify)
        for verb, *rest in calls.first + calls.folder + calls.last:
            if verb == "setextradata":
                _uuid, key, *value = rest
                extradata.pop(key, None)
                extradata.update({key: value[0]} if value else {})
                continue
            action, _uuid, *words = rest
            options = dict(word.lstrip("-").partition("=")[::2] for word in words)
            name = options.pop("name")
            if action == "remove":
                del shares[name]
            elif action == "add":
                assert name not in shares
                shares[name] = Share(
                    name,
                    options["hostpath"],
                    writable="readonly" not in options,
                    automount="automount" in options,
                    mount_point=options.get("auto-mount-point", ""),
                )
            else:
                assert can_modify
                fields = {
                    "readonly": lambda text: {"writable": text == "off"},
                    "automount": lambda text: {"automount": text == "on"},
                    "auto-mount-point": lambda text: {"mount_point": text},
                    "symlink-policy": lambda text: {"symlink_policy": text},
                }
                for option, text in options.items():
                    shares[name] = but(shares[name], **fields[option](text))
    bare = Machine("u", "m", "/m.vbox", extradata=tuple(sorted(extradata.items())))
    return with_shares(bare, tuple(shares.values()))


@given(
    live=LISTS,
    present=LISTS,
    symlinks=st.sets(NAMES),
    marks=st.sets(NAMES),
    rights=st.sets(NAMES),
    absent=st.sets(NAMES),
    exclusive=BOOLEANS,
    can_modify=BOOLEANS,
)
def test_after_the_calls_nothing_is_left_to_do(live, present, symlinks, marks, rights, absent, exclusive, can_modify):
    if not can_modify:
        live = [but(share, symlink_policy="none") for share in live]
    before = machine(*live, symlinks=symlinks, marks=marks)
    present = tuple(but(share, symlinks=share.name in rights) for share in present)
    names = {share.name for share in present}
    wanted = s.Wanted(present, tuple(sorted(absent - names)), exclusive)
    after = played(before, s.differences(before, wanted, can_modify), can_modify)
    assert s.differences(after, wanted, can_modify) == []
    for share in present:
        policy = share.symlink_policy if can_modify else "none"
        expected = but(share, arrangement=after.share(share.name).arrangement, symlink_policy=policy)
        assert after.share(share.name) == expected
    untouched = {
        share for share in before.shares if share.name not in names | absent and not (exclusive and share.arrangement)
    }
    assert untouched <= set(after.shares)


def test_a_global_share_of_a_wanted_name_counts_until_the_machines_own_hides_it(tmp_path):
    store = but(STORE, path=str(tmp_path) + "/0install.net/implementations")
    everybodys = but(store, kind="global", writable=True)
    found = s.others(machine(everybodys), s.Wanted((store,), ()), [store.path], ())
    assert [(other.share, other.refused) for other in found] == [(everybodys, True)]
    assert s.others(machine(everybodys, store), s.Wanted((store,), ()), [store.path], ()) == []
