"""A host with one team, a restic repository and the programs that back it up; only systemd is missing."""

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from mlflowctl import client_root, databases, paths, processes, starts, team, transaction, turns
from mlflowctl.backup import age, contents, manifest, places, repository, restic, restore, snapshot

FILES = Path(__file__).resolve().parents[3] / "roles" / "mlflow_server" / "files"
PASSWORD = "canary of the repository"
SECRETS = {"secrets.env": "MLFLOW_FLASK_SERVER_SECRET_KEY=first\n", "admin_password": "the first password"}
SCHEMA = """
CREATE TABLE experiments (name TEXT);
CREATE TABLE runs (name TEXT);
CREATE TABLE metrics (run TEXT, value REAL);
CREATE TABLE users (name TEXT);
CREATE TABLE role_permissions (who TEXT);
INSERT INTO experiments VALUES ('Default');
INSERT INTO users VALUES ('admin'), ('ann');
INSERT INTO role_permissions VALUES ('ann');
"""


class Lab:
    """Where everything is, and the parts of the program, which look there."""

    age, client_root, contents, databases, manifest, places = age, client_root, contents, databases, manifest, places
    processes, repository, restic, restore, backup = processes, repository, restic, restore, snapshot
    starts, team = starts, team
    transaction, turns = transaction, turns
    # There is no systemd here: nothing runs that could be stopped, or tried out.
    STANDINS = (
        (transaction.Change, "stop_server", lambda change: None),
        (transaction.Change, "try_out", lambda *words: None),
        (restore, "is_active", lambda unit: True),
        (places, "OUTSIDE", []),
    )
    AS_IT_WAS = tuple((where, name, getattr(where, name)) for where, name, _standin in STANDINS)

    @classmethod
    def enter(cls):
        for where, name, standin in cls.STANDINS:
            setattr(where, name, standin)

    @classmethod
    def leave(cls):
        for where, name, was in cls.AS_IT_WAS:
            setattr(where, name, was)

    def __init__(self, home):
        self.home = home
        self.config = home / "etc" / "mlflow"
        self.state = home / "var" / "vision"
        self.artifacts = self.state / "artifacts"
        self.database = self.state / "mlflow.db"
        self.artifacts.mkdir(parents=True)
        for name in ("changes", "restores", "staging", "etc/backup", "cache"):
            (home / name).mkdir(parents=True)
        self.declare("vision", self.state)
        for name, text in SECRETS.items():
            (self.config / "vision" / name).write_text(text)
        (self.config / "vision" / "basic_auth.ini").write_text("[mlflow]\n")
        self.sql(SCHEMA)
        self.set()
        self.settle()

    def install(self, version, name="vision"):
        """Have an environment, and let a team use it."""
        environment = self.home / "opt" / version
        environment.mkdir(parents=True, exist_ok=True)
        link = self.config / name / "venv"
        link.unlink(missing_ok=True)
        link.symlink_to(environment)

    def declare(self, name, state, version="3.17.2", **changes):
        """Write what the role would write of a team."""
        directory = self.config / name
        directory.mkdir(parents=True, exist_ok=True)
        database = {"name": "mlflow", "uri": f"sqlite:///{state}/mlflow.db", "file": f"{state}/mlflow.db"}
        known = {
            "name": name,
            "account": pwd.getpwuid(os.geteuid()).pw_name,
            "state_dir": str(state),
            "socket": "/nowhere",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [database],
            "artifacts": f"{state}/artifacts",
            "storage_dirs": [],
            **changes,
        }
        (directory / "team.json").write_text(json.dumps(known))
        self.install(version, name)

    def set(self, **changes):
        """Write the settings and the password of backups."""
        known = {
            "repository": str(self.home / "repository"),
            "host": "here",
            "staging_dir": str(self.home / "staging"),
            "keep": {"last": 3},
            "environment": {"RESTIC_COMPRESSION": "off"},
        }
        password = changes.pop("password", PASSWORD)
        (self.home / "etc" / "backup" / "settings.json").write_text(json.dumps({**known, **changes}))
        (self.home / "etc" / "backup" / "password").write_text(password + "\n")

    def constants(self):
        """Return where the program is to look for what."""
        return {
            "config": self.config,
            "backup_config": self.home / "etc" / "backup",
            "cache": self.home / "cache",
            "locks": self.home / "locks",
            "turns": self.home / "locks",
            "changes": self.home / "changes",
            "restores": self.home / "restores",
            "noted": self.home / "noted",
        }

    def settle(self):
        """Let the program look there."""
        paths.HERE = paths.Paths()
        for name, place in self.constants().items():
            setattr(paths.HERE, name, place)
        self.enter()

    def vision(self, name="vision"):
        return self.team.load(name, self.config)

    def repo(self, name="vision"):
        return self.repository.Repository(self.repository.settings(), name)

    def back_up(self, *tags):
        """Make a snapshot; return what is said of it."""
        return self.backup.back_up(self.vision(), self.repository.settings(), list(tags))

    def restore_into(self, name="vision", **which):
        """Restore; return what is said of it."""
        repository = self.repo()
        restore = self.restore.Restore(repository, repository.find(**which), self.vision(name))
        self.manifest.refuse_what_does_not_fit(restore.manifest, restore.team)
        return restore.run()

    def fetch(self, snapshot):
        """Let restic restore a snapshot, and return where it is and its manifest."""
        target = self.home / "fetched"
        shutil.rmtree(target, ignore_errors=True)
        repository = self.repo()
        found = repository.find(snapshot)
        repository.run("restore", found["id"], f"--target={target}")
        stage = target / str(self.home / "staging" / "vision").lstrip("/")
        return target, stage, json.loads((stage / "manifest.json").read_text())

    def sql(self, script):
        """Do something to the database, as the server would."""
        with sqlite3.connect(self.database, timeout=300) as database:
            database.executescript(script)
        database.close()

    def rows(self, path=None, table="runs"):
        """Return the first column of a table."""
        database = sqlite3.connect(path or self.database, timeout=300)
        try:
            return {row[0] for row in database.execute(f"SELECT * FROM {table}")}  # noqa: S608
        finally:
            database.close()

    def write(self, path, text):
        """Write an artifact as MLflow does: under another name first."""
        place = self.artifacts / path
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".artifact.uploading.{threading.get_ident()}")
        part.write_text(text)
        part.replace(place)

    def everything(self):
        """Return all that a restore may change, by path, without what it keeps aside."""
        places = [self.state, *(self.config / "vision" / name for name in SECRETS)]
        files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
        return {
            str(file): file.read_bytes() for file in files if file.is_file() and ".vision.restore" not in file.parts
        }

    def start(self, program, *words, before="", package="mlflowctl.backup"):
        """Begin a program of the host in a process of its own."""
        lines = ["from pathlib import Path", "from mlflowctl import client_root, databases, paths, transaction"]
        lines += ["from mlflowctl.backup import contents, places, restore", f"from {package} import {program}"]
        lines += [f"paths.HERE.{name} = Path({str(place)!r})" for name, place in self.constants().items()]
        lines += [
            "places.OUTSIDE = []",
            "transaction.Change.systemctl = lambda *words: ''",
            "transaction.Change.try_out = lambda *words: None",
            before,
            f"{program}.main(*{list(words)!r})",
        ]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(FILES)}
        return subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Writers:
    """Clients that log a run and an artifact one after the other, and note what they were told is there."""

    def __init__(self, lab, number=4):
        self.lab = lab
        self.told = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(number)]

    def work(self, me):
        count = 0
        while not self.ended.is_set():
            name = f"{me}-{count}"
            self.lab.write(f"0/{name}/model.txt", name * 1000)
            self.lab.sql(f"INSERT INTO runs VALUES ('{name}'); INSERT INTO metrics VALUES ('{name}', 1)")  # noqa: S608
            self.told.append((time.time_ns(), name))
            count += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self.ended.set()
        for thread in self.threads:
            thread.join()
