"""A team whose database cannot be used keeps no other from starting, and is told why in a line, with real parts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import project
import pytest
from mlflowctl import paths, upgrade

VERSION = "3.17.2"
PASSWORD = "p%40ss/w?rd-of-ann"
# As the role makes them for each team.
KEYS = {
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "f" * 64,
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "k" * 64,
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "a" * 43 + "=",
}
SECRETS = (PASSWORD, "p@ss/w?rd-of-ann", "ss/w?rd-of-ann", "w?rd-of-ann", "ann-key")
# What a team may have declared, by its name, and what is to be said of it.
BAD = {
    "text": ("sqlite:///{home}/text.db", "sqlite:///{home}/text.db: file is not a database"),
    "folder": ("sqlite:///{home}/folder", "sqlite:///{home}/folder: Is a directory ({home}/folder)"),
    "path": ("/srv/runs", "a directory is not a database, and has no place for users; name one such as"),
    "files": ("file:///srv/runs", "a directory is not a database, and has no place for users; name one such as"),
    "nothing": ("", "a directory is not a database"),
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
        self.home = home
        for name, place in {"locks": "run", "changes": "var", "config": "etc"}.items():
            monkeypatch.setattr(paths.HERE, name, home / place)
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        (home / "opt").mkdir()
        (home / "opt" / VERSION).symlink_to(project.MLFLOW)

    def add(
        self, name: str, uri: str, file: str | None, former: str = VERSION, keys: dict[str, str] | None = None
    ) -> None:
        """Write a team down."""
        directory = self.home / "etc" / name
        directory.mkdir(parents=True)
        (directory / "venv").symlink_to(self.home / "opt" / former)
        known = {
            "name": name,
            "account": "root",
            "state_dir": str(self.home),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [{"name": "mlflow", "uri": uri, "file": file}],
            "artifacts": None,
            "storage_dirs": [],
        }
        (directory / "team.json").write_text(json.dumps(known))
        (directory / "environment").write_text("")
        lines = [f"{name}={value}\n" for name, value in (keys or KEYS).items()]
        (directory / "secrets.env").write_text("".join(lines))

    def bring_up(self, *names: str) -> dict[str, dict[str, str]]:
        """Look at all of them, as the role does for those that are new."""
        found: dict[str, dict[str, str]] = upgrade.upgrade_all(dict.fromkeys(names, VERSION), self.home / "opt", 1)
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


# What a server with keys of its own has encrypted: two secrets for a gateway, and one of a webhook.
ENCRYPT = """
import sys
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs
uri = sys.argv[1]
runs = Runs(uri, "mlflow-artifacts:/")
for name in ("one", "two"):
    runs.create_gateway_secret(name, {"api_key": "sk-" + name})
event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
Models(uri).create_webhook("told", "https://1.1.1.1/it", [event], secret="of the webhook")
"""
OLD_KEYS = {**KEYS, "MLFLOW_CRYPTO_KEK_PASSPHRASE": "o" * 40, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "b" * 43 + "="}


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a server with these keys has left; its passphrase is the second one that it had."""
    file = tmp_path_factory.mktemp("old") / "mlflow.db"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(file.parent), "MLFLOW_CRYPTO_KEK_VERSION": "2", **OLD_KEYS}
    command = [project.MLFLOW / "bin" / "python", "-c", ENCRYPT, f"sqlite:///{file}"]
    project.run(command, quiet=True, env=environment)
    return file


# The keys that the new server is given, by what is said of them.
VERSION_2 = {"MLFLOW_CRYPTO_KEK_VERSION": "2"}
NOT_BEFORE = "nothing was changed: "
WRONG_KEYS = {
    "of_the_role": (
        {**VERSION_2, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": OLD_KEYS["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"]},
        "MLFLOW_CRYPTO_KEK_PASSPHRASE in {file} reads none of the 2 gateway secrets in the database; ",
        "put the old server's there",
    ),
    "of_another_version": (
        {name: OLD_KEYS[name] for name in ("MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")},
        "MLFLOW_CRYPTO_KEK_PASSPHRASE in {file} reads none of the 2 gateway secrets in the database; ",
        "they are of version 2, which goes into the team's environment as MLFLOW_CRYPTO_KEK_VERSION",
    ),
    "of_webhooks": (
        {**VERSION_2, "MLFLOW_CRYPTO_KEK_PASSPHRASE": OLD_KEYS["MLFLOW_CRYPTO_KEK_PASSPHRASE"]},
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY in {file} reads none of the 1 secrets of webhooks in the database; ",
        "where it had none nobody can read them, so empty that column of webhooks",
    ),
    "none": (
        {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "", "MLFLOW_FLASK_SERVER_SECRET_KEY": ""},
        "MLFLOW_FLASK_SERVER_SECRET_KEY, MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY are not in {file}; ",
        "add what the role makes, or the old server's",
    ),
}


def test_what_a_server_has_encrypted_needs_its_keys(host: Host, encrypted: Path) -> None:
    for name, (keys, *_said) in {**WRONG_KEYS, "right": ({**VERSION_2, **OLD_KEYS},)}.items():
        file = host.home / f"{name}.db"
        file.write_bytes(encrypted.read_bytes())
        host.add(name, f"sqlite:///{file}", str(file), keys={**KEYS, **keys})
    found = host.bring_up(*WRONG_KEYS, "right")
    assert found["upgraded"] == {}
    assert found["failures"].keys() == WRONG_KEYS.keys()
    for name, (_keys, said, cure) in WRONG_KEYS.items():
        line = found["failures"][name]
        assert NOT_BEFORE + said.format(file=f"{host.home}/etc/{name}/secrets.env") in line, line
        assert cure in line
        assert "o" * 40 not in line
        assert (host.home / f"{name}.db").read_bytes() == encrypted.read_bytes()
    # A server that has already begun is not kept from an upgrade by what it could never read.
    (host.home / "etc" / "of_the_role" / "admin_password").write_text("an admin of it")
    assert host.bring_up("of_the_role") == {"upgraded": {}, "failures": {}}
