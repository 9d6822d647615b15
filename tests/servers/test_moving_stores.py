"""A team in files of SQLite is the same in PostgreSQL: its ids, permissions and artifacts, for each of its people."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import sqlite3
import subprocess
import time
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import project
import pytest
import servers
from mlflowctl import paths, stores, transaction
from programs.roles.database_lab import PROGRAMS, Database, running

PROGRAM = Path(__file__).with_name("moving.py")
DRIVER = Path("/usr/lib/python3/dist-packages/psycopg2")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not list(PROGRAMS.glob("*/bin/initdb")) or not DRIVER.exists(),
    reason="takes root, and Debian's packages postgresql and python3-psycopg2",
)
VERSION = servers.version_of(project.MLFLOW)
ADMIN = "admin of 'stores' %"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with running() as database:
        yield database


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest MLflow, with what reaches PostgreSQL beside it."""
    place = tmp_path_factory.mktemp("opt") / VERSION
    python = project.MLFLOW / "bin" / "python"
    subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)
    (place / "more").mkdir()
    (place / "more" / "psycopg2").symlink_to(DRIVER)
    (site,) = place.glob("lib/python3*/site-packages")
    (library,) = project.MLFLOW.glob("lib/python3*/site-packages")
    (site / "more.pth").write_text(f"{library}\n{place / 'more'}\n")
    return place


@pytest.fixture(scope="module")
def filled(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a server that has been worked with, and what its people saw."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with servers.serving(environment, home, ADMIN, hurried=True) as uri:
        asked(environment, "fill", uri, home)
        before = asked(environment, "before", uri, home)
    (home / "before.json").write_text(json.dumps(before))
    return home


def asked(environment: Path, do: str, uri: str, home: Path) -> t.Any:
    done = subprocess.run(
        [environment / "bin" / "python", PROGRAM, do, uri, ADMIN, home / "aside"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1]) if do != "fill" else None


class Moved:
    """A copy of the filled team, the program that moves it, and where to."""

    def __init__(self, home: Path, filled: Path, environment: Path, postgresql: Database) -> None:
        self.home, self.postgresql = home, postgresql
        self.state = home / "state"
        shutil.copytree(filled, self.state)
        self.database = self.state / "mlflow.db"
        self.name = f"t{secrets.token_hex(4)}"
        postgresql.sql(f"CREATE ROLE {self.name} LOGIN PASSWORD 'canary'")
        postgresql.sql(f"CREATE DATABASE {self.name} OWNER {self.name}")
        self.uri = postgresql.uri(self.name, "canary").replace("+psycopg:", "+psycopg2:")
        self.store = home / "store"
        own = home / "etc" / "mlflow" / "vision"
        own.mkdir(parents=True)
        (own / "venv").symlink_to(environment)
        self.known = {
            "name": "vision",
            "account": pwd.getpwuid(os.geteuid()).pw_name,
            "state_dir": str(self.state),
            "socket": "/nowhere",
            "admin_username": "admin",
            "default_permission": "NO_PERMISSIONS",
            "databases": [{"name": "mlflow", "uri": f"sqlite:///{self.database}", "file": str(self.database)}],
            "artifacts": str(self.state / "artifacts"),
            "storage_dirs": [],
        }
        (own / "team.json").write_text(json.dumps(self.known))

    def declared(self, **changes: t.Any) -> dict[str, t.Any]:
        database = {"name": "mlflow", "uri": self.uri, "file": None}
        team = {**self.known, "version": VERSION, "client_root": None, "databases": [database], "artifacts": None}
        text = f'MLFLOW_ARTIFACTS_DESTINATION="{self.store}"\nMLFLOW_BACKEND_STORE_URI="{self.uri}"\n'
        return {"team": {**team, **changes}, "environment": text}

    def move(self, **changes: t.Any) -> stores.Move:
        return stores.Move(stores.teams.load("vision"), self.declared(**changes))

    def rows(self) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
                for name in names
                if not name.startswith(("sqlite_", "alembic_"))
            }

    def change(self, statement: str, values: t.Sequence[t.Any] = ()) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def sql(self, statement: str) -> str:
        return self.postgresql.sql(statement, self.name)

    def tables(self) -> str:
        return self.sql("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")


@pytest.fixture
def moved(
    tmp_path: Path, filled: Path, environment: Path, postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> Moved:
    here = paths.Paths(tmp_path)
    for folder in (here.changes, here.locks.parent):
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(paths, "HERE", here)
    # There is no systemd here, and no server.
    monkeypatch.setattr(transaction.Change, "stop_server", lambda change: None)
    return Moved(tmp_path, filled, environment, postgresql)


def test_nothing_is_lost(moved: Moved, environment: Path, filled: Path) -> None:
    move = moved.move()
    move.refuse()
    assert move.look() == {}
    assert moved.tables() == "0"
    first = move.begin()["artifacts"]
    assert first["copied"] == first["files"] > 10
    # What somebody has logged or removed since.
    late = moved.state / "artifacts" / "late.txt"
    late.write_text("late")
    assert moved.move().begin()["artifacts"]["copied"] == 1
    late.unlink()
    done = moved.move().copy()
    assert done["artifacts"]["copied"] == 0
    assert done["rows"] == moved.rows()
    assert done["elsewhere"] == {}
    for table in ("metrics", "trace_info", "spans", "model_versions", "logged_models", "role_permissions"):
        assert done["rows"][table] > 0, table
    assert moved.sql("SELECT count(*) FROM metrics WHERE is_nan") == "3"
    kept = {path.relative_to(moved.store): path.read_bytes() for path in moved.store.rglob("*") if path.is_file()}
    place = moved.state / "artifacts"
    assert kept == {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with serving_there(moved, environment, filled) as uri:
        after = asked(environment, "after", uri, moved.state)
        before = json.loads((filled / "before.json").read_text())
        assert after == before
        assert before["bob"]["hidden"] == "refused: PERMISSION_DENIED"
        assert before["bob"]["shared"] == before["ann"]["shared"] != before["cay"]["shared"]
        # The next of what is numbered has a number of its own.
        numbers = moved.sql("SELECT max(experiment_id) FROM experiments")
        made = subprocess.run(
            [environment / "bin" / "python", "-c", NEXT, uri, ADMIN], capture_output=True, text=True, check=True
        )
        assert int(made.stdout) == int(numbers) + 1


NEXT = """
import sys, os
os.environ.update(MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD=sys.argv[2])
import mlflow
print(mlflow.MlflowClient(sys.argv[1]).create_experiment("next"))
"""


@contextlib.contextmanager
def serving_there(moved: Moved, environment: Path, filled: Path) -> Iterator[str]:
    """The same server, with the databases and the store that were moved to."""
    original = servers.settings

    def settings(home: Path, password: str, **options: t.Any) -> dict[str, str]:
        found = original(home, password, **options)
        ini = home / "basic_auth.ini"
        ini.write_text(ini.read_text().replace(f"sqlite:///{home}/mlflow.db", moved.uri))
        kept = {"MLFLOW_BACKEND_STORE_URI": moved.uri, "MLFLOW_ARTIFACTS_DESTINATION": str(moved.store)}
        return {**found, **kept}

    servers.settings = settings
    try:
        with servers.serving(environment, moved.home / "again", ADMIN, hurried=True) as uri:
            yield uri
    finally:
        servers.settings = original


def test_what_fails_in_the_middle_leaves_nothing(moved: Moved) -> None:
    moved.change("UPDATE tags SET value = 'a' || char(0) || 'b' WHERE key = 't'")
    for do in (moved.move().look, moved.move().copy):
        with pytest.raises(stores.MoveError, match=r"tags: .* text with a NUL in it, .*: key 't', run_uuid '\w+'$"):
            do()
        assert moved.tables() == "0"
    # A name that PostgreSQL has no room for is only found in the middle.
    moved.change("UPDATE tags SET value = 'ab' WHERE key = 't'")
    moved.change("UPDATE experiments SET name = ? WHERE name = 'hidden'", ["x" * 5000])
    with pytest.raises(stores.MoveError, match=r"experiments: .*too long"):
        moved.move().copy()
    assert moved.tables() == "0"
    moved.change("UPDATE experiments SET name = 'hidden' WHERE length(name) = 5000")
    # What was cut off before its undo is undone by the next.
    moved.change("UPDATE tags SET value = 'ab' WHERE key = 't'")
    moved.move().copy()
    assert moved.tables() != "0"
    assert moved.move().look() == {}
    assert moved.move().copy()["rows"] == moved.rows()
    # What somebody else has put there is theirs.
    moved.sql("CREATE TABLE theirs (it int)")
    moved.move().undo()
    assert moved.tables() == "1"


def test_what_a_server_has_worked_with_is_not_emptied(moved: Moved) -> None:
    moved.move().copy()
    moved.sql("INSERT INTO experiments (name, lifecycle_stage) VALUES ('since', 'active')")
    with pytest.raises(stores.MoveError, match="rows in PostgreSQL that were not copied there: experiments"):
        moved.move().copy()
    assert moved.sql("SELECT count(*) FROM experiments WHERE name = 'since'") == "1"


def test_what_comes_while_it_is_counted_is_not_emptied(moved: Moved) -> None:
    moved.move().copy()
    plain = moved.uri.replace("+psycopg2:", ":")
    with subprocess.Popen(["psql", "-qAt", plain], stdin=-1, stdout=-1, text=True, bufsize=1) as other:
        assert other.stdin
        assert other.stdout
        print("BEGIN; INSERT INTO experiments (name) VALUES ('since'); SELECT 'there';", file=other.stdin)
        assert other.stdout.readline() == "there\n"
        with ThreadPoolExecutor(1) as pool:
            undone = pool.submit(moved.move().undo)
            while moved.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0" and not undone.done():
                time.sleep(0.1)
            print("COMMIT;", file=other.stdin)
            other.stdin.close()
            with pytest.raises(stores.MoveError, match="rows in PostgreSQL that were not copied there: experiments"):
                undone.result()
    assert moved.sql("SELECT count(*) FROM experiments WHERE name = 'since'") == "1"


def test_what_people_called_things_is_a_line(moved: Moved) -> None:
    (moved.state / "artifacts" / "link\nall is well\x1b[2K").symlink_to("/etc/hostname")
    with pytest.raises(stores.MoveError, match=r"no store holds: link all is well\\x1b\[2K$"):
        moved.move().look()


def test_nobody_else_works_on_it_meanwhile(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(account: str, name: str) -> None:
        raise transaction.ChangeError(f"gc of {name} still runs as {account}")

    monkeypatch.setattr(stores, "wait_until_nobody_runs", busy)
    with pytest.raises(transaction.ChangeError, match="gc of vision still runs"):
        moved.move().copy()
    assert moved.tables() == "0"
    assert not moved.store.exists()


def test_places_in_the_own_directory_go_along_and_others_are_named(moved: Moved) -> None:
    place = moved.state / "artifacts"
    moved.change("UPDATE experiments SET artifact_location = ? WHERE name = 'shared'", [f"file://{place}/1"])
    moved.change("UPDATE experiments SET artifact_location = 's3://else/where' WHERE name = 'hidden'")
    done = moved.move().copy()
    assert done["elsewhere"] == {"experiments.artifact_location": {"count": 1, "first": "s3://else/where"}}
    found = moved.sql("SELECT artifact_location FROM experiments WHERE name = 'shared'")
    assert found == "mlflow-artifacts:/1"


def test_places_in_the_own_directory_of_databases_that_stay_are_refused(moved: Moved) -> None:
    # As far as this goes, any database that is declared as it was is one that stays.
    stays = [{**moved.known["databases"][0], "file": None}]
    (paths.HERE.config / "vision" / "team.json").write_text(json.dumps({**moved.known, "databases": stays}))
    place = moved.state / "artifacts"
    moved.change("UPDATE runs SET artifact_uri = ? || '/1/' || run_uuid || '/artifacts'", [f"file://{place}"])
    odd = f"file://localhost/{place}/./1"
    moved.change("UPDATE experiments SET artifact_location = ? WHERE name = 'shared'", [odd])
    # Its name only begins like it.
    moved.change("UPDATE experiments SET artifact_location = ? WHERE name = 'hidden'", [f"file://{place}-else/1"])
    why = f"{moved.rows()['runs'] + 1} places in the databases, which stay, are .*: experiments.artifact_location {odd}"
    for do in (moved.move(databases=stays).look, moved.move(databases=stays).copy):
        with pytest.raises(stores.MoveError, match=why):
            do()
    assert not moved.store.exists()
    # As docs/stores.md says.
    moved.change("UPDATE experiments SET artifact_location = 'mlflow-artifacts:/' WHERE name = 'shared'")
    moved.change(
        "UPDATE runs SET artifact_uri = 'mlflow-artifacts:' || substr(artifact_uri, length(?) + 1)", [f"file://{place}"]
    )
    assert moved.move(databases=stays).rows("stay") == {}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("CREATE TABLE theirs (it int)", "the tracking database in PostgreSQL is not empty: theirs"),
        ("CREATE VIEW theirs AS SELECT 1", "the tracking database in PostgreSQL is not empty: theirs"),
    ],
)
def test_a_database_with_something_in_it_is_refused(moved: Moved, spoil: str, why: str) -> None:
    moved.sql(spoil)
    with pytest.raises(stores.MoveError, match=why):
        moved.move().look()
    with pytest.raises(stores.MoveError, match=why):
        moved.move().copy()
    assert moved.tables() == "1"


def test_what_would_stay_behind_is_refused(moved: Moved) -> None:
    (moved.state / "artifacts" / "link").symlink_to("/etc/hostname")
    with pytest.raises(stores.MoveError, match="1 links or other things that no store holds: link"):
        moved.move().look()
    (moved.state / "artifacts" / "link").unlink()
    moved.store.mkdir()
    (moved.store / "strange.txt").write_text("of somebody")
    with pytest.raises(stores.MoveError, match=r"1 files already that are not this team's: strange\.txt"):
        moved.move().look()
    (moved.store / "strange.txt").unlink()
    moved.change("CREATE TABLE own (it int)")
    moved.change("INSERT INTO own VALUES (1)")
    with pytest.raises(stores.MoveError, match="the table own is none of this MLflow's"):
        moved.move().copy()
    assert moved.tables() == "0"


def test_a_link_that_is_made_meanwhile_is_not_followed(moved: Moved) -> None:
    planted = moved.state / "artifacts" / "planted"
    planted.symlink_to("/etc/hostname")
    os.mkfifo(planted.with_name("pipe"))
    moved.move().begin()
    assert not (moved.store / "planted").exists()
    with pytest.raises(stores.MoveError, match="2 links or other things that no store holds: pipe, planted"):
        moved.move().copy()
    assert moved.tables() == "0"


def test_a_store_that_fails_in_the_middle(moved: Moved) -> None:
    assert moved.move().look() == {}
    # Nothing can be put below it.
    moved.store.mkdir()
    (moved.store / "1").write_text("")
    for do in (moved.move().begin, moved.move().copy):
        with pytest.raises(stores.MoveError):
            do()
        assert moved.tables() == "0"
    (moved.store / "1").unlink()
    assert moved.move().copy()["rows"] == moved.rows()


def test_of_two_runs_the_later_goes_on(moved: Moved, capsys: pytest.CaptureFixture[str]) -> None:
    def declare(run: str) -> Path:
        file = paths.HERE.changes / f"vision.{run}.declared"
        file.write_text(json.dumps(moved.declared()))
        return file

    transaction.make_home()
    first = declare("run-1")
    stores.main("look", "vision", "run-1")
    assert json.loads(capsys.readouterr().out)["moves"] == ["databases", "artifacts"]
    stores.main("claim", "vision", "run-1")
    # One in check mode is in nobody's way, nor one that is refused when it looks.
    for run in ("check-1", "run-2"):
        other = declare(run)
        stores.main("look", "vision", run)
        stores.main("end", "vision", run)
        assert not other.exists()
        stores.main("mine", "vision", "run-1")
    second = declare("run-3")
    stores.main("claim", "vision", "run-3")
    assert not first.exists()
    for do in ("mine", "begin", "keep", "copy", "try", "back", "undo", "done"):
        with pytest.raises(stores.MoveError, match="another run has begun to move team vision since"):
            stores.main(do, "vision", "run-1")
    stores.main("end", "vision", "run-1")
    assert second.exists()
    stores.main("copy", "vision", "run-3")
    stores.main("end", "vision", "run-3")
    assert sorted(paths.HERE.changes.glob("vision.*")) == [paths.HERE.changes / "vision.moving"]
    with pytest.raises(stores.MoveError, match="another run has begun"):
        stores.main("copy", "vision", "run-3")


def test_files_whose_copying_was_cut_off_are_no_strangers(moved: Moved) -> None:
    first = moved.move().begin()["artifacts"]
    note = paths.HERE.changes / "vision" / stores.ARTIFACTS_NOTE
    noted = json.loads(note.read_text())
    # As it stands before the first of them is there: nothing was read back.
    note.write_text(json.dumps({**noted, "known": {way: [] for way in noted["known"]}}))
    next(path for path in moved.store.rglob("data.bin")).write_bytes(b"a part")
    assert moved.move().artifacts("look") == {}
    assert moved.move().begin()["artifacts"] == first
    # A team that has none is one that may go, too; what it had is not there any more.
    shutil.rmtree(moved.state / "artifacts")
    assert moved.move().artifacts("copy", whole=True) == {"files": 0, "bytes": 0, "copied": 0}
    assert [path for path in moved.store.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("do", ["directory", "alone", "full", "many", "long", "deep", "room", "pipe", "spelt"])
def test_what_is_seen_from_inside(environment: Path, tmp_path: Path, do: str) -> None:
    done = subprocess.run(
        [environment / "bin" / "python", "-c", INSIDE[do], tmp_path],
        env={**os.environ, "PYTHONPATH": str(Path(stores.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-5000:]


STORE = """
import fcntl, os, shutil, sys
from pathlib import Path
from mlflowctl.in_mlflow import move_artifacts
home = Path(sys.argv[1])
place, store, shop = (home / name for name in ("artifacts", "store", "shop"))
for folder in (place, store, shop):
    folder.mkdir()
asked = {"from": str(place), "to": str(store), "note": str(shop / "note"), "wait": 0}

def refused(do, why, **more):
    try:
        do({**asked, **more})
    except move_artifacts.MoveError as error:
        assert why in str(error), error
    else:
        raise AssertionError("not refused")
"""
# A file becomes a directory of the same name, and one that is a file again.
DIRECTORY = """
(place / "x").write_text("a file")
(place / "x too").write_text("another that begins like it")
move_artifacts.copy({**asked, "whole": False})
for whole in (False, True):
    (place / "x").unlink()
    (place / "x").mkdir()
    (place / "x" / "y").write_text("in a directory")
    move_artifacts.copy({**asked, "whole": whole})
    assert (store / "x" / "y").read_text() == "in a directory"
    shutil.rmtree(place / "x")
    (place / "x").write_text("a file again")
    move_artifacts.copy({**asked, "whole": not whole})
    assert (store / "x").read_text() == "a file again"
    assert (store / "x too").exists()
"""
ALONE = """
(place / "x").write_text("a file")
handle = os.open(shop, os.O_RDONLY | os.O_DIRECTORY)
fcntl.flock(handle, fcntl.LOCK_EX)
for whole in (False, True):
    refused(move_artifacts.copy, "an earlier run is still copying the team's artifacts", whole=whole)
assert not [*store.iterdir()]
os.close(handle)
assert move_artifacts.copy({**asked, "whole": True})["copied"] == 1
"""
FULL = """
for number in range(9):
    (store / "else" / str(number)).mkdir(parents=True)
    (store / "else" / str(number) / "file").write_text("of somebody")
refused(move_artifacts.look, "the store has more than 5 files already that are not this team's: else/")
"""
MANY = """
taken = []
ways = (taken.append(number) or str(number) for number in range(5000))
found = move_artifacts.each(int, ways)
assert next(found) == 0
assert len(taken) <= 1000, len(taken)
assert list(found) == list(range(1, 5000))
"""
# A hundred rows of four megabytes, and many that are short.
LONG = """
import sqlalchemy, tracemalloc
from mlflowctl.in_mlflow import rows
with sqlalchemy.create_engine("sqlite://").connect() as connection:
    for name, number, size in (("long", 100, 2_000_000), ("short", 2500, 10), ("none", 0, 0)):
        connection.exec_driver_sql(f"CREATE TABLE {name} (it int, text text)")
        connection.exec_driver_sql(
            f"WITH RECURSIVE n(it) AS (SELECT 1 UNION ALL SELECT it + 1 FROM n WHERE it < {number}) "
            f"INSERT INTO {name} SELECT it, hex(zeroblob({size})) FROM n WHERE {number}"
        )
    found = {}
    for name in ("long", "short", "none"):
        table = sqlalchemy.table(name, sqlalchemy.column("it"), sqlalchemy.column("text"))
        tracemalloc.start()
        fetched = rows.fitting(connection, table)
        sizes = []
        for part in rows.parts(connection, sqlalchemy.select(table), fetched):
            sizes.append(len(part))
        found[name] = fetched, sum(sizes), max(sizes, default=0), tracemalloc.get_traced_memory()[1] < 80 * 10**6
        tracemalloc.stop()
        part = None
    assert found == {"long": (4, 100, 5, True), "short": (1000, 2500, 1000, True), "none": (1000, 0, 0, True)}, found
"""
# As anybody can have MLflow make it, one upload after the other.
DEEP = """
os.chdir(place)
for _level in range(1500):
    os.mkdir("d")
    os.chdir("d")
Path("file").touch()
os.symlink("file", "link")
assert [*move_artifacts.files(str(place))] == ["d/" * 1500 + "file"]
assert move_artifacts.odd(str(place)) == ["d/" * 1500 + "link"]
for name in ("file", "link"):
    os.unlink(name)
for _level in range(1500):
    os.chdir("..")
    os.rmdir("d")
"""
# The disk has two and a half of them free, which each has all the same, one after the other.
ROOM = """
import types
shutil.disk_usage = lambda path: types.SimpleNamespace(free=(200 << 20) + 2500)
for number in range(20):
    (place / str(number)).write_text("x" * 1000)
(shop / "artifacts.back" / "of one that was killed").mkdir(parents=True)
assert move_artifacts.copy({**asked, "whole": True})["copied"] == 20
assert not (shop / "artifacts.back").exists()
# With one call, and nothing of it on any disk.
(place / "huge").touch()
os.truncate(place / "huge", 1 << 40)
refused(move_artifacts.copy, "has 200 MiB free, and 1048776 MiB are needed to read huge back", whole=True)
assert not (store / "huge").exists()
"""
# Exchanged when it was looked at, and before it is opened, by who can write there.
PIPE = """
(place / "x").write_text("a file")
(place / "y").write_text("a file")
held = move_artifacts.Room.held
def exchange(*words):
    if words[1] == "x":
        (place / "x").unlink()
        os.mkfifo(place / "x")
    return held(*words)
move_artifacts.Room.held = exchange
try:
    move_artifacts.copy({**asked, "whole": False})
except OSError as error:
    assert str(error) == f"{place}/x is no file any more", error
else:
    raise AssertionError("not refused")
(place / "x").unlink()
assert move_artifacts.copy({**asked, "whole": True})["files"] == 1
assert [it.name for it in store.iterdir()] == ["y"] and (store / "y").read_text() == "a file"
assert not (store / "y").is_symlink()
"""
SPELT = """
from mlflowctl.in_mlflow import rows
root = str(place)
os.chdir(home)
for spelt in (
    root, f"{root}/1", f"file:{root}/1", f"file://{root}", f"file://localhost{root}/1", f"FILE://{root}/1",
    f"file:///{root}/1", f"/{root}/1", f"{home}//artifacts/1", f"{home}/./artifacts/1", f"{home}/else/../artifacts/1",
    f" file://{root}/1", f"{root}?x=1", f"file://{home}/art%69facts/1", f"file://{root}/1#x",
    "artifacts/1", "./artifacts",
    f"file:\\t//{root}", f"file://{root};x/1",
):
    assert rows.may_lead_into(spelt, root), spelt
for spelt in (
    f"{root}-else/1", f"s3://bucket{root}", f"file://{home}/else", "", "mlflow-artifacts:/1", f"{root}/../else",
    "runs:/1/artifacts",
):
    assert not rows.may_lead_into(spelt, root), spelt
"""
INSIDE = {
    "spelt": STORE + SPELT,
    "pipe": STORE + PIPE,
    "directory": STORE + DIRECTORY,
    "alone": STORE + ALONE,
    "full": STORE + FULL,
    "many": STORE + MANY,
    "long": LONG,
    "deep": STORE + DEEP,
    "room": STORE + ROOM,
}


def test_no_password_is_shown(moved: Moved) -> None:
    moved.uri = moved.uri.replace("canary", "canary-of-another")
    with pytest.raises(stores.MoveError, match="password authentication failed") as told:
        moved.move().look()
    assert "canary" not in str(told.value)


def test_of_two_teams_that_go_to_one_database_the_first_stays(moved: Moved, tmp_path: Path) -> None:
    """Each has looked before the other has begun; they have as many of everything."""
    other = Moved.__new__(Moved)
    other.__dict__ = {**moved.__dict__, "state": tmp_path / "other"}
    other.known = {**moved.known, "name": "other"}
    (paths.HERE.config / "other").mkdir()
    (paths.HERE.config / "other" / "venv").symlink_to(os.readlink(paths.HERE.config / "vision" / "venv"))
    (paths.HERE.config / "other" / "team.json").write_text(json.dumps(other.known))
    late = stores.Move(stores.teams.load("other"), other.declared(artifacts=moved.known["artifacts"]))
    rows = late.rows

    def ask(do: str, copied: dict[str, int] | None = None) -> dict[str, t.Any]:
        if do == "copy":
            moved.move(artifacts=moved.known["artifacts"]).copy()
        return rows(do, copied)

    late.rows = ask  # type: ignore[method-assign]
    with pytest.raises(stores.MoveError, match="the tracking database in PostgreSQL is not empty"):
        late.copy()
    assert moved.sql("SELECT count(*) FROM runs") == str(moved.rows()["runs"])
    assert late.begun() is None
