"""Who is declared to make things makes them, and nobody else does, whichever way they come."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import typing as t
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import as_unit
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for
from mlflow_things import GATEWAY, MCP_SERVERS, SKILLS, gateway

EVERY_ROUTE = Path(__file__).parent / "every_route.py"
PASSWORD = "the admin's own word"
ANN, BOB = ("ann", "a word of ann's"), ("bob o'b", "a word of bob's")
# The role runs none that is older.
BETWEEN = project.BETWEEN_MLFLOWS if project.BETWEEN in os.environ else ()
VENVS = [*BETWEEN, project.MLFLOW.name, *project.next_mlflows()]
# Where what is made stands.
TABLES = {
    "experiments": "experiment_id",
    "registered_models": "name",
    "secrets": "secret_id",
    "endpoints": "endpoint_id",
    "model_definitions": "model_definition_id",
    "mcp_servers": "name",
}
# From 3.18 on.
SKILL_TABLES = {"skills": "name"}
AJAX = "/ajax-api/2.0/mlflow/"
PROVIDER = {"provider": "openai", "model_name": "gpt-4"}
GIT = "https://git.example.org/skills.git"
PROMPT = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
KINDS = ("experiment", "registered_model", "prompt", "gateway_secret", "gateway_endpoint", "gateway_model_definition")


class Place(t.NamedTuple):
    """A server as a team's unit runs it, and what it keeps."""

    reader: Reader
    home: Path
    python: Path

    def let(self, *names: str) -> None:
        """Declare who may make things."""
        (self.home / "creators.json").write_text(json.dumps(names))

    @property
    def tables(self) -> dict[str, str]:
        """Where things stand in its version."""
        return {**TABLES, **(SKILL_TABLES if self.reader.version >= (3, 18) else {})}

    def things(self) -> set[tuple[str, str]]:
        """What there is, by where it stands and what it is called for ever."""
        with contextlib.closing(sqlite3.connect(self.home / "mlflow.db")) as connection:
            query = "SELECT {} FROM {}"
            tables = self.tables.items()
            found = {table: connection.execute(query.format(key, table)).fetchall() for table, key in tables}
        return {(table, row[0]) for table, rows in found.items() for row in rows}


@contextlib.contextmanager
def serving(venv: Path, home: Path, workers: int, audit: str) -> Iterator[Place]:
    """Run one."""
    home.mkdir()
    creators = str(home / "creators.json")
    more = {"MLOPS_MLFLOW_CREATORS": creators, "MLOPS_MLFLOW_AUDIT": audit, "MLFLOW_WORKERS": str(workers)}
    with as_unit.serving(venv, home, PASSWORD, gateway=True, **more) as uri:
        version = tuple(int(part) for part in servers.version_of(venv).split(".")[:2])
        reader = reader_for(uri, PASSWORD, t.cast("tuple[int, int]", version))
        for who in (ANN, BOB):
            reader.create_user(*who)
        place = Place(reader, home, venv / "bin" / "python")
        place.let(BOB[0])
        yield place


@pytest.fixture(scope="module", params=VENVS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server on which ann may do everything with all that there is, and make nothing."""
    with serving(project.BUILD / request.param, tmp_path_factory.mktemp("creators") / "home", 1, "direct") as found:
        for kind in (*KINDS, "mcp_server", *(["skill"] if found.reader.version >= (3, 18) else [])):
            grant = {"username": ANN[0], "resource_type": kind, "resource_id": "*", "permission": "MANAGE"}
            found.reader.ask("POST", V3 + "users/permissions/grant", **grant)
        yield found


def requests(reader: Reader, some: t.Callable[[str], str]) -> list[tuple[str, str, dict[str, t.Any]]]:
    """Everything by which somebody makes something; the last is no creation by its name."""
    made = gateway(reader, some)
    secret, model = made["gateway_secret"].key, made["gateway_model_definition"].key
    configs = {"model_configs": [{"model_definition_id": model, "linkage_type": "PRIMARY", "weight": 1}]}
    quiet = {**configs, "usage_tracking": False}
    untracked = reader.ask("POST", GATEWAY + "endpoints/create", name=some("untracked"), **quiet)["endpoint"]
    key = {"secret_name": some("key"), "secret_value": {"api_key": "x"}, "provider": "openai"}
    server = f"com.example/{some('by-version')}"
    version = {"server_json": {"name": server, "version": "1.0.0", "description": "x"}}
    found = [
        (V2 + "experiments/create", {"name": some("experiment")}),
        (AJAX + "experiments/create", {"name": some("page")}),
        (V2 + "registered-models/create", {"name": some("model")}),
        (AJAX + "registered-models/create", {"name": some("page")}),
        (V2 + "registered-models/create", {"name": some("prompt"), "tags": PROMPT}),
        (GATEWAY + "secrets/create", key),
        (GATEWAY + "model-definitions/create", {"name": some("gpt"), "secret_id": secret, **PROVIDER}),
        (GATEWAY + "endpoints/create", {"name": some("quiet"), **quiet}),
        (GATEWAY + "endpoints/create", {"name": some("tracked"), **configs}),
        (MCP_SERVERS, {"name": f"com.example/{some('server')}"}),
        (f"{MCP_SERVERS}/{server}/versions", version),
        # Makes an experiment for its traces.
        (GATEWAY + "endpoints/update", {"endpoint_id": untracked["endpoint_id"], "usage_tracking": True}),
    ]
    if reader.version >= (3, 18):
        registered = {"name": some("many"), "source_type": "git", "source": GIT, "digest": "a" * 64}
        found += [
            (SKILLS, {"name": some("skill")}),
            (f"{SKILLS}/@acme/{some('by-version')}/versions", {"source_type": "git", "source": GIT}),
            (f"{SKILLS}/bulk-register", {"skills": [registered]}),
        ]
    return [("POST", path, body) for path, body in found]


def status_of(place: Place, who: tuple[str, str] | None, request: tuple[str, str, dict[str, t.Any]]) -> int:
    """Send one request, and return how it is answered."""
    method, path, body = request
    return place.reader.status(method, path, who, **body)


def test_only_creators_and_admins_make_things_whichever_way_they_come(
    place: Place, some: t.Callable[[str], str]
) -> None:
    wanted = requests(place.reader, some)
    before = place.things()
    refused = [(status_of(place, ANN, request), request[1]) for request in wanted]
    assert {status for status, _path in refused} == {403}, refused
    assert place.things() == before, place.things() - before
    # Bob may neither use what the admin has made, nor change it.
    own = [request for request in wanted if not request[1].startswith(GATEWAY) or "secrets" in request[1]]
    done = [(status_of(place, BOB, request), request[1]) for request in own]
    assert {status for status, _path in done} == {200}, done
    done = [(status_of(place, None, request), request[1]) for request in wanted if request not in own]
    assert {status for status, _path in done} == {200}, done
    assert {table for table, _key in place.things() - before} == set(place.tables)


def test_who_may_not_is_told_so_and_works_with_what_there_is(place: Place, some: t.Callable[[str], str]) -> None:
    name = some("there")
    number = place.reader.create_experiment(name)
    with pytest.raises(urllib.error.HTTPError) as refused:
        place.reader.ask("POST", V2 + "experiments/create", ANN, name=some("mine"))
    answer = json.loads(refused.value.read())
    assert answer["error_code"] == "PERMISSION_DENIED"
    assert answer["message"].startswith("'ann' may not make experiments on this server")
    assert place.reader.status("GET", V2 + "experiments/get-by-name", ANN, experiment_name=name) == 200
    assert place.reader.status("POST", V2 + "runs/create", ANN, experiment_id=number) == 200
    # MLflow's client makes the model of each version that it registers, and goes on where that is there.
    place.reader.create_model(name)
    for kind in ("experiments", "registered-models"):
        with pytest.raises(urllib.error.HTTPError) as taken:
            place.reader.ask("POST", f"{V2}{kind}/create", ANN, name=name)
        assert json.loads(taken.value.read())["error_code"] == "RESOURCE_ALREADY_EXISTS"


def test_who_is_declared_to_may_at_once_and_who_is_no_more_may_not(place: Place, some: t.Callable[[str], str]) -> None:
    def tries(who: tuple[str, str]) -> int:
        return place.reader.status("POST", V2 + "experiments/create", who, name=some(who[0]))

    try:
        place.let(ANN[0])
        assert (tries(ANN), tries(BOB)) == (200, 403)
        place.let()
        assert (place.reader.status("POST", V2 + "experiments/create", ANN, name=some("again")), tries(BOB)) == (
            403,
            403,
        )
        # What cannot be read lets nobody.
        (place.home / "creators.json").unlink()
        assert tries(BOB) == 500
    finally:
        place.let(BOB[0])


def test_no_route_at_all_makes_anything_for_who_may_not(place: Place) -> None:
    before = place.things()
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(place.home),
        "MLFLOW_AUTH_CONFIG_PATH": str(place.home / "basic_auth.ini"),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{place.home}/mlflow.db",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only to read",
        "PYTHONWARNINGS": "ignore",
    }
    command = [place.python, EVERY_ROUTE, place.reader.uri, PASSWORD, *ANN]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    # She may do much else, but what is new is what the admin has made first.
    assert sum(status == 200 for *_request, status, _text in answers) > 20
    new = sorted(table for table, _key in place.things() - before)
    assert new in (["experiments"], ["experiments", "registered_models"])


def test_several_workers_without_lines_of_who_did_what(tmp_path: Path, some: t.Callable[[str], str]) -> None:
    with serving(project.MLFLOW, tmp_path / "home", 2, "no") as place:
        # One after the other is not always answered by the same.
        for number in range(8):
            for who, status in ((ANN, 403), (BOB, 200)):
                assert place.reader.status("POST", V2 + "experiments/create", who, name=some(f"{number}")) == status
            assert place.reader.status("POST", MCP_SERVERS, ANN, name=f"com.example/{some('x')}") == 403
