"""A team goes with an archive of all it had, wherever that is cut off, and comes back to what was kept."""

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import tarfile
import tracemalloc
from unittest import mock

import pytest
from mlflowctl import processes
from mlflowctl.retirement import reinstate, retire
from mlflowctl.retirement.find import Places
from mlflowctl.transaction import ChangeError
from programs.mlflowctl.retiring import SECRETS, Host

WHOLE = {"config/secrets.env", "config/admin_password", "config/team.json", "databases/mlflow.db"}
ARTIFACT = "artifacts/1/model.bin"
# An account of nobody's, and of no other test that runs at the same time.
TEAM = 10_000_000 + os.getpid()


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    host.set_up()
    return host


def is_gone(host):
    """Say whether nothing of the team would start or be read any more, and nothing of another is touched."""
    assert [path.name for path in host.units.iterdir() if path.name != "sockets.target.wants"] == [
        "mlflow@vision-two.service.d"
    ]
    assert list((host.units / "sockets.target.wants").iterdir()) == []
    return not (host.config / "vision").exists()


def runs(host):
    connection = sqlite3.connect(host.database)
    found = [name for (name,) in connection.execute("SELECT name FROM runs")]
    connection.close()
    return found


def test_data_are_kept_unless_they_are_to_go(host):
    assert f"remove {host.config / 'vision'}" in host.look()["vision"]
    said = host.retire()["done"]["vision"]
    names, (archive,) = host.archived()
    assert names == WHOLE
    assert said[0] == f"all it had is in {archive}"
    assert archive.stat().st_mode & 0o777 == 0o600
    assert host.archives.stat().st_mode & 0o777 == 0o700
    assert is_gone(host)
    assert runs(host) == ["first"]
    assert (host.elsewhere / "1" / "model.bin").exists()
    assert all(folder.exists() for folder in host.former)


@pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")
def test_whom_the_account_has_let_in_does_not_get_to_what_is_kept(host):
    for path in (host.elsewhere, host.state / "vision"):
        os.chown(path, 54321, 54321)
        path.chmod(0o777)
    host.retire()
    for path in (host.elsewhere, host.state / "vision"):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, 0, 0o700)
    assert (host.elsewhere / "1" / "model.bin").exists()


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_what_killed_backups_and_drills_have_left_goes_too(host, mode):
    staging = host.home / "elsewhere" / "staging"
    (host.home / "etc" / "backup.json").write_text(f'{{"staging_dir": "{staging}"}}')
    left = [staging, host.home / "lib" / "mlflow-backup", host.home / "lib" / "drills"]
    for folder in left:
        for team in ("vision", "vision-two"):
            (folder / team / "settings").mkdir(parents=True)
            (folder / team / "settings" / "admin_password").write_text("left behind")
    for name in ("vision", "vision-two"):
        (host.home / "tmp" / f"mlflow-look.{name}.x").mkdir(parents=True)
        (host.home / "tmp" / f"mlflow-look.{name}.x" / "mlflow.db").write_text("left behind")
        (host.home / "cache" / "artifacts").mkdir(parents=True, exist_ok=True)
        (host.home / "cache" / "artifacts" / f"{name}.jsonl").write_text("{}")
        (host.home / "lib" / "mlflow-changes" / f"{name}.settings").mkdir(parents=True)
        (host.home / "lib" / "mlflow-changes" / f"{name}.settings" / "environment").write_text("left behind")
        (host.home / "lib" / "mlflow-changes" / f"{name}.run-7.declared").write_text("left behind")
    (left[0] / "vision" / "link").symlink_to(host.home / "etc")
    seen = host.home / "lib" / "drills-seen"
    seen.mkdir()
    for team in ("vision", "vision-two"):
        (seen / team).symlink_to(left[2] / team)
    fetched = [folder / "new" for folder in host.former]
    for folder in fetched:
        (folder / "settings").mkdir(parents=True)
        (folder / "settings" / "admin_password").write_text("of a snapshot")
    said = host.look(mode)["vision"]
    for path in (*(folder / "vision" for folder in left), host.home / "cache" / "artifacts" / "vision.jsonl"):
        assert f"remove {path}" in said
    host.retire(mode)
    # The server of a drill goes on when who began it was killed.
    assert "stop mlflow-drill-vision.s*\n" in (host.home / "called").read_text()
    assert host.look(mode) == {}
    names = [path.name for folder in (*left, host.home / "cache" / "artifacts") for path in folder.iterdir()]
    assert names == ["vision-two"] * 3 + ["vision-two.jsonl"]
    assert [path.name for path in (host.home / "tmp").iterdir()] == ["mlflow-look.vision-two.x"]
    changes = sorted(path.name for path in (host.home / "lib" / "mlflow-changes").iterdir())
    assert changes == ["vision-two.run-7.declared", "vision-two.settings"]
    assert (host.home / "etc" / "backup.json").exists()
    assert [path.name for path in seen.iterdir()] == ["vision-two"]
    assert not any(folder.exists() for folder in fetched)
    assert all((folder / "former" / "mlflow.db").exists() == (mode == "keep") for folder in host.former)


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_what_was_read_of_a_team_is_not_shown_as_anothers_of_its_name(host, mode):
    figures = host.home / "lib" / "figures"
    for kind in ("databases", "walks", "days"):
        (figures / kind).mkdir(parents=True)
        for name in ("vision", "vision-two"):
            (figures / kind / f"{name}.json").write_text('{"answers": {"people": [{"name": "alice"}]}}')
    assert f"remove {figures / 'walks' / 'vision.json'}" in host.look(mode)["vision"]
    host.retire(mode)
    assert host.look(mode) == {}
    # Who comes back to what was kept goes on with its days.
    kept = [figures / "days" / "vision.json"] if mode == "keep" else []
    assert list(figures.glob("*/vision.json")) == kept
    assert len(list(figures.glob("*/vision-two.json"))) == 3


def test_nothing_is_left_that_starts_with_the_host_for_an_account_of_its_name(host):
    folder = host.state.parent / "linger"
    folder.mkdir()
    for name in ("vision", "vision-two"):
        (folder / f"mlflow-{name}").touch()
    assert f"remove {folder / 'mlflow-vision'}" in host.look()["vision"]
    assert host.retire()["failures"] == {}
    assert [path.name for path in folder.iterdir()] == ["mlflow-vision-two"]


def test_twice_is_once(host):
    for mode in ("keep", "remove"):
        host.retire(mode)
        assert host.look(mode) == {}
        assert host.retire(mode) == {"done": {}, "failures": {}}


def test_data_go_when_that_is_asked_for(host):
    assert f"remove {host.elsewhere}" in host.look("remove")["vision"]
    host.retire("remove")
    names, paths = host.archived()
    assert names == WHOLE | {ARTIFACT}
    assert len(paths) == 1
    assert is_gone(host)
    assert not host.elsewhere.exists()
    assert not any(folder.exists() for folder in host.former)
    assert os.listdir(host.state) == [".retired"]
    assert os.listdir(host.state / ".retired") == []


def test_data_that_were_kept_go_later_and_their_artifacts_are_archived_before(host):
    host.retire()
    said = host.retire("remove")["done"]["vision"]
    names, (first, second) = host.archived()
    assert names == WHOLE | {ARTIFACT}
    assert f"its artifacts are in {second if 'artifacts' in second.name else first}" in said
    assert not host.database.exists()
    assert not host.elsewhere.exists()


def sweep(tmp_path, act):
    """Cut an action off after each change that it makes, on a host of its own each time; return these hosts."""
    for number in range(500):
        host = Host(tmp_path / str(number))
        host.set_up()
        finished = act(host, number) is not None
        yield host
        if finished:
            # Later than its last change.
            assert number > 5
            return


def test_wherever_it_is_cut_off_the_next_run_finishes_it(tmp_path):
    for host in sweep(tmp_path, lambda host, number: host.retire("remove", cut_after=number)):
        assert host.retire("remove")["failures"] == {}
        names, paths = host.archived()
        assert names == WHOLE | {ARTIFACT}
        # Nothing half-written is left; a second one was begun before it was noted that there is one.
        assert all(path.name.startswith("vision-") for path in paths)
        assert is_gone(host)
        assert not host.elsewhere.exists()
        assert not host.database.exists()
        assert host.look("remove") == {}


def test_who_comes_back_has_what_was_kept_wherever_that_is_cut_off(tmp_path):
    def act(host, number):
        host.retire()
        return host.reinstate(cut_after=number)

    for host in sweep(tmp_path, act):
        assert host.reinstate()["failures"] == {}
        for name, text in SECRETS.items():
            assert (host.config / "vision" / name).read_text() == text
            assert (host.config / "vision" / name).stat().st_mode & 0o777 == 0o600
        # Of an older version than the declared one, it is upgraded like any other.
        assert os.readlink(host.config / "vision" / "venv") == "/opt/mlflow/3.17.2"
        assert runs(host) == ["first"]
        # Nobody brings it back again.
        assert os.listdir(host.state / ".retired") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("cut_after", [-1, 0, 1, 2])
def test_who_comes_back_is_not_given_what_root_had_there(host, foreign, cut_after):
    """Which may be a second name of something that nobody else is to read."""
    host.account = "games"
    account = pwd.getpwnam(host.account)
    for path in (host.elsewhere, host.elsewhere / "1", host.elsewhere / "1" / "model.bin", host.database.parent):
        os.chown(path, account.pw_uid, account.pw_gid)
    os.chown(host.database, account.pw_uid, account.pw_gid)
    odd = os.fsencode(host.elsewhere / "1") + b"/\xff\n*"
    os.link(foreign / "shadow", odd)
    os.mkfifo(host.elsewhere / "pipe")
    host.retire()
    assert {os.lstat(path).st_uid for path in (host.elsewhere, host.elsewhere / "1" / "model.bin", odd)} == {0}
    # Root has put it back by hand since.
    (host.elsewhere / "put back").write_text("from the archive")
    host.reinstate(cut_after=cut_after)
    host.reinstate()
    for path in (host.elsewhere, host.elsewhere / "1", host.elsewhere / "1" / "model.bin", host.elsewhere / "put back"):
        assert (path.stat().st_uid, path.stat().st_gid) == (account.pw_uid, account.pw_gid)
    assert host.database.stat().st_uid == account.pw_uid
    assert (os.stat(odd).st_uid, os.lstat(host.elsewhere / "pipe").st_uid) == (0, 0)


def test_who_comes_back_is_given_no_new_secrets_where_the_archive_is_missing(host):
    host.retire()
    _names, (archive,) = host.archived()
    archive.rename(host.home / "elsewhere.tar.gz")
    failure = host.reinstate()["failures"]["vision"]
    assert str(archive) in failure
    assert "Put the archive back" in failure
    assert not (host.config / "vision").exists()
    (host.home / "elsewhere.tar.gz").rename(archive)
    assert host.reinstate()["failures"] == {}


def test_of_an_archive_that_goes_on_for_long_nothing_more_is_read(tmp_path):
    """As that of a team whose databases are elsewhere, and whose artifacts went into it."""
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz", compresslevel=1) as tar:
        for name in ("config/secrets.env", *(f"artifacts/{number}" for number in range(20_000))):
            tar.addfile(tarfile.TarInfo(name))
        del tar.members[:]
    tracemalloc.start()
    try:
        reinstate.restore_secrets(tmp_path / "one.tar.gz", tmp_path / "config")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path / "config") == ["secrets.env"]


def test_who_comes_back_without_data_begins_anew(host):
    host.retire("remove")
    assert host.reinstate() == {"done": {}, "failures": {}}
    assert not (host.config / "vision").exists()


def test_data_removed_by_hand_are_no_data(host):
    host.retire()
    host.database.unlink()
    assert "begins anew" in host.reinstate()["done"]["vision"]
    assert not (host.config / "vision").exists()


def test_what_somebody_left_who_removed_the_settings_by_hand(host):
    shutil.rmtree(host.config / "vision")
    host.retire("remove")
    names, _paths = host.archived()
    assert names == {"databases/mlflow.db"}
    assert host.look("remove") == {}
    assert not host.database.exists()
    (host.units / "mlflow@vision.service.d").mkdir()
    assert host.retire()["failures"] == {}
    assert is_gone(host)
    assert len(list(host.archives.iterdir())) == 1


def test_a_database_that_cannot_be_copied_stays_and_that_is_said(tmp_path):
    host = Host(tmp_path)
    host.set_up([{"name": "mlflow", "uri": "mysql+pymysql://me:canary@db.example.org/runs", "file": None}])
    said = host.retire("remove")["done"]["vision"]
    assert "the database mlflow (mysql+pymysql://db.example.org/runs) stays where it is" in said
    assert "the database mlflow is of a kind that cannot be copied here" in said
    assert host.look("remove") == {}
    kept = host.state / ".retired" / "vision.json"
    assert "canary" not in kept.read_text()
    # Its secrets are needed for that database.
    assert host.reinstate()["failures"] == {}
    assert (host.config / "vision" / "secrets.env").read_text() == SECRETS["secrets.env"]


@pytest.mark.parametrize("noted", ["vision.moving", "vision/artifacts.moved"])
def test_what_a_move_that_was_cut_off_has_copied_stays_and_that_is_said(host, noted):
    changes = host.home / "lib" / "mlflow-changes"
    (changes / "vision").mkdir(parents=True)
    (changes / noted).write_text("{}")
    (changes / "vision.run-6.declared").write_text("{")
    (changes / "vision.run-7.declared").write_text(
        json.dumps(
            {
                "team": {"databases": [{"uri": "postgresql+psycopg://me:canary@db.example.org/vision"}]},
                "environment": "MLFLOW_ARTIFACTS_DESTINATION='s3://models/vision'\n",
            }
        )
    )
    to = "postgresql+psycopg://db.example.org/vision, s3://models/vision"
    said = host.retire()["done"]["vision"]
    assert f"its move to other stores was cut off, and what that has copied there ({to}) stays" in said
    assert host.look() == {}


def test_a_postgresql_that_does_not_answer_leaves_all_there_is(tmp_path):
    host = Host(tmp_path)
    uri = "postgresql+psycopg://me:canary@127.0.0.1:1/runs"
    host.set_up([{"name": "mlflow", "uri": uri, "file": None}])
    failure = host.retire("remove")["failures"]["vision"]
    assert "it could not be retired" in failure
    assert "canary" not in failure
    assert (host.config / "vision" / "secrets.env").exists()
    assert (host.elsewhere / "1" / "model.bin").exists()
    # Not even stopped.
    assert not (host.home / "called").exists()


def test_a_directory_that_others_can_write_to_is_no_place_for_archives(host):
    host.archives.mkdir()
    host.archives.chmod(0o777)
    assert "mlflow_server_archive_dir: others can write" in host.retire()["failures"]["vision"]
    assert (host.config / "vision" / "secrets.env").exists()


@pytest.fixture
def foreign(host):
    """A directory that is none of the team's, with what nobody but root is to read."""
    folder = host.home / "root"
    folder.mkdir(mode=0o700)
    (folder / "shadow").write_text("canary")
    return folder


def declare_nested(host):
    """Let the team have a directory within another of its own, as storage_dirs may."""
    path = host.config / "vision" / "team.json"
    known = json.loads(path.read_text())
    nested = str(host.elsewhere / "nested")
    path.write_text(json.dumps({**known, "artifacts": nested, "storage_dirs": [str(host.elsewhere), nested]}))
    return host.elsewhere / "nested"


@pytest.mark.parametrize("modes", [["remove"], ["keep", "remove"]])
def test_a_link_in_place_of_a_directory_leads_root_nowhere(host, foreign, modes):
    """Also when it has become root's with all that was kept."""
    declare_nested(host).symlink_to(foreign)
    said = [line for mode in modes for line in host.retire(mode)["done"]["vision"]]
    assert (foreign / "shadow").read_text() == "canary"
    assert not host.elsewhere.exists()
    names, _paths = host.archived()
    assert not any("shadow" in name for name in names)
    assert any(f"{host.elsewhere / 'nested'}: nested has become a link" in line for line in said)


def test_data_of_roots_own_link_go_and_the_link_stays(host):
    """As after a disk was moved; nobody but root could have made it."""
    moved = host.home / "big"
    host.elsewhere.rename(moved)
    host.elsewhere.symlink_to(moved)
    host.retire("remove")
    names, _paths = host.archived()
    assert names == WHOLE | {ARTIFACT}
    assert list(moved.iterdir()) == []
    assert host.elsewhere.is_symlink()


def test_what_is_no_artifact_is_left_out_and_counted(host, foreign):
    os.mkfifo(host.elsewhere / "1" / "pipe")
    (host.elsewhere / "1" / "link").symlink_to(foreign / "shadow")
    os.link(host.elsewhere / "1" / "model.bin", host.elsewhere / "1" / "twice.bin")
    os.link(foreign / "shadow", host.elsewhere / "1" / "second name")
    os.chown(host.elsewhere, 54321, 54321)
    os.chown(host.elsewhere / "1" / "model.bin", 54321, 54321)
    said = host.retire("remove")["done"]["vision"]
    assert f"2 files below {host.elsewhere} are others', or no files, and so in no archive" in said
    _names, (path,) = host.archived()
    with tarfile.open(path) as tar:
        kinds = {member.name: member.type for member in tar.getmembers() if member.name.startswith("artifacts/1/")}
        assert tar.extractfile("artifacts/1/twice.bin").read() == b"weights"
    assert kinds == {
        "artifacts/1/link": tarfile.SYMTYPE,
        "artifacts/1/model.bin": tarfile.REGTYPE,
        "artifacts/1/twice.bin": tarfile.LNKTYPE,
    }
    assert (foreign / "shadow").read_text() == "canary"


def test_directories_may_be_as_deep_as_they_like(host):
    folder = os.open(host.elsewhere, os.O_RDONLY)
    for _number in range(1500):
        os.mkdir("deeper", dir_fd=folder)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    assert host.retire("remove")["failures"] == {}
    assert not host.elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_change_within_the_directories_alone(host, foreign):
    (host.elsewhere / "link").symlink_to(foreign)
    os.link(foreign / "shadow", host.elsewhere / "second name")
    for path in (host.elsewhere, host.elsewhere / "1", host.elsewhere / "1" / "model.bin"):
        os.chown(path, 54321, 54321)
    os.chown(foreign / "shadow", 54322, 54322)
    host.retire()
    assert {os.lstat(path).st_uid for path in (host.elsewhere, host.elsewhere / "1" / "model.bin")} == {0}
    assert (foreign / "shadow").stat().st_uid == 54322
    assert foreign.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
def test_who_still_runs_as_the_team_is_waited_for(monkeypatch, tmp_path):
    """What the units have left, and what belongs to none of them."""
    places = Places(units=(tmp_path,), timers=tmp_path)
    process = subprocess.Popen(["sleep", "300"], user=TEAM, group=TEAM, extra_groups=[], cwd="/")
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(processes.pwd, "getpwnam", lambda name: mock.Mock(pw_uid=TEAM))
    monkeypatch.setattr(retire, "run", lambda *command: None)
    try:
        with pytest.raises(ChangeError, match=rf"sleep \({process.pid}\) still run"):
            retire.close("vision", places)
    finally:
        process.kill()
        process.wait()
    retire.close("vision", places)


@pytest.mark.parametrize(("leads", "mode"), [(False, "keep"), (False, "remove"), (True, "leave")])
def test_a_replica_goes_without_an_archive_and_keeps_nothing(host, leads, mode):
    """What the team has is elsewhere, and its secrets are with those who serve it on."""
    file = host.config / "vision" / "team.json"
    known = {**json.loads(file.read_text()), "replica": "b", "leader": "a", "leads": leads, "databases": []}
    file.write_text(json.dumps({**known, "artifacts": None, "storage_dirs": []}))
    said = host.retire(mode)["done"]["vision"]
    assert said[0] == "it was a replica here, and all it has is elsewhere"
    assert is_gone(host)
    assert not host.archives.exists()
    assert os.listdir(host.state) == [".retired"]
    assert os.listdir(host.state / ".retired") == []
    assert host.look() == {}
