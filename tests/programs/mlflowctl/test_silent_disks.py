"""A disk of a team's that answers nobody ends what is done with that team, and is named; the others go on."""

import json
import os
import shutil
import subprocess

import pytest
from programs.mlflowctl.backup_lab import Lab
from programs.mlflowctl.retiring import Host
from programs.mlflowctl.silent_mount import mounted_by

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who mounts it")
QUICKLY = "from mlflowctl import doctor, patience, status, systemd\nsystemd.show = lambda *words: {}\n"
QUICKLY += "patience.DISK_SECONDS = status.DISK_SECONDS = doctor.DISK_SECONDS = 2"
# Longer than these, and not as long as a test that waits.
SECONDS = 60


@pytest.fixture
def lab(tmp_path, empty):
    lab = Lab(tmp_path)
    subprocess.run(["cp", "-a", str(empty), str(tmp_path / "repository")], check=True)
    return lab


def ended(process):
    """Return what a program prints, which ends by itself."""
    try:
        return process.communicate(timeout=SECONDS)
    finally:
        process.kill()


def lead_away(lab, place):
    """Have what is somewhere on the disk that is to be silent."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(lab.home / "away" / place.name)


@pytest.mark.parametrize("what", ["database", "artifacts"])
def test_the_others_are_told_of_and_it_is_named(lab, what):
    state = lab.home / "var" / "nlp"
    state.mkdir()
    lab.declare("nlp", state)
    silent = state / {"database": "mlflow.db"}.get(what, what)
    lead_away(lab, silent)
    with mounted_by(0, lab.home / "away"):
        told = json.loads(ended(lab.start("status", "--json", before=QUICKLY, package="mlflowctl"))[0])
        wrong = json.loads(ended(lab.start("doctor", "--json", before=QUICKLY, package="mlflowctl"))[0])
        listed = json.loads(ended(lab.start("listing", "--json", before=QUICKLY, package="mlflowctl"))[0])
    why = f"{silent} does not answer within 2 s"
    assert [(it["team"], it.get("problem")) for it in told] == [("nlp", why), ("vision", None)]
    assert told[1]["databases"][0]["bytes"] > 0
    assert why in [it["problem"] for it in wrong if it["team"] == "nlp"]
    assert [it["team"] for it in listed] == ["nlp", "vision"]


def test_its_backup_ends(lab):
    lead_away(lab, lab.database)
    with mounted_by(0, lab.home / "away"):
        errors = ended(lab.start("snapshot", "vision", before=QUICKLY))[1]
    assert f"{lab.database} does not answer within 2 s" in errors


def test_a_backup_does_without_what_its_clients_have_there(lab):
    lab.declare("vision", lab.state, artifacts=None, client_root=str(lab.home / "away" / "share"))
    with mounted_by(0, lab.home / "away"):
        output, errors = ended(lab.start("snapshot", "vision", before=QUICKLY))
    why = f"the artifacts of its clients are left: {lab.home}/away/share does not answer within 2 s"
    assert why in errors
    assert json.loads(output)["artifacts"]["left"] == why


def test_its_restore_ends(lab):
    lab.write("1/run/model.bin", "weights")
    lab.back_up()
    lead_away(lab, lab.artifacts)
    with mounted_by(0, lab.home / "away"):
        errors = ended(lab.start("restore", "vision", before=QUICKLY))[1]
    assert f"{lab.artifacts} does not answer within 2 s" in errors


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_its_retirement_ends_before_anything_is_stopped(tmp_path, mode):
    host = Host(tmp_path)
    host.set_up()
    # Further down than anybody would look at one by one.
    with mounted_by(0, host.elsewhere / "1" / "away"):
        said = host.run("retire", mode, str(host.archives), seconds=SECONDS)
    why = f"it could not be retired: {host.elsewhere}/1/away does not answer within 2 s. The next run goes on with it"
    assert said == {"done": {}, "failures": {"vision": why}}
    assert not (tmp_path / "called").exists()
    assert not host.archives.exists()


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_so_does_the_look_for_what_is_left(tmp_path, mode):
    host = Host(tmp_path)
    host.set_up()
    path, place = host.config / "vision" / "team.json", host.state / "vision" / "artifacts"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "artifacts": str(place), "storage_dirs": []}))
    with mounted_by(0, place):
        looked = host.run("find", mode, seconds=SECONDS)
        said = host.run("retire", mode, str(host.archives), seconds=SECONDS)
    assert looked == {"vision": ["see why a disk with its data does not answer within 2 s"]}
    assert f"{place} does not answer within 2 s" in said["failures"]["vision"]
    assert not (tmp_path / "called").exists()


def test_its_return_ends(tmp_path):
    host = Host(tmp_path)
    host.set_up()
    host.retire()
    with mounted_by(0, host.elsewhere / "1" / "away"):
        said = host.run("reinstate", seconds=SECONDS)
    why = f"it cannot be brought back: {host.elsewhere}/1/away does not answer within 2 s"
    assert said == {"done": {}, "failures": {"vision": why}}
