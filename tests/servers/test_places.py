"""Nobody reads what is others', or is sent a log-in, by naming a place as that of what is their own."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import as_unit
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
# Nothing is read from there here.
BUCKET = "s3://bucket/nlp"
OWN_PLACE = "mlflow.artifactLocation"


class Place(t.NamedTuple):
    """A server, and an experiment that both may edit."""

    reader: Reader
    person: mlflow_person.Person
    experiment: str

    def trace(self, name: str, **tags: str) -> int:
        """Return how eve is answered who begins a trace of this name."""
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}}
        info = {"trace_id": name, "trace_location": location, "request_time": "2026-11-28T20:00:00Z", "state": "OK"}
        return self.reader.status("POST", V3 + "traces", EVE, trace={"trace_info": {**info, "tags": tags}})

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a trace."""
        found = self.reader.ask("GET", V3 + f"traces/{name}")["trace"]["trace_info"]["tags"]
        return dict(found)


@pytest.fixture(scope="module", params=[project.MLFLOW.name, *project.next_mlflows()])
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
            yield Place(reader, person, experiment)


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
        locations=[{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": place.experiment}}],
    )
    assert evil not in str(found)
    assert place.tags(name) == {**place.tags(name), OWN_PLACE: own, "colour": "red"}


@pytest.mark.parametrize(
    "name", ["../../1/traces/tr-" + "1" * 32, "tr-1/x", "..", "tr-1\\x", "tr-1?x", "tr-1%2f..", "tr-1\n"]
)
def test_the_name_of_a_trace_is_no_path(place: Place, name: str) -> None:
    assert place.trace(name) == 400


def test_who_traces_as_ever_sees_it(place: Place) -> None:
    trace = place.person.ask(ANN, "trace", experiment_id=place.experiment, question="how far?", answer="384400 km")
    assert isinstance(trace, str), trace
    assert trace in str(place.reader.ask("GET", V3 + f"traces/{trace}", EVE))
