"""What was deleted long ago goes for good, with its files and the grants on it; nothing younger does."""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import project
import pytest

PROGRAM = project.ROOT / "roles" / "mlflow_server" / "files" / "collect_garbage.py"
DAY = 86400 * 1000


class Team:
    """A team on the newest server, and what its timer runs."""

    def __init__(self, lab, home):
        self.lab, self.home = lab, home
        self.database = lab.databases[0]
        self.artifacts = Path(self.database).parent / "artifacts"
        known = {
            "name": "vision",
            "account": "mlflow-vision",
            "version": "3.17.2",
            "state_dir": str(home),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "NO_PERMISSIONS",
            "databases": [{"name": "mlflow", "uri": f"sqlite:///{self.database}", "file": self.database}],
            "artifacts": str(self.artifacts),
            "storage_dirs": [],
            "tracking_uri": lab.proxy.uri,
            "gc_older_than": "30d",
        }
        (home / "team.json").write_text(json.dumps(known))
        (home / "admin_password").write_text(lab.password)

    def collect(self):
        """Run the program; return what it prints."""
        self.lab.proxy.forget()
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "CREDENTIALS_DIRECTORY": str(self.home)}
        command = [str(project.MLFLOW / "bin" / "python"), str(PROGRAM)]
        more = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, env=environment | more, cwd=self.home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert self.lab.password not in done.stdout + done.stderr
        return done.stdout

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as connection:
            found = connection.execute(statement, values).fetchall()
            connection.commit()
        return found

    def post(self, what, **values):
        return self.lab.reader.ask("POST", f"/api/2.0/mlflow/{what}", **values)

    def run(self, experiment):
        """Make a run with a metric, and with an artifact that the server keeps."""
        run = self.post("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]["run_id"]
        self.post("runs/log-metric", run_id=run, key="loss", value=0.5, timestamp=1)
        self.put(f"{experiment}/{run}/artifacts/note.txt")
        return run

    def put(self, path):
        url = f"{self.lab.uri}/api/2.0/mlflow-artifacts/artifacts/{path}"
        request = urllib.request.Request(url, b"hello", method="PUT")  # noqa: S310 - a server of ours
        login = base64.b64encode(f"admin:{self.lab.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310 - the same
        assert (self.artifacts / path).exists()

    def age(self, experiment=None, run=None):
        """Have it deleted forty days ago."""
        then = int(time.time() * 1000) - 40 * DAY
        if experiment:
            self.sql("UPDATE experiments SET last_update_time = ? WHERE experiment_id = ?", then, int(experiment))
            self.sql("UPDATE runs SET deleted_time = ? WHERE experiment_id = ?", then, int(experiment))
        if run:
            self.sql("UPDATE runs SET deleted_time = ? WHERE run_uuid = ?", then, run)

    def runs(self):
        return {run for (run,) in self.sql("SELECT run_uuid FROM runs")}


@pytest.fixture
def team(newest, tmp_path):
    return Team(newest, tmp_path)


def test_a_team_with_nothing_to_remove_is_not_asked(newest, team, some):
    number = newest.reader.create_experiment(some("young"))
    team.post("experiments/delete", experiment_id=number)
    assert team.collect() == "nothing to remove\n"
    assert newest.proxy.requests == []
    assert newest.reader.experiments()


def test_what_is_old_goes_with_all_that_is_its_own(newest, team, some, secret):
    user, group = some("ann"), some("group")
    newest.reader.create_user(user, secret())
    names = {word: some(word) for word in ("kept", "young", "old")}
    numbers = {word: newest.reader.create_experiment(name) for word, name in names.items()}
    runs = {word: team.run(number) for word, number in numbers.items()}
    gone, young = team.run(numbers["kept"]), team.run(numbers["kept"])
    # Of an experiment, and of no run.
    team.put(f"{numbers['old']}/models/m-1/artifacts/weights.bin")
    for number in numbers.values():
        newest.reader.grant(user, "experiment", number, "MANAGE")
    granted = [{"experiment": name, "permission": "EDIT"} for name in names.values()]
    newest.ok("group", name=group, grants=granted)
    for run in (gone, young):
        team.post("runs/delete", run_id=run)
    for word in ("young", "old"):
        team.post("experiments/delete", experiment_id=numbers[word])
    team.age(experiment=numbers["old"], run=gone)

    said = team.collect()
    assert f"Run with ID {gone} has been permanently deleted." in said
    assert f"Experiment with ID {numbers['old']} has been permanently deleted." in said
    # With that of who has made it.
    assert "removed 3 grants" in said
    assert {run for run in team.runs() if run in (*runs.values(), gone, young)} == {runs["kept"], runs["young"], young}
    assert team.sql("SELECT count(*) FROM metrics WHERE run_uuid IN (?, ?)", gone, runs["old"]) == [(0,)]
    assert not (team.artifacts / numbers["old"]).exists()
    assert not (team.artifacts / numbers["kept"] / gone / "artifacts" / "note.txt").exists()
    for word, run in (("kept", runs["kept"]), ("kept", young), ("young", runs["young"])):
        assert (team.artifacts / numbers[word] / run / "artifacts" / "note.txt").read_text() == "hello"
    left = {("experiment", numbers[word]) for word in ("kept", "young")}
    assert set(newest.reader.user(user)["grants"]) == left
    assert set(newest.reader.role(group)["grants"]) == left
    assert not (team.home / ".gc-unfinished").exists()
    # SQLite gives the number away again, and nobody has anything on it but who has made it.
    again = newest.reader.create_experiment(names["old"])
    assert again == numbers["old"]
    assert ("experiment", again) not in newest.reader.user(user)["grants"]
    assert team.collect() == "nothing to remove\n"


def test_grants_that_a_run_cut_off_has_left_go_with_the_next(newest, team, some, secret):
    user = some("ben")
    newest.reader.create_user(user, secret())
    newest.reader.grant(user, "experiment", "987654", "MANAGE")
    (team.home / ".gc-unfinished").touch()
    assert "removed 1 grants" in team.collect()
    assert newest.reader.user(user)["grants"] == {}
    assert os.listdir(team.home).count(".gc-unfinished") == 0
