"""A backup and an archive say which artifacts they have not: those at places of people's own."""

import json
import os
import shutil
import sqlite3

import pytest
from programs.mlflowctl.backup_lab import Lab
from programs.mlflowctl.retiring import Host
from programs.mlflowctl.silent_mount import mounted_by


@pytest.fixture
def lab(tmp_path, empty):
    shutil.copytree(empty, tmp_path / "repository")
    lab = Lab(tmp_path)
    lab.sql("ALTER TABLE experiments ADD COLUMN artifact_location TEXT")
    lab.sql(f"INSERT INTO experiments VALUES ('own', 'file://{lab.state}/own'), ('usual', 'mlflow-artifacts:/1')")  # noqa: S608
    return lab


def run(lab):
    process = lab.start("snapshot", "vision")
    output, errors = process.communicate(timeout=300)
    return process.returncode, json.loads(output), errors


def test_a_backup_that_misses_artifacts_is_made_and_fails(lab):
    code, told, errors = run(lab)
    assert code != 0
    assert told["elsewhere"] == {"accepted": 0, "others": 1, "names": [f"file://{lab.state}/own"]}
    assert f"snapshot {told['snapshot']} is made, but: artifacts of 1 rows or links are not in" in errors
    assert "mlflow_backup_elsewhere" in errors
    _target, _stage, manifest = lab.fetch(told["snapshot"])
    assert manifest["elsewhere"] == told["elsewhere"]
    assert lab.restore_into()["elsewhere"] == told["elsewhere"]


def test_what_is_known_of_is_no_failure(lab):
    lab.set(elsewhere=[f"file://{lab.state}/own"])
    code, told, errors = run(lab)
    assert (code, errors, told["elsewhere"]["accepted"]) == (0, "", 1)


def test_what_a_link_leads_to_is_named(lab, tmp_path):
    """Somebody gives an experiment more room by a link: MLflow follows it, and restic does not."""
    lab.sql("DELETE FROM experiments WHERE name = 'own'")
    lab.write("1/run/model.txt", "kept")
    lab.write("2/run/model.txt", "kept")
    for name, place in (("1", tmp_path / "large disk"), ("2", lab.artifacts / "within")):
        (lab.artifacts / name).rename(place)
        (lab.artifacts / name).symlink_to(place)
    (lab.artifacts / "nowhere").symlink_to(tmp_path / "not there")
    code, told, errors = run(lab)
    assert (code, told["elsewhere"]["names"]) == (1, [f"file://{tmp_path}/large disk"])
    assert "rows or links are not in the server's own directory" in errors
    lab.set(elsewhere=[f"file://{tmp_path}/large disk"])
    code, told, errors = run(lab)
    assert (code, errors, told["elsewhere"]["accepted"]) == (0, "", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who mounts it")
def test_a_disk_that_does_not_answer_holds_no_backup(lab, tmp_path):
    lab.sql("DELETE FROM experiments WHERE name = 'own'")
    lab.write("1/model.txt", "kept")
    (tmp_path / "usual").symlink_to("away/2")
    (lab.artifacts / "2").symlink_to(tmp_path / "usual")
    with mounted_by(0, tmp_path / "away"):
        process = lab.start("snapshot", "vision")
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert json.loads(output)["elsewhere"]["names"] == [f"file://{tmp_path}/away/2"]
    assert json.loads(output)["artifacts"]["files"] == 1
    assert "rows or links are not in the server's own directory" in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who mounts it")
def test_a_disk_of_all_artifacts_that_does_not_answer_ends_the_backup(lab, tmp_path):
    lab.artifacts.rmdir()
    lab.artifacts.symlink_to(tmp_path / "away" / "artifacts")
    with mounted_by(0, tmp_path / "away"):
        process = lab.start("snapshot", "vision", before="snapshot.patience.DISK_SECONDS = 2")
        try:
            _output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0
    assert f"{lab.artifacts} does not answer within 2 s" in errors


def test_an_archive_says_what_it_has_not(tmp_path):
    host = Host(tmp_path)
    host.set_up()
    with sqlite3.connect(host.database) as database:
        database.execute("CREATE TABLE experiments (artifact_location TEXT)")
        database.execute("INSERT INTO experiments VALUES ('/srv/elsewhere')")
    database.close()
    said = host.retire("remove")["done"]["vision"]
    missed = "artifacts of 1 rows or links are not in the server's own directory (/srv/elsewhere)"
    assert f"{missed}, and so in no archive" in said
