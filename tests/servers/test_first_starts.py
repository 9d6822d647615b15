"""A team whose database cannot be used keeps no other from starting, and is told why in a line, with real parts."""

from __future__ import annotations

import contextlib
import importlib
import json
import sqlite3
from pathlib import Path

import project
import pytest

FILES = project.ROOT / "roles" / "mlflow_server" / "files"
VERSION = "3.17.2"
PASSWORD = "p%40ss/w?rd-of-ann"
SECRETS = (PASSWORD, "p@ss/w?rd-of-ann", "ss/w?rd-of-ann", "w?rd-of-ann", "ann-key")
# What a team may have declared, by its name, and what is to be said of it.
BAD = {
    "text": ("sqlite:///{home}/text.db", "sqlite:///{home}/text.db: file is not a database"),
    "folder": ("sqlite:///{home}/folder", "sqlite:///{home}/folder: Is a directory ({home}/folder)"),
    "path": ("/srv/runs", "a directory is no database, and has no place for users; name one such as"),
    "files": ("file:///srv/runs", "a directory is no database, and has no place for users; name one such as"),
    "nothing": ("", "a directory is no database"),
    "driver": (
        f"postgresql+psycopg2://ann:{PASSWORD}@db.example.org/runs",
        "postgresql+psycopg2://db.example.org/runs: No module named 'psycopg2'; the driver for postgresql+psycopg2 is "
        "not installed, name its package in mlflow_server_extra_packages",
    ),
    "dialect": (
        f"postgresql+nosuch://ann:{PASSWORD}@db.example.org/runs?key=ann-key",
        "postgresql+nosuch://db.example.org/runs: SQLAlchemy knows no driver 'postgresql+nosuch'",
    ),
    "port": (
        f"postgresql+psycopg://ann:{PASSWORD}@db.example.org:port/runs",
        "postgresql+psycopg: invalid literal for int() with base 10: 'port'",
    ),
}


class Host:
    """What the role has written down of some teams, below a directory of the test's own."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(FILES))
        self.upgrade, changes, team = (importlib.import_module(name) for name in ("upgrade", "changes", "team"))
        self.home = home
        monkeypatch.setattr(changes, "LOCKS", home / "run")
        monkeypatch.setattr(changes, "HOME", home / "var")
        monkeypatch.setattr(team.load, "__defaults__", (home / "etc",))
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        (home / "opt").mkdir()
        (home / "opt" / VERSION).symlink_to(project.MLFLOW)

    def add(self, name: str, uri: str, file: str | None, former: str = VERSION) -> None:
        """Write a team down."""
        directory = self.home / "etc" / name
        directory.mkdir(parents=True)
        (directory / "venv").symlink_to(self.home / "opt" / former)
        known = {
            "name": name,
            "account": "root",
            "version": VERSION,
            "state_dir": str(self.home),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [{"name": "mlflow", "uri": uri, "file": file}],
            "artifacts": None,
            "storage_dirs": [],
        }
        (directory / "team.json").write_text(json.dumps(known))
        for file_name in ("environment", "secrets.env"):
            (directory / file_name).write_text("")

    def bring_up(self, *names: str) -> dict[str, dict[str, str]]:
        """Look at all of them, as the role does for those that are new."""
        found: dict[str, dict[str, str]] = self.upgrade.upgrade_all(dict.fromkeys(names, VERSION), self.home / "opt", 1)
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "text.db").write_text("no database at all\n" * 100)
    (tmp_path / "folder").mkdir()
    return Host(tmp_path, monkeypatch)


def test_bad_teams_are_told_why_in_a_line_and_keep_nobody_waiting(host: Host) -> None:
    for name, (uri, _said) in BAD.items():
        file = uri.partition("///")[2].format(home=host.home) if uri.startswith("sqlite") else None
        host.add(name, uri.format(home=host.home), file and f"/{file.lstrip('/')}")
    # Two that nothing is wrong with come last: one that has nothing yet, and one that has a database as it is to be.
    host.add("fresh", f"sqlite:///{host.home}/fresh.db", f"{host.home}/fresh.db")
    host.add("empty", f"sqlite:///{host.home}/empty.db", f"{host.home}/empty.db")
    sqlite3.connect(host.home / "empty.db").close()
    (host.home / "empty.db").touch()
    found = host.bring_up(*BAD, "fresh", "empty")
    assert found["upgraded"] == {}
    assert found["failures"].keys() == BAD.keys()
    for name, (_uri, said) in BAD.items():
        line = found["failures"][name]
        begin = f"upgrade to {VERSION} failed at step 'check', so nothing was changed: the databases cannot be read: "
        assert line.startswith(begin), line
        assert said.format(home=host.home) in line, line
        assert line.endswith(f"(more: journalctl -u mlflow@{name}.service)")
        assert "\n" not in line
        assert "Traceback" not in line
        assert not [secret for secret in SECRETS if secret in line], line


def older(file: Path) -> None:
    """Make a database of an MLflow from before, with a table that the migration wants to make."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        database.commit()


def test_who_has_something_to_migrate_waits_after_a_failure_and_nobody_else(host: Host) -> None:
    # A kind that cannot be copied: refused only after it is known that there is something to do.
    host.add("adopted", f"sqlite:///{host.home}/adopted.db", None)
    for name in ("adopted", "another"):
        older(host.home / f"{name}.db")
    found = host.home / "etc" / "adopted" / "team.json"
    known = json.loads(found.read_text())
    known["databases"][0]["file"] = None
    found.write_text(json.dumps(known))
    host.add("another", f"sqlite:///{host.home}/another.db", f"{host.home}/another.db")
    host.add("fresh", f"sqlite:///{host.home}/fresh.db", f"{host.home}/fresh.db")
    failures = host.bring_up("adopted", "another", "fresh")["failures"]
    assert failures.keys() == {"adopted", "another"}
    assert "a database of the kind sqlite cannot be copied" in failures["adopted"]
    assert failures["another"] == f"its upgrade to {VERSION} was not begun, since that of another team failed"


def test_a_new_team_with_the_database_of_a_newer_mlflow_is_refused(host: Host) -> None:
    file = host.home / "future.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('not known yet')")
        database.commit()
    host.add("future", f"sqlite:///{file}", str(file))
    line = host.bring_up("future")["failures"]["future"]
    assert "the tracking database is of a newer MLflow" in line


def test_a_team_that_is_not_written_down_well_is_the_only_one(host: Host) -> None:
    host.add("torn", "sqlite:////x.db", "/x.db")
    (host.home / "etc" / "torn" / "team.json").write_text('{"name": ')
    host.add("fresh", f"sqlite:///{host.home}/fresh.db", f"{host.home}/fresh.db")
    failures = host.bring_up("torn", "gone", "fresh")["failures"]
    assert failures.keys() == {"torn", "gone"}
