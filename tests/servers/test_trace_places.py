"""The data of a trace are at its own place, whatever somebody said before that nobody can say any more."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import typing as t
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import as_unit
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN, ANN = "the admin's own word", ("ann", "a word of ann's")
PLACE, ATTACHMENT = "mlflow.artifactLocation", "123e4567-e89b-42d3-a456-426614174000"
ARTIFACT = "/ajax-api/2.0/mlflow/get-trace-artifact"


class Kept(t.NamedTuple):
    """A server, an experiment of ann's with its place, and two traces: one with spans in the database, one without."""

    reader: Reader
    home: Path
    experiment: str
    location: str
    traces: tuple[str, str]

    def change(self, *statements: tuple[str, tuple[str, ...]]) -> None:
        """Have a database as that of a server that took it."""
        database = sqlite3.connect(self.home / "mlflow.db", timeout=60)
        with contextlib.closing(database), database:
            for statement, values in statements:
                database.execute(statement, values)

    def told(self, trace: str) -> dict[str, str]:
        """Return what is said of a trace, in each way in which it is."""
        where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}}
        found = {}
        for method, path, values in (
            ("GET", V3 + f"traces/{trace}", {}),
            ("GET", V3 + "traces/get", {"trace_id": trace}),
            ("GET", V3 + "traces/batchGet", {"trace_ids": trace}),
            ("POST", V3 + "traces/batchGetInfos", {"trace_ids": [trace]}),
            ("POST", V3 + "traces/search", {"locations": [where]}),
            ("POST", "/ajax-api/3.0/mlflow/traces/search", {"locations": [where]}),
            ("GET", V2 + "traces", {"experiment_ids": self.experiment}),
            ("GET", V2 + f"traces/{trace}/info", {}),
            ("PATCH", V2 + f"traces/{trace}", {"status": "OK", "timestamp_ms": 1795900000000}),
        ):
            try:
                found[f"{method} {path}"] = json.dumps(self.reader.ask(method, path, ANN, **values))
            except urllib.error.HTTPError as error:
                found[f"{method} {path}"] = f"{error.code} {error.read()[:200]!a}"
        return found


@pytest.fixture(params=[None, "mlflow-artifacts:/elsewhere/of hers"], ids=["usual", "chosen"])
def location(request: pytest.FixtureRequest) -> t.Any:
    return request.param


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[t.Any]:
    home, venv = tmp_path_factory.mktemp("traces") / "home", project.BUILD / request.param
    home.mkdir(mode=0o700)
    with as_unit.serving(venv, home, ADMIN) as uri, mlflow_person.working(venv, uri, home) as person:
        reader = reader_for(uri, ADMIN, (3, 17))
        reader.create_user(*ANN)
        yield reader, person, home


@pytest.fixture
def kept(server: t.Any, location: str | None) -> Kept:
    reader, person, home = server
    chosen = {"artifact_location": location} if location else {}
    name = f"at {location} {servers.free_port()}"
    number = reader.ask("POST", V2 + "experiments/create", ANN, name=name, **chosen)["experiment_id"]
    whole = person.ask(ANN, "trace", experiment_id=number, question="how far?", answer="384400 km")
    bare = f"tr-{number:0>32}"
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": number}}
    info = {"trace_id": bare, "trace_location": where, "request_time": "2026-11-28T20:00:00Z", "state": "OK"}
    reader.ask("POST", V3 + "traces", ANN, trace={"trace_info": info})
    place = location or f"mlflow-artifacts:/{number}"
    files = home / "artifacts" / place.partition(":/")[2]
    write(files / "traces" / bare / "artifacts", "hers")
    return Kept(reader, home, number, place, (whole, bare))


def write(place: Path, whose: str) -> None:
    """Write what MLflow reads there of a trace."""
    (place / "attachments").mkdir(parents=True)
    (place / "traces.json").write_text(json.dumps({"spans": [], "whose": whose}))
    (place / "attachments" / ATTACHMENT).write_text(json.dumps({"whose": whose}))


def test_nobody_is_sent_anywhere_else(kept: Kept, tmp_path: Path) -> None:
    write(tmp_path / "others", "others")
    places = [f"file://{tmp_path}/others", "http://127.0.0.1:9/evil", f"{kept.location}/evil", "s3://bucket/x"]
    for said in (None, *places):
        for trace in kept.traces:
            if said:
                change = "UPDATE trace_tags SET value = ? WHERE key = ? AND request_id = ?"
                kept.change((change, (said, PLACE, trace)))
            own = f"{kept.location}/traces/{trace}/artifacts"
            for way, answer in kept.told(trace).items():
                # Without spans, it says nothing there.
                if trace == kept.traces[0] or not way.endswith(("traces/get", "traces/batchGet")):
                    assert own in answer, (way, answer)
                assert said is None or said not in answer, (way, answer)
        for asked in ({}, {"path": ATTACHMENT}):
            assert kept.reader.ask("GET", ARTIFACT, ANN, request_id=kept.traces[1], **asked)["whose"] == "hers"


@pytest.mark.parametrize("name", ["../../1/traces/{}", "{}%2f..", "{}?", ".{}", "of hers {}"])
def test_a_trace_whose_name_may_be_a_path_has_no_place(kept: Kept, name: str) -> None:
    odd = name.format(kept.traces[1][-8:])
    tables = ("trace_info", "trace_tags", "trace_request_metadata")
    statements = [f"UPDATE {table} SET request_id = ? WHERE request_id = ?" for table in tables]  # noqa: S608 - no input
    kept.change(*((statement, (odd, kept.traces[1])) for statement in statements))
    found = kept.told(kept.traces[0])
    assert odd in str(found)
    assert f"{odd}/artifacts" not in str(found)
    for asked in ({}, {"path": ATTACHMENT}):
        assert kept.reader.status("GET", ARTIFACT, ANN, request_id=odd, **asked) >= 400
