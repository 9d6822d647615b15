"""A restore is all of the snapshot or nothing, and what was there before is kept."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from programs.mlflowctl.backup_lab import FILES, SECRETS, Lab


@pytest.fixture(scope="module")
def saved(tmp_path_factory, empty):
    """A host with one snapshot, for tests that each change the team to something of their own."""
    lab = Lab(tmp_path_factory.mktemp("host"))
    shutil.copytree(empty, lab.home / "repository")
    lab.sql("INSERT INTO runs VALUES ('lost')")
    lab.write("0/lost/model.txt", "the model")
    lab.snapshot = lab.back_up()["snapshot"]
    return lab


@pytest.fixture
def lab(saved):
    saved.settle()
    return saved


@pytest.fixture
def changed(lab):
    """Things have happened since."""
    shutil.rmtree(lab.artifacts)
    lab.database.unlink(missing_ok=True)
    source = lab.home / "empty.db"
    source.unlink(missing_ok=True)
    database = sqlite3.connect(source)
    database.executescript("CREATE TABLE runs (name TEXT); INSERT INTO runs VALUES ('later')")
    database.close()
    shutil.copy(source, lab.database)
    (lab.state / "mlflow.db-wal").write_text("left by a server that was killed")
    lab.write("0/later/model.txt", "later")
    for name in SECRETS:
        (lab.config / "vision" / name).write_text("later")
    return lab


def test_all_comes_back_and_the_former_state_is_kept(changed):
    before = changed.everything()
    changed.restore_into()
    assert changed.rows() == {"lost"}
    assert (changed.artifacts / "0/lost/model.txt").read_text() == "the model"
    assert not (changed.artifacts / "0/later").exists()
    assert {name: (changed.config / "vision" / name).read_text() for name in SECRETS} == SECRETS
    kept = {
        path[path.index("/former/") + len("/former") :]: file
        for work in changed.home.rglob(".vision.restore")
        for path, file in {str(it): it.read_bytes() for it in work.rglob("*") if it.is_file()}.items()
    }
    assert kept == before
    assert changed.transaction.read_journal("vision") is None


def test_another_team_can_be_restored_into(changed):
    state = changed.home / "var" / "scratch"
    state.mkdir(exist_ok=True)
    changed.declare("scratch", state)
    before = changed.everything()
    changed.restore_into("scratch")
    assert changed.rows(state / "mlflow.db") == {"lost"}
    assert (state / "artifacts/0/lost/model.txt").read_text() == "the model"
    assert (changed.config / "scratch/admin_password").read_text() == SECRETS["admin_password"]
    assert changed.everything() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_manifest_that_a_team_has_written_is_none(lab):
    forged = lab.artifacts / "manifest.json"
    forged.write_text('{"forged": true}')
    os.chown(forged, 4321, 4321)
    snapshot = lab.repo().find(lab.back_up()["snapshot"])
    forged.unlink()
    # As where artifacts stand below a path that comes first.
    stage, manifest = lab.manifest.read_manifest(lab.repo(), {**snapshot, "paths": snapshot["paths"][::-1]})
    lab.repo().forget(snapshot["id"])
    assert (stage, "forged" in manifest) == (str(lab.home / "staging" / "vision"), False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_what_was_never_the_teams_is_not_given_to_it(lab, tmp_path):
    for name in ("own", "listed", "slipped in"):
        (tmp_path / name).write_text(name)
        os.chown(tmp_path / name, *(2 * [4321 if name == "own" else 0]))
    os.chown(tmp_path, 4321, 4321)
    with open(tmp_path / "listed", "rb") as file:
        listed = lab.contents.Listed([lab.contents.describe(file, "listed", {})])
    lab.restore.drop_what_is_others(tmp_path, listed)
    assert sorted(os.listdir(tmp_path)) == ["listed", "own"]


def test_nothing_is_gathered_where_a_server_that_runs_could_exchange_it(changed, monkeypatch):
    # As where its directory is a disk's, and nothing above it can be renamed to it.
    monkeypatch.setattr(changed.places, "workplace", lambda path, name: changed.state / f".{name}.restore")
    changed.state.chmod(0o777)
    try:
        with pytest.raises(changed.restic.BackupError, match="systemctl stop mlflow-listen@vision"):
            changed.restore_into()
    finally:
        changed.state.chmod(0o755)


def test_all_dumps_of_before_are_kept(lab):
    plan = []
    shop = lab.places.dumps("vision")
    shop.mkdir()
    for name in ("auth", "tracking"):
        (shop / f"{name}.former.dump").write_text(name)
        plan.append({"database": {"name": name}, "former": str(shop / f"{name}.former.dump")})
    home = lab.home / "restores" / "vision"
    home.mkdir(exist_ok=True)
    restore = mock.Mock(works=[], plan={"postgresql": plan}, home=home, team=lab.vision())
    lab.restore.Restore.tidy_up(restore)
    assert sorted(path.name for path in (home / "former").iterdir()) == ["auth.dump", "tracking.dump"]
    assert not shop.exists()
    shutil.rmtree(home / "former")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
def test_dumps_are_read_and_not_exchanged_by_the_account(lab, tmp_path_factory):
    """Its server runs from what was restored before root has moved the dumps of before away."""

    def account(script):
        return subprocess.run(
            ["sh", "-c", script], cwd=f"/proc/self/fd/{handle}", pass_fds=(handle,), user=54321, group=54321,
            extra_groups=[], capture_output=True, text=True, check=False,
        )  # fmt: skip

    shop = tmp_path_factory.mktemp("vision.dumps")
    (shop / "auth.new.dump").write_text("new")
    lab.places.let_in(shop, 54321)
    handle = os.open(shop, os.O_RDONLY)
    try:
        # As pg_dump and pg_restore do.
        assert account("cat auth.new.dump; echo former > auth.former.dump; echo sql > auth.new.sql").stdout == "new"
        lab.places.take(shop, "auth.former.dump", 54321)
        for name in ("auth.former.dump", "auth.new.dump"):
            assert account(f"rm -f {name} && ln -s /etc/passwd {name}").returncode != 0
            assert account(f"mv {name} other || echo more >> {name}").returncode != 0
        assert account("cat auth.former.dump").stdout == "former\n"
        os.mkfifo(shop / "pipe")
        (shop / "link").symlink_to("/etc/passwd")
        for name in ("pipe", "link"):
            with pytest.raises(OSError, match=name):
                lab.places.take(shop, name, 54321)
    finally:
        os.close(handle)


def test_a_server_that_is_started_again_counts_as_one_that_runs(changed, monkeypatch):
    """Between two of its attempts systemd knows no process of it, and what it had started may be there still."""
    monkeypatch.setattr(changed.places, "workplace", lambda path, name: changed.state / f".{name}.restore")
    monkeypatch.setattr(changed.restore, "is_active", lambda unit: False)
    changed.state.chmod(0o777)
    process = subprocess.Popen(["sleep", "300"])
    group = changed.home / "groups" / "mlflow"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"{process.pid}\n")
    state = {"ActiveState": "activating", "SubState": "auto-restart", "InvocationID": "", "ControlGroup": "/mlflow"}
    monkeypatch.setattr(changed.starts, "CGROUPS", [changed.home / "groups"])
    monkeypatch.setattr(changed.starts, "states", lambda *names: dict.fromkeys(names, state))
    try:
        with pytest.raises(changed.restic.BackupError, match="systemctl stop mlflow-listen@vision"):
            changed.restore_into()
    finally:
        process.kill()
        process.wait()
        changed.state.chmod(0o755)


@pytest.fixture
def newer(changed):
    """The host when the team has been upgraded since."""
    changed.install("3.18.0")
    changed.declare("vision", changed.state, version="3.18.0")
    yield changed
    changed.install("3.17.2")
    changed.declare("vision", changed.state)


def test_a_team_goes_back_to_the_mlflow_of_the_snapshot(newer):
    (newer.config / "vision" / "basic_auth.ini").write_text("[mlflow]\n# of another version\n")
    newer.restore_into()
    assert newer.vision().version == "3.17.2"
    assert os.readlink(newer.config / "vision" / "venv") == str(newer.home / "opt" / "3.17.2")
    assert (newer.config / "vision" / "basic_auth.ini").read_text() == "[mlflow]\n"
    assert newer.rows(newer.database) == {"lost"}


def test_no_place_of_a_members_choice_keeps_a_snapshot_from_being_restored(tmp_path, empty):
    lab = Lab(tmp_path)
    shutil.copytree(empty, lab.home / "repository")
    lab.sql("ALTER TABLE experiments ADD artifact_location TEXT")
    lab.sql("""INSERT INTO experiments VALUES ('own', 'file:///home/\u00e9\n"\\"')""")
    assert lab.back_up()["elsewhere"]["others"] == 1
    assert lab.restore_into()["elsewhere"]["others"] == 1


def test_a_snapshot_of_an_mlflow_that_is_gone_or_anothers_is_refused(newer):
    newer.declare("scratch", newer.home / "var" / "scratch", version="3.18.0")
    with pytest.raises(newer.restic.BackupError, match=r"scratch runs 3\.18\.0; declare that version"):
        newer.restore_into("scratch")
    (newer.home / "opt" / "3.17.2").rmdir()
    with pytest.raises(newer.restic.BackupError, match=r"3\.17\.2, which is not at .*/opt/3\.17\.2; declare"):
        newer.restore_into()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"admin_username": "boss"}, "admin_username: is 'admin' in the snapshot"),
        ({"artifacts": None}, "artifacts: one of vision's snapshot and vision keeps them in a directory"),
        (
            {"databases": [{"name": "mlflow", "uri": "postgresql+psycopg://x@localhost/x", "file": None}]},
            "backend_store_uri, auth_database_uri: .* has mlflow in sqlite, and vision has mlflow in postgresql",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_declare(changed, declared, message):
    before = changed.everything()
    changed.declare("vision", changed.state, **declared)
    try:
        with pytest.raises(changed.restic.BackupError, match=message):
            changed.restore_into()
    finally:
        changed.declare("vision", changed.state)
    assert changed.everything() == before


@pytest.mark.parametrize("harm", ["UPDATE metrics SET value = 2; DELETE FROM runs", "artifact"])
def test_what_is_not_whole_gets_in_the_place_of_nothing(changed, harm, monkeypatch):
    gather = changed.restore.Restore.gather

    def damaged(self):
        gather(self)
        if harm == "artifact":
            file = next(iter(changed.home.glob("var/.vision.restore/new/**/model.txt")), None) or next(
                iter(changed.state.glob(".vision.restore/new/**/model.txt"))
            )
            facts = file.stat()
            file.write_text("not model")
            os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        else:
            database = sqlite3.connect(self.copies[0][0])
            database.executescript(harm)
            database.close()

    monkeypatch.setattr(changed.restore.Restore, "gather", damaged)
    before = changed.everything()
    with pytest.raises(changed.restic.BackupError, match="the restored files are not those of the snapshot: "):
        changed.restore_into()
    assert changed.everything() == before
    assert list(changed.home.rglob(".vision.restore/new")) == []


def test_one_that_fails_when_it_is_tried_out_gives_way_to_the_former_state(changed, monkeypatch):
    def fail(change, *_words):
        raise changed.transaction.ChangeError("the server has other things to say")

    monkeypatch.setattr(changed.transaction.Change, "try_out", fail)
    before = changed.everything()
    with pytest.raises(changed.transaction.ChangeError, match="other things to say"):
        changed.restore_into()
    assert changed.everything() == before
    assert list(changed.home.rglob(".vision.restore")) == []


def test_one_that_is_cut_off_anywhere_is_undone_by_whoever_starts_the_server(changed, monkeypatch):
    """Killed before and after each rename, then a start of the server; from the same fetched files each time."""
    before = changed.everything()
    plans = []
    monkeypatch.setattr(changed.transaction.Change, "begin", lambda change, steps: plans.append(steps))
    monkeypatch.setattr(changed.places, "switch", mock.Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(changed.restore.Restore, "give_up", lambda restore: None)
    with pytest.raises(KeyboardInterrupt):
        changed.restore_into()
    plan = plans[0][0][1][-1]
    monkeypatch.undo()
    known = json.loads(Path(plan).read_text())
    there = sum(os.path.lexists(it["live"] + ending) for it in known["places"] for ending in ("", *it["beside"]))
    steps = there + sum(bool(it["new"]) for it in known["places"])
    assert steps > 6
    for cut in range(steps + 1):
        done = subprocess.run(
            [sys.executable, "-c", cut_off(changed, plan, cut)], check=False, capture_output=True, text=True
        )
        assert done.returncode == (9 if cut < steps else 0), done.stderr
        changed.places.switch_back(changed.vision(), known)
        assert changed.everything() == before


def test_one_that_is_begun_again_after_a_kill_is_whole(changed):
    die = "import os; rename = os.rename\ndef once(*words):\n    rename(*words)\n    os._exit(9)\nos.rename = once"
    process = changed.start("restore", "vision", before=die)
    assert (process.wait(), process.communicate()[1]) == (9, "")
    assert changed.transaction.read_journal("vision")
    assert not changed.database.exists()
    changed.restore_into()
    assert changed.rows() == {"lost"}
    assert (changed.artifacts / "0/lost/model.txt").read_text() == "the model"
    (former,) = changed.state.glob(".vision.restore/former/**/mlflow.db")
    assert changed.rows(former) == {"later"}


def cut_off(lab, plan, moves):
    """Return a program that dies after so many renames."""
    return f"""
import json, os, sys
import pathlib
sys.path.insert(0, {str(FILES)!r})
from mlflowctl import team
from mlflowctl.backup import places
rename, done = os.rename, []
def count(*words):
    if len(done) == {moves}: os._exit(9)
    rename(*words)
    done.append(words)
os.rename = count
places.switch(team.load("vision", pathlib.Path({str(lab.config)!r})), json.load(open({plan!r})))
"""


def test_a_mounted_directory_is_filled_and_not_renamed(lab, tmp_path, monkeypatch):
    live, new, work = tmp_path / "disk", tmp_path / "disk/.vision.restore/new", tmp_path / "disk/.vision.restore"
    new.mkdir(parents=True)
    for place, names in ((live, ("both", "old")), (new, ("both", "fresh"))):
        for name in names:
            (place / name).write_text(str(place))
    monkeypatch.setattr(lab.places.os.path, "ismount", lambda path: path == live)
    plan = {"places": list(lab.places.directory_places(live, new, work)), "postgresql": []}
    assert lab.places.workplace(live, "vision") in (work, tmp_path / ".vision.restore")
    lab.places.switch(None, plan)
    assert {it.name: it.read_text() for it in live.iterdir() if it.is_file()} == {"both": str(new), "fresh": str(new)}
    lab.places.switch_back(None, plan)
    assert {it.name: it.read_text() for it in live.iterdir() if it.is_file()} == {"both": str(live), "old": str(live)}
