"""Trees that people have made to hold up what reads them as root: very deep, mounted, of devices, of many names."""

import contextlib
import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import tarfile
import tracemalloc

import pytest
from mlflowctl import commands, paths, transaction, trees
from mlflowctl.backup import contents, drill, manifest
from mlflowctl.retirement import archive
from programs.mlflowctl.backup_lab import Lab
from programs.mlflowctl.silent_mount import LIBC, mounted_by

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who is not asked for a permission")
ANN = 34567
IN_OPEN = 0x20


@pytest.fixture
def lab(tmp_path, empty):
    lab = Lab(tmp_path)
    subprocess.run(["cp", "-a", str(empty), str(tmp_path / "repository")], check=True)
    lab.share = tmp_path / "srv" / "vision"
    lab.share.mkdir(parents=True)
    (lab.share / "model.bin").write_text("weights")
    lab.declare("vision", lab.state, artifacts=None, client_root=str(lab.share))
    return lab


def make_deep(place, levels, name="d"):
    """Make a directory in a directory, more often than a path has room for."""
    folder = os.open(place, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    return folder


def archived(lab):
    """Archive what the clients have written; return what is in it, and what is said of the rest."""
    file = lab.home / "one.tar"
    with tarfile.open(file, "w") as tar:
        said = archive.add_clients(tar, lab.vision())
    with tarfile.open(file) as tar:
        return {it.name for it in tar}, said


def test_what_a_user_has_mounted_keeps_nothing_else_out_of_a_backup(lab):
    with mounted_by(ANN, lab.share / "my\x1b[2K"):
        archive.clients_size(lab.vision())
        told = lab.back_up()
        assert archived(lab) == (
            {"artifacts", "artifacts/model.bin"},
            [f"1 files below {lab.share} are not regular files, or were changed meanwhile"],
        )
    assert (told["artifacts"]["files"], told["artifacts"]["clients"]) == (1, True)
    (said,) = lab.backup.complaints(told)
    assert said.startswith(f"{lab.share}: 1 places there cannot be read, such as 'my\\\\x1b[2K', and so in no backup; ")
    assert lab.restore_into()["left"].startswith(f"{lab.share}: 1 places there cannot be read")
    assert (lab.share / "model.bin").read_text() == "weights"


def test_the_disk_of_another_team_that_does_not_answer_holds_no_backup(lab):
    lab.declare("nlp", lab.home / "var" / "nlp", artifacts=str(lab.home / "var" / "nlp" / "link"))
    (lab.home / "var" / "nlp").mkdir()
    (lab.home / "var" / "nlp" / "link").symlink_to(lab.home / "away" / "artifacts")
    with mounted_by(0, lab.home / "away"):
        process = lab.start("snapshot", "vision")
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output)["artifacts"]["files"] == 1


def test_what_is_deeper_than_any_path_is_counted(lab):
    os.close(make_deep(lab.share, trees.DEEPEST + 10))
    root, place = os.open(lab.share, os.O_RDONLY), lab.home / "listed"
    try:
        with open(os.devnull) as known, open(place, "w") as listed:
            missed = lab.backup.list_within(root, known, listed)
        names, said = archived(lab)
    finally:
        os.close(root)
        subprocess.run(["rm", "-rf", lab.share / "d"], check=True)
    assert [json.loads(line)["path"] for line in place.read_text().splitlines()] == ["model.bin"]
    assert missed == f"1 places there cannot be read, such as {'d/' * 100!a}"
    assert {"artifacts/model.bin", "artifacts" + "/d" * trees.DEEPEST} <= names
    assert said == [f"1 files below {lab.share} are not regular files, or were changed meanwhile"]


@contextlib.contextmanager
def deep_file(place, levels, name):
    """Have a file below so many directories of this name."""
    folder = make_deep(place, levels, name)
    os.close(os.open("m", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder))
    os.close(folder)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", place / name], check=True)


# Longer than a path can be, and so long that there is no room for where it is restored to.
@pytest.mark.parametrize("count", [18, 16])
def test_a_path_that_could_not_be_restored_is_in_no_backup(lab, count):
    with deep_file(lab.share, count, "x" * 250):
        told = lab.back_up()
        (said,) = lab.backup.complaints(told)
        assert said.startswith(f"{lab.share}: 1 places there cannot be read, such as 'xxx")
        lab.restore_into()
        assert (told["artifacts"]["files"], (lab.share / "model.bin").read_text()) == (1, "weights")


def test_what_members_remove_before_it_is_read_keeps_nothing_else_from_being_restored(lab, monkeypatch):
    lab.declare("vision", lab.state)
    lab.write("1/run/model.bin", "weights")
    monkeypatch.setattr(lab.backup, "TRIES", 1)
    listed = lab.backup.list_artifacts

    def list_artifacts(*words):
        lab.write("1/run/a note", "gone soon")
        try:
            return listed(*words)
        finally:
            (lab.artifacts / "1/run/a note").unlink()

    monkeypatch.setattr(lab.backup, "list_artifacts", list_artifacts)
    lab.back_up()
    assert drilled(lab, monkeypatch) == ([], "1/run/model.bin")
    assert lab.restore_into()["changed_while_read"] == ["1/run/a note"]
    assert (lab.artifacts / "1/run/model.bin").read_text() == "weights"


def drilled(lab, monkeypatch):
    """Return what a drill finds wrong with files, and which it would ask a server for."""
    monkeypatch.setattr(paths.HERE, "drills", lab.home / "drills")
    it = drill.Drill(lab.repo(), lab.repo().find())
    it.place.mkdir(parents=True)
    it.repository.restore(it.snapshot, it.paths(), it.place)
    return it.compare(), it.first["path"]


@pytest.mark.parametrize("name", [b"model.bin", b"net \xe9\xff\xe2\x82.bin"])
def test_what_the_snapshot_has_and_was_not_fetched_is_missing(lab, monkeypatch, name):
    lab.declare("vision", lab.state)
    lab.write(os.path.join("1/run", os.fsdecode(name)), "weights")
    lab.back_up()
    fetch = lab.restore.Restore.take_over

    def lose(self):
        os.unlink(os.path.join(self.artifacts, "1/run", os.fsdecode(name)))
        fetch(self)

    monkeypatch.setattr(lab.restore.Restore, "take_over", lose)
    with pytest.raises(lab.restic.BackupError, match=r"artifact 1/run/.*\.bin is missing"):
        lab.restore_into()


def test_what_clients_remove_before_it_is_read_keeps_nothing_else_from_being_restored(lab, monkeypatch):
    (lab.share / "note").write_text("gone soon")
    listed = lab.backup.list_artifacts

    def list_artifacts(*words):
        try:
            return listed(*words)
        finally:
            (lab.share / "note").unlink()

    monkeypatch.setattr(lab.backup, "list_artifacts", list_artifacts)
    lab.back_up()
    assert lab.restore_into()["changed_while_read"] == ["note"]
    assert (lab.share / "model.bin").read_text() == "weights"


def test_what_an_account_has_left_where_it_copies_is_not_in_the_way(lab):
    """A team that cannot be retired since of it keeps those that come after it, too."""
    shop = transaction.workshop(lab.vision())
    os.close(make_deep(shop, 1500))
    assert archive.empty_workshop(lab.vision()) == shop
    assert os.listdir(shop) == []


def test_nothing_is_made_beside_a_copy_that_an_account_looks_into(lab, monkeypatch):
    """Whoever runs as it gets there past all that its own unit shows it: what it has open leads there, too."""
    copy = lab.home / "mlflow.db"
    shutil.copyfile(lab.database, copy)
    lab.declare("vision", lab.state, account="nobody")
    printed, said = commands.printed, []

    def look(command, problem, seconds, account, **options):
        shop = os.path.dirname(command[-1])
        said.append(commands.run(["touch", f"{shop}/another"], 60, account).returncode)
        return printed(command, problem, seconds, account, **options)

    monkeypatch.setattr(commands, "printed", look)
    assert json.loads(manifest.look_into(copy, "vision", lab.vision()))["users"] == 2
    assert said == [1]


def test_what_is_missed_takes_no_room():
    missed = trees.Missed()
    tracemalloc.start()
    for number in range(20000):
        missed.add(("d" * 200, f"{number}"))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert (missed.count, missed.first, missed.everything) == (20000, "d" * 200, False)


def test_many_directories_far_down_take_no_room(tmp_path):
    depth, count = 1000, 2000
    folder = make_deep(tmp_path, depth)
    for number in range(count):
        os.mkdir(f"{number}", dir_fd=folder)
    os.close(folder)
    before = len(os.listdir("/proc/self/fd"))
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        tracemalloc.start()
        found = sum(1 for _it in trees.walk(root))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        os.close(root)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
    assert found == depth + count
    assert peak < 4 << 20
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_walk_finds_the_same_whichever_way_it_goes(tmp_path):
    # On each level another directory with one of its own, so that it has to come back to all of them.
    folder = os.open(tmp_path, os.O_RDONLY)
    wanted, above = set(), ""
    for level in range(3 * trees.HELD):
        for name in ("a", "d", "z"):
            os.makedirs(f"/proc/self/fd/{folder}/{name}/{level}")
            wanted |= {f"{above}{name}", f"{above}{name}/{level}"}
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder, above = below, f"{above}d/"
    os.close(folder)
    root = os.open(tmp_path, os.O_RDONLY)
    found = []
    for inside, facts, parts in trees.walk(root):
        now = os.lstat(parts[-1], dir_fd=inside)
        assert (now.st_dev, now.st_ino) == (facts.st_dev, facts.st_ino)
        found.append("/".join(parts))
    os.close(root)
    assert sorted(found) == sorted(wanted)


@contextlib.contextmanager
def heard_by(*places):
    """Yield a function that says how often any of them was opened."""
    watch = LIBC.inotify_init1(os.O_NONBLOCK)
    for place in places:
        assert LIBC.inotify_add_watch(watch, os.fsencode(place), IN_OPEN) > 0

    def opened():
        with contextlib.suppress(BlockingIOError):
            return len(os.read(watch, 4096)) // struct.calcsize("iIII")
        return 0

    yield opened
    os.close(watch)


def test_no_device_hears_of_being_read(tmp_path):
    """A watchdog reboots the host when somebody opens it and goes; restic brings back what it has read in /dev."""
    (tmp_path / "model.bin").write_text("weights")
    odd = [tmp_path / name for name in ("character", "block", "pipe", "socket")]
    os.mknod(odd[0], stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(odd[1], stat.S_IFBLK | 0o666, os.makedev(7, 250))
    os.mkfifo(odd[2])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(odd[3]))
    (tmp_path / "link").symlink_to("model.bin")
    root = os.open(tmp_path, os.O_RDONLY)
    with heard_by(*odd[:3]) as opened:
        assert [it["path"] for it in contents.artifacts(str(tmp_path), contents.Listed(()))] == ["model.bin"]
        for name in (*(it.name for it in odd), "link"):
            with pytest.raises(trees.NoFileError):
                trees.open_file(root, name)
        assert opened() == 0
        # Else it would show nothing.
        open(odd[0], "rb").close()
        assert opened() == 1
    os.close(root)


def test_what_was_archived_is_not_kept_in_mind(tmp_path):
    place = tmp_path / "artifacts"
    place.mkdir()
    for number in range(2000):
        (place / f"{number}").write_text("")
    os.link(place / "1", place / "twice")
    root = os.open(place, os.O_RDONLY)
    with tarfile.open(tmp_path / "one.tar", "w") as tar:
        assert archive.add_tree(tar, root) == 0
        assert (len(tar.members), len(tar.inodes)) == (0, 1)
    os.close(root)
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert len(tar.getnames()) == 2002
        assert tar.getmember("artifacts/twice").islnk()
