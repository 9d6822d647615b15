"""A snapshot has all that was acknowledged before it, and is what it says of itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from mlflowctl import redaction
from programs.mlflowctl.backup_lab import PASSWORD, SECRETS, Lab, Writers


@pytest.fixture
def lab(tmp_path, empty):
    shutil.copytree(empty, tmp_path / "repository")
    return Lab(tmp_path)


def test_a_snapshot_has_databases_artifacts_settings_and_secrets(lab):
    lab.sql("INSERT INTO runs VALUES ('one')")
    lab.write("0/one/a file.txt", "kept")
    told = lab.back_up()
    target, stage, manifest = lab.fetch(told["snapshot"])
    assert lab.rows(stage / "databases" / "mlflow.db") == {"one"}
    assert {name: (stage / "settings" / name).read_text() for name in SECRETS} == SECRETS
    assert (target / str(lab.artifacts).lstrip("/") / "0/one/a file.txt").read_text() == "kept"
    assert manifest["counts"] == told["counts"]
    assert told["counts"] == {"experiments": 1, "runs": 1, "metrics": 0, "models": 0, "users": 2, "grants": 1}
    assert manifest["mlflow_version"] == "3.17.2"
    assert manifest["artifacts"] == {"directory": str(lab.artifacts), "files": 1, "bytes": 4}


def test_what_a_backup_came_to_is_noted_for_whoever_watches(lab):
    before = time.time()
    told = lab.back_up()
    noted = json.loads((lab.home / "noted" / "vision.backup.json").read_text())
    assert before <= noted["began"] <= time.time()
    assert noted["files"] == told["artifacts"]["files"]
    # The copies of the databases, too.
    assert noted["bytes"] > told["artifacts"]["bytes"] + 4096


def test_nothing_is_left_of_it_on_the_host(lab):
    before = lab.everything()
    lab.back_up()
    assert os.listdir(lab.home / "staging") == []
    assert lab.everything() == before


def test_all_that_was_acknowledged_before_is_there_and_agrees(lab):
    with Writers(lab) as writers:
        while len(writers.told) < 10 and all(it.is_alive() for it in writers.threads):
            time.sleep(0.01)
        snapshots = [lab.back_up()["snapshot"] for _time in range(2)]
    for snapshot in snapshots:
        target, stage, manifest = lab.fetch(snapshot)
        runs = lab.rows(stage / "databases" / "mlflow.db")
        assert {name for when, name in writers.told if when < manifest["began"]} <= runs
        artifacts = target / str(lab.artifacts).lstrip("/")
        assert [name for name in runs if not (artifacts / "0" / name / "model.txt").exists()] == []
        assert manifest["counts"]["runs"] == len(runs)
        copies = [(stage / "databases" / "mlflow.db", manifest["databases"][0]["tables"])]
        known = stage / "artifacts.jsonl"
        with lab.manifest.Gone(stage) as gone:
            assert list(lab.manifest.differences(manifest, known, copies, artifacts, gone)) == []
            assert list(gone.paths()) == []


def test_artifacts_that_go_while_they_are_read_are_no_failure(lab):
    ended = threading.Event()

    def come_and_go():
        while not ended.is_set():
            for number in range(200):
                lab.write(f"0/brief/{number}.txt", "x" * 5000)
            shutil.rmtree(lab.artifacts / "0" / "brief")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert lab.back_up()["snapshot"]
    finally:
        ended.set()
        thread.join()


def test_what_cannot_be_read_and_is_there_is_a_failure(lab, monkeypatch):
    lab.write("0/one/model.txt", "kept")
    backup = lab.repository.Repository.backup
    unread = [(str(lab.artifacts / "0/one/model.txt"), "input/output error")]
    monkeypatch.setattr(lab.repository.Repository, "backup", lambda *words: (backup(*words)[0], unread))
    with pytest.raises(lab.restic.BackupError, match=r"could not be read: .*model.txt: input/output error"):
        lab.back_up()
    assert lab.repo().snapshots() == []


def test_one_that_gets_no_further_has_an_end(lab, monkeypatch):
    """As where a pipe stands in a file's place by the time that restic opens it."""
    monkeypatch.setattr(lab.restic, "STILL_SECONDS", 2)
    start = subprocess.Popen

    def start_and_stop(command, *words, **options):
        process = start(command, *words, **options)
        if "restic" in command and "backup" in command:
            process.send_signal(signal.SIGSTOP)
        return process

    monkeypatch.setattr(lab.restic.subprocess, "Popen", start_and_stop)
    with pytest.raises(lab.restic.BackupError, match=r"restic has read nothing for 2 s: .* a pipe"):
        lab.back_up()
    monkeypatch.undo()
    assert lab.back_up()["snapshot"]


def test_artifacts_that_have_not_changed_are_read_once(lab, monkeypatch):
    lab.write("0/one/model.txt", "kept")
    lab.write("0/one/other.txt", "kept")
    lab.back_up()
    known = lab.home / "cache/artifacts/vision.jsonl"
    known.write_text(known.read_text().replace('"sha256": "', '"sha256": "as noted '))
    lab.write("0/one/other.txt", "changed")
    _target, stage, _manifest = lab.fetch(lab.back_up()["snapshot"])
    files = lab.contents.read_files((stage / "artifacts.jsonl").read_text().splitlines())
    assert {file["path"]: file["sha256"].startswith("as noted") for file in files} == {
        "0/one/model.txt": True,
        "0/one/other.txt": False,
    }


def test_artifacts_elsewhere_stay_there(lab):
    lab.declare("vision", lab.state, artifacts=None)
    told = lab.back_up()
    assert told["artifacts"] == {"directory": None, "files": 0, "bytes": 0}
    assert len(lab.repo().find(told["snapshot"])["paths"]) == 1


def test_one_that_was_killed_leaves_nothing_in_the_way(lab):
    lab.write("0/one/model.bin", "x" * 50_000_000)
    for delay in (0.3, 0.6, 1.0):
        process = lab.start("snapshot", "vision")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    process = lab.start("snapshot", "vision")
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output)["artifacts"]["bytes"] == 50_000_000
    assert PASSWORD not in output
    assert os.listdir(lab.home / "staging") == []


def test_a_full_disk_is_said_to_be_full(lab, monkeypatch):
    monkeypatch.setattr(lab.backup, "SPARE_BYTES", 1 << 60)
    with pytest.raises(lab.restic.BackupError, match=r"MB free, and .* are needed; .*mlflow_backup_staging_dir"):
        lab.back_up()


def test_a_wrong_password_and_a_missing_repository_are_named(lab):
    lab.set(password="another canary")
    with pytest.raises(lab.restic.BackupError, match="mlflow_backup_password is not the password") as error:
        lab.back_up()
    assert "canary" not in str(error.value)
    # As whoever started the backup is told.
    assert redaction.hidden(str(error.value)) == str(error.value)
    with pytest.raises(lab.restic.BackupError, match="mlflow_backup_password"):
        lab.repo().make()
    lab.set(repository="sftp:keeper@127.0.0.1:nowhere")
    with pytest.raises(lab.restic.BackupError, match="mlflow_backup_repository: root does not get into sftp"):
        lab.back_up()
    lab.set()
    shutil.rmtree(lab.home / "repository")
    with pytest.raises(lab.restic.BackupError, match=r"mlflow_backup_repository: there is none at .* mounted"):
        lab.back_up()


def test_a_repository_is_made_once(lab):
    assert lab.repo().make() is False
    lab.set(repository=f"{lab.home}/each/{{team}}")
    assert lab.repo("audio").make() is True
    assert os.listdir(lab.home / "each") == ["audio"]


def test_old_snapshots_go_and_those_to_keep_stay(lab):
    lab.set(keep={"last": 2, "daily": 0})
    repository = lab.repo()
    made = [repository.backup([str(lab.state)], tags, "x")[0] for tags in (["keep"], [], [], [])]
    repository.thin_out()
    assert [it["id"][:8] for it in repository.snapshots()] == [it[:8] for it in (made[0], *made[2:])]


def test_a_snapshot_is_found_by_name_by_time_and_by_host(lab, monkeypatch):
    first = lab.back_up()["snapshot"]
    time.sleep(1.1)
    between = time.strftime("%Y-%m-%d %H:%M:%S")
    lab.set(host="there")
    last = lab.back_up()["snapshot"]
    repository = lab.repo()
    listed = repository.snapshots()
    monkeypatch.setattr(lab.repository.Repository, "snapshots", lambda it: listed if it.team == "vision" else [])
    assert repository.find()["short_id"] == last
    assert repository.find(first)["short_id"] == first
    assert repository.find(host="here")["short_id"] == first
    assert repository.find(at=between, host="here")["short_id"] == first
    with pytest.raises(lab.restic.BackupError, match="at: no snapshot of team vision on there until"):
        repository.find(at=between)
    with pytest.raises(lab.restic.BackupError, match="at: 'yesterday' is not a valid time"):
        repository.find(at="yesterday")
    with pytest.raises(lab.restic.BackupError, match="snapshot: no snapshot 'feed' of team vision"):
        repository.find("feed")
    with pytest.raises(lab.restic.BackupError, match="team: no snapshot of team audio on there"):
        lab.repo("audio").find()


def test_a_change_that_was_cut_off_is_undone_first(lab):
    lab.sql("INSERT INTO runs VALUES ('half')")
    program = "import sqlite3, sys; it = sqlite3.connect(sys.argv[1]); it.execute('DELETE FROM runs'); it.commit()"
    undo = [{"as_account": False, "command": [sys.executable, "-c", program, str(lab.database)]}]
    lab.transaction.write_journal("vision", {"what": "a change", "trying": False, "undo": undo})
    assert lab.back_up()["counts"]["runs"] == 0


def test_a_snapshot_is_of_the_version_that_the_team_runs_whatever_was_written_down(lab):
    """An upgrade whose controller went away: the link leads on, and team.json is of before."""
    lab.install("3.18.1")
    told = lab.back_up()
    _target, _stage, manifest = lab.fetch(told["snapshot"])
    assert manifest["mlflow_version"] == "3.18.1"
