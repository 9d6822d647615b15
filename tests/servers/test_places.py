"""Nobody reads what is others', or is sent a log-in, by naming a place as that of what is their own."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t
from collections.abc import Iterator
from pathlib import Path

import as_unit
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
# Nothing is read from there here.
BUCKET = "s3://bucket/nlp"
ROUTE = "/api/2.0/mlflow-artifacts/artifacts/"
NEWEST = [project.MLFLOW.name, *project.next_mlflows()]
OWN_PLACE, KIND, ARCHIVE = "mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.archiveLocation"
# A trace by OpenTelemetry, with tags.
TELEMETRY = """
import base64, os, sys, urllib.request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest()
span = request.resource_spans.add().scope_spans.add().spans.add()
span.trace_id, span.span_id, span.name = bytes.fromhex(sys.argv[2]), os.urandom(8), "answer"
span.start_time_unix_nano, span.end_time_unix_nano = 1795900000 * 10**9, 1795900001 * 10**9
for tag in sys.argv[3:]:
    name, _, value = tag.partition("=")
    attribute = span.attributes.add()
    attribute.key, attribute.value.string_value = "mlflow.traceTag." + name, value
asked = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/v1/traces", request.SerializeToString())
login = os.environ["MLFLOW_TRACKING_USERNAME"] + ":" + os.environ["MLFLOW_TRACKING_PASSWORD"]
asked.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
asked.add_header("Content-Type", "application/x-protobuf")
asked.add_header("x-mlflow-experiment-id", sys.argv[1])
urllib.request.urlopen(asked)
"""


class Place(t.NamedTuple):
    """A server, and an experiment that both may edit."""

    reader: Reader
    person: mlflow_person.Person
    experiment: str
    home: Path

    @property
    def location(self) -> dict[str, t.Any]:
        """The experiment, as the location of traces."""
        return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}}

    def trace(self, name: str, assessments: list[dict[str, t.Any]] | None = None, **tags: str) -> int:
        """Return how eve is answered who begins a trace of this name."""
        location = self.location
        info = {"trace_id": name, "trace_location": location, "request_time": "2026-11-28T20:00:00Z", "state": "OK"}
        return self.reader.status(
            "POST", V3 + "traces", EVE, trace={"trace_info": {**info, "tags": tags, "assessments": assessments or []}}
        )

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a trace."""
        found = self.reader.ask("GET", V3 + f"traces/{name}")["trace"]["trace_info"]["tags"]
        return dict(found)


@pytest.fixture(scope="module", params=NEWEST)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home, venv = tmp_path_factory.mktemp("places") / "home", project.BUILD / request.param
    home.mkdir(mode=0o700)
    version = t.cast("tuple[int, int]", tuple(int(part) for part in servers.version_of(venv).split(".")[:2]))
    with as_unit.serving(venv, home, ADMIN, MLFLOW_ARTIFACTS_DESTINATION=BUCKET) as uri:
        reader = reader_for(uri, ADMIN, version)
        experiment = reader.create_experiment("shared")
        for who in (ANN, EVE):
            reader.create_user(*who)
            grant = {"username": who[0], "resource_type": "experiment", "resource_id": experiment, "permission": "EDIT"}
            reader.ask("POST", V3 + "users/permissions/grant", **grant)
        with mlflow_person.working(venv, uri, home) as person:
            yield Place(reader, person, experiment, home)


def test_a_version_has_no_source_in_the_servers_store_that_is_not_of_its_run(place: Place) -> None:
    reader = place.reader
    run = reader.ask("POST", V2 + "runs/create", ANN, experiment_id=place.experiment)["run"]["info"]
    reader.ask("POST", V2 + "registered-models/create", EVE, name="eves")

    def answered(source: str, **more: str) -> int:
        return reader.status("POST", V2 + "model-versions/create", EVE, name="eves", source=source, **more)

    others = f"{place.experiment}/{run['run_id']}/artifacts"
    for source in (
        f"{BUCKET}/{others}",
        BUCKET,
        "s3://bucket",
        "S3://BUCKET/nlp/1",
        f"s3://bucket/else/../nlp/{others}",
    ):
        assert answered(source) == 400, source
        # What the run has is where the server says, and not in the store behind it.
        assert answered(source, run_id=run["run_id"]) == 400, source
    assert answered("s3://elsewhere/model") == 200
    assert answered(f"{run['artifact_uri']}/model", run_id=run["run_id"]) == 200
    assert answered(f"runs:/{run['run_id']}/model", run_id=run["run_id"]) == 200


def test_an_experiment_is_not_within_one_that_its_creator_may_not_edit(place: Place) -> None:
    reader = place.reader
    hers = reader.ask("POST", V2 + "experiments/create", ANN, name="anns")["experiment_id"]
    run = reader.ask("POST", V2 + "runs/create", ANN, experiment_id=hers)["run"]["info"]["run_id"]
    count = iter(range(1000))

    def answered(who: tuple[str, str] | None, location: str) -> int:
        values = {"name": f"within {next(count)}", "artifact_location": location}
        return reader.status("POST", V2 + "experiments/create", who, **values)

    for within in (
        f"mlflow-artifacts:/{hers}",
        f"mlflow-artifacts:/{hers}/{run}/artifacts/x",
        f"mlflow-artifacts:/%3{hers}/{run}",
        f"mlflow-artifacts:/x/../{hers}/{run}",
        f"MLFLOW-ARTIFACTS:///{hers}//{run}/?x=1",
        f"{BUCKET}/{hers}/{run}/artifacts",
        f"s3://bucket/else/../nlp/./{hers}",
        # Whoever makes the next one is not yet known.
        f"mlflow-artifacts:/{int(hers) + 500}",
    ):
        assert answered(EVE, within) in (400, 403), within
    assert answered(ANN, f"mlflow-artifacts:/{hers}/more") == 200
    assert answered(None, f"mlflow-artifacts:/{hers}/more") == 200
    # Where she may edit, and where nobody is.
    for own in (f"mlflow-artifacts:/{place.experiment}", "mlflow-artifacts:/elsewhere/1", "s3://else/nlp/1"):
        assert answered(EVE, own) == 200, own


@pytest.mark.parametrize("venv", [project.MLFLOW.name, *project.next_mlflows()])
def test_what_has_two_routes_leads_to_nobody_elses(venv: str, tmp_path: Path) -> None:
    """As in the database of a server of MLflow 3.16, which took it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with as_unit.serving(project.BUILD / venv, home, ADMIN) as uri:
        reader = reader_for(uri, ADMIN, (3, 17))
        for who in (ANN, EVE):
            reader.create_user(*who)
        (hers, run), (_own, evil) = (begun(reader, who) for who in (ANN, EVE))
        within = f"{hers}/{run}/artifacts"
        (home / "artifacts" / within).mkdir(parents=True)
        (home / "artifacts" / within / "secret.json").write_text("{}")

        def answered(who: tuple[str, str], **wanted: str) -> list[int]:
            read = reader.status("GET", "/get-artifact", who, **wanted)
            return [read, reader.status("GET", V2 + "artifacts/list", who, run_id=wanted["run_uuid"])]

        assert answered(ANN, run_uuid=run, path="secret.json") == [200, 200]
        assert answered(EVE, run_uuid=run, path="secret.json") == [403, 403]
        for between, path in (("", f"{within}/"), (hers, f"{run}/artifacts/"), (within, "")):
            place = f"http://x{ROUTE}{between}{ROUTE}x/{evil}/artifacts"
            database = sqlite3.connect(home / "mlflow.db", timeout=60)
            with contextlib.closing(database), database:
                database.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (place, evil))
            assert answered(EVE, run_uuid=evil, path=f"{path}secret.json") == [400, 400], place
        values = {"name": "two routes", "artifact_location": f"http://x{ROUTE}{ROUTE}x"}
        assert reader.status("POST", V2 + "experiments/create", EVE, **values) == 400


def begun(reader: Reader, who: tuple[str, str]) -> tuple[str, str]:
    """Return the numbers of an experiment and a run in it that somebody makes."""
    experiment = reader.ask("POST", V2 + "experiments/create", who, name=f"{who[0]}s own")["experiment_id"]
    return experiment, reader.ask("POST", V2 + "runs/create", who, experiment_id=experiment)["run"]["info"]["run_id"]


def test_the_number_of_a_run_is_no_grant_on_it(place: Place) -> None:
    reader = place.reader
    hers = reader.ask("POST", V2 + "experiments/create", ANN, name="anns runs")["experiment_id"]
    run = reader.ask("POST", V2 + "runs/create", ANN, experiment_id=hers)["run"]["info"]["run_id"]
    reader.ask("POST", V2 + "runs/log-metric", ANN, run_id=run, key="loss", value=0.5, timestamp=1, step=0)
    dataset = {"name": "data", "digest": "1", "source_type": "local", "source": "{}"}
    for api in ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"):
        for method, route, values in (
            ("GET", "metrics/get-history-bulk-interval", {"run_ids": run, "metric_key": "loss", "max_results": 9}),
            ("POST", "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset}]}),
            ("POST", "runs/outputs", {"run_id": run, "models": []}),
        ):
            assert reader.status(method, api + route, EVE, **values) == 403, (api, route)
            assert reader.status(method, api + route, ANN, **values) == 200, (api, route)


def test_nobody_says_where_the_data_of_a_trace_are(place: Place) -> None:
    name, evil = "tr-" + "1" * 32, "http://127.0.0.1:9/evil"
    assert place.trace(name) == 200
    own = place.tags(name)[OWN_PLACE]
    for path in (V3 + f"traces/{name}/tags", V2 + f"traces/{name}/tags"):
        assert place.reader.status("PATCH", path, EVE, key=OWN_PLACE, value=evil) == 400
        assert place.reader.status("PATCH", path, EVE, key="colour", value="red") == 200
    # Where it begins with that, either nothing is made of it, or it has its own.
    place.trace("tr-" + "2" * 32, **{OWN_PLACE: evil})
    place.trace(name, **{OWN_PLACE: evil})
    found = place.reader.ask(
        "POST",
        V3 + "traces/search",
        ANN,
        locations=[place.location],
    )
    assert evil not in str(found)
    assert place.tags(name) == {**place.tags(name), OWN_PLACE: own, "colour": "red"}


def test_nobody_says_it_in_another_way_of_making_a_trace(place: Place, tmp_path: Path) -> None:
    said = {OWN_PLACE: "http://127.0.0.1:9/evil", KIND: "ARCHIVE_REPO", ARCHIVE: "file:///evil"}
    reader, colour = place.reader, {"colour": "blue"}
    begun, number = "tr-" + "3" * 32, "4" * 32
    assert place.trace(begun, **{KIND: said[KIND], ARCHIVE: said[ARCHIVE]}, **colour) == 200
    tags = [{"key": key, "value": value} for key, value in {**said, **colour}.items()]
    # The older routes of MLflow 2, which are still there.
    of_two = {"timestamp_ms": 1795900000000, "request_metadata": [], "tags": tags}
    reader.ask("PATCH", V2 + f"traces/{begun}", EVE, status="OK", **of_two)
    former = reader.ask("POST", V2 + "traces", EVE, experiment_id=place.experiment, **of_two)["trace_info"][
        "request_id"
    ]
    (tmp_path / "telemetry.py").write_text(TELEMETRY)
    words = [place.experiment, number, *(f"{key}={value}" for key, value in {**said, **colour}.items())]
    told = place.person.ask(EVE, "script", path=str(tmp_path / "telemetry.py"), arguments=words)
    assert told == "", told
    for name in (begun, former, "tr-" + number):
        found = place.tags(name)
        assert found["colour"] == "blue"
        assert found[OWN_PLACE] == f"mlflow-artifacts:/{place.experiment}/traces/{name}/artifacts"
        assert found.get(KIND) in (None, "TRACKING_STORE")
        assert ARCHIVE not in found


@pytest.mark.parametrize("place", [*project.between_mlflows(), *NEWEST], indirect=True)
def test_a_trace_stays_in_its_experiment(place: Place, tmp_path: Path) -> None:
    reader, number = place.reader, "6" * 32
    name, route = f"tr-{number}", V3 + f"traces/tr-{number}"
    own = reader.ask("POST", V2 + "experiments/create", ANN, name="ann's own")["experiment_id"]
    (tmp_path / "telemetry.py").write_text(TELEMETRY)

    def span(who: tuple[str, str], experiment: str) -> t.Any:
        words = [experiment, number, "colour=blue"]
        return place.person.ask(who, "script", path=str(tmp_path / "telemetry.py"), arguments=words)

    assert span(ANN, own) == ""
    info = reader.ask("GET", route, ANN)["trace"]["trace_info"]
    spans = "SELECT count(*), min(experiment_id), max(experiment_id) FROM spans"

    def kept() -> t.Any:
        with contextlib.closing(sqlite3.connect(place.home / "mlflow.db", timeout=60)) as database:
            return database.execute(f"{spans} WHERE trace_id = ?", (name,)).fetchone()

    assert kept() == (1, int(own), int(own))
    # Whoever knows its name.
    assert (place.trace(name), reader.status("GET", route, EVE)) == (400, 403)
    assert "400" in span(EVE, place.experiment)["error"]
    assert reader.ask("GET", route, ANN)["trace"]["trace_info"] == info
    assert kept() == (1, int(own), int(own))
    # So is what was said of it.
    said = {"assessment_name": "right", "feedback": {"value": True}}
    said |= {"source": {"source_type": "HUMAN", "source_id": "ann"}, "trace_id": name}
    made = reader.ask("POST", f"{route}/assessments", ANN, assessment=said)["assessment"]
    hers, mine = made["assessment_id"], "tr-" + "7" * 32
    assert place.trace(mine) == 200
    taken = {**said, "assessment_id": hers, "trace_id": mine, "feedback": {"value": False}}
    assert place.trace(mine, assessments=[taken]) == 400
    assert reader.ask("GET", f"{route}/assessments/{hers}", ANN)["assessment"] == made
    # A client tells of its spans and of the trace, in any order.
    assert span(ANN, own) == ""
    assert kept() == (2, int(own), int(own))


def test_what_was_said_before_leads_nowhere(place: Place) -> None:
    """As in the database of a server that took it."""
    victim, name = place.home / "all-there-is", "tr-" + "5" * 32
    victim.mkdir()
    # Read twice, this is the directory; and each place ends with a name of MLflow's.
    odd = f"file:file%3A//{victim}%3F"
    assert place.trace(name) == 200
    database = sqlite3.connect(place.home / "mlflow.db", timeout=60)
    with contextlib.closing(database), database:
        said = [(key, value, name) for key, value in ((KIND, "ARCHIVE_REPO"), (ARCHIVE, odd))]
        database.executemany("INSERT INTO trace_tags (key, value, request_id) VALUES (?, ?, ?)", said)
    assert place.tags(name)[ARCHIVE] == odd
    # Whoever searches the experiment is answered, with all of its traces.
    assert name in place.person.ask(ANN, "traces", experiment_id=place.experiment)
    gone = {"experiment_id": place.experiment, "request_ids": [name]}
    assert place.reader.ask("POST", V3 + "traces/delete-traces", **gone) == {"traces_deleted": 1}
    assert victim.exists()


@pytest.mark.parametrize(
    "name", ["../../1/traces/tr-" + "1" * 32, "tr-1/x", "..", "tr-1\\x", "tr-1?x", "tr-1%2f..", "tr-1\n"]
)
def test_the_name_of_a_trace_is_no_path(place: Place, name: str) -> None:
    assert place.trace(name) == 400


def test_who_traces_as_ever_sees_it(place: Place) -> None:
    trace = place.person.ask(ANN, "trace", experiment_id=place.experiment, question="how far?", answer="384400 km")
    assert isinstance(trace, str), trace
    assert trace in str(place.reader.ask("GET", V3 + f"traces/{trace}", EVE))
