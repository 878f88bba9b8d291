# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moving implementations aside and back, on real files."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import judging, quarantine
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store.quarantine import Request

COLLECTIONS = str(Path(quarantine.__file__).parents[6])
A, B, C = ("sha1=" + letter * 40 for letter in "abc")
BASE32 = "sha256new_" + "A" * 52


class Store:
    """A store with implementations, each a directory with a file that says which it is."""

    def __init__(self, root):
        self.path = Path(root) / "0install.net" / "implementations"
        self.aside = self.path.with_name("implementations.quarantine")
        self.path.mkdir(parents=True)

    def add(self, name, text=""):
        """An implementation as Zero Install has them: nobody may write it."""
        (self.path / name).mkdir()
        (self.path / name / "file").write_text(text or name)
        (self.path / name).chmod(0o555)

    def try_to(self, *names, restore=False, dry=False, folder=None):
        """What was moved, and what was not, with why."""
        moved = []
        left = quarantine.run(Request(str(self.path), names, str(folder or self.aside), restore), moved, dry)
        return [(Path(move["from"]).name, Path(move["to"]).name) for move in moved], dict(left)

    def run(self, *names, **options):
        """What was moved, where all that was asked for could be."""
        moved, left = self.try_to(*names, **options)
        assert left == {}
        return moved

    def all(self):
        """Everything that there is, with its contents and modes."""
        found = {}
        for path in sorted(self.path.parent.rglob("*")):
            if path.name != quarantine.LOCK:
                mode = stat.S_IMODE(os.lstat(str(path)).st_mode)
                contents = path.read_text() if path.is_file() and not path.is_symlink() else ""
                found[str(path.relative_to(self.path.parent))] = (mode, contents)
        return found


@pytest.fixture
def store(tmp_path):
    """A store with two implementations."""
    made = Store(tmp_path)
    made.add(A)
    made.add(B)
    yield made
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)


def names(folder):
    return sorted(set(os.listdir(str(folder))) - {quarantine.LOCK})


def test_there_and_back_again(store):
    before = store.all()
    assert store.run(A) == [(A, A)]
    assert (names(store.path), names(store.aside)) == ([B], [A])
    assert stat.S_IMODE(store.aside.stat().st_mode) == 0o700
    assert stat.S_IMODE((store.aside / A).stat().st_mode) == 0o555
    assert store.run(A) == []
    assert store.run(A, restore=True) == [(A, A)]
    assert store.run(A, restore=True) == []
    assert dict(store.all(), **{store.aside.name: None}) == dict(before, **{store.aside.name: None})


def test_a_second_copy_gets_a_number_and_the_latest_comes_back(store):
    for text in ("first", "second", "third"):
        if text != "first":
            store.add(A, text)
        store.run(A)
    assert names(store.aside) == [A, A + ".1", A + ".2"]
    store.run(A, restore=True)
    assert (store.path / A / "file").read_text() == "third"
    assert store.run(A) == [(A, A + ".2")]


def test_more_than_nine_copies_are_counted_as_numbers():
    listing = [A, *(f"{A}.{number}" for number in range(1, 12)), A + ".01", A + ".x", A + ".1.2"]
    assert list(quarantine.copies(listing)[A]) == list(range(12))


@pytest.mark.parametrize("name", ["sha1=x.1", "sha1=x.0", "sha1=x\n.1", "sha1=x."])
def test_a_name_that_looks_like_a_numbered_copy_is_told_from_one(store, name):
    store.add(name)
    store.add("sha1=x")
    store.run("sha1=x", name)
    assert len(names(store.aside)) == 2
    store.run("sha1=x", restore=True)
    assert (store.path / "sha1=x" / "file").read_text() == "sha1=x"
    store.run(name, restore=True)
    assert (store.path / name / "file").read_text() == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "sha1=../x", "/sha1=x", "sha1=a/b", "tmp-1", "sha1", "SHA1=x", "sha256new=", "sha1=\0"]
)
def test_what_is_no_name_is_refused(store, name):
    before = store.all()
    with pytest.raises(Failure, match=r"not the name of an implementation.*Correct names"):
        store.run(A, name)
    assert store.all() == before


@pytest.mark.parametrize(
    "name", [BASE32, "sha1new=" + "0" * 40, "sha256=zz", "sha256new_", "sha1=a b;$(x)\n", "sha1=..."]
)
def test_malformed_names_can_be_moved_too(store, name):
    store.add(name)
    assert len(store.run(name)) == 1
    assert names(store.aside) == [name]


def test_a_name_is_known_by_its_readable_form_as_it_is_reported(store):
    store.add("sha1=x\ny")
    assert store.run("sha1=x\\ny") == [("sha1=x\\ny", "sha1=x\\ny")]
    assert names(store.aside) == ["sha1=x\ny"]
    assert store.run("sha1=x\\ny") == []
    store.run("sha1=x\\ny", restore=True)
    assert "sha1=x\ny" in names(store.path)


def test_a_name_that_is_no_utf8(store):
    name = os.fsdecode(b"sha1=\xff")
    store.add(name, "x")
    assert store.run("sha1=\\xff") == [("sha1=\\xff", "sha1=\\xff")]
    assert names(store.aside) == [name]


ALIKE = [os.fsdecode(b"sha1=\x85"), "sha1=\u0085", "sha1=\\x85", "sha1=\\\\x85", "sha1=\n", "sha1=\\n"]


def test_names_that_look_alike_are_told_apart_by_their_readable_forms(store):
    for name in ALIKE:
        store.add(name, "x")
    shown = list(map(judging.shown, ALIKE))
    assert len(set(shown)) == len(ALIKE) and all(name.isprintable() for name in shown)
    for name, readable in zip(ALIKE, shown):
        assert len(store.run(readable)) == 1
        assert name in names(store.aside) and name not in names(store.path)
        assert store.run(readable) == []
    assert len(store.run(*shown, restore=True)) == len(ALIKE)
    assert names(store.path) == sorted([A, B, *ALIKE])


def test_a_name_that_is_missing_is_named_and_the_others_are_moved(store):
    moved, left = store.try_to(A, C)
    assert moved == [(A, A)] and list(left) == [C]
    assert left[C].startswith(f"Neither the store {store.path} nor {store.aside} has it")
    moved, left = store.try_to(C, A, restore=True)
    assert moved == [(A, A)] and list(left) == [C]


def test_what_the_store_has_does_not_come_back_and_nothing_is_lost(store):
    store.run(A, B)
    store.add(A, "new")
    moved, left = store.try_to(B, A, restore=True)
    assert moved == [(B, B)] and "already has it" in left[A]
    assert (store.path / A / "file").read_text() == "new"
    assert (store.aside / A / "file").read_text() == A


LONG = "sha1=" + "a" * 250
LONG_COPY = "sha1=" + "a" * 248 + ".1"
LONG_BYTES = "sha1=" + "\u00e4" * 125


@pytest.mark.parametrize("name", [LONG, LONG_COPY, LONG_BYTES, LONG[:-1], LONG[:-2]])
def test_a_name_as_long_as_can_be_goes_and_comes_like_any_other(store, name):
    for text in ("first", "second", "third"):
        store.add(name, text)
        if not (store.path / A).exists():
            store.add(A, text)
        assert len(store.run(name, A)) == 2
    assert names(store.path) == [B]
    assert store.run(name) == []
    for text in ("third", "second", "first"):
        assert len(store.run(name, restore=True)) == 1
        assert (store.path / name / "file").read_text() == text
        subprocess.run(["rm", "-rf", "--", str(store.path / name)], check=True)
    assert names(store.aside) == [A, A + ".1", A + ".2"]


def test_the_work_grows_with_the_number_of_names_and_no_faster(store, monkeypatch):
    """A guest makes as many odd names as it likes; each is read once when they are planned."""
    counts = []
    real = quarantine._COPY

    class Counting:
        def match(self, name):
            counts[-1] += 1
            return real.match(name)

    monkeypatch.setattr(quarantine, "_COPY", Counting())
    for number in (500, 1000):
        many = [f"sha256={each}" for each in range(number)]
        counts.append(0)
        planned = quarantine.plan(Request(str(store.path), many, str(store.aside)), many, quarantine.copies(many))
        assert len(planned.moves) == number and not planned.left
    assert counts[1] <= 2 * counts[0]


def test_ten_thousand_odd_names_do_not_keep_one_that_was_tampered_with(store):
    many = [f"sha256={number}" for number in range(10_000)]
    for name in many:
        (store.path / name).mkdir()
    assert len(store.run(*many, A)) == 10_001
    assert names(store.path) == [B]


def test_the_lock_and_the_folder_are_made_through_what_was_checked(store, tmp_path, monkeypatch):
    """Whoever can rename above the folder swaps the folders after they were opened: what is made is made in the old."""
    above, other = store.path.parent, tmp_path / "other"
    trap = tmp_path / "trap"
    trap.write_text("untouched")
    (other / "implementations.quarantine").mkdir(parents=True)
    (other / "implementations.quarantine" / quarantine.LOCK).symlink_to(trap)
    check_folder = quarantine._check_folder
    swapped = []

    def swap():
        if not swapped:
            swapped.append(above.rename(tmp_path / "moved"))
            other.rename(above)

    def then_swapped(*arguments):
        check_folder(*arguments)
        swap()

    monkeypatch.setattr(quarantine, "_check_folder", then_swapped)
    moved = []
    assert quarantine.run(Request(str(store.path), [A], str(store.aside)), moved) == []
    assert sorted(os.listdir(str(store.aside))) == [quarantine.LOCK]
    assert (store.aside / quarantine.LOCK).is_symlink() and trap.read_text() == "untouched"
    assert sorted(os.listdir(str(tmp_path / "moved" / store.aside.name))) == [quarantine.LOCK, A]


def test_a_folder_that_is_swapped_for_one_in_the_store_is_refused(store, tmp_path, monkeypatch):
    way = tmp_path / "way"
    way.mkdir()
    real = quarantine.check

    def then_swapped(request):
        real(request)
        way.rmdir()
        way.symlink_to(store.path)

    monkeypatch.setattr(quarantine, "check", then_swapped)
    with pytest.raises(Failure, match="lies in the store"):
        store.run(A, folder=way / "q")
    assert names(store.path) == [A, B]


def test_nothing_is_replaced_even_by_who_adds_a_name_between_look_and_move(store, monkeypatch):
    store.run(A)
    plan = quarantine.plan

    def race(*arguments):
        moves = plan(*arguments)
        (store.path / A).mkdir()
        return moves

    monkeypatch.setattr(quarantine, "plan", race)
    assert store.try_to(A, restore=True) == ([], {A: "File exists. It is where it was."})
    assert (store.aside / A / "file").read_text() == A


def test_a_move_that_fails_is_named_and_holds_up_no_other(store, monkeypatch):
    real = quarantine.replacing.rename_new

    def rename(name, *rest):
        if name == A:
            raise OSError(5, "Input/output error")
        real(name, *rest)

    monkeypatch.setattr(quarantine.replacing, "rename_new", rename)
    assert store.try_to(A, B) == ([(B, B)], {A: "Input/output error. It is where it was."})
    assert (names(store.path), names(store.aside)) == ([A], [B])


def test_where_the_c_library_cannot_help_a_plain_rename_does(store, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_arguments, **_options: object())
    assert store.run(A) == [(A, A)]
    assert names(store.aside) == [A]


def test_check_mode_tells_the_same_and_touches_nothing(store):
    before = store.all()
    assert store.run(A, B, dry=True) == [(A, A), (B, B)]
    assert store.all() == before
    store.run(A)
    before = store.all()
    assert store.run(A, restore=True, dry=True) == [(A, A)]
    assert store.run(A, B, dry=True) == [(B, B)]
    assert store.all() == before
    assert not (store.path / A).exists()


def test_links_files_and_pipes_are_moved_as_such(store, tmp_path):
    (tmp_path / "target").write_text("untouched")
    (store.path / "sha1=link").symlink_to(tmp_path / "target")
    (store.path / "sha1=folderlink").symlink_to(tmp_path)
    (store.path / "sha1=dangling").symlink_to("nowhere")
    (store.path / "sha1=file").write_text("f")
    os.mkfifo(str(store.path / "sha1=pipe"))
    odd = ["sha1=link", "sha1=folderlink", "sha1=dangling", "sha1=file", "sha1=pipe"]
    store.run(*odd)
    assert names(store.aside) == sorted(odd)
    assert os.readlink(str(store.aside / "sha1=link")) == str(tmp_path / "target")
    assert (tmp_path / "target").read_text() == "untouched"
    assert names(store.path) == [A, B]


def test_the_store_must_be_one(store, tmp_path):
    for path in (str(tmp_path), "0install.net/implementations", str(store.path) + "/", str(store.path) + "2"):
        with pytest.raises(Failure, match=r"not a store of implementations.*Correct path"):
            quarantine.run(Request(path, [A], str(store.aside)), [])


def test_a_store_that_is_a_link_is_refused(store, tmp_path):
    other = tmp_path / "other" / "0install.net"
    other.mkdir(parents=True)
    (other / "implementations").symlink_to(store.path)
    with pytest.raises(Failure, match="symbolic link"):
        quarantine.run(Request(str(other / "implementations"), [A], str(tmp_path / "q")), [])
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize("kind", ["link to folder", "dangling link", "file"])
def test_a_folder_that_is_none_is_refused(store, tmp_path, kind):
    if kind == "file":
        store.aside.write_text("")
    else:
        store.aside.symlink_to(tmp_path if kind == "link to folder" else "nowhere")
    before = store.all()
    with pytest.raises(Failure, match="symbolic link" if "link" in kind else "is no folder"):
        store.run(A)
    assert store.all() == before


def test_a_folder_that_others_can_write_is_refused(store):
    store.aside.mkdir()
    store.aside.chmod(0o770)
    with pytest.raises(Failure, match="has the mode 0770"):
        store.run(A)
    assert A in names(store.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_somebody_elses_is_refused(store):
    store.aside.mkdir(mode=0o700)
    os.chown(str(store.aside), 1234, 1234)
    with pytest.raises(Failure, match="belongs to user 1234"):
        store.run(A)
    assert A in names(store.path)


def test_a_folder_in_the_store_is_refused(store, tmp_path):
    (tmp_path / "link").symlink_to(store.path)
    for folder in (store.path, store.path / "q", tmp_path / "link" / "q"):
        with pytest.raises(Failure, match="lies in the store"):
            store.run(A, folder=folder)


@pytest.mark.parametrize("folder", ["/", "//", "{0}/..", "{0}/../q", "{0}/.", "{0}/./q", "{0}//q", "{0}/q/../"])
def test_a_folder_is_named_by_names_alone(store, tmp_path, folder):
    folder = folder.format(tmp_path)
    before = store.all()
    for dry in (True, False):
        with pytest.raises(Failure, match=rf"^folder '{folder}' is (not normalised: write|no folder of its own)"):
            store.run(A, folder=folder, dry=dry)
    assert store.all() == before
    assert store.run(A, folder=f"{tmp_path}/q/") == [(A, A)]


def test_the_default_folder_is_that_of_the_store_however_its_path_is_written(store):
    odd = f"{store.path.parent.parent}/../{store.path.parent.parent.name}/0install.net/implementations"
    moved = []
    assert quarantine.run(Request(odd, [A], quarantine.default_folder(odd)), moved) == []
    assert names(store.aside) == [A]


def test_a_folder_is_absolute_and_has_one_above_it(store, tmp_path):
    with pytest.raises(Failure, match=r"^folder 'q' is not absolute"):
        store.run(A, folder="q")
    with pytest.raises(Failure, match="which is to hold the folder q: No such file"):
        store.run(A, folder=tmp_path / "none" / "q")


@pytest.mark.parametrize("exists", [False, True])
def test_another_file_system_is_refused_before_anything_is_moved(store, tmp_path, monkeypatch, exists):
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    folder = other if exists else other / "q"
    real = os.fstat

    def fstat(descriptor):
        found = real(descriptor)
        if found.st_ino == other.stat().st_ino:
            found = os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))
        return found

    monkeypatch.setattr(quarantine.os, "fstat", fstat)
    before = store.all()
    for dry in (True, False):
        with pytest.raises(Failure, match=r"another file system.*Nothing was moved"):
            store.run(A, folder=folder, dry=dry)
    monkeypatch.undo()
    assert store.all() == before
    assert names(other) == []


def test_another_run_that_makes_the_folder_meanwhile(store, monkeypatch):
    open_folder = quarantine._open_folder

    def then_another_run(*arguments):
        found = open_folder(*arguments)
        monkeypatch.undo()
        assert len(store.run(A, B)) == 2
        return found

    monkeypatch.setattr(quarantine, "_open_folder", then_another_run)
    assert store.run(A, B) == []
    assert names(store.aside) == [A, B]


def test_two_runs_at_once_take_turns(store, hang):
    many = ["sha1=" + f"{number:040x}" for number in range(60)]
    for name in many:
        store.add(name)
    code = (
        "import functools, sys\n"
        "from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import quarantine as q\n"
        f"q.replacing.locked = functools.partial(q.replacing.locked, patience={hang})\n"
        "moved = []\n"
        "q.run(q.Request(sys.argv[1], sys.argv[3:], sys.argv[2]), moved)\n"
        "print(len(moved))\n"
    )
    command = [sys.executable, "-c", code, str(store.path), str(store.aside), *many]
    environment = dict(os.environ, PYTHONPATH=COLLECTIONS)
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _run in range(3)]
    counts = [int(run.communicate(timeout=hang)[0]) for run in runs]
    assert sorted(counts) == [0, 0, 60]
    assert names(store.aside) == sorted(many)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_in_the_middle_each_is_in_one_place_and_whole(store, moment):
    """Before or after the fifth of them is moved."""
    many = ["sha1=" + f"{number:040x}" for number in range(200)]
    for name in many:
        store.add(name)
    code = (
        "import os, signal, sys\n"
        "from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._store import quarantine as q\n"
        "real, moment, calls = q.replacing.rename_new, sys.argv[3], []\n"
        "def killed(when):\n"
        "    if len(calls) == 5 and when == moment: os.kill(os.getpid(), signal.SIGKILL)\n"
        "def rename(*a):\n"
        "    calls.append(a); killed('before'); real(*a); killed('after')\n"
        "q.replacing.rename_new = rename\n"
        "q.run(q.Request(sys.argv[1], sys.argv[4:], sys.argv[2]), [])\n"
    )
    command = [sys.executable, "-c", code, str(store.path), str(store.aside), moment, *many]
    done = subprocess.run(command, env=dict(os.environ, PYTHONPATH=COLLECTIONS), check=False)
    assert done.returncode == -signal.SIGKILL
    inside, aside = set(names(store.path)) - {A, B}, set(names(store.aside))
    assert len(aside) == {"before": 4, "after": 5}[moment]
    assert inside | aside == set(many) and not inside & aside
    for folder, held in ((store.path, inside), (store.aside, aside)):
        assert all((folder / name / "file").read_text() == name for name in held)
    store.run(*many)
    assert names(store.aside) == sorted(many)


def as_nobody(function):
    """Call a function as an ordinary user; the text that it returns, or of the failure that it raises."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            text = function()
        except BaseException as error:  # whatever it is, the parent shows it
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.fixture
def own():
    """A store of an ordinary user's, in a place that the user can reach."""
    root = tempfile.mkdtemp()
    made = Store(root)
    for name in (A, B):
        made.add(name)
    (made.path / C).mkdir(mode=0o000)
    (made.path / C).chmod(0)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-hR", "65534:65534", root], check=True)
    yield made
    subprocess.run(["chmod", "-R", "u+rwx", root], check=True)
    shutil.rmtree(root)


def test_an_ordinary_user_moves_what_nobody_may_write(own):
    assert as_nobody(lambda: str(own.run(A, C))) == str([(A, A), (C, C)])
    assert names(own.path) == [B]
    modes = [stat.S_IMODE((own.aside / name).stat().st_mode) for name in (A, C)]
    assert modes == [0o555, 0o000]
    assert as_nobody(lambda: str(own.run(A, C, restore=True))) == str([(A, A), (C, C)])
    assert [stat.S_IMODE((own.path / name).stat().st_mode) for name in (A, C)] == [0o555, 0o000]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a store of another user's")
def test_an_ordinary_user_cannot_move_what_is_anothers(own):
    os.chown(str(own.path.parent), 0, 0)
    assert as_nobody(lambda: str(own.run(A))).startswith(f"Failure: The folder {own.aside} cannot be made: Permission")
    os.chown(str(own.path.parent), 65534, 65534)
    os.chown(str(own.path), 0, 0)
    message = as_nobody(lambda: str(own.try_to(A)))
    assert "Permission denied. It is where it was" in message
    assert names(own.path) == [A, B, C]
    assert stat.S_IMODE((own.path / A).stat().st_mode) == 0o555
