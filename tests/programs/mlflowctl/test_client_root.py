"""Artifacts that clients write to a directory of this host, past the server: backed up, restored, archived or left."""

import json
import os
import stat
import subprocess
import tarfile

import pytest
from mlflowctl import paths, trees
from mlflowctl.backup import drill
from mlflowctl.retirement import archive
from programs.mlflowctl.backup_lab import Lab
from programs.mlflowctl.retiring import Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who is not asked for a permission")
ANN, BEN = 34567, 34568


class Share:
    """A directory that people of two accounts write to."""

    def __init__(self, path):
        self.path = path
        (path / "1" / "run" / "artifacts").mkdir(parents=True)
        path.chmod(0o2775)
        self.write("1/run/artifacts/model.bin", "weights", ANN)
        self.write("1/run/artifacts/note.txt", "a note", BEN, 0o600)

    def write(self, name, text, owner=ANN, mode=0o644):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.chown(file, owner, owner)
        file.chmod(mode)

    def seen(self):
        found = {}
        for file in sorted(it for it in self.path.rglob("*") if it.is_file() and not it.is_symlink()):
            facts = file.stat()
            found[str(file.relative_to(self.path))] = (file.read_text(), facts.st_uid, stat.S_IMODE(facts.st_mode))
        return found


@pytest.fixture
def lab(tmp_path, empty):
    lab = Lab(tmp_path)
    subprocess.run(["cp", "-a", str(empty), str(tmp_path / "repository")], check=True)
    (tmp_path / "srv").mkdir(mode=0o755)
    lab.share = Share(tmp_path / "srv" / "vision")
    lab.sql("INSERT INTO runs VALUES ('first')")
    declare(lab)
    return lab


def declare(lab, root=None, **more):
    lab.declare("vision", lab.state, **{"artifacts": None, "client_root": str(root or lab.share.path), **more})


def test_they_are_backed_up_and_come_back_as_their_owners(lab):
    before, secret = lab.share.seen(), lab.home / "secret"
    secret.write_text("of others")
    (lab.share.path / "1" / "there").symlink_to(secret)
    (lab.share.path / "away").symlink_to(lab.config)
    os.mkfifo(lab.share.path / "pipe")
    told = lab.back_up()
    assert told["artifacts"] == {
        "directory": str(lab.share.path),
        "files": 2,
        "bytes": 13,
        "clients": True,
        "left": "",
        "known": False,
    }
    assert lab.backup.complaints(told) == []
    lab.share.write("1/run/artifacts/model.bin", "ruined")
    (lab.share.path / "1" / "run" / "artifacts" / "note.txt").unlink()
    lab.share.write("2/later", "later")
    lab.sql("DELETE FROM runs")
    restored = lab.restore_into()
    assert "left" not in restored
    assert lab.rows() == {"first"}
    assert lab.share.seen() == before
    assert stat.S_IMODE(lab.share.path.stat().st_mode) == 0o2775
    assert (lab.share.path / "1" / "there").readlink() == secret
    former = lab.home / "srv" / ".vision.restore" / "former"
    assert (former / str(lab.share.path).lstrip("/") / "2" / "later").read_text() == "later"
    assert stat.S_IMODE((lab.home / "srv" / ".vision.restore").stat().st_mode) == 0o700


def test_one_that_has_not_changed_is_not_read_again(lab):
    lab.back_up()
    (known,) = (lab.home / "cache" / "artifacts").iterdir()
    known.write_text(known.read_text().replace('"sha256": "', '"sha256": "of the first time '))
    lab.back_up()
    assert known.read_text().count("of the first time") == 2


@pytest.fixture
def in_the_old_order(lab, monkeypatch):
    """A snapshot of several directories, whose list has the last of them first, as they had it once."""
    for number in range(4):
        lab.share.write(f"{number}/run/model.bin", f"model {number}")
    listed = lab.backup.list_artifacts

    def list_artifacts(team, directory, known, stage, handle):
        missed = listed(team, directory, known, stage, handle)
        lines = (stage / "artifacts.jsonl").read_text().splitlines(keepends=True)
        for place in (stage / "artifacts.jsonl", known):
            place.write_text("".join(reversed(lines)))
        return missed

    monkeypatch.setattr(lab.backup, "list_artifacts", list_artifacts)
    lab.back_up()
    monkeypatch.undo()
    lab.settle()


@pytest.mark.usefixtures("in_the_old_order")
def test_a_snapshot_whose_list_has_another_order_is_restored(lab):
    before = lab.share.seen()
    lab.share.write("3/run/model.bin", "ruined")
    assert "changed_while_read" not in lab.restore_into()
    assert lab.share.seen() == before


@pytest.mark.usefixtures("in_the_old_order")
def test_a_drill_finds_it_whole(lab, monkeypatch):
    monkeypatch.setattr(paths.HERE, "drills", lab.home / "drills")
    drilled = drill.Drill(lab.repo(), lab.repo().find())
    drilled.place.mkdir(parents=True)
    drilled.repository.restore(drilled.snapshot, drilled.paths(), drilled.place)
    assert drilled.compare() == []
    assert drilled.first["path"] == "0/run/model.bin"


@pytest.mark.usefixtures("in_the_old_order")
def test_what_is_known_in_another_order_is_not_read_again(lab):
    (known,) = (lab.home / "cache" / "artifacts").iterdir()
    known.write_text(known.read_text().replace('"sha256": "', '"sha256": "of the first time '))
    lab.back_up()
    assert known.read_text().count("of the first time") == 6


def test_what_root_has_read_through_a_link_comes_to_nobody(lab, monkeypatch):
    """A member exchanges a directory while restic reads it, for one with names that are known to be there."""
    there = lab.share.path / "1" / "run" / "artifacts"
    others = lab.home / "others"
    others.mkdir()
    (others / "model.bin").write_text("of others")
    (others / "note.txt").write_text("of others, too")
    really = lab.repository.Repository.backup

    def exchanged(*words):
        there.rename(there.with_name("aside"))
        others.rename(there)
        try:
            return really(*words)
        finally:
            there.rename(others)
            there.with_name("aside").rename(there)

    monkeypatch.setattr(lab.repository.Repository, "backup", exchanged)
    lab.back_up()
    lab.share.write("1/run/artifacts/model.bin", "ruined")
    restored = lab.restore_into()
    assert sorted(restored["changed_while_read"]) == ["1/run/artifacts/model.bin", "1/run/artifacts/note.txt"]
    assert "of others" not in str(lab.share.seen())


def test_nobody_can_become_another_by_what_was_restored(lab):
    lab.share.write("tool", "#!/bin/sh", owner=0, mode=0o4755)
    lab.back_up()
    lab.restore_into()
    assert lab.share.seen()["tool"] == ("#!/bin/sh", 0, 0o755)


# What is declared, what is done, and what is said of it. HOME is the host's.
LEFT = {
    "a_store": ("s3://runs/vision", lambda lab: None, "are in a store, which keeps them", True),
    "nowhere": ("HOME/srv/nowhere", lambda lab: None, "are left: HOME/srv/nowhere is not on this host", False),
    "unmounted": (
        "HOME/srv/vision",
        lambda lab: (lab.home / "fstab").write_text(f"# a share\nhost:/it {lab.home}/srv nfs defaults 0 0\n"),
        "are left: HOME/srv is not mounted on this host",
        False,
    ),
    "a_link_of_a_member": (
        "HOME/srv/mine",
        lambda lab: os.chown(link(lab, "mine", lab.config), ANN, ANN, follow_symlinks=False),
        "are left: HOME/srv/mine: mine has become a link",
        False,
    ),
    "a_team_in_it": (
        "HOME/srv/vision",
        lambda lab: lab.declare("nlp", lab.share.path / "1"),
        "are left: HOME/srv/vision and HOME/srv/vision/1 are one place or in each other, which is of the team nlp",
        False,
    ),
    "in_a_teams": (
        "HOME/srv/vision",
        lambda lab: lab.declare("nlp", lab.home / "nlp", storage_dirs=[str(lab.home / "srv")]),
        "are left: HOME/srv/vision and HOME/srv are one place or in each other, which is of the team nlp",
        False,
    ),
    "anothers_by_a_link_of_roots": (
        "HOME/srv/mine",
        lambda lab: (lab.declare("nlp", lab.home / "nlp", client_root=str(lab.share.path)), link(lab, "mine")),
        "are left: HOME/srv/mine and HOME/srv/vision are one place or in each other, which is of the team nlp",
        False,
    ),
    "its_servers": (
        "HOME/srv/vision",
        lambda lab: declare(lab, storage_dirs=[str(lab.home / "srv")]),
        "are left: HOME/srv/vision and HOME/srv are one place or in each other, which is the servers'",
        False,
    ),
    "seen_to": (
        "HOME/srv/vision",
        lambda lab: lab.set(elsewhere=[f"file://{lab.home}/srv/"]),
        "at HOME/srv/vision are seen to by others",
        True,
    ),
    "not_mounted_where_a_link_of_roots_leads": (
        "HOME/srv/mine",
        lambda lab: (
            link(lab, "mine"),
            (lab.home / "fstab").write_text(f"UUID=1 {lab.share.path} ext4 defaults 0 2\n"),
        ),
        "are left: HOME/srv/vision is not mounted on this host",
        False,
    ),
    "seen_to_with_a_slash": (
        "HOME/srv/vision",
        lambda lab: lab.set(elsewhere=[f"{lab.home}/srv/vision/"]),
        "at HOME/srv/vision are seen to by others",
        True,
    ),
}


def link(lab, name, target=None):
    path = lab.home / "srv" / name
    path.symlink_to(target or lab.share.path)
    return path


@pytest.mark.parametrize("what", LEFT)
def test_those_that_cannot_be_backed_up_are_left_and_named(lab, monkeypatch, what):
    root, do, expected, known = LEFT[what]
    paths.HERE.fstab = lab.home / "fstab"
    declare(lab, root.replace("HOME", str(lab.home)))
    do(lab)
    with lab.client_root.held(lab.vision(), lab.repository.settings().elsewhere) as clients:
        assert (clients.handle, clients.path, clients.accepted) == (None, None, known)
        assert expected.replace("HOME", str(lab.home)) in clients.left


@pytest.mark.parametrize("what", ["nowhere", "seen_to"])
def test_the_team_is_backed_up_and_restored_all_the_same(lab, what):
    root, do, expected, known = LEFT[what]
    declare(lab, root.replace("HOME", str(lab.home)))
    do(lab)
    told = lab.back_up()
    artifacts = told["artifacts"]
    assert (artifacts["directory"], artifacts["files"], artifacts["clients"]) == (None, 0, False)
    assert expected.replace("HOME", str(lab.home)) in artifacts["left"]
    complaints = lab.backup.complaints(told)
    assert complaints == [] if known else (artifacts["left"] in complaints[0] and "in no backup" in complaints[0])
    before = lab.share.seen()
    lab.sql("DELETE FROM runs")
    restored = lab.restore_into()
    assert lab.rows() == {"first"}
    assert artifacts["left"] == restored["left"]
    assert lab.share.seen() == before


def test_a_disk_that_is_gone_is_no_empty_directory(lab):
    lab.back_up()
    lab.share.path.rename(lab.home / "disk")
    lab.share.path.mkdir()
    told = lab.back_up()
    assert "has nothing in it, and had 2 artifacts of clients at the last backup" in lab.backup.complaints(told)[0]
    assert lab.backup.complaints(lab.back_up()) == lab.backup.complaints(told)


@pytest.mark.parametrize("what", ["shared parent", "elsewhere", "in a store", "another team"])
def test_those_that_cannot_be_replaced_are_left_as_they_are(lab, what):
    lab.back_up()
    lab.share.write("2/later", "later")
    lab.sql("DELETE FROM runs")
    if what == "shared parent":
        (lab.home / "srv").chmod(0o1777)
        expected = f"{lab.home}/srv is not root's alone, so that {lab.share.path} cannot be replaced"
    elif what == "elsewhere":
        (lab.home / "srv" / "other").mkdir()
        declare(lab, lab.home / "srv" / "other")
        expected = f"the snapshot has those of {lab.share.path}, and vision has them at {lab.home}/srv/other"
    elif what == "in a store":
        declare(lab, "s3://runs/vision")
        expected = f"vision has no directory of its clients on this host, and the snapshot has {lab.share.path}"
    else:
        lab.declare("nlp", lab.home / "nlp", client_root=str(lab.share.path))
        expected = "which is of the team nlp"
    before = lab.share.seen()
    restored = lab.restore_into()
    assert restored["left"].startswith("the artifacts of its clients are left as they are: ")
    assert expected in restored["left"]
    assert lab.rows() == {"first"}
    assert lab.share.seen() == before


def test_a_directory_that_is_gone_comes_back(lab):
    lab.back_up()
    before = lab.share.seen()
    lab.share.path.rename(lab.home / "gone")
    lab.restore_into()
    assert lab.share.seen() == before


def test_a_snapshot_from_before_leaves_them_as_they_are(lab):
    declare(lab, client_root=None)
    lab.back_up()
    declare(lab)
    before = lab.share.seen()
    lab.sql("DELETE FROM runs")
    lab.restore_into()
    assert lab.rows() == {"first"}
    assert lab.share.seen() == before


@pytest.mark.parametrize("when", ["at once", "later"])
def test_the_archive_of_a_team_has_them_before_its_data_go(tmp_path, when):
    host = Host(tmp_path)
    host.set_up()
    share = Share(tmp_path / "srv" / "vision")
    (share.path / "away").symlink_to("/etc")
    known = host.config / "vision" / "team.json"
    known.write_text(
        json.dumps(
            {**json.loads(known.read_text()), "artifacts": None, "client_root": str(share.path), "storage_dirs": []}
        )
    )
    stays = f"what its clients have at {share.path} stays where it is, and theirs"
    before = share.seen()
    if when == "later":
        assert stays in host.retire()["done"]["vision"]
        share.write("2/later", "later")
        before = share.seen()
    assert host.retire("remove")["failures"] == {}
    names = {}
    for path in sorted(host.archives.glob("*.tar.gz")):
        with tarfile.open(path) as tar:
            names.update({it.name: it for it in tar if it.name.startswith("artifacts/")})
    files = {name.removeprefix("artifacts/") for name, it in names.items() if it.isfile()}
    assert files == set(before)
    assert names["artifacts/away"].issym()
    assert share.seen() == before


def test_a_directory_that_may_not_be_read_is_not_passed_over_in_silence(lab):
    hidden = lab.share.path / "hidden"
    hidden.mkdir()
    (hidden / "model").write_text("weights")
    lab.share.path.chmod(0o755)
    hidden.chmod(0)
    root = os.open(lab.share.path, os.O_RDONLY)
    # Root may read everything but over NFS.
    os.seteuid(ANN)
    try:
        walk = lab.backup.client_root.trees.walk(root, changing=True)
        for listed in (
            lab.contents.artifacts_within(walk, lab.contents.Listed(()), [].append),
            lab.contents.artifacts(f"/proc/self/fd/{root}", lab.contents.Listed(())),
        ):
            with pytest.raises(PermissionError):
                list(listed)
    finally:
        os.seteuid(0)
        os.close(root)


def test_what_changes_while_it_is_archived_is_counted_and_the_rest_is_whole(lab, monkeypatch, tmp_path):
    (lab.share.path / "1" / "link").symlink_to("run")
    walk = trees.walk

    def changing(*words, **more):
        for folder, facts, parts in walk(*words, **more):
            if parts == ("1", "link"):
                (lab.share.path / "1" / "link").unlink()
            yield folder, facts, parts

    class Shrinking(tarfile.TarFile):
        def gettarinfo(self, name=None, arcname=None, fileobj=None):
            found = super().gettarinfo(name, arcname, fileobj)
            if found.name.endswith("model.bin"):
                os.truncate(lab.share.path / "1" / "run" / "artifacts" / "model.bin", 3)
            return found

    monkeypatch.setattr(trees, "walk", changing)
    root = os.open(lab.share.path, os.O_RDONLY)
    with Shrinking.open(tmp_path / "one.tar", "w") as tar:
        assert archive.add_tree(tar, root, clients=True) == 2
    os.close(root)
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert tar.extractfile("artifacts/1/run/artifacts/model.bin").read() == b"wei\0\0\0\0"
        assert tar.extractfile("artifacts/1/run/artifacts/note.txt").read() == b"a note"


def test_a_pipe_in_the_place_of_a_directory_is_not_waited_for(lab):
    trees = lab.backup.client_root.trees

    def exchanging(root):
        for found in trees.walk(root, changing=True):
            yield found
            if found[2] == ("1",):
                (lab.share.path / "1").rename(lab.share.path.parent / "away")
                os.mkfifo(lab.share.path / "1")

    lab.share.write("zero", "0")
    root = os.open(lab.share.path, os.O_RDONLY)
    nothing = lab.contents.Listed(())
    found = [file["path"] for file in lab.contents.artifacts_within(exchanging(root), nothing, [].append)]
    os.close(root)
    assert found == ["zero"]


def test_a_directory_that_is_exchanged_while_it_is_read_is_no_backup(lab, monkeypatch):
    backup = lab.backup.Repository.backup

    def exchanging(self, paths, tags, *more):
        found = backup(self, paths, tags, *more)
        lab.share.path.rename(lab.share.path.parent / "away")
        lab.share.path.mkdir()
        return found

    monkeypatch.setattr(lab.backup.Repository, "backup", exchanging)
    with pytest.raises(lab.backup.BackupError, match="something else was put in its place meanwhile"):
        lab.back_up()
    assert lab.repo().snapshots() == []
