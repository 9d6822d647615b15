"""Artifacts at places of people's own are in no backup, and so are named wherever somebody could think otherwise."""

import itertools
import json
import sqlite3
import subprocess

import pytest
from mlflowctl import locations
from mlflowctl.program import PROGRAM

OWN = "/var/lib/mlflow/vision/artifacts"
MISSED = [
    "file:///var/lib/mlflow/vision/own",
    "FILE:///var/lib/mlflow/vision/own",
    "file:/var/lib/mlflow/vision/own",
    "file://elsewhere/var/lib/mlflow/vision/artifacts/1",
    "fi\nle:///var/lib/mlflow/vision/own",
    " file:///var/lib/mlflow/vision/own",
    "/var/lib/mlflow/vision/own",
    "own",
    "prompt-template",
    "./mlruns/1",
    "C:\\mlruns\\1",
    "file:///var/lib/mlflow/vision/artifacts-of-mine",
    "file:///var/lib/mlflow/vision/artifacts/../own",
    "/var/lib/mlflow/vision/artifacts/1/../../own",
    "file:///var/lib/mlflow/vision/artifacts/%2e%2e/own",
    "file:///var/lib/mlflow/vision/own?x=/var/lib/mlflow/vision/artifacts/1",
    "file:///var/lib/mlflow/vision/own#/var/lib/mlflow/vision/artifacts/1",
    "file:///var/lib/mlflow/vision?/artifacts/1",
]
COVERED = [
    "file:///var/lib/mlflow/vision/artifacts/1",
    "file://localhost/var/lib/mlflow/vision/artifacts/1",
    "/var/lib/mlflow/vision/artifacts",
    "/var/lib/mlflow//vision/artifacts/1/",
    "mlflow-artifacts:/1",
    "mlflow-artifacts:/1?x=/4",
    "s3://bucket/1",
    "",
    None,
]


@pytest.mark.parametrize("uri", MISSED)
def test_what_is_at_a_place_of_its_own_is_counted(uri):
    found = locations.Elsewhere(OWN, [])
    found.add(uri)
    assert found.told() == {"accepted": 0, "others": 1, "names": [json.dumps(uri)[1:-1]]}


@pytest.mark.parametrize("uri", COVERED)
def test_what_the_server_keeps_is_not(uri):
    found = locations.Elsewhere(OWN, [])
    found.add(uri)
    assert found.told()["others"] == 0


def test_what_is_known_of_is_counted_apart_and_cannot_hide_another():
    uris = ["file:///home/a", "file:///srv/b", "relative"]
    # All that MLflow reads as the way up.
    uris += [f"file:///home/{up}/var/lib/own" for up in ("..", "%2e%2e", ".%2E", ".\t.", "%2e\n%2e")]
    for accepted, others in ((["file:///home/"], 7), (["*"], 0)):
        found = locations.Elsewhere(OWN, accepted)
        for uri in uris:
            found.add(uri)
        assert (found.others, found.known) == (others, 8 - others)


def test_no_name_moves_a_cursor_and_many_are_not_all_named():
    found = locations.Elsewhere(OWN, [])
    for number in range(1000):
        found.add(f"/tmp/{number}\x1b[2K\u202e{'x' * 5000}")  # noqa: S108 - only a name
    told = found.told()
    assert told["others"] == 1000
    assert len(told["names"]) <= locations.MOST
    assert all(name.isascii() and name.isprintable() and len(name) < 300 for name in told["names"])
    assert "1000 rows or links" in locations.described(told)


def test_all_tables_that_have_places_are_looked_at(tmp_path):
    path, number = tmp_path / "tracking.db", itertools.count()
    with sqlite3.connect(path) as database:
        for table, (column, which) in locations.COLUMNS.items():
            key, values = which or ("other", [""])
            database.execute(f"CREATE TABLE {table} ({key} TEXT, {column} TEXT)")
            for value in values:
                database.execute(f"INSERT INTO {table} VALUES (?, ?)", (value, f"/own/{next(number)}"))  # noqa: S608
            database.execute(f"INSERT INTO {table} VALUES ('another', 'mlflow-artifacts:/1')")  # noqa: S608
    database.close()
    assert locations.find(str(path), OWN)["others"] == next(number) == 6


def test_an_old_version_of_a_model_is_where_it_came_from(tmp_path):
    """MLflow looks there as long as nothing is in the column that came later."""
    path = tmp_path / "tracking.db"
    rows = [(None, "/own/1"), ("", "/own/2"), ("mlflow-artifacts:/3", "/own/3"), (None, "mlflow-artifacts:/4")]
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE model_versions (storage_location TEXT, source TEXT)")
        database.executemany("INSERT INTO model_versions VALUES (?, ?)", rows)
    database.close()
    assert locations.find(str(path), OWN)["names"] == ["/own/1", "/own/2"]
    lines = ["COPY public.model_versions (name, source, storage_location) FROM stdin;\n"]
    lines += [f"m\t{source}\t{place if place is not None else chr(92) + 'N'}\n" for place, source in rows] + ["\\.\n"]
    found = list(locations.in_script(line.encode() for line in lines))
    assert found == ["/own/1", "/own/2", "mlflow-artifacts:/3", "mlflow-artifacts:/4"]


def test_a_version_of_a_prompt_has_no_place(tmp_path):
    path = tmp_path / "tracking.db"
    with sqlite3.connect(path) as database:
        for table in ("model_versions", "runs"):
            database.execute(f"CREATE TABLE {table} ({locations.COLUMNS[table][0]} TEXT)")
            database.execute(f"INSERT INTO {table} VALUES ('prompt-template')")  # noqa: S608
    database.close()
    assert locations.find(str(path), OWN)["others"] == 1
    lines = []
    for table in ("model_versions", "runs"):
        lines += [f"COPY public.{table} ({locations.COLUMNS[table][0]}) FROM stdin;\n", "prompt-template\n", "\\.\n"]
    assert list(locations.in_script(line.encode() for line in lines)) == [None, "prompt-template"]


def test_a_dump_is_read_as_postgresql_writes_it():
    script = (
        b"COPY public.experiments (experiment_id, name, artifact_location) FROM stdin;\n"
        b"1\tCOPY public.runs (artifact_uri) FROM stdin;\tmlflow-artifacts:/1\n"
        b"2\ttab\\there\tfile:///own\\\\x\n3\tnone\t\\N\n\\.\n"
        b"COPY public.trace_tags (key, value, request_id) FROM stdin;\n"
        b"mlflow.artifactLocation\t/own/traces\tx\n"
        b"mlflow.trace.archiveLocation\t/own/old\tx\nother\t/own/no place\tx\n\\.\n"
        b"COPY public.params (key, value) FROM stdin;\nartifact_uri\t/own\n\\.\n"
    )
    found = list(locations.in_script(script.splitlines(keepends=True)))
    assert found == ["mlflow-artifacts:/1", "file:///own\\x", None, "/own/traces", "/own/old"]


def test_a_team_that_writes_no_database_is_told_so(tmp_path):
    (tmp_path / "auth.db").write_text("no database, but long enough to be looked at")
    command = [*PROGRAM, "locations", str(tmp_path / "auth.db")]
    done = subprocess.run(
        [*command, '{"artifacts": null, "accepted": []}'], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "not a database" in done.stderr) == (1, True)
