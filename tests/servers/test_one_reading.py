"""Nobody changes what is others' by naming it in another way than what they may change."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import sqlite3
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import as_unit
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
RUN_CHANGES: dict[str, dict[str, t.Any]] = {
    "set-tag": {"key": "evil", "value": "x"},
    "delete-tag": {"key": "of"},
    "log-metric": {"key": "evil", "value": 1, "timestamp": 1, "step": 0},
    "log-parameter": {"key": "evil", "value": "1"},
    "log-batch": {"params": [{"key": "evil", "value": "1"}]},
    "log-inputs": {"datasets": []},
    "outputs": {"models": []},
    "update": {"status": "KILLED"},
    "delete": {},
}
DELETIONS: dict[str, dict[str, str]] = {
    "registered-models/delete": {},
    "registered-models/delete-tag": {"key": "of"},
    "registered-models/alias": {"alias": "live"},
    "model-versions/delete": {"version": "1"},
}
# What a path names, by method and version of the API.
BY_PATH = (
    ("GET", 3, "traces/{trace_id}"),
    ("GET", 2, "traces/{request_id}/info"),
    ("GET", 3, "traces/{trace_id}/assessments/{assessment_id}"),
    ("GET", 2, "logged-models/{model_id}"),
    ("GET", 2, "logged-models/{model_id}/artifacts/directories"),
    ("GET", 3, "datasets/{dataset_id}"),
    ("GET", 3, "datasets/{dataset_id}/records"),
    ("GET", 3, "datasets/{dataset_id}/experiment-ids"),
    ("GET", 3, "issues/{issue_id}"),
    ("DELETE", 2, "traces/{request_id}/tags"),
    ("DELETE", 3, "traces/{trace_id}/tags"),
    ("DELETE", 3, "traces/{trace_id}/assessments/{assessment_id}"),
    ("DELETE", 2, "logged-models/{model_id}/tags/of"),
    ("DELETE", 2, "logged-models/{model_id}"),
    ("DELETE", 3, "datasets/{dataset_id}/records"),
    ("DELETE", 3, "datasets/{dataset_id}"),
)
NAMES = ("trace_id", "request_id", "assessment_id", "model_id", "dataset_id", "issue_id")
APIS = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")


class Place(t.NamedTuple):
    """A server, and what each of two people has on it: a run, a trace and where they are."""

    reader: Reader
    person: mlflow_person.Person
    experiments: dict[str, str]
    runs: dict[str, str]
    traces: dict[str, str]
    home: Path

    def model(self, who: tuple[str, str]) -> str:
        """Return the name of a new model of somebody's, with a version."""
        name, ask = secrets.token_hex(8), self.reader.ask
        ask("POST", V2 + "registered-models/create", who, name=name, tags=[{"key": "of", "value": who[0]}])
        ask("POST", V2 + "model-versions/create", who, name=name, source="s3://nothing/here")
        ask("POST", V2 + "registered-models/alias", who, name=name, alias="live", version="1")
        return name

    def answered(self, method: str, route: str, data: bytes, kind: str, **query: str | list[str]) -> int:
        """Send eve's request with a body of another kind and a query, and return how it is answered."""
        url = f"{self.reader.uri}{route}?{urllib.parse.urlencode(query, doseq=True)}"
        request = urllib.request.Request(url, data, method=method)  # noqa: S310 - a server of ours
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(EVE).encode()).decode())
        request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home, venv = tmp_path_factory.mktemp("readings") / "home", project.BUILD / request.param
    home.mkdir(mode=0o700)
    with as_unit.serving(venv, home, ADMIN) as uri, mlflow_person.working(venv, uri, home) as person:
        numbers = [int(part) for part in servers.version_of(venv).split(".")]
        found = Place(reader_for(uri, ADMIN, (numbers[0], numbers[1])), person, {}, {}, {}, home)
        for who in (ANN, EVE):
            found.reader.create_user(*who)
            number = found.reader.ask("POST", V2 + "experiments/create", who, name=who[0])["experiment_id"]
            run = found.reader.ask("POST", V2 + "runs/create", who, experiment_id=number)["run"]["info"]["run_id"]
            found.reader.ask("POST", V2 + "runs/set-tag", who, run_id=run, key="of", value=who[0])
            trace = person.ask(who, "trace", experiment_id=number, question="how far?", answer=f"as {who[0]} says")
            found.experiments[who[0]], found.runs[who[0]], found.traces[who[0]] = number, run, trace
        yield found


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("change", RUN_CHANGES)
def test_a_run_has_one_name(place: Place, change: str, api: str) -> None:
    mine, hers = place.runs["eve"], place.runs["ann"]
    before = place.reader.ask("GET", V2 + "runs/get", ANN, run_id=hers)
    for names in (
        {"run_uuid": mine, "runId": hers},
        {"run_id": mine, "runId": hers},
        {"run_uuid": mine, "runUuid": hers},
        {"run_id": mine, "runUuid": hers},
        {"runId": hers, "run_uuid": mine, "run_id": None},
    ):
        status = place.reader.status("POST", f"{api}runs/{change}", EVE, **names, **RUN_CHANGES[change])
        assert status >= 400, names
    assert place.reader.ask("GET", V2 + "runs/get", ANN, run_id=hers) == before


def test_mlflows_clients_call_it_by_both(place: Place) -> None:
    both = dict.fromkeys(("run_id", "run_uuid"), place.runs["eve"])
    assert place.reader.status("POST", V2 + "runs/set-tag", EVE, **both, key="a", value="b") == 200
    assert place.reader.status("GET", V2 + "runs/get", EVE, **both) == 200
    assert place.reader.status("GET", V2 + "artifacts/list", EVE, **both) == 200


def test_an_artifact_is_of_one_run(place: Place) -> None:
    mine, hers, upload = place.runs["eve"], place.runs["ann"], "/ajax-api/2.0/mlflow/upload-artifact"
    for query in ({"run_id": mine, "run_uuid": hers}, {"run_uuid": mine, "run_id": hers}):
        place.answered("POST", upload, b"evil", "text/plain", **query, path="evil.txt")
        for route in ("/get-artifact", V2 + "artifacts/list"):
            assert place.answered("GET", route, b"", "text/plain", **query, path="evil.txt") >= 400
    assert place.reader.ask("GET", V2 + "artifacts/list", ANN, run_id=hers).get("files", []) == []
    assert place.answered("POST", upload, b'{"a": 1}', "application/json", run_uuid=mine, path="a.json") == 200


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("route", DELETIONS)
def test_what_is_deleted_is_named_once(place: Place, route: str, api: str) -> None:
    mine, hers, more = place.model(EVE), place.model(ANN), DELETIONS[route]
    before = place.reader.registered(hers)
    body = {"name": hers, **more}
    for kind in ("text/plain", "application/octet-stream", "application/x-www-form-urlencoded"):
        for data in (json.dumps(body), json.dumps(json.dumps(body))):
            assert place.answered("DELETE", api + route, data.encode(), kind, name=mine, **more) >= 400, kind
    assert place.reader.registered(hers) == before
    assert place.reader.status("DELETE", api + route, ANN, **body) == 200


def test_an_experiment_is_named_once(place: Place) -> None:
    mine, hers = place.experiments["eve"], place.experiments["ann"]
    names = {"experiment_id": mine, "experimentId": hers}
    assert place.reader.status("POST", V2 + "experiments/update", EVE, **names, new_name="evil") == 400
    assert place.reader.status("POST", V2 + "experiments/delete", EVE, **names) == 400
    assert place.reader.status("POST", V2 + "runs/create", EVE, **names) == 400
    found = place.reader.ask("GET", V2 + "experiments/get", ANN, experiment_id=hers)["experiment"]
    assert (found["name"], found["lifecycle_stage"]) == ("ann", "active")


def test_traces_are_named_once(place: Place) -> None:
    mine, hers = place.traces["eve"], place.traces["ann"]
    route = V3 + "traces/batchGetInfos"
    assert place.reader.status("POST", route, EVE, trace_ids=[mine]) == 200
    assert place.reader.status("POST", route, EVE, trace_ids=[mine], traceIds=[hers]) >= 400
    within = [{"mlflow_experiment": {"experiment_id": place.experiments[name]}} for name in ("eve", "ann")]
    own, others = ({"type": "MLFLOW_EXPERIMENT", **it} for it in within)
    begun = {"trace_id": f"tr-{secrets.token_hex(16)}", "request_time": "2026-11-28T20:00:00Z", "state": "OK"}
    info = {**begun, "trace_location": own, "traceLocation": others}
    assert place.reader.status("POST", V3 + "traces", EVE, trace={"trace_info": info}) >= 400
    assert begun["trace_id"] not in place.person.ask(ANN, "traces", experiment_id=place.experiments["ann"])
    # What has names of a person's own may have two that look alike.
    alike = {"user_id": "eve", "userId": "eve too"}
    info = {**begun, "trace_location": own, "trace_metadata": alike, "tags": alike}
    assert place.reader.status("POST", V3 + "traces", EVE, trace={"trace_info": info}) == 200


@pytest.mark.parametrize("api", APIS)
def test_nothing_is_done_by_half_of_what_was_asked(place: Place, api: str) -> None:
    number, asked = place.experiments["eve"], place.reader.status
    for one in (1.5, True, 2**70):
        assert asked("POST", api + "runs/search", EVE, max_results=one, experiment_ids=[number]) == 400
    assert asked("POST", api + "experiments/update", EVE, new_name="\ud800", experiment_id=number) == 400
    for one in (1, "1", 1.0):
        assert asked("POST", api + "runs/search", EVE, max_results=one, experiment_ids=[number]) == 200


def logged(place: Place, who: tuple[str, str]) -> str:
    """Return a new logged model of somebody's, with a tag."""
    more = {"name": "m", "tags": [{"key": "of", "value": who[0]}]}
    made = place.reader.ask("POST", V2 + "logged-models", who, experiment_id=place.experiments[who[0]], **more)
    return made["model"]["info"]["model_id"]


@pytest.mark.parametrize("api", ["api", "ajax-api"])
def test_what_the_path_names_is_meant(place: Place, api: str) -> None:
    ask, mine, hers = place.reader.ask, {}, {}
    for who, ids in ((ANN, hers), (EVE, mine)):
        number, trace, said = place.experiments[who[0]], place.traces[who[0]], {"value": who[0]}
        said = {"trace_id": trace, "assessment_name": "of", "feedback": said, "source": {"source_type": "HUMAN"}}
        ids |= {"trace_id": trace, "request_id": trace, "model_id": logged(place, who)}
        answer = ask("POST", f"{V3}traces/{trace}/assessments", who, assessment=said)
        ids["assessment_id"] = answer["assessment"]["assessment_id"]
        if place.reader.version >= (3, 17):
            answer = ask("POST", V3 + "datasets/create", who, name=secrets.token_hex(8), experiment_ids=[number])
            ids["dataset_id"] = answer["dataset"]["dataset_id"]
            answer = ask("POST", V3 + "issues", who, experiment_id=number, name="of", description=who[0])
            ids["issue_id"] = answer["issue"]["issue_id"]
    before = hers_still(place, hers)
    for method, version, route in BY_PATH:
        names = [name for name in NAMES if f"{{{name}}}" in route]
        if not hers.keys() >= set(names):
            continue
        path, own = f"/{api}/{version}.0/mlflow/{route.format(**hers)}", {name: mine[name] for name in names}
        for query in (own, {**own, "key": "of"}, {name: [mine[name], hers[name]] for name in names}):
            assert place.answered(method, path, b"", "application/json", **query) in (400, 403), (method, path)
            assert place.answered(method, path, b"", "text/plain", **query) in (400, 403), (method, path)
        # As MLflow's clients do, who say it twice.
        if method == "GET":
            path = f"/{api}/{version}.0/mlflow/{route.format(**mine)}"
            assert place.answered(method, path, b"", "application/json", **own) not in (400, 403), (method, path)
    for body in ({"model_id": hers["model_id"]}, {"modelId": hers["model_id"], "model_id": mine["model_id"]}):
        path = f"/{api}/2.0/mlflow/logged-models/{mine['model_id']}"
        assert place.reader.status("PATCH", path, EVE, **body, status="LOGGED_MODEL_UPLOAD_FAILED") == 400
    assert hers_still(place, hers) == before
    path = f"/{api}/2.0/mlflow/logged-models/{mine['model_id']}"
    own = {"model_id": mine["model_id"], "status": "LOGGED_MODEL_READY"}
    assert place.reader.status("PATCH", path, EVE, **own) == 200


def hers_still(place: Place, ids: dict[str, str]) -> list[dict[str, t.Any]]:
    """Return what ann reads of what is hers."""
    ask = place.reader.ask
    routes = ["logged-models/{model_id}", "traces/{request_id}/info"]
    found = [ask("GET", V2 + route.format(**ids), ANN) for route in routes]
    routes = ["traces/{trace_id}/assessments/{assessment_id}"]
    routes += ["datasets/{dataset_id}", "issues/{issue_id}"] if "dataset_id" in ids else []
    return found + [ask("GET", V3 + route.format(**ids), ANN) for route in routes]


def test_what_a_get_asks_for_is_in_its_address(place: Place) -> None:
    if place.reader.version < (3, 17):
        pytest.skip("before 3.17, whoever may log in finds all datasets")
    mine, hers = place.experiments["eve"], place.experiments["ann"]
    for api in ("/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"):
        body = json.dumps({"experiment_ids": [mine]}).encode()
        for query, data in ((hers, body), (mine, body.replace(mine.encode(), hers.encode()))):
            route = api + "datasets/search"
            assert place.answered("GET", route, data, "application/json", experiment_ids=query) in (400, 403)
        assert place.answered("GET", api + "datasets/search", b"", "application/json", experiment_ids=mine) == 200


@pytest.mark.parametrize("api", ["api", "ajax-api"])
def test_the_experiment_of_an_artifact_has_one_number(place: Place, api: str) -> None:
    mine, hers = place.experiments["eve"], place.experiments["ann"]
    answer, route = place.answered, f"/{api}/2.0/mlflow-artifacts/artifacts"
    assert answer("PUT", f"{route}/{mine}/a%20b%25.txt", b"eve's", "text/plain") == 200
    assert answer("GET", f"{route}/{mine}/a%20b%25.txt", b"", "text/plain") == 200
    home = place.home / "artifacts" / hers
    home.mkdir(parents=True, exist_ok=True)
    (home / "ann.txt").write_text("ann's")
    for number in (f"%253{hers}", f"%25253{hers}", f"%20{hers}", f"./{hers}", f"%2e/{hers}", f"%00{hers}"):
        for query in ({}, {"path": f"{mine}/x"}):
            for method, name in (("GET", "ann.txt"), ("PUT", "evil.txt"), ("DELETE", "ann.txt")):
                seen = answer(method, f"{route}/{number}/{name}", b"evil" * (method == "PUT"), "text/plain", **query)
                assert seen == 400, (method, number, query)
        assert answer("GET", route, b"", "text/plain", path=urllib.parse.unquote(number)) == 400
    assert [path.name for path in home.iterdir()] == ["ann.txt"]


def test_what_is_asked_for_is_no_text(place: Place) -> None:
    mine, run = place.model(EVE), place.runs["eve"]
    text = json.dumps(json.dumps({"name": mine})).encode()
    assert place.answered("DELETE", V2 + "registered-models/delete", text, "application/json") == 400
    assert place.reader.status("GET", V2 + "registered-models/get", EVE, name=mine) == 200
    # A file is what it is.
    for file in (text, json.dumps({"run_id": "one", "run_uuid": "other"}).encode()):
        query = {"run_uuid": run, "path": "a.json"}
        upload = "/ajax-api/2.0/mlflow/upload-artifact"
        assert place.answered("POST", upload, file, "application/json", **query) == 200


def test_no_grant_stays_with_a_former_name(place: Place) -> None:
    mine, new = place.model(EVE), secrets.token_hex(8)
    place.reader.grant(ANN[0], "registered_model", new, "READ")
    for name in ("newName", "new_name"):
        assert place.reader.status("POST", V2 + "registered-models/rename", EVE, name=mine, **{name: new}) == 400
    assert place.reader.status("GET", V2 + "registered-models/get", EVE, name=mine) == 200


def test_no_spelling_of_its_number_takes_a_denial_away(place: Place) -> None:
    if place.reader.version < (3, 17):
        pytest.skip("before 3.17, nothing is denied")
    bob, number = (secrets.token_hex(8), "a word of bob's"), place.experiments["ann"]
    place.reader.create_user(*bob)
    place.reader.grant(bob[0], "experiment", "*", "MANAGE")
    scorer = {"name": "judge", "serialized_scorer": json.dumps({"name": "judge"})}
    assert place.reader.status("POST", V3 + "scorers/register", ANN, experiment_id=number, **scorer) == 200
    spelt = [number, f"0{number}", f" {number}", f"{number} ", f"+{number}", chr(0xFF10 + int(number)), f"0_{number}"]

    def answered() -> list[list[int]]:
        asked = place.reader.status
        return [
            [
                asked("GET", V2 + "experiments/get", bob, experiment_id=name),
                asked("POST", V2 + "experiments/set-experiment-tag", bob, experiment_id=name, key="by", value="bob"),
                asked("POST", V2 + "runs/create", bob, experiment_id=name),
                asked("GET", V3 + "scorers/list", bob, experiment_id=name),
            ]
            for name in spelt
        ]

    assert answered()[0] == [200] * 4
    place.reader.grant(bob[0], "experiment", number, "DENY")
    assert answered() == [[403] * 4] * len(spelt)


@pytest.mark.parametrize("api", APIS)
def test_the_head_of_an_answer_tells_nothing(place: Place, api: str) -> None:
    hers, empty = place.runs["ann"], "application/json"
    for route, query in (
        (api + "runs/get", {"run_id": hers}),
        (api + "experiments/get", {"experiment_id": place.experiments["ann"]}),
        (api + "registered-models/search", {}),
        (api + "users/list", {}),
        ("/get-artifact", {"run_uuid": hers, "path": "a.txt"}),
        (f"/api/2.0/mlflow-artifacts/artifacts/{place.experiments['ann']}/{hers}/artifacts/a.txt", {}),
    ):
        for body in (b"", json.dumps(query).encode()):
            assert place.answered("HEAD", route, body, empty, **query) == 403, route
    assert place.answered("HEAD", "/health", b"", empty) == 200


def test_nothing_is_called_as_all_are(place: Place) -> None:
    hers, mine = place.model(ANN), place.model(EVE)
    mark = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    for api in APIS:
        assert place.reader.status("POST", api + "registered-models/rename", EVE, name=mine, new_name="*") == 400
        for tags in ([], mark):
            assert place.reader.status("POST", api + "registered-models/create", EVE, name="*", tags=tags) == 400
    assert place.reader.status("GET", V2 + "registered-models/get", EVE, name=hers) == 403
    assert place.reader.status("DELETE", V2 + "registered-models/delete", EVE, name=hers) == 403
    assert place.reader.status("POST", V2 + "registered-models/rename", EVE, name=mine, new_name=f"{mine}*") == 200


def test_what_is_called_so_since_before_is_an_admins(place: Place) -> None:
    if place.reader.version >= (3, 18):
        pytest.skip("from 3.18 on, it is MLflow's")
    zoe, mine = (secrets.token_hex(8), "a word of zoe's"), secrets.token_hex(8)
    place.reader.create_user(*zoe)
    place.reader.grant(zoe[0], "registered_model", "*", "MANAGE")
    place.reader.ask("POST", V2 + "registered-models/create", zoe, name=mine)
    database = sqlite3.connect(place.home / "mlflow.db", timeout=60)
    with contextlib.closing(database), database:
        database.execute("UPDATE registered_models SET name = '*' WHERE name = ?", (mine,))
    assert place.reader.status("POST", V2 + "registered-models/rename", zoe, name="*", new_name="evil") == 403
    assert place.reader.status("DELETE", V2 + "registered-models/delete", zoe, name="*") == 403
    assert place.reader.status("POST", V2 + "registered-models/rename", name="*", new_name=f"{mine} for all") == 200


def somebody(place: Place, **levels: str) -> tuple[str, str]:
    """Return a new user who has the first of these levels of all experiments, and the others of ann's, or of a kind."""
    who = (f"bob{secrets.token_hex(4)}", "a word of bob's")
    place.reader.create_user(*who)
    for kind, level in levels.items():
        words = {"username": who[0], "resource_type": kind, "permission": level}
        if kind == "hers":
            words |= {"resource_type": "experiment", "resource_id": place.experiments["ann"]}
        place.reader.ask("POST", V3 + "users/permissions/grant", **{"resource_id": "*", **words})
    return who


def test_a_number_is_the_same_experiment(place: Place) -> None:
    if place.reader.version < (3, 17):
        pytest.skip("nothing is denied before 3.17")
    bob, hers = somebody(place, experiment="MANAGE", hers="DENY"), int(place.experiments["ann"])
    words: dict[str, t.Any] = dict.fromkeys(("prompt_template", "model_route", "model_input", "model_output"), "x")
    lists = ("prompt_parameters", "model_parameters", "model_output_parameters")
    words |= {"mlflow_version": "3", **{it: [{"key": "a", "value": "b"}] for it in lists}}
    route = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"
    for number in (str(hers), hers, float(hers), hers + 0.5):
        assert place.reader.status("POST", route, bob, experiment_id=number, **words) == 403, number
    assert place.reader.status("POST", route, bob, experiment_id=int(place.experiments["eve"]), **words) == 200


@pytest.mark.parametrize("api", ["api", "ajax-api"])
def test_a_path_of_artifacts_has_no_dots_between(place: Place, api: str) -> None:
    number, run = place.experiments["ann"], place.runs["ann"]
    routes = f"/{api}/2.0/mlflow-artifacts/artifacts"
    plain = f"{number}/{run}/artifacts/a.json"
    assert place.reader.status("PUT", f"{routes}/{plain}", ANN, a=1) == 200
    assert place.reader.status("GET", f"{routes}/{plain}", ANN) == 200
    # As who lists what is in a run, wherever they are in it.
    mine = f"{number}/{run}/artifacts"
    for where in (f"{mine}/.", f"{mine}/./"):
        assert place.reader.ask("GET", routes, ANN, path=where) == place.reader.ask("GET", routes, ANN, path=mine)
    if place.reader.version < (3, 17):
        pytest.skip("nothing is denied before 3.17")
    bob = somebody(place, experiment="READ", run="DENY")
    for where in (f"{mine}/.", f"{mine}/./a.json"):
        assert place.reader.status("GET", routes, bob, path=where) == 403
    for dot in (".", "%2e", "%252E", "./."):
        for path in (plain, f"{number}/{dot}/{run}/artifacts/a.json", f"{dot}/{plain}"):
            for method in ("GET", "PUT", "DELETE"):
                assert place.reader.status(method, f"{routes}/{path}", bob) >= 400, path
        for path in (f"{number}/{dot}/{run}/artifacts", f"{number}/{run}/{dot}/artifacts", f"{number}/{dot}"):
            where = urllib.parse.unquote(path)
            if place.reader.status("GET", routes, bob, path=where) == 200:
                assert place.reader.ask("GET", routes, bob, path=where).get("files", []) == []
