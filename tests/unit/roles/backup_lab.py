"""A host with one team, a restic repository and the programs that back it up; only systemd is missing."""

import importlib
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

ROLES = Path(__file__).resolve().parents[3] / "roles"
PASSWORD = "canary of the repository"
SECRETS = {"secrets.env": "MLFLOW_FLASK_SERVER_SECRET_KEY=first\n", "admin_password": "the first password"}
PROGRAMS = (
    "team",
    "sqlite_files",
    "trees",
    "client_root",
    "own_tables",
    "databases",
    "starts",
    "changes",
    "repository",
    "contents",
    "fetched",
    "processes",
    "locations",
    "turns",
    "backup",
    "places",
    "ask",
    "answers",
    "age",
    "compare",
    "restore",
)
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
    """Where everything is, and the programs as modules that look there."""

    def __init__(self, home):
        self.home = home
        self.library = home / "lib"
        self.library.mkdir()
        for role in ("mlflow_server", "mlflow_backup"):
            for file in (ROLES / role / "files").glob("*.py"):
                shutil.copy(file, self.library)
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
        self.install("3.17.2")
        (self.config / "vision" / "basic_auth.ini").write_text("[mlflow]\n")
        self.sql(SCHEMA)
        self.set()
        self.modules = self.load()  # see __getattr__

    def install(self, version):
        """Have an environment, and let the team use it."""
        environment = self.home / "opt" / version
        environment.mkdir(parents=True, exist_ok=True)
        link = self.config / "vision" / "venv"
        link.unlink(missing_ok=True)
        link.symlink_to(environment)

    def declare(self, name, state, **changes):
        """Write what the role would write of a team."""
        directory = self.config / name
        directory.mkdir(parents=True, exist_ok=True)
        database = {"name": "mlflow", "uri": f"sqlite:///{state}/mlflow.db", "file": f"{state}/mlflow.db"}
        known = {
            "name": name,
            "account": pwd.getpwuid(os.geteuid()).pw_name,
            "version": "3.17.2",
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
        """Return what the programs' constants are to be, as Python."""
        return {
            "team.CONFIG_DIR": self.config,
            "repository.CONFIG_DIR": self.home / "etc" / "backup",
            "repository.CACHE_DIR": str(self.home / "cache"),
            "changes.LOCKS": self.home / "locks",
            "changes.HOME": self.home / "changes",
            "turns.LOCKS": self.home / "locks",
            "turns.NOTED": self.home / "noted",
            "backup.CACHE_DIR": str(self.home / "cache"),
            "places.HOME": self.home / "restores",
            "places.OUTSIDE": [],
        }

    def load(self):
        """Import the programs from this host's library."""
        for name in PROGRAMS:
            sys.modules.pop(name, None)
        sys.path.insert(0, str(self.library))
        try:
            found = {name: importlib.import_module(name) for name in PROGRAMS}
        finally:
            sys.path.remove(str(self.library))
            for name in PROGRAMS:
                sys.modules.pop(name, None)
        for place, value in self.constants().items():
            module, name = place.split(".")
            setattr(found[module], name, value)
        # There is no systemd here: nothing runs that could be stopped, or tried out.
        found["changes"].Change.stop_server = lambda change: None
        found["restore"].is_active = lambda unit: True
        found["changes"].Change.try_out = lambda *words: None
        return found

    def __getattr__(self, name):
        return self.__dict__["modules"][name]

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
        self.compare.refuse_what_does_not_fit(restore.manifest, restore.team)
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
        with sqlite3.connect(self.database, timeout=30) as database:
            database.executescript(script)
        database.close()

    def rows(self, path=None, table="runs"):
        """Return the first column of a table."""
        database = sqlite3.connect(path or self.database, timeout=30)
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

    def start(self, program, *words, before=""):
        """Begin a program of the host in a process of its own."""
        lines = [f"import {', '.join(PROGRAMS)}", "from pathlib import Path"]
        for place, value in self.constants().items():
            lines.append(f"{place} = {f'Path({str(value)!r})' if isinstance(value, Path) else repr(value)}")
        lines += [
            "team.load.__defaults__ = (team.CONFIG_DIR,)",
            "changes.Change.systemctl = lambda *words: ''",
            "changes.Change.try_out = lambda *words: None",
            before,
            f"{program}.main(*{list(words)!r})" if program != "restore" else f"restore.main({list(words)!r})",
        ]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(self.library)}
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
